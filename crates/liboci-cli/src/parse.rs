//! From arguments to an [`Invocation`].

use std::any::TypeId;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::ArgAction;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::command::{COMMANDS, Command, Row, command, find_flag, group_tree, is_group};
use crate::global::{Global, GlobalFlag};
use crate::go_flags::{Interrupted, Scanned, scan};
use crate::stop::{Stop, UsageError};

/// A command line that can be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Options before the command.
    pub global: Global,
    /// The command and its own options.
    pub command: Command,
}

/// Reads a command line, `args[0]` being the name of the program.
///
/// Options may stand before or after the operands of a command, except where a
/// command line follows (`exec ID`, `ps ID`). They are written as in Go or as in
/// getopt(3): `--bundle DIR`, `--bundle=DIR`, `-bundle DIR`, `-b DIR`, `-bDIR`, `--detach=false`.
/// When one is given twice, the last one counts. An empty path or text is the same as none.
///
/// Of clap's tree only the command that was named is built, as most of the
/// commands of an engine are shorter than building all of it would take.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, Stop> {
    let mut args = args.into_iter();
    let program = args.next().unwrap_or_else(|| "teu".into());
    let scanned =
        scan(args, GlobalFlag::find, 1).map_err(|interrupted| interrupted.into_stop(command))?;
    let mut global = Global::default();
    for (name, value) in scanned.flags {
        if name == "version" {
            return Err(Stop::Version);
        }
        global
            .set(name, value)
            .map_err(|message| failure(message, 1))?;
    }
    let mut words = scanned.operands.into_iter();
    let Some(row) = select(&mut words)? else {
        return Err(Stop::Help(help(command())));
    };
    let command = read(row, words, &program)?;
    Ok(Invocation { global, command })
}

/// Takes the words that name a command; `None` if there are none.
fn select(words: &mut impl Iterator<Item = OsString>) -> Result<Option<&'static Row>, Stop> {
    let Some(first) = words.next() else {
        return Ok(None);
    };
    let mut name = first.to_string_lossy().into_owned();
    if name == "help" {
        return match select(words)? {
            Some(row) => Err(Stop::Help(help(row.to_clap()))),
            None => Ok(None),
        };
    }
    if is_group(&name) {
        let wants_help =
            |word: &OsString| matches!(word.to_str(), Some("-h" | "-help" | "--help" | "help"));
        match words.next().filter(|word| !wants_help(word)) {
            Some(word) => name = format!("{name} {}", word.to_string_lossy()),
            None => return Err(Stop::Help(help(group_tree(&name)))),
        }
    }
    match COMMANDS.iter().find(|row| row.name == name) {
        Some(row) => Ok(Some(row)),
        None => Err(failure(
            format!("unknown command {name:?} (see teu --help)"),
            1,
        )),
    }
}

/// Reads the options and operands of one command.
fn read(
    row: &Row,
    args: impl Iterator<Item = OsString>,
    program: &OsString,
) -> Result<Command, Stop> {
    let tree = row.to_clap();
    let scanned = scan(args, |name| find_flag(&tree, name), row.operands_end)
        .map_err(|interrupted| interrupted.into_stop(|| tree.clone()))?;
    if let Some(count) = wrong_count(row, scanned.operands.len()) {
        let message = format!("{}: {:?} {count}", program.to_string_lossy(), row.name);
        return Err(usage(message, None, &tree));
    }
    let arguments = for_clap(scanned, &tree);
    let command = tree
        .no_binary_name(true)
        .try_get_matches_from(arguments)
        .and_then(|mut matches| (row.read)(&mut matches))
        .map_err(|error| bad_value(row, &error))?;
    refine(command)
}

