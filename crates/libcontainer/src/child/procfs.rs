//! Writing kernel parameters and security labels through a procfs that is certainly one.
//!
//! The container's own /proc could be covered by a volume that shows plain files (CVE-2019-16884, CVE-2025-52881). A private instance that is mounted nowhere
//! cannot. Where the kernel does not give one (a user namespace that sees only a masked /proc), the container's is used after checking that it is procfs, and
//! that nothing is mounted on the way.

use super::instead::PROC_SUPER_MAGIC;
use super::rootfs::filesystem_type;
use super::{Child, Done};
use crate::sync::{Calling, Fault, Text};
use crate::walk;
use kernel::file::{
    self, CWD, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY, O_WRONLY, RESOLVE_BENEATH,
    RESOLVE_NO_MAGICLINKS, RESOLVE_NO_XDEV,
};
use kernel::{Errno, Result, io, mount};
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

/// The inode number of the root directory of every procfs (linux/proc_fs.h, `PROC_ROOT_INO`).
const PROC_ROOT_INO: u64 = 1;

/// Nothing between the procfs and the file: no other mount, no link that leads out of it.
const RESOLVE: u64 = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS;

/// A procfs; `fallback` opens one that is mounted.
fn procfs(fallback: impl FnOnce() -> Result<OwnedFd>) -> std::result::Result<OwnedFd, Fault> {
    let private = mount::fsopen(c"proc").and_then(|context| {
        mount::fsmount(
            context.as_fd(),
            mount::MOUNT_ATTR_NOSUID | mount::MOUNT_ATTR_NODEV,
        )
    });
    match private {
        Err(Errno::EPERM | Errno::ENOSYS | Errno::EACCES) => {}
        other => return other.calling("fsmount proc"),
    }
    let fd = fallback().calling("open /proc")?;
    if filesystem_type(fd.as_fd())? != PROC_SUPER_MAGIC
        || file::fstat(fd.as_fd()).calling("fstat")?.st_ino != PROC_ROOT_INO
    {
        return Err(Fault::about(
            "open /proc",
            Errno::EINVAL,
            b"/proc in the container is not procfs",
        ));
    }
    Ok(fd)
}

/// Goes to the directory of this process' own descriptors: for calls that know a file by its path alone, `N` is then descriptor N, whatever the root holds.
pub(super) fn enter_descriptors() -> Done {
    let procfs = procfs(|| file::openat(CWD, c"/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW, 0))?;
    let flags = O_PATH | O_DIRECTORY;
    let dir = walk::open(procfs.as_fd(), c"thread-self/fd", flags, RESOLVE)
        .calling("open /proc/thread-self/fd")?;
    file::fchdir(dir.as_fd()).calling("fchdir")
}

/// Opens a file about this process, for reading.
pub(super) fn open_own(path: &CStr) -> std::result::Result<OwnedFd, Fault> {
    let procfs = procfs(|| file::openat(CWD, c"/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW, 0))?;
    walk::open(procfs.as_fd(), path, O_RDONLY, RESOLVE).calling("open")
}

impl Child<'_> {
    fn write_proc(&self, path: &CStr, value: &[u8]) -> Done {
        let procfs = procfs(|| match &self.root {
            Some(root) => root.open(c"/proc", O_PATH | O_DIRECTORY),
            None => file::openat(CWD, c"/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW, 0),
        })?;
        let file = walk::open(procfs.as_fd(), path, O_WRONLY, RESOLVE).calling("open")?;
        if filesystem_type(file.as_fd())? != PROC_SUPER_MAGIC {
            return Err(Fault::new("open", Errno::EXDEV));
        }
        io::write_all(file.as_fd(), value).calling("write")
    }

    pub(super) fn sysctl(&self, path: &CStr, value: &CStr) -> Done {
        let mut full = Text::<300>::new();
        full.push(b"sys/");
        full.push(path.to_bytes());
        self.write_proc(full.as_cstr().calling("open")?, value.to_bytes())
    }

    /// AppArmor's own directory came with Linux 5.8; before, it shared the one of all security modules.
    pub(super) fn label(&self, file: &CStr, value: &CStr) -> Done {
        let write = |file: &[u8]| {
            let mut path = Text::<80>::new();
            path.push(b"thread-self/attr/");
            path.push(file);
            self.write_proc(path.as_cstr().calling("open")?, value.to_bytes())
        };
        match write(file.to_bytes()) {
            Err(fault) if fault.errno == Errno::ENOENT && fault.call == "open" => {
                let name = file
                    .to_bytes()
                    .rsplit(|b| *b == b'/')
                    .next()
                    .unwrap_or_default();
                write(name)
            }
            other => other,
        }
    }
}
