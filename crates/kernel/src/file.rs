//! Files by descriptor: openat2(2), the *at calls, and what a descriptor refers to.

use crate::sys::{check, known, owned};
use crate::{Errno, Result};
use std::ffi::CStr;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// The current working directory, for calls that take a directory descriptor.
// SAFETY: AT_FDCWD is not -1, the one value that `BorrowedFd` forbids, and it is valid for the whole life of the process.
pub const CWD: BorrowedFd<'static> = unsafe { BorrowedFd::borrow_raw(libc::AT_FDCWD) };

pub use libc::{
    O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_RDONLY,
    O_RDWR, O_TRUNC, O_WRONLY,
};
pub use libc::{
    RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV,
};

/// How often an openat2 that lost against a concurrent rename is tried again. With `RESOLVE_IN_ROOT` the kernel answers EAGAIN when it cannot
/// prove that a `..` stayed inside; somebody who renames in a loop must not keep us here for ever.
const RACE_TRIES: usize = 128;

/// openat2(2). `O_CLOEXEC` is always added. `mode` counts only with `O_CREAT`. ENOSYS also below a seccomp filter that does not let it pass.
pub fn openat2(
    dir: BorrowedFd<'_>,
    path: &CStr,
    flags: i32,
    mode: u32,
    resolve: u64,
) -> Result<OwnedFd> {
    // SAFETY: open_how is plain integers, for which zero is a valid value.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (flags | libc::O_CLOEXEC) as u64;
    how.mode = if flags & libc::O_CREAT != 0 {
        u64::from(mode)
    } else {
        0
    };
    how.resolve = resolve;
    let mut tries = 0;
    loop {
        // SAFETY: path is NUL-terminated, how is a live open_how of the size passed.
        let ret = unsafe {
            libc::syscall(
                libc::SYS_openat2,
                dir.as_raw_fd(),
                path.as_ptr(),
                &how,
                size_of::<libc::open_how>(),
            )
        };
        match owned(ret) {
            Err(Errno::EAGAIN) if tries < RACE_TRIES => tries += 1,
            other => {
                return known(other, || {
                    // SAFETY: a size of 0 is refused before the pointer is looked at.
                    unsafe { libc::syscall(libc::SYS_openat2, -1, path.as_ptr(), &how, 0usize) }
                });
            }
        }
    }
}

/// openat(2) with `O_CLOEXEC` added.
pub fn openat(dir: BorrowedFd<'_>, path: &CStr, flags: i32, mode: u32) -> Result<OwnedFd> {
    // SAFETY: path is NUL-terminated.
    owned(unsafe {
        libc::syscall(
            libc::SYS_openat,
            dir.as_raw_fd(),
            path.as_ptr(),
            flags | libc::O_CLOEXEC,
            mode,
        )
    })
}

/// mkdirat(2).
pub fn mkdirat(dir: BorrowedFd<'_>, path: &CStr, mode: u32) -> Result<()> {
    // SAFETY: path is NUL-terminated.
    check(unsafe { libc::syscall(libc::SYS_mkdirat, dir.as_raw_fd(), path.as_ptr(), mode) })
        .map(drop)
}

/// mknodat(2). `mode` holds the file type; `dev` as [`device`] makes it.
pub fn mknodat(dir: BorrowedFd<'_>, path: &CStr, mode: u32, dev: u64) -> Result<()> {
    // The kernel's own encoding has 32 bits (new_encode_dev), which is what makedev gives for the numbers it allows.
    // SAFETY: path is NUL-terminated.
    check(unsafe {
        libc::syscall(
            libc::SYS_mknodat,
            dir.as_raw_fd(),
            path.as_ptr(),
            mode,
            dev as libc::c_uint,
        )
    })
    .map(drop)
}

/// A device number from its two halves (makedev(3)).
pub const fn device(major: u32, minor: u32) -> u64 {
    libc::makedev(major, minor)
}

/// symlinkat(2): makes `path` below `dir` a link to `target`.
pub fn symlinkat(target: &CStr, dir: BorrowedFd<'_>, path: &CStr) -> Result<()> {
    // SAFETY: both strings are NUL-terminated.
    check(unsafe {
        libc::syscall(
            libc::SYS_symlinkat,
            target.as_ptr(),
            dir.as_raw_fd(),
            path.as_ptr(),
        )
    })
    .map(drop)
}

/// readlinkat(2) into `buf`; an empty `path` reads the link that `dir` itself is (`O_PATH | O_NOFOLLOW`).
pub fn readlinkat<'a>(dir: BorrowedFd<'_>, path: &CStr, buf: &'a mut [u8]) -> Result<&'a [u8]> {
    // SAFETY: path is NUL-terminated, buf is writable for its length.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_readlinkat,
            dir.as_raw_fd(),
            path.as_ptr(),
            buf.as_mut_ptr(),
            buf.len(),
        )
    };
    check(ret).map(|n| &buf[..n])
}

