//! `run`: create and start in one.

use crate::create::{Created, Options, create};
use crate::delete::clean_up;
use crate::error::{During, Error, Kind, Result};
use crate::foreground;
use crate::lifecycle::{NotStarted, await_exec};
use crate::notify::Relay;
use crate::plan::HookPoint;
use crate::spec::state_document::StateDocument;
use crate::{report, spawn, sync};
use kernel::process::Exit;
use libcgroups::Cgroup;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long the end of a foreground run waits for a command that works on the container.
const LOCK_TIME: Duration = Duration::from_secs(30);

/// Makes and starts a container whose process goes on without the caller.
///
/// # Errors
/// Everything that can go wrong; nothing is left behind then.
pub fn detached(options: &Options<'_>) -> Result<Vec<String>> {
    let mut created = create(options)?;
    let warnings = std::mem::take(&mut created.warnings);
    let relay = relay(&created, options)?;
    let created = start(created)?;
    if let Some(relay) = relay {
        let pidfd = created.process.child.pidfd.as_fd();
        relay.wait(created.record.pid, || {
            kernel::process::pidfd_send_signal(pidfd, 0).is_ok()
        })?;
    }
    Ok(warnings)
}

fn relay(created: &Created, options: &Options<'_>) -> Result<Option<Relay>> {
    options
        .notify_socket
        .map(|path| Relay::open(&created.dir, path))
        .transpose()
        .map(Option::flatten)
}

/// Makes and starts a container, stays with its process, and removes it at the end unless `keep` is set.
///
/// # Errors
/// As [`detached`]. An exit code of the process is no error.
pub fn foreground(
    options: &Options<'_>,
    keep: bool,
    mut warn: impl FnMut(&[String]),
) -> Result<Exit> {
    let signals: OwnedFd = foreground::hold_signals()?;
    let mut created = create(options)?;
    warn(&created.warnings);
    let terminal = created.terminal.take();
    let relay = relay(&created, options)?;
    let created = start(created)?;
    let exit = foreground::stay(&created.process.child, terminal, &signals, relay.as_ref())?;
    if !keep {
        // Somebody may be deleting it at this moment, or have done so.
        created.dir.lock(true, Instant::now() + LOCK_TIME)?;
        if !created.dir.is_gone()? {
            warn(&remove(created)?);
        }
    }
    Ok(exit)
}

fn start(mut created: Created) -> Result<Created> {
    let started = try_start(&created);
    let moved = created.moved.take();
    match started {
        Ok(()) => {
            created.dir.unlock();
            Ok(created)
        }
        Err(e) => {
            if let Some(moved) = moved {
                moved.restore();
            }
            created.process.kill();
            match remove(created) {
                Ok(_) => Err(e),
                Err(more) => Err(e.hint(format!("and then: {more}"))),
            }
        }
    }
}

fn try_start(created: &Created) -> Result<()> {
    sync::go_and_start(created.process.sync.as_fd(), created.process.facts)
        .during(|| "wake the container's process".into())?;
    match await_exec(&created.process.sync) {
        Ok(()) => {}
        Err(NotStarted::Failed(failed)) => {
            return Err(report::sentence(&created.plan.program, &failed));
        }
        Err(NotStarted::Closed) => {
            return Err(Error::new(
                Kind::Failed,
                "container process is already dead",
            ));
        }
    }
    let state = document(created, "running").hook_parts();
    spawn::run_hooks(
        &created.hooks,
        HookPoint::Poststart,
        &state,
        Some(created.record.pid),
    )
}

fn document(created: &Created, status: &str) -> StateDocument {
    StateDocument::new(
        &created.record.id,
        status,
        &created.record.bundle,
        &created.record.annotations,
    )
}

fn remove(created: Created) -> Result<Vec<String>> {
    let state = document(&created, "stopped");
    let cgroup = Cgroup::open(&created.record.cgroup);
    clean_up(
        created.dir,
        &created.record,
        Some(&cgroup),
        &created.hooks,
        &state,
    )
}
