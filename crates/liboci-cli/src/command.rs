//! The table of commands: names, counts, help, and how each becomes a value.

use clap::{ArgAction, ArgMatches, Args};

use crate::checkpoint::{Checkpoint, Restore};
use crate::exec::Exec;
use crate::global::GLOBALS;
use crate::go_flags::Flag;
use crate::lifecycle::{Create, Delete, Kill, Run};
use crate::query::{Events, List, Ps, Spec};
use crate::seccomp::{SeccompCompile, SeccompExplain};
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
pub(crate) struct Row {
    /// Words that select it: one, or two for a command in a group.
    pub name: &'static str,
    about: &'static str,
    notes: &'static str,
    /// Fewest and most operands.
    pub operands: (usize, usize),
    /// Number of operands after which all is operand; see [`crate::go_flags::scan`].
    pub operands_end: usize,
    args: fn(clap::Command) -> clap::Command,
    /// Makes the value of what clap read.
    pub read: fn(&mut ArgMatches) -> Result<Command, clap::Error>,
}

/// Operands of the commands that take an id and no options.
#[derive(Args)]
struct Id {
    /// Name of the container
    #[arg(value_name = "ID")]
    id: String,
}

/// Operands of the commands that take none.
#[derive(Args)]
struct Nothing {}

const MANY: usize = usize::MAX;

/// In the order of the help.
pub(crate) static COMMANDS: [Row; 20] = [
    row::<Create>(
        "create",
        "Create a container, ready to start",
        (1, 1),
        |m| read(m, Command::Create),
    )
    .notes(
        "The bundle is a directory with config.json and, usually, a root file system. \
         `teu spec` writes an example; `teu explain` shows what create would do with it.",
    ),
    row::<Id>(
        "start",
        "Run the process of a created container",
        (1, 1),
        |m| read(m, |Id { id }| Command::Start { id }),
    ),
    row::<Run>(
        "run",
        "Create and start a container, and wait for it",
        (1, 1),
        |m| read(m, Command::Run),
    )
    .notes(
        "The exit status is that of the container's process, or 128 and the number of the \
         signal that ended it.",
    ),
    row::<Exec>(
        "exec",
        "Run another process in a container",
        (1, MANY),
        |m| read(m, Command::Exec),
    )
    .command_line_after(1)
    .notes(
        "Options come before ID. The exit status is that of the process, or 128 and the number \
         of the signal that ended it; 255 means that it could not be run.\n\n\
         Example: teu exec -t web /bin/sh",
    ),
    row::<Kill>(
        "kill",
        "Send a signal to the first process of a container",
        (1, 2),
        |m| read(m, Command::Kill),
    ),
    row::<Delete>(
        "delete",
        "Remove what a container left behind",
        (1, 1),
        |m| read(m, Command::Delete),
    ),
    row::<Id>(
        "state",
        "Print the state of a container as JSON",
        (1, 1),
        |m| read(m, |Id { id }| Command::State { id }),
    ),
    row::<List>("list", "List the containers", (0, 0), |m| {
        read(m, Command::List)
    }),
    row::<Ps>("ps", "List the processes of a container", (1, MANY), |m| {
        read(m, Command::Ps)
    })
    .command_line_after(1),
    row::<Events>(
        "events",
        "Print statistics and out-of-memory events",
        (1, 1),
        |m| read(m, Command::Events),
    ),
    row::<Id>(
        "pause",
        "Suspend the processes of a container",
        (1, 1),
        |m| read(m, |Id { id }| Command::Pause { id }),
    ),
    row::<Id>(
        "resume",
        "Resume the processes of a container",
        (1, 1),
        |m| read(m, |Id { id }| Command::Resume { id }),
    ),
    row::<Update>("update", "Change the limits of a container", (1, 1), |m| {
        read(m, Command::Update)
    })
    .notes("Sizes are in bytes, or have a unit: k, m, g, t or p, powers of 1024."),
    row::<Checkpoint>(
        "checkpoint",
        "Save a running container to files",
        (1, 1),
        |m| read(m, Command::Checkpoint),
    ),
    row::<Restore>("restore", "Bring a saved container back", (1, 1), |m| {
        read(m, Command::Restore)
    }),
    row::<Spec>("spec", "Write an example config.json", (0, 0), |m| {
        read(m, Command::Spec)
    }),
    row::<Nothing>(
        "features",
        "Print what this runtime supports as JSON",
        (0, 0),
        |_| Ok(Command::Features),
    ),
    row::<Create>(
        "explain",
        "Print what create would do, step by step",
        (1, 1),
        |m| read(m, Command::Explain),
    ),
    row::<SeccompExplain>(
        "seccomp explain",
        "Say which rule of a profile decides about a call",
        (2, MANY),
        |m| read(m, Command::SeccompExplain),
    )
    .command_line_after(2),
    row::<SeccompCompile>(
        "seccomp compile",
        "Print the program that a profile compiles to",
        (1, 1),
        |m| read(m, Command::SeccompCompile),
    ),
];

