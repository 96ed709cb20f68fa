//! Keeping the container away from the runtime's own file.
//!
//! A process of the container can reach what /proc/PID/exe of the runtime refers to, keep it open, and write to it when the runtime has ended
//! (CVE-2019-5736). So commands that enter a container run from a copy that nobody can write: a detached read-only mount of the file, which
//! costs nothing, or a sealed copy in memory where mounts are not allowed.

use crate::error::{During, Error, Kind, Result};
use kernel::file::{self, CWD, O_RDONLY};
use kernel::mount::{self, Attributes};
use kernel::{Errno, exec};
use std::os::fd::{AsFd, OwnedFd};

const SELF: &std::ffi::CStr = c"/proc/self/exe";
const SEALS: i32 = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;

/// Returns when this process runs from a sealed copy of its file; otherwise runs the same command line anew from one.
///
/// # Errors
/// Where /proc is missing, or neither kind of copy can be made.
pub fn seal() -> Result<()> {
    if is_sealed()? {
        return Ok(());
    }
    let (argv, envp) = exec::own_arguments().during(|| "read the command line".into())?;
    let copy = match detached_mount() {
        Err(Errno::EPERM | Errno::ENOSYS | Errno::EINVAL | Errno::EACCES) => {
            memory_copy().during(|| "copy /proc/self/exe to a sealed memfd".into())?
        }
        other => other.during(|| "make a read-only mount of /proc/self/exe".into())?,
    };
    let errno = exec::fexecve(copy.as_fd(), &argv, &envp);
    Err(Error::os("run the sealed copy of this program", errno)
        .hint("mount /proc, and /tmp or /dev/shm without noexec"))
}

/// Asks the kernel, not the environment: the file of a detached mount has no path but `/`, and a sealed memfd has seals.
fn is_sealed() -> Result<bool> {
    let mut buf = [0; 64];
    let missing = |errno| {
        Error::new(Kind::Failed, "read /proc/self/exe")
            .errno(errno)
            .hint("a runtime needs /proc")
    };
    match file::readlinkat(CWD, SELF, &mut buf).map_err(missing)? {
        b"/" => {
            const ST_RDONLY: u64 = 1;
            let flags = file::mount_flags_of(SELF).during(|| "statfs /proc/self/exe".into())?;
            Ok(flags & ST_RDONLY != 0)
        }
        path if path.starts_with(b"/memfd:") => {
            let exe =
                file::openat(CWD, SELF, O_RDONLY, 0).during(|| "open /proc/self/exe".into())?;
            Ok(file::seals(exe.as_fd()).is_ok_and(|seals| seals & SEALS == SEALS))
        }
        _ => Ok(false),
    }
}

fn detached_mount() -> kernel::Result<OwnedFd> {
    let tree = mount::clone_tree(CWD, SELF, false, false)?;
    let attributes = Attributes {
        set: mount::MOUNT_ATTR_RDONLY | mount::MOUNT_ATTR_NOSUID,
        ..Attributes::default()
    };
    mount::set_attributes(tree.as_fd(), false, attributes, None)?;
    Ok(tree)
}

fn memory_copy() -> kernel::Result<OwnedFd> {
    let from = file::openat(CWD, SELF, O_RDONLY, 0)?;
    let copy = file::memfd(c"teu")?;
    while file::sendfile(copy.as_fd(), from.as_fd(), 1 << 30)? > 0 {}
    file::add_seals(copy.as_fd(), SEALS)?;
    // Executing a file that is open for writing is an error; a second descriptor by way of /proc is read-only.
    use std::os::fd::AsRawFd;
    let path = std::ffi::CString::new(format!("/proc/self/fd/{}", copy.as_raw_fd()))
        .map_err(|_| Errno::EINVAL)?;
    file::openat(CWD, &path, O_RDONLY, 0)
}
