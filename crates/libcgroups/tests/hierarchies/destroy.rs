//! Removing a cgroup.

use crate::workload::*;
use libcgroups::Cgroup;

#[test]
fn processes_child_cgroups_and_a_freeze_do_not_stop_it() {
    if !may_make_cgroups() {
        return;
    }
    let w = Workload::new("{}");
    let _one = w.sleeper();
    let child = Workload::at(&format!("{}/child", w.path), "{}");
    let _two = child.sleeper();
    child.cgroup.freeze(soon()).unwrap();
    w.cgroup.freeze(soon()).unwrap();
    // From the record alone, as a later command does.
    let later = Cgroup::open(w.cgroup.record());
    later.destroy(soon()).unwrap();
    for d in &w.cgroup.record().dirs {
        assert!(!d.full().exists(), "{d:?}");
    }
    later.destroy(soon()).unwrap();
}

#[test]
fn what_another_has_moved_into_is_left_alone() {
    if !may_make_cgroups() {
        return;
    }
    let first = Workload::new("{}");
    let plan = plan_as("other", &first.path, &resources("{}"));
    let second = Cgroup::create(&plan, soon()).unwrap();
    let sleeper = Sleeper(start(second.entry(), sleep));
    let late = Cgroup::open(first.cgroup.record());
    assert!(late.pids().unwrap().is_empty());
    late.kill(9, soon()).unwrap();
    late.destroy(soon()).unwrap();
    assert_eq!(second.pids().unwrap(), [sleeper.0.pid]);
    second.destroy(soon()).unwrap();
}

#[test]
fn nothing_is_left_after_many_cycles() {
    if !may_make_cgroups() {
        return;
    }
    for _ in 0..100 {
        let w = Workload::new("{}");
        let child = w.start(|| 0);
        let dirs = w.cgroup.record().dirs.clone();
        drop(w);
        assert!(dirs.iter().all(|d| !d.full().exists()));
        kernel::process::wait(std::os::fd::AsFd::as_fd(&child.pidfd)).unwrap();
    }
}
