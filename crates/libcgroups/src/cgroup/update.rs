//! Changing limits while processes run: all of them, or none.

use super::Cgroup;
use super::create::write_error;
use crate::convert;
use crate::devices::{Policy, bpf};
use crate::error::{Error, Result};
use crate::fs;
use crate::layout::{Layout, V1Mount, V2Mount};
use crate::plan::RecordedDir;
use crate::plan::allot::{self, Home};
use crate::resources::{Memory, Resources};
use crate::systemd::properties;
use crate::undo::inverse;
use crate::write::{Missing, Write};
use kernel::Errno;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Instant;

/// How to get back what was before, the last write first.
struct Undo(Vec<(PathBuf, String)>);

impl Undo {
    /// Best effort: the error that led here is the one to report.
    fn run(self) {
        for (path, value) in self.0.iter().rev() {
            let _ = fs::write(path, value);
        }
    }
}

impl Cgroup {
    /// Sets what `resources` says and leaves the rest. When one part fails, the others are put back and the error is returned.
    ///
    /// A memory limit below what is used now is refused rather than met by the OOM killer; without `checkBeforeUpdate`, the kernel is first
    /// asked to reclaim. Devices are touched only when the list is there. `deadline` is for a service manager to take the new limits.
    pub fn update(&self, resources: &Resources, deadline: Instant) -> Result<()> {
        let layout = self.layout()?;
        let mut completed = self.complete(resources);
        if self.record.unit.is_some() {
            properties::round(&mut completed);
        }
        let allotment = allot::allot(&layout, &completed)?;
        let properties = match &self.record.unit {
            Some(_) => self.properties(&completed)?,
            None => Vec::new(),
        };
        let program = match resources.devices {
            Some(_) => self.load_devices(&allotment.devices)?,
            None => None,
        };
        if let Some(memory) = &completed.memory {
            self.refuse_below_usage(memory, "/linux/resources/memory/limit")?;
        }
        if let Some(memory) = unified_memory(&completed) {
            self.refuse_below_usage(&memory, "/linux/resources/unified/memory.max")?;
        }
        let mut writes = Vec::new();
        for (home, list) in &allotment.writes {
            let dir = match home {
                Home::V1(controller) => self.record.v1(controller),
                Home::V2 => self.record.v2(),
            };
            let dir =
                dir.ok_or_else(|| Error::new("the container has no cgroup to set limits in"))?;
            writes.extend(list.iter().map(|w| (dir, w)));
        }
        let mut undo = Undo(Vec::new());
        // What can fail most easily goes first; a program that is loaded already takes its place for certain.
        let done = write_all(&writes, &mut undo)
            .and_then(|()| self.update_unit(&properties, deadline))
            .and_then(|()| match resources.devices {
                Some(_) => self.update_devices(&allotment.devices, program),
                None => Ok(()),
            });
        if done.is_err() {
            undo.run();
        }
        done
    }

    /// The host's layout as far as this cgroup shows it.
    fn layout(&self) -> Result<Layout> {
        let mut layout = Layout::default();
        for dir in &self.record.dirs {
            let (mountpoint, own) = (dir.mountpoint.clone(), dir.path.clone());
            if dir.is_v2() {
                layout.v2 = Some(V2Mount {
                    mountpoint,
                    own,
                    controllers: None,
                    options: String::new(),
                });
            } else {
                let subsystems = dir.controllers.clone();
                layout.v1.push(V1Mount {
                    options: subsystems.join(","),
                    mountpoint,
                    subsystems,
                    own,
                });
            }
        }
        if let (Some(v2), false) = (&mut layout.v2, layout.v1.is_empty()) {
            let path = v2
                .mountpoint
                .join(v2.own.trim_start_matches('/'))
                .join("cgroup.controllers");
            let list =
                fs::read(&path).map_err(|e| Error::sys(format!("read {}", path.display()), e))?;
            v2.controllers = Some(list.split_whitespace().map(str::to_owned).collect());
        }
        Ok(layout)
    }

