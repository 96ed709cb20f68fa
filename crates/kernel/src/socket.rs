//! Unix sockets: message pairs, and passing descriptors.

use crate::sys::{check, owned};
use crate::{Errno, Result};
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A connected pair that keeps message boundaries and tells when the other end is closed (`SOCK_SEQPACKET`).
pub fn pair() -> Result<(OwnedFd, OwnedFd)> {
    let mut fds: [RawFd; 2] = [-1; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: fds has room for two descriptors.
    check(unsafe {
        libc::syscall(
            libc::SYS_socketpair,
            libc::AF_UNIX,
            kind,
            0,
            fds.as_mut_ptr(),
        )
    })?;
    // SAFETY: socketpair succeeded, so both are new descriptors that nobody else owns.
    Ok(unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) })
}

/// A socket of `AF_UNIX`; `kind` is `libc::SOCK_STREAM`, `SOCK_SEQPACKET` or `SOCK_DGRAM`.
pub fn unix(kind: i32) -> Result<OwnedFd> {
    // SAFETY: no memory is passed.
    owned(unsafe {
        libc::syscall(
            libc::SYS_socket,
            libc::AF_UNIX,
            kind | libc::SOCK_CLOEXEC,
            0,
        )
    })
}

pub use libc::{SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM};

fn address(path: &Path) -> Result<(libc::sockaddr_un, libc::socklen_t)> {
    // SAFETY: sockaddr_un is plain data, for which zero is a valid value.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    let bytes = path.as_os_str().as_bytes();
    // One byte stays for the NUL. Callers reach longer paths through /proc/self/fd.
    if bytes.len() >= address.sun_path.len() {
        return Err(Errno::ENAMETOOLONG);
    }
    for (to, from) in address.sun_path.iter_mut().zip(bytes) {
        *to = *from as libc::c_char;
    }
    Ok((address, size_of::<libc::sockaddr_un>() as libc::socklen_t))
}

/// bind(2).
pub fn bind(socket: BorrowedFd<'_>, path: &Path) -> Result<()> {
    let (address, len) = address(path)?;
    // SAFETY: address is a live sockaddr_un of the length passed.
    check(unsafe { libc::syscall(libc::SYS_bind, socket.as_raw_fd(), &address, len) }).map(drop)
}

/// connect(2).
pub fn connect(socket: BorrowedFd<'_>, path: &Path) -> Result<()> {
    let (address, len) = address(path)?;
    // SAFETY: address is a live sockaddr_un of the length passed.
    check(unsafe { libc::syscall(libc::SYS_connect, socket.as_raw_fd(), &address, len) }).map(drop)
}

/// How long connect and send may wait (socket(7), `SO_SNDTIMEO`); they fail with `EAGAIN` then.
pub fn set_send_timeout(socket: BorrowedFd<'_>, time: std::time::Duration) -> Result<()> {
    let time = libc::timeval {
        tv_sec: time.as_secs() as libc::time_t,
        tv_usec: 0,
    };
    let len = size_of::<libc::timeval>();
    // SAFETY: time is a live timeval of the length passed.
    check(unsafe {
        libc::syscall(
            libc::SYS_setsockopt,
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_SNDTIMEO,
            &time,
            len,
        )
    })
    .map(drop)
}

/// Room for the control message of up to [`MAX_FDS`] descriptors, aligned as cmsghdr needs it.
#[repr(C, align(8))]
struct Control([u8; 16 + 4 * MAX_FDS]);

/// How many descriptors one message may carry.
pub const MAX_FDS: usize = 2;

