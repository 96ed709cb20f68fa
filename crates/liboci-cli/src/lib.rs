//! The command line of an OCI runtime as types. No I/O.
//!
//! [`parse`] takes the arguments and returns an [`Invocation`], or a [`Stop`] with what to
//! print instead. The fields of each command are its options by their long names.
//!
//! Two parts do the work. `go_flags` tells options and operands apart, in the dialect
//! that engines write. clap, driven by the derives on the types, checks and converts
//! the values, and is where help, completions and manual pages come from ([`command`]).

mod checkpoint;
mod command;
mod exec;
mod global;
mod go_flags;
mod lifecycle;
mod parse;
mod query;
mod seccomp;
mod signal;
mod stop;
mod update;
mod values;

pub use checkpoint::{Checkpoint, Criu, ManageCgroupsMode, NetworkLock, Restore};
pub use command::{Command, command};
pub use exec::Exec;
pub use global::{CgroupManager, Global, LogFormat, LogLevel};
pub use lifecycle::{Create, Delete, Kill, Run};
pub use parse::{Invocation, parse};
pub use query::{Events, Format, List, Ps, Spec};
pub use seccomp::{SeccompCompile, SeccompExplain};
pub use signal::{UnknownSignal, parse_signal};
pub use stop::{Stop, UsageError};
pub use update::Update;
pub use values::{
    SubCgroup, User, parse_argument, parse_duration, parse_env, parse_id, parse_interval,
    parse_size, parse_sub_cgroup, parse_user,
};
