//! Changing an attached mount: mount_setattr where the kernel has it, remounting where it does not (before 5.12).

use super::{Done, procfs};
use crate::plan::options;
use crate::sync::{Calling, Fault, Text};
use kernel::mount::{self, Attributes, MS_BIND, MS_REC, MS_REMOUNT};
use kernel::{Errno, file};
use std::os::fd::{AsRawFd, BorrowedFd};

/// Changes the mount whose root `fd` is, and all below it if `recursive`.
pub(super) fn set(fd: BorrowedFd<'_>, recursive: bool, change: Attributes) -> Done {
    match mount::set_attributes(fd, recursive, change, None) {
        Err(Errno::ENOSYS) => remount(fd, recursive, change),
        other => other.calling("mount_setattr"),
    }
}

/// The same by mount(2), which knows a mount by its path alone: "." for a directory that becomes the current one, and for a file its link in procfs.
fn remount(fd: BorrowedFd<'_>, recursive: bool, change: Attributes) -> Done {
    let mut path = Text::<32>::new();
    // A directory that this process may not enter is like a file.
    if file::fchdir(fd).is_ok() {
        path.push(b".");
    } else {
        procfs::enter_descriptors()?;
        path.push_number(fd.as_raw_fd() as u64);
    }
    let path = path.as_cstr().calling("mount")?;
    if change.propagation != 0 {
        let rec = if recursive { MS_REC } else { 0 };
        mount::mount(None, path, None, change.propagation | rec, None)
            .calling("mount propagation")?;
    }
    if change.set | change.clear == 0 {
        return Ok(());
    }
    if recursive {
        return Err(Fault::about(
            "mount_setattr",
            Errno::ENOSYS,
            b"recursive mount attributes need kernel 5.12",
        ));
    }
    let now = current(fd)?;
    let flags = options::flags(now & !change.clear | change.set);
    mount::mount(None, path, None, MS_REMOUNT | MS_BIND | flags, None).calling("mount MS_REMOUNT")
}

/// The attributes that a mount has, read from statfs(2).
pub(super) fn current(fd: BorrowedFd<'_>) -> Result<u64, Fault> {
    const BITS: [(u64, u64); 7] = [
        (1, mount::MOUNT_ATTR_RDONLY),
        (2, mount::MOUNT_ATTR_NOSUID),
        (4, mount::MOUNT_ATTR_NODEV),
        (8, mount::MOUNT_ATTR_NOEXEC),
        (1024, mount::MOUNT_ATTR_NOATIME),
        (2048, mount::MOUNT_ATTR_NODIRATIME),
        (8192, mount::MOUNT_ATTR_NOSYMFOLLOW),
    ];
    const ST_RELATIME: u64 = 4096;
    let flags = file::mount_flags(fd).calling("fstatvfs")?;
    let attributes = BITS
        .iter()
        .filter(|(st, _)| flags & st != 0)
        .fold(0, |a, (_, attr)| a | attr);
    let strict = flags & (ST_RELATIME | 1024) == 0;
    Ok(attributes
        | if strict {
            mount::MOUNT_ATTR_STRICTATIME
        } else {
            0
        })
}
