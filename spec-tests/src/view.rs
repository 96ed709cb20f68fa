//! Which cgroup hierarchy a runtime is shown. On a machine with version 1 controllers a pure view of either version
//! can be had in a private mount namespace; the machine's own mounts stay as they are.

use crate::inside::parse_mountinfo;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, mount_remount, unmount,
};
use rustix::thread::UnshareFlags;
use std::ffi::CString;
use std::fs;
use std::io;
use std::path::Path;

const CGROUP_ROOT: &str = "/sys/fs/cgroup";

/// The three ways to see `/sys/fs/cgroup`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// As the machine has it.
    Host,
    /// A tmpfs with one mount per version 1 controller and nothing of version 2.
    V1,
    /// One cgroup2 mount.
    V2,
}

impl View {
    /// What reports call it.
    pub fn name(self) -> &'static str {
        match self {
            View::Host => "as on the machine",
            View::V1 => "v1",
            View::V2 => "v2",
        }
    }

    /// Parses `host`, `v1` or `v2`.
    pub fn parse(text: &str) -> Result<View, String> {
        match text {
            "host" => Ok(View::Host),
            "v1" => Ok(View::V1),
            "v2" => Ok(View::V2),
            _ => Err(format!("the view {text:?} is not host, v1 or v2")),
        }
    }
}

/// Moves this process into new namespaces.
#[allow(deprecated)] // deprecated for CLONE_FILES, which is about descriptors; namespaces cannot break memory safety
pub fn unshare(flags: UnshareFlags) -> io::Result<()> {
    Ok(rustix::thread::unshare(flags)?)
}

/// Gives this process a mount namespace of its own, private to it, with the view in place.
pub fn enter(view: View) -> io::Result<()> {
    unshare(UnshareFlags::NEWNS)?;
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )?;
    if view == View::Host {
        return Ok(());
    }
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    unmount_below(&table, CGROUP_ROOT)?;
    if view == View::V2 {
        return mount_cgroup2(Path::new(CGROUP_ROOT), &cgroup2_options_in(&table));
    }
    mount(
        "tmpfs",
        CGROUP_ROOT,
        "tmpfs",
        MountFlags::empty(),
        Some(c"mode=755"),
    )?;
    for options in v1_hierarchies(&table) {
        let name = options.strip_prefix("none,name=").unwrap_or(&options);
        let target = format!("{CGROUP_ROOT}/{name}");
        fs::create_dir(&target)?;
        let data = CString::new(options.as_str()).map_err(io::Error::other)?;
        mount(
            "cgroup",
            target,
            "cgroup",
            MountFlags::empty(),
            Some(data.as_c_str()),
        )?;
    }
    Ok(())
}

/// The options of the unified hierarchy, `rw` and `ro` aside: of all its mounts.
pub fn cgroup2_options() -> io::Result<String> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    Ok(cgroup2_options_in(&table))
}

fn cgroup2_options_in(table: &str) -> String {
    let unified = parse_mountinfo(table)
        .into_iter()
        .find(|mount| mount.kind == "cgroup2");
    let mut options = unified.map_or_else(Vec::new, |mount| mount.super_options);
    options.retain(|option| option != "rw" && option != "ro");
    options.join(",")
}

/// Makes the host's unified hierarchy writable and gives it these options again, should it be otherwise, by a mount on `dir` that is gone afterwards.
pub fn restore_cgroup2(options: &str, dir: &Path) -> io::Result<()> {
    mount_cgroup2(dir, options)?;
    let writable = mount_remount(dir, MountFlags::empty(), options);
    unmount(dir, UnmountFlags::DETACH)?;
    Ok(writable?)
}

/// In the machine's first cgroup namespace a new mount sets the options for everybody, so they are what is there already.
fn mount_cgroup2(dir: &Path, options: &str) -> io::Result<()> {
    let options = CString::new(options).map_err(io::Error::other)?;
    let (kind, flags) = ("cgroup2", MountFlags::empty());
    Ok(mount(kind, dir, kind, flags, Some(options.as_c_str()))?)
}

/// The mount options that select each version 1 hierarchy, from what is mounted now.
fn v1_hierarchies(table: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in table.lines() {
        let Some((_, tail)) = line.split_once(" - cgroup ") else {
            continue;
        };
        let super_options = tail.rsplit(' ').next().unwrap_or_default();
        let skip = ["rw", "ro", "xattr", "noprefix", "clone_children"];
        let select: Vec<&str> = super_options
            .split(',')
            .filter(|o| !skip.contains(o) && !o.starts_with("release_agent="))
            .collect();
        let options = match select.as_slice() {
            [name] if name.starts_with("name=") => format!("none,{name}"),
            _ => select.join(","),
        };
        if !found.contains(&options) {
            found.push(options);
        }
    }
    found
}

/// Unmounts everything at and below `root`, the newest mount first.
fn unmount_below(table: &str, root: &str) -> io::Result<()> {
    let points: Vec<&str> = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .filter(|point| {
            *point == root
                || point
                    .strip_prefix(root)
                    .is_some_and(|rest| rest.starts_with('/'))
        })
        .collect();
    for point in points.iter().rev() {
        unmount(*point, UnmountFlags::DETACH)?;
    }
    Ok(())
}
