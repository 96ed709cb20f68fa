//! Where the master of a container's terminal goes.

use crate::error::{During, Error, Kind, Result};
use kernel::{Errno, socket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// What becomes of the terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConsoleTarget<'a> {
    /// There is nobody to have one.
    #[default]
    None,
    /// It is sent to whoever listens at this path.
    Socket(&'a Path),
    /// The caller keeps it and copies between it and its own terminal.
    Keep,
}

impl ConsoleTarget<'_> {
    /// Delivers the master; gives it back if the caller keeps it.
    pub fn deliver(&self, master: OwnedFd) -> Result<Option<OwnedFd>> {
        match self {
            ConsoleTarget::Socket(path) => {
                let number =
                    kernel::tty::peer_number(master.as_fd()).during(|| "ioctl TIOCGPTN".into())?;
                send_fd(
                    path,
                    format!("/dev/pts/{number}").as_bytes(),
                    master.as_fd(),
                )?;
                Ok(None)
            }
            ConsoleTarget::Keep => {
                // The user's own terminal turns line ends into two characters already; this comes before the program prints its first.
                if let Ok(attributes) = kernel::tty::attributes(master.as_fd()) {
                    let _ = kernel::tty::set_attributes(master.as_fd(), attributes.without_onlcr());
                }
                Ok(Some(master))
            }
            ConsoleTarget::None => Err(Error::new(
                Kind::Failed,
                "a terminal came that nobody has asked for",
            )),
        }
    }
}

/// Sends one descriptor and a word about it to a listening socket.
pub fn send_fd(path: &Path, word: &[u8], fd: BorrowedFd<'_>) -> Result<()> {
    let what = || format!("send a descriptor to {}", path.display());
    let stream = socket::unix(socket::SOCK_STREAM).during(what)?;
    connect(stream.as_fd(), path).map_err(|e| silent(e, what()))?;
    socket::send(stream.as_fd(), word, &[fd])
        .during(what)
        .map(drop)
}

/// How long a listener may leave us waiting.
const LISTENER_TIME: Duration = Duration::from_secs(10);

/// The sentence for a listener that does not take us.
pub fn silent(errno: Errno, what: String) -> Error {
    match errno {
        Errno::EAGAIN => Error::new(Kind::Failed, what).cause(format!(
            "nobody accepted the connection in {} seconds",
            LISTENER_TIME.as_secs()
        )),
        other => Error::os(what, other),
    }
}

/// connect(2) with a deadline, also where the path is longer than a socket address holds: by way of its directory.
pub fn connect(stream: BorrowedFd<'_>, path: &Path) -> kernel::Result<()> {
    use std::os::fd::AsRawFd;
    use std::os::unix::ffi::OsStrExt;
    socket::set_send_timeout(stream, LISTENER_TIME)?;
    match socket::connect(stream, path) {
        Err(Errno::ENAMETOOLONG) => {
            let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
                return Err(Errno::ENAMETOOLONG);
            };
            let dir =
                std::ffi::CString::new(dir.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
            let dir = kernel::file::openat(
                kernel::file::CWD,
                &dir,
                kernel::file::O_PATH | kernel::file::O_DIRECTORY,
                0,
            )?;
            socket::connect(
                stream,
                &Path::new(&format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name),
            )
        }
        other => other,
    }
}
