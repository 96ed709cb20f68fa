//! The table of commands: names, counts, help, and how each becomes a value.

use crate::checkpoint::{Checkpoint, Criu, Restore};
use crate::exec::Exec;
use crate::lifecycle::{Create, Delete, Kill, Run};
use crate::query::{Events, List, Ps, Spec};
use crate::seccomp::{SeccompCompile, SeccompExplain};
use crate::table::{Flag, Operand, command_line};
use crate::typed::{Read, Typed};
use crate::update::Update;

/// What to do. An `id` is what was typed: not checked, perhaps empty.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, missing_docs)]
pub enum Command {
    Create(Create),
    Run(Run),
    Start {
        id: String,
    },
    State {
        id: String,
    },
    Kill(Kill),
    Delete(Delete),
    Exec(Exec),
    List(List),
    Ps(Ps),
    Events(Events),
    Pause {
        id: String,
    },
    Resume {
        id: String,
    },
    Update(Update),
    Spec(Spec),
    Features,
    Checkpoint(Checkpoint),
    Restore(Restore),
    /// Print the plan that `create` would carry out.
    Explain(Create),
    SeccompExplain(SeccompExplain),
    SeccompCompile(SeccompCompile),
}

/// One command of the table.
pub struct Row {
    /// Words that select it: one, or two for a command in a group.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// What else help says.
    pub notes: &'static str,
    /// Its options.
    pub flags: &'static [&'static [Flag]],
    /// Its arguments that are no options.
    pub operands: &'static [Operand],
    /// Fewest and most operands.
    pub count: (usize, usize),
    /// Number of operands after which everything is an operand.
    pub operands_end: usize,
    pub(crate) read: fn(&mut Typed) -> Read<Command>,
}

/// For [`Row::count`] and [`Row::operands_end`]: without bound.
pub const MANY: usize = usize::MAX;

command_line! {
    /// Operands of the commands that take an id and no options.
    pub struct Id;
    options {}
    operands {
        /// Name of the container
        id: String = "ID", Typed::operand;
    }
}

/// What most commands have in common.
const ROW: Row = Row {
    name: "",
    about: "",
    notes: "",
    flags: &[],
    operands: &[],
    count: (1, 1),
    operands_end: MANY,
    read: |_| Ok(Command::Features),
};

