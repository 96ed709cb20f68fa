//! What the targets have in common: deciding without doing, as root of a host with cgroup version 2, and what must hold of every decision.

use libcontainer::plan::{self, Host, Options, Plan, Step};
use libcontainer::spec::Spec;
use std::path::Path;

/// The plan of a configuration. Nothing is done.
pub fn decide(spec: &Spec) -> libcontainer::Result<Plan> {
    let host = Host {
        euid: 0,
        egid: 0,
        privileged: true,
        capabilities: u64::MAX,
        cgroups: libcgroups::Layout::unified(Path::new("/sys/fs/cgroup"), "/"),
    };
    let options = Options {
        id: "fuzz",
        ..Options::default()
    };
    plan::plan(spec, Path::new("/bundle"), &options, &host)
}

/// Every step can be told to people, and says who asked for it by a pointer.
pub fn check_steps(steps: &[Step]) {
    for step in steps {
        assert!(!step.op.to_string().is_empty());
        check_pointer(&step.field);
    }
}

/// JSON pointers start with a slash, or are empty.
pub fn check_pointer(pointer: &str) {
    assert!(
        pointer.is_empty() || pointer.starts_with('/'),
        "no JSON pointer: {pointer:?}"
    );
}

/// An error is one line that says something, and its field is a pointer.
pub fn check_error(error: &libcontainer::Error) {
    let text = error.to_string();
    assert!(!text.is_empty());
    check_pointer(error.pointer().unwrap_or_default());
}