    /// Adds the other number of a pair: the limit of swap alone depends on that of memory, and on v2 `cpu.max` holds quota and period.
    ///
    /// systemd is to be told all that the files will say, because it sets its properties again on every daemon-reload: it keeps a quota as a
    /// share of a period, and takes a group to be idle until it is given a weight.
    fn complete(&self, resources: &Resources) -> Resources {
        let mut r = resources.clone();
        let on_v2 = |controller: &str| {
            self.record
                .v2()
                .filter(|_| self.record.v1(controller).is_none())
        };
        if let Some(m) = &mut r.memory {
            if m.limit.unwrap_or(0) == 0 && m.swap.is_some_and(|s| s > 0) {
                let limit = self.memory_limit().and_then(|n| i64::try_from(n).ok());
                m.limit = Some(limit.unwrap_or(-1));
            }
        }
        if let (Some(c), Some(dir)) = (&mut r.cpu, on_v2("cpu")) {
            if c.quota.unwrap_or(0) == 0 && c.period.is_some_and(|p| p != 0) {
                let now = fs::read(&dir.join("cpu.max")).unwrap_or_default();
                c.quota = now.split_whitespace().next().and_then(|q| q.parse().ok());
            }
        }
        if self.record.unit.is_none() {
            return r;
        }
        if let Some(c) = &mut r.cpu {
            if c.quota.unwrap_or(0) != 0 && c.period.unwrap_or(0) == 0 {
                c.period = self.cpu_period();
            }
        }
        let mut unified = r.unified.as_mut();
        if let Some(max) = unified.as_mut().and_then(|files| files.get_mut("cpu.max")) {
            if let (1, Some(period)) = (max.split_whitespace().count(), self.cpu_period()) {
                *max = format!("{} {period}", max.trim());
            }
        }
        if self.leaves_idle(&r) {
            r.cpu.get_or_insert_default().shares = Some(1024);
        }
        r
    }

    /// The period of the quota that is in force, in microseconds.
    fn cpu_period(&self) -> Option<u64> {
        let dir = self.record.place_of("cpu")?;
        let file = if dir.is_v2() {
            "cpu.max"
        } else {
            "cpu.cfs_period_us"
        };
        let text = fs::read(&dir.join(file)).ok()?;
        text.split_whitespace().last()?.parse().ok()
    }

    /// Whether an idle group stops being one, and nobody says which weight it has then. The kernel gives it the usual one.
    fn leaves_idle(&self, r: &Resources) -> bool {
        let unified = |file: &str| r.unified.as_ref().and_then(|files| files.get(file));
        let cpu = r.cpu.as_ref();
        let ends = cpu.and_then(|c| c.idle) == Some(0)
            || unified("cpu.idle").is_some_and(|v| v.trim() == "0");
        let weighs =
            cpu.and_then(|c| c.shares).unwrap_or(0) != 0 || unified("cpu.weight").is_some();
        let is_idle = |dir: &RecordedDir| {
            fs::read(&dir.join("cpu.idle")).is_ok_and(|text| text.trim() == "1")
        };
        ends && !weighs && self.record.place_of("cpu").is_some_and(is_idle)
    }

    /// On v1 the kernel itself says EBUSY to a limit below the usage that it can not reclaim. On v2 it takes the limit, and then kills.
    /// `field` is what asks for the limit.
    fn refuse_below_usage(&self, m: &Memory, field: &'static str) -> Result<()> {
        let check = m.check_before_update == Some(true);
        let Some(dir) = self.record.place_of("memory") else {
            return Ok(());
        };
        let usage = |file: &str| {
            fs::read(&dir.join(file))
                .ok()
                .and_then(|t| t.trim().parse::<i64>().ok())
                .unwrap_or(0)
        };
        let v2 = dir.is_v2();
        let used = |swap: bool| match (v2, swap) {
            (true, false) => usage("memory.current"),
            (true, true) => usage("memory.current") + usage("memory.swap.current"),
            (false, false) => usage("memory.usage_in_bytes"),
            (false, true) => usage("memory.memsw.usage_in_bytes"),
        };
        if let Some(limit) = m.limit.filter(|n| *n > 0) {
            let now = used(false);
            if check && now >= limit {
                return Err(Error::refuse(
                    field,
                    format!("rejecting memory limit {limit} <= usage {now}"),
                ));
            }
            if v2 && now > limit {
                // Fails with EAGAIN when not all of it can be reclaimed; what counts is what is left.
                let _ = fs::write(&dir.join("memory.reclaim"), &(now - limit).to_string());
                let now = used(false);
                if now > limit {
                    return Err(Error::refuse(
                        field,
                        format!(
                            "unable to set memory limit to {limit} (current usage: {now}, peak usage: {})",
                            usage("memory.peak")
                        ),
                    ));
                }
            }
        }
        if let Some(limit) = m.swap.filter(|n| *n > 0 && check) {
            let now = used(true);
            if now >= limit {
                return Err(Error::refuse(
                    "/linux/resources/memory/swap",
                    format!("rejecting memory+swap limit {limit} <= usage {now}"),
                ));
            }
        }
        Ok(())
    }

