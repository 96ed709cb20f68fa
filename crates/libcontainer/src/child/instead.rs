//! Filesystems that the kernel has once, for the machine or for a namespace, however often they are mounted.

use super::rootfs::filesystem_type;
use super::{Done, attributes, below};
use crate::plan::{Instead, Mount, options};
use crate::sync::{Calling, Fault, Text};
use kernel::Errno;
use kernel::file::CWD;
use kernel::mount::{self as m, Attributes};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};

pub(super) const PROC_SUPER_MAGIC: i64 = 0x9fa0;
pub(super) const SYSFS_MAGIC: i64 = 0x6265_6572;
const MQUEUE_MAGIC: i64 = 0x1980_0202;
const CGROUP2_SUPER_MAGIC: i64 = 0x6367_7270;

/// What statfs(2) says of a type for which a mount of the host's can stand in.
fn magic(fstype: &CStr) -> Option<i64> {
    match fstype.to_bytes() {
        b"proc" => Some(PROC_SUPER_MAGIC),
        b"sysfs" => Some(SYSFS_MAGIC),
        b"mqueue" => Some(MQUEUE_MAGIC),
        b"cgroup2" => Some(CGROUP2_SUPER_MAGIC),
        _ => None,
    }
}

/// Tells a filesystem context what mount(2) is told in one string.
pub(super) fn configure(
    context: BorrowedFd<'_>,
    mount: &Mount,
    data: Option<&CStr>,
) -> kernel::Result<()> {
    m::fsconfig(context, c"source", Some(&mount.source))?;
    for word in data
        .map_or(&b""[..], CStr::to_bytes)
        .split(|b| *b == b',')
        .filter(|w| !w.is_empty())
    {
        let mut parts = word.splitn(2, |b| *b == b'=');
        let (mut key, mut value) = (Text::<256>::new(), Text::<1024>::new());
        key.push(parts.next().unwrap_or_default());
        let has_value = parts.next().map(|v| value.push(v)).is_some();
        m::fsconfig(
            context,
            key.as_cstr()?,
            has_value.then_some(value.as_cstr()?),
        )?;
    }
    Ok(())
}

/// mount(2) refuses one filesystem twice on the same place (EBUSY). A mount that was made elsewhere may go there.
pub(super) fn mount_again(
    mount: &Mount,
    data: Option<&CStr>,
    target: BorrowedFd<'_>,
) -> kernel::Result<()> {
    if magic(&mount.fstype).is_none() {
        return Err(Errno::EBUSY);
    }
    let context = m::fsopen(&mount.fstype).map_err(|_| Errno::EBUSY)?;
    configure(context.as_fd(), mount, data)?;
    let new = m::fsmount(context.as_fd(), options::attributes(mount.flags))?;
    m::move_mount(new.as_fd(), target)
}

/// Mounts what the host has where a new mount was not permitted.
pub(super) fn bind_instead(mount: &Mount, instead: &Instead, target: BorrowedFd<'_>) -> Done {
    let source = instead.source.to_bytes();
    let tree = m::clone_tree(CWD, &instead.source, true, false)
        .map_err(|e| Fault::about("open_tree", e, source))?;
    if magic(&mount.fstype) != Some(filesystem_type(tree.as_fd())?) {
        let mut fault = Fault::about("mount", Errno::EPERM, source);
        fault.detail.push(b" is no ");
        fault.detail.push(mount.fstype.to_bytes());
        fault.detail.push(b" that could be bound instead");
        return Err(fault);
    }
    let read_only = if instead.read_only { m::MS_RDONLY } else { 0 };
    attach_whole(
        tree.as_fd(),
        target,
        options::attributes(mount.flags | read_only),
    )
}

/// Attaches a copy of mounts of the host that has nothing to do with them any more, with attributes that hold for all of it. Access times mean nothing in
/// filesystems of the kernel, and a user namespace may not change how they are kept.
pub(super) fn attach_whole(tree: BorrowedFd<'_>, target: BorrowedFd<'_>, attributes: u64) -> Done {
    let change = Attributes {
        set: attributes & !(m::MOUNT_ATTR__ATIME | m::MOUNT_ATTR_NODIRATIME),
        clear: 0,
        propagation: m::MS_PRIVATE,
    };
    match m::set_attributes(tree, true, change, None) {
        // Only an attached mount can be remounted, and each by itself.
        Err(Errno::ENOSYS) => {
            m::move_mount(tree, target).calling("move_mount")?;
            let private = Attributes { set: 0, ..change };
            attributes::set(tree, true, private)?;
            let each = Attributes {
                propagation: 0,
                ..change
            };
            attributes::set(tree, false, each)?;
            below::each(tree, |fd| attributes::set(fd, false, each))
        }
        other => {
            other.calling("mount_setattr")?;
            m::move_mount(tree, target).calling("move_mount")
        }
    }
}
