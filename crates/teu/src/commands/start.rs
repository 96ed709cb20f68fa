//! `start`: runs the program of a created container.

use super::container;
use crate::context;
use libcontainer::Result;
use liboci_cli::Global;

/// Runs the command.
#[inline(never)]
pub fn run(global: &Global, id: &str) -> Result<i32> {
    container(global, id)?
        .start(context::notify_socket().as_deref())
        .map(|()| 0)
}
