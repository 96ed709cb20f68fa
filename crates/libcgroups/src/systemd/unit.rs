//! From `slice:prefix:name` to a unit and its place.

use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::path;
use crate::plan::{Plan, PlannedDir, Request};
use crate::resources::BlockIo;
use crate::systemd::gvariant;
use crate::systemd::wire::Property;
use serde::{Deserialize, Serialize};
use std::fmt;

const FIELD: &str = "/linux/cgroupsPath";

/// A transient unit to be made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Unit {
    /// With its suffix: `teu-c1.scope`, `pod1.slice`.
    pub name: String,
    /// The slice it is in: `system.slice`; `-.slice` is the root.
    pub slice: String,
    /// The user's own service manager instead of the system's.
    pub user: bool,
    /// A child cgroup for the processes.
    pub subgroup: Option<String>,
    pub id: String,
    /// As [`Request::properties`].
    pub extra: Vec<(String, String)>,
    /// What limits it.
    pub limits: Vec<Property>,
    /// What limits it beside, in numbers that depend on the kernel (v2).
    pub block_io: Option<BlockIo>,
}

/// What later commands need to know of a unit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RecordedUnit {
    /// Name of the unit.
    pub name: String,
    /// Whether it belongs to the user's own service manager.
    pub user: bool,
    /// The child cgroup in which the processes live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subgroup: Option<String>,
}

impl Unit {
    pub fn is_slice(&self) -> bool {
        self.name.ends_with(".slice")
    }

    pub fn record(&self) -> RecordedUnit {
        RecordedUnit {
            name: self.name.clone(),
            user: self.user,
            subgroup: self.subgroup.clone(),
        }
    }

    /// `cgroupsPath` as systemd's driver reads it: `slice:prefix:name`. Nothing said means `teu-<id>.scope` in the default slice.
    pub fn parse(path: Option<&str>, id: &str, user: bool) -> Result<Unit> {
        let default_slice = if user { "user.slice" } else { "system.slice" };
        let (slice, prefix, name) = match path.unwrap_or("") {
            "" => (default_slice, "teu", id),
            path => {
                let parts: Vec<_> = path.split(':').collect();
                match parts[..] {
                    [slice, prefix, name] if !name.is_empty() => (
                        if slice.is_empty() {
                            default_slice
                        } else {
                            slice
                        },
                        prefix,
                        name,
                    ),
                    _ => {
                        let message = format!(
                            "expected cgroupsPath to be of the form \"slice:prefix:name\" for the systemd driver, got {path:?}"
                        );
                        return Err(Error::refuse(FIELD, message));
                    }
                }
            }
        };
        expand_slice(slice)?;
        let name = match (name.ends_with(".slice"), prefix) {
            (true, _) => name.to_owned(),
            (false, "") => format!("{name}.scope"),
            (false, prefix) => format!("{prefix}-{name}.scope"),
        };
        // systemd.unit(5): "the unit name prefix must consist of one or more valid characters (ASCII letters, digits, ":", "-", "_", ".", and "\")".
        let valid = |b: u8| {
            b.is_ascii_alphanumeric() || matches!(b, b':' | b'-' | b'_' | b'.' | b'\\' | b'@')
        };
        if name.len() > 255 || !name.bytes().all(valid) {
            return Err(Error::refuse(
                FIELD,
                format!("{name:?} is not a valid name of a systemd unit"),
            ));
        }
        if name.ends_with(".slice") {
            expand_slice(&name)?;
        }
        Ok(Unit {
            name,
            slice: slice.to_owned(),
            user,
            subgroup: None,
            id: id.to_owned(),
            extra: Vec::new(),
            limits: Vec::new(),
            block_io: None,
        })
    }

    /// The unit's cgroup below that of its service manager. A slice's own name says where it is.
    pub fn path(&self) -> Result<String> {
        if self.is_slice() {
            return expand_slice(&self.name);
        }
        Ok(format!("{}/{}", expand_slice(&self.slice)?, self.name))
    }
}

/// `a-b.slice` is the cgroup `/a.slice/a-b.slice` (systemd.slice(5)); `-.slice` is the root, here the empty string.
pub(crate) fn expand_slice(slice: &str) -> Result<String> {
    let invalid = || Error::refuse(FIELD, format!("invalid slice name: {slice:?}"));
    let stem = slice.strip_suffix(".slice").ok_or_else(invalid)?;
    if stem == "-" {
        return Ok(String::new());
    }
    let mut path = String::new();
    let mut prefix = String::new();
    for part in stem.split('-') {
        if part.is_empty() || part.contains('/') || part == ".." {
            return Err(invalid());
        }
        prefix += part;
        path += &format!("/{prefix}.slice");
        prefix.push('-');
    }
    Ok(path)
}

