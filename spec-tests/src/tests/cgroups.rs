//! Control groups: where the process is placed, what limits are written, and that they hold. config-linux.md#control-groups.

use crate::check::{Verdict, fail};
use crate::context::{Context, poll_for};
use crate::host::{self, Need};
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

/// Adds the groups.
pub fn add(t: &mut Table) {
    t.group("cgroups");
    placement(t);
    written(t);
    effects(t);
    errors(t);
    mounts(t);
    t.group("update");
    update(t);
    t.group("pause");
    pause(t);
    t.group("events");
    events(t);
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
                let path = path.strip_prefix(mount.root.trim_end_matches('/')).unwrap_or(&path);
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
                "cgroup" => mount.super_options.iter().filter(|o| *o != "rw").find_map(|o| crate::inside::cgroup_path(&text, o)),
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
    t.add("absolute-path", "config-linux.md#cgroups-path MUST: an absolute path is relative to the cgroups mount point", |c| {
        let path = format!("/{0}/sub/{0}-leaf", c.tag);
        c.config["linux"]["cgroupsPath"] = json!(path);
        let pid = c.launch(&["pause"])?;
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
        for controller in if host::is_v2() { vec![String::new()] } else { host::v1_controllers() } {
            check_eq!(crate::inside::cgroup_path(&text, &controller).as_deref(), Some(path.as_str()), "path of {controller:?}");
        }
        c.destroy()?;
        crate::leaks::remove_cgroups(&c.tag);
        Ok(())
    })
    .needs(&[Need::Root, Need::CgroupFs]);
    t.add("relative-path-consistent", "config-linux.md#cgroups-path MUST: the same relative path leads to the same place", |c| {
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
    })
    .needs(&[Need::Root, Need::CgroupFs]);
    t.add("default-path", "config-linux.md#cgroups-path MAY: without cgroupsPath the runtime chooses, with the id in it", |c| {
        if let Some(linux) = c.config["linux"].as_object_mut() {
            linux.remove("cgroupsPath");
        }
        let pid = c.launch(&["pause"])?;
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
        check!(text.contains(&c.tag), "the id is not in {text:?}");
        c.destroy()
    })
    .needs(&[Need::Root]);
    t.add("created-is-placed", "runtime.md#create MUST: the process is in its cgroup after create", |c| {
        c.args(&["pause"]);
        c.create()?;
        let text = fs::read_to_string(format!("/proc/{}/cgroup", c.pid()?))?;
        check!(text.contains(&c.tag), "the process is in {text:?}");
        c.destroy()
    })
    .needs(&[Need::Root]);
    t.add("children-are-placed", "config-linux.md#control-groups: processes that the program starts are in the cgroup", |c| {
        let pid = c.launch(&["background", "pause", ";", "echo", "{}", ";", "pause"])?;
        c.await_line()?;
        let dir = c.cgroup_dir(pid, "pids")?;
        let count = fs::read_to_string(dir.join("cgroup.procs"))?.lines().count();
        check_eq!(count, 2, "processes in the cgroup");
        c.destroy()
    })
    .needs(&[Need::Root]);
    t.add("exec-is-placed", "config-linux.md#control-groups: exec'd processes are in the container's cgroup", |c| {
        c.launch(&["pause"])?;
        let seen = c.exec_inspect(&[])?;
        check!(seen.file("/proc/self/cgroup").contains(&c.tag), "exec is in {:?}", seen.file("/proc/self/cgroup"));
        c.destroy()
    })
    .needs(&[Need::Root]);
    t.add("sub-cgroups-removed", "runtime.md#delete MUST: cgroups that the container made below its own go with it", |c| {
        let pid = c.launch(&["pause"])?;
        let dir = c.cgroup_dir(pid, "pids")?;
        fs::create_dir_all(dir.join("inner/deeper"))?;
        c.destroy()?;
        check!(!dir.exists(), "{} is still there", dir.display());
        Ok(())
    })
    .needs(&[Need::Root]);
    t.add("path-with-dots", "config-linux.md#cgroups-path MUST: a path that leaves the hierarchy is an error or is cleaned", |c| {
        c.config["linux"]["cgroupsPath"] = json!(format!("/../../{}", c.tag));
        let output = c.try_create_with(&[])?;
        check!(!PathBuf::from(format!("/sys/{}", c.tag)).exists(), "made outside");
        if output.code == Some(0) {
            c.destroy()?;
        }
        Ok(())
    })
    .needs(&[Need::Root, Need::CgroupFs]);
}

