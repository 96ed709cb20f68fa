//! `spec`: writes an example config.json.

use crate::log::usage;
use libcontainer::error::{During, Error};
use libcontainer::{Result, spec};
use liboci_cli::Spec;
use std::io::Write;

/// Runs the command. An existing file is never overwritten.
#[inline(never)]
#[allow(clippy::disallowed_methods, reason = "a file that the caller names")]
pub fn run(command: &Spec) -> Result<i32> {
    let path = command
        .file
        .clone()
        .unwrap_or_else(|| command.bundle.join("config.json"));
    let rootless = command.rootless.then(kernel::cred::initial_ids);
    let v2 = libcgroups::Layout::detect().is_ok_and(|l| l.is_v2());
    let text = spec::render(&spec::default_spec(rootless, v2)).map_err(|e| usage(e.to_string()))?;
    let what = || format!("write {}", path.display());
    let mut file = match std::fs::File::create_new(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(
                Error::os(format!("file {} exists", path.display()), e).hint("remove it first")
            );
        }
        other => other.during(what)?,
    };
    file.write_all(&text).during(what)?;
    Ok(0)
}