/// What only the whole command can tell.
fn refine(command: Command) -> Result<Command, Stop> {
    match command {
        Command::Exec(exec) if exec.process.is_none() && exec.command.is_empty() => Err(failure(
            "exec failed: process args cannot be empty".into(),
            255,
        )),
        Command::Kill(mut kill) if kill.signal.is_empty() => {
            kill.signal = "TERM".into();
            Ok(Command::Kill(kill))
        }
        command => Ok(command),
    }
}

fn wrong_count(row: &Row, count: usize) -> Option<String> {
    let (fewest, most) = row.operands;
    if (fewest..=most).contains(&count) {
        return None;
    }
    Some(if fewest == most {
        format!("requires exactly {fewest} argument(s)")
    } else if count < fewest {
        format!("requires a minimum of {fewest} argument(s)")
    } else {
        format!("requires a maximum of {most} argument(s)")
    })
}

/// Writes scanned arguments in the one form that leaves clap no choice:
/// `--long=value ... -- operands`.
fn for_clap(scanned: Scanned<'_>, tree: &clap::Command) -> Vec<OsString> {
    let mut arguments = Vec::with_capacity(scanned.flags.len() + scanned.operands.len() + 1);
    for (long, value) in scanned.flags {
        let mut argument = OsString::from("--");
        argument.push(long);
        if let Some(value) = value {
            if value.is_empty() && empty_is_none(tree, long) {
                continue;
            }
            argument.push("=");
            argument.push(value);
        }
        arguments.push(argument);
    }
    arguments.push("--".into());
    arguments.extend(scanned.operands);
    arguments
}

/// Whether an empty value means that the option was not given: engines pass
/// such as `--lsm-mount-context=`. Ids, numbers and lists stay strict.
fn empty_is_none(tree: &clap::Command, long: &str) -> bool {
    tree.get_arguments()
        .find(|arg| arg.get_long() == Some(long))
        .is_some_and(|arg| {
            let of = arg.get_value_parser().type_id();
            let is_text = of == TypeId::of::<String>() || of == TypeId::of::<PathBuf>();
            is_text && matches!(arg.get_action(), ArgAction::Set)
        })
}

/// The sentence for a value that clap or a parser of this crate refused.
fn bad_value(row: &Row, error: &clap::Error) -> Stop {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let what = context(ContextKind::InvalidArg);
    let option = what
        .strip_prefix("--")
        .and_then(|what| what.split(' ').next());
    let place = match option {
        Some(option) => format!("flag -{option}"),
        None => what.to_owned(),
    };
    let reason = match (
        error.get(ContextKind::ValidValue),
        std::error::Error::source(error),
    ) {
        (Some(ContextValue::Strings(valid)), _) => format!("must be one of {}", valid.join(", ")),
        (_, Some(source)) => source.to_string(),
        _ if error.kind() == ErrorKind::InvalidUtf8 => "not UTF-8".into(),
        _ => error.kind().to_string(),
    };
    let value = context(ContextKind::InvalidValue);
    let message = format!("invalid value {value:?} for {place}: {reason}");
    match row.name {
        "exec" => failure(format!("exec failed: {message}"), 255),
        _ => failure(message, 1),
    }
}

impl Interrupted {
    fn into_stop(self, tree: impl FnOnce() -> clap::Command) -> Stop {
        match self {
            Interrupted::Help => Stop::Help(help(tree())),
            Interrupted::Wrong(message) => {
                let first_line = message.clone();
                usage(message, Some(&first_line), &tree())
            }
        }
    }
}

fn usage(message: String, what: Option<&str>, tree: &clap::Command) -> Stop {
    let what = what.map_or(".".to_owned(), |what| format!(": {what}"));
    let help = help(tree.clone());
    Stop::Error(UsageError {
        message,
        exit_code: 1,
        help: Some(format!("Incorrect Usage{what}\n\n{help}")),
    })
}

fn failure(message: String, exit_code: u8) -> Stop {
    Stop::Error(UsageError {
        message,
        exit_code,
        help: None,
    })
}

fn help(mut tree: clap::Command) -> String {
    tree.render_help().to_string()
}
