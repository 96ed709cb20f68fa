//! The `teu` command: arguments, one library call, output, exit code.

#![cfg_attr(not(test), no_main)]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests make files of their own")
)]

mod commands;
mod context;
mod log;

use liboci_cli::{Command, Invocation, Stop};
use std::ffi::OsString;
use std::io::Write;

#[global_allocator]
static MEMORY: kernel::arena::Global = kernel::arena::Global;

#[cfg(not(test))]
kernel::entry!(start);

/// Ends of a command.
pub enum Outcome {
    /// With this exit code; 0 is success.
    Code(i32),
    /// With an error, which is written once, here.
    Failed(libcontainer::Error),
}

#[cfg_attr(test, allow(dead_code, reason = "tests have a main of their own"))]
fn start(arguments: Vec<OsString>) -> i32 {
    let code = match liboci_cli::parse(arguments) {
        Ok(invocation) => run(&invocation),
        Err(stop) => stopped(stop),
    };
    let _ = std::io::stdout().flush();
    // The end of a process tidies up; doing it by hand before would only take longer.
    kernel::process::exit(code)
}

/// Help, version, or a command line that cannot be understood.
fn stopped(stop: Stop) -> i32 {
    let mut out = std::io::stdout().lock();
    match stop {
        Stop::Help(text) => {
            let _ = out.write_all(text.as_bytes());
            0
        }
        Stop::Version => {
            let _ = out.write_all(commands::version::text().as_bytes());
            0
        }
        Stop::Error(error) => {
            if let Some(help) = &error.help {
                let _ = out.write_all(help.as_bytes());
            }
            log::say(&format!("{error}\n"));
            i32::from(error.exit_code)
        }
    }
}

fn run(invocation: &Invocation) -> i32 {
    // Before anything is opened: what the caller left open is closed, by number.
    let entered = commands::enter(&invocation.command);
    let mut log = match log::Log::new(&invocation.global) {
        Ok(log) => log,
        Err(error) => {
            log::say(&format!("{error}\n"));
            return 1;
        }
    };
    let outcome = match entered {
        Ok(()) => commands::run(invocation, &mut log),
        Err(error) => Outcome::Failed(error),
    };
    match outcome {
        Outcome::Code(code) => {
            log.write_warnings();
            code
        }
        Outcome::Failed(error) => {
            log.write_error(&error);
            // Callers tell by this number that it was not the process that failed.
            if matches!(invocation.command, Command::Exec(_)) {
                255
            } else {
                1
            }
        }
    }
}
