//! Pseudo-terminals by descriptor (pty(7), ioctl_tty(2)).

use crate::Result;
use crate::sys::{check, owned};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// The size of a terminal window in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowSize {
    /// Height.
    pub rows: u16,
    /// Width.
    pub columns: u16,
}

/// Unlocks the slave of a master (unlockpt(3)).
pub fn unlock(master: BorrowedFd<'_>) -> Result<()> {
    let zero: i32 = 0;
    // SAFETY: TIOCSPTLCK reads one int.
    check(unsafe { libc::syscall(libc::SYS_ioctl, master.as_raw_fd(), libc::TIOCSPTLCK, &zero) })
        .map(drop)
}

/// The slave of a master, opened without any path (`TIOCGPTPEER`, kernel 4.13), so nobody can put another file in its place.
pub fn open_peer(master: BorrowedFd<'_>) -> Result<OwnedFd> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: TIOCGPTPEER takes flags by value.
    owned(unsafe {
        libc::syscall(
            libc::SYS_ioctl,
            master.as_raw_fd(),
            libc::TIOCGPTPEER,
            flags,
        )
    })
}

/// The number N of /dev/pts/N of a master (`TIOCGPTN`).
pub fn peer_number(master: BorrowedFd<'_>) -> Result<u32> {
    let mut n: u32 = 0;
    // SAFETY: TIOCGPTN writes one unsigned int.
    check(unsafe { libc::syscall(libc::SYS_ioctl, master.as_raw_fd(), libc::TIOCGPTN, &mut n) })?;
    Ok(n)
}

/// Makes a terminal the controlling one of the calling session leader.
pub fn set_controlling(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: TIOCSCTTY takes a number by value.
    check(unsafe { libc::syscall(libc::SYS_ioctl, fd.as_raw_fd(), libc::TIOCSCTTY, 0) }).map(drop)
}

/// The window size.
pub fn window_size(fd: BorrowedFd<'_>) -> Result<WindowSize> {
    let mut raw = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: TIOCGWINSZ writes one winsize.
    check(unsafe { libc::syscall(libc::SYS_ioctl, fd.as_raw_fd(), libc::TIOCGWINSZ, &mut raw) })?;
    Ok(WindowSize {
        rows: raw.ws_row,
        columns: raw.ws_col,
    })
}

/// Sets the window size.
pub fn set_window_size(fd: BorrowedFd<'_>, size: WindowSize) -> Result<()> {
    let raw = libc::winsize {
        ws_row: size.rows,
        ws_col: size.columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: TIOCSWINSZ reads one winsize.
    check(unsafe { libc::syscall(libc::SYS_ioctl, fd.as_raw_fd(), libc::TIOCSWINSZ, &raw) })
        .map(drop)
}

/// The settings of a terminal, to be given back to [`set_attributes`].
#[derive(Clone, Copy)]
pub struct Attributes(libc::termios);

impl Attributes {
    /// The same with everything passed through untouched (cfmakeraw(3)), but output processing left as it is.
    pub fn raw(mut self) -> Attributes {
        let oflag = self.0.c_oflag;
        // SAFETY: a live termios.
        unsafe { libc::cfmakeraw(&mut self.0) };
        self.0.c_oflag = oflag;
        self
    }

    /// The same without turning `\n` into `\r\n` on output.
    pub fn without_onlcr(mut self) -> Attributes {
        self.0.c_oflag &= !libc::ONLCR;
        self
    }
}

/// The settings of a terminal; ENOTTY for any other file.
pub fn attributes(fd: BorrowedFd<'_>) -> Result<Attributes> {
    let mut raw = MaybeUninit::uninit();
    // SAFETY: raw has room for one termios, which tcgetattr fills when it returns 0.
    check(libc::c_long::from(unsafe {
        libc::tcgetattr(fd.as_raw_fd(), raw.as_mut_ptr())
    }))?;
    // SAFETY: tcgetattr returned 0.
    Ok(Attributes(unsafe { raw.assume_init() }))
}

/// Changes the settings of a terminal at once.
pub fn set_attributes(fd: BorrowedFd<'_>, attributes: Attributes) -> Result<()> {
    // SAFETY: a live termios.
    check(libc::c_long::from(unsafe {
        libc::tcsetattr(fd.as_raw_fd(), libc::TCSANOW, &attributes.0)
    }))
    .map(drop)
}

/// Whether the terminal is the caller's controlling one and belongs to another process group at the moment (tcgetpgrp(3)).
pub fn is_background(fd: BorrowedFd<'_>) -> bool {
    let mut group: libc::pid_t = 0;
    // SAFETY: TIOCGPGRP writes one pid_t.
    let asked = check(unsafe {
        libc::syscall(libc::SYS_ioctl, fd.as_raw_fd(), libc::TIOCGPGRP, &mut group)
    });
    // SAFETY: always succeeds.
    asked.is_ok() && group != unsafe { libc::getpgrp() }
}
