//! `delete`: removes a container.

use crate::context;
use crate::log::Log;
use libcontainer::{Kind, Result};
use liboci_cli::{Delete, Global};

/// Runs the command. With `--force` a container that does not exist is as good as deleted.
#[inline(never)]
pub fn run(global: &Global, command: &Delete, log: &mut Log) -> Result<i32> {
    match libcontainer::delete::delete(&context::state_root(global)?, &command.id, command.force) {
        Err(e) if command.force && e.kind() == Kind::NotFound => Ok(0),
        other => {
            log.warn(&other?);
            Ok(0)
        }
    }
}