/// unlinkat(2); `directory` removes an empty directory.
pub fn unlinkat(dir: BorrowedFd<'_>, path: &CStr, directory: bool) -> Result<()> {
    let flags = if directory { libc::AT_REMOVEDIR } else { 0 };
    // SAFETY: path is NUL-terminated.
    check(unsafe { libc::syscall(libc::SYS_unlinkat, dir.as_raw_fd(), path.as_ptr(), flags) })
        .map(drop)
}

/// renameat2(2) without flags, both names below `dir`.
pub fn renameat(dir: BorrowedFd<'_>, from: &CStr, to: &CStr) -> Result<()> {
    let fd = dir.as_raw_fd();
    // SAFETY: both strings are NUL-terminated.
    check(unsafe { libc::syscall(libc::SYS_renameat2, fd, from.as_ptr(), fd, to.as_ptr(), 0) })
        .map(drop)
}

/// What fstat(2) tells of an open file.
pub fn fstat(fd: BorrowedFd<'_>) -> Result<libc::stat> {
    let mut st = MaybeUninit::uninit();
    // SAFETY: st has room for one stat, which fstat fills when it returns 0.
    check(libc::c_long::from(unsafe {
        libc::fstat(fd.as_raw_fd(), st.as_mut_ptr())
    }))?;
    // SAFETY: fstat returned 0.
    Ok(unsafe { st.assume_init() })
}

/// What fstatat(2) tells of `path` below `dir`, without following a final link.
pub fn lstatat(dir: BorrowedFd<'_>, path: &CStr) -> Result<libc::stat> {
    let mut st = MaybeUninit::uninit();
    // SAFETY: path is NUL-terminated; st has room for one stat, which the call fills when it returns 0.
    let ret = unsafe {
        libc::fstatat(
            dir.as_raw_fd(),
            path.as_ptr(),
            st.as_mut_ptr(),
            libc::AT_SYMLINK_NOFOLLOW,
        )
    };
    check(libc::c_long::from(ret))?;
    // SAFETY: fstatat returned 0.
    Ok(unsafe { st.assume_init() })
}

/// What fstatat(2) tells of `path` below `dir`, following links.
pub fn statat(dir: BorrowedFd<'_>, path: &CStr) -> Result<libc::stat> {
    let mut st = MaybeUninit::uninit();
    // SAFETY: path is NUL-terminated; st has room for one stat, which the call fills when it returns 0.
    check(libc::c_long::from(unsafe {
        libc::fstatat(dir.as_raw_fd(), path.as_ptr(), st.as_mut_ptr(), 0)
    }))?;
    // SAFETY: fstatat returned 0.
    Ok(unsafe { st.assume_init() })
}

/// What fstatfs(2) tells of the file system that an open file is on.
pub fn fstatfs(fd: BorrowedFd<'_>) -> Result<libc::statfs> {
    let mut st = MaybeUninit::uninit();
    // SAFETY: st has room for one statfs, which fstatfs fills when it returns 0.
    check(libc::c_long::from(unsafe {
        libc::fstatfs(fd.as_raw_fd(), st.as_mut_ptr())
    }))?;
    // SAFETY: fstatfs returned 0.
    Ok(unsafe { st.assume_init() })
}

/// The `ST_*` flags of the mount that an open file is on (fstatvfs(3)).
pub fn mount_flags(fd: BorrowedFd<'_>) -> Result<u64> {
    let mut st = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: st has room for one statvfs, which fstatvfs fills when it returns 0.
    check(libc::c_long::from(unsafe {
        libc::fstatvfs(fd.as_raw_fd(), st.as_mut_ptr())
    }))?;
    // SAFETY: fstatvfs returned 0.
    Ok(unsafe { st.assume_init() }.f_flag)
}

/// The `ST_*` flags of the mount that `path` leads to (statvfs(3)).
pub fn mount_flags_of(path: &CStr) -> Result<u64> {
    let mut st = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: path is NUL-terminated; st has room for one statvfs, which statvfs fills when it returns 0.
    check(libc::c_long::from(unsafe {
        libc::statvfs(path.as_ptr(), st.as_mut_ptr())
    }))?;
    // SAFETY: statvfs returned 0.
    Ok(unsafe { st.assume_init() }.f_flag)
}

/// What statfs(2) tells of the file system at `path`.
pub fn statfs(path: &CStr) -> Result<libc::statfs> {
    let mut st = MaybeUninit::uninit();
    // SAFETY: path is NUL-terminated; st has room for one statfs, which the call fills when it returns 0.
    check(libc::c_long::from(unsafe {
        libc::statfs(path.as_ptr(), st.as_mut_ptr())
    }))?;
    // SAFETY: statfs returned 0.
    Ok(unsafe { st.assume_init() })
}

