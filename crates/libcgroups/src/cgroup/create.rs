//! Making a cgroup: directories, then limits, then the door for the first process.

use super::{Cgroup, Control};
use crate::devices::bpf;
use crate::error::{Error, Result};
use crate::fs;
use crate::plan::{Driver, Plan, PlannedDir, RecordedDir};
use crate::systemd::RecordedUnit;
use crate::wait::Backoff;
use crate::write::{Missing, Write};
use kernel::{Errno, file};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Controllers that every workload gets, limits or not: engines read the statistics.
const BASIC: [&str; 5] = ["cpuset", "cpu", "io", "memory", "pids"];

impl Cgroup {
    /// Carries the plan out: makes the directories and sets the limits, so that a process is limited from its first instruction.
    ///
    /// A cgroup that is there already must be empty and not frozen. On an error, exactly what was made is removed again, for which `deadline`
    /// is the limit. With the systemd driver nothing is made yet: a unit needs a process, see [`Cgroup::start_unit`].
    pub fn create(plan: &Plan, deadline: Instant) -> Result<Cgroup> {
        let mut cgroup = Cgroup::create_uncontrolled(plan, deadline)?;
        cgroup
            .control_devices()
            .inspect_err(|_| undo(&cgroup.made, deadline))?;
        Ok(cgroup)
    }

    /// The same without the device program of a v2 cgroup: the kernel takes a tenth of a millisecond to check it, in which the first process can be
    /// made ready already. [`Cgroup::control_devices`] must follow before that process executes anything of somebody else.
    pub fn create_uncontrolled(plan: &Plan, deadline: Instant) -> Result<Cgroup> {
        let mut cgroup = Cgroup::open(&plan.record());
        if plan.driver != Driver::Cgroupfs {
            cgroup.kind = plan.entry();
            return Ok(cgroup);
        }
        let mut made = Vec::new();
        let built = plan.dirs.iter().try_for_each(|planned| {
            let before = made.len();
            // Nobody named an optional cgroup: what asks for it is a limit.
            let built = cgroup.build(plan, planned, &mut made).map_err(|e| {
                if plan.optional && denied(&e) {
                    e.asked_by(limit(planned).map(|w| &*w.field))
                } else {
                    e
                }
            });
            match built {
                Err(e) if plan.optional && denied(&e) && limit(planned).is_none() => {
                    undo(&made[before..], deadline);
                    made.truncate(before);
                    cgroup.record.dirs.retain(|d| *d != planned.dir);
                    let mount = planned.dir.mountpoint.display();
                    cgroup
                        .warnings
                        .push(format!("going on without a cgroup in {mount}: {e}"));
                    Ok(())
                }
                Err(e) if plan.rootless && denied(&e) => Err(e.with_hint(DELEGATION)),
                other => other,
            }
        });
        if let Err(e) = built {
            undo(&made, deadline);
            return Err(e);
        }
        cgroup.sign();
        cgroup.settle_entry();
        cgroup.made = made;
        Ok(cgroup)
    }

    /// Removes the directories above the cgroup that were made for it, unless others have come to use them: for a cgroup that was destroyed because the
    /// making of its first process failed.
    pub fn remove_parents(&self) {
        // Gone, or in use: both are as they should be, and nothing to wait for.
        undo(&self.made, Instant::now());
    }

    /// Puts the device program into force, if there is one that is not in force yet. On an error the cgroup stays, for [`Cgroup::destroy`] and
    /// [`Cgroup::remove_parents`].
    pub fn control_devices(&mut self) -> Result<()> {
        let (Some(control), Some(dir)) = (self.control.take(), &self.into) else {
            return Ok(());
        };
        let path = self.record.v2().map(RecordedDir::full).unwrap_or_default();
        super::devices::load(&path, &control.code)
            .and_then(|program| super::devices::attach(&path, dir, &program, control.fresh))
            .or_else(|e| tolerate(control.rootless, e))
    }

    /// One directory. What it makes is appended to `made`, also when it fails.
    fn build(&mut self, plan: &Plan, planned: &PlannedDir, made: &mut Vec<PathBuf>) -> Result<()> {
        let dir = &planned.dir;
        let fresh = make_dir(dir, made)?;
        if fresh {
            refuse_frozen_parent(dir)?;
        } else {
            refuse_used(dir)?;
        }
        self.fit_out(plan, planned, fresh)
    }

