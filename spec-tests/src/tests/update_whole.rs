//! `update` as a whole: its other flags, all or nothing, and limits that processes already exceed. `events` as it goes on.

use crate::check::Verdict;
use crate::context::Context;
use crate::host::{self, Need};
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::{Value, json};
use std::fs;

/// Adds the groups.
pub fn add(t: &mut Table) {
    t.group("update");
    flags(t);
    all_or_nothing(t);
    below_usage(t);
    t.group("events");
    events(t);
}

/// Name, what create sets, flags, the controller, the v1 file and content, the v2 file and content.
type Flag = (
    &'static str,
    Value,
    &'static [&'static str],
    &'static str,
    [&'static str; 2],
    [&'static str; 2],
);

#[rustfmt::skip] // one flag a line, as a table is read
fn flag_table() -> Vec<Flag> {
    let none = || json!({});
    let quota = || json!({"cpu": {"quota": 50_000, "period": 100_000}});
    vec![
        ("memory-unit", none(), &["--memory", "64M"], "memory", ["memory.limit_in_bytes", "67108864"], ["memory.max", "67108864"]),
        ("memory-unlimited", json!({"memory": {"limit": 67_108_864}}), &["--memory=-1"], "memory", ["memory.limit_in_bytes", "9223372036854771712"], ["memory.max", "max"]),
        ("memory-swap", none(), &["--memory", "64m", "--memory-swap", "128m"], "memory", ["memory.memsw.limit_in_bytes", "134217728"], ["memory.swap.max", "67108864"]),
        ("memory-swap-alone", json!({"memory": {"limit": 67_108_864}}), &["--memory-swap", "100663296"], "memory", ["memory.memsw.limit_in_bytes", "100663296"], ["memory.swap.max", "33554432"]),
        ("memory-reservation-unit", none(), &["--memory-reservation", "1g"], "memory", ["memory.soft_limit_in_bytes", "1073741824"], ["memory.low", "1073741824"]),
        ("cpu-burst", quota(), &["--cpu-burst", "20000"], "cpu", ["cpu.cfs_burst_us", "20000"], ["cpu.max.burst", "20000"]),
        ("cpu-idle", none(), &["--cpu-idle", "1"], "cpu", ["cpu.idle", "1"], ["cpu.idle", "1"]),
        ("cpu-period-alone", quota(), &["--cpu-period", "200000"], "cpu", ["cpu.cfs_period_us", "200000"], ["cpu.max", "50000 200000"]),
        ("cpu-rt-period", none(), &["--cpu-rt-period", "500000"], "cpu", ["cpu.rt_period_us", "500000"], ["", ""]),
        ("cpu-rt-runtime", none(), &["--cpu-rt-runtime", "0"], "cpu", ["cpu.rt_runtime_us", "0"], ["", ""]),
        ("blkio-weight", none(), &["--blkio-weight", "300"], "blkio", ["blkio.bfq.weight", "300"], ["io.weight", "default 2930"]),
        ("pids-unlimited", json!({"pids": {"limit": 9}}), &["--pids-limit=-1"], "pids", ["pids.max", "max"], ["pids.max", "max"]),
    ]
}

fn flags(t: &mut Table) {
    for (name, create, flags, controller, v1, v2) in flag_table() {
        let requirement = format!("engines: update {}", flags.join(" "));
        t.add(format!("flag-{name}"), requirement, move |c| {
            let [file, expected] = if host::is_v2() { v2 } else { v1 };
            if file.is_empty() || !super::limits::supported(controller, file) {
                return crate::check::skip(format!("no {file}"));
            }
            c.config["linux"]["resources"] = create.clone();
            let pid = c.launch(&["pause"])?;
            update(c, flags)?.success()?;
            check_eq!(c.cgroup_file(pid, controller, file)?, expected, "{file}");
            c.destroy()
        })
        .needs(&[Need::Root, Need::Controller(controller)]);
    }
}

fn update(c: &mut Context, flags: &[&str]) -> Verdict<crate::runtime::Output> {
    let id = c.id();
    let mut args = vec!["update"];
    args.extend_from_slice(flags);
    args.push(&id);
    c.call(&args)
}

fn memory_file() -> &'static str {
    if host::is_v2() {
        "memory.max"
    } else {
        "memory.limit_in_bytes"
    }
}

