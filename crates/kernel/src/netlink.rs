//! Route netlink: building requests, and reading answers without trusting their lengths (netlink(7), rtnetlink(7)).

use crate::sys::{check, owned};
use crate::{Errno, Result};
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// Bytes of a message's header: length, type, flags, sequence number, port.
const HEADER: usize = 16;
/// The kernel's answer to a request: 0 or an error number.
pub const ERROR: u16 = 2;
/// The end of a list.
pub const DONE: u16 = 3;
const F_REQUEST: u16 = 1;
const F_ACK: u16 = 4;
/// Asks for all, not for one.
pub const F_DUMP: u16 = 0x300;
/// Replaces what is there.
pub const F_REPLACE: u16 = 0x100;
/// Makes what is not there.
pub const F_CREATE: u16 = 0x400;
/// The list changed while it was read.
const F_DUMP_INTR: u16 = 0x10;

/// A socket for the devices and addresses of the current network namespace. It stays with that one.
pub fn route() -> Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: no memory is passed.
    let fd = owned(unsafe {
        libc::syscall(
            libc::SYS_socket,
            libc::AF_NETLINK,
            kind,
            libc::NETLINK_ROUTE,
        )
    })?;
    let on: libc::c_int = 1;
    for option in [libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK] {
        // Only for better words: old kernels do without.
        // SAFETY: on is a live int of the size passed.
        let _ = check(unsafe {
            libc::syscall(
                libc::SYS_setsockopt,
                fd.as_raw_fd(),
                libc::SOL_NETLINK,
                option,
                &on,
                size_of::<libc::c_int>(),
            )
        });
    }
    Ok(fd)
}

/// A request of at most [`Request::SIZE`] bytes.
#[derive(Clone, Debug)]
pub struct Request {
    bytes: [u8; Request::SIZE],
    len: usize,
}

impl Request {
    /// Room for all of it: a header and a handful of short attributes.
    pub const SIZE: usize = 512;

    /// A request of a type (`RTM_*`), with its family's own header.
    pub fn new(kind: u16, flags: u16, body: &[u8]) -> Request {
        let mut request = Request {
            bytes: [0; Request::SIZE],
            len: HEADER,
        };
        request.bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        request.bytes[6..8].copy_from_slice(&(flags | F_REQUEST | F_ACK).to_ne_bytes());
        let body = &body[..body.len().min(64)];
        request.bytes[HEADER..HEADER + body.len()].copy_from_slice(body);
        request.len += body.len().next_multiple_of(4);
        request
    }

    /// Adds an attribute.
    ///
    /// # Errors
    /// `EMSGSIZE` when there is no room for it.
    pub fn attribute(&mut self, kind: u16, value: &[u8]) -> Result<()> {
        let len = 4 + value.len();
        let end = self.len + len.next_multiple_of(4);
        if end > Request::SIZE {
            return Err(Errno::EMSGSIZE);
        }
        let at = self.len;
        self.bytes[at..at + 2].copy_from_slice(&(len as u16).to_ne_bytes());
        self.bytes[at + 2..at + 4].copy_from_slice(&kind.to_ne_bytes());
        self.bytes[at + 4..at + len].copy_from_slice(value);
        self.len = end;
        Ok(())
    }
}

/// Why the kernel refused a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal<'b> {
    /// The error number.
    pub errno: Errno,
    /// The kernel's words, if it has any.
    pub text: &'b [u8],
}

impl From<Errno> for Refusal<'_> {
    fn from(errno: Errno) -> Self {
        Refusal { errno, text: b"" }
    }
}

/// Sends a request and hands every message of the answer, by type and content, to `each`, until the kernel says that it is done. `buf` holds one
/// packet; 32 KiB are enough for every list.
///
/// # Errors
/// The kernel's refusal; `EMSGSIZE` for a packet larger than `buf`; `EINTR` for a list that changed meanwhile, which is to be asked for again; `EPROTO`
/// for what is no netlink message.
pub fn ask<'b>(
    socket: BorrowedFd<'_>,
    request: &Request,
    buf: &'b mut [u8],
    mut each: impl FnMut(u16, &[u8]),
) -> std::result::Result<(), Refusal<'b>> {
    let mut bytes = request.bytes;
    bytes[..4].copy_from_slice(&(request.len as u32).to_ne_bytes());
    crate::io::write_all(socket, &bytes[..request.len])?;
    let mut changed = false;
    let end = 'answer: loop {
        let n = receive(socket, buf)?;
        let mut rest = 0..n;
        while !rest.is_empty() {
            let message = message(&buf[rest.clone()]).ok_or(Errno::EPROTO)?;
            changed |= message.flags & F_DUMP_INTR != 0;
            match message.kind {
                ERROR | DONE => {
                    break 'answer rest.start + message.content.start
                        ..rest.start + message.content.end;
                }
                kind => each(
                    kind,
                    &buf[rest.start + message.content.start..rest.start + message.content.end],
                ),
            }
            rest.start += message.size.min(rest.len());
        }
    };
    let content = &buf[end];
    let errno = -content
        .get(..4)
        .and_then(|b| b.try_into().ok())
        .map_or(0, i32::from_ne_bytes);
    match errno {
        0 if changed => Err(Errno::EINTR.into()),
        0 => Ok(()),
        errno => Err(Refusal {
            errno: Errno(errno),
            text: words(content),
        }),
    }
}

