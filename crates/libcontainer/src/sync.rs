//! The messages between the parent and the child, and how a child's failure crosses.
//!
//! One `SOCK_SEQPACKET` pair, one fixed-size message at a time, at most one descriptor with it. A closed end reads as [`Message::Closed`], and both sides act on it:
//! the child exits, the parent cleans up. Nothing here allocates, so the child can use all of it.

use kernel::{Errno, socket};
use std::os::fd::{BorrowedFd, OwnedFd};

/// Bytes of the free text that goes with a failure.
pub const DETAIL: usize = 400;
/// Bytes of the name of the call that failed.
const CALL: usize = 40;
const SIZE: usize = 20 + CALL + DETAIL;

/// A failure inside the child: the call, its error number, and what else there is to say. Has no heap parts.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What was called, such as `move_mount`.
    pub call: &'static str,
    /// Why it failed; 0 when the detail says it all.
    pub errno: Errno,
    /// More, such as the path or what a hook printed.
    pub detail: Text<DETAIL>,
    /// Which one, where the step is a list of hooks.
    pub index: u32,
}

impl Fault {
    /// A failed call.
    pub fn new(call: &'static str, errno: Errno) -> Fault {
        Fault {
            call,
            errno,
            detail: Text::new(),
            index: 0,
        }
    }

    /// A failed call and what it was about.
    pub fn about(call: &'static str, errno: Errno, detail: &[u8]) -> Fault {
        let mut text = Text::new();
        text.push(detail);
        Fault {
            call,
            errno,
            detail: text,
            index: 0,
        }
    }
}

/// Gives the bare result of a system call its name.
pub trait Calling<T> {
    /// Fails with the name of the call.
    fn calling(self, call: &'static str) -> Result<T, Fault>;
}

impl<T> Calling<T> for kernel::Result<T> {
    fn calling(self, call: &'static str) -> Result<T, Fault> {
        self.map_err(|errno| Fault::new(call, errno))
    }
}

/// Text of limited length without a heap. What does not fit is cut off.
#[derive(Clone)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Text::new()
    }
}

impl<const N: usize> std::fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.as_bytes()))
    }
}

impl<const N: usize> Text<N> {
    /// Empty.
    pub const fn new() -> Self {
        Text {
            bytes: [0; N],
            len: 0,
        }
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Appends as much as fits.
    pub fn push(&mut self, bytes: &[u8]) {
        let n = bytes.len().min(N - self.len);
        self.bytes[self.len..self.len + n].copy_from_slice(&bytes[..n]);
        self.len += n;
    }

    /// Appends a number in decimal.
    pub fn push_number(&mut self, number: u64) {
        let mut digits = [0u8; 20];
        let mut at = digits.len();
        let mut rest = number;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.push(&digits[at..]);
    }

    /// What has been appended.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// As a C string; `ENAMETOOLONG` when it was cut off or a NUL no longer fits.
    pub fn as_cstr(&mut self) -> Result<&std::ffi::CStr, Errno> {
        if self.len >= N {
            return Err(Errno::ENAMETOOLONG);
        }
        self.bytes[self.len] = 0;
        std::ffi::CStr::from_bytes_with_nul(&self.bytes[..=self.len]).map_err(|_| Errno::EINVAL)
    }
}

/// A failure as the parent receives it.
#[derive(Debug)]
pub struct Report {
    /// Which step of the plan; `STAGE` is added for steps of the stage process.
    pub step: u32,
    /// What was called.
    pub call: String,
    /// Why it failed.
    pub errno: Errno,
    /// More.
    pub detail: String,
    /// Which one, where the step is a list of hooks.
    pub index: u32,
}

/// Added to [`Report::step`] by the stage process.
pub const STAGE: u32 = 1 << 31;

/// One message, either way.
#[derive(Debug)]
pub enum Message {
    /// The other side has closed or is dead.
    Closed,
    /// Child (stage): the init process was born with this number; its pidfd comes along.
    Spawned(i32, OwnedFd),
    /// Child: place me in the cgroup now (systemd).
    NeedCgroup,
    /// Child: I cannot copy this mount of the program's list, copy it for me.
    NeedTree(u32),
    /// Parent: this is the copy.
    Tree(OwnedFd),
    /// Child: the mounts are done; run the hooks of the runtime namespace.
    Hooks,
    /// Child: this is the master of the terminal.
    Console(OwnedFd),
    /// Child: the seccomp filter is in place, and this is the number of its listener among my descriptors. A filtered process can no longer
    /// be sure of sendmsg, so the parent fetches it.
    Listener(i32),
    /// Child: all is done but the start.
    Ready,
    /// Child: execve is next. The end of the stream after this means that it worked.
    Executing,
    /// Child: a step failed.
    Failed(Box<Report>),
    /// Parent: go on.
    Go(Facts),
    /// Parent or `start`: run the program. From `start` comes where to answer, from the parent what [`Message::Go`] tells.
    Start(Facts, Option<OwnedFd>),
}

/// What the parent knows about the child and the child does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The child's number in the runtime's pid namespace.
    pub pid: i32,
    /// Bit n - 1: signal n is ignored, inherited from whoever called the runtime, and must be set back.
    pub ignored_signals: u64,
}

