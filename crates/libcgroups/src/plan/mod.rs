//! What is wanted, what will be done about it, and what is remembered of it.

pub(crate) mod allot;
#[cfg(test)]
mod golden;

use crate::devices;
use crate::error::Result;
use crate::layout::{Layout, V1Mount};
use crate::path;
use crate::resources::Resources;
use crate::systemd;
use crate::write::Write;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// Who makes the cgroup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// This crate, by mkdir(2).
    #[default]
    Cgroupfs,
    /// systemd, as a transient scope or slice.
    Systemd,
    /// Nobody: the workload stays in its parent's cgroup.
    Disabled,
}

/// What is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// Who makes the cgroup.
    pub driver: Driver,
    /// `linux.cgroupsPath`, verbatim.
    pub path: Option<&'a str>,
    /// The workload's id: names the cgroup when `path` does not.
    pub id: &'a str,
    /// `linux.resources`.
    pub resources: Option<&'a Resources>,
    /// Not root on the host: without permission and without limits there is no cgroup and no error.
    pub rootless: bool,
    /// The host uid that gets the directory and the files of /sys/kernel/cgroup/delegate (cgroup v2).
    pub delegate_to: Option<u32>,
    /// Additional unit properties: name and value in GVariant text format.
    pub properties: &'a [(String, String)],
    /// A child cgroup of the unit that the processes live in (systemd).
    pub subgroup: Option<&'a str>,
}

/// Whether and how a process gets into the cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// By clone3(2) with `CLONE_INTO_CGROUP`.
    IntoCgroup,
    /// The process writes "0" to files that its parent opened.
    Tasks,
    /// Both (v1 controllers beside a v2 tree).
    IntoAndTasks,
    /// systemd is told the process id after clone.
    ByPid,
    /// Not at all.
    None,
}

/// What will be done. Prints as a list of operations for people.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub(crate) driver: Driver,
    pub(crate) dirs: Vec<PlannedDir>,
    pub(crate) unit: Option<systemd::Unit>,
    pub(crate) warnings: Vec<String>,
    /// Nobody named the cgroup: go on without it in hierarchies where there is no permission and nothing to limit.
    pub(crate) optional: bool,
    pub(crate) rootless: bool,
    pub(crate) delegate_to: Option<u32>,
    pub(crate) owner: String,
}

/// One directory in one hierarchy, and what is written there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PlannedDir {
    pub dir: RecordedDir,
    pub writes: Vec<Write>,
    pub devices: Option<devices::Policy>,
}

/// All that later commands need to know of a cgroup. Write it down before the cgroup is made, so that it can be removed from the record alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record {
    /// Who makes the cgroup.
    pub driver: Driver,
    /// Its directory in each hierarchy.
    pub dirs: Vec<RecordedDir>,
    /// The unit, with the systemd driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<systemd::RecordedUnit>,
    /// The id of the workload: tells whether the cgroup has become another's, see [`crate::Cgroup::destroy`].
    #[serde(skip_serializing_if = "String::is_empty")]
    pub owner: String,
}

/// The cgroup's directory in one hierarchy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RecordedDir {
    /// Where the hierarchy is mounted.
    pub mountpoint: PathBuf,
    /// The directory below it, starting with a slash.
    pub path: String,
    /// The controllers of a v1 hierarchy (or its name, as `name=systemd`); empty for the v2 tree.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub controllers: Vec<String>,
}

impl RecordedDir {
    /// The directory on the host.
    pub fn full(&self) -> PathBuf {
        self.join("")
    }

    /// A file in the directory.
    pub(crate) fn join(&self, file: &str) -> PathBuf {
        let mut full = self.mountpoint.as_os_str().to_owned();
        full.push(&self.path);
        if !file.is_empty() {
            full.push("/");
            full.push(file);
        }
        full.into()
    }

    pub(crate) fn is_v2(&self) -> bool {
        self.controllers.is_empty()
    }

    pub(crate) fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|c| c == controller)
    }
}

impl Record {
    /// The directory of a v1 controller.
    pub(crate) fn v1(&self, controller: &str) -> Option<&RecordedDir> {
        self.dirs.iter().find(|d| d.has(controller))
    }

    /// The directory in the v2 tree.
    pub(crate) fn v2(&self) -> Option<&RecordedDir> {
        self.dirs.iter().find(|d| d.is_v2())
    }

    /// The directory where files of `controller` are: its v1 hierarchy, else the v2 tree.
    pub(crate) fn place_of(&self, controller: &str) -> Option<&RecordedDir> {
        self.v1(controller).or_else(|| self.v2())
    }
}

