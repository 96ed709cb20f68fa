//! `linux.namespaces`, `uidMappings`, `gidMappings` and `timeOffsets`: which namespaces are new, which are joined.

use super::{Host, IdMaps, Slot, SlotKind, c_string};
use crate::error::{Error, Result};
use crate::spec::{IdMapping, Linux, Spec};
use kernel::process::{
    CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWTIME,
    CLONE_NEWUSER, CLONE_NEWUTS,
};
use std::ffi::CString;
use std::fmt::Write;

/// The eight kinds: the specification's name, the file in /proc/PID/ns, the flag.
pub const KINDS: [(&str, &str, i32); 8] = [
    ("user", "user", CLONE_NEWUSER),
    ("pid", "pid", CLONE_NEWPID),
    ("network", "net", CLONE_NEWNET),
    ("ipc", "ipc", CLONE_NEWIPC),
    ("uts", "uts", CLONE_NEWUTS),
    ("cgroup", "cgroup", CLONE_NEWCGROUP),
    ("time", "time", CLONE_NEWTIME),
    // Last, because joining it changes the root directory that the other paths start from.
    ("mount", "mnt", CLONE_NEWNS),
];

/// The names of the kinds in a mask of `CLONE_NEW*`, for people.
pub fn names(mask: i32) -> String {
    KINDS
        .iter()
        .filter(|k| mask & k.2 != 0)
        .map(|k| k.0)
        .collect::<Vec<_>>()
        .join(", ")
}

/// A namespace to join.
#[derive(Clone, Debug)]
pub struct Join {
    /// `CLONE_NEW*`.
    pub kind: i32,
    /// The namespace file.
    pub path: CString,
    /// JSON pointer.
    pub field: String,
}

/// What the configuration says about namespaces.
#[derive(Clone, Debug, Default)]
pub struct Namespaces {
    /// `CLONE_NEW*` of those to make.
    pub new: i32,
    /// Those to join, in the order of [`KINDS`].
    pub joins: Vec<Join>,
}

impl Namespaces {
    /// Whether the container has this kind to itself or shares it with a container: anything but the runtime's own.
    pub fn has(&self, kind: i32) -> bool {
        self.new & kind != 0 || self.join(kind).is_some()
    }

    /// The namespace of this kind that is joined.
    pub fn join(&self, kind: i32) -> Option<&Join> {
        self.joins.iter().find(|j| j.kind == kind)
    }

    /// Slots for the files to join.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.joins.iter().map(|j| Slot {
            what: SlotKind::Namespace {
                path: j.path.clone(),
                kind: j.kind,
            },
            field: j.field.clone().into(),
        })
    }
}

