//! Removing a container and its traces.

use crate::create::CGROUP_TIME;
use crate::error::{During, Error, Kind, Result, from_cgroups};
use crate::hooks::Hooks;
use crate::lifecycle::{Container, DEATH_TIME, LOCK_TIME, Status};
use crate::plan::HookPoint;
use crate::spec::state_document::StateDocument;
use crate::state::{Phase, Record, StateDir};
use kernel::Errno;
use kernel::file::{self, CWD};
use libcgroups::Cgroup;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// Removes a container.
///
/// # Errors
/// [`Kind::WrongState`] for one that runs, without `force`; [`Kind::NotFound`].
pub fn delete(root: &Path, id: &str, force: bool) -> Result<Vec<String>> {
    let mut dir = StateDir::open(root, id)?;
    if force {
        // An exec, a start or a hook that hangs keeps the lock; most end with the container's process.
        end_first(root, id);
    }
    // Who makes the container has the lock; when it dies, so does the process that it was making.
    match dir.lock(true, Instant::now() + LOCK_TIME) {
        Err(_) if force && dir.load().is_ok_and(|r| r.phase == Phase::Created) => {}
        other => other?,
    }
    if dir.is_gone()? {
        return Err(Error::no_container(id));
    }
    let record = match dir.load() {
        Ok(record) => record,
        Err(e) => match dir.intent() {
            // The second record is damaged, and the user wants it gone: the first knows what to take away, though not the process.
            Ok(intent) if force => intent,
            Ok(_) => return Err(e),
            // Not even the first is complete, so nothing was made.
            Err(_) => Record {
                id: id.to_owned(),
                ..Record::default()
            },
        },
    };
    let container = Container { dir, record };
    match container.status_locked()? {
        Status::Stopped | Status::Created => {}
        _ if force => {}
        status => {
            let why = format!("cannot delete container {id} that is not stopped: {status}");
            return Err(
                Error::new(Kind::WrongState, why).hint("kill it first, or use delete --force")
            );
        }
    }
    container.end()?;
    let cgroup = container.cgroup();
    let hooks = container.hooks().unwrap_or_default();
    let state = container.document("stopped");
    clean_up(
        container.dir,
        &container.record,
        Some(&cgroup),
        &hooks,
        &state,
    )
}

/// Kills a container's process before its deletion. Whatever is in the way of that is met again, and told, afterwards.
fn end_first(root: &Path, id: &str) {
    if let Ok(container) = Container::open(root, id) {
        if container.record.phase == Phase::Created {
            let _ = container.end();
        }
    }
}

impl Container {
    /// The status when this process holds the lock, so nobody is making the container any more.
    fn status_locked(&self) -> Result<Status> {
        if self.record.phase == Phase::Creating {
            Ok(Status::Stopped)
        } else {
            self.status()
        }
    }

    /// Kills the first process and waits until it is gone.
    fn end(&self) -> Result<()> {
        let pidfd = match self.pidfd() {
            Err(e) if e.kind() == Kind::WrongState => return Ok(()),
            other => other?,
        };
        self.kill(libc::SIGKILL, false).or_else(|e| {
            if e.kind() == Kind::WrongState {
                Ok(())
            } else {
                Err(e)
            }
        })?;
        let deadline = Instant::now() + DEATH_TIME;
        while Instant::now() < deadline {
            let slice = deadline.min(Instant::now() + Duration::from_millis(200));
            if kernel::io::wait_readable(pidfd.as_fd(), Some(slice))
                .during(|| "wait for the container's process".into())?
            {
                return Ok(());
            }
            self.thaw_to_die()?;
        }
        let why = format!(
            "the container's process {} did not die within {} seconds of SIGKILL",
            self.record.pid,
            DEATH_TIME.as_secs()
        );
        Err(Error::new(Kind::Failed, why)
            .hint("it may wait for a device or a filesystem; see /proc/PID/stack"))
    }
}

/// Takes away the traces of a container whose process has ended: cgroup, mounts on the host, state. Then runs the poststop hooks.
///
/// # Errors
/// What could not be taken away. The state stays then, so that it can be tried again. Hooks that failed are only told: the container is gone whatever
/// they say.
pub fn clean_up(
    dir: StateDir,
    record: &Record,
    cgroup: Option<&Cgroup>,
    hooks: &Hooks,
    state: &StateDocument,
) -> Result<Vec<String>> {
    if let Some(cgroup) = cgroup {
        cgroup
            .destroy(Instant::now() + CGROUP_TIME)
            .map_err(from_cgroups)?;
    }
    if let Some(groups) = &record.intel_rdt {
        groups.remove()?;
    }
    if record.mounts_on_host {
        detach(Path::new(&record.rootfs))?;
    }
    dir.remove()?;
    let parts = state.hook_parts();
    let failed = crate::hooks::run_each(
        hooks.at(HookPoint::Poststop),
        crate::hooks::State::without_pid(&parts),
    );
    let sentence = |e: crate::hooks::HookError| e.into_error(HookPoint::Poststop).to_string();
    Ok(failed.into_iter().map(sentence).collect())
}

/// Takes the rootfs mount away from the runtime's own mount namespace, with all that is mounted below.
#[allow(
    clippy::disallowed_methods,
    reason = "back to where the command was called, on the host"
)]
fn detach(rootfs: &Path) -> Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(rootfs.as_os_str().as_bytes())
        .map_err(|_| Error::new(Kind::Failed, "a path with a NUL byte"))?;
    let what = || format!("unmount {}", rootfs.display());
    let before = std::env::current_dir();
    let fd = match file::openat(
        CWD,
        &path,
        file::O_PATH | file::O_DIRECTORY | file::O_NOFOLLOW,
        0,
    ) {
        Err(Errno::ENOENT) => return Ok(()),
        other => other.during(what)?,
    };
    file::fchdir(fd.as_fd()).during(what)?;
    let result = match kernel::mount::detach_here() {
        // Not mounted: the container died before that.
        Err(Errno::EINVAL) => Ok(()),
        other => other.during(what),
    };
    if let Ok(dir) = before {
        let _ = std::env::set_current_dir(dir);
    }
    result
}
