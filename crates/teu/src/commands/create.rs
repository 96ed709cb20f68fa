//! `create`: makes a container that waits for its start.

use crate::context;
use crate::log::{Log, usage};
use libcontainer::console::ConsoleTarget;
use libcontainer::create::Options;
use libcontainer::{Result, seal};
use liboci_cli::{Create, Global};
use std::path::Path;

/// Runs the command.
pub fn run(global: &Global, command: &Create, log: &mut Log) -> Result<i32> {
    enter(command.preserve_fds)?;
    let state_root = context::state_root(global)?;
    let options = options(global, command, &state_root, detached_console(command));
    let created = libcontainer::create::create(&Options { await_command: true, ..options })?;
    log.warn(&created.warnings);
    Ok(0)
}

/// Seals this program, and closes what the caller left open, before anything else is opened.
pub fn enter(preserve_fds: u32) -> Result<()> {
    seal::seal()?;
    let first = 3u32.checked_add(preserve_fds).and_then(|n| n.checked_add(context::listen_fds()));
    let first = first.ok_or_else(|| usage("--preserve-fds is too large"))?;
    kernel::io::close_from(first).map_err(|e| libcontainer::Error::os("close inherited descriptors", e))
}

/// The terminal of a container that nobody stays with.
pub fn detached_console(command: &Create) -> ConsoleTarget<'_> {
    command.console_socket.as_deref().map_or(ConsoleTarget::None, ConsoleTarget::Socket)
}

/// The library's options out of what was typed.
pub fn options<'a>(global: &Global, command: &'a Create, state_root: &'a Path, console: ConsoleTarget<'a>) -> Options<'a> {
    Options {
        state_root,
        id: &command.id,
        bundle: &command.bundle,
        config: command.config.as_deref(),
        pid_file: command.pid_file.as_deref(),
        pidfd_socket: command.pidfd_socket.as_deref(),
        console,
        await_command: false,
        no_pivot: command.no_pivot,
        no_new_keyring: command.no_new_keyring,
        preserve_fds: command.preserve_fds,
        listen_fds: context::listen_fds(),
        cgroup_driver: context::driver(global),
        rootless: context::rootless(global),
    }
}
