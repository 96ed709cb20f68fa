//! `ps`: the processes of a container.

use super::{container, print};
use libcontainer::Result;
use libcontainer::error::{During, Error, Kind};
use liboci_cli::{Format, Global, Ps};
use std::process::Command;

/// Runs the command.
#[inline(never)]
#[allow(clippy::disallowed_methods, reason = "ps(1) of the host")]
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
    let default = ["-ef".into()];
    let args: &[std::ffi::OsString] = if command.args.is_empty() {
        &default
    } else {
        &command.args
    };
    let output = Command::new("ps")
        .args(args)
        .output()
        .during(|| "run ps".into())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::new(Kind::Failed, "ps failed").cause(said));
    }
    print(select(&String::from_utf8_lossy(&output.stdout), &pids)?.as_bytes())
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
