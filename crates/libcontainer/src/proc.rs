//! What procfs tells about a process of the host.

use crate::error::{During, Error, Kind, Result};
use kernel::file::{self, CWD, O_RDONLY};
use kernel::{Errno, io};
use std::ffi::{CStr, CString};
use std::os::fd::AsFd;

/// The parts of /proc/PID/stat (proc_pid_stat(5)) that identify a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// `R`, `S`, `Z` ...
    pub state: u8,
    /// Clock ticks since boot.
    pub start_time: u64,
    /// Bit n - 1: signal n is ignored.
    pub ignored_signals: u32,
}

/// Reads /proc/PID/stat.
///
/// # Errors
/// `ENOENT` or `ESRCH` when there is no such process.
pub fn stat(pid: i32) -> kernel::Result<Stat> {
    let path = CString::new(format!("/proc/{pid}/stat")).map_err(|_| Errno::EINVAL)?;
    stat_at(&path)
}

/// Reads /proc/self/stat.
///
/// # Errors
/// Those of open and read.
pub fn own_stat() -> kernel::Result<Stat> {
    stat_at(c"/proc/self/stat")
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
pub fn boot_id() -> Result<String> {
    let what = || "read /proc/sys/kernel/random/boot_id".to_owned();
    let file = file::openat(CWD, c"/proc/sys/kernel/random/boot_id", O_RDONLY, 0).during(what)?;
    let mut buf = [0; 64];
    let n = io::read(file.as_fd(), &mut buf).during(what)?;
    let text = std::str::from_utf8(&buf[..n]).map_err(|_| Error::new(Kind::Failed, what()))?;
    Ok(text.trim().to_owned())
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
        let own = stat(std::process::id() as i32).unwrap();
        assert!(own.start_time > 0);
        // Rust programs ignore SIGPIPE.
        assert_eq!(own.ignored_signals & 1 << 12, 1 << 12);
        assert!(matches!(stat(i32::MAX), Err(Errno::ENOENT)));
        assert_eq!(boot_id().unwrap().len(), 36);
    }
}
