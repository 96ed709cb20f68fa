//! How a process comes to be: which namespaces come with its clone, which before, which after.

use super::namespaces::{self, Namespaces};
use super::op::Await;
use super::{Host, IdMaps, Op, Step, step};
use crate::error::Result;
use crate::spec::Linux;
use kernel::process::{CLONE_NEWCGROUP, CLONE_NEWPID, CLONE_NEWTIME, CLONE_NEWUSER};
use libcgroups::EntryKind;

/// How the process comes to be, up to the point where its root filesystem is made.
pub struct Birth {
    pub clone_flags: i32,
    pub stage: Vec<Step>,
    pub steps: Vec<Step>,
}

pub fn birth(
    ns: &Namespaces,
    id_maps: Option<&IdMaps>,
    linux: &Linux,
    cgroup: &libcgroups::Plan,
    host: &Host,
) -> Result<Birth> {
    let join = |kind: i32, early: bool| {
        let slot = ns.joins.iter().position(|j| j.kind == kind)?;
        Some(step(
            Op::Join { slot, kind, early },
            ns.joins[slot].field.clone(),
        ))
    };
    let others = || {
        ns.joins
            .iter()
            .map(|j| j.kind)
            .filter(|k| *k != CLONE_NEWUSER && *k != CLONE_NEWPID)
    };
    let tasks = matches!(cgroup.entry(), EntryKind::Tasks | EntryKind::IntoAndTasks)
        .then(|| step(Op::JoinCgroup, "/linux/cgroupsPath"));
    // A joined user namespace must own the namespaces made after it, and a joined pid namespace holds only the children of who joins it. Namespaces that
    // belong to the host must be joined by who is not yet in the container's user namespace.
    let staged = ns.join(CLONE_NEWUSER).is_some()
        || ns.join(CLONE_NEWPID).is_some()
        || ns.new & CLONE_NEWUSER != 0 && !ns.joins.is_empty();
    // Born in its cgroup, the process can have its cgroup namespace at once: it is rooted there. Time namespaces take offsets only before somebody is in.
    let born_inside = cgroup.entry() == EntryKind::IntoCgroup && host.cgroups.is_v2();
    let late = CLONE_NEWTIME | if born_inside { 0 } else { CLONE_NEWCGROUP };
    let flags = ns.new & !late;

    let mut stage = Vec::new();
    let mut steps = Vec::new();
    if staged {
        stage.extend(tasks);
        let early = others().chain([CLONE_NEWPID]);
        stage.extend(early.filter_map(|kind| join(kind, true)));
        if let Some(user) = join(CLONE_NEWUSER, false) {
            stage.push(user);
            stage.push(step(Op::BecomeRoot, "/linux/namespaces"));
        }
        stage.extend(join(CLONE_NEWPID, false));
        stage.push(step(Op::Spawn { flags }, "/linux/namespaces"));
    } else {
        steps.extend(tasks);
    }
    if id_maps.is_some() {
        steps.push(step(Op::Await(Await::IdMaps), "/linux/uidMappings"));
        if namespaces::to_host(&linux.uid_mappings, 0).is_some()
            && namespaces::to_host(&linux.gid_mappings, 0).is_some()
        {
            steps.push(step(Op::BecomeRoot, "/linux/uidMappings"));
        }
    }
    if cgroup.entry() == EntryKind::ByPid {
        steps.push(step(Op::Await(Await::Cgroup), "/linux/cgroupsPath"));
    }
    steps.extend(others().filter_map(|kind| join(kind, false)));
    if ns.new & late & CLONE_NEWCGROUP != 0 {
        steps.push(step(
            Op::Unshare {
                kinds: CLONE_NEWCGROUP,
            },
            "/linux/namespaces",
        ));
    }
    let offsets = namespaces::time_offsets(linux, ns)?;
    if ns.new & CLONE_NEWTIME != 0 {
        steps.push(step(Op::TimeNamespace { offsets }, "/linux/timeOffsets"));
    }
    steps.push(step(
        Op::Affinity {
            cpus: Box::new([!0; 16]),
        },
        "",
    ));
    steps.push(step(Op::Session, ""));
    Ok(Birth {
        clone_flags: if staged { 0 } else { flags },
        stage,
        steps,
    })
}