/// Bytes of every message but a failure.
const SHORT: usize = 16;

fn raw(kind: u8, a: u32, b: u64) -> [u8; SHORT] {
    let mut message = [0; SHORT];
    message[0] = kind;
    message[4..8].copy_from_slice(&a.to_le_bytes());
    message[8..].copy_from_slice(&b.to_le_bytes());
    message
}

fn send(
    socket: BorrowedFd<'_>,
    kind: u8,
    word: u32,
    fd: Option<BorrowedFd<'_>>,
) -> kernel::Result<()> {
    let message = raw(kind, word, 0);
    match fd {
        Some(fd) => socket::send(socket, &message, &[fd]),
        None => socket::send(socket, &message, &[]),
    }
    .map(drop)
}

/// Sends [`Message::Spawned`].
pub fn spawned(socket: BorrowedFd<'_>, pid: i32, pidfd: BorrowedFd<'_>) -> kernel::Result<()> {
    send(socket, 2, pid as u32, Some(pidfd))
}
/// Sends [`Message::NeedCgroup`].
pub fn need_cgroup(socket: BorrowedFd<'_>) -> kernel::Result<()> {
    send(socket, 3, 0, None)
}
/// Sends [`Message::NeedTree`].
pub fn need_tree(socket: BorrowedFd<'_>, n: u32) -> kernel::Result<()> {
    send(socket, 12, n, None)
}
/// Sends [`Message::Tree`].
pub fn tree(socket: BorrowedFd<'_>, copy: BorrowedFd<'_>) -> kernel::Result<()> {
    send(socket, 13, 0, Some(copy))
}
/// Sends [`Message::Hooks`].
pub fn hooks(socket: BorrowedFd<'_>) -> kernel::Result<()> {
    send(socket, 4, 0, None)
}
/// Sends [`Message::Console`].
pub fn console(socket: BorrowedFd<'_>, master: BorrowedFd<'_>) -> kernel::Result<()> {
    send(socket, 5, 0, Some(master))
}
/// Sends [`Message::Listener`] by write(2), the one call that a filter must leave alone.
pub fn listener(socket: BorrowedFd<'_>, number: i32) -> kernel::Result<()> {
    kernel::io::write_all(socket, &raw(6, number as u32, 0))
}
/// Sends [`Message::Ready`].
pub fn ready(socket: BorrowedFd<'_>) -> kernel::Result<()> {
    send(socket, 7, 0, None)
}
/// Sends [`Message::Executing`].
pub fn executing(socket: BorrowedFd<'_>) -> kernel::Result<()> {
    send(socket, 11, 0, None)
}
/// Sends [`Message::Go`].
pub fn go(socket: BorrowedFd<'_>, facts: Facts) -> kernel::Result<()> {
    socket::send(
        socket,
        &raw(8, facts.pid as u32, facts.ignored_signals),
        &[],
    )
    .map(drop)
}
/// Sends [`Message::Start`] with where to answer.
pub fn start(socket: BorrowedFd<'_>, answer_to: BorrowedFd<'_>) -> kernel::Result<()> {
    send(socket, 9, 0, Some(answer_to))
}
/// Sends [`Message::Start`] over the pair.
pub fn go_and_start(socket: BorrowedFd<'_>, facts: Facts) -> kernel::Result<()> {
    socket::send(
        socket,
        &raw(9, facts.pid as u32, facts.ignored_signals),
        &[],
    )
    .map(drop)
}

