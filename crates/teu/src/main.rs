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
use std::panic::PanicHookInfo;

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
        Ok(invocation) => {
            let invocation: &'static Invocation = Box::leak(Box::new(invocation));
            std::panic::set_hook(Box::new(|info| panicked(invocation, info)));
            run(invocation)
        }
        Err(stop) => stopped(stop),
    };
    let _ = std::io::stdout().flush();
    // The end of a process tidies up; doing it by hand before would only take longer.
    kernel::process::exit(code)
}

/// A panic is a bug, and the caller hears of it as of any other failure: a record in the log, and the exit code. A process on its way into a container has no log:
/// its paths may mean something else there.
fn panicked(invocation: &Invocation, info: &PanicHookInfo<'_>) {
    let log = match kernel::process::is_cloned() {
        true => None,
        false => log::Log::new(&invocation.global).ok(),
    };
    log.unwrap_or_else(log::Log::without_file)
        .write_error(&log::usage(info.to_string()));
    kernel::process::exit(failure(invocation))
}

/// The exit code of a command that failed. Callers of exec tell by it that it was not the process that failed.
fn failure(invocation: &Invocation) -> i32 {
    if matches!(invocation.command, Command::Exec(_)) {
        255
    } else {
        1
    }
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
            failure(invocation)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_leaves_a_record_and_the_exit_code_of_a_failure() {
        let dir = std::env::temp_dir().join(format!("teu-panic-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        for (command, code) in [("state", 1), ("exec", 255)] {
            let log = dir.join(command);
            let output = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--ignored", "--exact", "tests::panics", "--nocapture"])
                .env("LOG", &log)
                .env("COMMAND", command)
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(code), "{output:?}");
            let record = std::fs::read_to_string(&log).unwrap();
            let record: serde_json::Value = serde_json::from_str(&record).unwrap();
            let text = record["msg"].as_str().unwrap();
            assert!(
                text.contains("on purpose") && text.contains("main.rs"),
                "{text}"
            );
            assert_eq!(record["level"], "error");
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    #[ignore = "what the other test runs"]
    fn panics() {
        let words = ["teu", "--log-format", "json", "--log"].map(std::ffi::OsString::from);
        let more = [
            std::env::var_os("LOG").unwrap(),
            std::env::var_os("COMMAND").unwrap(),
            "id".into(),
            "program".into(),
        ];
        let more = more
            .into_iter()
            .take(if std::env::var("COMMAND").unwrap() == "exec" {
                4
            } else {
                3
            });
        let invocation =
            liboci_cli::parse(words.into_iter().chain(more)).unwrap_or_else(|_| unreachable!());
        std::panic::set_hook(Box::new(move |info| panicked(&invocation, info)));
        panic!("on purpose");
    }
}
