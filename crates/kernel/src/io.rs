//! Reading, writing, waiting, and closing.

use crate::sys::{check, known};
use crate::{Errno, Result};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

/// read(2), again when a signal interrupts it.
pub fn read(fd: BorrowedFd<'_>, buf: &mut [u8]) -> Result<usize> {
    loop {
        // SAFETY: buf is writable for its length.
        match check(unsafe {
            libc::syscall(libc::SYS_read, fd.as_raw_fd(), buf.as_mut_ptr(), buf.len())
        }) {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

/// write(2), again when a signal interrupts it.
pub fn write(fd: BorrowedFd<'_>, buf: &[u8]) -> Result<usize> {
    loop {
        // SAFETY: buf is readable for its length.
        match check(unsafe {
            libc::syscall(libc::SYS_write, fd.as_raw_fd(), buf.as_ptr(), buf.len())
        }) {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

/// Writes all of `buf`.
pub fn write_all(fd: BorrowedFd<'_>, mut buf: &[u8]) -> Result<()> {
    while !buf.is_empty() {
        match write(fd, buf)? {
            0 => return Err(Errno::EIO),
            n => buf = &buf[n..],
        }
    }
    Ok(())
}

/// pipe2(2), close-on-exec: (read end, write end).
pub fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let mut fds: [RawFd; 2] = [-1; 2];
    // SAFETY: fds has room for two descriptors.
    check(unsafe { libc::syscall(libc::SYS_pipe2, fds.as_mut_ptr(), libc::O_CLOEXEC) })?;
    // SAFETY: pipe2 succeeded, so both are new descriptors that nobody else owns.
    Ok(unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) })
}

/// dup3(2) onto a number of the caller's choice; the new descriptor survives exec unless `cloexec`.
pub fn dup_onto(fd: BorrowedFd<'_>, number: RawFd, cloexec: bool) -> Result<()> {
    let flags = if cloexec { libc::O_CLOEXEC } else { 0 };
    if fd.as_raw_fd() == number {
        return set_cloexec(fd, cloexec);
    }
    // SAFETY: no memory is passed. What `number` referred to before is closed, which the caller asks for.
    check(unsafe { libc::syscall(libc::SYS_dup3, fd.as_raw_fd(), number, flags) }).map(drop)
}

/// Sets or clears close-on-exec.
pub fn set_cloexec(fd: BorrowedFd<'_>, cloexec: bool) -> Result<()> {
    let flags = if cloexec { libc::FD_CLOEXEC } else { 0 };
    // SAFETY: no memory is passed.
    check(unsafe { libc::syscall(libc::SYS_fcntl, fd.as_raw_fd(), libc::F_SETFD, flags) }).map(drop)
}

/// Makes reads and writes of the open file non-blocking, or blocking again.
pub fn set_nonblocking(fd: BorrowedFd<'_>, nonblocking: bool) -> Result<()> {
    let fd = fd.as_raw_fd();
    // SAFETY: no memory is passed.
    let old = check(unsafe { libc::syscall(libc::SYS_fcntl, fd, libc::F_GETFL) })? as i32;
    let new = if nonblocking {
        old | libc::O_NONBLOCK
    } else {
        old & !libc::O_NONBLOCK
    };
    // SAFETY: no memory is passed.
    check(unsafe { libc::syscall(libc::SYS_fcntl, fd, libc::F_SETFL, new) }).map(drop)
}

/// Whether a descriptor number is open (`F_GETFD`).
pub fn is_open(number: RawFd) -> bool {
    // SAFETY: no memory is passed; a closed number gives EBADF.
    check(unsafe { libc::syscall(libc::SYS_fcntl, number, libc::F_GETFD) }).is_ok()
}

/// Whether an open file may be written to (`F_GETFL`).
pub fn is_writable(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: no memory is passed.
    let flags = check(unsafe { libc::syscall(libc::SYS_fcntl, fd.as_raw_fd(), libc::F_GETFL) });
    flags.is_ok_and(|flags| {
        flags as i32 & libc::O_PATH == 0 && flags as i32 & libc::O_ACCMODE != libc::O_RDONLY
    })
}

/// Closes every descriptor from `first` on (close_range(2), kernel 5.9; a walk where a filter withholds it).
///
/// For a process that is about to exec or exit, or for the first line of main: whatever owned one of these descriptors must not be used, or
/// dropped, afterwards.
pub fn close_from(first: u32) -> Result<()> {
    close_between(first, u32::MAX)
}

/// Closes `first`, `last` and all between, under the contract of [`close_from`].
fn close_between(first: u32, last: u32) -> Result<()> {
    let close = |flags: u32| {
        // SAFETY: no memory is passed, and the caller gives up every descriptor in the range.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) }
    };
    match known(check(close(0)), || close(!0)) {
        Err(Errno::ENOSYS) => {
            for fd in first..=last.min(highest_descriptor()?) {
                close_number(fd as RawFd);
            }
            Ok(())
        }
        other => other.map(drop),
    }
}

/// Closes every descriptor from `first` on but those in `keep`, under the contract of [`close_from`]. `keep` must be sorted.
pub fn close_all_but(first: u32, keep: &[RawFd]) -> Result<()> {
    let mut next = first;
    for fd in keep {
        let fd = *fd as u32;
        if fd > next {
            close_between(next, fd - 1)?;
        }
        next = next.max(fd + 1);
    }
    close_from(next)
}

/// Moves a descriptor to a number that nothing owns or will use again, close-on-exec, and closes everything above: what a process keeps for its last words
/// before execve.
pub fn keep_only(fd: BorrowedFd<'_>, number: RawFd) -> Result<BorrowedFd<'static>> {
    dup_onto(fd, number, true)?;
    close_from(number as u32 + 1)?;
    // SAFETY: the descriptor is open, and with the contract of close_from nobody else closes it before execve or exit.
    Ok(unsafe { BorrowedFd::borrow_raw(number) })
}

/// The highest number that a descriptor can have, as far as the limit tells: one that was opened before the limit came down is missed. Only for
/// filters without close_range.
fn highest_descriptor() -> Result<u32> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: limit is writable.
    check(libc::c_long::from(unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit)
    }))?;
    Ok(limit.rlim_max.min(1 << 20) as u32)
}

/// Waits until `fd` is readable or hung up; `Ok(false)` at the deadline.
pub fn wait_readable(fd: BorrowedFd<'_>, deadline: Option<Instant>) -> Result<bool> {
    let mut set = [poll_entry(Some(fd), libc::POLLIN)];
    poll(&mut set, deadline).map(|n| n > 0)
}

/// Whether `fd` is readable or hung up at this moment.
pub fn is_readable(fd: BorrowedFd<'_>) -> Result<bool> {
    let mut set = [poll_entry(Some(fd), libc::POLLIN)];
    // SAFETY: set is a live array of one pollfd.
    check(libc::c_long::from(unsafe {
        libc::poll(set.as_mut_ptr(), 1, 0)
    }))
    .map(|n| n > 0)
}

/// One entry of a [`poll`] set; `None` is an entry that never fires.
pub fn poll_entry(fd: Option<BorrowedFd<'_>>, events: i16) -> libc::pollfd {
    libc::pollfd {
        fd: fd.map_or(-1, |f| f.as_raw_fd()),
        events,
        revents: 0,
    }
}

/// ppoll(2) until one entry is ready or the deadline has come (0). Signals do not end it.
pub fn poll(set: &mut [libc::pollfd], deadline: Option<Instant>) -> Result<usize> {
    loop {
        let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
        let time = left.map(timespec);
        let time_ptr = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: set is a live array of pollfd of the length passed; time_ptr is null or points to a live timespec.
        let ret = unsafe {
            libc::ppoll(
                set.as_mut_ptr(),
                set.len() as libc::nfds_t,
                time_ptr,
                std::ptr::null(),
            )
        };
        match check(libc::c_long::from(ret)) {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

fn timespec(d: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: d.as_secs() as libc::time_t,
        tv_nsec: libc::c_long::from(d.subsec_nanos() as i32),
    }
}

/// Standard input.
// SAFETY: not -1; a closed descriptor makes the calls fail, which breaks nothing.
pub const STDIN: BorrowedFd<'static> = unsafe { BorrowedFd::borrow_raw(0) };
/// Standard output.
// SAFETY: as for STDIN.
pub const STDOUT: BorrowedFd<'static> = unsafe { BorrowedFd::borrow_raw(1) };
/// Standard error.
// SAFETY: as for STDIN.
pub const STDERR: BorrowedFd<'static> = unsafe { BorrowedFd::borrow_raw(2) };

/// close(2) of a number, under the contract of [`close_from`].
pub fn close_number(fd: RawFd) {
    // SAFETY: no memory is passed, and the caller gives up the descriptor.
    unsafe { libc::syscall(libc::SYS_close, fd) };
}
