//! Every resource through its whole life: set by create, read back from the kernel, changed by update, gone with
//! delete. config-linux.md#control-groups.

use crate::check::{Verdict, skip};
use crate::context::Context;
use crate::host::{self, Need};
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::{Value, json};
use std::fs;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("resources");
    for row in rows() {
        let requirement = format!(
            "config-linux.md#control-groups: {} is set, updated to {}, and gone after delete",
            row.create, row.update
        );
        let controller = Need::Controller(row.controller);
        t.add(row.name, requirement, move |c| life(c, &row))
            .needs(&[Need::Root, controller])
            .justified("not every kernel and peer has every resource");
    }
    devices(t);
}

/// A file and what it reads after create and after update.
struct Seen(&'static str, &'static str, &'static str);

struct Row {
    name: &'static str,
    controller: &'static str,
    create: Value,
    update: Value,
    v1: Option<Seen>,
    v2: Option<Seen>,
}

#[rustfmt::skip] // one resource a line, as a table is read
fn rows() -> Vec<Row> {
    let row = |name, controller, create, update, v1, v2| Row { name, controller, create, update, v1, v2 };
    let file = |name, before, after| Some(Seen(name, before, after));
    vec![
        row("memory-limit", "memory", json!({"memory": {"limit": 67_108_864}}), json!({"memory": {"limit": 134_217_728}}),
            file("memory.limit_in_bytes", "67108864", "134217728"), file("memory.max", "67108864", "134217728")),
        row("memory-limit-lowered", "memory", json!({"memory": {"limit": 67_108_864, "swap": 67_108_864}}), json!({"memory": {"limit": 33_554_432, "swap": 33_554_432}}),
            file("memory.memsw.limit_in_bytes", "67108864", "33554432"), file("memory.max", "67108864", "33554432")),
        row("memory-limit-raised-with-swap", "memory", json!({"memory": {"limit": 33_554_432, "swap": 33_554_432}}), json!({"memory": {"limit": 67_108_864, "swap": 134_217_728}}),
            file("memory.memsw.limit_in_bytes", "33554432", "134217728"), file("memory.swap.max", "0", "67108864")),
        row("memory-limit-lifted", "memory", json!({"memory": {"limit": 67_108_864, "swap": 67_108_864}}), json!({"memory": {"limit": -1, "swap": -1}}),
            file("memory.limit_in_bytes", "67108864", "9223372036854771712"), file("memory.max", "67108864", "max")),
        row("memory-reservation", "memory", json!({"memory": {"reservation": 33_554_432}}), json!({"memory": {"reservation": 16_777_216}}),
            file("memory.soft_limit_in_bytes", "33554432", "16777216"), file("memory.low", "33554432", "16777216")),
        row("memory-swappiness", "memory", json!({"memory": {"swappiness": 10}}), json!({"memory": {"swappiness": 20}}),
            file("memory.swappiness", "10", "20"), None),
        row("memory-kernel-tcp", "memory", json!({"memory": {"kernelTCP": 33_554_432}}), json!({"memory": {"kernelTCP": 67_108_864}}),
            file("memory.kmem.tcp.limit_in_bytes", "33554432", "67108864"), None),
        row("memory-oom-killer", "memory", json!({"memory": {"limit": 67_108_864, "disableOOMKiller": true}}), json!({"memory": {"disableOOMKiller": false}}),
            file("memory.oom_control", "oom_kill_disable 1", "oom_kill_disable 0"), None),
        row("memory-use-hierarchy", "memory", json!({"memory": {"useHierarchy": true}}), json!({"memory": {"useHierarchy": true}}),
            file("memory.use_hierarchy", "1", "1"), None),
        row("cpu-shares", "cpu", json!({"cpu": {"shares": 512}}), json!({"cpu": {"shares": 2048}}),
            file("cpu.shares", "512", "2048"), file("cpu.weight", "59", "174")),
        row("cpu-quota", "cpu", json!({"cpu": {"quota": 50_000, "period": 100_000}}), json!({"cpu": {"quota": 30_000}}),
            file("cpu.cfs_quota_us", "50000", "30000"), file("cpu.max", "50000 100000", "30000 100000")),
        row("cpu-period", "cpu", json!({"cpu": {"quota": 50_000, "period": 100_000}}), json!({"cpu": {"period": 200_000}}),
            file("cpu.cfs_period_us", "100000", "200000"), file("cpu.max", "50000 100000", "50000 200000")),
        row("cpu-quota-lifted", "cpu", json!({"cpu": {"quota": 50_000, "period": 100_000}}), json!({"cpu": {"quota": -1}}),
            file("cpu.cfs_quota_us", "50000", "-1"), file("cpu.max", "50000 100000", "max 100000")),
        row("cpu-burst", "cpu", json!({"cpu": {"quota": 50_000, "period": 100_000, "burst": 10_000}}), json!({"cpu": {"burst": 20_000}}),
            file("cpu.cfs_burst_us", "10000", "20000"), file("cpu.max.burst", "10000", "20000")),
        row("cpu-quota-and-burst-grow", "cpu", json!({"cpu": {"quota": 20_000, "period": 100_000, "burst": 10_000}}), json!({"cpu": {"quota": 60_000, "burst": 50_000}}),
            file("cpu.cfs_burst_us", "10000", "50000"), file("cpu.max.burst", "10000", "50000")),
        row("cpu-quota-and-burst-shrink", "cpu", json!({"cpu": {"quota": 60_000, "period": 100_000, "burst": 50_000}}), json!({"cpu": {"quota": 20_000, "burst": 10_000}}),
            file("cpu.cfs_burst_us", "50000", "10000"), file("cpu.max.burst", "50000", "10000")),
        row("cpu-idle", "cpu", json!({"cpu": {"idle": 1}}), json!({"cpu": {"idle": 0}}),
            file("cpu.idle", "1", "0"), file("cpu.idle", "1", "0")),
        row("cpu-realtime", "cpu", json!({"cpu": {"realtimePeriod": 1_000_000, "realtimeRuntime": 0}}), json!({"cpu": {"realtimePeriod": 500_000}}),
            file("cpu.rt_period_us", "1000000", "500000"), None),
        row("cpuset-cpus", "cpuset", json!({"cpu": {"cpus": "0-1"}}), json!({"cpu": {"cpus": "1"}}),
            file("cpuset.cpus", "0-1", "1"), file("cpuset.cpus", "0-1", "1")),
        row("cpuset-mems", "cpuset", json!({"cpu": {"mems": "0"}}), json!({"cpu": {"mems": "0"}}),
            file("cpuset.mems", "0", "0"), file("cpuset.mems", "0", "0")),
        row("pids", "pids", json!({"pids": {"limit": 42}}), json!({"pids": {"limit": -1}}),
            file("pids.max", "42", "max"), file("pids.max", "42", "max")),
        row("pids-none", "pids", json!({"pids": {"limit": -1}}), json!({"pids": {"limit": 17}}),
            file("pids.max", "max", "17"), file("pids.max", "max", "17")),
        row("blkio-weight", "blkio", json!({"blockIO": {"weight": 500}}), json!({"blockIO": {"weight": 200}}),
            file("blkio.bfq.weight", "500", "200"), file("io.weight", "default 4950", "default 1920")),
        row("blkio-read-bps", "blkio", json!({"blockIO": {"throttleReadBpsDevice": [{"major": 254, "minor": 0, "rate": 1_048_576}]}}), json!({"blockIO": {"throttleReadBpsDevice": [{"major": 254, "minor": 0, "rate": 2_097_152}]}}),
            file("blkio.throttle.read_bps_device", "254:0 1048576", "254:0 2097152"), file("io.max", "254:0 rbps=1048576 wbps=max riops=max wiops=max", "254:0 rbps=2097152 wbps=max riops=max wiops=max")),
        row("blkio-write-bps", "blkio", json!({"blockIO": {"throttleWriteBpsDevice": [{"major": 254, "minor": 0, "rate": 1_048_576}]}}), json!({"blockIO": {"throttleWriteBpsDevice": [{"major": 254, "minor": 0, "rate": 2_097_152}]}}),
            file("blkio.throttle.write_bps_device", "254:0 1048576", "254:0 2097152"), file("io.max", "254:0 rbps=max wbps=1048576 riops=max wiops=max", "254:0 rbps=max wbps=2097152 riops=max wiops=max")),
        row("blkio-read-iops", "blkio", json!({"blockIO": {"throttleReadIOPSDevice": [{"major": 254, "minor": 0, "rate": 100}]}}), json!({"blockIO": {"throttleReadIOPSDevice": [{"major": 254, "minor": 0, "rate": 200}]}}),
            file("blkio.throttle.read_iops_device", "254:0 100", "254:0 200"), file("io.max", "254:0 rbps=max wbps=max riops=100 wiops=max", "254:0 rbps=max wbps=max riops=200 wiops=max")),
        row("blkio-write-iops", "blkio", json!({"blockIO": {"throttleWriteIOPSDevice": [{"major": 254, "minor": 0, "rate": 100}]}}), json!({"blockIO": {"throttleWriteIOPSDevice": [{"major": 254, "minor": 0, "rate": 0}]}}),
            file("blkio.throttle.write_iops_device", "254:0 100", ""), file("io.max", "254:0 rbps=max wbps=max riops=max wiops=100", "")),
        row("hugepages", "hugetlb", json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 8_388_608}]}), json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 4_194_304}]}),
            file("hugetlb.2MB.limit_in_bytes", "8388608", "4194304"), file("hugetlb.2MB.max", "8388608", "4194304")),
        row("hugepages-reserved", "hugetlb", json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 8_388_608}]}), json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 4_194_304}]}),
            file("hugetlb.2MB.rsvd.limit_in_bytes", "8388608", "4194304"), file("hugetlb.2MB.rsvd.max", "8388608", "4194304")),
        row("network-class", "net_cls", json!({"network": {"classID": 1_048_577}}), json!({"network": {"classID": 1_048_578}}),
            file("net_cls.classid", "1048577", "1048578"), None),
        row("network-priorities", "net_prio", json!({"network": {"priorities": [{"name": "lo", "priority": 3}]}}), json!({"network": {"priorities": [{"name": "lo", "priority": 4}]}}),
            file("net_prio.ifpriomap", "lo 3", "lo 4"), None),
        row("unified-memory-high", "memory", json!({"unified": {"memory.high": "67108864"}}), json!({"unified": {"memory.high": "33554432"}}),
            None, file("memory.high", "67108864", "33554432")),
        row("unified-depth", "pids", json!({"unified": {"cgroup.max.depth": "5"}}), json!({"unified": {"cgroup.max.depth": "6"}}),
            None, file("cgroup.max.depth", "5", "6")),
        row("unified-io-max", "blkio", json!({"unified": {"io.max": "254:0 rbps=1048576 wiops=100"}}), json!({"unified": {"io.max": "254:0 rbps=max"}}),
            None, file("io.max", "254:0 rbps=1048576 wbps=max riops=max wiops=100", "254:0 rbps=max wbps=max riops=max wiops=100")),
    ]
}

