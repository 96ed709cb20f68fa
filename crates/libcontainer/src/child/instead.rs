//! Filesystems of the kernel that are not the container's alone: one instance serves the machine or a namespace, however often it is mounted.

use super::rootfs::filesystem_type;
use super::{Done, attributes};
use crate::plan::{Instead, Mount, options};
use crate::sync::{Calling, Fault};
use kernel::Errno;
use kernel::file::CWD;
use kernel::mount::{self as m, Attributes};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};

pub(super) const PROC_SUPER_MAGIC: i64 = 0x9fa0;
pub(super) const SYSFS_MAGIC: i64 = 0x6265_6572;
const MQUEUE_MAGIC: i64 = 0x1980_0202;
const CGROUP_SUPER_MAGIC: i64 = 0x0027_e0eb;
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

/// Whether this is such a filesystem: what a remount does to it, it does to the host's mounts as well. (procfs is one for each mount, since 5.8.)
pub(super) fn is_for_everybody(fd: BorrowedFd<'_>) -> Result<bool, Fault> {
    Ok(matches!(
        filesystem_type(fd)?,
        CGROUP_SUPER_MAGIC | CGROUP2_SUPER_MAGIC | SYSFS_MAGIC | MQUEUE_MAGIC
    ))
}

/// Mounts what the host has where a new mount was refused. The flags hold for everything below, too; before it is attached nothing ties it to the host's
/// mounts any more. Access times mean nothing in these filesystems, and a user namespace may not change how they are kept.
pub(super) fn bind_instead(
    mount: &Mount,
    instead: &Instead,
    refused: Errno,
    target: BorrowedFd<'_>,
) -> Done {
    let read_only = if instead.read_only { m::MS_RDONLY } else { 0 };
    let change = Attributes {
        set: options::attributes(mount.flags | read_only) & !m::MOUNT_ATTR__ATIME,
        clear: 0,
        propagation: m::MS_PRIVATE,
    };
    // Only an attached mount can be remounted, and only by itself: there (before 5.12) the kernel refuses to leave out what is below.
    let at_once = m::has_set_attributes();
    let source = instead.source.to_bytes();
    let tree = m::clone_tree(CWD, &instead.source, at_once, false)
        .map_err(|e| Fault::about("open_tree", e, source))?;
    let tree = tree.as_fd();
    if magic(&mount.fstype) != Some(filesystem_type(tree)?) {
        let mut fault = Fault::about("mount", refused, source);
        fault.detail.push(b" is no ");
        fault.detail.push(mount.fstype.to_bytes());
        fault.detail.push(b" that could be bound instead");
        return Err(fault);
    }
    if at_once {
        attributes::set(tree, true, change)?;
    }
    m::move_mount(tree, target).calling("move_mount")?;
    if at_once {
        return Ok(());
    }
    attributes::set(tree, false, change)
}
