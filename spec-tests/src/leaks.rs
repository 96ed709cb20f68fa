//! What must not be left behind: processes, mounts, cgroups, entries of the state directory, keyrings, changes to what the caller lent.

use crate::context::Context;
use crate::patience;
use crate::reaper::children;
use crate::runtime::changed_descriptors;
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The mount table that the test must leave as it is.
pub struct Before {
    mounts: Vec<Mount>,
    dir: String,
}

impl Before {
    /// Remembers what is there now.
    pub fn now(dir: &Path) -> Before {
        Before {
            mounts: mounts(),
            dir: dir.to_string_lossy().into_owned(),
        }
    }

    /// What the test left, one sentence each. Things that go away by themselves are given a moment.
    pub fn leaks(&self, context: &Context) -> Vec<String> {
        let begin = Instant::now();
        loop {
            let mut found = Vec::new();
            found.extend(processes());
            found.extend(
                self.new_mounts()
                    .into_iter()
                    .map(|mount| format!("mount at {} ({})", mount.point, mount.rest)),
            );
            found.extend(
                self.lost_mounts()
                    .into_iter()
                    .map(|mount| format!("no mount at {} ({}) any more", mount.point, mount.rest)),
            );
            found.extend(
                cgroups(&context.tag)
                    .into_iter()
                    .map(|dir| format!("cgroup {}", dir.display())),
            );
            found.extend(state_entries(&context.state_dir(), &context.tag));
            found.extend(changed_descriptors());
            // The kernel's OOM reaper holds on to its victim, and so to the keyring, for two seconds.
            let patience = if found.is_empty() {
                patience::seconds(6)
            } else {
                patience::seconds(2)
            };
            found.extend(keyrings(&context.tag));
            if found.is_empty() || begin.elapsed() > patience {
                return found;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn new_mounts(&self) -> Vec<Mount> {
        self.ours(without(mounts(), &self.mounts))
    }

    fn lost_mounts(&self) -> Vec<Mount> {
        self.ours(without(self.mounts.clone(), &mounts()))
    }

    /// Without a mount namespace of its own the test sees what others on the machine mount meanwhile.
    fn ours(&self, mut mounts: Vec<Mount>) -> Vec<Mount> {
        mounts.retain(|mount| crate::host::is_root() || mount.point.starts_with(&self.dir));
        mounts
    }

    /// Ends and removes what is left, so that the next test starts clean.
    pub fn clean(&self, context: &Context) {
        for pid in children() {
            if let Some(pid) = Pid::from_raw(pid) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        let deadline = Instant::now() + patience::seconds(2);
        while !processes().is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        for mount in self.new_mounts().iter().rev() {
            let _ = unmount(mount.point.as_str(), UnmountFlags::DETACH);
        }
        remove_cgroups(&context.tag);
    }
}

/// Removes every cgroup whose path has `tag`, killing what is in it.
pub fn remove_cgroups(tag: &str) {
    let deadline = Instant::now() + patience::seconds(3);
    loop {
        let mut left = cgroups(tag);
        if left.is_empty() || Instant::now() > deadline {
            return;
        }
        left.sort_by_key(|dir| std::cmp::Reverse(dir.components().count()));
        for dir in left {
            let _ = fs::write(dir.join("freezer.state"), "THAWED");
            let _ = fs::write(dir.join("cgroup.freeze"), "0");
            for pid in fs::read_to_string(dir.join("cgroup.procs"))
                .unwrap_or_default()
                .lines()
            {
                if let Some(pid) = pid.parse().ok().and_then(Pid::from_raw) {
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
            let _ = fs::remove_dir(&dir);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A line of mountinfo: where it is, and its root, flags, propagation, type, source and options of the file system. Its number is of no account.
#[derive(Clone, PartialEq, Eq)]
struct Mount {
    point: String,
    rest: String,
}

fn mounts() -> Vec<Mount> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mount = |line: &str| {
        let mut fields = line.splitn(6, ' ').skip(3);
        let (root, point, rest) = (fields.next()?, fields.next()?, fields.next()?);
        // Those of cgroup2 are the machine's: whoever mounts it in the first cgroup namespace sets them for all, also another test's runtime.
        let rest = match rest.contains(" - cgroup2 ") {
            true => rest.rsplit_once(' ')?.0,
            false => rest,
        };
        Some(Mount {
            point: point.to_string(),
            rest: format!("{root} {rest}"),
        })
    };
    table.lines().filter_map(mount).collect()
}

/// What is in `all` more often than in `taken`.
fn without(mut all: Vec<Mount>, taken: &[Mount]) -> Vec<Mount> {
    for mount in taken {
        if let Some(at) = all.iter().position(|one| one == mount) {
            all.remove(at);
        }
    }
    all
}

/// Children that are still alive, after reaping those that ended. Whatever a runtime orphans becomes a child of the
/// worker, which is a subreaper.
fn processes() -> Vec<String> {
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
    children()
        .into_iter()
        .map(|pid| {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            format!("process {pid} ({})", command.trim())
        })
        .collect()
}

/// Every cgroup folder, in any hierarchy, whose name has `tag`.
pub fn cgroups(tag: &str) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut found = Vec::new();
    for line in table
        .lines()
        .filter(|line| line.contains(" - cgroup ") || line.contains(" - cgroup2 "))
    {
        if let Some(point) = line.split(' ').nth(4) {
            walk(Path::new(point), tag, false, 6, &mut found);
        }
    }
    found
}

fn walk(dir: &Path, tag: &str, below: bool, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
    {
        let ours = below || has_tag(&entry.file_name().to_string_lossy(), tag);
        if ours {
            found.push(entry.path());
        }
        if depth > 0 {
            walk(&entry.path(), tag, ours, depth - 1, found);
        }
    }
}

/// Whether `name` has the tag as a whole word: test 1 must not find what belongs to test 10.
fn has_tag(name: &str, tag: &str) -> bool {
    name.match_indices(tag)
        .any(|(at, _)| !name[at + tag.len()..].starts_with(|c: char| c.is_ascii_digit()))
}

fn state_entries(dir: &Path, tag: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| has_tag(name, tag))
        .map(|name| format!("state entry {name}"))
        .collect()
}

fn keyrings(tag: &str) -> Vec<String> {
    let keys = fs::read_to_string("/proc/keys").unwrap_or_default();
    keys.lines()
        .filter(|line| has_tag(line, tag))
        .map(|line| format!("key {line}"))
        .collect()
}
