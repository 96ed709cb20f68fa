//! Small configurations and their whole plans, as `teu explain` prints them: NAME.json and NAME.plan beside this file. What changes in a plan is to be seen
//! in a review.
//!
//! After a change that is meant: `PLANS=write cargo test -p teu-libcontainer --test plans`, and read the difference.

#![allow(clippy::disallowed_methods, reason = "the test's own files")]

use libcontainer::plan::{self, Host, Options, Plan};
use libcontainer::spec;
use std::fs;
use std::path::Path;

/// For root of a host with cgroup version 2, whatever the machine of the test is.
fn plan_of(document: &[u8], name: &str) -> Plan {
    let host = Host {
        euid: 0,
        egid: 0,
        privileged: true,
        capabilities: u64::MAX,
        cgroups: libcgroups::Layout::unified(Path::new("/sys/fs/cgroup"), "/"),
    };
    let options = Options {
        id: name,
        ..Options::default()
    };
    let spec = spec::decode(document).expect("the configuration decodes");
    plan::plan(&spec, Path::new("/bundle"), &options, &host)
        .unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn each_configuration_becomes_its_plan() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans");
    let mut different = Vec::new();
    let mut seen = 0;
    for entry in fs::read_dir(&folder)
        .expect("the folder is there")
        .flatten()
    {
        let path = entry.path();
        if path.extension() != Some("json".as_ref()) {
            continue;
        }
        seen += 1;
        let name = path.file_stem().and_then(|n| n.to_str()).expect("a name");
        let document = fs::read(&path).expect("it can be read");
        let got = plan_of(&document, name).to_string();
        let golden = path.with_extension("plan");
        if std::env::var("PLANS").is_ok_and(|v| v == "write") {
            fs::write(&golden, &got).expect("it can be written");
        }
        let want = fs::read_to_string(&golden).unwrap_or_default();
        if got != want {
            different.push(format!(
                "--- {name}, as recorded\n{want}+++ {name}, now\n{got}"
            ));
        }
    }
    assert!(seen > 0);
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn only_a_filesystem_that_may_lie_on_a_device_has_devices_controlled_first() {
    let opens_devices = |kind: &str| {
        let document = format!(
            r#"{{
                "ociVersion": "1.0.2",
                "root": {{"path": "rootfs"}},
                "process": {{"args": ["sh"], "cwd": "/"}},
                "linux": {{"namespaces": [{{"type": "mount"}}]}},
                "mounts": [{{"destination": "/mnt", "type": "{kind}", "source": "/dev/vdb"}}]
            }}"#
        );
        plan_of(document.as_bytes(), kind).program.opens_devices()
    };
    for kind in ["proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup"] {
        assert!(!opens_devices(kind), "{kind}");
    }
    for kind in ["ext4", "xfs", "fuseblk"] {
        assert!(opens_devices(kind), "{kind}");
    }
}
