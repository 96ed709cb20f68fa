//! Freezing and signals.

use crate::workload::*;
use kernel::process::{Exit, wait};
use std::os::fd::AsFd;

#[test]
fn freeze_and_thaw() {
    if !may_make_cgroups() {
        return;
    }
    let w = Workload::new("{}");
    let _sleeper = w.sleeper();
    assert!(!w.cgroup.frozen().unwrap());
    w.cgroup.freeze(soon()).unwrap();
    assert!(w.cgroup.frozen().unwrap());
    w.cgroup.freeze(soon()).unwrap();
    w.cgroup.thaw(soon()).unwrap();
    assert!(!w.cgroup.frozen().unwrap());
}

#[test]
fn a_thaw_below_a_frozen_parent_ends_at_the_deadline() {
    if !may_make_cgroups() {
        return;
    }
    let outer = Workload::new("{}");
    let inner = Workload::at(&format!("{}/inner", outer.path), "{}");
    let _sleeper = inner.sleeper();
    outer.cgroup.freeze(soon()).unwrap();
    let start = std::time::Instant::now();
    let e = inner
        .cgroup
        .thaw(start + std::time::Duration::from_millis(50))
        .unwrap_err();
    assert!(
        e.to_string().contains("a parent cgroup may be frozen"),
        "{e}"
    );
    assert!(start.elapsed().as_millis() < 500);
    outer.cgroup.thaw(soon()).unwrap();
}

#[test]
fn signals_reach_everybody() {
    if !may_make_cgroups() {
        return;
    }
    let w = Workload::new("{}");
    let sleepers = [w.sleeper(), w.sleeper(), w.sleeper()];
    w.cgroup.kill(15, soon()).unwrap();
    for s in &sleepers {
        assert_eq!(wait(s.0.pidfd.as_fd()), Ok(Exit::Signal(15)));
    }
    assert!(!w.cgroup.frozen().unwrap());
}

#[test]
fn sigkill_ends_frozen_processes() {
    if !may_make_cgroups() {
        return;
    }
    let w = Workload::new("{}");
    let sleeper = w.sleeper();
    w.cgroup.freeze(soon()).unwrap();
    w.cgroup.kill(9, soon()).unwrap();
    assert_eq!(wait(sleeper.0.pidfd.as_fd()), Ok(Exit::Signal(9)));
}
