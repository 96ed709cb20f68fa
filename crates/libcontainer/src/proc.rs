//! What tells a process of the host from others, and what procfs says about it.

use crate::error::{During, Error, Kind, Result};
use kernel::file::{self, CWD, O_RDONLY};
use kernel::{Errno, io, process};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd};
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
        let start_time = stat(pid)?.map_or(0, |stat| stat.start_time);
        Ok(Identity {
            inode: 0,
            start_time,
        })
    }

    /// Whether `pidfd`, which was opened by the number `pid`, is that process, and it has not ended.
    ///
    /// # Errors
    /// As [`Identity::of`].
    pub fn is_alive(self, pid: i32, pidfd: BorrowedFd<'_>) -> Result<bool> {
        if self.inode != 0 {
            // A pidfd is readable when the last thread of its process has ended (pidfd_open(2)).
            let known = file::fstat(pidfd).map(|st| st.st_ino == self.inode);
            let alive = known.and_then(|known| Ok(known && !io::is_readable(pidfd)?));
            return alive.during(|| "ask a pidfd".into());
        }
        // The descriptor was opened before: as long as the process is there, the number is its own.
        Ok(stat(pid)?.is_some_and(|stat| {
            stat.start_time == self.start_time && !matches!(stat.state, b'Z' | b'X')
        }))
    }
}

/// The parts of /proc/PID/stat (proc_pid_stat(5)) that identify a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    /// `R`, `S`, `Z` ...
    state: u8,
    /// Clock ticks since boot.
    start_time: u64,
    /// Bit n - 1: signal n is ignored.
    ignored_signals: u32,
}

/// Reads /proc/PID/stat. None when there is no such process.
fn stat(pid: i32) -> Result<Option<Stat>> {
    let path = CString::new(format!("/proc/{pid}/stat")).expect("a number has no NUL");
    match stat_at(&path) {
        Err(Errno::ENOENT | Errno::ESRCH) => Ok(None),
        other => other
            .map(Some)
            .during(|| format!("read {}", path.to_string_lossy())),
    }
}

/// The signals that this process ignores; bit n - 1 is signal n.
///
/// # Errors
/// Those of reading /proc/self/stat.
pub fn ignored_signals() -> kernel::Result<u32> {
    stat_at(c"/proc/self/stat").map(|stat| stat.ignored_signals)
}

fn stat_at(path: &CStr) -> kernel::Result<Stat> {
    let file = file::openat(CWD, path, O_RDONLY, 0)?;
    let mut buf = [0; 1024];
    let n = io::read(file.as_fd(), &mut buf)?;
    parse(&buf[..n]).ok_or(Errno::EIO)
}

/// The name, the second field, may hold anything; the last `)` ends it.
fn parse(line: &[u8]) -> Option<Stat> {
    let end = line.iter().rposition(|b| *b == b')')?;
    let rest = std::str::from_utf8(line.get(end + 2..)?).ok()?;
    let mut fields = rest.split(' ');
    let state = *fields.next()?.as_bytes().first()?;
    // Counted from 1 as in the manual page, `state` is field 3.
    let start_time = fields.nth(18)?.parse().ok()?;
    let ignored_signals = fields.nth(10)?.parse().ok()?;
    Some(Stat {
        state,
        start_time,
        ignored_signals,
    })
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

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_confuse() {
        let line = b"42 (a) R 1 (b) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 777 0 0 18446744073709551615 0 0 0 0 0 0 0 4097 0 0\n";
        assert_eq!(
            parse(line),
            Some(Stat {
                state: b'S',
                start_time: 777,
                ignored_signals: 4097
            })
        );
        assert_eq!(parse(b"42 (x"), None);
    }

    #[test]
    fn the_own_process_is_there_and_an_impossible_one_is_not() {
        let own = stat(process::getpid()).unwrap().unwrap();
        assert!(own.start_time > 0);
        // Rust programs ignore SIGPIPE.
        assert_eq!(ignored_signals().unwrap() & 1 << 12, 1 << 12);
        assert_eq!(stat(i32::MAX).unwrap(), None);
        assert_eq!(boot_id().unwrap().len(), 36);
    }

    /// As this kernel does it, and as older ones do.
    #[test]
    fn a_process_is_itself_until_it_ends() {
        let no_flags = process::CloneArgs::default();
        let (read_end, write_end) = io::pipe().unwrap();
        let child = process::clone(no_flags, || {
            io::close_number(std::os::fd::AsRawFd::as_raw_fd(&write_end));
            let _ = io::read(read_end.as_fd(), &mut [0]);
        })
        .unwrap();
        let (pid, pidfd) = (child.pid, child.pidfd.as_fd());
        let by_time = Identity {
            inode: 0,
            start_time: stat(pid).unwrap().unwrap().start_time,
        };
        let own = Identity::of(pid, pidfd).unwrap();
        let is_alive = |identity: Identity| identity.is_alive(pid, pidfd).unwrap();
        for known in [own, by_time] {
            assert!(is_alive(known), "{known:?}");
            let another = Identity {
                inode: known.inode.wrapping_sub(u64::from(known.inode != 0)),
                start_time: known.start_time + 1,
            };
            assert!(!is_alive(another), "{another:?}");
        }
        // A process that nobody has waited for has ended all the same.
        drop(write_end);
        assert!(io::wait_readable(pidfd, None).unwrap());
        for known in [own, by_time] {
            assert!(!is_alive(known), "{known:?}");
        }
        process::wait(pidfd).unwrap();
        assert!(!is_alive(by_time));
    }
}
