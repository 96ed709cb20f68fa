//! `run`: create and start in one.

use super::create::{detached_console, options};
use crate::context;
use crate::log::{Log, usage};
use libcontainer::Result;
use libcontainer::console::ConsoleTarget;
use libcontainer::create::Options;
use liboci_cli::{Global, Run};

/// Runs the command. The exit code in the foreground is the process'.
#[inline(never)]
pub fn run(global: &Global, command: &Run, log: &mut Log) -> Result<i32> {
    let create = &command.create;
    let state_root = context::state_root(global)?;
    let notify_socket = context::notify_socket();
    let notify_socket = notify_socket.as_deref();
    let seccomp_receiver = context::seccomp_receiver();
    let seccomp_receiver = seccomp_receiver.as_deref();
    if command.detach {
        let options = Options {
            notify_socket,
            seccomp_receiver,
            ..options(global, create, &state_root, detached_console(create))
        };
        log.warn(&libcontainer::run::detached(&options)?);
        return Ok(0);
    }
    if create.console_socket.is_some() {
        return Err(usage(
            "cannot use console socket if teu will not detach or allocate tty",
        ));
    }
    if !create.no_subreaper {
        // Processes that outlive the container's first one come to us, and do not stay behind as zombies.
        let _ = kernel::process::set_subreaper(true);
    }
    let options = Options {
        notify_socket,
        seccomp_receiver,
        ..options(global, create, &state_root, ConsoleTarget::Keep)
    };
    let exit = libcontainer::run::foreground(&options, command.keep, |warnings| {
        log.warn(warnings);
        log.write_warnings_aside();
    })?;
    Ok(exit.status())
}
