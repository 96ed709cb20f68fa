//! Compiles the seccomp profile of a runtime configuration to BPF.

mod error;
mod names;
mod profile;
mod program;

pub use error::Error;
pub use names::{Action, Arch, Flag, Operator};
pub use profile::{Arg, Profile, Syscall};
pub use program::{Insn, Program};
