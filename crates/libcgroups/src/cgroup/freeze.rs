//! Stopping and continuing every process of a cgroup.

use super::Cgroup;
use crate::error::{Error, Result};
use crate::fs;
use crate::plan::RecordedDir;
use crate::wait::Backoff;
use kernel::Errno;
use std::time::{Duration, Instant};

/// Whether the cgroup of this hierarchy is frozen, by itself or by a parent. Hierarchies without a freezer are never frozen, nor is a cgroup
/// that is gone.
pub(super) fn is_frozen(dir: &RecordedDir) -> Result<bool> {
    let (file, line) = match () {
        () if dir.is_v2() => ("cgroup.events", "frozen 1"),
        () if dir.has("freezer") => ("freezer.state", "FROZEN"),
        () => return Ok(false),
    };
    let path = dir.join(file);
    match fs::read(&path) {
        Ok(text) => Ok(text.lines().any(|l| l == line || l == "FREEZING")),
        Err(Errno::ENOENT | Errno::ENODEV) => Ok(false),
        Err(e) => Err(Error::sys(format!("read {}", path.display()), e)),
    }
}

impl Cgroup {
    /// Where the freezer is: the v1 hierarchy of that name, else the v2 tree.
    fn freezer(&self) -> Option<&RecordedDir> {
        self.record.place_of("freezer")
    }

    /// Whether the processes are frozen. A cgroup that is gone is not.
    pub fn frozen(&self) -> Result<bool> {
        self.freezer().map_or(Ok(false), is_frozen)
    }

    /// Freezes every process and waits until all have stopped. When the deadline comes first, they are thawed again.
    pub fn freeze(&self, deadline: Instant) -> Result<()> {
        let dir = self
            .freezer()
            .ok_or_else(|| Error::new("cannot freeze: there is no cgroup with a freezer"))?;
        let frozen = if dir.is_v2() {
            freeze_v2(dir, deadline)
        } else {
            freeze_v1(dir, deadline)
        };
        if frozen.is_err() {
            drop(self.thaw(Instant::now() + Duration::from_millis(100)));
        }
        frozen
    }

    /// Lets every process continue.
    pub fn thaw(&self, deadline: Instant) -> Result<()> {
        let dir = self
            .freezer()
            .ok_or_else(|| Error::new("cannot thaw: there is no cgroup with a freezer"))?;
        let (file, value) = if dir.is_v2() {
            ("cgroup.freeze", "0")
        } else {
            ("freezer.state", "THAWED")
        };
        set(dir, file, value)?;
        let mut backoff = Backoff::until(deadline);
        while is_frozen(dir)? {
            if !backoff.wait() {
                let message = format!("{} is still frozen at the deadline", dir.full().display());
                return Err(Error::new(message).with_hint("a parent cgroup may be frozen"));
            }
        }
        Ok(())
    }
}

fn set(dir: &RecordedDir, file: &str, value: &str) -> Result<()> {
    let path = dir.join(file);
    fs::write(&path, value)
        .map_err(|e| Error::sys(format!("write {value:?} to {}", path.display()), e))
}

fn timed_out(dir: &RecordedDir) -> Error {
    Error::sys(format!("freeze {}", dir.full().display()), Errno::ETIMEDOUT)
        .with_hint("a process is in uninterruptible sleep (state D) or stopped by a debugger; the processes were thawed again")
}

fn freeze_v2(dir: &RecordedDir, deadline: Instant) -> Result<()> {
    set(dir, "cgroup.freeze", "1")?;
    let mut backoff = Backoff::until(deadline);
    while !is_frozen(dir)? {
        if !backoff.wait() {
            return Err(timed_out(dir));
        }
    }
    Ok(())
}

/// A v1 freezer can stay FREEZING for ever when a process forks or is moved while the signal goes round (cgroup-v1/freezer-subsystem.rst):
/// reading the state makes the kernel look again, writing it again reaches newcomers, and a thaw in between gets a stuck one moving.
fn freeze_v1(dir: &RecordedDir, deadline: Instant) -> Result<()> {
    let path = dir.join("freezer.state");
    let mut backoff = Backoff::until(deadline);
    for round in 1.. {
        set(dir, "freezer.state", "FROZEN")?;
        let state =
            fs::read(&path).map_err(|e| Error::sys(format!("read {}", path.display()), e))?;
        if state.trim() == "FROZEN" {
            return Ok(());
        }
        if round % 50 == 0 {
            set(dir, "freezer.state", "THAWED")?;
        }
        if !backoff.wait() {
            break;
        }
    }
    Err(timed_out(dir))
}