/// Plans the unit and the directories that it will turn out as.
pub(crate) fn plan(layout: &Layout, request: &Request<'_>, plan: &mut Plan) -> Result<()> {
    let mut unit = Unit::parse(request.path, request.id, request.rootless)?;
    for (name, text) in request.properties {
        gvariant::property(name, text)
            .map_err(|e| Error::refuse(format!("/annotations/org.systemd.property.{name}"), e))?;
    }
    unit.extra = request.properties.to_vec();
    let mut path = unit.path()?;
    if let Some(sub) = request.subgroup.filter(|s| !s.is_empty()) {
        let sub = path::components(sub)
            .map_err(|e| Error::new(format!("sub-cgroup of the unit: {e}")))?;
        path += &sub;
        unit.subgroup = Some(sub);
    }
    for mount in &layout.v1 {
        let base = manager_base(&mount.own, unit.user);
        plan.dirs.push(PlannedDir::new(
            &mount.mountpoint,
            base + &path,
            mount.subsystems.clone(),
        ));
    }
    if let Some(mount) = &layout.v2 {
        let base = manager_base(&mount.own, unit.user);
        plan.dirs
            .push(PlannedDir::new(&mount.mountpoint, base + &path, Vec::new()));
    }
    plan.unit = Some(unit);
    Ok(())
}

/// The cgroup of the service manager: the root, or the user's `user@UID.service`, which a member of the user's session can tell from its own
/// path. Where the unit really is, the kernel says once a process is in it.
fn manager_base(own: &str, user: bool) -> String {
    if !user {
        return String::new();
    }
    if let Some((before, rest)) = own.split_once("/user@") {
        if let Some((uid, _)) = rest.split_once(".service") {
            return format!("{before}/user@{uid}.service");
        }
    }
    match own
        .split('/')
        .find_map(|c| c.strip_prefix("user-")?.strip_suffix(".slice"))
    {
        Some(uid) => format!("/user.slice/user-{uid}.slice/user@{uid}.service"),
        None => String::new(),
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let manager = if self.user {
            "the user's service manager"
        } else {
            "systemd"
        };
        writeln!(
            f,
            "start transient unit {} in {} by {manager}",
            self.name, self.slice
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_parts_make_a_unit_and_its_place() {
        let table = [
            (None, "teu-id.scope", "/system.slice/teu-id.scope"),
            (
                Some("system.slice:docker:x"),
                "docker-x.scope",
                "/system.slice/docker-x.scope",
            ),
            (
                Some("kube-pods-pod1.slice:cri:c"),
                "cri-c.scope",
                "/kube.slice/kube-pods.slice/kube-pods-pod1.slice/cri-c.scope",
            ),
            (Some("-.slice::x"), "x.scope", "/x.scope"),
            (Some(":p:x"), "p-x.scope", "/system.slice/p-x.scope"),
            (
                Some("user.slice:p:a-b.slice"),
                "a-b.slice",
                "/a.slice/a-b.slice",
            ),
        ];
        for (path, name, place) in table {
            let unit = Unit::parse(path, "id", false).unwrap();
            assert_eq!(
                (unit.name.as_str(), unit.path().unwrap().as_str()),
                (name, place),
                "{path:?}"
            );
        }
        assert_eq!(
            Unit::parse(None, "id", true).unwrap().path().unwrap(),
            "/user.slice/teu-id.scope"
        );
    }

    #[test]
    fn bad_names_are_refused() {
        for path in [
            "/a/b",
            "a:b",
            "a:b:c:d",
            "x.slice:p:",
            "x:p:n",
            "a--b.slice:p:n",
            "-a.slice:p:n",
            "a/b.slice:p:n",
            "x.slice:p:n/../m",
            "x.slice:p:a--b.slice",
        ] {
            assert_eq!(
                Unit::parse(Some(path), "id", false).unwrap_err().field(),
                Some(FIELD),
                "{path}"
            );
        }
    }

    #[test]
    fn a_user_manager_is_found_from_the_own_path() {
        for (own, base) in [
            (
                "/user.slice/user-1000.slice/session-2.scope",
                "/user.slice/user-1000.slice/user@1000.service",
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope",
                "/user.slice/user-1000.slice/user@1000.service",
            ),
            ("/", ""),
        ] {
            assert_eq!(manager_base(own, true), base);
        }
        assert_eq!(
            manager_base("/user.slice/user-1000.slice/session-2.scope", false),
            ""
        );
    }
}
