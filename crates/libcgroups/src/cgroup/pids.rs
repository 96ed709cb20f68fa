//! Which processes are in a cgroup, and sending them signals.

use super::Cgroup;
use super::destroy::children;
use crate::error::{Error, Result};
use crate::fs;
use crate::plan::RecordedDir;
use crate::wait::Backoff;
use kernel::Errno;
use std::path::Path;
use std::time::Instant;

/// Processes of a cgroup and of those below it. A cgroup that vanishes meanwhile has none.
pub(super) fn below(path: &Path) -> Vec<i32> {
    let mut pids: Vec<i32> = match fs::read(&path.join("cgroup.procs")) {
        Ok(text) => text.lines().filter_map(|l| l.parse().ok()).collect(),
        // A threaded cgroup shows threads alone; the thread ids of single-threaded processes are process ids.
        Err(Errno::EOPNOTSUPP) => {
            let threads = fs::read(&path.join("cgroup.threads")).unwrap_or_default();
            threads.lines().filter_map(|l| l.parse().ok()).collect()
        }
        Err(_) => Vec::new(),
    };
    for child in children(path) {
        pids.extend(below(&child));
    }
    pids
}

impl Cgroup {
    /// The hierarchy to look at when one is enough: v2 where it is, else the v1 hierarchy in which a process is least likely to be moved
    /// by others.
    pub(super) fn census(&self) -> Option<&RecordedDir> {
        let r = &self.record;
        r.v2()
            .or_else(|| r.v1("devices"))
            .or_else(|| r.v1("freezer"))
            .or_else(|| r.dirs.first())
    }

    /// Every process in the cgroup and in its child cgroups, in the numbers of the caller's pid namespace, without order. Zombies are not
    /// counted. Empty when the cgroup is gone, or another's by now.
    pub fn pids(&self) -> Result<Vec<i32>> {
        if self.is_anothers() {
            return Ok(Vec::new());
        }
        let mut pids = self.census().map(|d| below(&d.full())).unwrap_or_default();
        pids.retain(|pid| *pid > 0);
        pids.sort_unstable();
        pids.dedup();
        Ok(pids)
    }

    /// Sends `signal` to every process, also to those that are born meanwhile, and for SIGKILL waits until they are gone.
    ///
    /// SIGKILL on v2 is one write to `cgroup.kill` (5.14). Elsewhere the cgroup is frozen first, so that no process forks away from the
    /// signal, and thawed afterwards unless it was frozen before and the signal is not SIGKILL.
    pub fn kill(&self, signal: i32, deadline: Instant) -> Result<()> {
        const SIGKILL: i32 = 9;
        if self.is_anothers() {
            return Ok(());
        }
        if signal == SIGKILL {
            let mut backoff = Backoff::until(deadline);
            loop {
                self.kill_all_at_once();
                let left = self.pids()?;
                if left.is_empty() {
                    return Ok(());
                }
                if !backoff.wait() {
                    let message = format!("kill the processes of {}", self.name());
                    let some: Vec<_> = left.iter().take(5).map(ToString::to_string).collect();
                    let hint = format!(
                        "{} process(es) do not die, among them {}",
                        left.len(),
                        some.join(", ")
                    );
                    return Err(Error::sys(message, Errno::ETIMEDOUT).with_hint(hint));
                }
            }
        }
        let was_frozen = self.frozen()?;
        let frozen = was_frozen || self.freeze(deadline).is_ok();
        let mut failure = None;
        for pid in self.pids()? {
            match kernel::process::kill(pid, signal) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(e) => {
                    failure = Some(Error::sys(
                        format!("kill process {pid} with signal {signal}"),
                        e,
                    ))
                }
            }
        }
        if frozen && !was_frozen {
            self.thaw(deadline)?;
        }
        failure.map_or(Ok(()), Err)
    }

    /// SIGKILL to everything there is now, without waiting. Errors show in what is left.
    pub(super) fn kill_all_at_once(&self) {
        if let Some(dir) = self.record.v2() {
            if fs::write(&dir.join("cgroup.kill"), "1").is_ok() && self.record.dirs.len() == 1 {
                return;
            }
        }
        for dir in &self.record.dirs {
            for pid in below(&dir.full()).into_iter().filter(|pid| *pid > 0) {
                let _ = kernel::process::kill(pid, 9);
            }
        }
        // On v1 a frozen process dies only when it is thawed, and each child cgroup may have been frozen by itself.
        if let Some(dir) = self.record.v1("freezer") {
            thaw_below(&dir.full());
        }
    }

    /// For sentences: where the cgroup is.
    pub(super) fn name(&self) -> String {
        self.census().map_or_else(
            || "no cgroup".to_owned(),
            |d| d.full().display().to_string(),
        )
    }
}

/// Thaws a v1 cgroup and everything below it. Best effort, for processes that are to die.
fn thaw_below(path: &Path) {
    let state = path.join("freezer.state");
    if fs::read(&state).is_ok_and(|s| s.trim() != "THAWED") {
        let _ = fs::write(&state, "THAWED");
    }
    children(path).iter().for_each(|child| thaw_below(child));
}
