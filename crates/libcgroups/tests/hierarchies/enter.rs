//! Further processes.

use crate::workload::*;
use kernel::process::{CloneArgs, clone, exit};
use libcgroups::Cgroup;

#[test]
fn exec_enters_the_cgroup_or_an_existing_child() {
    if !may_make_cgroups() {
        return;
    }
    let w = Workload::new("{}");
    // With a process inside, v2 passes no controllers on to children, and processes may enter the cgroup itself.
    let _init = w.sleeper();
    let child = Workload::at(&format!("{}/child", w.path), "{}");
    let mut later = Cgroup::open(w.cgroup.record());

    let sleeper = Sleeper(start(later.exec_entry(&[] as &[&str]).unwrap(), sleep));
    assert!(w.cgroup.record().dirs.iter().all(|d| sleeper.is_in(d, "")));
    let sleeper = Sleeper(start(later.exec_entry(&["child"]).unwrap(), sleep));
    assert!(
        w.cgroup
            .record()
            .dirs
            .iter()
            .all(|d| sleeper.is_in(d, "/child"))
    );
    // Beside a process that moved on its own.
    let other = Sleeper(start(
        later.exec_entry_beside(sleeper.0.pid).unwrap(),
        sleep,
    ));
    assert!(
        w.cgroup
            .record()
            .dirs
            .iter()
            .all(|d| other.is_in(d, "/child"))
    );
    drop(child);
}

#[test]
fn exec_stays_below() {
    if !may_make_cgroups() {
        return;
    }
    let w = Workload::new("{}");
    let mut later = Cgroup::open(w.cgroup.record());
    for sub in ["..", "../..", "child/../..", "/../x"] {
        assert!(later.exec_entry(&[sub]).is_err(), "{sub}");
    }
    let e = later.exec_entry(&["missing"]).unwrap_err();
    assert!(e.to_string().ends_with("no such file or directory"), "{e}");
    let e = later.exec_entry(&["nonsense:child"]).unwrap_err();
    assert!(e.to_string().contains("nonsense"), "{e}");
}

#[test]
fn a_running_process_can_be_moved_in() {
    if !may_make_cgroups() {
        return;
    }
    let w = Workload::new("{}");
    let outside = Sleeper(clone(CloneArgs::default(), || exit(sleep())).unwrap());
    w.cgroup.attach(outside.0.pid, soon()).unwrap();
    assert!(w.cgroup.record().dirs.iter().all(|d| outside.is_in(d, "")));
}