/// Sends one message with up to [`MAX_FDS`] descriptors (sendmsg(2), `SCM_RIGHTS`). A closed peer gives `EPIPE`, no signal.
pub fn send(socket: BorrowedFd<'_>, data: &[u8], fds: &[BorrowedFd<'_>]) -> Result<usize> {
    assert!(fds.len() <= MAX_FDS, "too many descriptors for one message");
    let mut iov = libc::iovec {
        iov_base: data.as_ptr().cast_mut().cast(),
        iov_len: data.len(),
    };
    let mut control = Control([0; 16 + 4 * MAX_FDS]);
    // SAFETY: msghdr is plain data, for which zero is a valid value.
    let mut msg: libc::msghdr = unsafe { std::mem::zeroed() };
    msg.msg_iov = &mut iov;
    msg.msg_iovlen = 1;
    if !fds.is_empty() {
        // cmsghdr on every Linux with 64-bit pointers: size_t len, int level, int type, then the data.
        let len = 16 + 4 * fds.len();
        control.0[..8].copy_from_slice(&len.to_ne_bytes());
        control.0[8..12].copy_from_slice(&libc::SOL_SOCKET.to_ne_bytes());
        control.0[12..16].copy_from_slice(&libc::SCM_RIGHTS.to_ne_bytes());
        for (i, fd) in fds.iter().enumerate() {
            control.0[16 + 4 * i..20 + 4 * i].copy_from_slice(&fd.as_raw_fd().to_ne_bytes());
        }
        msg.msg_control = control.0.as_mut_ptr().cast();
        msg.msg_controllen = len as _;
    }
    loop {
        // SAFETY: msg points to live buffers of the lengths given; the kernel only reads them.
        match check(unsafe {
            libc::syscall(
                libc::SYS_sendmsg,
                socket.as_raw_fd(),
                &msg,
                libc::MSG_NOSIGNAL,
            )
        }) {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

/// Receives one message and at most one descriptor, close-on-exec (recvmsg(2)); (0, None) when the peer has closed.
///
/// # Errors
/// `EPROTO` when more descriptors came than expected; they are closed.
pub fn receive(socket: BorrowedFd<'_>, data: &mut [u8]) -> Result<(usize, Option<OwnedFd>)> {
    let mut iov = libc::iovec {
        iov_base: data.as_mut_ptr().cast(),
        iov_len: data.len(),
    };
    let mut control = Control([0; 16 + 4 * MAX_FDS]);
    let mut msg = MaybeUninit::<libc::msghdr>::zeroed();
    // SAFETY: msghdr is plain data, for which zero is a valid value.
    let msg = unsafe { msg.assume_init_mut() };
    msg.msg_iov = &mut iov;
    msg.msg_iovlen = 1;
    msg.msg_control = control.0.as_mut_ptr().cast();
    msg.msg_controllen = control.0.len() as _;
    let n = loop {
        // SAFETY: msg points to live, writable buffers of the lengths given.
        match check(unsafe {
            libc::syscall(
                libc::SYS_recvmsg,
                socket.as_raw_fd(),
                &mut *msg,
                libc::MSG_CMSG_CLOEXEC,
            )
        }) {
            Err(Errno::EINTR) => {}
            other => break other?,
        }
    };
    let word = |at: usize| {
        i32::from_ne_bytes([
            control.0[at],
            control.0[at + 1],
            control.0[at + 2],
            control.0[at + 3],
        ])
    };
    let mut first = None;
    let mut count = 0;
    #[allow(clippy::unnecessary_cast)] // the type differs between C libraries
    let length = msg.msg_controllen as usize;
    if length >= 20 && word(8) == libc::SOL_SOCKET && word(12) == libc::SCM_RIGHTS {
        count = (word(0) as usize - 16) / 4;
        for i in 0..count.min(MAX_FDS) {
            // SAFETY: the kernel has just put this new descriptor into our table.
            let fd = unsafe { OwnedFd::from_raw_fd(word(16 + 4 * i)) };
            first.get_or_insert(fd);
        }
    }
    if count > 1 {
        return Err(Errno::EPROTO);
    }
    Ok((n, first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    #[cfg_attr(miri, ignore = "needs the kernel")]
    fn a_descriptor_travels_with_its_message() {
        let (a, b) = pair().unwrap();
        let (read_end, write_end) = crate::io::pipe().unwrap();
        send(a.as_fd(), b"take this", &[write_end.as_fd()]).unwrap();
        let mut buf = [0; 32];
        let (n, fd) = receive(b.as_fd(), &mut buf).unwrap();
        assert_eq!(&buf[..n], b"take this");
        crate::io::write_all(fd.unwrap().as_fd(), b"x").unwrap();
        assert_eq!(crate::io::read(read_end.as_fd(), &mut buf).unwrap(), 1);
        drop(a);
        assert_eq!(receive(b.as_fd(), &mut buf).unwrap().0, 0);
    }

    #[test]
    #[cfg_attr(miri, ignore = "needs the kernel")]
    fn too_many_descriptors_are_refused_and_closed() {
        let (a, b) = pair().unwrap();
        send(a.as_fd(), b"x", &[a.as_fd(), b.as_fd()]).unwrap();
        let mut buf = [0; 4];
        assert_eq!(receive(b.as_fd(), &mut buf).unwrap_err(), Errno::EPROTO);
    }
}