/// All commands, in the order of the help.
pub static COMMANDS: [Row; 20] = [
    Row {
        name: "create",
        about: "Create a container, ready to start",
        flags: &[Create::FLAGS],
        operands: Create::OPERANDS,
        notes: "The bundle is a directory with config.json and, usually, a root file system.\n\
         `teu spec` writes an example; `teu explain` shows what create would do with it.",
        read: |typed| Create::read(typed).map(Command::Create),
        ..ROW
    },
    Row {
        name: "start",
        about: "Run the process of a created container",
        operands: Id::OPERANDS,
        read: |typed| Id::read(typed).map(|Id { id }| Command::Start { id }),
        ..ROW
    },
    Row {
        name: "run",
        about: "Create and start a container, and wait for it",
        flags: &[Create::FLAGS, Run::FLAGS],
        operands: Create::OPERANDS,
        notes: "The exit status is that of the container's process, or 128 and the number of the\n\
         signal that ended it.",
        read: |typed| Run::read(typed).map(Command::Run),
        ..ROW
    },
    Row {
        name: "exec",
        about: "Run another process in a container",
        flags: &[Exec::FLAGS],
        operands: Exec::OPERANDS,
        count: (1, MANY),
        operands_end: 1,
        notes: "Options come before ID. The exit status is that of the process, or 128 and the number\n\
         of the signal that ended it; 255 means that it could not be run.\n\n\
         Example: teu exec -t web /bin/sh",
        read: |typed| Exec::read(typed).map(Command::Exec),
    },
    Row {
        name: "kill",
        about: "Send a signal to the first process of a container",
        flags: &[Kill::FLAGS],
        operands: Kill::OPERANDS,
        count: (1, 2),
        read: |typed| Kill::read(typed).map(Command::Kill),
        ..ROW
    },
    Row {
        name: "delete",
        about: "Remove what a container left behind",
        flags: &[Delete::FLAGS],
        operands: Delete::OPERANDS,
        read: |typed| Delete::read(typed).map(Command::Delete),
        ..ROW
    },
    Row {
        name: "state",
        about: "Print the state of a container as JSON",
        operands: Id::OPERANDS,
        read: |typed| Id::read(typed).map(|Id { id }| Command::State { id }),
        ..ROW
    },
    Row {
        name: "list",
        about: "List the containers",
        flags: &[List::FLAGS],
        operands: List::OPERANDS,
        count: (0, 0),
        read: |typed| List::read(typed).map(Command::List),
        ..ROW
    },
    Row {
        name: "ps",
        about: "List the processes of a container",
        flags: &[Ps::FLAGS],
        operands: Ps::OPERANDS,
        count: (1, MANY),
        operands_end: 1,
        notes: "Options come before ID.",
        read: |typed| Ps::read(typed).map(Command::Ps),
    },
    Row {
        name: "events",
        about: "Print statistics and out-of-memory events",
        flags: &[Events::FLAGS],
        operands: Events::OPERANDS,
        read: |typed| Events::read(typed).map(Command::Events),
        ..ROW
    },
    Row {
        name: "pause",
        about: "Suspend the processes of a container",
        operands: Id::OPERANDS,
        read: |typed| Id::read(typed).map(|Id { id }| Command::Pause { id }),
        ..ROW
    },
    Row {
        name: "resume",
        about: "Resume the processes of a container",
        operands: Id::OPERANDS,
        read: |typed| Id::read(typed).map(|Id { id }| Command::Resume { id }),
        ..ROW
    },
    Row {
        name: "update",
        about: "Change the limits of a container",
        flags: &[Update::FLAGS],
        operands: Update::OPERANDS,
        notes: "What --resources says goes before the other options. Sizes are in bytes, or have\n\
            a unit: k, m, g, t or p, powers of 1024.",
        read: |typed| Update::read(typed).map(Command::Update),
        ..ROW
    },
    Row {
        name: "checkpoint",
        about: "Save a running container to files (not there yet)",
        flags: &[Criu::FLAGS, Checkpoint::FLAGS],
        operands: Checkpoint::OPERANDS,
        read: |typed| Checkpoint::read(typed).map(Command::Checkpoint),
        ..ROW
    },
    Row {
        name: "restore",
        about: "Bring a saved container back (not there yet)",
        flags: &[Criu::FLAGS, Restore::FLAGS],
        operands: Restore::OPERANDS,
        read: |typed| Restore::read(typed).map(Command::Restore),
        ..ROW
    },
    Row {
        name: "spec",
        about: "Write an example config.json",
        flags: &[Spec::FLAGS],
        operands: Spec::OPERANDS,
        count: (0, 0),
        read: |typed| Spec::read(typed).map(Command::Spec),
        ..ROW
    },
    Row {
        name: "features",
        about: "Print what this runtime supports as JSON",
        count: (0, 0),
        read: |_| Ok(Command::Features),
        ..ROW
    },
    Row {
        name: "explain",
        about: "Print what create would do, step by step",
        flags: &[Create::FLAGS],
        operands: Create::OPERANDS,
        read: |typed| Create::read(typed).map(Command::Explain),
        ..ROW
    },
    Row {
        name: "seccomp explain",
        about: "Say which rule of a profile decides about a call",
        operands: SeccompExplain::OPERANDS,
        count: (2, MANY),
        operands_end: 2,
        notes: "Example: teu seccomp explain profile.json clone 0x10000000",
        read: |typed| SeccompExplain::read(typed).map(Command::SeccompExplain),
        ..ROW
    },
    Row {
        name: "seccomp compile",
        about: "Print the program that a profile compiles to",
        operands: SeccompCompile::OPERANDS,
        read: |typed| SeccompCompile::read(typed).map(Command::SeccompCompile),
        ..ROW
    },
];

/// Groups of commands and what they are about; the group is the first word of a name.
pub static GROUPS: [(&str, &str); 1] = [("seccomp", "Look into seccomp profiles")];
