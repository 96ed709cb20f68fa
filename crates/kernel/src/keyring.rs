//! Session keyrings (keyctl(2)).

use crate::Result;
use crate::sys::check;
use std::ffi::CStr;

/// Joins the session keyring of that name, or makes it; its serial number.
pub fn join_session(name: &CStr) -> Result<i32> {
    const KEYCTL_JOIN_SESSION_KEYRING: i32 = 1;
    // SAFETY: name is NUL-terminated.
    check(unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr()) })
        .map(|n| n as i32)
}

/// Sets the permission mask of a key (keyctl_setperm(3)).
pub fn set_permissions(key: i32, mask: u32) -> Result<()> {
    const KEYCTL_SETPERM: i32 = 5;
    // SAFETY: no memory is passed.
    check(unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_SETPERM, key, mask) }).map(drop)
}
