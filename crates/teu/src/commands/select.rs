//! Which containers a command is about: the one of an id, or with `--regex` all whose ids match.

use crate::context;
use crate::log::usage;
use libcontainer::lifecycle::Container;
use libcontainer::{Error, Kind, Result};
use liboci_cli::Global;
use regex_lite::RegexBuilder;
use std::path::Path;

/// The bytes that a compiled expression may take: enough for any that means ids, which have 255 characters, and too little to fill the memory.
const EXPRESSION_SIZE: usize = 1 << 16;

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
    let regex = RegexBuilder::new(expression)
        .size_limit(EXPRESSION_SIZE)
        .build()
        .map_err(|e| usage(format!("{expression:?} is no regular expression: {e}")))?;
    let (mut count, mut failures) = (0, Vec::new());
    for id in libcontainer::state::ids(root)? {
        if !regex.is_match(&id) {
            continue;
        }
        // A folder without a record is somebody else's, or a container that is being made: only who names it can mean it.
        let done = Container::open(root, &id).and_then(|_| act(root, &id));
        match done {
            // It was none, or went away in the middle.
            Err(e) if e.kind() == Kind::NotFound || is_gone(root, &id) => continue,
            Err(e) => failures.push(format!("{id}: {e}")),
            Ok(()) => {}
        }
        count += 1;
    }
    match failures.len() {
        0 => Ok(()),
        failed => Err(
            Error::new(Kind::Failed, format!("{failed} of {count} containers"))
                .cause(failures.join(", ")),
        ),
    }
}

fn is_gone(root: &Path, id: &str) -> bool {
    Container::open(root, id).is_err_and(|e| e.kind() == Kind::NotFound)
}
