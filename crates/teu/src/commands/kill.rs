//! `kill`: sends a signal.

use super::container;
use crate::log::usage;
use libcontainer::Result;
use liboci_cli::{Global, Kill};

/// Runs the command.
#[inline(never)]
pub fn run(global: &Global, command: &Kill) -> Result<i32> {
    let signal = liboci_cli::parse_signal(&command.signal).map_err(|e| usage(e.to_string()))?;
    container(global, &command.id)?
        .kill(signal, command.all)
        .map(|()| 0)
}
