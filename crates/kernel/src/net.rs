//! Network devices of the current network namespace.

use crate::Result;
use crate::sys::{check, owned};
use std::os::fd::AsRawFd;

/// Brings the loopback device up (netdevice(7), `SIOCSIFFLAGS`).
pub fn loopback_up() -> Result<()> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    // SAFETY: no memory is passed.
    let socket = owned(unsafe { libc::syscall(libc::SYS_socket, libc::AF_INET, kind, 0) })?;
    // SAFETY: ifreq is plain data, for which zero is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    // SAFETY: request is a live ifreq with a NUL-terminated name.
    check(unsafe {
        libc::syscall(
            libc::SYS_ioctl,
            socket.as_raw_fd(),
            libc::SIOCSIFFLAGS,
            &request,
        )
    })
    .map(drop)
}