fn life(c: &mut Context, row: &Row) -> Verdict {
    let Some(Seen(file, before, after)) = (if host::is_v2() { &row.v2 } else { &row.v1 }) else {
        return skip("this version of cgroups has no such file");
    };
    if row.create.to_string().contains("254")
        && !std::path::Path::new("/sys/dev/block/254:0").exists()
    {
        return skip("there is no block device 254:0");
    }
    if host::cpus() < 2 && row.create.to_string().contains("0-1") {
        return skip("fewer than 2 CPUs");
    }
    c.config["linux"]["resources"] = row.create.clone();
    c.args(&["pause"]);
    if !super::limits::supported(row.controller, file) {
        return skip(format!("the kernel has no {file}"));
    }
    c.create()?;
    let pid = c.pid()?;
    let dirs = c.cgroup_dirs(pid)?;
    expect(c, pid, row.controller, file, before)?;
    let id = c.id();
    let path = c.dir.join("update.json");
    fs::write(&path, row.update.to_string())?;
    c.command(&["update", "--resources", "-", &id])?
        .stdin(fs::File::open(&path)?)
        .run()?
        .success()?;
    expect(c, pid, row.controller, file, after)?;
    c.destroy()?;
    for dir in dirs.iter().filter(|d| d.to_string_lossy().contains(&c.tag)) {
        check!(!dir.exists(), "{} is still there", dir.display());
    }
    Ok(())
}

