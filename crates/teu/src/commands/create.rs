//! `create`: makes a container that waits for its start.

use crate::context;
use crate::log::Log;
use libcontainer::Result;
use libcontainer::console::ConsoleTarget;
use libcontainer::create::Options;
use liboci_cli::{Create, Global};
use std::path::Path;

/// Runs the command.
#[inline(never)]
pub fn run(global: &Global, command: &Create, log: &mut Log) -> Result<i32> {
    let state_root = context::state_root(global)?;
    let options = options(global, command, &state_root, detached_console(command));
    let notify_socket = context::notify_socket();
    let seccomp_receiver = context::seccomp_receiver();
    let options = Options {
        notify_socket: notify_socket.as_deref(),
        seccomp_receiver: seccomp_receiver.as_deref(),
        ..options
    };
    let created = libcontainer::create::create(&Options {
        await_command: true,
        ..options
    })?;
    log.warn(&created.warnings);
    Ok(0)
}

/// The terminal of a container that nobody stays with.
pub fn detached_console(command: &Create) -> ConsoleTarget<'_> {
    command
        .console_socket
        .as_deref()
        .map_or(ConsoleTarget::None, ConsoleTarget::Socket)
}

/// The library's options out of what was typed.
pub fn options<'a>(
    global: &Global,
    command: &'a Create,
    state_root: &'a Path,
    console: ConsoleTarget<'a>,
) -> Options<'a> {
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
        notify_socket: None,
        cgroup_driver: context::driver(global),
        rootless: context::rootless(global),
        seccomp_receiver: None,
    }
}