/// Groups of commands: the first word of their names.
const GROUPS: [(&str, &str); 1] = [("seccomp", "Look into seccomp profiles")];

const fn row<T: Args>(
    name: &'static str,
    about: &'static str,
    operands: (usize, usize),
    read: fn(&mut ArgMatches) -> Result<Command, clap::Error>,
) -> Row {
    Row {
        name,
        about,
        notes: "",
        operands,
        operands_end: MANY,
        args: T::augment_args,
        read,
    }
}

fn read<T: Args>(
    matches: &mut ArgMatches,
    command: impl FnOnce(T) -> Command,
) -> Result<Command, clap::Error> {
    T::from_arg_matches_mut(matches).map(command)
}

impl Row {
    const fn notes(mut self, notes: &'static str) -> Row {
        self.notes = notes;
        self
    }

    const fn command_line_after(mut self, operands: usize) -> Row {
        self.operands_end = operands;
        self
    }

    /// The command alone, as clap describes it, named by its last word.
    pub(crate) fn to_clap(&self) -> clap::Command {
        let word = self.name.rsplit(' ').next().unwrap_or(self.name);
        (self.args)(clap::Command::new(word))
            .about(self.about)
            .after_help(self.notes)
            .bin_name(format!("teu {}", self.name))
            .args_override_self(true)
    }
}

/// Whether `word` is the first word of a group of commands.
pub(crate) fn is_group(word: &str) -> bool {
    GROUPS.iter().any(|(name, _)| *name == word)
}

/// Finds an option of `command` by its long or a short name.
pub(crate) fn find_flag<'a>(command: &'a clap::Command, name: &str) -> Option<Flag<'a>> {
    let mut chars = name.chars();
    let short = chars.next().filter(|_| chars.next().is_none());
    let is_named = |arg: &&clap::Arg| match (arg.get_long(), short) {
        (Some(long), _) if long == name => true,
        (_, Some(short)) => {
            arg.get_short() == Some(short)
                || arg
                    .get_all_short_aliases()
                    .is_some_and(|all| all.contains(&short))
        }
        _ => false,
    };
    let arg = command.get_arguments().find(is_named)?;
    Some(Flag {
        long: arg.get_long()?,
        takes_value: !matches!(arg.get_action(), ArgAction::SetTrue),
    })
}

/// The whole command line as clap describes it: for help, completions and
/// manual pages. [`parse`](crate::parse) builds only what it needs of it.
pub fn command() -> clap::Command {
    let mut tree = clap::Command::new("teu")
        .about(
            "A low-level container runtime: runs containers as the OCI runtime specification says",
        )
        .after_help("`teu help COMMAND` explains a command.")
        .subcommand_value_name("COMMAND")
        .disable_help_subcommand(true)
        .args(GLOBALS.iter().map(|global| global.to_arg()));
    for row in &COMMANDS {
        let Some((group, _)) = row.name.split_once(' ') else {
            tree = tree.subcommand(row.to_clap());
            continue;
        };
        if tree.find_subcommand(group).is_none() {
            tree = tree.subcommand(group_tree(group));
        }
    }
    tree
}

/// A group with its commands.
pub(crate) fn group_tree(group: &str) -> clap::Command {
    let (name, about) = GROUPS
        .iter()
        .find(|(name, _)| *name == group)
        .unwrap_or(&GROUPS[0]);
    let members = COMMANDS
        .iter()
        .filter(|row| row.name.split_once(' ').is_some_and(|(g, _)| g == group));
    clap::Command::new(*name)
        .about(*about)
        .bin_name(format!("teu {name}"))
        .subcommand_value_name("COMMAND")
        .disable_help_subcommand(true)
        .subcommands(members.map(Row::to_clap))
}