fn expect(c: &Context, pid: i32, controller: &str, file: &str, expected: &str) -> Verdict {
    let seen = c.cgroup_file(pid, controller, file)?;
    let same = seen == expected || seen.lines().any(|line| line == expected);
    check!(same, "{file} is {seen:?}, expected {expected:?}");
    Ok(())
}

/// The device that the rules are about is the kernel's log, which is always there and in no container by itself.
fn devices(t: &mut Table) {
    t.add(
        "devices",
        "config-linux.md#allowed-device-list: the list holds, update replaces it, and the rest of the devices stay",
        |c| {
            let rule = |allow: bool, access: &str| json!({"allow": allow, "type": "c", "major": 1, "minor": 11, "access": access});
            let deny = json!({"allow": false, "access": "rwm"});
            c.config["linux"]["resources"] = json!({"devices": [deny, rule(true, "wm")]});
            c.config["linux"]["devices"] =
                json!([{"path": "/dev/log", "type": "c", "major": 1, "minor": 11, "fileMode": 438, "uid": 0, "gid": 0}]);
            c.launch(&["pause"])?;
            let id = c.id();
            let attempt = |c: &mut Context, args: &[&str]| -> Verdict<Value> {
                crate::context::json_line(&c.try_exec(&[], args)?.success()?)
            };
            check_eq!(attempt(c, &["open-write", "/dev/log"])?["ok"], true, "writing");
            check_eq!(attempt(c, &["read-bytes", "/dev/log", "8192"])?["errno"], 1, "errno of reading");
            let path = c.dir.join("update.json");
            fs::write(&path, json!({"devices": [deny]}).to_string())?;
            let from = path.to_string_lossy().into_owned();
            c.call(&["update", "--resources", &from, &id])?.success()?;
            check_eq!(attempt(c, &["open-write", "/dev/log"])?["errno"], 1, "errno of writing");
            check_eq!(attempt(c, &["open-write", "/dev/null"])?["ok"], true, "writing /dev/null");
            c.destroy()
        },
    )
    .needs(&[Need::Root, Need::Capability(27)]);
}
