//! Help texts, made from the table.

use std::fmt::Write;

use crate::command::{COMMANDS, GROUPS, MANY, Row};
use crate::global::{Global, VERSION};
use crate::table::Flag;

/// Column at which explanations start, unless what they explain is longer.
const COLUMN: usize = 34;

const ABOUT: &str =
    "A low-level container runtime: it runs containers as the OCI runtime specification says.";

/// Help for the whole tool.
pub(crate) fn tool() -> String {
    let mut text = format!("{ABOUT}\n\nUsage: teu [OPTIONS] COMMAND ...\n\nCommands:\n");
    for row in COMMANDS.iter().filter(|row| !row.name.contains(' ')) {
        line(&mut text, row.name, row.about);
    }
    for (name, about) in GROUPS {
        line(&mut text, name, about);
    }
    options(&mut text, &[Global::FLAGS, &VERSION]);
    text.push_str("\n`teu help COMMAND` explains a command.\n");
    text
}

/// Help for the commands that begin with the word `group`.
pub(crate) fn group(group: &str) -> String {
    let mut text = format!("Usage: teu {group} COMMAND ...\n\nCommands:\n");
    for row in &COMMANDS {
        if row.name.split_once(' ').is_some_and(|(g, _)| g == group) {
            line(&mut text, row.name, row.about);
        }
    }
    text
}

/// Help for one command.
pub(crate) fn command(row: &Row) -> String {
    let mut text = format!("{}.\n\nUsage: teu {} [OPTIONS]", row.about, row.name);
    for operand in usage(row) {
        text.push(' ');
        text.push_str(&operand);
    }
    text.push('\n');
    if !row.operands.is_empty() {
        text.push_str("\nArguments:\n");
    }
    for operand in row.operands {
        line(&mut text, operand.name, operand.help());
    }
    options(&mut text, row.flags);
    if !row.notes.is_empty() {
        let _ = writeln!(text, "\n{}", row.notes);
    }
    text
}

/// The operands as the usage line shows them.
fn usage(row: &Row) -> impl Iterator<Item = String> {
    row.operands.iter().enumerate().map(|(index, operand)| {
        let repeats = row.count.1 == MANY && index + 1 == row.operands.len();
        let dots = if repeats { "..." } else { "" };
        match index < row.count.0 {
            true => format!("{}{dots}", operand.name),
            false => format!("[{}{dots}]", operand.name),
        }
    })
}

fn options(text: &mut String, flags: &[&[Flag]]) {
    text.push_str("\nOptions:\n");
    for flag in flags.iter().copied().flatten().filter(|flag| !flag.hidden) {
        let mut names = match flag.short {
            Some(short) => format!("-{short}, "),
            None => "    ".into(),
        };
        let _ = write!(names, "--{}", flag.long());
        if let Some(value) = flag.value_name {
            let _ = write!(names, " {value}");
        }
        let mut help = flag.help().to_owned();
        if !flag.choices.is_empty() {
            let _ = write!(help, ": {}", flag.choices.join(", "));
        }
        if let Some(default) = flag.default {
            let _ = write!(help, " (default {default})");
        }
        line(text, &names, &help);
    }
    line(text, "-h, --help", "Print help");
}

fn line(text: &mut String, what: &str, help: &str) {
    let width = COLUMN - 4;
    let gap = match what.len() > width {
        true => format!("\n{:COLUMN$}", ""),
        false => " ".repeat(width + 2 - what.len()),
    };
    let _ = writeln!(text, "  {what}{gap}{help}");
}
