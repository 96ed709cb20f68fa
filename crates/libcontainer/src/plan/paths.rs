//! `linux.maskedPaths` and `linux.readonlyPaths`.

use super::{Op, Step, c_string, step};
use crate::error::{Error, Result};
use crate::spec::{Linux, Mount};

/// A step for each path. A path given twice counts once. `hooks_mount`: hooks run before, which may have mounted anything anywhere.
///
/// # Errors
/// A path that is not absolute, or the root directory.
pub fn restricted_paths(linux: &Linux, mounts: &[Mount], hooks_mount: bool) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let lists = [
        ("readonlyPaths", &linux.readonly_paths),
        ("maskedPaths", &linux.masked_paths),
    ];
    for (name, list) in lists {
        let mut seen = std::collections::BTreeSet::new();
        for (i, path) in list.iter().enumerate() {
            let field = || format!("/linux/{name}/{i}");
            if !path.starts_with('/') {
                return Err(Error::invalid(
                    field(),
                    format!("path \"{path}\" is not absolute"),
                ));
            }
            if super::mounts::clean(path) == "/" {
                let why = format!("path \"{path}\" is the root filesystem");
                return Err(Error::invalid(field(), why)
                    .hint("/root/readonly makes that read-only; nothing can hide it"));
            }
            if !seen.insert(path) {
                continue;
            }
            let text = path;
            let path = c_string(path, field)?;
            let op = if name == "maskedPaths" {
                Op::Mask { path }
            } else {
                let below = |m: &Mount| may_lie_below(&m.destination, text);
                let alone = !hooks_mount && !mounts.iter().any(below);
                Op::ReadOnly { path, alone }
            };
            steps.push(step(op, field()));
        }
    }
    Ok(steps)
}

/// Whether a mount may lie below a path. A text with turns in it may.
fn may_lie_below(destination: &str, path: &str) -> bool {
    let turns = |text: &str| {
        let mut slash = false;
        text.bytes().any(|b| {
            let turn = slash && (b == b'/' || b == b'.');
            slash = b == b'/';
            turn
        })
    };
    destination.starts_with(path)
        || turns(destination)
        || turns(path)
        || !destination.starts_with('/')
}
