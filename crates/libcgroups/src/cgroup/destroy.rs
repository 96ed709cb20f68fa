//! Removing a cgroup, whatever is left in it.

use super::Cgroup;
use crate::error::{Error, Result};
use crate::fs;
use crate::plan::RecordedDir;
use crate::wait::Backoff;
use kernel::Errno;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

impl Cgroup {
    /// Removes the cgroup from every hierarchy, its child cgroups first. Processes that are still in it are killed, and thawed so that they
    /// can die. What is gone already is no error. A unit is stopped as well.
    ///
    /// A cgroup into which another workload has moved since is left alone: it is that one's to remove.
    pub fn destroy(&self, deadline: Instant) -> Result<()> {
        if self.is_anothers() {
            return Ok(());
        }
        // The manager removes a unit's directory when the unit has ended: there is nothing to stop any more.
        let unit = self
            .record
            .unit
            .as_ref()
            .filter(|_| self.tracked().is_some_and(|d| fs::exists(&d.full())));
        let Some(unit) = unit else {
            return self.remove_dirs(deadline);
        };
        // The manager would first ask the processes to end, and wait for minutes.
        self.kill_all_at_once();
        let stopped = self.stop_unit(unit, deadline);
        // When the manager is out of reach, what can be removed is removed all the same. A scope that has lost its cgroup ends by itself when
        // the manager comes back; a slice does not.
        self.remove_dirs(deadline.max(Instant::now() + Duration::from_millis(500)))?;
        stopped.or_else(|e| match unit.name.ends_with(".scope") {
            true => Ok(()),
            false => Err(e),
        })
    }

    /// The directory by which a service manager tracks processes.
    fn tracked(&self) -> Option<RecordedDir> {
        let mut dirs = self.whole().into_iter();
        dirs.find(|d| d.is_v2() || d.has("name=systemd"))
    }

    /// The directories to remove. A sub-cgroup of a unit goes with the unit's own.
    fn whole(&self) -> Vec<RecordedDir> {
        let sub = self
            .record
            .unit
            .as_ref()
            .and_then(|u| u.subgroup.as_deref())
            .unwrap_or("");
        let unit = |path: &str| path.strip_suffix(sub).unwrap_or(path).to_owned();
        self.record
            .dirs
            .iter()
            .map(|d| RecordedDir {
                path: unit(&d.path),
                ..d.clone()
            })
            .collect()
    }

    fn remove_dirs(&self, deadline: Instant) -> Result<()> {
        let mut left = self.whole();
        let mut backoff = Backoff::until(deadline);
        for round in 0.. {
            let mut failure = None;
            left.retain(|dir| match remove(&dir.full(), round > 0) {
                Ok(()) => false,
                Err(e) => {
                    failure = Some((dir.full(), e));
                    true
                }
            });
            match failure {
                None => return Ok(()),
                Some((path, e)) if e != Errno::EBUSY => {
                    return Err(Error::sys(format!("rmdir {}", path.display()), e));
                }
                Some((path, e)) => {
                    // A process that has just died leaves in a moment: the first time, wait alone.
                    if round > 0 {
                        self.kill_all_at_once();
                    }
                    if !backoff.wait() {
                        return Err(busy(&path, e));
                    }
                }
            }
        }
        Ok(())
    }
}

/// One rmdir, or with `tree` the directories below first.
fn remove(path: &Path, tree: bool) -> kernel::Result<()> {
    match fs::rmdir(path) {
        Ok(()) | Err(Errno::ENOENT) => return Ok(()),
        Err(Errno::EBUSY) if tree => {}
        Err(e) => return Err(e),
    }
    for child in children(path) {
        remove(&child, true)?;
    }
    match fs::rmdir(path) {
        Err(Errno::ENOENT) => Ok(()),
        other => other,
    }
}

/// The child cgroups of a cgroup; none when it is gone.
#[allow(
    clippy::disallowed_methods,
    reason = "the cgroup filesystem, which has no links"
)]
pub(super) fn children(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(path) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|e| e.file_type().is_ok_and(|t| t.is_dir()))
        .map(|e| e.path())
        .collect()
}

fn busy(path: &Path, e: Errno) -> Error {
    let pids = super::pids::below(path);
    let error = Error::sys(format!("rmdir {}", path.display()), e);
    if pids.is_empty() {
        return error;
    }
    let some: Vec<_> = pids.iter().take(5).map(ToString::to_string).collect();
    error.with_hint(format!(
        "{} process(es) do not die, among them {}",
        pids.len(),
        some.join(", ")
    ))
}
