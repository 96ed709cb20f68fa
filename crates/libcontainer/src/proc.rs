//! What tells a process of the host from others, and what procfs says about it.

use crate::error::{During, Error, Kind, Result};
use crate::state::read_all;
use kernel::file::{self, CWD, O_RDONLY};
use kernel::{Errno, io, process};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

/// What tells a process from all that had its number before, or get it after, since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The inode of its pidfds; 0 where the kernel does not give each process one of its own (before 6.9).
    pub inode: u64,
    /// Only there, because it costs more: when it started, in clock ticks since boot (proc_pid_stat(5)).
    pub start_time: u64,
}

impl Identity {
    /// That of a process. One that has gone has none.
    ///
    /// # Errors
    /// Those of reading /proc/PID/stat, on old kernels.
    pub fn of(pid: i32, pidfd: BorrowedFd<'_>) -> Result<Identity> {
        if let Some(inode) = process::pidfd_inode(pidfd).during(|| "stat a pidfd".into())? {
            return Ok(Identity {
                inode,
                start_time: 0,
            });
        }
        Ok(Identity {
            inode: 0,
            start_time: start_time(pid)?.unwrap_or(0),
        })
    }

    /// A descriptor of the process which had that number, unless it has ended.
    ///
    /// # Errors
    /// Those of pidfd_open(2), and as [`Identity::of`].
    pub fn open(self, pid: i32) -> Result<Option<OwnedFd>> {
        let pidfd = match process::pidfd_open(pid) {
            // Nobody has the number, or a thread has (EINVAL, in newer kernels ENOENT).
            Err(Errno::ESRCH | Errno::EINVAL | Errno::ENOENT) => return Ok(None),
            other => other.during(|| format!("pidfd_open {pid}"))?,
        };
        // Asked after opening: the number cannot pass to another process any more without our noticing.
        let same = match self.inode {
            0 => start_time(pid)? == Some(self.start_time),
            inode => {
                file::fstat(pidfd.as_fd())
                    .during(|| "stat a pidfd".into())?
                    .st_ino
                    == inode
            }
        };
        // A pidfd is readable when the last thread of its process has ended, also before anybody has waited for it (pidfd_open(2)).
        let alive = same && !io::is_readable(pidfd.as_fd()).during(|| "poll a pidfd".into())?;
        Ok(alive.then_some(pidfd))
    }
}

/// When a process started (proc_pid_stat(5)). None when there is no such process.
fn start_time(pid: i32) -> Result<Option<u64>> {
    let path = CString::new(format!("/proc/{pid}/stat")).expect("a number has no NUL");
    match read(&path) {
        Err(Errno::ENOENT | Errno::ESRCH) => return Ok(None),
        other => other.map(|stat| parse_start_time(&stat)),
    }
    .and_then(|found| found.ok_or(Errno::EIO))
    .map(Some)
    .during(|| format!("read {}", path.to_string_lossy()))
}

/// The signals that this process ignores; bit n - 1 is signal n (proc_pid_status(5)).
///
/// # Errors
/// Those of reading /proc/self/status.
pub fn ignored_signals() -> kernel::Result<u64> {
    read(c"/proc/self/status").and_then(|status| parse_ignored(&status).ok_or(Errno::EIO))
}

/// A file of procfs. The status of somebody who is in all 65,536 groups has 700 KB.
fn read(path: &CStr) -> kernel::Result<Vec<u8>> {
    read_all(file::openat(CWD, path, O_RDONLY, 0)?.as_fd(), 1 << 20)
}

/// Field 22. The second one, the name, may hold anything; the last `)` ends it.
fn parse_start_time(stat: &[u8]) -> Option<u64> {
    let end = stat.iter().rposition(|b| *b == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 2..)?).ok()?;
    rest.split(' ').nth(19)?.parse().ok()
}

/// The name in the first line has its newlines escaped.
fn parse_ignored(status: &[u8]) -> Option<u64> {
    let mut lines = status.split(|b| *b == b'\n');
    let mask = lines.find_map(|line| line.strip_prefix(b"SigIgn:\t"))?;
    u64::from_str_radix(std::str::from_utf8(mask).ok()?, 16).ok()
}

