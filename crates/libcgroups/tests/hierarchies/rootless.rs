//! Without root.

use crate::workload::*;
use libcgroups::{Cgroup, Driver, Entry, Layout, Request, Resources, plan};

fn create(resources: Option<&Resources>) -> libcgroups::Result<Cgroup> {
    let name = fresh_path();
    let request = Request {
        driver: Driver::Cgroupfs,
        id: name.trim_start_matches('/'),
        rootless: true,
        resources,
        ..Request::default()
    };
    Cgroup::create(&plan(&Layout::detect()?, &request)?, soon())
}

#[test]
fn goes_on_without_a_cgroup_unless_limits_are_wanted() {
    if kernel::cred::euid() == 0 {
        eprintln!("skipped: root may make cgroups anywhere");
        return;
    }
    let limits = resources(r#"{"pids":{"limit":10}}"#);
    let cgroup = create(None).unwrap();
    if matches!(cgroup.entry(), Entry::None) {
        assert!(
            cgroup
                .warnings()
                .iter()
                .all(|w| w.contains("permission denied")),
            "{:?}",
            cgroup.warnings()
        );
        assert!(!cgroup.warnings().is_empty() && cgroup.record().dirs.is_empty());
        let e = create(Some(&limits)).unwrap_err();
        assert!(
            e.to_string().contains("permission denied")
                && e.hint().unwrap().contains("Delegate=yes"),
            "{e}"
        );
        assert_eq!(e.field(), Some("/linux/resources/pids/limit"));
        return;
    }
    // In a delegated cgroup, everything works.
    let sleeper = Sleeper(start(cgroup.entry(), sleep));
    assert!(cgroup.record().dirs.iter().all(|d| sleeper.is_in(d, "")));
    cgroup.destroy(soon()).unwrap();
    let cgroup = create(Some(&limits)).unwrap();
    let max = std::fs::read_to_string(cgroup.record().dirs[0].full().join("pids.max")).unwrap();
    assert_eq!(max.trim(), "10");
    cgroup.destroy(soon()).unwrap();
}
