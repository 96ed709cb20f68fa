//! The OOM killer: what it did, and news of it.

use super::Cgroup;
use crate::error::{Error, Result};
use crate::fs;
use crate::plan::RecordedDir;
use crate::wait::Backoff;
use kernel::event::{EventFd, Inotify};
use kernel::file::{self, CWD, O_RDONLY};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// v1 signals that memory is out, and only then looks for a process to kill and counts it.
const V1_KILL_TIME: Duration = Duration::from_millis(100);

impl Cgroup {
    /// How many processes the OOM killer has killed; 0 where the kernel does not count (v1 before 4.13) or the cgroup is gone.
    pub fn oom_kills(&self) -> u64 {
        self.record.place_of("memory").map_or(0, oom_kills)
    }

    /// The memory limit in bytes; none where there is no limit or no cgroup.
    pub fn memory_limit(&self) -> Option<u64> {
        let dir = self.record.place_of("memory")?;
        let file = if dir.is_v2() {
            "memory.max"
        } else {
            "memory.limit_in_bytes"
        };
        let limit = fs::read(&dir.join(file)).ok()?.trim().parse().ok()?;
        // v1 says "unlimited" as the largest number of whole pages.
        (limit < i64::MAX as u64 / 65536 * 65536).then_some(limit)
    }

    /// Starts to listen for OOM kills, from now on.
    pub fn oom_events(&self) -> Result<OomEvents> {
        let none = || {
            Error::new("cannot watch for OOM kills: there is no cgroup with a memory controller")
        };
        let dir = self.record.place_of("memory").ok_or_else(none)?.clone();
        let source = if dir.is_v2() { v2(&dir)? } else { v1(&dir)? };
        let seen = oom_kills(&dir);
        Ok(OomEvents { dir, source, seen })
    }
}

/// A subscription to OOM kills.
#[derive(Debug)]
pub struct OomEvents {
    dir: RecordedDir,
    source: Source,
    seen: u64,
}

#[derive(Debug)]
enum Source {
    /// The file belongs to the subscription, which ends when it is closed.
    V1 {
        event: EventFd,
        _control: OwnedFd,
    },
    V2(Inotify),
}

/// What [`OomEvents::wait`] waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OomEvent {
    /// Processes were killed: this many since the event before.
    Killed(u64),
    /// The limit was met (v1), or something else about memory changed; nobody was killed.
    Pressed,
    /// The last process has gone, or the cgroup itself.
    Ended,
    /// The deadline has come.
    Nothing,
}

impl OomEvents {
    /// Readable when there may be news.
    pub fn fd(&self) -> BorrowedFd<'_> {
        match &self.source {
            Source::V1 { event, .. } => event.as_fd(),
            Source::V2(inotify) => inotify.as_fd(),
        }
    }

    /// Waits for news; without a deadline for ever.
    pub fn wait(&mut self, deadline: Option<Instant>) -> Result<OomEvent> {
        let failed = |e| Error::sys("wait for OOM events", e);
        if !kernel::io::wait_readable(self.fd(), deadline).map_err(failed)? {
            return Ok(self.killed().map_or(OomEvent::Nothing, OomEvent::Killed));
        }
        let mut backoff = match &self.source {
            Source::V1 { event, .. } => {
                event.take().map_err(failed)?;
                Backoff::until(Instant::now() + V1_KILL_TIME)
            }
            Source::V2(inotify) => {
                inotify.take().map_err(failed)?;
                Backoff::until(Instant::now())
            }
        };
        loop {
            match self.killed() {
                Some(n) => return Ok(OomEvent::Killed(n)),
                None if self.has_ended() => return Ok(OomEvent::Ended),
                None if backoff.wait() => {}
                None => return Ok(OomEvent::Pressed),
            }
        }
    }

    /// How many have been killed since this was asked before.
    fn killed(&mut self) -> Option<u64> {
        let now = oom_kills(&self.dir);
        let killed = now.saturating_sub(self.seen);
        self.seen = now;
        (killed > 0).then_some(killed)
    }

    fn has_ended(&self) -> bool {
        let file = if self.dir.is_v2() {
            "cgroup.events"
        } else {
            "cgroup.procs"
        };
        let empty = if self.dir.is_v2() {
            |t: &str| t.contains("populated 0")
        } else {
            |t: &str| t.trim().is_empty()
        };
        fs::read(&self.dir.join(file)).map_or(true, |text| empty(&text))
    }
}

fn oom_kills(dir: &RecordedDir) -> u64 {
    let file = if dir.is_v2() {
        "memory.events"
    } else {
        "memory.oom_control"
    };
    let text = fs::read(&dir.join(file)).unwrap_or_default();
    text.lines()
        .find_map(|l| l.strip_prefix("oom_kill "))
        .and_then(|n| n.trim().parse().ok())
        .unwrap_or(0)
}

/// `cgroup.event_control` ties an eventfd to memory.oom_control (cgroup-v1/memory.rst, "OOM Control"). The kernel also signals it when the
/// cgroup is removed.
fn v1(dir: &RecordedDir) -> Result<Source> {
    let path = dir.join("memory.oom_control");
    let failed = |e| Error::sys(format!("open {}", path.display()), e);
    let control = fs::c_path(&path)
        .and_then(|p| file::openat(CWD, &p, O_RDONLY, 0))
        .map_err(failed)?;
    let event = EventFd::new().map_err(|e| Error::sys("make an eventfd", e))?;
    let line = event.registration(control.as_fd());
    let path = dir.join("cgroup.event_control");
    fs::write(&path, &line)
        .map_err(|e| Error::sys(format!("write {line:?} to {}", path.display()), e))?;
    Ok(Source::V1 {
        event,
        _control: control,
    })
}

/// memory.events is modified whenever a counter in it grows, cgroup.events when the last process leaves.
fn v2(dir: &RecordedDir) -> Result<Source> {
    let inotify = Inotify::new().map_err(|e| Error::sys("make an inotify descriptor", e))?;
    let watch = |path: PathBuf| {
        let added = fs::c_path(&path).and_then(|p| inotify.watch_modified(&p));
        added.map_err(|e| Error::sys(format!("watch {}", path.display()), e))
    };
    watch(dir.join("memory.events"))?;
    watch(dir.join("cgroup.events"))?;
    Ok(Source::V2(inotify))
}
