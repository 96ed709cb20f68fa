//! `state`: prints where a container is in its life.

use super::{container, print};
use libcontainer::Result;
use liboci_cli::Global;

/// Runs the command.
#[inline(never)]
pub fn run(global: &Global, id: &str) -> Result<i32> {
    print(&container(global, id)?.output()?.to_json_pretty())
}
