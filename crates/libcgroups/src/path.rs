//! From `cgroupsPath` to the place in each hierarchy.

use crate::error::{Error, Result};

const FIELD: &str = "/linux/cgroupsPath";

/// Where a path of the configuration leads.
#[derive(Debug, PartialEq)]
pub(crate) enum Place {
    /// Below the root of each hierarchy.
    Absolute(String),
    /// Below a cgroup of the runtime's own choice. The specification lets runtimes pick; see [`below_own`] and [`beside_own`].
    Relative(String),
}

/// Reads `cgroupsPath` for cgroupfs. Nothing said means the workload's id.
pub(crate) fn parse(path: Option<&str>, id: &str) -> Result<Place> {
    let path = path.unwrap_or("");
    let clean =
        components(if path.is_empty() { id } else { path }).map_err(|e| Error::refuse(FIELD, e))?;
    if clean.is_empty() {
        return Err(Error::refuse(
            FIELD,
            "the root cgroup belongs to the host: name one below it",
        ));
    }
    Ok(if path.starts_with('/') {
        Place::Absolute(clean)
    } else {
        Place::Relative(clean)
    })
}

/// The components joined by single slashes, each with one in front. Climbing is refused, not resolved: nobody means it.
pub(crate) fn components(path: &str) -> std::result::Result<String, String> {
    let mut clean = String::with_capacity(path.len() + 1);
    for component in path.split('/').filter(|c| !c.is_empty() && *c != ".") {
        if component == ".." {
            return Err(format!("cgroup path {path:?} must not contain \"..\""));
        }
        if component.contains(['\0', '\n']) {
            return Err(format!(
                "cgroup path {path:?} must not contain a NUL byte or a newline"
            ));
        }
        if component.len() > 255 {
            return Err(format!(
                "a component of cgroup path {path:?} is longer than 255 bytes"
            ));
        }
        clean.push('/');
        clean.push_str(component);
    }
    Ok(clean)
}

/// v1: a relative place is below the runtime's own cgroup.
pub(crate) fn below_own(place: &Place, own: &str) -> String {
    match place {
        Place::Absolute(path) => path.clone(),
        Place::Relative(path) => format!("{}{path}", own.trim_end_matches('/')),
    }
}

/// v2: a relative place is beside the runtime's own cgroup, because a cgroup that holds processes can not give controllers to children
/// (cgroup-v2.rst, "No Internal Process Constraint").
pub(crate) fn beside_own(place: &Place, own: &str) -> String {
    match place {
        Place::Absolute(path) => path.clone(),
        Place::Relative(path) => format!(
            "{}{path}",
            own.rsplit_once('/').map_or("", |(parent, _)| parent)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let table = [
            (Some("/a/b"), "/a/b", "/a/b"),
            (Some("//a/./b/"), "/a/b", "/a/b"),
            (Some("a/b"), "/own/x/a/b", "/own/a/b"),
            (Some(""), "/own/x/id", "/own/id"),
            (None, "/own/x/id", "/own/id"),
        ];
        for (path, below, beside) in table {
            let place = parse(path, "id").unwrap();
            assert_eq!(
                (below_own(&place, "/own/x"), beside_own(&place, "/own/x")),
                (below.into(), beside.into()),
                "{path:?}"
            );
        }
        let place = parse(None, "id").unwrap();
        assert_eq!(
            (below_own(&place, "/"), beside_own(&place, "/")),
            ("/id".into(), "/id".into())
        );
    }

    #[test]
    fn climbing_and_the_root_are_refused() {
        for path in ["..", "/a/../b", "a/..", "/", "/.", "a\0b", "a\nb"] {
            assert_eq!(
                parse(Some(path), "id").unwrap_err().field(),
                Some(FIELD),
                "{path:?}"
            );
        }
        assert!(parse(Some(&"x".repeat(256)), "id").is_err());
    }
}