/// What is asked for, the v1 controller, file and content, the v2 file and content.
struct Row(&'static str, Value, &'static str, &'static str, &'static str, &'static str, &'static str);

fn rows() -> Vec<Row> {
    vec![
        Row("memory-limit", json!({"memory": {"limit": 67_108_864}}), "memory", "memory.limit_in_bytes", "67108864", "memory.max", "67108864"),
        Row("memory-reservation", json!({"memory": {"reservation": 33_554_432}}), "memory", "memory.soft_limit_in_bytes", "33554432", "memory.low", "33554432"),
        Row("memory-unlimited", json!({"memory": {"limit": -1}}), "memory", "memory.limit_in_bytes", "9223372036854771712", "memory.max", "max"),
        Row("memory-swap", json!({"memory": {"limit": 67_108_864, "swap": 134_217_728}}), "memory", "memory.memsw.limit_in_bytes", "134217728", "memory.swap.max", "67108864"),
        Row("memory-swappiness", json!({"memory": {"swappiness": 10}}), "memory", "memory.swappiness", "10", "", ""),
        Row("memory-oom-killer", json!({"memory": {"limit": 67_108_864, "disableOOMKiller": true}}), "memory", "memory.oom_control", "oom_kill_disable 1", "", ""),
        Row("cpu-shares", json!({"cpu": {"shares": 512}}), "cpu", "cpu.shares", "512", "cpu.weight", "59"),
        Row("cpu-quota", json!({"cpu": {"quota": 50_000, "period": 100_000}}), "cpu", "cpu.cfs_quota_us", "50000", "cpu.max", "50000 100000"),
        Row("cpu-period", json!({"cpu": {"quota": 25_000, "period": 50_000}}), "cpu", "cpu.cfs_period_us", "50000", "cpu.max", "25000 50000"),
        Row("cpu-unlimited", json!({"cpu": {"quota": -1}}), "cpu", "cpu.cfs_quota_us", "-1", "cpu.max", "max 100000"),
        Row("cpu-burst", json!({"cpu": {"quota": 50_000, "period": 100_000, "burst": 10_000}}), "cpu", "cpu.cfs_burst_us", "10000", "cpu.max.burst", "10000"),
        Row("cpu-idle", json!({"cpu": {"idle": 1}}), "cpu", "cpu.idle", "1", "cpu.idle", "1"),
        Row("cpuset-cpus", json!({"cpu": {"cpus": "0"}}), "cpuset", "cpuset.cpus", "0", "cpuset.cpus", "0"),
        Row("cpuset-mems", json!({"cpu": {"mems": "0"}}), "cpuset", "cpuset.mems", "0", "cpuset.mems", "0"),
        Row("pids-limit", json!({"pids": {"limit": 42}}), "pids", "pids.max", "42", "pids.max", "42"),
        Row("pids-unlimited", json!({"pids": {"limit": -1}}), "pids", "pids.max", "max", "pids.max", "max"),
        Row("blkio-weight", json!({"blockIO": {"weight": 500}}), "blkio", "blkio.bfq.weight", "500", "io.bfq.weight", "default 500"),
        Row("blkio-read-bps", json!({"blockIO": {"throttleReadBpsDevice": [{"major": 7, "minor": 0, "rate": 1_048_576}]}}), "blkio", "blkio.throttle.read_bps_device", "7:0 1048576", "io.max", "7:0 rbps=1048576 wbps=max riops=max wiops=max"),
        Row("blkio-write-iops", json!({"blockIO": {"throttleWriteIOPSDevice": [{"major": 7, "minor": 0, "rate": 100}]}}), "blkio", "blkio.throttle.write_iops_device", "7:0 100", "io.max", "7:0 rbps=max wbps=max riops=max wiops=100"),
    ]
}

