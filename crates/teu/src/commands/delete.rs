//! `delete`: removes a container.

use super::select;
use crate::log::Log;
use libcontainer::{Kind, Result};
use liboci_cli::{Delete, Global};

/// Runs the command. With `--force` a container that does not exist is as good as deleted.
#[inline(never)]
pub fn run(global: &Global, command: &Delete, log: &mut Log) -> Result<i32> {
    let done = select::each(global, &command.id, command.regex, |root, id| {
        match libcontainer::delete::delete(root, id, command.force) {
            Err(e) if command.force && e.kind() == Kind::NotFound => Ok(()),
            other => {
                log.warn(&other?);
                Ok(())
            }
        }
    });
    if command.regex {
        // Of those that were deleted, whatever comes of others.
        log.write_warnings();
    }
    done
}