/// Identifies this boot of the kernel.
///
/// # Errors
/// Those of reading a file of procfs.
pub fn boot_id() -> Result<&'static str> {
    // `list` asks for each container.
    static KNOWN: OnceLock<String> = OnceLock::new();
    if let Some(id) = KNOWN.get() {
        return Ok(id);
    }
    let what = || "read /proc/sys/kernel/random/boot_id".to_owned();
    let file = file::openat(CWD, c"/proc/sys/kernel/random/boot_id", O_RDONLY, 0).during(what)?;
    let mut buf = [0; 64];
    let n = io::read(file.as_fd(), &mut buf).during(what)?;
    let text = std::str::from_utf8(&buf[..n]).map_err(|_| Error::new(Kind::Failed, what()))?;
    Ok(KNOWN.get_or_init(|| text.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_confuse() {
        let stat = b"42 (a) R 1 (b) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 777 0 0 18446744073709551615 0 0 0 0 0 0 0 4097 0 0\n";
        assert_eq!(parse_start_time(stat), Some(777));
        assert_eq!(parse_start_time(b"42 (x"), None);
    }

    #[test]
    fn ignored_signals_of_both_kinds() {
        let status = b"Name:\tSigIgn:\\n1\nSigBlk:\t0000000000000001\nSigIgn:\tffffffff80001000\nSigCgt:\t0000000000000002\n";
        assert_eq!(parse_ignored(status), Some(0xffff_ffff_8000_1000));
        assert_eq!(parse_ignored(b"Name:\tx\n"), None);
        // Rust programs ignore SIGPIPE.
        assert_eq!(ignored_signals().unwrap() & 1 << 12, 1 << 12);
    }

    #[test]
    fn the_own_process_is_there_and_an_impossible_one_is_not() {
        assert!(start_time(process::getpid()).unwrap() > Some(0));
        assert_eq!(start_time(i32::MAX).unwrap(), None);
        assert_eq!(boot_id().unwrap().len(), 36);
    }

    /// As this kernel tells it, and as older ones do.
    fn both(pid: i32, pidfd: BorrowedFd<'_>) -> [Identity; 2] {
        let by_time = Identity {
            inode: 0,
            start_time: start_time(pid).unwrap().unwrap(),
        };
        [Identity::of(pid, pidfd).unwrap(), by_time]
    }

    #[test]
    fn a_process_is_itself_until_it_ends() {
        let (read_end, write_end) = io::pipe().unwrap();
        let child = process::clone(process::CloneArgs::default(), || {
            io::close_number(write_end.as_raw_fd());
            let _ = io::read(read_end.as_fd(), &mut [0]);
        })
        .unwrap();
        let (pid, pidfd) = (child.pid, child.pidfd.as_fd());
        let known = both(pid, pidfd);
        for identity in known {
            assert!(identity.open(pid).unwrap().is_some(), "{identity:?}");
            let another = Identity {
                inode: identity.inode.saturating_sub(1),
                start_time: identity.start_time + 1,
            };
            assert!(another.open(pid).unwrap().is_none(), "{another:?}");
        }
        // A process that nobody has waited for has ended all the same.
        drop(write_end);
        assert!(io::wait_readable(pidfd, None).unwrap());
        let is_gone = |identity: &Identity| identity.open(pid).unwrap().is_none();
        assert!(known.iter().all(is_gone));
        process::wait(pidfd).unwrap();
        assert!(known.iter().all(is_gone));
    }

    #[test]
    fn a_thread_that_has_the_number_is_not_the_process() {
        let own = process::getpid();
        let pidfd = process::pidfd_open(own).unwrap();
        let known = both(own, pidfd.as_fd());
        std::thread::spawn(move || {
            let link = std::fs::read_link("/proc/thread-self").unwrap();
            let thread = link.file_name().unwrap().to_str().unwrap().parse().unwrap();
            assert_ne!(thread, own);
            for identity in known {
                assert!(identity.open(thread).unwrap().is_none(), "{identity:?}");
            }
        })
        .join()
        .unwrap();
    }
}
