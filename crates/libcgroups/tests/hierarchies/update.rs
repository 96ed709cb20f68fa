//! Changing limits.

use crate::workload::*;
use libcgroups::Layout;

#[test]
fn new_limits_are_what_the_kernel_reports() {
    let layout = Layout::detect().unwrap();
    if !may_make_cgroups()
        || !["pids", "memory", "cpu"]
            .iter()
            .all(|c| has_controller(&layout, c))
    {
        return;
    }
    let w = Workload::new(
        r#"{"pids":{"limit":10},"memory":{"limit":33554432},"cpu":{"quota":20000,"period":50000}}"#,
    );
    let _sleeper = w.sleeper();
    let r = r#"{"pids":{"limit":20},"memory":{"limit":67108864},"cpu":{"period":100000,"shares":2048,"quota":30000}}"#;
    w.update(r).unwrap();
    assert_eq!(w.read("pids.max"), "20");
    assert_eq!(w.cgroup.memory_limit(), Some(67108864));
    if layout.is_v2() {
        assert_eq!(
            (w.read("cpu.max"), w.read("cpu.weight")),
            ("30000 100000".into(), "174".into())
        );
        // A period alone keeps the quota.
        w.update(r#"{"cpu":{"period":60000}}"#).unwrap();
        assert_eq!(w.read("cpu.max"), "30000 60000");
    } else {
        let values = ["cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.shares"].map(|f| w.read(f));
        assert_eq!(values, ["30000", "100000", "2048"]);
    }
    w.update(r#"{"memory":{"limit":-1}}"#).unwrap();
    assert_eq!(w.cgroup.memory_limit(), None);
}

#[test]
fn quota_and_burst_can_grow_and_shrink_together() {
    let layout = Layout::detect().unwrap();
    if !may_make_cgroups() || !has_controller(&layout, "cpu") {
        return;
    }
    let w = Workload::new(r#"{"cpu":{"quota":20000,"burst":20000}}"#);
    let burst = if layout.is_v2() {
        "cpu.max.burst"
    } else {
        "cpu.cfs_burst_us"
    };
    for n in [50000, 10000] {
        w.update(&format!(r#"{{"cpu":{{"quota":{n},"burst":{n}}}}}"#))
            .unwrap();
        assert_eq!(w.read(burst), n.to_string());
    }
}

#[test]
fn a_failure_puts_everything_back() {
    let layout = Layout::detect().unwrap();
    if !may_make_cgroups()
        || !["pids", "cpuset"]
            .iter()
            .all(|c| has_controller(&layout, c))
    {
        return;
    }
    let w = Workload::new(r#"{"pids":{"limit":10},"cpu":{"cpus":"0","shares":512}}"#);
    let shares = if layout.is_v2() {
        "cpu.weight"
    } else {
        "cpu.shares"
    };
    let before = (w.read("cpuset.cpus"), w.read(shares), w.read("pids.max"));
    // A memory node that is not there; cpus and shares come before or after it, whatever the order.
    let e = w
        .update(r#"{"pids":{"limit":20},"cpu":{"cpus":"0-1","shares":1000,"mems":"1000"}}"#)
        .unwrap_err();
    assert_eq!(e.field(), Some("/linux/resources/cpu/mems"), "{e}");
    assert_eq!(
        (w.read("cpuset.cpus"), w.read(shares), w.read("pids.max")),
        before
    );
}

#[test]
fn a_memory_limit_below_the_usage_is_refused_and_kills_nobody() {
    let layout = Layout::detect().unwrap();
    if !may_make_cgroups() || !has_controller(&layout, "memory") {
        return;
    }
    let w = Workload::new(r#"{"memory":{"limit":67108864,"swap":67108864}}"#);
    let hog = Sleeper(w.start(|| {
        hold_memory(8 << 20);
        sleep()
    }));
    let held = || w.cgroup.stats().memory.usage.usage;
    while held() < 8 << 20 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let check = r#"{"memory":{"limit":4194304,"swap":4194304,"checkBeforeUpdate":true}}"#;
    let e = w.update(check).unwrap_err();
    assert!(
        e.to_string()
            .starts_with("rejecting memory limit 4194304 <= usage "),
        "{e}"
    );
    let e = w
        .update(r#"{"memory":{"limit":4194304,"swap":4194304}}"#)
        .unwrap_err();
    assert!(
        e.to_string()
            .starts_with("unable to set memory limit to 4194304 (current usage: "),
        "{e}"
    );
    if layout.is_v2() {
        let unified = r#"{"unified":{"memory.max":"4M"}}"#;
        let e = w.update(unified).unwrap_err();
        assert_eq!(e.field(), Some("/linux/resources/unified/memory.max"));
    }
    assert_eq!(w.cgroup.memory_limit(), Some(67108864));
    assert_eq!(w.cgroup.oom_kills(), 0);
    assert_eq!(w.cgroup.pids().unwrap(), [hog.0.pid]);
}

#[test]
fn devices_change_only_when_they_are_listed() {
    if !may_make_cgroups() {
        return;
    }
    let w = Workload::new(r#"{"devices":[{"allow":false,"access":"rwm"}]}"#);
    let kmsg = || crate::devices::open_inside(&w, c"/dev/kmsg", kernel::file::O_RDONLY);
    let denied = kernel::Errno::EPERM.0;
    assert_eq!(kmsg(), denied);
    w.update("{}").unwrap();
    assert_eq!(kmsg(), denied);
    w.update(r#"{"devices":[{"allow":true,"type":"c","major":1,"minor":11}]}"#)
        .unwrap();
    assert_eq!(kmsg(), 0);
    w.update(r#"{"devices":[{"allow":false,"access":"rwm"}]}"#)
        .unwrap();
    assert_eq!(kmsg(), denied);
    assert_eq!(
        crate::devices::open_inside(&w, c"/dev/null", kernel::file::O_RDWR),
        0
    );
}
