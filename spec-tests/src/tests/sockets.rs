//! Messages with descriptors over Unix sockets.

use crate::check::Verdict;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

/// Takes one message with its descriptors.
pub fn receive(stream: &UnixStream) -> Verdict<(String, Vec<OwnedFd>)> {
    let mut bytes = vec![0u8; 65536];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(&mut bytes)];
    let message =
        rustix::net::recvmsg(stream, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let mut fds = Vec::new();
    for part in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = part {
            fds.extend(rights);
        }
    }
    bytes.truncate(message.bytes);
    Ok((String::from_utf8_lossy(&bytes).into_owned(), fds))
}

/// Accepts one connection within the usual patience.
pub fn accept(listener: &UnixListener) -> Verdict<UnixStream> {
    listener.set_nonblocking(true)?;
    let stream =
        crate::context::poll_for("a connection to the socket", || listener.accept().ok())?.0;
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(crate::patience::usual()))?;
    Ok(stream)
}
