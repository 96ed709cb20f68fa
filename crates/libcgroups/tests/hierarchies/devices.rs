//! Device control, seen from inside.

use crate::workload::*;
use kernel::file::{CWD, O_RDONLY, O_RDWR, openat};
use kernel::process::wait;
use std::os::fd::AsFd;

/// Whether a process in the cgroup can open the file, and the error number if not.
pub fn open_inside(w: &Workload, path: &'static std::ffi::CStr, flags: i32) -> i32 {
    let child = w.start(|| openat(CWD, path, flags, 0).map_or_else(|e| e.0, |_| 0));
    wait(child.pidfd.as_fd()).unwrap().status()
}

const EPERM: i32 = 1;

#[test]
fn only_the_listed_devices_open() {
    if !may_make_cgroups() {
        return;
    }
    let deny = r#"{"devices":[{"allow":false,"access":"rwm"}]}"#;
    let w = Workload::new(deny);
    assert_eq!(open_inside(&w, c"/dev/null", O_RDWR), 0);
    assert_eq!(open_inside(&w, c"/dev/zero", O_RDONLY), 0);
    assert_eq!(open_inside(&w, c"/dev/kmsg", O_RDONLY), EPERM);
    drop(w);
    let w = Workload::new(
        r#"{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":11,"access":"r"}]}"#,
    );
    assert_eq!(open_inside(&w, c"/dev/kmsg", O_RDONLY), 0);
    assert_eq!(open_inside(&w, c"/dev/kmsg", O_RDWR), EPERM);
    drop(w);
    let w = Workload::new(r#"{"devices":[{"allow":true,"access":"rwm"}]}"#);
    assert_eq!(open_inside(&w, c"/dev/kmsg", O_RDWR), 0);
}

#[test]
fn the_kernel_takes_long_lists() {
    if !may_make_cgroups() {
        return;
    }
    // Alternating letters, so that no entry can be left out.
    let rule = |i: usize| {
        format!(
            r#"{{"allow":true,"type":"c","major":{i},"minor":{},"access":"{}"}}"#,
            i % 7,
            ["r", "rw", "m", "rwm"][i % 4]
        )
    };
    let rules: Vec<_> = (300..800).map(rule).collect();
    let w = Workload::new(&format!(r#"{{"devices":[{}]}}"#, rules.join(",")));
    assert_eq!(open_inside(&w, c"/dev/kmsg", O_RDONLY), EPERM);
    assert_eq!(open_inside(&w, c"/dev/null", O_RDWR), 0);
}
