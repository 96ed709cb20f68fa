//! Staying with a process: copying its terminal, passing signals on, waiting for its end.

use crate::error::{During, Result};
use crate::notify::Relay;
use kernel::process::{self, Child, Exit, SignalSet};
use kernel::{Errno, io, tty};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// Blocks every signal, to be called before the process exists: a signal that arrives early waits instead of being lost or killing us.
pub fn hold_signals() -> Result<OwnedFd> {
    process::set_signal_mask(SignalSet::all()).during(|| "block signals".into())?;
    process::signalfd(SignalSet::all()).during(|| "signalfd".into())
}

/// The user's terminal while it is in raw mode; its settings come back with the end of this value.
struct RawMode {
    fd: BorrowedFd<'static>,
    old: tty::Attributes,
}

impl RawMode {
    /// The first of our own descriptors that is a terminal.
    fn enter() -> Option<RawMode> {
        let (fd, old) = [io::STDERR, io::STDOUT, io::STDIN]
            .into_iter()
            .find_map(|fd| Some((fd, tty::attributes(fd).ok()?)))?;
        // The shell's, while we are in the background.
        if tty::is_background(fd) {
            return None;
        }
        tty::set_attributes(fd, old.raw()).ok()?;
        Some(RawMode { fd, old })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = tty::set_attributes(self.fd, self.old);
    }
}

/// The container's terminal, seen from outside.
struct Terminal {
    master: OwnedFd,
    raw: Option<RawMode>,
    /// Standard input is read until its end.
    input: bool,
    /// A read from the background has failed: wait until the terminal is ours again.
    away: bool,
    /// What the master did not take yet.
    pending: Vec<u8>,
}

impl Terminal {
    fn new(master: OwnedFd) -> Terminal {
        let terminal = Terminal {
            master,
            raw: RawMode::enter(),
            input: true,
            away: false,
            pending: Vec::new(),
        };
        terminal.resize();
        let _ = io::set_nonblocking(terminal.master.as_fd(), true);
        terminal
    }

    fn resize(&self) {
        if let Some(size) = self
            .raw
            .as_ref()
            .and_then(|raw| tty::window_size(raw.fd).ok())
        {
            let _ = tty::set_window_size(self.master.as_fd(), size);
        }
    }

    /// We may have come to the foreground: the terminal is ours again.
    fn resume(&mut self) {
        if self.raw.is_none() {
            self.raw = RawMode::enter();
        }
        self.away = tty::is_background(io::STDIN);
        self.resize();
    }

    /// From our standard input to the container. What the other side does not take waits; meanwhile nothing more is read.
    fn feed(&mut self) {
        let mut buf = [0; 8192];
        match io::read(io::STDIN, &mut buf) {
            Err(Errno::EIO) if tty::is_background(io::STDIN) => self.away = true,
            Ok(0) | Err(_) => self.input = false,
            Ok(n) => self.pending.extend_from_slice(&buf[..n]),
        }
        if self.raw.is_none() && !self.away {
            self.raw = RawMode::enter();
        }
        self.flush();
    }

    fn flush(&mut self) {
        if let Ok(n) = io::write(self.master.as_fd(), &self.pending) {
            self.pending.drain(..n);
        }
    }

    /// From the container to our standard output; `false` when there will be no more: the last process has closed the terminal.
    fn show(&mut self) -> bool {
        let mut buf = [0; 16384];
        match io::read(self.master.as_fd(), &mut buf) {
            Ok(0) => false,
            Ok(n) => io::write_all(io::STDOUT, &buf[..n]).is_ok(),
            Err(Errno::EAGAIN) => true,
            Err(_) => false,
        }
    }
}

/// Waits for the end of a process; meanwhile copies its terminal and passes signals on to it. Orphans that come to us as their subreaper are reaped.
///
/// `signals` is from [`hold_signals`]; `relay` passes readiness on.
pub fn stay(
    child: &Child,
    terminal: Option<OwnedFd>,
    signals: &OwnedFd,
    relay: Option<&Relay>,
) -> Result<Exit> {
    let mut terminal = terminal.map(Terminal::new);
    loop {
        let master = terminal.as_ref().map(|t| t.master.as_fd());
        let waiting = terminal.as_ref().is_some_and(|t| !t.pending.is_empty());
        let reading = terminal
            .as_ref()
            .is_some_and(|t| t.input && !t.away && t.pending.is_empty());
        // Nobody tells when a shell has given us the terminal back.
        let away = terminal.as_ref().is_some_and(|t| t.away);
        let look_again = away.then(|| Instant::now() + Duration::from_millis(200));
        let mut set = [
            io::poll_entry(Some(child.pidfd.as_fd()), libc::POLLIN),
            io::poll_entry(Some(signals.as_fd()), libc::POLLIN),
            io::poll_entry(
                master,
                libc::POLLIN | if waiting { libc::POLLOUT } else { 0 },
            ),
            io::poll_entry(reading.then_some(io::STDIN), libc::POLLIN),
            io::poll_entry(relay.map(Relay::fd), libc::POLLIN),
        ];
        io::poll(&mut set, look_again).during(|| "poll".into())?;
        if let Some(t) = &mut terminal {
            if away {
                t.resume();
            }
            if set[3].revents != 0 {
                t.feed();
            }
            if set[2].revents & libc::POLLOUT != 0 {
                t.flush();
            }
            if set[2].revents & (libc::POLLIN | libc::POLLHUP | libc::POLLERR) != 0 && !t.show() {
                terminal = None;
            }
        }
        if let Some(relay) = relay.filter(|_| set[4].revents != 0) {
            // A manager that does not listen any more is no reason to leave the process alone.
            let _ = relay.pass_on(child.pid);
        }
        if set[1].revents != 0 {
            pass_signals(child, terminal.as_mut(), signals)?;
        }
        if set[0].revents != 0 {
            let exit = process::wait(child.pidfd.as_fd()).during(|| "waitid".into())?;
            // What it wrote last is still in the terminal.
            while terminal.as_mut().is_some_and(|t| has_output(t) && t.show()) {}
            return Ok(exit);
        }
    }
}

fn has_output(t: &Terminal) -> bool {
    let mut set = [io::poll_entry(Some(t.master.as_fd()), libc::POLLIN)];
    io::poll(&mut set, Some(Instant::now())).is_ok_and(|n| n > 0)
        && set[0].revents & libc::POLLIN != 0
}

fn pass_signals(
    child: &Child,
    mut terminal: Option<&mut Terminal>,
    signals: &OwnedFd,
) -> Result<()> {
    while let Some(signal) =
        process::next_signal(signals.as_fd()).during(|| "read signals".into())?
    {
        match signal {
            libc::SIGCHLD => reap_orphans(child)?,
            libc::SIGWINCH => {
                if let Some(t) = &terminal {
                    t.resize();
                }
            }
            // From the user's shell, to us: the container was not stopped.
            libc::SIGCONT if terminal.is_some() => {
                if let Some(t) = &mut terminal {
                    t.resume();
                }
            }
            // The Go runtime of some callers sends this to itself; it means nothing.
            libc::SIGURG => {}
            other => match process::pidfd_send_signal(child.pidfd.as_fd(), other) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(e) => return Err(crate::Error::os(format!("pass signal {other} on"), e)),
            },
        }
    }
    Ok(())
}

/// Reaps every ended child but the one that is waited for by its pidfd.
fn reap_orphans(child: &Child) -> Result<()> {
    while let Ok(Some(pid)) = process::peek_any() {
        if pid == child.pid {
            return Ok(());
        }
        process::reap(pid).during(|| format!("reap process {pid}"))?;
    }
    Ok(())
}
