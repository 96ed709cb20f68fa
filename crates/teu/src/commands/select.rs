//! Which containers a command is about: the one of an id, or with `--regex` all whose ids match.

use crate::context;
use crate::log::usage;
use libcontainer::{Error, Kind, Result};
use liboci_cli::Global;
use regex_lite::Regex;
use std::path::Path;

/// Does it to the container of that id. With `regex`, to every container whose id has a match of the expression: one that fails keeps
/// nobody from the others, and none at all is no error (crun(1)).
///
/// # Errors
/// Those of `act`, as one; [`Kind::Invalid`] for what is no regular expression.
#[inline(never)]
pub fn each(
    global: &Global,
    id: &str,
    regex: bool,
    mut act: impl FnMut(&Path, &str) -> Result<()>,
) -> Result<i32> {
    let root = context::state_root(global)?;
    match regex {
        false => act(&root, id)?,
        true => matching(&root, id, &mut act)?,
    }
    Ok(0)
}

/// Not inlined: what matches expressions has a frame that a plain id does not need.
#[inline(never)]
fn matching(
    root: &Path,
    expression: &str,
    act: &mut dyn FnMut(&Path, &str) -> Result<()>,
) -> Result<()> {
    let regex = Regex::new(expression)
        .map_err(|e| usage(format!("{expression:?} is no regular expression: {e}")))?;
    let mut failures = Vec::new();
    for id in libcontainer::state::ids(root)? {
        if !regex.is_match(&id) {
            continue;
        }
        match act(root, &id) {
            // It went away at this moment.
            Err(e) if e.kind() == Kind::NotFound => {}
            Err(e) => failures.push((id, e)),
            Ok(()) => {}
        }
    }
    as_one(failures).map_or(Ok(()), Err)
}

/// The error of one container, or of several with their ids.
fn as_one(mut failures: Vec<(String, Error)>) -> Option<Error> {
    if failures.len() < 2 {
        return failures.pop().map(|(_, e)| e);
    }
    let kind = failures[0].1.kind();
    let all: Vec<String> = failures
        .iter()
        .map(|(id, e)| format!("{id}: {e}"))
        .collect();
    Some(Error::new(kind, format!("{} containers", all.len())).cause(all.join(", ")))
}