    /// Limits of a directory that is there, and the descriptors by which processes enter it. Its devices too, on v1; on v2 the program for them is
    /// left for [`Cgroup::control_devices`].
    pub(super) fn fit_out(&mut self, plan: &Plan, planned: &PlannedDir, fresh: bool) -> Result<()> {
        let dir = &planned.dir;
        if dir.is_v2() {
            enable_controllers(dir, &planned.writes, self.record.unit.as_ref())?;
        } else if dir.has("cpuset") {
            inherit_cpuset(dir, &planned.writes)?;
        }
        for write in planned.writes.iter().filter(|w| !(fresh && w.is_default)) {
            apply(dir, write)?;
        }
        let devices = planned.devices.as_ref();
        if !dir.is_v2() {
            if let Some(policy) = devices {
                super::devices::write_v1(dir, policy).or_else(|e| tolerate(plan.rootless, e))?;
            }
            let path = dir.join("tasks");
            self.tasks.push(
                fs::open_for_writing(&path)
                    .map_err(|e| Error::sys(format!("open {}", path.display()), e))?,
            );
            return Ok(());
        }
        let path = dir.full();
        let fd =
            fs::open_dir(&path).map_err(|e| Error::sys(format!("open {}", path.display()), e))?;
        if let Some(policy) = devices {
            self.control = Some(Control {
                code: bpf::program(policy)?,
                fresh,
                rootless: plan.rootless,
            });
        }
        if let Some(uid) = plan.delegate_to {
            delegate(dir, uid)?;
        }
        self.into = Some(fd);
        Ok(())
    }
}

const DELEGATION: &str = "this user may not change that cgroup: run in a delegated one (systemd-run --user --scope -p Delegate=yes), \
     or use the systemd driver, or set no limits and no cgroupsPath";

/// Removes what was made, the last first. The error that led here matters more than one from here.
pub(super) fn undo(made: &[PathBuf], deadline: Instant) {
    let mut backoff = Backoff::until(deadline);
    for dir in made.iter().rev() {
        while fs::rmdir(dir) == Err(Errno::EBUSY) && backoff.wait() {}
    }
}

fn denied(e: &Error) -> bool {
    matches!(e.errno(), Some(Errno::EACCES | Errno::EPERM | Errno::EROFS))
}

/// Whoever is not root can not control devices, and can not open any that matter either.
fn tolerate(rootless: bool, e: Error) -> Result<()> {
    if rootless && denied(&e) {
        Ok(())
    } else {
        Err(e)
    }
}

fn limit(planned: &PlannedDir) -> Option<&Write> {
    planned.writes.iter().find(|w| !w.is_default)
}

/// Makes the directory; its parents only when the kernel says that they are missing. True when it was not there before.
pub(super) fn make_dir(dir: &RecordedDir, made: &mut Vec<PathBuf>) -> Result<bool> {
    let path = dir.full();
    let result = match fs::mkdir(&path) {
        Err(Errno::ENOENT) => {
            for parent in parents(dir) {
                match fs::mkdir(&parent) {
                    Ok(()) => made.push(parent),
                    Err(Errno::EEXIST) => {}
                    Err(e) => return Err(mkdir_error(&parent, e)),
                }
            }
            fs::mkdir(&path)
        }
        other => other,
    };
    match result {
        Ok(()) => {
            made.push(path);
            Ok(true)
        }
        Err(Errno::EEXIST) => Ok(false),
        Err(e) => Err(mkdir_error(&path, e)),
    }
}

fn mkdir_error(path: &Path, e: Errno) -> Error {
    let error = Error::sys(format!("mkdir {}", path.display()), e).with_field("/linux/cgroupsPath");
    match e {
        Errno::EAGAIN => {
            error.with_hint("a parent's cgroup.max.depth or cgroup.max.descendants is reached")
        }
        Errno::ENOSPC => error.with_hint(
            "the kernel has no more cgroups to give, or a cpuset above has no processors left",
        ),
        _ => error,
    }
}

/// The directories between the mount point and the cgroup, from the top, without either.
fn parents(dir: &RecordedDir) -> impl Iterator<Item = PathBuf> + '_ {
    let ends = dir.path.match_indices('/').map(|(i, _)| i).skip(1);
    ends.map(|end| {
        RecordedDir {
            path: dir.path[..end].to_owned(),
            ..dir.clone()
        }
        .full()
    })
}

