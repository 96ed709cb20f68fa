//! `seccomp explain` and `seccomp compile`: a profile without a container.

use std::path::PathBuf;

use clap::Args;

use crate::values;

/// `seccomp explain`: which rule decides about a call.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct SeccompExplain {
    /// File with the profile as JSON (`linux.seccomp` of config.json, or a whole config.json)
    #[arg(value_name = "PROFILE")]
    pub profile: PathBuf,
    /// Name of the system call
    #[arg(value_name = "SYSCALL")]
    pub syscall: String,
    /// Its arguments, decimal or 0x..., negative ones as their 64-bit pattern
    #[arg(value_name = "ARGS", value_parser = values::parse_argument)]
    pub args: Vec<u64>,
}

/// `seccomp compile`: the program, readable.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct SeccompCompile {
    /// File with the profile as JSON (`linux.seccomp` of config.json, or a whole config.json)
    #[arg(value_name = "PROFILE")]
    pub profile: PathBuf,
}
