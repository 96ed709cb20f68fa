//! Writes shell completions and manual pages: `cargo run --example generate -- DIR`.
//!
//! They are files of the package, so the runtime itself carries neither them nor clap.

#![allow(clippy::disallowed_methods, reason = "files that the caller names")]

use std::fs;
use std::path::Path;

use clap::{Arg, ArgAction, Command, ValueHint};
use clap_complete::{Shell, generate_to};
use liboci_cli::{COMMANDS, Flag, GROUPS, MANY, Row, global_flags};

fn main() -> std::io::Result<()> {
    let Some(out) = std::env::args_os().nth(1) else {
        eprintln!("usage: generate DIR");
        std::process::exit(2);
    };
    let out = Path::new(&out);
    fs::create_dir_all(out)?;
    let mut tree = teu();
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        generate_to(shell, &mut tree, "teu", out)?;
    }
    clap_mangen::generate_to(tree, out)
}

/// The whole command line as clap describes it.
fn teu() -> Command {
    let mut tree = Command::new("teu")
        .about("A low-level container runtime")
        .disable_help_subcommand(true)
        .disable_version_flag(true)
        .args(arguments(&global_flags()));
    for row in COMMANDS.iter().filter(|row| !row.name.contains(' ')) {
        tree = tree.subcommand(command(row));
    }
    for (name, about) in GROUPS {
        let members = COMMANDS
            .iter()
            .filter(|row| row.name.split_once(' ').is_some_and(|(g, _)| g == name));
        tree = tree.subcommand(
            Command::new(name)
                .about(about)
                .disable_help_subcommand(true)
                .subcommands(members.map(command)),
        );
    }
    tree
}

fn command(row: &Row) -> Command {
    let word = row.name.rsplit(' ').next().unwrap_or(row.name);
    let operands = row.operands.iter().enumerate().map(|(index, operand)| {
        let repeats = row.count.1 == MANY && index + 1 == row.operands.len();
        let arg = Arg::new(operand.name).help(operand.help());
        match (repeats, index < row.count.0) {
            (true, _) => arg.action(ArgAction::Append).num_args(0..),
            (false, required) => arg.required(required),
        }
    });
    Command::new(word)
        .about(row.about)
        .after_help(row.notes)
        .args(operands)
        .args(arguments(row.flags))
}

fn arguments(flags: &[&'static [Flag]]) -> Vec<Arg> {
    let shown = flags.iter().copied().flatten().filter(|flag| !flag.hidden);
    shown.map(argument).collect()
}

fn argument(flag: &Flag) -> Arg {
    let arg = Arg::new(flag.long())
        .long(flag.long())
        .short(flag.short)
        .help(flag.help());
    let Some(value_name) = flag.value_name else {
        return arg.action(ArgAction::SetTrue);
    };
    let arg = match flag.default {
        Some(default) => arg.default_value(default),
        None => arg,
    };
    let arg = arg.value_name(value_name);
    match value_name {
        _ if !flag.choices.is_empty() => arg.value_parser(flag.choices.to_vec()),
        "DIR" => arg.value_hint(ValueHint::DirPath),
        "FILE" | "SOCKET" => arg.value_hint(ValueHint::FilePath),
        _ => arg,
    }
}
