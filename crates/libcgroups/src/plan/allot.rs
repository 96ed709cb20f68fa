//! Which write belongs into which hierarchy.

use crate::devices;
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::resources::Resources;
use crate::write::Write;
use crate::{v1, v2};

/// Where a controller lives on this host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Home {
    /// In the v1 hierarchy that has this controller.
    V1(&'static str),
    V2,
}

/// Everything the resources come to.
#[derive(Debug)]
pub(crate) struct Allotment {
    pub writes: Vec<(Home, Vec<Write>)>,
    pub devices: devices::Policy,
    /// Devices are controlled by v1 files rather than by eBPF.
    pub devices_on_v1: bool,
    pub warnings: Vec<String>,
}

impl Layout {
    /// The home of a controller, or none when this host does not have it.
    pub(crate) fn home(&self, controller: &'static str) -> Option<Home> {
        if self
            .v1
            .iter()
            .any(|m| m.subsystems.iter().any(|s| s == controller))
        {
            return Some(Home::V1(controller));
        }
        match &self.v2 {
            // Not known until the kernel is asked: a write that fails says so.
            Some(v2) if v2.controllers.is_none() => Some(Home::V2),
            Some(v2) => v2
                .controllers
                .as_ref()
                .is_some_and(|list| list.iter().any(|c| c == controller))
                .then_some(Home::V2),
            None => None,
        }
    }
}

/// Translates every resource for the hierarchy that holds its controller.
pub(crate) fn allot(layout: &Layout, r: &Resources) -> Result<Allotment> {
    let mut a = Allotment {
        writes: Vec::new(),
        devices: devices::policy(r.devices.as_deref().unwrap_or_default())?,
        devices_on_v1: layout.home("devices") == Some(Home::V1("devices")),
        warnings: Vec::new(),
    };
    let mut add = |controller: &'static str,
                   on_v1: Result<Vec<Write>>,
                   on_v2: Result<Vec<Write>>|
     -> Result<Option<Home>> {
        let home = layout.home(controller);
        let writes = match home {
            Some(Home::V1(_)) => on_v1?,
            _ => on_v2?,
        };
        match home {
            Some(home) if !writes.is_empty() => a.writes.push((home, writes)),
            None if writes.iter().any(|w| !w.is_default) => {
                let message = format!("this host has no {controller} cgroup controller");
                return Err(Error::refuse(writes[0].field.to_string(), message));
            }
            _ => {}
        }
        Ok(home)
    };
    let mut warnings = Vec::new();
    // cpuset first: on v1 a cgroup without processors takes no tasks, and whoever looks on sees the most basic limit first.
    if let Some(cpu) = &r.cpu {
        add("cpuset", v1::cpuset(cpu), v2::cpuset(cpu))?;
        add("cpu", v1::cpu(cpu), v2::cpu(cpu))?;
    }
    if let Some(memory) = &r.memory {
        let home = add("memory", v1::memory(memory), v2::memory(memory))?;
        warnings.extend(if home == Some(Home::V2) {
            v2::memory_warnings(memory)
        } else {
            v1::memory_warnings(memory)
        });
    }
    if let Some(pids) = &r.pids {
        add("pids", Ok(v1::pids(pids)), Ok(v2::pids(pids)))?;
    }
    if let Some(block) = &r.block_io {
        // The controller has one name on v1 and another on v2.
        let name = if layout.home("blkio").is_some_and(|h| h != Home::V2) {
            "blkio"
        } else {
            "io"
        };
        let home = add(name, v1::blkio(block), v2::io(block))?;
        if home == Some(Home::V2) {
            warnings.extend(v2::io_warnings(block));
        }
    }
    if let Some(limits) = &r.hugepage_limits {
        add("hugetlb", v1::hugetlb(limits), v2::hugetlb(limits))?;
    }
    if let Some(network) = &r.network {
        if layout.is_v2() {
            v2::network(network)?;
        }
        add(
            "net_cls",
            Ok(v1::net_cls(network)),
            Ok(v1::net_cls(network)),
        )?;
        add("net_prio", v1::net_prio(network), v1::net_prio(network))?;
    }
    if let Some(devices) = &r.rdma {
        add("rdma", v1::rdma(devices), v1::rdma(devices))?;
    }
    if let Some(files) = r.unified.as_ref().filter(|f| !f.is_empty()) {
        let writes = v2::unified(files)?;
        if layout.v2.is_none() {
            return Err(Error::refuse(
                "/linux/resources/unified",
                "cgroup v1 has no unified hierarchy",
            ));
        }
        a.writes.push((Home::V2, writes));
    }
    a.warnings = warnings;
    Ok(a)
}
