//! Making a cgroup.

use crate::workload::*;
use libcgroups::{Cgroup, Layout, Request};

#[test]
fn the_first_process_is_in_every_hierarchy() {
    if !may_make_cgroups() {
        return;
    }
    let w = Workload::new("{}");
    let sleeper = w.sleeper();
    for dir in &w.cgroup.record().dirs {
        assert!(sleeper.is_in(dir, ""), "{dir:?}");
    }
    assert_eq!(w.cgroup.pids().unwrap(), [sleeper.0.pid]);
}

#[test]
fn limits_are_what_the_kernel_reports() {
    if !may_make_cgroups() {
        return;
    }
    let layout = Layout::detect().unwrap();
    let v1 = !layout.is_v2();
    // controller, resources, then file and content on v1 and on v2
    let table = [
        (
            "pids",
            r#"{"pids":{"limit":17}}"#,
            ("pids.max", "17"),
            ("pids.max", "17"),
        ),
        (
            "pids",
            r#"{"pids":{"limit":0}}"#,
            ("pids.max", "1"),
            ("pids.max", "1"),
        ),
        (
            "pids",
            r#"{"pids":{"limit":-1}}"#,
            ("pids.max", "max"),
            ("pids.max", "max"),
        ),
        (
            "memory",
            r#"{"memory":{"limit":33554432}}"#,
            ("memory.limit_in_bytes", "33554432"),
            ("memory.max", "33554432"),
        ),
        (
            "memory",
            r#"{"memory":{"reservation":16777216}}"#,
            ("memory.soft_limit_in_bytes", "16777216"),
            ("memory.low", "16777216"),
        ),
        (
            "cpu",
            r#"{"cpu":{"shares":512}}"#,
            ("cpu.shares", "512"),
            ("cpu.weight", "59"),
        ),
        (
            "cpu",
            r#"{"cpu":{"quota":20000,"period":50000}}"#,
            ("cpu.cfs_quota_us", "20000"),
            ("cpu.max", "20000 50000"),
        ),
        (
            "cpu",
            r#"{"cpu":{"quota":20000,"burst":10000}}"#,
            ("cpu.cfs_burst_us", "10000"),
            ("cpu.max.burst", "10000"),
        ),
        (
            "cpu",
            r#"{"cpu":{"idle":1,"shares":512}}"#,
            ("cpu.idle", "1"),
            ("cpu.idle", "1"),
        ),
        (
            "cpuset",
            r#"{"cpu":{"cpus":"0"}}"#,
            ("cpuset.cpus", "0"),
            ("cpuset.cpus", "0"),
        ),
        (
            "cpuset",
            r#"{"cpu":{"mems":"0"}}"#,
            ("cpuset.mems", "0"),
            ("cpuset.mems", "0"),
        ),
    ];
    for (controller, json, on_v1, on_v2) in table {
        if !has_controller(&layout, controller) {
            continue;
        }
        let w = Workload::new(json);
        let (file, want) = if v1 { on_v1 } else { on_v2 };
        assert_eq!(w.read(file), want, "{json}");
        // A process still gets in.
        w.sleeper();
    }
}

#[test]
fn parents_are_made_and_can_be_named_again() {
    if !may_make_cgroups() {
        return;
    }
    let outer = Workload::at(&fresh_path(), "{}");
    let inner = Workload::at(&format!("{}/a/b", outer.path), "{}");
    let sleeper = inner.sleeper();
    assert!(
        inner
            .cgroup
            .record()
            .dirs
            .iter()
            .all(|d| sleeper.is_in(d, ""))
    );
}

#[test]
fn a_cgroup_with_processes_or_frozen_is_refused() {
    if !may_make_cgroups() {
        return;
    }
    let w = Workload::new("{}");
    let plan = plan_at(&w.path, &resources("{}"));
    {
        let _sleeper = w.sleeper();
        let e = Cgroup::create(&plan, soon()).unwrap_err();
        assert!(
            e.to_string()
                .starts_with("container's cgroup is not empty: 1 process(es) found"),
            "{e}"
        );
        assert_eq!(e.field(), Some("/linux/cgroupsPath"));
    }
    w.cgroup.freeze(soon()).unwrap();
    let e = Cgroup::create(&plan, soon()).unwrap_err();
    assert!(
        e.to_string()
            .starts_with("container's cgroup unexpectedly frozen"),
        "{e}"
    );
    // Below a frozen one, too, and nothing is left of the attempt.
    let child = format!("{}/child", w.path);
    let e = Cgroup::create(&plan_at(&child, &resources("{}")), soon()).unwrap_err();
    assert!(
        e.to_string()
            .starts_with("container's cgroup unexpectedly frozen"),
        "{e}"
    );
    assert!(
        w.cgroup
            .record()
            .dirs
            .iter()
            .all(|d| !d.full().join("child").exists())
    );
    w.cgroup.thaw(soon()).unwrap();
    drop(Cgroup::create(&plan, soon()).unwrap());
}

