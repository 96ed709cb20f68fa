//! `explain`: prints the plan of a container without making it.

use super::create::{detached_console, options};
use super::print;
use crate::context;
use libcontainer::Result;
use liboci_cli::{Create, Global};

/// Runs the command.
#[inline(never)]
pub fn run(global: &Global, command: &Create) -> Result<i32> {
    let state_root = context::state_root(global)?;
    let (_, plan, _) = libcontainer::create::decide(&options(
        global,
        command,
        &state_root,
        detached_console(command),
    ))?;
    print(plan.to_string().as_bytes())
}