/// Reads the list.
///
/// # Errors
/// An unknown or repeated type.
pub fn namespaces(linux: &Linux) -> Result<Namespaces> {
    let mut result = Namespaces::default();
    let mut seen = 0;
    for (i, namespace) in linux.namespaces.iter().enumerate() {
        let field = format!("/linux/namespaces/{i}");
        let Some(&(_, _, kind)) = KINDS.iter().find(|k| k.0 == namespace.r#type) else {
            let known = KINDS.map(|k| k.0).join(", ");
            let why = format!("unknown namespace type \"{}\"", namespace.r#type);
            return Err(Error::invalid(field + "/type", why).hint(format!("the types are {known}")));
        };
        if seen & kind != 0 {
            return Err(Error::invalid(
                field,
                format!("namespace \"{}\" is listed twice", namespace.r#type),
            ));
        }
        seen |= kind;
        match &namespace.path {
            None => result.new |= kind,
            Some(path) => {
                if !path.starts_with('/') {
                    return Err(Error::invalid(
                        field + "/path",
                        format!("namespace path \"{path}\" is not absolute"),
                    ));
                }
                let path = c_string(path, || format!("{field}/path"))?;
                result.joins.push(Join {
                    kind,
                    path,
                    field: field + "/path",
                });
            }
        }
    }
    result
        .joins
        .sort_by_key(|j| KINDS.iter().position(|k| k.2 == j.kind));
    Ok(result)
}

/// Decides the maps of a new user namespace.
///
/// # Errors
/// Maps without a namespace to map, a new user namespace without maps, ranges that are empty, overflow or overlap, and what an unprivileged user cannot have.
pub fn id_maps(linux: &Linux, namespaces: &Namespaces, host: &Host) -> Result<Option<IdMaps>> {
    let maps = [
        ("/linux/uidMappings", &linux.uid_mappings),
        ("/linux/gidMappings", &linux.gid_mappings),
    ];
    if namespaces.new & CLONE_NEWUSER == 0 {
        // A joined namespace has its maps already; engines repeat them in the configuration.
        if namespaces.join(CLONE_NEWUSER).is_none() {
            if let Some((field, _)) = maps.iter().find(|(_, list)| !list.is_empty()) {
                let why = "id mappings need a user namespace";
                return Err(Error::invalid(*field, why)
                    .hint("add {\"type\": \"user\"} to /linux/namespaces"));
            }
        }
        return Ok(None);
    }
    for (field, list) in maps {
        check_ranges(field, list)?;
    }
    let single =
        |list: &[IdMapping], own: u32| matches!(list, [m] if m.size == 1 && m.host_id == own);
    // A process without CAP_SETUID over its namespace may map exactly its own id (user_namespaces(7)); for more there are newuidmap and newgidmap.
    let own_only = single(&linux.uid_mappings, host.euid) && single(&linux.gid_mappings, host.egid);
    Ok(Some(IdMaps {
        uid: lines(&linux.uid_mappings),
        gid: lines(&linux.gid_mappings),
        deny_setgroups: !host.privileged && own_only,
        with_helpers: !host.privileged && !own_only,
    }))
}

/// As many ranges as a map holds (user_namespaces(7)).
const MAX_RANGES: usize = 340;

/// Refuses ranges that are empty, overflow or overlap. `field` is the pointer of the list.
pub fn check_ranges(field: &str, list: &[IdMapping]) -> Result<()> {
    if list.is_empty() {
        let why = "a new user namespace needs id mappings";
        return Err(Error::invalid(field.to_owned(), why).hint("map at least one id, such as {\"containerID\": 0, \"hostID\": 100000, \"size\": 65536}"));
    }
    if list.len() > MAX_RANGES {
        let why = format!(
            "{} id mappings: the kernel takes at most {MAX_RANGES}",
            list.len()
        );
        return Err(Error::invalid(format!("{field}/{MAX_RANGES}"), why));
    }
    for (i, m) in list.iter().enumerate() {
        let end = |start: u32| start.checked_add(m.size).filter(|_| m.size > 0);
        if end(m.container_id).is_none() || end(m.host_id).is_none() {
            let why = format!(
                "mapping of {} ids from {} to {} is empty or exceeds the last id",
                m.size, m.container_id, m.host_id
            );
            return Err(Error::invalid(format!("{field}/{i}"), why));
        }
        let overlap = |a: u32, b: u32, size: u32| {
            u64::from(a) < u64::from(b) + u64::from(size)
                && u64::from(b) < u64::from(a) + u64::from(m.size)
        };
        if list[..i].iter().any(|o| {
            overlap(m.container_id, o.container_id, o.size) || overlap(m.host_id, o.host_id, o.size)
        }) {
            return Err(Error::invalid(
                format!("{field}/{i}"),
                "id mapping overlaps an earlier one",
            ));
        }
    }
    Ok(())
}

/// The content of a map file.
pub fn lines(list: &[IdMapping]) -> String {
    list.iter().fold(String::new(), |mut text, m| {
        let _ = writeln!(text, "{} {} {}", m.container_id, m.host_id, m.size);
        text
    })
}

/// The id on the host of `id` inside.
pub fn to_host(list: &[IdMapping], id: u32) -> Option<u32> {
    let m = list
        .iter()
        .find(|m| id >= m.container_id && id - m.container_id < m.size)?;
    Some(m.host_id + (id - m.container_id))
}

/// The content of timens_offsets (time_namespaces(7)).
///
/// # Errors
/// Offsets without a new time namespace, an unknown clock, or nanoseconds beyond a second.
pub fn time_offsets(linux: &Linux, namespaces: &Namespaces) -> Result<Option<CString>> {
    if linux.time_offsets.is_empty() {
        return Ok(None);
    }
    const FIELD: &str = "/linux/timeOffsets";
    if namespaces.new & CLONE_NEWTIME == 0 {
        return Err(
            Error::invalid(FIELD, "clock offsets need a new time namespace")
                .hint("add {\"type\": \"time\"} without a path to /linux/namespaces"),
        );
    }
    let mut text = String::new();
    for (clock, offset) in &linux.time_offsets {
        if !matches!(clock.as_str(), "monotonic" | "boottime") {
            let why = format!("unknown clock \"{clock}\"");
            return Err(
                Error::invalid(format!("{FIELD}/{}", super::pointer(clock)), why)
                    .hint("the clocks are monotonic and boottime"),
            );
        }
        if offset.nanosecs >= 1_000_000_000 {
            return Err(Error::invalid(
                format!("{FIELD}/{clock}/nanosecs"),
                "nanosecs must be below 1000000000",
            ));
        }
        let _ = writeln!(text, "{clock} {} {}", offset.secs, offset.nanosecs);
    }
    c_string(&text, || FIELD.into()).map(Some)
}

/// Refuses what needs a namespace that the container does not have.
pub fn check_needs(spec: &Spec, linux: &Linux, ns: &Namespaces) -> Result<()> {
    let need = |given: bool, kind: i32, field: &'static str, what: &str, name: &str| {
        if given && !ns.has(kind) {
            let hint = format!("add {{\"type\": \"{name}\"}} to /linux/namespaces");
            return Err(Error::invalid(
                field,
                format!("{what} needs a {name} namespace of its own"),
            )
            .hint(hint));
        }
        Ok(())
    };
    need(
        ns.has(CLONE_NEWUSER),
        CLONE_NEWNS,
        "/linux/namespaces",
        "a container with a user namespace",
        "mount",
    )?;
    need(
        spec.hostname.is_some(),
        CLONE_NEWUTS,
        "/hostname",
        "a host name",
        "uts",
    )?;
    need(
        spec.domainname.is_some(),
        CLONE_NEWUTS,
        "/domainname",
        "a domain name",
        "uts",
    )?;
    need(
        !linux.masked_paths.is_empty(),
        CLONE_NEWNS,
        "/linux/maskedPaths",
        "masking paths",
        "mount",
    )?;
    need(
        !linux.readonly_paths.is_empty(),
        CLONE_NEWNS,
        "/linux/readonlyPaths",
        "making paths read-only",
        "mount",
    )?;
    need(
        !linux.net_devices.is_empty(),
        CLONE_NEWNET,
        "/linux/netDevices",
        "moving network devices",
        "network",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Namespace, TimeOffset};

    fn linux(list: &[(&str, Option<&str>)]) -> Linux {
        let namespaces = list
            .iter()
            .map(|(t, p)| Namespace {
                r#type: (*t).into(),
                path: p.map(Into::into),
            })
            .collect();
        Linux {
            namespaces,
            ..Linux::default()
        }
    }

    fn pointer(e: Error) -> String {
        e.pointer().unwrap().to_owned()
    }

    #[test]
    fn the_list_becomes_flags_and_joins() {
        let ns = namespaces(&linux(&[
            ("mount", Some("/m")),
            ("pid", None),
            ("user", Some("/u")),
            ("uts", None),
        ]))
        .unwrap();
        assert_eq!(ns.new, CLONE_NEWPID | CLONE_NEWUTS);
        assert_eq!(
            ns.joins.iter().map(|j| j.kind).collect::<Vec<_>>(),
            [CLONE_NEWUSER, CLONE_NEWNS]
        );
        assert_eq!(names(ns.new), "pid, uts");
    }

    #[test]
    fn bad_lists_are_refused_at_their_field() {
        for (list, field) in [
            (
                &[("pid", None), ("pid", Some("/p"))][..],
                "/linux/namespaces/1",
            ),
            (&[("net", None)], "/linux/namespaces/0/type"),
            (
                &[("ipc", Some("proc/1/ns/ipc"))],
                "/linux/namespaces/0/path",
            ),
            (&[("ipc", Some("/a\0b"))], "/linux/namespaces/0/path"),
        ] {
            assert_eq!(pointer(namespaces(&linux(list)).unwrap_err()), field);
        }
    }

    #[test]
    fn maps_are_checked_and_written_as_lines() {
        let map = |c, h, s| IdMapping {
            container_id: c,
            host_id: h,
            size: s,
        };
        let good = |uid: Vec<IdMapping>, gid: Vec<IdMapping>, host: &Host| {
            let l = Linux {
                uid_mappings: uid,
                gid_mappings: gid,
                ..linux(&[("user", None)])
            };
            id_maps(&l, &namespaces(&l).unwrap(), host)
        };
        let root = Host::for_tests(0, true);
        let user = Host::for_tests(1000, false);
        let maps = good(
            vec![map(0, 100_000, 10), map(10, 7, 1)],
            vec![map(0, 100_000, 10)],
            &root,
        )
        .unwrap()
        .unwrap();
        assert_eq!(maps.uid, "0 100000 10\n10 7 1\n");
        assert!(!maps.with_helpers && !maps.deny_setgroups);
        let own = good(vec![map(0, 1000, 1)], vec![map(0, 1000, 1)], &user)
            .unwrap()
            .unwrap();
        assert!(own.deny_setgroups && !own.with_helpers);
        let more = good(
            vec![map(0, 1000, 1), map(1, 100_000, 9)],
            vec![map(0, 1000, 1)],
            &user,
        )
        .unwrap()
        .unwrap();
        assert!(!more.deny_setgroups && more.with_helpers);
        for (uid, field) in [
            (vec![], "/linux/uidMappings"),
            (vec![map(0, 0, 0)], "/linux/uidMappings/0"),
            (vec![map(0, u32::MAX, 2)], "/linux/uidMappings/0"),
            (vec![map(0, 0, 10), map(9, 100, 1)], "/linux/uidMappings/1"),
            (vec![map(0, 0, 10), map(10, 9, 1)], "/linux/uidMappings/1"),
        ] {
            assert_eq!(
                pointer(good(uid, vec![map(0, 0, 1)], &root).unwrap_err()),
                field
            );
        }
        assert_eq!(to_host(&[map(0, 100, 5), map(5, 7, 1)], 5), Some(7));
        assert_eq!(to_host(&[map(0, 100, 5)], 5), None);
    }

    #[test]
    fn offsets_need_a_new_time_namespace() {
        let mut l = linux(&[("time", None)]);
        l.time_offsets.insert(
            "boottime".into(),
            TimeOffset {
                secs: -3,
                nanosecs: 5,
            },
        );
        let text = time_offsets(&l, &namespaces(&l).unwrap()).unwrap().unwrap();
        assert_eq!(text, c"boottime -3 5\n".to_owned());
        l.time_offsets.insert("wall".into(), TimeOffset::default());
        assert_eq!(
            pointer(time_offsets(&l, &namespaces(&l).unwrap()).unwrap_err()),
            "/linux/timeOffsets/wall"
        );
        assert_eq!(
            pointer(time_offsets(&l, &Namespaces::default()).unwrap_err()),
            "/linux/timeOffsets"
        );
    }
}