    /// The program that [`Cgroup::update_devices`] will attach, if it will be a program.
    fn load_devices(&self, policy: &Policy) -> Result<Option<OwnedFd>> {
        match self.record.v2() {
            Some(dir) if self.record.v1("devices").is_none() && !policy.allows_everything() => {
                super::devices::load(&dir.full(), &bpf::program(policy)?).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn update_devices(&self, policy: &Policy, program: Option<OwnedFd>) -> Result<()> {
        if let Some(dir) = self.record.v1("devices") {
            return super::devices::change_v1(dir, policy);
        }
        let Some(dir) = self.record.v2() else {
            return Ok(());
        };
        let path = dir.full();
        let fd =
            fs::open_dir(&path).map_err(|e| Error::sys(format!("open {}", path.display()), e))?;
        match program {
            Some(program) => super::devices::attach(&path, &fd, &program, false),
            None => super::devices::detach_all(&path, &fd),
        }
    }
}

/// `memory.max` as the configuration names it itself, for which the same care is taken.
fn unified_memory(r: &Resources) -> Option<Memory> {
    let value = r.unified.as_ref()?.get("memory.max")?;
    Some(Memory {
        limit: i64::try_from(convert::memparse(value.trim())?).ok(),
        ..Memory::default()
    })
}

/// Writes everything, remembering how to undo each.
///
/// Some pairs of values bound each other (memory and its sum with swap, quota and burst), so that the right order depends on what is there:
/// a write that the kernel calls invalid is tried again after the others.
fn write_all(writes: &[(&RecordedDir, &Write)], undo: &mut Undo) -> Result<()> {
    let mut later = Vec::new();
    for &(dir, write) in writes {
        match write_one(dir, write, undo) {
            Err(e) if e.errno() == Some(Errno::EINVAL) => later.push((dir, write)),
            other => other?,
        }
    }
    later
        .into_iter()
        .try_for_each(|(dir, write)| write_one(dir, write, undo))
}

fn write_one(dir: &RecordedDir, write: &Write, undo: &mut Undo) -> Result<()> {
    let path = dir.join(&write.file);
    let old = match (fs::read(&path), &write.missing) {
        (Ok(old), _) => old,
        (Err(Errno::ENOENT | Errno::EOPNOTSUPP), Missing::Skip) => return Ok(()),
        (Err(Errno::ENOENT), Missing::Instead(other)) => return write_one(dir, other, undo),
        // Some files can be written and not read.
        (Err(Errno::EINVAL), _) => String::new(),
        (Err(e), _) => return Err(write_error(dir, write, e)),
    };
    let inverse = inverse(&write.file, &write.value, &old);
    // Leaving the idle class resets the weight.
    let weight = match &*write.file {
        "cpu.idle" => ["cpu.weight", "cpu.shares"]
            .into_iter()
            .map(|f| dir.join(f))
            .find_map(|p| fs::read(&p).ok().map(|old| (p, old))),
        _ => None,
    };
    match (fs::write(&path, &write.value), &write.missing) {
        (Ok(()), _) => {}
        (Err(Errno::EOPNOTSUPP), Missing::Skip) => return Ok(()),
        (Err(e), _) => return Err(busy_memory(dir, write, e)),
    }
    undo.0.extend(weight);
    undo.0.push((path, inverse));
    Ok(())
}

fn busy_memory(dir: &RecordedDir, write: &Write, e: Errno) -> Error {
    if e != Errno::EBUSY || write.file != "memory.limit_in_bytes" {
        return write_error(dir, write, e);
    }
    let number = |file: &str| {
        fs::read(&dir.join(file))
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let (now, peak) = (
        number("memory.usage_in_bytes"),
        number("memory.max_usage_in_bytes"),
    );
    Error::sys(
        format!(
            "unable to set memory limit to {} (current usage: {now}, peak usage: {peak})",
            write.value
        ),
        e,
    )
    .with_field(write.field.clone())
}