/// Sends [`Message::Failed`], by write(2) as [`listener`].
pub fn failed(socket: BorrowedFd<'_>, step: u32, fault: &Fault) -> kernel::Result<()> {
    let mut message = [0u8; SIZE];
    message[0] = 10;
    message[4..8].copy_from_slice(&step.to_le_bytes());
    message[8..12].copy_from_slice(&fault.errno.0.to_le_bytes());
    let call = fault.call.as_bytes();
    let call = &call[..call.len().min(CALL)];
    let detail = fault.detail.as_bytes();
    message[12..14].copy_from_slice(&(call.len() as u16).to_le_bytes());
    message[14..16].copy_from_slice(&(detail.len() as u16).to_le_bytes());
    message[16..20].copy_from_slice(&fault.index.to_le_bytes());
    message[20..20 + call.len()].copy_from_slice(call);
    message[20 + CALL..20 + CALL + detail.len()].copy_from_slice(detail);
    kernel::io::write_all(socket, &message)
}

/// Receives the next message, waiting for it.
///
/// # Errors
/// `EPROTO` for a message that is none of these, or lacks the descriptor it must carry.
pub fn receive(socket: BorrowedFd<'_>) -> kernel::Result<Message> {
    let mut buf = [0u8; SIZE];
    let (n, fd) = match socket::receive(socket, &mut buf) {
        Err(Errno::ECONNRESET) => (0, None),
        other => other?,
    };
    if n == 0 {
        return Ok(Message::Closed);
    }
    let word = |at: usize| u32::from_le_bytes([buf[at], buf[at + 1], buf[at + 2], buf[at + 3]]);
    let facts = || Facts {
        pid: word(4) as i32,
        ignored_signals: u64::from(word(12)) << 32 | u64::from(word(8)),
    };
    Ok(match (buf[0], n) {
        (2, SHORT) => Message::Spawned(word(4) as i32, fd.ok_or(Errno::EPROTO)?),
        (3, SHORT) => Message::NeedCgroup,
        (4, SHORT) => Message::Hooks,
        (5, SHORT) => Message::Console(fd.ok_or(Errno::EPROTO)?),
        (6, SHORT) => Message::Listener(word(4) as i32),
        (7, SHORT) => Message::Ready,
        (8, SHORT) => Message::Go(facts()),
        (9, SHORT) => Message::Start(facts(), fd),
        (10, SIZE) => Message::Failed(Box::new(report(&buf, word(4)))),
        (11, SHORT) => Message::Executing,
        (12, SHORT) => Message::NeedTree(word(4)),
        (13, SHORT) => Message::Tree(fd.ok_or(Errno::EPROTO)?),
        _ => return Err(Errno::EPROTO),
    })
}

fn report(buf: &[u8; SIZE], step: u32) -> Report {
    let size =
        |at: usize, max: usize| usize::from(u16::from_le_bytes([buf[at], buf[at + 1]])).min(max);
    let text = |at: usize, len: usize| String::from_utf8_lossy(&buf[at..at + len]).into_owned();
    let word = |at: usize| [buf[at], buf[at + 1], buf[at + 2], buf[at + 3]];
    Report {
        step,
        errno: Errno(i32::from_le_bytes(word(8))),
        index: u32::from_le_bytes(word(16)),
        call: text(20, size(12, CALL)),
        detail: text(20 + CALL, size(14, DETAIL)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_fault_crosses_whole() {
        let (a, b) = socket::pair().unwrap();
        let mut fault = Fault::about("move_mount", Errno::EINVAL, b"/data");
        fault.index = 70_000;
        failed(a.as_fd(), 7 | STAGE, &fault).unwrap();
        match receive(b.as_fd()).unwrap() {
            Message::Failed(r) => {
                assert_eq!(
                    (r.step, r.call.as_str(), r.errno, r.detail.as_str()),
                    (7 | STAGE, "move_mount", Errno::EINVAL, "/data")
                );
                assert_eq!(r.index, 70_000);
            }
            other => panic!("{other:?}"),
        }
        drop(a);
        assert!(matches!(receive(b.as_fd()), Ok(Message::Closed)));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let (a, b) = socket::pair().unwrap();
        for junk in [
            &[5u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
            &[1, 2, 3][..],
            &[99; SHORT][..],
            &[10; 64][..],
        ] {
            socket::send(a.as_fd(), junk, &[]).unwrap();
            assert_eq!(receive(b.as_fd()).unwrap_err(), Errno::EPROTO, "{junk:?}");
        }
    }

    #[test]
    fn text_is_cut_at_its_end_and_counts_in_decimal() {
        let mut text = Text::<8>::new();
        text.push_number(1203);
        text.push(b"abcdef");
        assert_eq!(text.as_bytes(), b"1203abcd");
        assert_eq!(text.as_cstr().unwrap_err(), Errno::ENAMETOOLONG);
        let mut short = Text::<4>::new();
        short.push_number(0);
        assert_eq!(short.as_cstr().unwrap(), c"0");
    }
}
