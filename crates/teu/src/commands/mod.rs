//! One short file per command. None is inlined here: a frame that has room for the variables of all commands would be pages of stack for each.

mod create;
mod delete;
mod events;
mod exec;
mod explain;
mod features;
mod kill;
mod list;
mod pause;
mod ps;
mod run;
mod seccomp;
mod select;
mod spec;
mod start;
mod state;
mod update;
pub mod version;

use crate::Outcome;
use crate::log::{Log, usage};
use kernel::process;
use libcontainer::lifecycle::Container;
use libcontainer::{Error, Kind, Result};
use liboci_cli::{Command, Global, Invocation};
use std::os::fd::AsFd;

/// Runs the command that was typed.
pub fn run(invocation: &Invocation, log: &mut Log) -> Outcome {
    let global = &invocation.global;
    let code = match &invocation.command {
        Command::Create(c) => create::run(global, c, log),
        Command::Run(c) => run::run(global, c, log),
        Command::Start { id } => start::run(global, id),
        Command::State { id } => state::run(global, id),
        Command::Kill(c) => kill::run(global, c),
        Command::Delete(c) => delete::run(global, c, log),
        Command::Exec(c) => exec::run(global, c, log),
        Command::List(c) => list::run(global, c, log),
        Command::Ps(c) => ps::run(global, c),
        Command::Events(c) => events::run(global, c),
        Command::Pause { id } => pause::pause(global, id),
        Command::Resume { id } => pause::resume(global, id),
        Command::Update(c) => update::run(global, c, log),
        Command::Spec(c) => spec::run(c),
        Command::Features => features::run(),
        Command::Explain(c) => explain::run(global, c),
        Command::SeccompExplain(c) => seccomp::explain(c),
        Command::SeccompCompile(c) => seccomp::compile(c),
        Command::Checkpoint(_) | Command::Restore(_) => {
            Err(usage("checkpoint and restore are not there yet"))
        }
    };
    code.map_or_else(Outcome::Failed, Outcome::Code)
}

/// Prepares commands that enter a container: seals this program, and closes what the caller left open.
pub fn enter(command: &Command) -> Result<()> {
    let preserve_fds = match command {
        Command::Create(c) => c.preserve_fds,
        Command::Run(c) => c.create.preserve_fds,
        Command::Exec(c) => c.preserve_fds,
        _ => return Ok(()),
    };
    check_stack()?;
    libcontainer::seal::seal()?;
    let first = 3u32
        .checked_add(preserve_fds)
        .and_then(|n| n.checked_add(crate::context::listen_fds()));
    let first = first
        .filter(|n| *n < i32::MAX as u32)
        .ok_or_else(|| usage("--preserve-fds is too large"))?;
    check_preserved(first as i32)?;
    kernel::io::close_from(first).map_err(|e| Error::os("close inherited descriptors", e))
}

/// Here, where nothing of our own is open yet: a number that the caller left free would be one of ours, and stay open until execve (CVE-2024-21626).
fn check_preserved(first: i32) -> Result<()> {
    match (3..first).find(|fd| !kernel::io::is_open(*fd)) {
        None => Ok(()),
        Some(fd) => Err(usage(format!(
            "--preserve-fds {}: descriptor {fd} is not open",
            first - 3
        ))),
    }
}

/// The stack grows as far as the limit lets it, and beyond that the kernel says nothing but SIGSEGV.
fn check_stack() -> Result<()> {
    /// Reading a configuration took 200 KiB without optimization, 90 KiB with it.
    const ENOUGH: u64 = 256 << 10;
    /// getrlimit(2); the same number on every architecture.
    const RLIMIT_STACK: u32 = 3;
    let limit = process::prlimit(0, RLIMIT_STACK, None)
        .map_err(|e| Error::os("read RLIMIT_STACK", e))?
        .soft;
    if limit >= ENOUGH {
        return Ok(());
    }
    let why = format!("a stack of {limit} bytes is too small for a runtime");
    Err(Error::new(Kind::Failed, why).hint(
        "raise RLIMIT_STACK to 256 KiB or more (ulimit -s 256); a container gets its own from /process/rlimits",
    ))
}

/// The container of that id.
fn container(global: &Global, id: &str) -> Result<Container> {
    Container::open(&crate::context::state_root(global)?, id)
}

/// Writes to standard output as a whole: Rust's own writes each line as soon as it is complete, and the rest by another call.
fn print(bytes: &[u8]) -> Result<i32> {
    kernel::io::write_all(std::io::stdout().as_fd(), bytes)
        .map_err(|e| Error::os("write to standard output", e))?;
    Ok(0)
}
