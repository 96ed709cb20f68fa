//! What is done to a container that exists: status, start, kill, delete, pause, resume.

use crate::create::CGROUP_TIME;
use crate::error::{During, Error, Kind, Result, from_cgroups};
use crate::hooks::Hooks;
use crate::notify::Relay;
use crate::plan::HookPoint;
use crate::proc::{self, Identity};
use crate::spawn;
use crate::spec::SPEC_VERSION;
use crate::spec::state_document::{StateDocument, StateOutput};
use crate::state::{Phase, Record, START_SOCKET, StateDir};
use crate::sync::{self, Message, Report};
use kernel::{Errno, process, socket};
use libcgroups::Cgroup;
use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a command waits for another one that works on the same container.
pub(crate) const LOCK_TIME: Duration = Duration::from_secs(10);
/// How long a killed process may take to die.
pub(crate) const DEATH_TIME: Duration = Duration::from_secs(10);

/// Where a container is in its life (runtime.md, "State").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Being made.
    Creating,
    /// Made; its process waits for the start.
    Created,
    /// Its process runs.
    Running,
    /// Its process has ended.
    Stopped,
    /// Its processes are frozen.
    Paused,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Creating => "creating",
            Status::Created => "created",
            Status::Running => "running",
            Status::Stopped => "stopped",
            Status::Paused => "paused",
        })
    }
}

/// A container that exists.
#[derive(Debug)]
pub struct Container {
    /// Its directory.
    pub dir: StateDir,
    /// Its record.
    pub record: Record,
}

impl Container {
    /// Finds it.
    ///
    /// # Errors
    /// [`Kind::NotFound`], or a damaged record.
    pub fn open(root: &Path, id: &str) -> Result<Container> {
        let mut dir = StateDir::open(root, id)?;
        let record = match dir.load() {
            // Made so recently that nothing is written yet, or half removed.
            Err(e) if e.os_error() == Some(Errno::ENOENT) => return Err(Error::no_container(id)),
            // Who makes a container has its lock, and may be kept from writing for longer than it is worth to wait.
            Err(e) if e.os_error().is_none() && dir.is_blank() => {
                if !dir.try_lock(false)? {
                    return Err(Error::no_container(id));
                }
                dir.unlock();
                dir.load()?
            }
            other => other?,
        };
        Ok(Container { dir, record })
    }

    /// Finds it and holds it: [`Container::open`] and [`Container::hold`], with one reading of the record.
    ///
    /// # Errors
    /// Those of both.
    pub fn open_held(root: &Path, id: &str) -> Result<Container> {
        let dir = StateDir::open(root, id)?;
        let record = Record {
            id: id.to_owned(),
            ..Record::default()
        };
        let mut container = Container { dir, record };
        match container.hold() {
            Err(e) if e.os_error() == Some(Errno::ENOENT) => Err(Error::no_container(id)),
            Err(e) => Err(e),
            Ok(()) => Ok(container),
        }
    }

    /// Whether its processes are frozen.
    pub(crate) fn is_paused(&self) -> Result<bool> {
        self.cgroup().frozen().map_err(from_cgroups)
    }

    /// Waits for who makes it, reads the record as it is then, and keeps others from deleting it as long as `self` lives, or until the lock is given
    /// back.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if somebody has just deleted it.
    pub fn hold(&mut self) -> Result<()> {
        self.dir.lock(false, Instant::now() + LOCK_TIME)?;
        if self.dir.is_gone()? {
            return Err(Error::no_container(&self.record.id));
        }
        self.record = self.dir.load()?;
        Ok(())
    }

    /// Where it is in its life, asking the kernel, not the record.
    pub fn status(&self) -> Result<Status> {
        if self.record.phase == Phase::Creating {
            // Who makes it holds the lock until it is made. Taking it for a moment is how to know; it is given back with the descriptor.
            let again = StateDir::open(
                self.dir.path().parent().unwrap_or(Path::new("/")),
                &self.record.id,
            )?;
            return Ok(if again.try_lock(false)? {
                Status::Stopped
            } else {
                Status::Creating
            });
        }
        if !self.is_alive()? {
            return Ok(Status::Stopped);
        }
        if self.is_paused()? {
            return Ok(Status::Paused);
        }
        Ok(if self.awaits_start() {
            Status::Created
        } else {
            Status::Running
        })
    }

    /// Whether the first process is still the one that was recorded.
    pub fn is_alive(&self) -> Result<bool> {
        self.process().map(|found| found.is_some())
    }

    /// A descriptor of the first process, certainly that one, unless it has ended.
    fn process(&self) -> Result<Option<OwnedFd>> {
        let record = &self.record;
        if record.pid <= 0 || record.boot_id != proc::boot_id()? {
            return Ok(None);
        }
        let identity = Identity {
            inode: record.pidfd_inode,
            start_time: record.start_time,
        };
        identity.open(record.pid)
    }