/// What statx(2) tells of an open file: attributes such as `STATX_ATTR_MOUNT_ROOT`, and the mount id.
pub fn fstatx(fd: BorrowedFd<'_>, mask: u32) -> Result<libc::statx> {
    let mut st = MaybeUninit::<libc::statx>::uninit();
    // SAFETY: the path is the empty C string; st has room for one statx, which the call fills when it returns 0.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_statx,
            fd.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            mask,
            st.as_mut_ptr(),
        )
    };
    check(ret)?;
    // SAFETY: statx returned 0.
    Ok(unsafe { st.assume_init() })
}

/// fchmod(2) through the descriptor's own path in the kernel (works for everything but `O_PATH`).
pub fn fchmod(fd: BorrowedFd<'_>, mode: u32) -> Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::syscall(libc::SYS_fchmod, fd.as_raw_fd(), mode) }).map(drop)
}

/// fchmodat(2): the mode of `path` below `dir`. Follows a final link: for names that we have just made.
pub fn fchmodat(dir: BorrowedFd<'_>, path: &CStr, mode: u32) -> Result<()> {
    // SAFETY: path is NUL-terminated.
    check(unsafe { libc::syscall(libc::SYS_fchmodat, dir.as_raw_fd(), path.as_ptr(), mode) })
        .map(drop)
}

/// fchownat(2) of `path` below `dir`, never following a final link. An empty path means `dir` itself, `O_PATH` or not. `u32::MAX` leaves an id as it is.
pub fn fchownat(dir: BorrowedFd<'_>, path: &CStr, uid: u32, gid: u32) -> Result<()> {
    let flags = libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH;
    // SAFETY: path is NUL-terminated.
    check(unsafe {
        libc::syscall(
            libc::SYS_fchownat,
            dir.as_raw_fd(),
            path.as_ptr(),
            uid,
            gid,
            flags,
        )
    })
    .map(drop)
}

/// faccessat2(2) with the effective ids (kernel 5.8): may this process do `mode` (`X_OK` ...) to `path` below `dir`? Where a filter withholds it, the
/// older call answers for the real ids.
pub fn faccessat(dir: BorrowedFd<'_>, path: &CStr, mode: i32) -> Result<()> {
    let (dir, path) = (dir.as_raw_fd(), path.as_ptr());
    let access = |flags: i32| {
        // SAFETY: path is NUL-terminated.
        unsafe { libc::syscall(libc::SYS_faccessat2, dir, path, mode, flags) }
    };
    match known(
        check(access(libc::AT_EACCESS | libc::AT_EMPTY_PATH)),
        || access(!0),
    ) {
        // SAFETY: path is NUL-terminated.
        Err(Errno::ENOSYS) => check(unsafe { libc::syscall(libc::SYS_faccessat, dir, path, mode) }),
        other => other,
    }
    .map(drop)
}

/// mkfifoat: a named pipe with the given mode (less the umask).
pub fn mkfifoat(dir: BorrowedFd<'_>, path: &CStr, mode: u32) -> Result<()> {
    mknodat(dir, path, libc::S_IFIFO | mode, 0)
}

/// getcwd(2) into `buf`, without the final NUL. A directory that cannot be reached from the root reads `(unreachable)...`.
pub fn getcwd(buf: &mut [u8]) -> Result<&[u8]> {
    // SAFETY: buf is writable for its length.
    let n = check(unsafe { libc::syscall(libc::SYS_getcwd, buf.as_mut_ptr(), buf.len()) })?;
    Ok(&buf[..n.saturating_sub(1)])
}

/// chroot(2) to the current directory.
pub fn chroot_here() -> Result<()> {
    // SAFETY: the path is a C string.
    check(unsafe { libc::syscall(libc::SYS_chroot, c".".as_ptr()) }).map(drop)
}

/// chdir(2).
pub fn chdir(path: &CStr) -> Result<()> {
    // SAFETY: path is NUL-terminated.
    check(unsafe { libc::syscall(libc::SYS_chdir, path.as_ptr()) }).map(drop)
}

/// fchdir(2).
pub fn fchdir(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::syscall(libc::SYS_fchdir, fd.as_raw_fd()) }).map(drop)
}

/// flock(2) without waiting: `Ok(false)` when somebody else holds it.
pub fn try_lock(fd: BorrowedFd<'_>, exclusive: bool) -> Result<bool> {
    let kind = if exclusive {
        libc::LOCK_EX
    } else {
        libc::LOCK_SH
    };
    // SAFETY: no memory is passed.
    match check(unsafe { libc::syscall(libc::SYS_flock, fd.as_raw_fd(), kind | libc::LOCK_NB) }) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN) => Ok(false),
        Err(e) => Err(e),
    }
}

