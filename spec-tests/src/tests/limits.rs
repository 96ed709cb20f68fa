//! Resource limits of control groups: written, and holding. config-linux.md#memory and following.

use crate::host::{self, Need};
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("cgroups");
    written(t);
    effects(t);
}

/// What is asked for, the v1 controller, file and content, the v2 file and content.
struct Row(
    &'static str,
    Value,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

fn rows() -> Vec<Row> {
    vec![
        Row(
            "memory-limit",
            json!({"memory": {"limit": 67_108_864}}),
            "memory",
            "memory.limit_in_bytes",
            "67108864",
            "memory.max",
            "67108864",
        ),
        Row(
            "memory-reservation",
            json!({"memory": {"reservation": 33_554_432}}),
            "memory",
            "memory.soft_limit_in_bytes",
            "33554432",
            "memory.low",
            "33554432",
        ),
        Row(
            "memory-unlimited",
            json!({"memory": {"limit": -1}}),
            "memory",
            "memory.limit_in_bytes",
            "9223372036854771712",
            "memory.max",
            "max",
        ),
        Row(
            "memory-swap",
            json!({"memory": {"limit": 67_108_864, "swap": 134_217_728}}),
            "memory",
            "memory.memsw.limit_in_bytes",
            "134217728",
            "memory.swap.max",
            "67108864",
        ),
        Row(
            "memory-swappiness",
            json!({"memory": {"swappiness": 10}}),
            "memory",
            "memory.swappiness",
            "10",
            "",
            "",
        ),
        Row(
            "memory-oom-killer",
            json!({"memory": {"limit": 67_108_864, "disableOOMKiller": true}}),
            "memory",
            "memory.oom_control",
            "oom_kill_disable 1",
            "",
            "",
        ),
        Row(
            "cpu-shares",
            json!({"cpu": {"shares": 512}}),
            "cpu",
            "cpu.shares",
            "512",
            "cpu.weight",
            "59",
        ),
        Row(
            "cpu-quota",
            json!({"cpu": {"quota": 50_000, "period": 100_000}}),
            "cpu",
            "cpu.cfs_quota_us",
            "50000",
            "cpu.max",
            "50000 100000",
        ),
        Row(
            "cpu-period",
            json!({"cpu": {"quota": 25_000, "period": 50_000}}),
            "cpu",
            "cpu.cfs_period_us",
            "50000",
            "cpu.max",
            "25000 50000",
        ),
        Row(
            "cpu-unlimited",
            json!({"cpu": {"quota": -1}}),
            "cpu",
            "cpu.cfs_quota_us",
            "-1",
            "cpu.max",
            "max 100000",
        ),
        Row(
            "cpu-burst",
            json!({"cpu": {"quota": 50_000, "period": 100_000, "burst": 10_000}}),
            "cpu",
            "cpu.cfs_burst_us",
            "10000",
            "cpu.max.burst",
            "10000",
        ),
        Row(
            "cpu-idle",
            json!({"cpu": {"idle": 1}}),
            "cpu",
            "cpu.idle",
            "1",
            "cpu.idle",
            "1",
        ),
        Row(
            "cpuset-cpus",
            json!({"cpu": {"cpus": "0"}}),
            "cpuset",
            "cpuset.cpus",
            "0",
            "cpuset.cpus",
            "0",
        ),
        Row(
            "cpuset-mems",
            json!({"cpu": {"mems": "0"}}),
            "cpuset",
            "cpuset.mems",
            "0",
            "cpuset.mems",
            "0",
        ),
        Row(
            "pids-limit",
            json!({"pids": {"limit": 42}}),
            "pids",
            "pids.max",
            "42",
            "pids.max",
            "42",
        ),
        Row(
            "pids-unlimited",
            json!({"pids": {"limit": -1}}),
            "pids",
            "pids.max",
            "max",
            "pids.max",
            "max",
        ),
        Row(
            "blkio-weight",
            json!({"blockIO": {"weight": 500}}),
            "blkio",
            "blkio.bfq.weight",
            "500",
            "io.bfq.weight",
            "default 500",
        ),
        Row(
            "blkio-read-bps",
            json!({"blockIO": {"throttleReadBpsDevice": [{"major": 7, "minor": 0, "rate": 1_048_576}]}}),
            "blkio",
            "blkio.throttle.read_bps_device",
            "7:0 1048576",
            "io.max",
            "7:0 rbps=1048576 wbps=max riops=max wiops=max",
        ),
        Row(
            "blkio-write-iops",
            json!({"blockIO": {"throttleWriteIOPSDevice": [{"major": 7, "minor": 0, "rate": 100}]}}),
            "blkio",
            "blkio.throttle.write_iops_device",
            "7:0 100",
            "io.max",
            "7:0 rbps=max wbps=max riops=max wiops=100",
        ),
    ]
}

fn written(t: &mut Table) {
    for Row(name, resources, controller, v1_file, v1, v2_file, v2) in rows() {
        let requirement = format!("config-linux.md#control-groups: {resources} is applied");
        let test = t.add(name, requirement, move |c| {
            let (file, expected) = if host::is_v2() {
                (v2_file, v2)
            } else {
                (v1_file, v1)
            };
            if file.is_empty() {
                return crate::check::skip("cgroup v2 has no such file");
            }
            c.config["linux"]["resources"] = resources.clone();
            c.args(&["pause"]);
            if !supported(controller, file) {
                return crate::check::skip(format!("the kernel has no {file}"));
            }
            c.create()?;
            let pid = c.pid()?;
            let seen = c.cgroup_file(pid, controller, file)?;
            let same = seen == expected || seen.lines().any(|line| line == expected);
            check!(same, "{file} is {seen:?}, expected {expected:?}");
            c.destroy()
        });
        test.needs(&[Need::Root, Need::Controller(controller)]);
        if name == "cpu-burst" || name == "cpu-idle" {
            test.newer("runtime-spec 1.1");
        }
    }
    t.add(
        "unified",
        "config-linux.md#unified MUST: unknown keys are written to the file of that name",
        |c| {
            c.config["linux"]["resources"]["unified"] = json!({"cgroup.max.depth": "17"});
            c.args(&["pause"]);
            c.create()?;
            let pid = c.pid()?;
            check_eq!(
                c.cgroup_file(pid, "", "cgroup.max.depth")?,
                "17",
                "cgroup.max.depth"
            );
            c.destroy()
        },
    )
    .needs(&[Need::Root, Need::CgroupV2]);
    t.add(
        "unified-unknown-controller",
        "config-linux.md#unified MUST: a controller that is not there is an error",
        |c| {
            c.config["linux"]["resources"]["unified"] = json!({"bogus.max": "17"});
            c.create_fails().map(|_| ())
        },
    )
    .needs(&[Need::Root, Need::CgroupV2]);
    t.add(
        "unified-slash",
        "engines: a unified key cannot name a file elsewhere",
        |c| {
            c.config["linux"]["resources"]["unified"] = json!({"../cgroup.max.depth": "17"});
            c.create_fails().map(|_| ())
        },
    )
    .needs(&[Need::Root, Need::CgroupV2]);
}

/// Whether a non-root cgroup of the hierarchy has such a file.
pub fn supported(controller: &str, file: &str) -> bool {
    let root = if host::is_v2() {
        "/sys/fs/cgroup".to_string()
    } else {
        format!("/sys/fs/cgroup/{controller}")
    };
    let probe = PathBuf::from(format!("{root}/spectest-probe-{}", std::process::id()));
    if fs::create_dir(&probe).is_err() {
        return false;
    }
    let there = probe.join(file).exists();
    let _ = fs::remove_dir(&probe);
    there
}

fn effects(t: &mut Table) {
    t.add(
        "memory-oom",
        "config-linux.md#memory: a process beyond the limit is killed",
        |c| {
            c.config["linux"]["resources"] =
                json!({"memory": {"limit": 33_554_432, "swap": 33_554_432}});
            c.try_run(&["allocate", "200"])?.exits(137).map(|_| ())
        },
    )
    .needs(&[Need::Root, Need::Controller("memory")]);
    t.add(
        "pids-enforced",
        "config-linux.md#pids: no more tasks than the limit",
        |c| {
            c.config["linux"]["resources"] = json!({"pids": {"limit": 5}});
            let seen = c.attempt(&["fork-many", "20"])?["value"].clone();
            check_eq!(seen["forked"], 4, "children");
            check_eq!(seen["errno"], 11, "errno of the fork that failed");
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::Controller("pids")]);
    t.add(
        "cpuset-enforced",
        "config-linux.md#cpu: the process runs on the given CPUs",
        |c| {
            c.config["linux"]["resources"] = json!({"cpu": {"cpus": "1"}});
            check_eq!(
                c.inspect()?.status("Cpus_allowed_list"),
                "1",
                "Cpus_allowed_list"
            );
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::Controller("cpuset"), Need::Cpus(2)]);
    t.add(
        "affinity-reset",
        "engines: the caller's CPU affinity does not bind the container",
        |c| {
            let mut set = rustix::thread::CpuSet::new();
            set.set(0);
            rustix::thread::sched_setaffinity(None, &set)?;
            let seen = c.inspect()?.status("Cpus_allowed_list");
            check!(seen != "0", "Cpus_allowed_list is {seen}");
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::Cpus(2)])
    .newer("runc 1.2");
    t.add(
        "create-oom-text",
        "engines: a memory limit too low for the start is an error, not a hang",
        |c| {
            c.config["linux"]["resources"] = json!({"memory": {"limit": 20_480, "swap": 20_480}});
            c.args(&["exit", "0"]);
            let output = c.try_run_with(&[])?;
            check!(
                output.code.is_some_and(|code| code != 0),
                "{}",
                output.describe("ran in 20 kB")
            );
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::Controller("memory")]);
}
