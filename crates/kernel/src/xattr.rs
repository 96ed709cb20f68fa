//! Extended attributes of files (xattr(7)).

use crate::Result;
use crate::sys::check;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

/// setxattr(2): makes the attribute, or changes it.
pub fn set(path: &CStr, name: &CStr, value: &[u8]) -> Result<()> {
    // SAFETY: path and name are NUL-terminated, value is live and as long as said.
    check(unsafe {
        libc::syscall(
            libc::SYS_setxattr,
            path.as_ptr(),
            name.as_ptr(),
            value.as_ptr(),
            value.len(),
            0,
        )
    })
    .map(drop)
}

/// fsetxattr(2): the same by descriptor, which must not be `O_PATH`.
pub fn fset(fd: BorrowedFd<'_>, name: &CStr, value: &[u8]) -> Result<()> {
    // SAFETY: name is NUL-terminated, value is live and as long as said.
    check(unsafe {
        libc::syscall(
            libc::SYS_fsetxattr,
            fd.as_raw_fd(),
            name.as_ptr(),
            value.as_ptr(),
            value.len(),
            0,
        )
    })
    .map(drop)
}

/// getxattr(2). ENODATA: there is no such attribute; ERANGE: it does not fit into `buf`.
pub fn get<'a>(path: &CStr, name: &CStr, buf: &'a mut [u8]) -> Result<&'a [u8]> {
    // SAFETY: path and name are NUL-terminated, buf is writable for the length said.
    let len = check(unsafe {
        libc::syscall(
            libc::SYS_getxattr,
            path.as_ptr(),
            name.as_ptr(),
            buf.as_mut_ptr(),
            buf.len(),
        )
    })?;
    Ok(&buf[..len])
}
