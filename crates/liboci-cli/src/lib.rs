//! The command line of an OCI runtime as types. No I/O.
//!
//! [`parse`] takes the arguments and returns an [`Invocation`], or a [`Stop`] with what to
//! print instead. The fields of each command are its options by their long names.
//!
//! Each option is declared once, beside the field it fills (`table`). Parsing, help and
//! [`COMMANDS`], from which completions and manual pages are made
//! (`cargo run --example generate -- DIR`), read that declaration.
//!
//! # Why not clap
//!
//! The runtime starts a dozen times in the life of a container, and its size is paid for at
//! each start and at each sealing. clap's derives for the same types, without colour and
//! suggestions, added 553 KB to a release binary that does nothing but parse, and cost
//! 17,000 (`state`) to 100,000 (`exec`) instructions more than `--version`, building only the
//! command that was named; this crate adds 119 KB, and costs 700 to 10,000. Engines write the
//! dialect of Go's flag package anyway, for which a scanner has to run before clap could.

mod checkpoint;
mod command;
mod exec;
mod global;
mod go_flags;
mod help;
mod lifecycle;
mod parse;
mod query;
mod seccomp;
mod signal;
mod stop;
mod table;
mod typed;
mod update;
mod values;

pub use checkpoint::{Checkpoint, Criu, ManageCgroupsMode, NetworkLock, Restore};
pub use command::{COMMANDS, Command, GROUPS, MANY, Row};
pub use exec::Exec;
pub use global::{CgroupManager, Global, LogFormat, LogLevel};
pub use lifecycle::{Create, Delete, Kill, Run};
pub use parse::{Invocation, parse};
pub use query::{Events, Format, List, Ps, Spec};
pub use seccomp::{SeccompCompile, SeccompExplain};
pub use signal::{UnknownSignal, parse_signal};
pub use stop::{Stop, UsageError};
pub use table::{Flag, Operand};
pub use update::Update;
pub use values::{
    SubCgroup, User, check_env, parse_argument, parse_duration, parse_id, parse_interval,
    parse_size, parse_sub_cgroup, parse_user,
};

/// Options that stand before the command, `--version` included.
pub fn global_flags() -> [&'static [Flag]; 2] {
    [Global::FLAGS, &global::VERSION]
}
