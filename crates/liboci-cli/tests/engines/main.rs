//! The command lines that engines use, word for word.

#![allow(clippy::disallowed_methods, reason = "the test's own files")]

mod checkpoint;
mod global;
mod lifecycle;
mod queries;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use liboci_cli::*;

fn parsed(line: &str) -> Invocation {
    let args = std::iter::once("teu")
        .chain(line.split(' '))
        .map(OsString::from);
    parse(args).unwrap_or_else(|stop| panic!("{line}: {stop:?}"))
}

fn command(line: &str) -> Command {
    parsed(line).command
}

fn some(path: &str) -> Option<PathBuf> {
    Some(path.into())
}

fn create() -> Create {
    Create {
        bundle: ".".into(),
        config: None,
        console_socket: None,
        pid_file: None,
        pidfd_socket: None,
        no_pivot: false,
        no_new_keyring: false,
        no_subreaper: false,
        preserve_fds: 0,
        id: "c1".into(),
    }
}

fn exec() -> Exec {
    Exec {
        process: None,
        cwd: None,
        env: Vec::new(),
        tty: false,
        user: None,
        additional_gids: Vec::new(),
        detach: false,
        pid_file: None,
        console_socket: None,
        pidfd_socket: None,
        process_label: None,
        apparmor: None,
        no_new_privs: false,
        cap: Vec::new(),
        preserve_fds: 0,
        cgroup: Vec::new(),
        ignore_paused: false,
        id: "c1".into(),
        command: Vec::new(),
    }
}

fn kill(all: bool, signal: &str) -> Command {
    let signal = signal.into();
    Command::Kill(Kill {
        all,
        regex: false,
        id: "c1".into(),
        signal,
    })
}

fn delete(force: bool) -> Command {
    Command::Delete(Delete {
        force,
        regex: false,
        id: "c1".into(),
    })
}

fn id() -> String {
    "c1".into()
}
