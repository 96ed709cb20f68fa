//! What the payload's `inspect` saw, with the procfs formats taken apart.

use serde_json::Value;
use std::collections::BTreeMap;

/// The report of one process.
#[derive(Clone, Debug)]
pub struct Inside(pub Value);

/// One line of `/proc/self/mountinfo`, see proc(5).
#[derive(Clone, Debug, Default)]
pub struct Mount {
    /// The folder of the filesystem that is mounted.
    pub root: String,
    /// Where.
    pub point: String,
    /// Per-mount options.
    pub options: Vec<String>,
    /// `shared:N`, `master:N`, `unbindable`...
    pub propagation: Vec<String>,
    /// The filesystem type.
    pub kind: String,
    /// The source.
    pub source: String,
    /// Per-superblock options.
    pub super_options: Vec<String>,
}

impl Mount {
    /// Whether the per-mount options have `name`.
    pub fn has(&self, name: &str) -> bool {
        self.options.iter().any(|o| o == name)
    }

    /// Whether the per-superblock options have `name`.
    pub fn super_has(&self, name: &str) -> bool {
        self.super_options.iter().any(|o| o == name)
    }

    /// Whether it is in a peer group.
    pub fn is_shared(&self) -> bool {
        self.propagation.iter().any(|p| p.starts_with("shared:"))
    }

    /// Whether it receives from a peer group.
    pub fn is_slave(&self) -> bool {
        self.propagation.iter().any(|p| p.starts_with("master:"))
    }

    /// Whether it cannot be bound.
    pub fn is_unbindable(&self) -> bool {
        self.propagation.iter().any(|p| p == "unbindable")
    }
}

/// Parses a mountinfo file.
pub fn parse_mountinfo(text: &str) -> Vec<Mount> {
    let words = |list: &str| list.split(',').map(str::to_string).collect::<Vec<_>>();
    let mut mounts = Vec::new();
    for line in text.lines() {
        let Some((head, tail)) = line.split_once(" - ") else {
            continue;
        };
        let head: Vec<&str> = head.split(' ').collect();
        let tail: Vec<&str> = tail.split(' ').collect();
        if head.len() < 6 || tail.len() < 3 {
            continue;
        }
        mounts.push(Mount {
            root: head[3].to_string(),
            point: head[4].replace("\\040", " "),
            options: words(head[5]),
            propagation: head[6..].iter().map(|p| p.to_string()).collect(),
            kind: tail[0].to_string(),
            source: tail[1].to_string(),
            super_options: words(tail[2]),
        });
    }
    mounts
}

impl Inside {
    /// A file as the process read it, or an empty text.
    pub fn file(&self, path: &str) -> &str {
        self.0["files"][path].as_str().unwrap_or_default()
    }

    /// A line of `/proc/self/status`.
    pub fn status(&self, key: &str) -> String {
        self.file("/proc/self/status")
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
            .map(|value| value.trim().to_string())
            .unwrap_or_default()
    }

    /// A capability set: `CapEff` and the like.
    pub fn capabilities(&self, set: &str) -> u64 {
        u64::from_str_radix(&self.status(set), 16).unwrap_or(u64::MAX)
    }

    /// Supplementary groups, sorted.
    pub fn groups(&self) -> Vec<u32> {
        let mut groups: Vec<u32> = self
            .status("Groups")
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        groups.sort_unstable();
        groups
    }

    /// Real, effective, saved and filesystem id from `Uid` or `Gid`.
    pub fn ids(&self, key: &str) -> Vec<u32> {
        self.status(key)
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect()
    }

    /// The mount table.
    pub fn mounts(&self) -> Vec<Mount> {
        parse_mountinfo(self.file("/proc/self/mountinfo"))
    }

    /// The mount on top at exactly `point`.
    pub fn mount(&self, point: &str) -> Option<Mount> {
        self.mounts()
            .into_iter()
            .rev()
            .find(|mount| mount.point == point)
    }

    /// `type:[inode]` of a namespace, by its name in `/proc/self/ns`.
    pub fn namespace(&self, name: &str) -> String {
        self.0["namespaces"][name]
            .as_str()
            .unwrap_or_default()
            .to_string()
    }

    /// Soft and hard limit, by the name in `/proc/self/limits`; `unlimited` is `u64::MAX`.
    pub fn limit(&self, name: &str) -> Option<(u64, u64)> {
        let line = self
            .file("/proc/self/limits")
            .lines()
            .find(|line| line.starts_with(name))?;
        let mut words = line[name.len()..].split_whitespace();
        let mut number = || {
            let word = words.next()?;
            if word == "unlimited" {
                Some(u64::MAX)
            } else {
                word.parse().ok()
            }
        };
        Some((number()?, number()?))
    }

    /// The environment as `KEY=value`, as the kernel has it.
    pub fn environment(&self) -> Vec<String> {
        self.file("/proc/self/environ")
            .split('\0')
            .filter(|e| !e.is_empty())
            .map(str::to_string)
            .collect()
    }

    /// The value of one variable.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.environment()
            .into_iter()
            .find_map(|e| e.strip_prefix(name)?.strip_prefix('=').map(str::to_string))
    }

    /// Open descriptors and what they are.
    pub fn descriptors(&self) -> BTreeMap<u32, String> {
        let empty = serde_json::Map::new();
        let map = self.0["fds"].as_object().unwrap_or(&empty);
        map.iter()
            .filter_map(|(k, v)| Some((k.parse().ok()?, v.as_str()?.to_string())))
            .collect()
    }

    /// A field of `/proc/self/stat` by its number in proc(5), from 3 on.
    pub fn stat(&self, field: usize) -> i64 {
        let text = self.file("/proc/self/stat");
        let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        after_name
            .split_whitespace()
            .nth(field - 3)
            .and_then(|word| word.parse().ok())
            .unwrap_or_default()
    }

    /// The path in a hierarchy, by controller name, or the unified one for "".
    pub fn cgroup(&self, controller: &str) -> Option<String> {
        cgroup_path(self.file("/proc/self/cgroup"), controller)
    }
}

/// The path for `controller` in the text of a `/proc/PID/cgroup`.
pub fn cgroup_path(text: &str, controller: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, names, path) = (parts.next()?, parts.next()?, parts.next()?);
        names
            .split(',')
            .any(|name| name == controller)
            .then(|| path.to_string())
    })
}
