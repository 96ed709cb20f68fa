//! The facts about the host that decisions depend on.

use crate::error::{During, Error, Kind, Result};
use libcgroups::Layout;

/// What this machine and this process are like.
#[derive(Clone, Debug)]
pub struct Host {
    /// Effective user id.
    pub euid: u32,
    /// Effective group id.
    pub egid: u32,
    /// Whether this process may write any id map: it has CAP_SETUID and CAP_SETGID in its user namespace.
    pub privileged: bool,
    /// The capabilities that this process may give: bit n is capability n.
    pub capabilities: u64,
    /// Its cgroups.
    pub cgroups: Layout,
}

impl Host {
    /// Looks.
    ///
    /// # Errors
    /// A host without cgroups where they are expected.
    pub fn probe() -> Result<Host> {
        let (euid, egid) = kernel::cred::initial_ids();
        let cgroups = Layout::detect().map_err(|e| Error::new(Kind::Failed, e.to_string()))?;
        let capabilities = kernel::cred::capget().during(|| "capget".into())?.permitted;
        Ok(Host {
            euid,
            egid,
            privileged: euid == 0,
            capabilities,
            cgroups,
        })
    }

    /// A host for tests of decisions that do not depend on cgroups.
    #[cfg(test)]
    pub fn for_tests(euid: u32, privileged: bool) -> Host {
        Host {
            euid,
            egid: euid,
            privileged,
            capabilities: u64::MAX,
            cgroups: Layout::detect().unwrap(),
        }
    }
}