/// Decides what to do, without looking at the kernel or changing anything.
///
/// Everything that can be refused beforehand is refused here, with the JSON pointer of the field.
pub fn plan(layout: &Layout, request: &Request<'_>) -> Result<Plan> {
    let mut plan = Plan {
        driver: request.driver,
        dirs: Vec::new(),
        unit: None,
        warnings: Vec::new(),
        optional: false,
        rootless: request.rootless,
        delegate_to: request.delegate_to,
        owner: request.id.to_owned(),
    };
    let empty = Resources::default();
    let mut resources = request.resources.unwrap_or(&empty);
    let mut rounded;
    match request.driver {
        Driver::Disabled => {
            if *resources != Resources::default() {
                plan.warnings
                    .push("/linux/resources has no effect: cgroups are disabled, ignoring".into());
            }
            return Ok(plan);
        }
        Driver::Cgroupfs => {
            plan.dirs = dirs(layout, &path::parse(request.path, request.id)?);
            plan.optional = request.rootless && request.path.unwrap_or("").is_empty();
        }
        Driver::Systemd => {
            systemd::plan(layout, request, &mut plan)?;
            rounded = resources.clone();
            systemd::properties::round(&mut rounded);
            resources = &rounded;
        }
    }
    let allotment = allot::allot(layout, resources)?;
    if let Some(unit) = &mut plan.unit {
        unit.limits = systemd::properties::resources(resources, layout.is_v2())?;
        unit.limits
            .extend(systemd::properties::devices(&allotment.devices));
        unit.block_io = resources.block_io.clone().filter(|_| layout.is_v2());
    }
    plan.warnings.extend(allotment.warnings.iter().cloned());
    for planned in &mut plan.dirs {
        let mine = |a: &&(allot::Home, Vec<Write>)| match a.0 {
            allot::Home::V1(controller) => planned.dir.has(controller),
            allot::Home::V2 => planned.dir.is_v2(),
        };
        planned.writes = allotment
            .writes
            .iter()
            .filter(mine)
            .flat_map(|(_, w)| w.iter().cloned())
            .collect();
        planned.devices = device_control(&planned.dir, &allotment)?;
    }
    Ok(plan)
}

/// One directory in each hierarchy, each at its own idea of the place.
fn dirs(layout: &Layout, place: &path::Place) -> Vec<PlannedDir> {
    let v1 = layout.v1.iter().map(|m| {
        PlannedDir::new(
            &m.mountpoint,
            path::below_own(place, &m.own),
            m.subsystems.clone(),
        )
    });
    let v2 = layout
        .v2
        .iter()
        .map(|m| PlannedDir::new(&m.mountpoint, path::beside_own(place, &m.own), Vec::new()));
    v1.chain(v2).collect()
}

/// The policy, if it is put into force in this directory, and can be.
fn device_control(
    dir: &RecordedDir,
    allotment: &allot::Allotment,
) -> Result<Option<devices::Policy>> {
    let policy = &allotment.devices;
    if policy.allows_everything() {
        return Ok(None);
    }
    if dir.has("devices") {
        devices::v1::writes(policy)?;
    } else if dir.is_v2() && !allotment.devices_on_v1 {
        devices::bpf::program(policy)?;
    } else {
        return Ok(None);
    }
    Ok(Some(policy.clone()))
}

impl PlannedDir {
    pub(crate) fn new(mountpoint: &Path, path: String, controllers: Vec<String>) -> PlannedDir {
        let dir = RecordedDir {
            mountpoint: mountpoint.to_owned(),
            path,
            controllers,
        };
        PlannedDir {
            dir,
            writes: Vec::new(),
            devices: None,
        }
    }
}

impl Plan {
    /// What to write down before [`crate::Cgroup::create`].
    pub fn record(&self) -> Record {
        Record {
            driver: self.driver,
            dirs: self.dirs.iter().map(|d| d.dir.clone()).collect(),
            unit: self.unit.as_ref().map(systemd::Unit::record),
            owner: self.owner.clone(),
        }
    }

    /// How the first process will get in. An [`optional`](Plan::is_optional) cgroup can turn out as [`EntryKind::None`].
    pub fn entry(&self) -> EntryKind {
        let v2 = self.dirs.iter().any(|d| d.dir.is_v2());
        let v1 = self.dirs.iter().any(|d| !d.dir.is_v2());
        match (self.driver, v1, v2) {
            (Driver::Systemd, ..) => EntryKind::ByPid,
            (_, true, true) => EntryKind::IntoAndTasks,
            (_, true, false) => EntryKind::Tasks,
            (_, false, true) => EntryKind::IntoCgroup,
            (_, false, false) => EntryKind::None,
        }
    }

    /// What was asked for and will not happen, one sentence each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether the workload goes on without a cgroup where there is no permission to make one.
    pub fn is_optional(&self) -> bool {
        self.optional
    }

    /// Where this cgroup is in a v1 hierarchy of the host, for a bind mount into the container.
    pub fn container_path(&self, mount: &V1Mount) -> Option<PathBuf> {
        self.dirs
            .iter()
            .find(|d| d.dir.mountpoint == mount.mountpoint)
            .map(|d| d.dir.full())
    }

    /// Where this cgroup is in the v2 tree of the host.
    pub fn v2_path(&self) -> Option<PathBuf> {
        self.dirs
            .iter()
            .find(|d| d.dir.is_v2())
            .map(|d| d.dir.full())
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(unit) = &self.unit {
            write!(f, "{unit}")?;
        }
        for d in &self.dirs {
            let full = d.dir.full();
            let full = full.display();
            writeln!(f, "mkdir {full}")?;
            if d.dir.has("cpuset") {
                writeln!(
                    f,
                    "copy the parent's cpus and mems to {full}/cpuset.{{cpus,mems}} where nothing else is said"
                )?;
            }
            for w in &d.writes {
                writeln!(f, "write {full}/{w}")?;
            }
            if let Some(policy) = &d.devices {
                let list: Vec<_> = policy.entries().iter().map(ToString::to_string).collect();
                let how = if d.dir.is_v2() {
                    "by an eBPF program"
                } else {
                    "by devices.deny and devices.allow"
                };
                writeln!(f, "devices at {full} {how}: none but {}", list.join(", "))?;
            }
        }
        match (self.delegate_to, self.v2_path()) {
            (Some(uid), Some(path)) => writeln!(
                f,
                "chown {} and its delegated files to uid {uid}",
                path.display()
            ),
            _ => Ok(()),
        }
    }
}
