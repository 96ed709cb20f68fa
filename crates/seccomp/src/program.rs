//! The compiled filter.

/// One instruction of classic BPF: `struct sock_filter` (linux/filter.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Insn {
    /// Operation.
    pub code: u16,
    /// Instructions to skip if the comparison holds.
    pub jt: u8,
    /// Instructions to skip if it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// A filter ready for seccomp(2), and what its installer must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// At most 4096 instructions.
    pub instructions: Vec<Insn>,
    /// `SECCOMP_FILTER_FLAG_*` for the `flags` argument of seccomp(2).
    /// Contains NEW_LISTENER exactly if `notify` is set.
    pub flags: u64,
    /// Whether some call is answered by NOTIFY: seccomp(2) returns a listener
    /// that must be sent to `listener_path`.
    pub notify: bool,
    /// The socket that wants the listener; set whenever `notify` is.
    pub listener_path: Option<String>,
    /// Opaque text to send with the listener.
    pub listener_metadata: Option<String>,
    /// What was tolerated: one sentence each, for the log.
    pub warnings: Vec<String>,
}
