//! From a program to a process: open what it needs, clone, and serve it until it is done.

use crate::child::{self, Inheritance};
use crate::error::{During, Error, Kind, Result};
use crate::hooks::Hooks;
use crate::plan::{HookPoint, IdMaps, Program, Slot, SlotKind};
use crate::proc::{self, Identity};
use crate::sync::{self, Facts, Message};
use crate::{idmap, report};
use kernel::Errno;
use kernel::file::{self, CWD};
use kernel::in_place::clone_in_place;
use kernel::process::{self, Child, CloneArgs};
use kernel::socket;
use libcgroups::Entry;
use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// What the new process is given beside its program.
pub struct Setup<'a> {
    /// Its program.
    pub program: &'a Program,
    /// What its slots hold.
    pub slots: Vec<Option<OwnedFd>>,
    /// How it enters its cgroup.
    pub entry: Entry<'a>,
    /// Where `start` will ask.
    pub starter: Option<&'a OwnedFd>,
    /// Hooks.
    pub hooks: &'a Hooks,
    /// The state for hooks: for `creating` and for `created`.
    pub hook_states: &'a [(Vec<u8>, Vec<u8>); 2],
    /// Joins a container that is running.
    pub hide: bool,
}

/// Opens what a program's slots ask for.
///
/// # Errors
/// The first that cannot be opened, or is not what it should be.
pub fn open_slots(slots: &[Slot]) -> Result<Vec<Option<OwnedFd>>> {
    slots
        .iter()
        .map(|slot| open_slot(slot).map_err(|e| e.field(slot.field.clone())))
        .collect()
}

fn open_slot(slot: &Slot) -> Result<Option<OwnedFd>> {
    match &slot.what {
        SlotKind::Namespace { path, kind } => {
            let shown = path.to_string_lossy();
            // Without waiting for the other end of a pipe that somebody takes for a namespace.
            let fd = file::openat(CWD, path, file::O_NONBLOCK | file::O_NOCTTY, 0)
                .during(|| format!("open namespace {shown}"))?;
            let found = process::namespace_kind(fd.as_fd()).unwrap_or(0);
            if found != *kind {
                let wanted = crate::plan::namespaces::names(*kind);
                return Err(Error::new(
                    Kind::Invalid,
                    format!("{shown} is not a {wanted} namespace"),
                ));
            }
            Ok(Some(fd))
        }
    }
}

/// A process that is on its way.
#[derive(Debug)]
pub struct Spawned {
    /// The parent's end of the pair.
    pub sync: OwnedFd,
    /// The process; while a stage process runs, that one.
    pub child: Child,
    /// Whether `child` is only the stage.
    pub staged: bool,
    /// What is known about it.
    pub facts: Facts,
    /// A record will tell of it, so it must be known among others.
    recorded: bool,
    /// What tells it from others, if a record needs it.
    pub identity: Identity,
    /// What the process said before the stage told of its birth: both write to the same socket, and neither waits for the other.
    early: VecDeque<Message>,
}

/// Clones the process. It starts walking its steps at once.
pub fn spawn(setup: &Setup<'_>) -> Result<Spawned> {
    let (sync, theirs) = socket::pair().during(|| "socketpair".into())?;
    let (cgroup, tasks): (Option<BorrowedFd<'_>>, &[OwnedFd]) = match setup.entry {
        Entry::Into(dir) => (Some(dir), &[]),
        Entry::Tasks(files) => (None, files),
        Entry::IntoAndTasks(dir, files) => (Some(dir), files),
        Entry::Pid | Entry::None => (None, &[]),
    };
    let mut keep: Vec<RawFd> = vec![theirs.as_raw_fd()];
    keep.extend(setup.starter.iter().map(|s| s.as_raw_fd()));
    keep.extend(
        setup
            .slots
            .iter()
            .flatten()
            .chain(tasks)
            .map(|fd| fd.as_raw_fd()),
    );
    keep.extend(setup.hooks.descriptors().map(|fd| fd.as_raw_fd()));
    keep.sort_unstable();
    // A process that joins is told nothing on its way, unless it asks; what it inherits is what this process ignores.
    let ignored_signals = match setup.hide {
        true => proc::ignored_signals().unwrap_or(0),
        false => 0,
    };
    let given = Inheritance {
        program: setup.program,
        slots: &setup.slots,
        tasks,
        sync: theirs.as_fd(),
        starter: setup.starter.map(|s| s.as_fd()),
        hooks: setup.hooks,
        hook_states: setup.hook_states,
        keep: &keep,
        hide: setup.hide,
        ignored_signals,
    };
    let args = CloneArgs {
        flags: setup.program.clone_flags,
        cgroup,
    };
    let made = match setup.program.stage_in_place() {
        true => clone_in_place(cgroup, &|| child::run(given)),
        false => Err(Errno::ENOSYS),
    };
    let made = match made {
        Err(Errno::ENOSYS) => process::clone(args, || child::run(given)),
        other => other,
    };
    let child = made.map_err(|errno| {
        let kinds = crate::plan::namespaces::names(setup.program.clone_flags);
        let error = Error::os(format!("clone3 with new namespaces ({kinds})"), errno);
        match errno {
            Errno::EPERM => error.hint("an ordinary user needs a user namespace in /linux/namespaces, and the host must allow those"),
            Errno::ENOSPC => error.hint("a limit in /proc/sys/user is reached"),
            _ => error,
        }
    })?;
    let staged = !setup.program.stage.is_empty();
    let mut spawned = Spawned {
        sync,
        child,
        staged,
        facts: Facts {
            ignored_signals,
            ..Facts::default()
        },
        recorded: !setup.hide,
        identity: Identity::default(),
        early: VecDeque::new(),
    };
    if !staged {
        spawned.learn().inspect_err(|_| spawned.kill())?;
    }
    Ok(spawned)
}