fn all_or_nothing(t: &mut Table) {
    t.add(
        "all-or-nothing",
        "engines: an update of which one part fails changes nothing",
        |c| {
            c.config["linux"]["resources"] =
                json!({"pids": {"limit": 40}, "memory": {"limit": 134_217_728}});
            let pid = c.launch(&["pause"])?;
            let flags = [
                "--pids-limit",
                "50",
                "--memory",
                "256M",
                "--cpuset-cpus",
                "4000",
            ];
            let output = update(c, &flags)?.failure()?;
            check!(
                output.stderr.contains("cpuset.cpus"),
                "{}",
                output.describe("does not say which part")
            );
            check_eq!(c.cgroup_file(pid, "pids", "pids.max")?, "40", "pids.max");
            let file = memory_file();
            check_eq!(c.cgroup_file(pid, "memory", file)?, "134217728", "{file}");
            c.destroy()
        },
    )
    .needs(&[
        Need::Root,
        Need::Controller("pids"),
        Need::Controller("memory"),
        Need::Controller("cpuset"),
    ])
    .justified("other runtimes keep the parts that came before");
    t.add(
        "bad-json",
        "engines: resources that are no LinuxResources are an error and change nothing",
        |c| {
            c.config["linux"]["resources"] = json!({"pids": {"limit": 40}});
            let pid = c.launch(&["pause"])?;
            for text in [
                "{\"pids\": {\"limit\": 50}",
                "{\"pids\": {\"limit\": \"50\"}}",
            ] {
                let path = c.dir.join("bad.json");
                fs::write(&path, text)?;
                update(c, &["--resources", &path.to_string_lossy()])?.failure()?;
            }
            check_eq!(c.cgroup_file(pid, "pids", "pids.max")?, "40", "pids.max");
            c.destroy()
        },
    )
    .needs(&[Need::Root, Need::Controller("pids")]);
}

fn below_usage(t: &mut Table) {
    for check in [false, true] {
        let name = if check {
            "check-before-update"
        } else {
            "below-usage"
        };
        t.add(
            name,
            "config-linux.md#memory: a limit below what is used is refused, and nobody is killed",
            move |c| {
                c.config["linux"]["resources"] =
                    json!({"memory": {"limit": 134_217_728, "swap": 134_217_728}});
                let pid = c.launch(&["hold", "48", ";", "pause"])?;
                c.await_line()?;
                let path = c.dir.join("update.json");
                let limit =
                    json!({"limit": 16_777_216, "swap": 16_777_216, "checkBeforeUpdate": check});
                fs::write(&path, json!({"memory": limit}).to_string())?;
                let output = update(c, &["--resources", &path.to_string_lossy()])?.failure()?;
                check!(
                    output.stderr.contains("16777216"),
                    "{}",
                    output.describe("does not name the limit")
                );
                check_eq!(c.status()?, "running", "status");
                let file = memory_file();
                check_eq!(c.cgroup_file(pid, "memory", file)?, "134217728", "{file}");
                c.destroy()
            },
        )
        .needs(&[Need::Root, Need::Controller("memory")])
        .justified("on version 2 other runtimes let the kernel kill");
    }
}

fn events(t: &mut Table) {
    t.add(
        "interval",
        "engines: events prints the numbers again and again, and ends with the container",
        |c| {
            c.launch(&["pause"])?;
            let id = c.id();
            let running = c.command(&["events", "--interval", "20ms", &id])?.spawn()?;
            let out = running.stdout.clone();
            crate::context::poll_for("three events", || {
                (fs::read_to_string(&out).ok()?.lines().count() >= 3).then_some(())
            })?;
            c.kill("KILL")?;
            let output = running.wait()?.success()?;
            for line in crate::context::json_lines(&output)? {
                check_eq!(line["type"], "stats", "type");
                check_eq!(line["id"].as_str(), Some(id.as_str()), "id");
            }
            c.await_status("stopped")?;
            c.delete()
        },
    )
    .needs(&[Need::Root, Need::Controller("memory")]);
    t.add(
        "oom",
        "engines: events tells of a process that was killed for its memory",
        |c| {
            c.config["linux"]["resources"] =
                json!({"memory": {"limit": 33_554_432, "swap": 33_554_432}});
            c.launch(&[
                "await-file",
                "/data/go",
                ";",
                "background",
                "hold",
                "200",
                ";",
                "pause",
            ])?;
            let id = c.id();
            let running = c.command(&["events", "--interval", "50ms", &id])?.spawn()?;
            let out = running.stdout.clone();
            let has = |kind: &'static str| {
                let out = out.clone();
                move || fs::read_to_string(&out).ok()?.contains(kind).then_some(())
            };
            crate::context::poll_for("stats", has("\"stats\""))?;
            fs::write(c.rootfs().join("data/go"), "")?;
            crate::context::poll_for("the OOM event", has("\"type\":\"oom\""))?;
            check_eq!(c.status()?, "running", "status");
            c.kill("KILL")?;
            running.wait()?.success()?;
            c.await_status("stopped")?;
            c.delete()
        },
    )
    .needs(&[Need::Root, Need::Controller("memory")]);
    t.add(
        "pressure",
        "engines: events --stats tells of pressure where the kernel does",
        |c| {
            c.launch(&["pause"])?;
            let id = c.id();
            let output = c.call(&["events", "--stats", &id])?.success()?;
            let stats: Value = serde_json::from_str(output.stdout.trim())?;
            for part in ["cpu", "memory", "blkio"] {
                let psi = &stats["data"][part]["psi"];
                check!(
                    psi["some"]["total"].is_u64(),
                    "no pressure of {part}: {psi}"
                );
                check!(
                    psi["full"]["avg10"].is_number(),
                    "no pressure of {part}: {psi}"
                );
            }
            check!(
                stats["data"]["memory"]["swapOnly"].is_object(),
                "no swapOnly"
            );
            c.destroy()
        },
    )
    .needs(&[
        Need::Root,
        Need::CgroupV2,
        Need::Controller("memory"),
        Need::Controller("blkio"),
    ])
    .justified("names of its own for what the kernel knows");
}
