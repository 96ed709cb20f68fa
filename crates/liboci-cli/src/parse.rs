//! From arguments to an [`Invocation`].

use std::ffi::{OsStr, OsString};

use crate::command::{COMMANDS, Command, GROUPS, Row};
use crate::global::{Global, VERSION};
use crate::go_flags::{Interrupted, scan};
use crate::help;
use crate::stop::{Stop, UsageError};
use crate::typed::BadValue;

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
/// Nothing is built to parse with: the table is constant, and only the command that
/// was named is looked at. Most commands of an engine are short.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, Stop> {
    let mut args = args.into_iter();
    let program = args.next().unwrap_or_else(|| "teu".into());
    let mut typed = scan(args, &[Global::FLAGS, &VERSION], 1)
        .map_err(|interrupted| interrupted.into_stop(help::tool))?;
    if typed.options.iter().any(|(name, _)| *name == "version") {
        return Err(Stop::Version);
    }
    let global = Global::read(&mut typed).map_err(|bad| bad.into_stop("", 1))?;
    let Some(row) = select(&mut typed.operands)? else {
        return Err(Stop::Help(help::tool()));
    };
    let command = read(row, typed.operands, &program)?;
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
            Some(row) => Err(Stop::Help(help::command(row))),
            None => Ok(None),
        };
    }
    if GROUPS.iter().any(|(group, _)| *group == name) {
        match words.next().filter(|word| !asks_for_help(word)) {
            Some(word) => name = format!("{name} {}", word.to_string_lossy()),
            None => return Err(Stop::Help(help::group(&name))),
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

fn asks_for_help(word: &OsString) -> bool {
    matches!(word.to_str(), Some("-h" | "-help" | "--help" | "help"))
}

/// Reads the options and operands of one command.
fn read(row: &Row, args: impl Iterator<Item = OsString>, program: &OsStr) -> Result<Command, Stop> {
    let mut typed = scan(args, row.flags, row.operands_end)
        .map_err(|interrupted| interrupted.into_stop(|| help::command(row)))?;
    if let Some(count) = wrong_count(row, typed.operands.len()) {
        let message = format!("{}: {:?} {count}", program.to_string_lossy(), row.name);
        return Err(usage(message, "Incorrect Usage.", help::command(row)));
    }
    let (context, exit_code) = match row.name {
        "exec" => ("exec failed: ", 255),
        _ => ("", 1),
    };
    let command = (row.read)(&mut typed).map_err(|bad| bad.into_stop(context, exit_code))?;
    match command {
        Command::Exec(exec) if exec.process.is_none() && exec.command.is_empty() => Err(failure(
            format!("{context}process args cannot be empty"),
            exit_code,
        )),
        command => Ok(command),
    }
}

fn wrong_count(row: &Row, count: usize) -> Option<String> {
    let (fewest, most) = row.count;
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

impl BadValue {
    fn into_stop(self, context: &str, exit_code: u8) -> Stop {
        let BadValue { of, value, reason } = self;
        let place = match of.starts_with(|c: char| c.is_ascii_lowercase()) {
            true => format!("flag -{}", of.replace('_', "-")),
            false => of.to_owned(),
        };
        let message = match of {
            // Known by these words.
            "log_format" => format!("invalid log-format: {} ({reason})", value.to_string_lossy()),
            _ => format!("{context}invalid value {value:?} for {place}: {reason}"),
        };
        failure(message, exit_code)
    }
}

impl Interrupted {
    fn into_stop(self, help: impl FnOnce() -> String) -> Stop {
        match self {
            Interrupted::Help => Stop::Help(help()),
            Interrupted::Wrong(message) => {
                let headline = format!("Incorrect Usage: {message}");
                usage(message, &headline, help())
            }
        }
    }
}

fn usage(message: String, headline: &str, help: String) -> Stop {
    Stop::Error(UsageError {
        message,
        exit_code: 1,
        help: Some(format!("{headline}\n\n{help}")),
    })
}

fn failure(message: String, exit_code: u8) -> Stop {
    Stop::Error(UsageError {
        message,
        exit_code,
        help: None,
    })
}
