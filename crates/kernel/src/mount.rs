//! Mounts: the calls that take descriptors (open_tree, move_mount, mount_setattr, fsopen) and the classic ones on the current directory.

use crate::sys::{check, known, owned};
use crate::{Errno, Result};
use std::ffi::CStr;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

pub use libc::{
    MNT_DETACH, MS_BIND, MS_DIRSYNC, MS_I_VERSION, MS_LAZYTIME, MS_MANDLOCK, MS_MOVE, MS_NOATIME,
    MS_NODEV, MS_NODIRATIME, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_RDONLY, MS_REC, MS_RELATIME,
    MS_REMOUNT, MS_SHARED, MS_SILENT, MS_SLAVE, MS_STRICTATIME, MS_SYNCHRONOUS, MS_UNBINDABLE,
};
pub use libc::{
    MOUNT_ATTR__ATIME, MOUNT_ATTR_IDMAP, MOUNT_ATTR_NOATIME, MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NODIRATIME, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NOSYMFOLLOW,
    MOUNT_ATTR_RDONLY, MOUNT_ATTR_RELATIME, MOUNT_ATTR_STRICTATIME,
};

/// `MS_NOSYMFOLLOW` (kernel 5.10).
pub const MS_NOSYMFOLLOW: libc::c_ulong = 256;

const OPEN_TREE_CLONE: u32 = 1;
const MOVE_MOUNT_F_EMPTY_PATH: u32 = 0x4;
const MOVE_MOUNT_T_SYMLINKS: u32 = 0x10;
const MOVE_MOUNT_T_EMPTY_PATH: u32 = 0x40;

/// open_tree(2) with `OPEN_TREE_CLONE`: a detached copy of the mount at `path`, with everything mounted below it if `recursive`. An empty path
/// copies what `dir` refers to. A final link is followed unless `nofollow`.
pub fn clone_tree(
    dir: BorrowedFd<'_>,
    path: &CStr,
    recursive: bool,
    nofollow: bool,
) -> Result<OwnedFd> {
    let mut flags = OPEN_TREE_CLONE | libc::O_CLOEXEC as u32 | libc::AT_EMPTY_PATH as u32;
    if recursive {
        flags |= libc::AT_RECURSIVE as u32;
    }
    if nofollow {
        flags |= libc::AT_SYMLINK_NOFOLLOW as u32;
    }
    let open = |flags: u32| {
        // SAFETY: path is NUL-terminated.
        unsafe { libc::syscall(libc::SYS_open_tree, dir.as_raw_fd(), path.as_ptr(), flags) }
    };
    known(owned(open(flags)), || open(!0))
}

pub(crate) const SYS_OPEN_TREE_ATTR: libc::c_long = 467;

/// open_tree_attr(2) (kernel 6.15): [`clone_tree`] of a single mount and [`set_attributes`] on the copy in one call.
///
/// # Errors
/// `ENOSYS` from older kernels: make the two calls then.
pub fn clone_tree_with(dir: BorrowedFd<'_>, path: &CStr, what: Attributes) -> Result<OwnedFd> {
    let attr = what.to_kernel(None);
    let flags = OPEN_TREE_CLONE | libc::O_CLOEXEC as u32 | libc::AT_EMPTY_PATH as u32;
    let open = |flags: u32, size: usize| {
        // SAFETY: path is NUL-terminated; attr is a live mount_attr of the size passed, or the flags are refused before it is looked at.
        unsafe {
            libc::syscall(
                SYS_OPEN_TREE_ATTR,
                dir.as_raw_fd(),
                path.as_ptr(),
                flags,
                &attr,
                size,
            )
        }
    };
    let size = size_of::<libc::mount_attr>();
    known(owned(open(flags, size)), || open(!0, size))
}

/// move_mount(2): attaches the mount `from` (detached or not) on what `to` refers to. No path takes part.
pub fn move_mount(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<()> {
    move_mount_to(from, to, c"")
}

/// move_mount(2): attaches the mount `from` on `name` in `dir`, which may be empty for `dir` itself. Links are followed.
pub fn move_mount_to(from: BorrowedFd<'_>, dir: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    let target = if name.is_empty() {
        MOVE_MOUNT_T_EMPTY_PATH
    } else {
        MOVE_MOUNT_T_SYMLINKS
    };
    let attach = |flags: u32| {
        let (from, dir) = (from.as_raw_fd(), dir.as_raw_fd());
        // SAFETY: both paths are NUL-terminated.
        unsafe {
            libc::syscall(
                libc::SYS_move_mount,
                from,
                c"".as_ptr(),
                dir,
                name.as_ptr(),
                flags,
            )
        }
    };
    known(check(attach(MOVE_MOUNT_F_EMPTY_PATH | target)), || {
        attach(!0)
    })
    .map(drop)
}

/// What mount_setattr(2) changes. All zero changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `MOUNT_ATTR_*` bits to set.
    pub set: u64,
    /// `MOUNT_ATTR_*` bits to clear.
    pub clear: u64,
    /// `MS_PRIVATE`, `MS_SLAVE`, `MS_SHARED`, `MS_UNBINDABLE` or 0.
    pub propagation: u64,
}

