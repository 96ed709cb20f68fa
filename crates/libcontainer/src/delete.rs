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
    let (record, lost) = match dir.load() {
        Ok(record) => (record, None),
        Err(e) => remains(&dir, id, force, e)?,
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
    let mut warnings = clean_up(
        container.dir,
        &container.record,
        Some(&cgroup),
        &hooks,
        &state,
    )?;
    warnings.extend(lost);
    Ok(warnings)
}

/// What is known of a container whose record cannot be read, because of `error`; and what to tell the user who wants it gone all the same.
fn remains(
    dir: &StateDir,
    id: &str,
    force: bool,
    error: Error,
) -> Result<(Record, Option<String>)> {
    let nothing = Record {
        id: id.to_owned(),
        ..Record::default()
    };
    let passing = [Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM];
    match (dir.intent(), error.os_error()) {
        // The last line is damaged: the first knows what to take away, though not the process.
        (Ok(intent), _) if force => Ok((intent, None)),
        (Ok(_), _) => Err(error),
        // Not even the first was written to its end, so nothing was made.
        (Err(_), None | Some(Errno::ENOENT)) if !dir.is_complete()? => Ok((nothing, None)),
        (Err(_), errno) if force && !errno.is_some_and(|errno| passing.contains(&errno)) => {
            let lost = format!(
                "the record of container {id} is lost: its processes and its cgroup, if there are any, stay behind"
            );
            Ok((nothing, Some(lost)))
        }
        _ => Err(error),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Line;

    #[test]
    fn a_record_that_is_lost_is_not_taken_for_one_that_never_was() {
        let root = std::env::temp_dir().join(format!("teu-remains-{}", std::process::id()));
        let mut dir = StateDir::create(&root, "c").unwrap();
        let file = dir.path().join("state.json");
        let look = |dir: &mut StateDir, force| {
            let error = dir.load().unwrap_err();
            remains(dir, "c", force, error)
                .map(|(record, lost)| (record.bundle, lost.is_some()))
                .map_err(|e| e.kind())
        };
        let unmade = Ok((String::new(), false));
        // The runtime ended before it wrote anything, or while it did.
        assert_eq!(look(&mut dir, false), unmade);
        let mut record = Record::new("c", Path::new("/b"), c"/b/rootfs");
        dir.intend(&record).unwrap();
        let first = std::fs::read(&file).unwrap();
        std::fs::write(&file, &first[..9]).unwrap();
        assert_eq!(look(&mut dir, false), unmade);
        std::fs::write(&file, &first).unwrap();
        record.phase = Phase::Created;
        dir.complete(&Line::of(&record)).unwrap();
        // The first line is there: force goes by it.
        std::fs::write(&file, [&first[..], b"{\n"].concat()).unwrap();
        assert_eq!(look(&mut dir, false), Err(Kind::Failed));
        assert_eq!(look(&mut dir, true), Ok(("/b".into(), false)));
        for content in ["", "{", "\n"] {
            std::fs::write(&file, content).unwrap();
            assert_eq!(look(&mut dir, false), Err(Kind::Failed));
            assert_eq!(look(&mut dir, true), Ok((String::new(), true)));
        }
        std::fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("elsewhere", &file).unwrap();
        assert_eq!(look(&mut dir, false), Err(Kind::Failed));
        dir.remove().unwrap();
        std::fs::remove_dir(root).unwrap();
    }
}