    /// The socket accepts a connection exactly while the process holds it, which is until execve or death. Nobody is woken by that.
    fn awaits_start(&self) -> bool {
        // Of a container that has been started there is none, which is quicker to see.
        if matches!(
            kernel::file::lstatat(self.dir.fd(), START_SOCKET),
            Err(Errno::ENOENT)
        ) {
            return false;
        }
        let Ok(probe) = socket::unix(socket::SOCK_DGRAM) else {
            return false;
        };
        socket::connect(probe.as_fd(), &self.dir.short_path(START_SOCKET)).is_ok()
    }

    /// Its cgroup.
    pub fn cgroup(&self) -> Cgroup {
        Cgroup::open(&self.record.cgroup)
    }

    /// A descriptor of the first process, certainly that one.
    ///
    /// # Errors
    /// [`Kind::WrongState`] when it has ended.
    pub fn pidfd(&self) -> Result<OwnedFd> {
        self.process()?.ok_or_else(not_running)
    }

    /// The numbers of its processes; where it has no cgroup to ask, of the first one.
    pub fn pids(&self) -> Result<Vec<i32>> {
        if self.record.cgroup.dirs.is_empty() && self.record.cgroup.unit.is_none() {
            return Ok(if self.is_alive()? {
                vec![self.record.pid]
            } else {
                Vec::new()
            });
        }
        self.cgroup().pids().map_err(from_cgroups)
    }

    /// The state as hooks see it.
    pub fn document(&self, status: &str) -> StateDocument {
        StateDocument::new(
            &self.record.id,
            status,
            &self.record.bundle,
            &self.record.annotations,
        )
    }

    /// The state as people and engines see it.
    pub fn output(&self) -> Result<StateOutput> {
        let status = self.status()?;
        Ok(StateOutput {
            oci_version: SPEC_VERSION.into(),
            id: self.record.id.clone(),
            pid: if status == Status::Stopped {
                0
            } else {
                self.record.pid
            },
            status: status.to_string(),
            bundle: self.record.bundle.clone(),
            rootfs: self.record.rootfs.clone(),
            created: self.record.created.clone(),
            annotations: self.record.annotations.clone(),
            owner: String::new(),
        })
    }

    pub(crate) fn hooks(&self) -> Result<Hooks> {
        let Some(hooks) = &self.record.hooks else {
            return Ok(Hooks::default());
        };
        Hooks::new(
            hooks,
            &self.record.bundle,
            &crate::plan::annotations::annotations(&self.record.annotations)?.hook_output,
        )
    }

    /// Starts the program of a created container, and returns when it runs; with a notify socket, when it says that it is ready.
    ///
    /// # Errors
    /// [`Kind::WrongState`] unless it is created; why execve failed; a poststart hook that failed, after which the container is stopped.
    pub fn start(&mut self, notify_socket: Option<&Path>) -> Result<()> {
        let refuse = |why: &'static str| Err(Error::new(Kind::WrongState, why));
        self.hold()?;
        if self.record.phase == Phase::Creating {
            return refuse("cannot start a container that is not created yet");
        }
        let socket = socket::unix(socket::SOCK_DGRAM).during(|| "make a socket".into())?;
        match socket::connect(socket.as_fd(), &self.dir.short_path(START_SOCKET)) {
            Ok(()) => {}
            Err(Errno::ENOENT | Errno::ECONNREFUSED) if self.is_alive()? => {
                return refuse("cannot start an already running container");
            }
            Err(Errno::ENOENT | Errno::ECONNREFUSED) => {
                return refuse("cannot start a container that has stopped");
            }
            Err(e) => return Err(Error::os("connect to the container's process", e)),
        }
        if self.cgroup().frozen().map_err(from_cgroups)? {
            return refuse("cannot start a paused container");
        }
        let relay = notify_socket
            .map(|path| Relay::open(&self.dir, path))
            .transpose()?
            .flatten();
        let (answer, theirs) = socket::pair().during(|| "socketpair".into())?;
        sync::start(socket.as_fd(), theirs.as_fd())
            .during(|| "wake the container's process".into())?;
        drop(theirs);
        let outcome = await_exec(&answer);
        match outcome {
            Ok(()) => {}
            Err(NotStarted::Closed) if self.is_alive()? => {
                return refuse("cannot start an already running container");
            }
            Err(NotStarted::Closed) => return refuse("container process is already dead"),
            Err(NotStarted::Failed(report)) => return Err(plain_sentence(&report)),
        }
        self.dir.remove_file(START_SOCKET)?;
        let hooks = self.hooks()?;
        let state = self.document("running").hook_parts();
        spawn::run_hooks(&hooks, HookPoint::Poststart, &state, Some(self.record.pid)).inspect_err(
            |_| {
                let _ = self.kill(libc::SIGKILL, true);
            },
        )?;
        match relay {
            Some(relay) => relay.wait(self.record.pid, || self.is_alive().unwrap_or(false)),
            None => Ok(()),
        }
    }

