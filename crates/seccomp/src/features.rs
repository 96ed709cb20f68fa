//! What the compiler supports, in the words of `features.linux.seccomp`
//! (runtime-spec, features-linux.md).

use crate::{Action, Arch, Flag, Operator};

/// `actions`: every action that a profile may name.
pub fn actions() -> Vec<&'static str> {
    Action::ALL.iter().map(|action| action.name()).collect()
}

/// `operators`: every comparison that a profile may name.
pub fn operators() -> Vec<&'static str> {
    Operator::ALL
        .iter()
        .map(|operator| operator.name())
        .collect()
}

/// `archs`: every interface that a profile may name.
pub fn archs() -> Vec<&'static str> {
    Arch::ALL.iter().map(|arch| arch.name()).collect()
}

/// `knownFlags`: every flag that a profile may name. Whether the kernel
/// supports one is for the caller to ask it.
pub fn known_flags() -> Vec<&'static str> {
    Flag::ALL.iter().map(|flag| flag.name()).collect()
}
