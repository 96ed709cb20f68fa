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
    pub fn destroy(&self, deadline: Instant) -> Result<()> {
        let Some(unit) = &self.record.unit else {
            return self.remove_dirs(deadline);
        };
        // The manager would first ask the processes to end, and wait for minutes.
        self.kill_all_at_once();
        let stopped = self.stop_unit(unit, deadline);
        // When the manager is out of reach, what can be removed is removed all the same.
        let removed = self.remove_dirs(deadline.max(Instant::now() + Duration::from_millis(500)));
        stopped.and(removed)
    }

    fn remove_dirs(&self, deadline: Instant) -> Result<()> {
        let mut left: Vec<&RecordedDir> = self.record.dirs.iter().collect();
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