impl Spawned {
    /// Reads what the child cannot know about itself.
    fn learn(&mut self) -> Result<()> {
        self.facts.pid = self.child.pid;
        if !self.recorded {
            return Ok(());
        }
        // What this process ignores, the child has inherited.
        self.facts.ignored_signals =
            proc::ignored_signals().during(|| "read /proc/self/status".into())?;
        self.identity = Identity::of(self.child.pid, self.child.pidfd.as_fd())?;
        Ok(())
    }

    /// Writes the id maps and lets the child go on.
    pub fn map_ids(&mut self, maps: &IdMaps) -> Result<()> {
        idmap::write(self.child.pid, maps)?;
        self.go()
    }

    /// Lets the child go on.
    pub fn go(&self) -> Result<()> {
        sync::go(self.sync.as_fd(), self.facts).during(|| "wake the container's process".into())
    }

    /// The next message. The birth of the real process is dealt with here.
    ///
    /// # Errors
    /// A step of the child that failed, as a sentence; or its death.
    pub fn next(&mut self, program: &Program) -> Result<Message> {
        match self.hear()? {
            Message::Failed(failed) => {
                let _ = process::wait(self.child.pidfd.as_fd());
                Err(report::sentence(program, &failed))
            }
            other => Ok(other),
        }
    }

    /// Nothing that the process says comes before its birth.
    fn hear(&mut self) -> Result<Message> {
        loop {
            if !self.staged {
                if let Some(message) = self.early.pop_front() {
                    return Ok(message);
                }
            }
            let message = sync::receive(self.sync.as_fd())
                .during(|| "hear from the container's process".into())?;
            match message {
                Message::Spawned(pid, pidfd) => {
                    let copy = pidfd.try_clone().map_err(|e| Error::os("dup", e))?;
                    let stage = std::mem::replace(&mut self.child, Child { pid, pidfd });
                    self.staged = false;
                    let _ = process::wait(stage.pidfd.as_fd());
                    self.learn()?;
                    return Ok(Message::Spawned(pid, copy));
                }
                Message::Failed(_) | Message::Closed => return Ok(message),
                early if self.staged => self.early.push_back(early),
                other => return Ok(other),
            }
        }
    }

    /// Ends the process and reaps it.
    pub fn kill(&self) {
        let _ = process::pidfd_send_signal(self.child.pidfd.as_fd(), libc::SIGKILL);
        let _ = process::wait(self.child.pidfd.as_fd());
    }
}

/// Runs the hooks of one place, with the state in two halves.
pub fn run_hooks(
    hooks: &Hooks,
    point: HookPoint,
    state: &(Vec<u8>, Vec<u8>),
    pid: Option<i32>,
) -> Result<()> {
    let state = crate::hooks::State {
        before: &state.0,
        pid,
        after: &state.1,
    };
    crate::hooks::run_all(hooks.at(point), state).map_err(|e| e.into_error(point))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that ends at once; its status is nobody's business here.
    fn born() -> Child {
        process::clone(
            CloneArgs {
                flags: 0,
                cgroup: None,
            },
            || {},
        )
        .unwrap()
    }

    #[test]
    fn what_the_process_says_before_the_news_of_its_birth_comes_after_it() {
        let (sync, theirs) = socket::pair().unwrap();
        let mut spawned = Spawned {
            sync,
            child: born(),
            staged: true,
            facts: Facts::default(),
            recorded: true,
            identity: Identity::default(),
            early: VecDeque::new(),
        };
        let process = born();
        sync::need_cgroup(theirs.as_fd()).unwrap();
        sync::spawned(theirs.as_fd(), process.pid, process.pidfd.as_fd()).unwrap();
        sync::ready(theirs.as_fd()).unwrap();
        let first = spawned.hear().unwrap();
        assert!(matches!(first, Message::Spawned(pid, _) if pid == process.pid));
        assert_eq!(spawned.facts.pid, process.pid);
        assert!(matches!(spawned.hear().unwrap(), Message::NeedCgroup));
        assert!(matches!(spawned.hear().unwrap(), Message::Ready));
        process::wait(process.pidfd.as_fd()).unwrap();
    }
}
