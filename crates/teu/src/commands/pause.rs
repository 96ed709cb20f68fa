//! `pause` and `resume`.

use super::container;
use libcontainer::Result;
use liboci_cli::Global;

/// Freezes all processes.
#[inline(never)]
pub fn pause(global: &Global, id: &str) -> Result<i32> {
    container(global, id)?.pause().map(|()| 0)
}

/// Thaws them.
#[inline(never)]
pub fn resume(global: &Global, id: &str) -> Result<i32> {
    container(global, id)?.resume().map(|()| 0)
}
