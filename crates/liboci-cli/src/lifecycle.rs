//! `create`, `run`, `kill`, `delete`: a container comes and goes.

use std::path::PathBuf;

use crate::table::{command_line, flag, option};
use crate::typed::{Read, Typed};

command_line! {
    /// `create` and `explain`.
    pub struct Create;
    options {
        /// Directory with config.json; relative paths in it start here
        bundle: PathBuf = option("DIR").short('b').default("."), Typed::path_or_here;
        /// Configuration file to use instead of config.json in the bundle
        config: Option<PathBuf> = option("FILE").short('f'), Typed::path;
        /// Unix socket that receives the master end of the container's terminal
        console_socket: Option<PathBuf> = option("SOCKET").hidden_short('c'), Typed::path;
        /// Write the process id, as seen by the caller, to this file
        pid_file: Option<PathBuf> = option("FILE").hidden_short('p'), Typed::path;
        /// Unix socket that receives a pidfd of the container's first process
        pidfd_socket: Option<PathBuf> = option("SOCKET"), Typed::path;
        /// Move the root mount instead of using pivot_root(2), which fails on an initramfs
        no_pivot: bool = flag(), Typed::is_on;
        /// Keep the caller's session keyring
        no_new_keyring: bool = flag(), Typed::is_on;
        /// Do not adopt the orphans of the container; only `run` does
        no_subreaper: bool = flag(), Typed::is_on;
        /// Pass descriptors 3 to 2+N on, after those announced by LISTEN_FDS
        preserve_fds: u32 = option("N").default("0"), Typed::count;
    }
    operands {
        /// Name of the new container
        id: String = "ID", Typed::operand;
    }
}

command_line! {
    /// `run`: create, start, and wait unless detached.
    pub struct Run;
    options {
        /// Return as soon as the process runs
        detach: bool = flag().short('d'), Typed::is_on;
        /// Keep the container's state and cgroup when its process has ended
        keep: bool = flag(), Typed::is_on;
    }
    parts {
        /// What `create` would be told.
        create: Create;
    }
    operands {}
}

command_line! {
    /// `kill`.
    pub struct Kill;
    options {
        /// Signal every process of the container
        all: bool = flag().short('a'), Typed::is_on;
        /// ID is an expression as in Perl, without references: all ids with a match
        regex: bool = flag().short('r'), Typed::is_on;
    }
    operands {
        /// Name of the container
        id: String = "ID", Typed::operand;
        /// Name (SIGTERM, term, RTMIN+2) or number of the signal; TERM if none is given
        signal: String = "SIGNAL", signal_or_term;
    }
}

command_line! {
    /// `delete`.
    pub struct Delete;
    options {
        /// Kill the container first if it still runs; an unknown id is no error
        force: bool = flag().short('f'), Typed::is_on;
        /// ID is an expression as in Perl, without references: all ids with a match
        regex: bool = flag().short('r'), Typed::is_on;
    }
    operands {
        /// Name of the container
        id: String = "ID", Typed::operand;
    }
}

/// The empty text is no signal, as in runc.
fn signal_or_term(typed: &mut Typed, name: &'static str) -> Read<String> {
    let signal = typed.operand(name)?;
    Ok(if signal.is_empty() {
        "TERM".into()
    } else {
        signal
    })
}
