//! `tmpcopyup`: what a directory held goes into the empty filesystem mounted over it.

use super::Done;
use crate::sync::Calling;
use kernel::file::{
    self, O_CREAT, O_DIRECTORY, O_EXCL, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY,
};
use kernel::{Errno, Result};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};

/// Directories deeper than this are an attack on the stack, not content.
const DEPTH: usize = 64;

/// Copies everything below `from` to `to`: directories, files, links and device nodes, with mode and owner.
pub(super) fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Done {
    tree(from, to, DEPTH).calling("tmpcopyup")
}

fn tree(from: BorrowedFd<'_>, to: BorrowedFd<'_>, depth: usize) -> Result<()> {
    if depth == 0 {
        return Err(Errno::ELOOP);
    }
    let mut buf = [0; 4096];
    loop {
        let entries = file::read_directory(from, &mut buf)?;
        if entries.is_empty() {
            return Ok(());
        }
        for name in entries {
            entry(from, to, name, depth)?;
        }
    }
}

fn entry(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, depth: usize) -> Result<()> {
    let st = file::lstatat(from, name)?;
    let mode = st.st_mode & 0o7777;
    match st.st_mode & libc::S_IFMT {
        libc::S_IFDIR => {
            file::mkdirat(to, name, mode)?;
            let source = file::openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0)?;
            let copy = file::openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0)?;
            tree(source.as_fd(), copy.as_fd(), depth - 1)?;
        }
        libc::S_IFREG => {
            // Somebody may have put a pipe or a terminal in its place: never wait.
            let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
            let source = file::openat(from, name, flags, 0)?;
            let copy = file::openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode)?;
            while file::sendfile(copy.as_fd(), source.as_fd(), 1 << 30)? > 0 {}
        }
        libc::S_IFLNK => {
            let mut buf = [0; crate::root::PATH_MAX];
            let length = file::readlinkat(from, name, &mut buf[..crate::root::PATH_MAX - 1])?.len();
            let target = CStr::from_bytes_until_nul(&buf[..=length]).map_err(|_| Errno::EINVAL)?;
            file::symlinkat(target, to, name)?;
        }
        _ => match file::mknodat(to, name, st.st_mode, st.st_rdev) {
            // Device nodes cannot be made in a user namespace.
            Err(Errno::EPERM) => return Ok(()),
            other => other?,
        },
    }
    match file::fchownat(to, name, st.st_uid, st.st_gid) {
        // An owner without a mapping cannot be given.
        Err(Errno::EINVAL | Errno::EPERM) => {}
        other => other?,
    }
    // chown clears the set-id bits.
    if mode & 0o6000 != 0 && st.st_mode & libc::S_IFMT != libc::S_IFLNK {
        file::fchmodat(to, name, mode)
    } else {
        Ok(())
    }
}
