//! seccomp(2) and the listener of SECCOMP_RET_USER_NOTIF (seccomp_unotify(2)).

use crate::sys::{check, owned};
use crate::{Errno, Result};
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

pub use libc::{seccomp_data as Data, seccomp_notif as Notification, sock_filter as Insn};

/// `SECCOMP_FILTER_FLAG_NEW_LISTENER`
pub const NEW_LISTENER: u64 = 1 << 3;

/// Installs a filter on the calling thread, for it and all that it starts.
///
/// Needs no_new_privs or CAP_SYS_ADMIN in the user namespace. `flags` are
/// `SECCOMP_FILTER_FLAG_*`; with NEW_LISTENER among them the listener is
/// returned. Every call after this one is subject to the filter, including
/// those needed to hand over the listener.
///
/// # Errors
/// EACCES without the right; EINVAL for a program or a flag that the kernel
/// does not take; EBUSY if the thread has a listener already and the new filter
/// wants one; ENOMEM when all filters together are too long.
pub fn set_mode_filter(flags: u64, program: &[Insn]) -> Result<Option<OwnedFd>> {
    let len = u16::try_from(program.len()).map_err(|_| Errno::EINVAL)?;
    let program = libc::sock_fprog {
        len,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: filter points to len instructions that outlive the call; the kernel only reads them.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags as libc::c_uint,
            &raw const program,
        )
    };
    if flags & NEW_LISTENER != 0 {
        owned(ret).map(Some)
    } else {
        check(ret).map(|_| None)
    }
}

/// Whether the kernel knows all of these `SECCOMP_FILTER_FLAG_*`.
pub fn supports_flags(flags: u64) -> bool {
    let no_program = std::ptr::null::<libc::sock_fprog>();
    // SAFETY: a null program makes the call fail with EFAULT, after the flags were checked.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags as libc::c_uint,
            no_program,
        )
    };
    check(ret) == Err(Errno::EFAULT)
}

/// Whether the kernel knows this `SECCOMP_RET_*` action (`SECCOMP_GET_ACTION_AVAIL`).
pub fn supports_action(action: u32) -> bool {
    // SAFETY: the kernel reads one u32, which outlives the call.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_GET_ACTION_AVAIL,
            0,
            &raw const action,
        )
    };
    check(ret).is_ok()
}

/// Waits for a call to be notified (`SECCOMP_IOCTL_NOTIF_RECV`).
///
/// # Errors
/// EINTR on a signal; ENOENT when the caller died before the call could be read.
pub fn receive(listener: BorrowedFd) -> Result<Notification> {
    // SAFETY: the type holds integers only. The kernel insists on zeroes.
    let mut notification: Notification = unsafe { mem::zeroed() };
    // SAFETY: the kernel writes one struct seccomp_notif, which outlives the call.
    let ret = unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_RECV,
            &raw mut notification,
        )
    };
    check(ret.into()).map(|_| notification)
}

/// How a notified call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It returns this value without being made.
    Return(i64),
    /// It fails with this error without being made.
    Fail(Errno),
    /// It is made as if there were no filter. Its arguments may have changed
    /// since they were looked at: no decision about safety can rest on this.
    Continue,
}

/// Answers the notification `id` (`SECCOMP_IOCTL_NOTIF_SEND`).
///
/// # Errors
/// ENOENT when the caller no longer waits.
pub fn answer(listener: BorrowedFd, id: u64, answer: Answer) -> Result<()> {
    let (val, error, flags) = match answer {
        Answer::Return(value) => (value, 0, 0),
        Answer::Fail(errno) => (0, -errno.0, 0),
        Answer::Continue => (0, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32),
    };
    let mut response = libc::seccomp_notif_resp {
        id,
        val,
        error,
        flags,
    };
    // SAFETY: the kernel reads one struct seccomp_notif_resp, which outlives the call.
    let ret = unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_SEND,
            &raw mut response,
        )
    };
    check(ret.into()).map(drop)
}