fn written(t: &mut Table) {
    for Row(name, resources, controller, v1_file, v1, v2_file, v2) in rows() {
        let requirement = format!("config-linux.md#control-groups: {resources} is applied");
        let test = t.add(name, requirement, move |c| {
            let (file, expected) = if host::is_v2() { (v2_file, v2) } else { (v1_file, v1) };
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
    t.add("unified", "config-linux.md#unified MUST: unknown keys are written to the file of that name", |c| {
        c.config["linux"]["resources"]["unified"] = json!({"cgroup.max.depth": "17"});
        c.args(&["pause"]);
        c.create()?;
        let pid = c.pid()?;
        check_eq!(c.cgroup_file(pid, "", "cgroup.max.depth")?, "17", "cgroup.max.depth");
        c.destroy()
    })
    .needs(&[Need::Root, Need::CgroupV2]);
    t.add("unified-unknown-controller", "config-linux.md#unified MUST: a controller that is not there is an error", |c| {
        c.config["linux"]["resources"]["unified"] = json!({"bogus.max": "17"});
        c.create_fails().map(|_| ())
    })
    .needs(&[Need::Root, Need::CgroupV2]);
    t.add("unified-slash", "engines: a unified key cannot name a file elsewhere", |c| {
        c.config["linux"]["resources"]["unified"] = json!({"../cgroup.max.depth": "17"});
        c.create_fails().map(|_| ())
    })
    .needs(&[Need::Root, Need::CgroupV2]);
}

/// Whether a non-root cgroup of the hierarchy has such a file.
fn supported(controller: &str, file: &str) -> bool {
    let root = if host::is_v2() { "/sys/fs/cgroup".to_string() } else { format!("/sys/fs/cgroup/{controller}") };
    let probe = PathBuf::from(format!("{root}/spectest-probe-{}", std::process::id()));
    if fs::create_dir(&probe).is_err() {
        return false;
    }
    let there = probe.join(file).exists();
    let _ = fs::remove_dir(&probe);
    there
}

fn effects(t: &mut Table) {
    t.add("memory-oom", "config-linux.md#memory: a process beyond the limit is killed", |c| {
        c.config["linux"]["resources"] = json!({"memory": {"limit": 33_554_432, "swap": 33_554_432}});
        c.try_run(&["allocate", "200"])?.exits(137).map(|_| ())
    })
    .needs(&[Need::Root, Need::Controller("memory")]);
    t.add("pids-enforced", "config-linux.md#pids: no more tasks than the limit", |c| {
        c.config["linux"]["resources"] = json!({"pids": {"limit": 5}});
        let seen = c.attempt(&["fork-many", "20"])?["value"].clone();
        check_eq!(seen["forked"], 4, "children");
        check_eq!(seen["errno"], 11, "errno of the fork that failed");
        Ok(())
    })
    .needs(&[Need::Root, Need::Controller("pids")]);
    t.add("cpuset-enforced", "config-linux.md#cpu: the process runs on the given CPUs", |c| {
        c.config["linux"]["resources"] = json!({"cpu": {"cpus": "1"}});
        check_eq!(c.inspect()?.status("Cpus_allowed_list"), "1", "Cpus_allowed_list");
        Ok(())
    })
    .needs(&[Need::Root, Need::Controller("cpuset"), Need::Cpus(2)]);
    t.add("affinity-reset", "engines: the caller's CPU affinity does not bind the container", |c| {
        let mut set = rustix::thread::CpuSet::new();
        set.set(0);
        rustix::thread::sched_setaffinity(None, &set)?;
        let seen = c.inspect()?.status("Cpus_allowed_list");
        check!(seen != "0", "Cpus_allowed_list is {seen}");
        Ok(())
    })
    .needs(&[Need::Root, Need::Cpus(2)])
    .newer("runc 1.2");
    t.add("create-oom-text", "engines: a memory limit too low for the start is an error, not a hang", |c| {
        c.config["linux"]["resources"] = json!({"memory": {"limit": 20_480, "swap": 20_480}});
        c.args(&["exit", "0"]);
        let output = c.try_run_with(&[])?;
        check!(output.code.is_some_and(|code| code != 0), "{}", output.describe("ran in 20 kB"));
        Ok(())
    })
    .needs(&[Need::Root, Need::Controller("memory")]);
}

fn errors(t: &mut Table) {
    t.add("frozen", "config-linux.md#control-groups MUST: a frozen cgroup is refused, not waited for", |c| {
        let dir = PathBuf::from(if host::is_v2() { format!("/sys/fs/cgroup/{}", c.tag) } else { format!("/sys/fs/cgroup/freezer/{}", c.tag) });
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
    })
    .needs(&[Need::Root, Need::CgroupFs]);
    t.add("not-empty", "config-linux.md#control-groups MUST: create refuses a cgroup with processes when it checks", |c| {
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
        check!(refused, "{}", output.describe("shares the cgroup of a running container"));
        check_eq!(alive, "running", "the first container");
        Ok(())
    })
    .needs(&[Need::Root, Need::CgroupFs])
    .newer("runc 1.2");
    for (name, resources) in [
        ("bad-cpus", json!({"cpu": {"cpus": "99999"}})),
        ("bad-memory-swap", json!({"memory": {"limit": 67_108_864, "swap": 33_554_432}})),
    ] {
        let controller = if name == "bad-cpus" { "cpuset" } else { "memory" };
        t.add(name, "config.md#valid-values MUST: a limit the kernel refuses is an error", move |c| {
            c.config["linux"]["resources"] = resources.clone();
            c.create_fails().map(|_| ())
        })
        .needs(&[Need::Root, Need::Controller(controller)]);
    }
}

fn mounts(t: &mut Table) {
    for namespace in [false, true] {
        let name = if namespace { "mount-with-namespace" } else { "mount" };
        t.add(name, "config.md#mounts: a cgroup mount shows the container's own cgroup", move |c| {
            crate::config::add_mount(&mut c.config, "/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]);
            if namespace {
                crate::config::set_namespace(&mut c.config, "cgroup", None);
            }
            let base = if host::is_v2() { "/sys/fs/cgroup" } else { "/sys/fs/cgroup/pids" };
            let procs = format!("{base}/cgroup.procs");
            let lines = c.attempts(&["read", &procs, ";", "mkdir", &format!("{base}/x"), ";", "list", "/sys/fs/cgroup"])?;
            let pids = lines[0]["value"].as_str().unwrap_or_default().trim().to_string();
            check_eq!(pids, "1", "{procs}");
            check_eq!(lines[1]["errno"], 30, "errno of mkdir");
            Ok(())
        })
        .needs(&[Need::Root, Need::CgroupNamespace, Need::CgroupFs]);
    }
    t.add("mount-v1-links", "engines: on v1 the controllers are folders or links of /sys/fs/cgroup", |c| {
        crate::config::add_mount(&mut c.config, "/sys/fs/cgroup", "cgroup", "cgroup", &["ro"]);
        let seen = c.attempt(&["list", "/sys/fs/cgroup"])?["value"].clone();
        for controller in host::v1_controllers() {
            check!(seen.as_array().is_some_and(|names| names.iter().any(|n| *n == json!(controller))), "no {controller} in {seen}");
        }
        Ok(())
    })
    .needs(&[Need::Root, Need::CgroupV1]);
}

fn update(t: &mut Table) {
    let flags: [(&str, &[&str], &str, &str, &str, &str, &str); 7] = [
        ("memory", &["--memory", "67108864"], "memory", "memory.limit_in_bytes", "67108864", "memory.max", "67108864"),
        ("memory-reservation", &["--memory-reservation", "33554432"], "memory", "memory.soft_limit_in_bytes", "33554432", "memory.low", "33554432"),
        ("pids-limit", &["--pids-limit", "33"], "pids", "pids.max", "33", "pids.max", "33"),
        ("cpu-share", &["--cpu-share", "256"], "cpu", "cpu.shares", "256", "cpu.weight", "35"),
        ("cpu-quota", &["--cpu-period", "100000", "--cpu-quota", "40000"], "cpu", "cpu.cfs_quota_us", "40000", "cpu.max", "40000 100000"),
        ("cpuset-cpus", &["--cpuset-cpus", "0"], "cpuset", "cpuset.cpus", "0", "cpuset.cpus", "0"),
        ("cpuset-mems", &["--cpuset-mems", "0"], "cpuset", "cpuset.mems", "0", "cpuset.mems", "0"),
    ];
    for (name, flags, controller, v1_file, v1, v2_file, v2) in flags {
        t.add(name, format!("engines: update {}", flags.join(" ")), move |c| {
            let pid = c.launch(&["pause"])?;
            let id = c.id();
            let mut args = vec!["update"];
            args.extend_from_slice(flags);
            args.push(&id);
            c.call(&args)?.success()?;
            let (file, expected) = if host::is_v2() { (v2_file, v2) } else { (v1_file, v1) };
            check_eq!(c.cgroup_file(pid, controller, file)?, expected, "{file}");
            c.destroy()
        })
        .needs(&[Need::Root, Need::Controller(controller)]);
    }
    for form in ["-", "=-", "file"] {
        let name = match form {
            "-" => "resources-stdin",
            "=-" => "resources-equals-stdin",
            _ => "resources-file",
        };
        t.add(name, "engines: update --resources takes LinuxResources from a file or - for standard input", move |c| {
            let pid = c.launch(&["pause"])?;
            let (id, file) = (c.id(), c.dir.join("resources.json"));
            fs::write(&file, r#"{"pids": {"limit": 29}}"#)?;
            let path = format!("--resources={}", file.display());
            let args: Vec<&str> = match form {
                "-" => vec!["update", "--resources", "-", &id],
                "=-" => vec!["update", "--resources=-", &id],
                _ => vec!["update", &path, &id],
            };
            c.command(&args)?.stdin(fs::File::open(&file)?).run()?.success()?;
            check_eq!(c.cgroup_file(pid, "pids", "pids.max")?, "29", "pids.max");
            c.destroy()
        })
        .needs(&[Need::Root, Need::Controller("pids")]);
    }
    t.add("options-after-id", "engines: options may follow the id", |c| {
        let pid = c.launch(&["pause"])?;
        let id = c.id();
        c.call(&["update", &id, "--pids-limit", "31"])?.success()?;
        check_eq!(c.cgroup_file(pid, "pids", "pids.max")?, "31", "pids.max");
        c.destroy()
    })
    .needs(&[Need::Root, Need::Controller("pids")]);
    t.add("keeps-others", "engines: update leaves what it does not mention", |c| {
        c.config["linux"]["resources"] = json!({"pids": {"limit": 40}, "memory": {"limit": 134_217_728}});
        let pid = c.launch(&["pause"])?;
        let id = c.id();
        c.call(&["update", "--pids-limit", "50", &id])?.success()?;
        let file = if host::is_v2() { "memory.max" } else { "memory.limit_in_bytes" };
        check_eq!(c.cgroup_file(pid, "memory", file)?, "134217728", "{file}");
        check_eq!(c.cgroup_file(pid, "pids", "pids.max")?, "50", "pids.max");
        c.destroy()
    })
    .needs(&[Need::Root, Need::Controller("pids"), Need::Controller("memory")]);
    t.add("keeps-devices", "engines: update does not lock the container out of its devices", |c| {
        c.launch(&["await-file", "/data/go", ";", "open-write", "/dev/null"])?;
        let id = c.id();
        c.call(&["update", "--pids-limit", "50", &id])?.success()?;
        fs::write(c.rootfs().join("data/go"), "")?;
        check_eq!(c.await_line()?["errno"], 0, "errno");
        c.await_status("stopped")?;
        c.delete()
    })
    .needs(&[Need::Root, Need::Controller("pids")]);
    t.add("unknown-container", "engines: update of an unknown container is an error", |c| {
        let id = c.id();
        c.call(&["update", "--pids-limit", "50", &id])?.failure().map(|_| ())
    });
}

fn freezer_is(c: &Context, pid: i32, frozen: bool) -> Verdict<bool> {
    let text = if host::is_v2() { c.cgroup_file(pid, "", "cgroup.events")? } else { c.cgroup_file(pid, "freezer", "freezer.state")? };
    Ok(text.contains(if host::is_v2() { "frozen 1" } else { "FROZEN" }) == frozen)
}

fn pause(t: &mut Table) {
    let needs = [Need::Root];
    t.add("pause-resume", "engines: pause freezes the container, resume thaws it", |c| {
        let pid = c.launch(&["await-signal"])?;
        c.await_line()?;
        let id = c.id();
        c.call(&["pause", &id])?.success()?;
        check_eq!(c.status()?, "paused", "status");
        check!(freezer_is(c, pid, true)?, "the cgroup is not frozen");
        c.call(&["resume", &id])?.success()?;
        check_eq!(c.status()?, "running", "status");
        check!(freezer_is(c, pid, false)?, "the cgroup is frozen");
        c.destroy()
    })
    .needs(&needs);
    t.add("pause-twice", "engines: resume of a running container and pause of a stopped one are errors", |c| {
        let pid = c.launch(&["await-signal"])?;
        c.await_line()?;
        let id = c.id();
        c.call(&["resume", &id])?.failure()?;
        c.kill("TERM")?;
        c.await_exit(pid)?;
        c.call(&["pause", &id])?.failure()?;
        c.delete()
    })
    .needs(&needs);
    t.add("kill-paused", "engines: SIGKILL ends a paused container", |c| {
        let pid = c.launch(&["pause"])?;
        let id = c.id();
        c.call(&["pause", &id])?.success()?;
        c.kill("KILL")?;
        poll_for("the end of the paused process", || {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            (stat.is_empty() || stat.contains(") Z ")).then_some(())
        })?;
        c.delete()
    })
    .needs(&needs)
    .newer("runc 1.1");
    t.add("delete-force-paused", "engines: delete --force ends a paused container", |c| {
        c.launch(&["pause"])?;
        let id = c.id();
        c.call(&["pause", &id])?.success()?;
        c.call(&["delete", "--force", &id])?.success().map(|_| ())
    })
    .needs(&needs);
    t.add("exec-paused", "engines: exec into a paused container is refused at once", |c| {
        c.launch(&["pause"])?;
        let id = c.id();
        c.call(&["pause", &id])?.success()?;
        let output = c.try_exec(&[], &["exit", "0"]);
        c.call(&["resume", &id])?.success()?;
        output?.failure()?.says(&["paused"])?;
        c.destroy()
    })
    .needs(&needs);
    t.add("pause-created", "engines: pause of a created container succeeds or is refused, and does not hang", |c| {
        c.args(&["pause"]);
        c.create()?;
        let id = c.id();
        if c.call(&["pause", &id])?.code == Some(0) {
            c.call(&["resume", &id])?.success()?;
        }
        check_eq!(c.status()?, "created", "status");
        c.destroy()
    })
    .needs(&needs);
}

fn events(t: &mut Table) {
    t.add("stats", "engines: events --stats prints one JSON object with the container's numbers", |c| {
        c.config["linux"]["resources"] = json!({"pids": {"limit": 40}});
        c.launch(&["pause"])?;
        let id = c.id();
        let output = c.call(&["events", "--stats", &id])?.success()?;
        let stats: Value = serde_json::from_str(output.stdout.trim())?;
        check_eq!(stats["type"], "stats", "type");
        check_eq!(stats["id"].as_str(), Some(id.as_str()), "id");
        let data = &stats["data"];
        for pointer in ["/cpu/usage/total", "/memory/usage/usage", "/memory/usage/limit", "/pids/current"] {
            check!(data.pointer(pointer).is_some_and(Value::is_u64), "no {pointer} in {data}");
        }
        check_eq!(data["pids"]["limit"], 40, "pids.limit");
        check_eq!(data["pids"]["current"], 1, "pids.current");
        c.destroy()
    })
    .needs(&[Need::Root, Need::Controller("pids"), Need::Controller("memory")]);
    t.add("stopped", "engines: events --stats of a stopped container is an error", |c| {
        let pid = c.launch(&["exit", "0"])?;
        c.await_exit(pid)?;
        let id = c.id();
        c.call(&["events", "--stats", &id])?.failure()?;
        c.delete()
    })
    .needs(&[Need::Root]);
}
