//! One cgroup that exists: in the v2 tree, in each v1 hierarchy, or both.

mod create;
mod destroy;
mod devices;
mod enter;
mod freeze;
mod oom;
mod owner;
mod pids;
mod unit;
mod update;

pub use oom::{OomEvent, OomEvents};

use crate::plan::{EntryKind, Record};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// A cgroup in every hierarchy of the host, or no cgroup at all where none was wanted or allowed.
#[derive(Debug)]
pub struct Cgroup {
    record: Record,
    kind: EntryKind,
    /// The directory in the v2 tree.
    into: Option<OwnedFd>,
    /// `tasks` of each v1 hierarchy.
    tasks: Vec<OwnedFd>,
    /// The device program of the v2 tree, where it is not in force yet.
    control: Option<Control>,
    /// The directories that had to be made, from the top.
    made: Vec<PathBuf>,
    warnings: Vec<String>,
}

/// A device program that waits for [`Cgroup::control_devices`].
#[derive(Debug)]
struct Control {
    code: Vec<kernel::bpf::Insn>,
    /// Whether the cgroup is new, and therefore has no program yet.
    fresh: bool,
    /// Whether it is no error that this user may not attach it.
    rootless: bool,
}

/// How a new process gets in.
#[derive(Debug)]
pub enum Entry<'a> {
    /// clone3(2) with `CLONE_INTO_CGROUP` and this directory.
    Into(BorrowedFd<'a>),
    /// The process writes `0` to each of these as long as it has one thread alone.
    ///
    /// They are `tasks` files. Writing to `cgroup.procs` instead would move the whole process, for which the kernel waits for an RCU grace
    /// period: 5 to 20 milliseconds on a quiet machine.
    Tasks(&'a [OwnedFd]),
    /// Both.
    IntoAndTasks(BorrowedFd<'a>, &'a [OwnedFd]),
    /// The service manager moves it, told by [`Cgroup::start_unit`].
    Pid,
    /// Not at all.
    None,
}

impl Cgroup {
    /// The cgroup that a record tells of. Makes no system call.
    pub fn open(record: &Record) -> Cgroup {
        Cgroup {
            record: record.clone(),
            kind: EntryKind::None,
            into: None,
            tasks: Vec::new(),
            control: None,
            made: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// What to write down. Where a service manager had the last word, it differs from what was planned.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What was wanted and did not happen, for want of permission: one sentence each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// How the first process of a created cgroup gets in. [`Entry::None`] for one that was only [opened](Cgroup::open).
    pub fn entry(&self) -> Entry<'_> {
        match (self.kind, &self.into) {
            (EntryKind::ByPid, _) => Entry::Pid,
            (EntryKind::IntoAndTasks, Some(dir)) => Entry::IntoAndTasks(dir.as_fd(), &self.tasks),
            (EntryKind::IntoCgroup, Some(dir)) => Entry::Into(dir.as_fd()),
            (EntryKind::Tasks, _) => Entry::Tasks(&self.tasks),
            _ => Entry::None,
        }
    }

    /// Sets the kind of entry from the descriptors that are there.
    fn settle_entry(&mut self) {
        self.kind = match (&self.into, self.tasks.is_empty()) {
            (Some(_), true) => EntryKind::IntoCgroup,
            (Some(_), false) => EntryKind::IntoAndTasks,
            (None, false) => EntryKind::Tasks,
            (None, true) => EntryKind::None,
        };
    }
}