#[test]
fn what_fails_leaves_nothing() {
    if !may_make_cgroups() {
        return;
    }
    let layout = Layout::detect().unwrap();
    if !has_controller(&layout, "cpuset") {
        return;
    }
    let path = fresh_path();
    let plan = plan_at(
        &format!("{path}/x"),
        &resources(r#"{"cpu":{"cpus":"4095"}}"#),
    );
    let e = Cgroup::create(&plan, soon()).unwrap_err();
    assert_eq!(e.field(), Some("/linux/resources/cpu/cpus"));
    assert!(e.to_string().contains("cpuset.cpus"), "{e}");
    let dirs = plan.record().dirs;
    assert!(
        dirs.iter()
            .all(|d| !d.full().exists() && !d.full().parent().unwrap().exists()),
        "{dirs:?}"
    );
}

#[test]
fn a_missing_controller_is_named() {
    if !may_make_cgroups() {
        return;
    }
    let layout = Layout::detect().unwrap();
    let r = resources(r#"{"rdma":{"mlx5_0":{"hcaHandles":3}}}"#);
    let request = libcgroups::Request {
        path: Some("/x"),
        resources: Some(&r),
        ..Default::default()
    };
    match libcgroups::plan(&layout, &request) {
        Err(e) => assert_eq!(
            e.to_string(),
            "this host has no rdma cgroup controller (asked for by /linux/resources/rdma/mlx5_0)"
        ),
        // On v2 only the kernel knows.
        Ok(plan) if layout.is_v2() => {
            if let Err(e) = Cgroup::create(&plan, soon()) {
                assert_eq!(e.field(), Some("/linux/resources/rdma/mlx5_0"), "{e}");
            }
        }
        Ok(_) => eprintln!("skipped: this host has an rdma controller"),
    }
}

#[test]
fn a_delegated_cgroup_belongs_to_its_user() {
    use std::os::unix::fs::MetadataExt;
    let layout = Layout::detect().unwrap();
    let Some(_) = layout.v2_mountpoint().filter(|_| may_make_cgroups()) else {
        eprintln!("skipped: only a v2 tree is delegated, and by root");
        return;
    };
    let path = fresh_path();
    let request = Request {
        path: Some(&path),
        id: "test",
        delegate_to: Some(1234),
        ..Request::default()
    };
    let plan = libcgroups::plan(&layout, &request).unwrap();
    let cgroup = Cgroup::create(&plan, soon()).unwrap();
    let dir = plan.v2_path().unwrap();
    let owner = |file: &str| std::fs::metadata(dir.join(file)).map(|m| m.uid()).unwrap();
    let owners = [
        "",
        "cgroup.procs",
        "cgroup.subtree_control",
        "cgroup.threads",
        "cgroup.freeze",
    ]
    .map(owner);
    cgroup.destroy(soon()).unwrap();
    assert_eq!(owners, [1234, 1234, 1234, 1234, 0]);
}

#[test]
fn below_a_threaded_cgroup_it_is_threaded() {
    let layout = Layout::detect().unwrap();
    let Some(top) = layout
        .v2_mountpoint()
        .filter(|_| may_make_cgroups() && layout.is_v2())
    else {
        eprintln!("skipped: threads are a matter of cgroup v2");
        return;
    };
    let path = fresh_path();
    let outer = Workload::at(&path, "{}");
    let dir = top.join(path.trim_start_matches('/'));
    std::fs::create_dir(dir.join("threaded")).unwrap();
    std::fs::write(dir.join("threaded/cgroup.type"), "threaded").unwrap();
    let inner = format!("{path}/threaded/x");
    let w = Workload::at(&inner, "{}");
    assert_eq!(w.read("cgroup.type"), "threaded");
    drop(w);
    let e = Cgroup::create(
        &plan_at(&inner, &resources(r#"{"memory":{"limit":1048576}}"#)),
        soon(),
    )
    .unwrap_err();
    assert_eq!(e.field(), Some("/linux/resources/memory/limit"));
    assert!(e.to_string().contains("below a threaded cgroup"), "{e}");
    drop(outer);
}
