//! `seccomp explain` and `seccomp compile`: what a profile does, for people.

use super::print;
use libcontainer::error::During;
use libcontainer::{Error, Result, spec};
use liboci_cli::{SeccompCompile, SeccompExplain};
use seccomp::{Profile, Target};
use std::path::Path;

/// Reads a profile on its own, or the one in a config.json.
#[allow(clippy::disallowed_methods, reason = "a file that the caller names")]
fn load(path: &Path) -> Result<Profile> {
    let bytes = std::fs::read(path).during(|| format!("read {}", path.display()))?;
    let refused = |e: spec::DecodeError| libcontainer::create::decode_error(path, &e);
    // A profile has neither of these, and unknown keys are passed over: one in the wrong place must not pass for an empty one.
    let whole = serde_json::from_slice::<serde_json::Value>(&bytes)
        .is_ok_and(|v| v.get("ociVersion").is_some() || v.get("linux").is_some());
    if !whole {
        return spec::decode_json(&bytes).map_err(refused);
    }
    let linux = spec::decode(&bytes).map_err(refused)?.linux;
    Ok(linux.and_then(|l| l.seccomp).unwrap_or_default())
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
