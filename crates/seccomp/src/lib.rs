//! Compiles the seccomp profile of a runtime configuration to BPF.
//!
//! [`Profile`] is the object `linux.seccomp` of a `config.json`; [`compile`]
//! makes of it the [`Program`] that seccomp(2) takes; [`explain`] says what
//! becomes of one call, and by which rule. Everything here is pure: nothing
//! is read from the machine and nothing is installed.

mod arch;
mod compile;
mod display;
mod emit;
mod error;
mod explain;
pub mod features;
mod graph;
mod names;
mod profile;
mod program;
mod rules;
mod table;
mod verdict;

pub use arch::Target;
pub use compile::compile;
pub use error::Error;
pub use explain::{Decider, Decision, explain};
pub use names::{Action, Arch, Flag, Operator};
pub use profile::{Arg, Profile, Syscall};
pub use program::{Insn, Program};
pub use table::{name as call_name, number as call_number};
pub use verdict::Verdict;
