//! The raw call and the two ways its result is read.

use crate::{Errno, Result};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Turns the result of `libc::syscall` into a value or the error number.
pub(crate) fn check(ret: libc::c_long) -> Result<usize> {
    if ret < 0 {
        Err(Errno::last())
    } else {
        Ok(ret as usize)
    }
}

/// The result of a call that is newer than some kernels and some filters. A kernel without it says ENOSYS; a seccomp filter that was written before the call
/// existed may say EPERM, for which the call itself has other uses. `probe` makes the call with arguments that it refuses with another error wherever it exists.
pub(crate) fn known<T>(result: Result<T>, probe: impl FnOnce() -> libc::c_long) -> Result<T> {
    match result {
        Err(Errno::EPERM) if check(probe()) == Err(Errno::EPERM) => Err(Errno::ENOSYS),
        other => other,
    }
}

/// Takes ownership of the descriptor that a system call has just returned.
pub(crate) fn owned(ret: libc::c_long) -> Result<OwnedFd> {
    let fd = check(ret)? as RawFd;
    // SAFETY: every caller passes the result of a call that returns a new descriptor, owned by nobody else yet.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
