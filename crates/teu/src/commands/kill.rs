//! `kill`: sends a signal.

use super::select;
use crate::log::usage;
use libcontainer::Result;
use libcontainer::lifecycle::Container;
use liboci_cli::{Global, Kill};

/// Runs the command.
#[inline(never)]
pub fn run(global: &Global, command: &Kill) -> Result<i32> {
    let signal = liboci_cli::parse_signal(&command.signal).map_err(|e| usage(e.to_string()))?;
    select::each(global, &command.id, command.regex, |root, id| {
        Container::open(root, id)?.kill(signal, command.all)
    })
}
