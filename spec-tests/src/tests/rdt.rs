//! Intel RDT and systemd: what needs special hardware or a special host. config-linux.md#intelrdt.

use crate::host::Need;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::json;
use std::fs;
use std::path::Path;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("platform");
    t.add(
        "rdt-without-resctrl",
        "config-linux.md#intelrdt MUST: without a mounted resctrl filesystem intelRdt is an error",
        |c| {
            if Path::new("/sys/fs/resctrl/schemata").exists() {
                return crate::check::skip("resctrl is mounted");
            }
            c.config["linux"]["intelRdt"] =
                json!({"closID": "spectest", "l3CacheSchema": "L3:0=f"});
            c.create_fails().map(|_| ())
        },
    );
    t.add(
        "rdt-tasks",
        "config-linux.md#intelrdt MUST: the process is in tasks of the closID folder",
        |c| {
            let dir = format!("/sys/fs/resctrl/{}", c.tag);
            let schemata = fs::read_to_string("/sys/fs/resctrl/schemata")?;
            let l3 = schemata
                .lines()
                .map(str::trim)
                .find(|line| line.starts_with("L3:"))
                .unwrap_or_default()
                .to_string();
            c.config["linux"]["intelRdt"] = json!({"closID": c.tag, "l3CacheSchema": l3});
            let pid = c.launch(&["pause"])?;
            let tasks = fs::read_to_string(format!("{dir}/tasks"))?;
            check!(
                tasks.lines().any(|line| line == pid.to_string()),
                "tasks are {tasks:?}"
            );
            c.destroy()
        },
    )
    .needs(&[Need::Resctrl]);
    t.add(
        "rdt-closid-missing",
        "config-linux.md#intelrdt MUST: a closID without schema must exist",
        |c| {
            c.config["linux"]["intelRdt"] = json!({"closID": "spectest-no-such-group"});
            c.create_fails().map(|_| ())
        },
    )
    .justified("the sentence is plain; both runtimes ignore intelRdt where resctrl is not mounted");
    t.add(
        "systemd-scope",
        "engines: with the systemd driver the container is a scope below its slice",
        |c| {
            let pid = c.launch(&["pause"])?;
            let text = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
            let scope = format!("spectest-{}.scope", c.tag);
            check!(
                text.contains("system.slice/") && text.contains(&scope),
                "the cgroup is {text:?}"
            );
            c.destroy()
        },
    )
    .needs(&[Need::Root, Need::Systemd]);
    t.add(
        "systemd-remembered",
        "engines: commands after create need no --systemd-cgroup",
        |c| {
            let pid = c.launch(&["pause"])?;
            let (id, state) = (c.id(), c.state_dir().to_string_lossy().into_owned());
            c.bare_command(&["--root", &state, "exec", &id, "/payload", "exit", "0"])?
                .run()?
                .success()?;
            c.bare_command(&["--root", &state, "delete", "--force", &id])?
                .run()?
                .success()?;
            check_eq!(c.await_exit(pid)?, 137, "the end of the process");
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::Systemd]);
}
