//! `create`, `run`, `kill`, `delete`: a container comes and goes.

use std::path::PathBuf;

use clap::Args;

/// `create` and `explain`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Create {
    /// Directory with config.json; relative paths in it start here
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub bundle: PathBuf,
    /// Configuration file to use instead of config.json in the bundle
    #[arg(short = 'f', long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Unix socket that receives the master end of the container's terminal
    #[arg(long, short_alias = 'c', value_name = "SOCKET")]
    pub console_socket: Option<PathBuf>,
    /// Write the process id, as seen by the caller, to this file
    #[arg(long, short_alias = 'p', value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// Unix socket that receives a pidfd of the container's first process
    #[arg(long, value_name = "SOCKET")]
    pub pidfd_socket: Option<PathBuf>,
    /// Change the root directory by moving the mount, not by pivot_root (for a host root on an initramfs)
    #[arg(long)]
    pub no_pivot: bool,
    /// Keep the caller's session keyring
    #[arg(long)]
    pub no_new_keyring: bool,
    /// Do not adopt the orphans of the container (has no effect on a created container)
    #[arg(long)]
    pub no_subreaper: bool,
    /// Pass descriptors 3 to 2+N on, after those announced by LISTEN_FDS
    #[arg(long, value_name = "N", default_value = "0")]
    pub preserve_fds: u32,
    /// Name of the new container
    #[arg(value_name = "ID")]
    pub id: String,
}

/// `run`: create, start, and wait unless detached.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Run {
    /// What `create` would be told.
    #[command(flatten)]
    pub create: Create,
    /// Return as soon as the process runs
    #[arg(short, long)]
    pub detach: bool,
    /// Keep the container's state and cgroup when its process has ended
    #[arg(long)]
    pub keep: bool,
}

/// `kill`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Kill {
    /// Signal every process of the container
    #[arg(short, long)]
    pub all: bool,
    /// ID is a regular expression over the ids of all containers
    #[arg(short, long)]
    pub regex: bool,
    /// Name of the container
    #[arg(value_name = "ID")]
    pub id: String,
    /// Name (SIGTERM, term, RTMIN+2) or number of the signal
    // Read by `parse_signal` once the container is known to exist.
    #[arg(value_name = "SIGNAL", default_value = "TERM")]
    pub signal: String,
}

/// `delete`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Delete {
    /// Kill the container first if it still runs; an unknown id is no error
    #[arg(short, long)]
    pub force: bool,
    /// ID is a regular expression over the ids of all containers
    #[arg(short, long)]
    pub regex: bool,
    /// Name of the container
    #[arg(value_name = "ID")]
    pub id: String,
}
