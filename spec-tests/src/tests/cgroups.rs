//! Control groups: where the process is placed, what is refused, what is mounted. config-linux.md#control-groups.

use crate::check::{Verdict, fail};
use crate::context::Context;
use crate::host::{self, Need};
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::json;
use std::fs;
use std::path::PathBuf;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("cgroups");
    placement(t);
    errors(t);
    mounts(t);
}

impl Context {
    /// The container's cgroup folder for a controller, as the host sees it.
    pub fn cgroup_dir(&self, pid: i32, controller: &str) -> Verdict<PathBuf> {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
        let v2 = host::is_v2();
        let name = if v2 { "" } else { controller };
        let Some(path) = crate::inside::cgroup_path(&text, name) else {
            return fail(format!("no cgroup of {controller} in {text:?}"));
        };
        let table = fs::read_to_string("/proc/self/mountinfo")?;
        let kind = if v2 { "cgroup2" } else { "cgroup" };
        for mount in crate::inside::parse_mountinfo(&table) {
            if mount.kind == kind && (v2 || mount.super_has(controller)) {
                let path = path
                    .strip_prefix(mount.root.trim_end_matches('/'))
                    .unwrap_or(&path);
                return Ok(PathBuf::from(format!("{}{path}", mount.point)));
            }
        }
        fail(format!("{controller} is not mounted"))
    }

    /// The container's cgroup folder in every hierarchy.
    pub fn cgroup_dirs(&self, pid: i32) -> Verdict<Vec<PathBuf>> {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
        let table = fs::read_to_string("/proc/self/mountinfo")?;
        let mut dirs = Vec::new();
        for mount in crate::inside::parse_mountinfo(&table) {
            let path = match mount.kind.as_str() {
                "cgroup2" => crate::inside::cgroup_path(&text, ""),
                "cgroup" => mount
                    .super_options
                    .iter()
                    .filter(|o| *o != "rw")
                    .find_map(|o| crate::inside::cgroup_path(&text, o)),
                _ => None,
            };
            dirs.extend(path.map(|path| PathBuf::from(format!("{}{path}", mount.point))));
        }
        Ok(dirs)
    }

    /// A file of the container's cgroup.
    pub fn cgroup_file(&self, pid: i32, controller: &str, file: &str) -> Verdict<String> {
        let path = self.cgroup_dir(pid, controller)?.join(file);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim().to_string()),
            Err(error) => fail(format!("{}: {error}", path.display())),
        }
    }
}

