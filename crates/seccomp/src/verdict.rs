//! What a filter returns for a call: `SECCOMP_RET_*` and its data (seccomp(2)).

use std::fmt;

use crate::Action;

/// The 32-bit value that a filter returns: an action and 16 bits of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Verdict(pub u32);

const ENOSYS: u32 = 38;
const EPERM: u32 = 1;

impl Verdict {
    /// The action with its data: the errno of ERRNO, the message of TRACE.
    /// Other actions have none and ignore it.
    pub(crate) const fn new(action: Action, data: u32) -> Self {
        Self(match action {
            Action::Kill | Action::KillThread => 0,
            Action::KillProcess => 0x8000_0000,
            Action::Trap => 0x0003_0000,
            Action::Errno => 0x0005_0000 | data & 0xffff,
            Action::Trace => 0x7ff0_0000 | data & 0xffff,
            Action::Allow => 0x7fff_0000,
            Action::Log => 0x7ffc_0000,
            Action::Notify => 0x7fc0_0000,
        })
    }

    /// EPERM is the data that the specification takes if a profile gives none.
    pub(crate) const DEFAULT_DATA: u32 = EPERM;

    /// The answer to a call that is newer than the profile.
    pub(crate) const NO_SUCH_CALL: Self = Self::new(Action::Errno, ENOSYS);

    /// The answer to a call through an interface that the profile does not list.
    pub(crate) const FOREIGN: Self = Self::new(Action::KillThread, 0);

    /// The action, [`Action::KillThread`] for values that the kernel does not know,
    /// for so it treats them.
    pub const fn action(self) -> Action {
        match self.0 & 0xffff_0000 {
            0x8000_0000 => Action::KillProcess,
            0x0003_0000 => Action::Trap,
            0x0005_0000 => Action::Errno,
            0x7ff0_0000 => Action::Trace,
            0x7fff_0000 => Action::Allow,
            0x7ffc_0000 => Action::Log,
            0x7fc0_0000 => Action::Notify,
            _ => Action::KillThread,
        }
    }

    /// The errno of ERRNO, the message of TRACE, else 0.
    pub const fn data(self) -> u16 {
        self.0 as u16
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.action().name())?;
        match self.action() {
            Action::Errno => write!(f, " (errno {})", self.data()),
            Action::Trace => write!(f, " (message {})", self.data()),
            _ => Ok(()),
        }
    }
}
