//! Whose a cgroup is.
//!
//! A cgroup outlives its workload until it is removed, and meanwhile another workload may move in: paths are configured, and nothing keeps two
//! configurations from naming one place. Whoever moves in signs, and whoever comes to clean up reads the signature first.

use super::Cgroup;
use crate::fs;
use crate::plan::RecordedDir;
use std::ffi::CStr;

/// Of the class that only the host's root can change: what is inside must not be able to disown its cgroup. Kernfs keeps it in memory.
const OWNER: &CStr = c"trusted.teu.owner";

impl Cgroup {
    /// Signs. Without the right to, or before kernel 5.7, the cgroup stays unsigned.
    pub(super) fn sign(&self) {
        if let Some(path) = self.signed().and_then(|d| fs::c_path(&d.full()).ok()) {
            let _ = kernel::xattr::set(&path, OWNER, self.record.owner.as_bytes());
        }
    }

    /// Whether another has signed since.
    pub(super) fn is_anothers(&self) -> bool {
        let Some(path) = self.signed().and_then(|d| fs::c_path(&d.full()).ok()) else {
            return false;
        };
        let mut buf = [0; 1024];
        let owner = kernel::xattr::get(&path, OWNER, &mut buf);
        owner.is_ok_and(|owner| owner != self.record.owner.as_bytes())
    }

    fn signed(&self) -> Option<&RecordedDir> {
        self.census().filter(|_| !self.record.owner.is_empty())
    }
}
