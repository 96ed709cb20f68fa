//! `seccomp explain` and `seccomp compile`: what a profile does, for people.

use super::print;
use libcontainer::error::During;
use libcontainer::{Error, Result, spec};
use liboci_cli::{SeccompCompile, SeccompExplain};
use seccomp::{Profile, Target};
use std::path::Path;

/// Reads a profile on its own, or the one in a config.json.
fn load(path: &Path) -> Result<Profile> {
    let bytes = std::fs::read(path).during(|| format!("read {}", path.display()))?;
    let whole: std::result::Result<spec::Spec, _> = spec::decode(&bytes);
    if let Some(profile) = whole.ok().and_then(|s| s.linux).and_then(|l| l.seccomp) {
        return Ok(profile);
    }
    spec::decode_json(&bytes).map_err(|e| libcontainer::create::decode_error(path, &e))
}

fn refused(e: seccomp::Error) -> Error {
    Error::invalid(e.pointer, e.message)
}

/// Says which rule decides a call.
#[inline(never)]
pub fn explain(command: &SeccompExplain) -> Result<i32> {
    let profile = load(&command.profile)?;
    let target = Target::native();
    let decision = seccomp::explain(&profile, target, target.0, &command.syscall, &command.args)
        .map_err(refused)?;
    print((decision.text + "\n").as_bytes())
}

/// Prints the program that a profile becomes.
#[inline(never)]
pub fn compile(command: &SeccompCompile) -> Result<i32> {
    let profile = load(&command.profile)?;
    match seccomp::compile(&profile, Target::native()).map_err(refused)? {
        None => print(b"no filter: the profile is empty\n"),
        Some(program) => print(program.to_string().as_bytes()),
    }
}
