//! `seccomp explain` and `seccomp compile`: a profile without a container.

use std::path::PathBuf;

use crate::table::command_line;
use crate::typed::Typed;
use crate::values;

command_line! {
    /// `seccomp explain`: which rule decides about a call.
    pub struct SeccompExplain;
    options {}
    operands {
        /// File with the profile as JSON (`linux.seccomp` of config.json, or a whole config.json)
        profile: PathBuf = "PROFILE", Typed::operand_path;
        /// Name of the system call
        syscall: String = "SYSCALL", Typed::operand;
        /// Its arguments, decimal or 0x..., negative ones as their 64-bit pattern
        args: Vec<u64> = "ARG", |t: &mut Typed, of| t.rest_as(of, values::parse_argument);
    }
}

command_line! {
    /// `seccomp compile`: the program, readable.
    pub struct SeccompCompile;
    options {}
    operands {
        /// File with the profile as JSON (`linux.seccomp` of config.json, or a whole config.json)
        profile: PathBuf = "PROFILE", Typed::operand_path;
    }
}