fn placement(t: &mut Table) {
    t.add(
        "absolute-path",
        "config-linux.md#cgroups-path MUST: an absolute \
             path is relative to the cgroups mount point",
        |c| {
            let path = format!("/{0}/sub/{0}-leaf", c.tag);
            c.config["linux"]["cgroupsPath"] = json!(path);
            let pid = c.launch(&["pause"])?;
            let text = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
            for controller in if host::is_v2() {
                vec![String::new()]
            } else {
                host::v1_controllers()
            } {
                check_eq!(
                    crate::inside::cgroup_path(&text, &controller).as_deref(),
                    Some(path.as_str()),
                    "path of {controller:?}"
                );
            }
            c.destroy()?;
            crate::leaks::remove_cgroups(&c.tag);
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::CgroupFs]);
    t.add(
        "relative-path-consistent",
        "config-linux.md#cgroups-path MUST: the same relative path leads to the same place",
        |c| {
            c.config["linux"]["cgroupsPath"] = json!(c.tag.clone());
            let mut seen = Vec::new();
            for _ in 0..2 {
                let pid = c.launch(&["pause"])?;
                seen.push(fs::read_to_string(format!("/proc/{pid}/cgroup"))?);
                c.destroy()?;
            }
            check_eq!(seen[0], seen[1], "cgroups");
            check!(seen[0].contains(&c.tag), "the path is not in {:?}", seen[0]);
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::CgroupFs]);
    t.add(
        "default-path",
        "config-linux.md#cgroups-path MAY: without \
             cgroupsPath the runtime chooses, with the id in it",
        |c| {
            if let Some(linux) = c.config["linux"].as_object_mut() {
                linux.remove("cgroupsPath");
            }
            let pid = c.launch(&["pause"])?;
            let text = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
            check!(text.contains(&c.tag), "the id is not in {text:?}");
            c.destroy()
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "created-is-placed",
        "runtime.md#create MUST: the process is in its cgroup after create",
        |c| {
            c.args(&["pause"]);
            c.create()?;
            let text = fs::read_to_string(format!("/proc/{}/cgroup", c.pid()?))?;
            check!(text.contains(&c.tag), "the process is in {text:?}");
            c.destroy()
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "children-are-placed",
        "config-linux.md#control-groups: processes that the program starts are in the cgroup",
        |c| {
            let pid = c.launch(&["background", "pause", ";", "echo", "{}", ";", "pause"])?;
            c.await_line()?;
            let dir = c.cgroup_dir(pid, "pids")?;
            let count = fs::read_to_string(dir.join("cgroup.procs"))?
                .lines()
                .count();
            check_eq!(count, 2, "processes in the cgroup");
            c.destroy()
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "exec-is-placed",
        "config-linux.md#control-groups: exec'd processes are in the container's cgroup",
        |c| {
            c.launch(&["pause"])?;
            let seen = c.exec_inspect(&[])?;
            check!(
                seen.file("/proc/self/cgroup").contains(&c.tag),
                "exec is in {:?}",
                seen.file("/proc/self/cgroup")
            );
            c.destroy()
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "sub-cgroups-removed",
        "runtime.md#delete MUST: cgroups that the container made below its own go with it",
        |c| {
            let pid = c.launch(&["pause"])?;
            let dir = c.cgroup_dir(pid, "pids")?;
            fs::create_dir_all(dir.join("inner/deeper"))?;
            c.destroy()?;
            check!(!dir.exists(), "{} is still there", dir.display());
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "path-with-dots",
        "config-linux.md#cgroups-path MUST: a path that \
             leaves the hierarchy is an error or is cleaned",
        |c| {
            c.config["linux"]["cgroupsPath"] = json!(format!("/../../{}", c.tag));
            let output = c.try_create_with(&[])?;
            check!(
                !PathBuf::from(format!("/sys/{}", c.tag)).exists(),
                "made outside"
            );
            if output.code == Some(0) {
                c.destroy()?;
            }
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::CgroupFs]);
}

fn errors(t: &mut Table) {
    t.add(
        "nothing-left",
        "a create that fails removes its cgroup and the parents that were made for it",
        |c| {
            c.config["linux"]["cgroupsPath"] = json!(format!("/{}/deep/deeper", c.tag));
            crate::config::add_mount(&mut c.config, "/data", "no-such-type", "none", &[]);
            c.create_fails()?;
            let left = crate::leaks::cgroups(&c.tag);
            check!(left.is_empty(), "{left:?} are left");
            Ok(())
        },
    )
    .justified("other runtimes leave the parents")
    .needs(&[Need::Root, Need::CgroupFs]);
    t.add(
        "frozen",
        "config-linux.md#control-groups MUST: a frozen cgroup is refused, not waited for",
        |c| {
            let dir = PathBuf::from(if host::is_v2() {
                format!("/sys/fs/cgroup/{}", c.tag)
            } else {
                format!("/sys/fs/cgroup/freezer/{}", c.tag)
            });
            fs::create_dir(&dir)?;
            if host::is_v2() {
                fs::write(dir.join("cgroup.freeze"), "1")?;
            } else {
                fs::write(dir.join("freezer.state"), "FROZEN")?;
            }
            c.args(&["exit", "0"]);
            let output = c.try_create_with(&[]);
            crate::leaks::remove_cgroups(&c.tag);
            output?.failure().map(|_| ())
        },
    )
    .needs(&[Need::Root, Need::CgroupFs]);
    t.add(
        "not-empty",
        "config-linux.md#control-groups MUST: create \
             refuses a cgroup with processes when it checks",
        |c| {
            c.launch(&["pause"])?;
            let second = format!("{}-second", c.tag);
            let bundle = c.bundle().to_string_lossy().into_owned();
            let output = c.call(&["create", "--bundle", &bundle, &second])?;
            let refused = output.code != Some(0);
            if !refused {
                c.call(&["delete", "--force", &second])?;
            }
            let alive = c.status()?;
            c.call(&["delete", "--force", &c.id()])?;
            check!(
                refused,
                "{}",
                output.describe("shares the cgroup of a running container")
            );
            check_eq!(alive, "running", "the first container");
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::CgroupFs])
    .newer("runc 1.2");
    for (name, resources) in [
        ("bad-cpus", json!({"cpu": {"cpus": "99999"}})),
        (
            "bad-memory-swap",
            json!({"memory": {"limit": 67_108_864, "swap": 33_554_432}}),
        ),
    ] {
        let controller = if name == "bad-cpus" {
            "cpuset"
        } else {
            "memory"
        };
        t.add(
            name,
            "config.md#valid-values MUST: a limit the kernel refuses is an error",
            move |c| {
                c.config["linux"]["resources"] = resources.clone();
                c.create_fails().map(|_| ())
            },
        )
        .needs(&[Need::Root, Need::Controller(controller)]);
    }
}

fn mounts(t: &mut Table) {
    for namespace in [false, true] {
        let name = if namespace {
            "mount-with-namespace"
        } else {
            "mount"
        };
        t.add(
            name,
            "config.md#mounts: a cgroup mount shows the container's own cgroup",
            move |c| {
                crate::config::add_mount(
                    &mut c.config,
                    "/sys/fs/cgroup",
                    "cgroup",
                    "cgroup",
                    &["nosuid", "noexec", "nodev", "relatime", "ro"],
                );
                if namespace {
                    crate::config::set_namespace(&mut c.config, "cgroup", None);
                }
                let base = if host::is_v2() {
                    "/sys/fs/cgroup"
                } else {
                    "/sys/fs/cgroup/pids"
                };
                let procs = format!("{base}/cgroup.procs");
                let lines = c.attempts(&[
                    "read",
                    &procs,
                    ";",
                    "mkdir",
                    &format!("{base}/x"),
                    ";",
                    "list",
                    "/sys/fs/cgroup",
                ])?;
                let pids = lines[0]["value"]
                    .as_str()
                    .unwrap_or_default()
                    .trim()
                    .to_string();
                check_eq!(pids, "1", "{procs}");
                check_eq!(lines[1]["errno"], 30, "errno of mkdir");
                Ok(())
            },
        )
        .needs(&[Need::Root, Need::CgroupFs])
        // Version 2 has one mount for all, whose root only a cgroup namespace moves.
        .needs(if namespace {
            &[Need::CgroupNamespace]
        } else {
            &[Need::CgroupV1]
        });
    }
    t.add(
        "mount-v1-rro",
        "config.md#linux-mount-options MUST: recursive options hold for every hierarchy of a cgroup mount on v1",
        |c| {
            crate::config::add_mount(&mut c.config, "/sys/fs/cgroup", "cgroup", "cgroup", &["rro"]);
            let seen = c.inspect()?;
            for mount in seen.mounts().iter().filter(|m| m.point.starts_with("/sys/fs/cgroup")) {
                check!(mount.has("ro"), "{} has {:?}", mount.point, mount.options);
            }
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::CgroupV1]);
    t.add(
        "mount-v1-links",
        "engines: on v1 the controllers are folders or links of /sys/fs/cgroup",
        |c| {
            crate::config::add_mount(&mut c.config, "/sys/fs/cgroup", "cgroup", "cgroup", &["ro"]);
            let seen = c.attempt(&["list", "/sys/fs/cgroup"])?["value"].clone();
            for controller in host::v1_controllers() {
                check!(
                    seen.as_array()
                        .is_some_and(|names| names.iter().any(|n| *n == json!(controller))),
                    "no {controller} in {seen}"
                );
            }
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::CgroupV1]);
}