impl Attributes {
    fn to_kernel(self, user_ns: Option<BorrowedFd<'_>>) -> libc::mount_attr {
        libc::mount_attr {
            attr_set: self.set,
            attr_clr: self.clear,
            propagation: self.propagation,
            userns_fd: user_ns.map_or(0, |f| f.as_raw_fd() as u64),
        }
    }
}

/// mount_setattr(2) (kernel 5.12) on the mount that `fd` refers to, and on all below it if `recursive`. `user_ns` is for `MOUNT_ATTR_IDMAP`.
pub fn set_attributes(
    fd: BorrowedFd<'_>,
    recursive: bool,
    what: Attributes,
    user_ns: Option<BorrowedFd<'_>>,
) -> Result<()> {
    let attr = what.to_kernel(user_ns);
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is the empty C string; attr is a live mount_attr of the size passed.
    let result = check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &attr,
            size_of::<libc::mount_attr>(),
        )
    });
    known(result, set_attributes_probe).map(drop)
}

fn set_attributes_probe() -> libc::c_long {
    let attr: *const libc::mount_attr = std::ptr::null();
    // SAFETY: a size of 0 is refused before the pointer is looked at.
    unsafe { libc::syscall(libc::SYS_mount_setattr, -1, c"".as_ptr(), 0, attr, 0usize) }
}

/// Whether the kernel has mount_setattr(2), and no filter withholds it.
pub fn has_set_attributes() -> bool {
    known(check(set_attributes_probe()), set_attributes_probe) != Err(Errno::ENOSYS)
}

/// mount(2) on the current directory, which the caller has pinned with fchdir: no lookup of the target happens here.
pub fn mount_here(
    source: Option<&CStr>,
    fstype: Option<&CStr>,
    flags: libc::c_ulong,
    data: Option<&CStr>,
) -> Result<()> {
    mount(source, c".", fstype, flags, data)
}

/// mount(2).
pub fn mount(
    source: Option<&CStr>,
    target: &CStr,
    fstype: Option<&CStr>,
    flags: libc::c_ulong,
    data: Option<&CStr>,
) -> Result<()> {
    let ptr = |s: Option<&CStr>| s.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: every pointer is null or a NUL-terminated string.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount,
            ptr(source),
            target.as_ptr(),
            ptr(fstype),
            flags,
            ptr(data),
        )
    })
    .map(drop)
}

/// umount2(2) with `MNT_DETACH` of the current directory.
pub fn detach_here() -> Result<()> {
    // SAFETY: the path is a C string.
    check(unsafe { libc::syscall(libc::SYS_umount2, c".".as_ptr(), libc::MNT_DETACH) }).map(drop)
}

/// pivot_root(".", "."): the current directory becomes the root, and the old root is mounted over it (pivot_root(2), NOTES).
pub fn pivot_here() -> Result<()> {
    // SAFETY: both paths are C strings.
    check(unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) }).map(drop)
}

/// fsopen(2): a context for a new instance of a file system.
pub fn fsopen(fstype: &CStr) -> Result<OwnedFd> {
    const FSOPEN_CLOEXEC: u32 = 1;
    // SAFETY: fstype is NUL-terminated.
    owned(unsafe { libc::syscall(libc::SYS_fsopen, fstype.as_ptr(), FSOPEN_CLOEXEC) })
}

/// fsconfig(2): sets a parameter with a value, or a flag when there is none.
pub fn fsconfig(context: BorrowedFd<'_>, key: &CStr, value: Option<&CStr>) -> Result<()> {
    const SET_FLAG: u32 = 0;
    const SET_STRING: u32 = 1;
    let (command, value) = value.map_or((SET_FLAG, std::ptr::null()), |v| (SET_STRING, v.as_ptr()));
    // SAFETY: key is NUL-terminated, value is null or NUL-terminated.
    check(unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            command,
            key.as_ptr(),
            value,
            0,
        )
    })
    .map(drop)
}

/// fsconfig(2) `FSCONFIG_CMD_CREATE` and fsmount(2): a detached mount of what the context describes. `attributes` are `MOUNT_ATTR_*`.
pub fn fsmount(context: BorrowedFd<'_>, attributes: u64) -> Result<OwnedFd> {
    const CMD_CREATE: u32 = 6;
    const FSMOUNT_CLOEXEC: u32 = 1;
    let null = std::ptr::null::<libc::c_char>();
    // SAFETY: this command takes no key and no value.
    check(unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            CMD_CREATE,
            null,
            null,
            0,
        )
    })?;
    // SAFETY: no memory is passed.
    owned(unsafe {
        libc::syscall(
            libc::SYS_fsmount,
            context.as_raw_fd(),
            FSMOUNT_CLOEXEC,
            attributes as u32,
        )
    })
}

/// Why the kernel refused a file system context: the next line of its log, such as `e tmpfs: Bad value for 'size'`. Empty when it has none.
pub fn fscontext_log<'a>(context: BorrowedFd<'_>, buf: &'a mut [u8]) -> &'a [u8] {
    match crate::io::read(context, buf) {
        Ok(n) => &buf[..n],
        Err(_) => &[],
    }
}