/// A cgroup that was there before belongs to somebody if it holds processes, and holds newcomers up if it is frozen.
fn refuse_used(dir: &RecordedDir) -> Result<()> {
    let path = dir.join("cgroup.procs");
    let procs = match fs::read(&path) {
        // Reading the processes of a threaded cgroup is refused; they are listed where its domain is.
        Err(Errno::EOPNOTSUPP) => String::new(),
        other => other.map_err(|e| Error::sys(format!("read {}", path.display()), e))?,
    };
    let count = procs.lines().count();
    if count > 0 {
        let message = format!(
            "container's cgroup is not empty: {count} process(es) found in {}",
            dir.full().display()
        );
        return Err(Error::refuse("/linux/cgroupsPath", message));
    }
    refuse_frozen(dir)
}

/// A new cgroup below a frozen one is frozen. Below the root there is no such parent, and nothing to ask.
fn refuse_frozen_parent(dir: &RecordedDir) -> Result<()> {
    if dir.path.rfind('/') == Some(0) {
        Ok(())
    } else {
        refuse_frozen(dir)
    }
}

fn refuse_frozen(dir: &RecordedDir) -> Result<()> {
    if super::freeze::is_frozen(dir)? {
        let message = format!(
            "container's cgroup unexpectedly frozen: {}",
            dir.full().display()
        );
        return Err(
            Error::refuse("/linux/cgroupsPath", message).with_hint("thaw it or its parents first")
        );
    }
    Ok(())
}

/// Writes one value.
pub(super) fn apply(dir: &RecordedDir, write: &Write) -> Result<()> {
    let path = dir.join(&write.file);
    match (fs::write(&path, &write.value), &write.missing) {
        (Ok(()), _) => Ok(()),
        (Err(Errno::ENOENT | Errno::EOPNOTSUPP), Missing::Skip) => Ok(()),
        (Err(Errno::ENOENT), Missing::Instead(other)) => apply(dir, other),
        (Err(e), _) => Err(write_error(dir, write, e)),
    }
}

pub(super) fn write_error(dir: &RecordedDir, write: &Write, e: Errno) -> Error {
    let path = dir.join(&write.file);
    let error = Error::sys(format!("write {:?} to {}", write.value, path.display()), e)
        .with_field(write.field.clone());
    match e {
        Errno::ENOENT if dir.is_v2() => {
            let controller = write.file.split('.').next().unwrap_or_default();
            error.with_hint(format!(
                "the {controller} controller is missing there: the kernel lacks it, or a parent does not pass it on in cgroup.subtree_control"
            ))
        }
        Errno::ENOENT => error.with_hint("this kernel has no such file"),
        Errno::EINVAL if write.file == "memory.limit_in_bytes" => error.with_hint(
            "the limit of memory and swap together may not be less: give a new one with it",
        ),
        _ => error,
    }
}

/// Hands controllers down, level by level, from the root of the tree to the cgroup.
///
/// Costs one read where everything is in place. A level that refuses is passed over: the write that needs the controller then fails and names
/// its field, and without limits nothing needs to fail. Above a unit all levels are the service manager's; there, only what a write needs is
/// handed down, and only controllers that systemd knows nothing of, and therefore leaves alone.
fn enable_controllers(
    dir: &RecordedDir,
    writes: &[Write],
    unit: Option<&RecordedUnit>,
) -> Result<()> {
    let has = list(&dir.join("cgroup.controllers"))?;
    let wanted = |c: &str| has.split_whitespace().any(|h| h == c);
    let core = ["cgroup", "irq"];
    let needed: Vec<&str> = writes
        .iter()
        .filter_map(|w| w.file.split('.').next())
        .filter(|c| !core.contains(c))
        .collect();
    if BASIC.into_iter().all(wanted) && needed.iter().all(|c| wanted(c)) {
        return Ok(());
    }
    let foreign = |c: &str| !BASIC.contains(&c) && needed.contains(&c);
    let any_foreign = needed.iter().any(|c| foreign(c));
    let root = RecordedDir {
        path: String::new(),
        ..dir.clone()
    };
    let ours = dir.full();
    let sub = unit.map(|u| u.subgroup.as_deref().unwrap_or(""));
    for level in std::iter::once(root.full()).chain(parents(dir)) {
        // How far below this level the cgroup is, compared with how far below its unit.
        let below = ours.as_os_str().len() - level.as_os_str().len();
        let managed = sub.is_some_and(|sub| below > sub.len());
        if managed && !any_foreign {
            continue;
        }
        let available = list(&level.join("cgroup.controllers"))?;
        // Nothing there, or all levels from here on pass on everything.
        if available.split_whitespace().all(wanted) {
            break;
        }
        let enabled = list(&level.join("cgroup.subtree_control"))?;
        let missing: Vec<String> = available
            .split_whitespace()
            .filter(|c| !enabled.split_whitespace().any(|e| e == *c))
            .filter(|c| !managed || foreign(c))
            .map(|c| format!("+{c}"))
            .collect();
        let file = level.join("cgroup.subtree_control");
        if !missing.is_empty() && fs::write(&file, &missing.join(" ")).is_err() {
            for controller in &missing {
                let _ = fs::write(&file, controller);
            }
        }
    }
    if dir.path.rfind('/') == Some(0) {
        Ok(())
    } else {
        settle_type(dir, writes)
    }
}

