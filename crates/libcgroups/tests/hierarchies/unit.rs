//! The systemd driver, where systemd runs.

use crate::workload::*;
use kernel::process::{CloneArgs, clone, exit};
use libcgroups::{Cgroup, Driver, Layout, Plan, Request, plan};
use std::process::Command;
use std::sync::RwLock;
use std::time::{Duration, Instant};

/// Held for writing while systemd executes itself anew: systemctl, which the other tests ask, gives up at once then.
static SYSTEMD: RwLock<()> = RwLock::new(());

/// As long as systemd may take in an emulated machine.
fn in_time() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// Root talks to the system's manager, anybody else to their own.
fn user() -> bool {
    kernel::cred::euid() != 0
}

fn systemd_runs() -> bool {
    let runs = match user() {
        false => std::path::Path::new("/run/systemd/private").exists(),
        true => std::env::var("XDG_RUNTIME_DIR")
            .is_ok_and(|d| std::path::Path::new(&d).join("systemd/private").exists()),
    };
    if !runs {
        eprintln!("skipped: no systemd here");
    }
    runs
}

fn systemctl(args: &[&str]) -> String {
    let mut command = Command::new("systemctl");
    if user() {
        command.arg("--user");
    }
    let output = command.args(args).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn show(unit: &str, property: &str) -> String {
    systemctl(&["show", "--value", "-p", property, unit])
}

/// A process in a unit of its own; both are gone when the test ends.
struct InUnit {
    cgroup: Cgroup,
    plan: Plan,
    name: String,
    sleeper: Sleeper,
}

impl InUnit {
    fn request(
        name: &str,
        json: &str,
        subgroup: Option<&str>,
        properties: &[(String, String)],
    ) -> libcgroups::Result<Plan> {
        let r = resources(json);
        let slice = if user() { "app.slice" } else { "system.slice" };
        let path = format!("{slice}:teu:{name}");
        let request = Request {
            driver: Driver::Systemd,
            path: Some(&path),
            id: name,
            resources: Some(&r),
            rootless: user(),
            properties,
            subgroup,
            ..Request::default()
        };
        plan(&Layout::detect().unwrap(), &request)
    }

    fn start(
        name: &str,
        json: &str,
        subgroup: Option<&str>,
        properties: &[(String, String)],
    ) -> libcgroups::Result<InUnit> {
        let plan = InUnit::request(name, json, subgroup, properties)?;
        let mut cgroup = Cgroup::create(&plan, in_time())?;
        assert!(matches!(cgroup.entry(), libcgroups::Entry::Pid));
        let sleeper = Sleeper(clone(CloneArgs::default(), || exit(sleep())).unwrap());
        cgroup.start_unit(&plan, sleeper.0.pid, in_time())?;
        let name = plan.record().unit.unwrap().name;
        Ok(InUnit {
            cgroup,
            plan,
            name,
            sleeper,
        })
    }

    fn new(json: &str) -> InUnit {
        InUnit::start(fresh_path().trim_start_matches('/'), json, None, &[]).unwrap()
    }

    fn read(&self, file: &str) -> String {
        let found = self
            .cgroup
            .record()
            .dirs
            .iter()
            .find_map(|d| std::fs::read_to_string(d.full().join(file)).ok());
        found.unwrap_or_default().trim().to_owned()
    }
}

impl Drop for InUnit {
    fn drop(&mut self) {
        self.cgroup.destroy(in_time()).unwrap();
        assert!(self.cgroup.record().dirs.iter().all(|d| !d.full().exists()));
        assert_eq!(show(&self.name, "LoadState"), "not-found");
    }
}

#[test]
fn a_unit_has_the_limits_and_systemd_knows_them() {
    if !systemd_runs() {
        return;
    }
    let _shared = SYSTEMD.read().unwrap();
    let u = InUnit::new(
        r#"{"memory":{"limit":67108864},"pids":{"limit":50},"cpu":{"quota":20001,"period":100000,"shares":512,"cpus":"0"}}"#,
    );
    for dir in &u.cgroup.record().dirs {
        assert!(u.sleeper.is_in(dir, ""), "{dir:?}");
    }
    let planned: Vec<_> = u
        .plan
        .record()
        .dirs
        .iter()
        .map(|d| d.path.clone())
        .collect();
    let real: Vec<_> = u
        .cgroup
        .record()
        .dirs
        .iter()
        .map(|d| d.path.clone())
        .collect();
    assert_eq!(planned, real, "the plan said where it would be");
    let kernel = [
        "memory.max",
        "pids.max",
        "cpu.max",
        "cpu.weight",
        "cpuset.cpus",
    ]
    .map(|f| u.read(f));
    assert_eq!(kernel, ["67108864", "50", "21000 100000", "59", "0"]);
    let systemd = [
        "MemoryMax",
        "TasksMax",
        "CPUQuotaPerSecUSec",
        "CPUWeight",
        "AllowedCPUs",
    ]
    .map(|p| show(&u.name, p));
    assert_eq!(systemd, ["67108864", "50", "210ms", "59", "0"]);

    u.cgroup
        .update(
            &resources(r#"{"memory":{"limit":33554432},"pids":{"limit":-1}}"#),
            in_time(),
        )
        .unwrap();
    assert_eq!(
        ["memory.max", "pids.max"].map(|f| u.read(f)),
        ["33554432", "max"]
    );
    assert_eq!(
        ["MemoryMax", "TasksMax"].map(|p| show(&u.name, p)),
        ["33554432", "infinity"]
    );
}

#[test]
fn after_an_update_systemd_and_the_kernel_agree() {
    if !systemd_runs() {
        return;
    }
    let _alone = SYSTEMD.write().unwrap();
    let u = InUnit::new(r#"{"cpu":{"quota":50000,"period":50000}}"#);
    let idle = InUnit::new(r#"{"cpu":{"idle":1}}"#);
    let update = |u: &InUnit, json| u.cgroup.update(&resources(json), in_time()).unwrap();
    update(&idle, r#"{"cpu":{"idle":0}}"#);
    // The period stays, whoever names the quota.
    let quotas = [
        (r#"{"cpu":{"quota":25000}}"#, "25000 50000"),
        (r#"{"unified":{"cpu.max":"10000"}}"#, "10000 50000"),
    ];
    for (json, want) in quotas {
        update(&u, json);
        assert_eq!(u.read("cpu.max"), want);
        systemctl(&["daemon-reload"]);
        assert_eq!(u.read("cpu.max"), want, "after daemon-reload");
    }
    assert_eq!(
        ["cpu.idle", "cpu.weight"].map(|f| idle.read(f)),
        ["0", "100"]
    );
}

#[test]
fn what_systemd_cannot_take_changes_nothing() {
    if !systemd_runs() || user() {
        return;
    }
    let _shared = SYSTEMD.read().unwrap();
    let u = InUnit::new(r#"{"devices":[{"allow":false}],"pids":{"limit":50}}"#);
    let program = || kernel_devices(&u);
    let before = program();
    // The kernel would take it.
    let r =
        r#"{"pids":{"limit":60},"devices":[{"allow":true}],"unified":{"cpuset.cpus":"0-1:1/2"}}"#;
    let e = u.cgroup.update(&resources(r), in_time()).unwrap_err();
    assert_eq!(e.field(), Some("/linux/resources/unified/cpuset.cpus"));
    assert_eq!((u.read("pids.max"), program()), ("50".to_owned(), before));
}

/// Whether the unit's processes may open /dev/kmsg: 0, or the error.
fn kernel_devices(u: &InUnit) -> i32 {
    let mut later = Cgroup::open(u.cgroup.record());
    let child = start(later.exec_entry(&[] as &[&str]).unwrap(), || {
        kernel::file::openat(kernel::file::CWD, c"/dev/kmsg", kernel::file::O_RDONLY, 0)
            .map_or_else(|e| e.0, |_| 0)
    });
    let end = kernel::process::wait(std::os::fd::AsFd::as_fd(&child.pidfd)).unwrap();
    end.status()
}

#[test]
fn a_reload_changes_nothing() {
    if !systemd_runs() || user() {
        return;
    }
    let _alone = SYSTEMD.write().unwrap();
    let u = InUnit::new(
        r#"{"memory":{"limit":67108864},"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":11,"access":"r"}]}"#,
    );
    let open = |flags| {
        let mut later = Cgroup::open(u.cgroup.record());
        let child = start(later.exec_entry(&[] as &[&str]).unwrap(), || {
            kernel::file::openat(kernel::file::CWD, c"/dev/kmsg", flags, 0)
                .map_or_else(|e| e.0, |_| 0)
        });
        kernel::process::wait(std::os::fd::AsFd::as_fd(&child.pidfd))
            .unwrap()
            .status()
    };
    for command in ["daemon-reload", "daemon-reexec"] {
        assert_eq!(
            (open(kernel::file::O_RDONLY), open(kernel::file::O_RDWR)),
            (0, 1)
        );
        systemctl(&[command]);
        assert_eq!(
            (open(kernel::file::O_RDONLY), open(kernel::file::O_RDWR)),
            (0, 1),
            "after {command}"
        );
        assert_eq!(u.read("memory.max"), "67108864");
        assert_eq!(show(&u.name, "NeedDaemonReload"), "no");
    }
}

#[test]
fn a_subgroup_holds_the_processes() {
    if !systemd_runs() {
        return;
    }
    let _shared = SYSTEMD.read().unwrap();
    let u = InUnit::start(
        fresh_path().trim_start_matches('/'),
        r#"{"pids":{"limit":50}}"#,
        Some("container"),
        &[],
    )
    .unwrap();
    assert!(
        u.cgroup
            .record()
            .dirs
            .iter()
            .all(|d| d.path.ends_with(".scope/container") && u.sleeper.is_in(d, ""))
    );
    assert_eq!(u.read("pids.max"), "50");
    assert_eq!(show(&u.name, "TasksMax"), "50");
}

#[test]
fn properties_of_the_users_own() {
    if !systemd_runs() {
        return;
    }
    let _shared = SYSTEMD.read().unwrap();
    let name = fresh_path();
    let properties = [
        ("TimeoutStopSec".to_owned(), "uint64 7".to_owned()),
        ("Description".to_owned(), "'mine'".to_owned()),
    ];
    let u = InUnit::start(name.trim_start_matches('/'), "{}", None, &properties).unwrap();
    assert_eq!(
        ["TimeoutStopUSec", "Description"].map(|p| show(&u.name, p)),
        ["7s", "mine"]
    );
    drop(u);
    let wrong = [("Nonsense".to_owned(), "true".to_owned())];
    let e = InUnit::start(name.trim_start_matches('/'), "{}", None, &wrong)
        .map(drop)
        .unwrap_err();
    assert!(e.to_string().contains("Nonsense"), "{e}");
}

#[test]
fn a_name_in_use_is_an_error_and_the_other_unit_stays() {
    if !systemd_runs() {
        return;
    }
    let _shared = SYSTEMD.read().unwrap();
    let name = fresh_path();
    let name = name.trim_start_matches('/');
    let u = InUnit::start(name, "{}", None, &[]).unwrap();
    let e = InUnit::start(name, "{}", None, &[]).map(drop).unwrap_err();
    assert!(
        e.to_string()
            .starts_with(&format!("start unit teu-{name}.scope: ")),
        "{e}"
    );
    assert_eq!(e.field(), Some("/linux/cgroupsPath"));
    assert_eq!(show(&u.name, "ActiveState"), "active");
}

#[test]
fn a_scope_is_removed_though_systemd_is_not_reached_in_time() {
    if !systemd_runs() {
        return;
    }
    let _shared = SYSTEMD.read().unwrap();
    let u = InUnit::new("{}");
    u.cgroup.destroy(Instant::now()).unwrap();
    assert!(u.cgroup.record().dirs.iter().all(|d| !d.full().exists()));
    let deadline = in_time();
    while show(&u.name, "LoadState") != "not-found" && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_process_can_be_moved_in_and_all_are_killed() {
    if !systemd_runs() {
        return;
    }
    let _shared = SYSTEMD.read().unwrap();
    let u = InUnit::new("{}");
    let other = Sleeper(clone(CloneArgs::default(), || exit(sleep())).unwrap());
    u.cgroup.attach(other.0.pid, in_time()).unwrap();
    assert!(u.cgroup.record().dirs.iter().all(|d| other.is_in(d, "")));
    u.cgroup.kill(9, in_time()).unwrap();
    assert!(u.cgroup.pids().unwrap().is_empty());
}
