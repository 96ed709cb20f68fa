//! Readiness messages of the container's program (sd_notify(3)).
//!
//! The caller's socket stays outside: the container gets one of its own, in a directory of the state that is mounted read-only at [`INSIDE`]. Of
//! what arrives there only readiness is passed on, together with the number that the program has outside.

use crate::error::{During, Result};
use crate::state::StateDir;
use kernel::file::{self, O_DIRECTORY, O_PATH};
use kernel::{Errno, io, process, socket};
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where the directory is mounted in the container.
pub const INSIDE: &str = "/run/notify";
/// The variable, and its value inside.
pub const VARIABLE: &str = "NOTIFY_SOCKET=/run/notify/notify.sock";
/// The directory in the state.
pub const DIRECTORY: &CStr = c"notify";
const SOCKET: &str = "notify.sock";
/// How long the caller's manager may take to have read everything. One that does not know the barrier never answers.
const BARRIER_TIME: Duration = Duration::from_secs(5);
/// How often the program is looked after while it is not ready.
const LOOK: Duration = Duration::from_millis(100);

/// Makes the directory that the container gets to see.
pub fn prepare(dir: &StateDir) -> Result<()> {
    let what = || format!("mkdir {}/notify", dir.path().display());
    file::mkdirat(dir.fd(), DIRECTORY, 0o755).during(what)
}

/// The socket that the program writes to, and the caller's.
#[derive(Debug)]
pub struct Relay {
    inside: OwnedFd,
    outside: PathBuf,
}

impl Relay {
    /// Opens the program's socket, if the container has been made with one.
    pub fn open(dir: &StateDir, outside: &Path) -> Result<Option<Relay>> {
        let what = || format!("make {}/notify/{SOCKET}", dir.path().display());
        let folder = match file::openat(dir.fd(), DIRECTORY, O_PATH | O_DIRECTORY, 0) {
            Err(Errno::ENOENT) => return Ok(None),
            other => other.during(what)?,
        };
        let inside = socket::unix(socket::SOCK_DGRAM).during(what)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd()));
        // Whoever the program runs as must be able to write. A mode that came later could be for what somebody has put in its place.
        let umask = process::umask(0);
        let bound = socket::bind(inside.as_fd(), &path);
        process::umask(umask);
        bound.during(what)?;
        Ok(Some(Relay {
            inside,
            outside: outside.to_owned(),
        }))
    }

    /// For poll: readable when there is a message.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.inside.as_fd()
    }

    /// Waits until the program is ready or `alive` says that it has ended; passes readiness on.
    pub fn wait(&self, pid: i32, alive: impl Fn() -> bool) -> Result<()> {
        while alive() {
            let ready = io::wait_readable(self.fd(), Some(Instant::now() + LOOK))
                .during(|| "poll".into())?;
            if ready && self.pass_on(pid)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reads one message; passes it on if it tells readiness, and says so.
    pub fn pass_on(&self, pid: i32) -> Result<bool> {
        let mut buf = [0; 4096];
        let n = io::read(self.fd(), &mut buf)
            .during(|| "read from the container's notify socket".into())?;
        let Some(ready) = buf[..n]
            .split(|b| *b == b'\n')
            .find(|line| line.starts_with(b"READY="))
        else {
            return Ok(false);
        };
        let what = || format!("notify {}", self.outside.display());
        let out = socket::unix(socket::SOCK_DGRAM).during(what)?;
        crate::console::connect(out.as_fd(), &self.outside).during(what)?;
        let message = [ready, format!("\nMAINPID={pid}").as_bytes()].concat();
        socket::send(out.as_fd(), &message, &[]).during(what)?;
        barrier(out.as_fd()).during(what)?;
        Ok(true)
    }
}

/// Waits until the manager has read what was sent before (sd_notify_barrier(3)): it then closes the pipe that comes with this message.
fn barrier(out: BorrowedFd<'_>) -> kernel::Result<()> {
    let (read_end, write_end) = io::pipe()?;
    socket::send(out, b"BARRIER=1", &[write_end.as_fd()])?;
    drop(write_end);
    io::wait_readable(read_end.as_fd(), Some(Instant::now() + BARRIER_TIME)).map(drop)
}