    /// Sends a signal to the first process, or to all.
    ///
    /// # Errors
    /// [`Kind::WrongState`] when it has ended, unless all are meant.
    pub fn kill(&self, signal: i32, all: bool) -> Result<()> {
        let what = || format!("send signal {signal} to container {}", self.record.id);
        let pidfd = match self.pidfd() {
            Err(e) if e.kind() == Kind::WrongState && all => None,
            other => Some(other?),
        };
        // Without a pid namespace of its own, the end of the first process is not the end of the others.
        if all || signal == libc::SIGKILL && !self.record.private_pids {
            self.cgroup()
                .kill(signal, Instant::now() + DEATH_TIME)
                .map_err(from_cgroups)?;
        }
        let Some(pidfd) = pidfd else { return Ok(()) };
        match process::pidfd_send_signal(pidfd.as_fd(), signal) {
            Err(Errno::ESRCH) if all => {}
            Err(Errno::ESRCH) => return Err(not_running()),
            other => other.during(what)?,
        }
        if signal == libc::SIGKILL {
            self.thaw_to_die()
        } else {
            Ok(())
        }
    }

    /// A frozen process of cgroup version 1 does not even die.
    pub(crate) fn thaw_to_die(&self) -> Result<()> {
        let v1 = self
            .record
            .cgroup
            .dirs
            .iter()
            .any(|d| !d.controllers.is_empty());
        let cgroup = self.cgroup();
        if v1 && cgroup.frozen().unwrap_or(false) {
            cgroup
                .thaw(Instant::now() + CGROUP_TIME)
                .map_err(from_cgroups)?;
        }
        Ok(())
    }

    /// Freezes all processes.
    ///
    /// # Errors
    /// [`Kind::WrongState`] unless it is created or running.
    pub fn pause(&mut self) -> Result<()> {
        self.hold()?;
        if !matches!(self.status()?, Status::Running | Status::Created) {
            return Err(not_running());
        }
        let cgroup = self.cgroup();
        cgroup
            .freeze(Instant::now() + CGROUP_TIME)
            .or_else(|e| self.unless_ended(e))?;
        if self.is_alive()? {
            return Ok(());
        }
        // It ended meanwhile: what is frozen now would wait for ever.
        cgroup
            .thaw(Instant::now() + CGROUP_TIME)
            .map_err(from_cgroups)?;
        Err(not_running())
    }

    /// A cgroup that cannot be frozen because the container ends at this moment.
    fn unless_ended(&self, error: libcgroups::Error) -> Result<()> {
        Err(if self.is_alive()? {
            from_cgroups(error)
        } else {
            not_running()
        })
    }

    /// Thaws all processes.
    ///
    /// # Errors
    /// [`Kind::WrongState`] unless it is paused.
    pub fn resume(&mut self) -> Result<()> {
        self.hold()?;
        // Also where the first process has ended: others may be frozen.
        let cgroup = self.cgroup();
        match cgroup.frozen() {
            Ok(true) => cgroup
                .thaw(Instant::now() + CGROUP_TIME)
                .map_err(from_cgroups),
            _ => Err(Error::new(Kind::WrongState, "container not paused")),
        }
    }
}

/// What engines look for when a container has ended.
fn not_running() -> Error {
    Error::new(Kind::WrongState, "container not running")
}

/// Why a start did not end in execve.
pub enum NotStarted {
    /// The process closed its end: somebody else started it, or it died.
    Closed,
    /// It said why.
    Failed(Box<Report>),
}

/// Reads until the process has become its program: the kernel closes its end at execve.
pub fn await_exec(socket: &OwnedFd) -> std::result::Result<(), NotStarted> {
    let mut executing = false;
    loop {
        match sync::receive(socket.as_fd()) {
            Ok(Message::Executing) => executing = true,
            Ok(Message::Failed(report)) => return Err(NotStarted::Failed(report)),
            Ok(Message::Closed) if executing => return Ok(()),
            Ok(Message::Closed) | Err(_) => return Err(NotStarted::Closed),
            Ok(_) => {}
        }
    }
}

/// `start` does not have the plan that the steps belong to, but the words of the last ones are few.
fn plain_sentence(report: &Report) -> Error {
    let text = match report.call.as_str() {
        // Only hooks fail without a call, and these alone run after the start.
        "" => return crate::report::hook_error(HookPoint::StartContainer, report),
        "execve" => format!("exec {}", report.detail),
        call if report.detail.is_empty() => call.to_owned(),
        call => format!("{call}: {}", report.detail),
    };
    let error = Error::os(text, report.errno);
    match (report.call.as_str(), report.errno) {
        ("execve", Errno::ENOENT) => error.hint(crate::report::NO_LOADER.trim_start_matches(": ")),
        ("execve", Errno::ENOEXEC) => {
            error.hint("it is no program for this machine, nor a script with #!")
        }
        ("execve", Errno::E2BIG) => error.hint(crate::report::TOO_MUCH.trim_start_matches(": ")),
        _ => error,
    }
}
