//! `list`, `ps`, `events`, `spec`: commands that only look, and the example.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::values;

/// How `list` and `ps` print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns for people.
    Table,
    /// JSON for programs.
    Json,
}

/// `list`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct List {
    /// How to print
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
    /// Print only the ids
    #[arg(short, long)]
    pub quiet: bool,
}

/// `ps`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Ps {
    /// How to print
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
    /// Name of the container
    #[arg(value_name = "ID")]
    pub id: String,
    /// Arguments for ps(1), for the table only; -ef when there are none
    #[arg(value_name = "PS-ARGS")]
    pub args: Vec<OsString>,
}

/// `events`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Events {
    /// Time between two reports, such as 5s, 100ms or 1m30s
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = values::parse_interval)]
    pub interval: Duration,
    /// Print the statistics once and exit
    #[arg(long)]
    pub stats: bool,
    /// Name of the container
    #[arg(value_name = "ID")]
    pub id: String,
}

/// `spec`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Spec {
    /// Directory to write config.json to
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub bundle: PathBuf,
    /// File to write instead of config.json in the bundle
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Write an example for a caller without privileges
    #[arg(long)]
    pub rootless: bool,
}