/// memfd_create(2), sealable and close-on-exec.
pub fn memfd(name: &CStr) -> Result<OwnedFd> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // MFD_EXEC (6.3) says that the file may be executed even where vm.memfd_noexec changes the default; older kernels do not know the flag.
    const MFD_EXEC: u32 = 0x10;
    // SAFETY: name is NUL-terminated.
    match owned(unsafe { libc::syscall(libc::SYS_memfd_create, name.as_ptr(), flags | MFD_EXEC) }) {
        Err(Errno::EINVAL) => {
            // SAFETY: as above.
            owned(unsafe { libc::syscall(libc::SYS_memfd_create, name.as_ptr(), flags) })
        }
        other => other,
    }
}

/// Adds seals to a memfd (fcntl(2), `F_ADD_SEALS`).
pub fn add_seals(fd: BorrowedFd<'_>, seals: i32) -> Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::syscall(libc::SYS_fcntl, fd.as_raw_fd(), libc::F_ADD_SEALS, seals) })
        .map(drop)
}

/// The seals of a memfd; EINVAL for any other file.
pub fn seals(fd: BorrowedFd<'_>) -> Result<i32> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::syscall(libc::SYS_fcntl, fd.as_raw_fd(), libc::F_GET_SEALS) })
        .map(|n| n as i32)
}

/// Copies up to `len` bytes between two files inside the kernel (sendfile(2)); 0 at the end of `from`.
pub fn sendfile(to: BorrowedFd<'_>, from: BorrowedFd<'_>, len: usize) -> Result<usize> {
    // SAFETY: the offset pointer is null, which means the file's own position.
    check(unsafe {
        libc::syscall(
            libc::SYS_sendfile,
            to.as_raw_fd(),
            from.as_raw_fd(),
            std::ptr::null_mut::<i64>(),
            len,
        )
    })
}

/// getdents64(2): the next entries of an open directory, raw, into `buf`; none at the end.
pub fn read_directory<'a>(dir: BorrowedFd<'_>, buf: &'a mut [u8]) -> Result<Entries<'a>> {
    // SAFETY: buf is writable for its length.
    let n = check(unsafe {
        libc::syscall(
            libc::SYS_getdents64,
            dir.as_raw_fd(),
            buf.as_mut_ptr(),
            buf.len(),
        )
    })?;
    Ok(Entries { rest: &buf[..n] })
}

/// The names that [`read_directory`] found, without `.` and `..`. [`Entries::is_empty`] tells the end of the directory.
pub struct Entries<'a> {
    rest: &'a [u8],
}

impl Entries<'_> {
    /// Whether the directory has been read to its end.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = &'a CStr;

    fn next(&mut self) -> Option<&'a CStr> {
        // struct linux_dirent64: u64 inode, i64 offset, u16 length, u8 type, name.
        loop {
            let length = usize::from(u16::from_ne_bytes(self.rest.get(16..18)?.try_into().ok()?));
            let (entry, rest) = self.rest.split_at_checked(length)?;
            self.rest = rest;
            let name = CStr::from_bytes_until_nul(entry.get(19..)?).ok()?;
            if name != c"." && name != c".." {
                return Some(name);
            }
        }
    }
}

/// Gives a flock(2) back. Cannot fail for a descriptor that is open.
pub fn unlock(fd: BorrowedFd<'_>) {
    // SAFETY: no memory is passed.
    unsafe { libc::syscall(libc::SYS_flock, fd.as_raw_fd(), libc::LOCK_UN) };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A struct linux_dirent64 that says it is `length` bytes long.
    fn dirent(name: &[u8], length: usize) -> Vec<u8> {
        let mut entry = vec![0; 16];
        entry.extend_from_slice(&(length as u16).to_ne_bytes());
        entry.push(0);
        entry.extend_from_slice(name);
        entry
    }

    #[test]
    fn directory_entries_end_where_the_buffer_does() {
        let mut buf = [
            dirent(b".\0", 21),
            dirent(b"file\0\0\0\0", 27),
            dirent(b"x\0", 21),
        ]
        .concat();
        let names = |buf: &[u8]| {
            Entries { rest: buf }
                .map(CStr::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&buf), [c"file".to_owned(), c"x".to_owned()]);
        buf.truncate(buf.len() - 1);
        assert_eq!(names(&buf), [c"file".to_owned()]);
        for (name, length) in [
            (&b"no end"[..], 25),
            (b"a\0", 0),
            (b"a\0", 18),
            (b"a\0", 60_000),
        ] {
            assert!(names(&dirent(name, length)).is_empty(), "{name:?} {length}");
        }
    }

    #[test]
    fn devices_have_the_kernels_encoding() {
        assert_eq!(device(1, 3), 0x103);
        assert_eq!(device(0xfff, 0xf_ffff) as u32, u32::MAX);
    }
}
