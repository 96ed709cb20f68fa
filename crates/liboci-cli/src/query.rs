//! `list`, `ps`, `events`, `spec`: commands that only look, and the example.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::table::{choices, command_line, flag, option};
use crate::typed::{Read, Typed};
use crate::values;

choices! {
    /// How `list` and `ps` print.
    pub enum Format {
        /// Columns for people.
        Table = "table",
        /// JSON for programs.
        Json = "json",
    }
}

command_line! {
    /// `list`.
    pub struct List;
    options {
        /// How to print
        format: Format = option("FORMAT").short('f').choices(Format::NAMES).default("table"), format_or_table;
        /// Print only the ids
        quiet: bool = flag().short('q'), Typed::is_on;
    }
    operands {}
}

command_line! {
    /// `ps`.
    pub struct Ps;
    options {
        /// How to print
        format: Format = option("FORMAT").short('f').choices(Format::NAMES).default("table"), format_or_table;
    }
    operands {
        /// Name of the container
        id: String = "ID", Typed::operand;
        /// Arguments for ps(1), for the table only; -ef when there are none
        args: Vec<OsString> = "PS-ARG", Typed::rest;
    }
}

command_line! {
    /// `events`.
    pub struct Events;
    options {
        /// Time between two reports, such as 5s, 100ms or 1m30s
        interval: Duration = option("DURATION").default("5s"), interval;
        /// Print the statistics once and exit
        stats: bool = flag(), Typed::is_on;
    }
    operands {
        /// Name of the container
        id: String = "ID", Typed::operand;
    }
}

command_line! {
    /// `spec`.
    pub struct Spec;
    options {
        /// Directory to write config.json to
        bundle: PathBuf = option("DIR").short('b').default("."), Typed::path_or_here;
        /// File to write instead of config.json in the bundle
        file: Option<PathBuf> = option("FILE").short('f'), Typed::path;
        /// Write an example for a caller without privileges
        rootless: bool = flag(), Typed::is_on;
    }
    operands {}
}

fn format_or_table(typed: &mut Typed, field: &'static str) -> Read<Format> {
    let format = typed.parsed(field, Format::from_name)?;
    Ok(format.unwrap_or(Format::Table))
}

fn interval(typed: &mut Typed, field: &'static str) -> Read<Duration> {
    let interval = typed.parsed(field, values::parse_interval)?;
    Ok(interval.unwrap_or(Duration::from_secs(5)))
}
