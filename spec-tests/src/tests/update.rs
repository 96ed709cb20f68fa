//! `update` and `events`.

use crate::host::{self, Need};
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::{Value, json};
use std::fs;

/// Adds the groups.
pub fn add(t: &mut Table) {
    t.group("update");
    update(t);
    t.group("events");
    events(t);
}

/// Name, flags, the v1 controller, file and content, the v2 file and content.
type Flag = (
    &'static str,
    &'static [&'static str],
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

fn update(t: &mut Table) {
    let flags: [Flag; 7] = [
        (
            "memory",
            &["--memory", "67108864"],
            "memory",
            "memory.limit_in_bytes",
            "67108864",
            "memory.max",
            "67108864",
        ),
        (
            "memory-reservation",
            &["--memory-reservation", "33554432"],
            "memory",
            "memory.soft_limit_in_bytes",
            "33554432",
            "memory.low",
            "33554432",
        ),
        (
            "pids-limit",
            &["--pids-limit", "33"],
            "pids",
            "pids.max",
            "33",
            "pids.max",
            "33",
        ),
        (
            "cpu-share",
            &["--cpu-share", "256"],
            "cpu",
            "cpu.shares",
            "256",
            "cpu.weight",
            "35",
        ),
        (
            "cpu-quota",
            &["--cpu-period", "100000", "--cpu-quota", "40000"],
            "cpu",
            "cpu.cfs_quota_us",
            "40000",
            "cpu.max",
            "40000 100000",
        ),
        (
            "cpuset-cpus",
            &["--cpuset-cpus", "0"],
            "cpuset",
            "cpuset.cpus",
            "0",
            "cpuset.cpus",
            "0",
        ),
        (
            "cpuset-mems",
            &["--cpuset-mems", "0"],
            "cpuset",
            "cpuset.mems",
            "0",
            "cpuset.mems",
            "0",
        ),
    ];
    for (name, flags, controller, v1_file, v1, v2_file, v2) in flags {
        t.add(
            name,
            format!("engines: update {}", flags.join(" ")),
            move |c| {
                let pid = c.launch(&["pause"])?;
                let id = c.id();
                let mut args = vec!["update"];
                args.extend_from_slice(flags);
                args.push(&id);
                c.call(&args)?.success()?;
                let (file, expected) = if host::is_v2() {
                    (v2_file, v2)
                } else {
                    (v1_file, v1)
                };
                check_eq!(c.cgroup_file(pid, controller, file)?, expected, "{file}");
                c.destroy()
            },
        )
        .needs(&[Need::Root, Need::Controller(controller)]);
    }
    for form in ["-", "=-", "file"] {
        let name = match form {
            "-" => "resources-stdin",
            "=-" => "resources-equals-stdin",
            _ => "resources-file",
        };
        t.add(
            name,
            "engines: update --resources takes LinuxResources from a file or - for standard input",
            move |c| {
                let pid = c.launch(&["pause"])?;
                let (id, file) = (c.id(), c.dir.join("resources.json"));
                fs::write(&file, r#"{"pids": {"limit": 29}}"#)?;
                let path = format!("--resources={}", file.display());
                let args: Vec<&str> = match form {
                    "-" => vec!["update", "--resources", "-", &id],
                    "=-" => vec!["update", "--resources=-", &id],
                    _ => vec!["update", &path, &id],
                };
                c.command(&args)?
                    .stdin(fs::File::open(&file)?)
                    .run()?
                    .success()?;
                check_eq!(c.cgroup_file(pid, "pids", "pids.max")?, "29", "pids.max");
                c.destroy()
            },
        )
        .needs(&[Need::Root, Need::Controller("pids")]);
    }
    t.add(
        "options-after-id",
        "engines: options may follow the id",
        |c| {
            let pid = c.launch(&["pause"])?;
            let id = c.id();
            c.call(&["update", &id, "--pids-limit", "31"])?.success()?;
            check_eq!(c.cgroup_file(pid, "pids", "pids.max")?, "31", "pids.max");
            c.destroy()
        },
    )
    .needs(&[Need::Root, Need::Controller("pids")]);
    t.add(
        "keeps-others",
        "engines: update leaves what it does not mention",
        |c| {
            c.config["linux"]["resources"] =
                json!({"pids": {"limit": 40}, "memory": {"limit": 134_217_728}});
            let pid = c.launch(&["pause"])?;
            let id = c.id();
            c.call(&["update", "--pids-limit", "50", &id])?.success()?;
            let file = if host::is_v2() {
                "memory.max"
            } else {
                "memory.limit_in_bytes"
            };
            check_eq!(c.cgroup_file(pid, "memory", file)?, "134217728", "{file}");
            check_eq!(c.cgroup_file(pid, "pids", "pids.max")?, "50", "pids.max");
            c.destroy()
        },
    )
    .needs(&[
        Need::Root,
        Need::Controller("pids"),
        Need::Controller("memory"),
    ]);
    t.add(
        "keeps-devices",
        "engines: update does not lock the container out of its devices",
        |c| {
            c.launch(&["await-file", "/data/go", ";", "open-write", "/dev/null"])?;
            let id = c.id();
            c.call(&["update", "--pids-limit", "50", &id])?.success()?;
            fs::write(c.rootfs().join("data/go"), "")?;
            check_eq!(c.await_line()?["errno"], 0, "errno");
            c.await_status("stopped")?;
            c.delete()
        },
    )
    .needs(&[Need::Root, Need::Controller("pids")]);
    t.add(
        "unknown-container",
        "engines: update of an unknown container is an error",
        |c| {
            let id = c.id();
            c.call(&["update", "--pids-limit", "50", &id])?
                .failure()
                .map(|_| ())
        },
    );
}

fn events(t: &mut Table) {
    t.add(
        "stats",
        "engines: events --stats prints one JSON object with the container's numbers",
        |c| {
            c.config["linux"]["resources"] = json!({"pids": {"limit": 40}});
            c.launch(&["pause"])?;
            let id = c.id();
            let output = c.call(&["events", "--stats", &id])?.success()?;
            let stats: Value = serde_json::from_str(output.stdout.trim())?;
            check_eq!(stats["type"], "stats", "type");
            check_eq!(stats["id"].as_str(), Some(id.as_str()), "id");
            let data = &stats["data"];
            for pointer in [
                "/cpu/usage/total",
                "/memory/usage/usage",
                "/memory/usage/limit",
                "/pids/current",
            ] {
                check!(
                    data.pointer(pointer).is_some_and(Value::is_u64),
                    "no {pointer} in {data}"
                );
            }
            check_eq!(data["pids"]["limit"], 40, "pids.limit");
            check_eq!(data["pids"]["current"], 1, "pids.current");
            c.destroy()
        },
    )
    .needs(&[
        Need::Root,
        Need::Controller("pids"),
        Need::Controller("memory"),
    ]);
    t.add(
        "stopped",
        "engines: events --stats of a stopped container is an error",
        |c| {
            let pid = c.launch(&["exit", "0"])?;
            c.await_exit(pid)?;
            let id = c.id();
            c.call(&["events", "--stats", &id])?.failure()?;
            c.delete()
        },
    )
    .needs(&[Need::Root]);
}