/// recvfrom(2), which tells the whole size of a packet also where it did not fit.
fn receive(socket: BorrowedFd<'_>, buf: &mut [u8]) -> Result<usize> {
    let null = std::ptr::null_mut::<libc::c_void>();
    loop {
        // SAFETY: buf is writable for its length; a null address is allowed.
        let result = check(unsafe {
            libc::syscall(
                libc::SYS_recvfrom,
                socket.as_raw_fd(),
                buf.as_mut_ptr(),
                buf.len(),
                libc::MSG_TRUNC,
                null,
                null,
            )
        });
        match result {
            Err(Errno::EINTR) => {}
            Ok(n) if n > buf.len() => return Err(Errno::EMSGSIZE),
            other => return other,
        }
    }
}

struct Message {
    kind: u16,
    flags: u16,
    /// Where its content is.
    content: std::ops::Range<usize>,
    /// Where the next one starts.
    size: usize,
}

/// The first message of a packet.
fn message(packet: &[u8]) -> Option<Message> {
    let half = |at: usize| {
        packet
            .get(at..at + 2)?
            .try_into()
            .ok()
            .map(u16::from_ne_bytes)
    };
    let len = u32::from_ne_bytes(packet.get(..4)?.try_into().ok()?) as usize;
    if len < HEADER || len > packet.len() {
        return None;
    }
    Some(Message {
        kind: half(4)?,
        flags: half(6)?,
        content: HEADER..len,
        size: len.next_multiple_of(4),
    })
}

/// The text of an error message: with `NETLINK_CAP_ACK` it follows the error number and the header of the request.
fn words(content: &[u8]) -> &[u8] {
    const MSG: u16 = 1;
    let text =
        attributes(content.get(4 + HEADER..).unwrap_or_default()).find(|(kind, _)| *kind == MSG);
    text.map_or(&[][..], |(_, text)| {
        text.strip_suffix(b"\0").unwrap_or(text)
    })
}

/// Walks a list of attributes, by type and value. Ends where a length does not fit.
pub fn attributes(mut list: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    // Nested and network byte order are told in the upper bits.
    const TYPE: u16 = 0x3fff;
    std::iter::from_fn(move || {
        let len = usize::from(u16::from_ne_bytes(list.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(list.get(2..4)?.try_into().ok()?) & TYPE;
        let value = list.get(4..len)?;
        list = list.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    #[cfg_attr(miri, ignore = "needs the kernel")]
    fn the_kernel_lists_devices_and_says_why_it_refuses() {
        const GETLINK: u16 = 18;
        let socket = route().unwrap();
        let mut buf = vec![0; 32 << 10];
        let mut names = Vec::new();
        ask(
            socket.as_fd(),
            &Request::new(GETLINK, F_DUMP, &[0; 16]),
            &mut buf,
            |_, content| {
                names.extend(
                    attributes(&content[16..])
                        .filter(|(kind, _)| *kind == 3)
                        .map(|(_, name)| name.to_vec()),
                );
            },
        )
        .unwrap();
        assert!(names.contains(&b"lo\0".to_vec()), "{names:?}");
        let mut missing = Request::new(GETLINK, 0, &[0; 16]);
        missing.attribute(3, b"teu-no-such\0").unwrap();
        assert_eq!(
            ask(socket.as_fd(), &missing, &mut buf, |_, _| ())
                .unwrap_err()
                .errno,
            Errno::ENODEV
        );
        let mut small = [0; 64];
        assert_eq!(
            ask(
                socket.as_fd(),
                &Request::new(GETLINK, F_DUMP, &[0; 16]),
                &mut small,
                |_, _| ()
            )
            .unwrap_err()
            .errno,
            Errno::EMSGSIZE
        );
    }

    #[test]
    fn lengths_that_lie_end_the_walk() {
        assert_eq!(
            attributes(&[5, 0, 1, 0, b'x', 0, 0, 0, 4, 0, 2, 0]).collect::<Vec<_>>(),
            [(1, &b"x"[..]), (2, &b""[..])]
        );
        for bad in [
            &[][..],
            &[9, 0, 1, 0, 0],
            &[3, 0, 1, 0],
            &[0, 0, 0, 0],
            &[4],
        ] {
            assert_eq!(attributes(bad).count(), 0, "{bad:?}");
        }
        for bad in [&[][..], &[16, 0, 0, 0], &[15; 16], &[255; 32]] {
            assert!(message(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_request_that_is_full_takes_no_more() {
        let mut request = Request::new(16, 0, &[0; 16]);
        assert_eq!(
            request.attribute(1, &[0; Request::SIZE]).unwrap_err(),
            Errno::EMSGSIZE
        );
        request.attribute(1, &[7; 5]).unwrap();
        assert_eq!(request.len, HEADER + 16 + 12);
    }
}
