//! Terminals: the engine's end of a console socket, and a terminal for the runtime itself to run on.

use crate::check::{Verdict, fail};
use crate::context::poll_for;
use crate::patience;
use crate::tests::sockets::{accept, receive};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::termios::Winsize;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A socket that waits for a pty master.
pub struct ConsoleSocket {
    listener: UnixListener,
    /// For `--console-socket`.
    pub path: PathBuf,
}

impl ConsoleSocket {
    /// Binds `console.sock` in `dir`.
    pub fn bind(dir: &Path) -> Verdict<ConsoleSocket> {
        let path = dir.join("console.sock");
        Ok(ConsoleSocket {
            listener: UnixListener::bind(&path)?,
            path,
        })
    }

    /// Takes the master that the runtime sends; also the text that came with it.
    pub fn receive(&self) -> Verdict<(Terminal, String)> {
        let stream = accept(&self.listener)?;
        let (text, mut fds) = receive(&stream)?;
        match (fds.pop(), fds.is_empty()) {
            (Some(fd), true) => Ok((Terminal::new(fd)?, text)),
            _ => fail("the message has not exactly one descriptor"),
        }
    }
}

/// The master of a pty.
pub struct Terminal {
    file: File,
    seen: String,
}

impl Terminal {
    /// Takes a master over.
    pub fn new(fd: OwnedFd) -> Verdict<Terminal> {
        let flags = rustix::fs::fcntl_getfl(&fd)?;
        rustix::fs::fcntl_setfl(&fd, flags | OFlags::NONBLOCK)?;
        Ok(Terminal {
            file: File::from(fd),
            seen: String::new(),
        })
    }

    /// A new pty: the master, and the path of its slave.
    pub fn open() -> Verdict<(Terminal, PathBuf)> {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let path = PathBuf::from(name.to_string_lossy().into_owned());
        Ok((Terminal::new(master)?, path))
    }

    /// Whether it is a terminal.
    pub fn is_terminal(&self) -> bool {
        rustix::termios::isatty(&self.file)
    }

    /// Rows and columns.
    pub fn size(&self) -> Verdict<(u16, u16)> {
        let size = rustix::termios::tcgetwinsize(&self.file)?;
        Ok((size.ws_row, size.ws_col))
    }

    /// Changes rows and columns.
    pub fn resize(&self, rows: u16, columns: u16) -> Verdict {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        Ok(rustix::termios::tcsetwinsize(&self.file, size)?)
    }

    /// Types.
    pub fn type_text(&mut self, text: &str) -> Verdict {
        Ok(self.file.write_all(text.as_bytes())?)
    }

    /// Reads until `wanted` finds what it looks for in all that was printed so far.
    pub fn await_text<T>(&mut self, what: &str, wanted: impl Fn(&str) -> Option<T>) -> Verdict<T> {
        let deadline = Instant::now() + patience::usual();
        loop {
            self.drain();
            if let Some(found) = wanted(&self.seen) {
                return Ok(found);
            }
            if Instant::now() > deadline {
                return fail(format!(
                    "waited {:?} in vain for {what}; the terminal shows {:?}",
                    patience::usual(),
                    self.seen
                ));
            }
            let timeout = Timespec {
                tv_sec: 0,
                tv_nsec: 20_000_000,
            };
            let _ = poll(
                &mut [PollFd::new(&self.file, PollFlags::IN)],
                Some(&timeout),
            );
            if self.seen.len() > 1 << 20 {
                return fail("the terminal prints without end");
            }
        }
    }

    /// The first JSON line that has the key.
    pub fn await_json(&mut self, key: &str) -> Verdict<serde_json::Value> {
        self.await_text(&format!("a line with {key:?}"), |text| {
            text.split('\n')
                .filter_map(|line| {
                    serde_json::from_str::<serde_json::Value>(line[line.find('{')?..].trim()).ok()
                })
                .find(|value| value.get(key).is_some())
        })
    }

    /// Everything printed so far.
    pub fn text(&mut self) -> &str {
        self.drain();
        &self.seen
    }

    fn drain(&mut self) {
        let mut buffer = [0u8; 65536];
        while let Ok(count) = self.file.read(&mut buffer) {
            if count == 0 {
                return;
            }
            self.seen
                .push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }

    /// The modes of the slave.
    pub fn modes(&self) -> Verdict<rustix::termios::Termios> {
        Ok(rustix::termios::tcgetattr(&self.file)?)
    }

    /// Waits until the modes are as wanted.
    pub fn await_modes(
        &self,
        what: &str,
        wanted: impl Fn(&rustix::termios::Termios) -> bool,
    ) -> Verdict {
        poll_for(what, || wanted(&self.modes().ok()?).then_some(()))
    }
}