fn list(path: &Path) -> Result<String> {
    fs::read(path).map_err(|e| Error::sys(format!("read {}", path.display()), e))
}

/// Below a threaded cgroup a new one is `domain invalid` until it is made threaded too (cgroup-v2.rst, "Threads").
fn settle_type(dir: &RecordedDir, writes: &[Write]) -> Result<()> {
    let kind = list(&dir.join("cgroup.type"))?;
    if kind.trim() != "domain invalid" {
        return Ok(());
    }
    let domain_only = |w: &&Write| {
        ["memory.", "io.", "hugetlb.", "rdma.", "misc."]
            .iter()
            .any(|p| w.file.starts_with(p))
    };
    if let Some(w) = writes.iter().find(domain_only) {
        let message = format!(
            "{} is below a threaded cgroup, where {} does not exist",
            dir.full().display(),
            w.file
        );
        return Err(Error::refuse(w.field.clone(), message)
            .with_hint("name a cgroupsPath that is not below a threaded cgroup"));
    }
    let path = dir.join("cgroup.type");
    fs::write(&path, "threaded")
        .map_err(|e| Error::sys(format!("write \"threaded\" to {}", path.display()), e))
}

/// A new v1 cpuset is empty, and takes no tasks until it has processors and memory nodes (cgroup-v1/cpusets.rst).
pub(super) fn inherit_cpuset(dir: &RecordedDir, writes: &[Write]) -> Result<()> {
    let new: Vec<PathBuf> = parents(dir).collect();
    let leaf = dir.full();
    for name in ["cpuset.cpus", "cpuset.mems"] {
        if !writes.iter().any(|w| w.file == name) {
            copy_down(&dir.mountpoint, &leaf, name)?;
        } else if let Some(parent) = new.last() {
            copy_down(&dir.mountpoint, parent, name)?;
        }
    }
    Ok(())
}

/// Gives `dir` its parent's value, and the parent its own parent's, where they are empty.
fn copy_down(top: &Path, dir: &Path, name: &str) -> Result<()> {
    let Some(parent) = dir.parent().filter(|_| dir != top) else {
        return Ok(());
    };
    let mut value = list(&parent.join(name))?;
    if value.trim().is_empty() {
        copy_down(top, parent, name)?;
        value = list(&parent.join(name))?;
    }
    let path = dir.join(name);
    fs::write(&path, value.trim_end()).map_err(|e| {
        Error::sys(
            format!("write {:?} to {}", value.trim_end(), path.display()),
            e,
        )
    })
}

/// Gives the directory and the files that the kernel names for it to `uid` (cgroup-v2.rst, "Model of Delegation"; runtime-spec, "Cgroup
/// ownership").
fn delegate(dir: &RecordedDir, uid: u32) -> Result<()> {
    let files = fs::read(Path::new("/sys/kernel/cgroup/delegate"));
    let files = files
        .as_deref()
        .unwrap_or("cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n");
    for name in std::iter::once("").chain(files.lines()) {
        let path = dir.join(name);
        let chown = fs::c_path(&path).and_then(|p| file::fchownat(file::CWD, &p, uid, u32::MAX));
        match chown {
            // The list is for every kernel configuration; not all of it is here.
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(e) => {
                return Err(Error::sys(
                    format!("chown {} to uid {uid}", path.display()),
                    e,
                ));
            }
        }
    }
    Ok(())
}
