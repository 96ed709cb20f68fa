//! `ps`: the processes of a container.

use super::{container, print};
use libcontainer::Result;
use libcontainer::error::{Error, Kind};
use libcontainer::program;
use liboci_cli::{Format, Global, Ps};
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::{Duration, Instant};

/// How long ps(1) may take.
const PS_TIME: Duration = Duration::from_secs(30);

/// Runs the command.
#[inline(never)]
pub fn run(global: &Global, command: &Ps) -> Result<i32> {
    let container = container(global, &command.id)?;
    let pids = container.pids()?;
    if command.format == Format::Json {
        let list = pids
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(",");
        return print(format!("[{list}]").as_bytes());
    }
    let default = [OsString::from("-ef")];
    let words = if command.args.is_empty() {
        &default[..]
    } else {
        &command.args
    };
    let arguments = words.iter().cloned().map(|w| CString::new(w.into_vec()));
    let arguments = arguments
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|_| Error::new(Kind::Invalid, "an argument with a NUL byte"))?;
    let output = program::output(&find_ps(), arguments, Instant::now() + PS_TIME)?;
    if output.exit != kernel::process::Exit::Code(0) {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::new(Kind::Failed, "ps failed").cause(said));
    }
    print(select(&String::from_utf8_lossy(&output.stdout), &pids)?.as_bytes())
}

/// The ps(1) that the caller's PATH finds.
#[allow(clippy::disallowed_methods, reason = "a program of the host")]
fn find_ps() -> String {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    let there = |dir: &[u8]| {
        let ps = std::path::Path::new(OsStr::from_bytes(dir)).join("ps");
        ps.exists().then(|| ps.to_string_lossy().into_owned())
    };
    let found = path.as_bytes().split(|b| *b == b':').find_map(there);
    found.unwrap_or_else(|| "/usr/bin/ps".into())
}

/// The header and the lines whose PID column names one of ours.
fn select(text: &str, pids: &[i32]) -> Result<String> {
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    let Some(column) = header.split_whitespace().position(|name| name == "PID") else {
        return Err(
            Error::new(Kind::Invalid, "couldn't find PID field in ps output")
                .hint("choose a format with a PID column"),
        );
    };
    let ours = |line: &&str| {
        line.split_whitespace()
            .nth(column)
            .and_then(|n| n.parse().ok())
            .is_some_and(|pid| pids.contains(&pid))
    };
    Ok(std::iter::once(header)
        .chain(lines.filter(ours))
        .fold(String::new(), |text, line| text + line + "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pid_column_decides() {
        let text = "UID   PID  PPID CMD\nroot    1     0 init\nroot    7     1 sh 1\n";
        assert_eq!(
            select(text, &[7]).unwrap(),
            "UID   PID  PPID CMD\nroot    7     1 sh 1\n"
        );
        assert!(select("CMD\nx\n", &[1]).is_err());
    }
}
