//! `exec`: one more process in a container.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::values::{self, SubCgroup, User};

/// `exec`. Either `process` names a file, or `command` is what to run; the
/// parser refuses a line with neither.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Exec {
    /// File with the process as JSON (the `process` object of config.json), instead of a command
    #[arg(short, long, value_name = "FILE")]
    pub process: Option<PathBuf>,
    /// Working directory in the container
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// Add NAME=VALUE to the environment; may be repeated
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = OsStringValueParser::new().try_map(values::parse_env))]
    pub env: Vec<OsString>,
    /// Give the process a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Numeric user, and group, to run as
    #[arg(short, long, value_name = "UID[:GID]", value_parser = values::parse_user)]
    pub user: Option<User>,
    /// Add a supplementary group; may be repeated
    #[arg(short = 'g', long, value_name = "GID", value_parser = values::parse_id)]
    pub additional_gids: Vec<u32>,
    /// Return as soon as the process runs
    #[arg(short, long)]
    pub detach: bool,
    /// Write the process id, as seen by the caller, to this file
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// Unix socket that receives the master end of the process' terminal
    #[arg(long, value_name = "SOCKET")]
    pub console_socket: Option<PathBuf>,
    /// Unix socket that receives a pidfd of the process
    #[arg(long, value_name = "SOCKET")]
    pub pidfd_socket: Option<PathBuf>,
    /// SELinux label of the process
    #[arg(long, value_name = "LABEL")]
    pub process_label: Option<String>,
    /// AppArmor profile of the process
    #[arg(long, value_name = "PROFILE")]
    pub apparmor: Option<String>,
    /// Set no_new_privs
    #[arg(long)]
    pub no_new_privs: bool,
    /// Add a capability; may be repeated
    #[arg(short, long, value_name = "CAP")]
    pub cap: Vec<String>,
    /// Pass descriptors 3 to 2+N on, after those announced by LISTEN_FDS
    #[arg(long, value_name = "N", default_value = "0")]
    pub preserve_fds: u32,
    /// Existing cgroup below the container's, on cgroup v1 for the named controllers only; may be repeated
    #[arg(long, value_name = "[CONTROLLER[,..]:]PATH", value_parser = values::parse_sub_cgroup)]
    pub cgroup: Vec<SubCgroup>,
    /// Run in a paused container: the process waits for `resume`
    #[arg(long)]
    pub ignore_paused: bool,
    /// Name of the container
    #[arg(value_name = "ID")]
    pub id: String,
    /// Program and its arguments; everything after ID belongs to it
    #[arg(value_name = "COMMAND")]
    pub command: Vec<OsString>,
}
