//! `ps`: the processes of a container.

use super::{container, print};
use libcontainer::Result;
use libcontainer::error::{Error, Kind};
use libcontainer::program;
use liboci_cli::{Format, Global, Ps};
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
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
        return print(format!("[{list}]\n").as_bytes());
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
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    let output = program::output(&find_ps(&path), arguments, Instant::now() + PS_TIME)?;
    if output.exit != kernel::process::Exit::Code(0) {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::new(Kind::Failed, "ps failed").cause(said));
    }
    print(select(&String::from_utf8_lossy(&output.stdout), &pids)?.as_bytes())
}

/// The ps(1) that a PATH finds: as for execvp(3), what is no program is passed over.
#[allow(clippy::disallowed_methods, reason = "a program of the host")]
fn find_ps(path: &OsStr) -> String {
    let is_program = |path: &Path| {
        path.metadata()
            .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    let there = |dir: &[u8]| {
        let ps = Path::new(OsStr::from_bytes(dir)).join("ps");
        is_program(&ps).then(|| ps.to_string_lossy().into_owned())
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
    #[allow(clippy::disallowed_methods, reason = "the test's own files")]
    fn what_is_no_program_is_not_ps() {
        let dir = std::env::temp_dir().join(format!("teu-ps-{}", std::process::id()));
        let path = ["folder", "text", "program"].map(|name| dir.join(name));
        for place in &path {
            std::fs::create_dir_all(place).unwrap();
        }
        std::fs::create_dir(path[0].join("ps")).unwrap();
        for (place, mode) in [(&path[1], 0o644), (&path[2], 0o755)] {
            std::fs::write(place.join("ps"), "").unwrap();
            std::fs::set_permissions(place.join("ps"), PermissionsExt::from_mode(mode)).unwrap();
        }
        let found = find_ps(&std::env::join_paths(&path).unwrap());
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(Path::new(&found), path[2].join("ps"));
    }

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
