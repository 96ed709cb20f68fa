//! The cgroup of a unit that a service manager makes.

use super::Cgroup;
use crate::error::{Error, Result};
use crate::fs;
use crate::layout;
use crate::plan::Plan;
use crate::resources::{BlockIo, Resources};
use crate::systemd::start::{Manager, frame, of};
use crate::systemd::wire::Property;
use crate::systemd::{RecordedUnit, properties};
use std::path::{Path, PathBuf};
use std::time::Instant;

impl Cgroup {
    /// Starts the planned unit around the process `pid`, which was just cloned, and sets every limit. With another driver, does nothing.
    ///
    /// Afterwards [`Cgroup::record`] says where the cgroup really is. On an error the process is killed and the unit is stopped again.
    pub fn start_unit(&mut self, plan: &Plan, pid: i32, deadline: Instant) -> Result<()> {
        let Some(unit) = &plan.unit else {
            return Ok(());
        };
        let v2 = plan.dirs.iter().all(|d| d.dir.is_v2());
        let mut properties = frame(unit, pid, v2)?;
        properties.extend(unit.limits.iter().cloned());
        properties.extend(self.io_properties(unit.block_io.as_ref()));
        let manager = Manager::new(unit.user, deadline);
        manager.start(unit, pid, &properties)?;
        let mut made = Vec::new();
        let done = self
            .move_in(plan, pid, &mut made)
            .and_then(|()| self.settle(plan));
        self.sign();
        if done.is_err() {
            // The manager would ask with SIGTERM, which the first process of a pid namespace does not even hear, and wait.
            self.kill_all_at_once();
            let _ = manager.stop(&unit.name);
            super::create::undo(&made, deadline);
        }
        done
    }

    /// Learns where the manager put the process, and puts it where the manager does not: into a slice, which takes no processes when it is
    /// made, and into hierarchies that the manager does not use.
    fn move_in(&mut self, plan: &Plan, pid: i32, made: &mut Vec<PathBuf>) -> Result<()> {
        let unit = plan
            .unit
            .as_ref()
            .map(|u| u.name.clone())
            .unwrap_or_default();
        let sub = plan
            .unit
            .as_ref()
            .and_then(|u| u.subgroup.clone())
            .unwrap_or_default();
        let path = format!("/proc/{pid}/cgroup");
        let text = fs::read(Path::new(&path)).map_err(|e| Error::sys(format!("read {path}"), e))?;
        // The manager tracks processes in the v2 tree, or where there is none in name=systemd.
        let tracked = layout::path_of(&text, &[]).filter(|p| p.ends_with(&unit));
        let tracked = tracked.or_else(|| {
            layout::path_of(&text, &["name=systemd".to_owned()]).filter(|p| p.ends_with(&unit))
        });
        for dir in &mut self.record.dirs {
            if let Some(real) = tracked {
                dir.path = format!("{real}{sub}");
            }
            let inside = layout::path_of(&text, &dir.controllers) == Some(&dir.path);
            if !inside {
                super::create::make_dir(dir, made)?;
                let file = dir.join("cgroup.procs");
                if dir.has("cpuset") {
                    super::create::inherit_cpuset(dir, &[])?;
                }
                fs::write(&file, &pid.to_string())
                    .map_err(|e| Error::sys(format!("write \"{pid}\" to {}", file.display()), e))?;
            }
        }
        Ok(())
    }

    /// What the manager has no property for, and what it has one for once more.
    fn settle(&mut self, plan: &Plan) -> Result<()> {
        for (i, planned) in plan.dirs.iter().enumerate() {
            let mut planned = planned.clone();
            planned.dir = self.record.dirs[i].clone();
            self.fit_out(plan, &planned, false)?;
        }
        self.control_devices()
    }

    /// Moves a process in by way of the manager, which may do what the caller may not: the common parent of the two cgroups is the manager's.
    pub(super) fn attach_to_unit(
        &self,
        unit: &RecordedUnit,
        pid: i32,
        deadline: Instant,
    ) -> Result<()> {
        of(unit, deadline).attach(&unit.name, unit.subgroup.as_deref().unwrap_or(""), pid)
    }

    /// Stops the unit; what it leaves behind is removed as any cgroup is.
    pub(super) fn stop_unit(&self, unit: &RecordedUnit, deadline: Instant) -> Result<()> {
        of(unit, deadline).stop(&unit.name)
    }

    /// What the manager is to be told of new limits, so that it does not put the old ones back.
    pub(super) fn properties(&self, resources: &Resources) -> Result<Vec<Property>> {
        let v2 = self.record.dirs.iter().all(|d| d.is_v2());
        let mut list = properties::resources(resources, v2)?;
        if v2 {
            list.extend(self.io_properties(resources.block_io.as_ref()));
        }
        if let Some(rules) = &resources.devices {
            list.extend(properties::devices(&crate::devices::policy(rules)?));
        }
        Ok(list)
    }

    /// Weights of I/O on v2. Which file holds them shows in the cgroup, or while that is not there yet in one above it.
    fn io_properties(&self, block_io: Option<&BlockIo>) -> Vec<Property> {
        let (Some(block_io), Some(dir)) = (block_io, self.record.v2()) else {
            return Vec::new();
        };
        let full = dir.full();
        let nearest = full.ancestors().find(|d| fs::exists(d));
        let bfq = nearest.is_some_and(|d| fs::exists(&d.join("io.bfq.weight")));
        properties::io(block_io, bfq)
    }

    /// Tells the manager.
    pub(super) fn update_unit(&self, properties: &[Property], deadline: Instant) -> Result<()> {
        match &self.record.unit {
            Some(unit) if !properties.is_empty() => of(unit, deadline).set(&unit.name, properties),
            _ => Ok(()),
        }
    }
}
