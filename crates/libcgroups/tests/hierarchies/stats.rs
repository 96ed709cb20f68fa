//! Statistics and OOM kills.

use crate::workload::*;
use kernel::process::{Exit, wait};
use libcgroups::{Layout, OomEvent};
use std::os::fd::AsFd;

#[test]
fn what_was_used_is_reported() {
    let layout = Layout::detect().unwrap();
    if !may_make_cgroups() {
        return;
    }
    let w = Workload::new("{}");
    let _sleeper = w.sleeper();
    let busy = w.start(|| {
        let end = std::time::Instant::now() + std::time::Duration::from_millis(50);
        while std::time::Instant::now() < end {}
        0
    });
    wait(busy.pidfd.as_fd()).unwrap();
    let stats = w.cgroup.stats();
    assert!(stats.cpu.usage.total >= 1_000_000, "{:?}", stats.cpu);
    assert_eq!(stats.pids.current, 1);
    if has_controller(&layout, "memory") {
        assert!(
            stats.memory.usage.usage > 0 && !stats.memory.raw.is_empty(),
            "{:?}",
            stats.memory
        );
    }
    let json = serde_json::to_value(&stats).unwrap();
    for pointer in [
        "/cpu/usage/kernel",
        "/cpu/throttling",
        "/cpuset/mem_hardwall",
        "/memory/usage/limit",
        "/memory/kernelTCP/failcnt",
        "/pids/current",
    ] {
        assert!(json.pointer(pointer).is_some(), "{pointer} in {json}");
    }
    // A cgroup that is gone reports nothing, and is no error.
    let later = libcgroups::Cgroup::open(w.cgroup.record());
    drop(_sleeper);
    drop(w);
    assert_eq!(later.stats().pids.current, 0);
}

#[test]
fn an_oom_kill_is_counted_and_told() {
    let layout = Layout::detect().unwrap();
    if !may_make_cgroups() || !has_controller(&layout, "memory") {
        return;
    }
    let w = Workload::new(r#"{"memory":{"limit":4194304,"swap":4194304}}"#);
    assert_eq!(
        (w.cgroup.oom_kills(), w.cgroup.memory_limit()),
        (0, Some(4194304))
    );
    let mut events = w.cgroup.oom_events().unwrap();
    assert_eq!(
        events.wait(Some(std::time::Instant::now())).unwrap(),
        OomEvent::Nothing
    );
    let hog = w.start(|| hold_memory(64 << 20));
    assert_eq!(wait(hog.pidfd.as_fd()), Ok(Exit::Signal(9)));
    assert_eq!(w.cgroup.oom_kills(), 1);
    loop {
        match events.wait(Some(soon())).unwrap() {
            OomEvent::Killed(n) => break assert_eq!(n, 1),
            OomEvent::Pressed => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_end_is_told() {
    let layout = Layout::detect().unwrap();
    if !may_make_cgroups() || !has_controller(&layout, "memory") {
        return;
    }
    let w = Workload::new("{}");
    let sleeper = w.sleeper();
    let mut events = w.cgroup.oom_events().unwrap();
    drop(sleeper);
    drop(w);
    while events.wait(Some(soon())).unwrap() != OomEvent::Ended {}
}
