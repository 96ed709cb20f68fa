//! The configuration that `spec` writes, beside the one of runc.

use libcontainer::spec::{self, default_spec, render};
use serde_json::{Value, json};

use super::{RUNC, RUNC_ROOTLESS};

fn rendered(rootless: Option<(u32, u32)>, cgroup_v2: bool) -> String {
    String::from_utf8(render(&default_spec(rootless, cgroup_v2)).unwrap()).unwrap()
}

/// runc's file with what is different on purpose: the version, the name, no ambient capabilities
/// (without inheritable ones they cannot be raised), and the paths that have come to be masked
/// since.
fn expected(runc: &str) -> Value {
    let mut config = super::json(runc);
    config["ociVersion"] = json!("1.3.0");
    config["hostname"] = json!("teu");
    config["process"]["capabilities"]
        .as_object_mut()
        .unwrap()
        .remove("ambient");
    let masked = config["linux"]["maskedPaths"].as_array_mut().unwrap();
    masked.insert(2, json!("/proc/interrupts"));
    let scsi = masked.pop().unwrap();
    masked.extend([json!("/sys/devices/virtual/powercap"), scsi]);
    config
}

#[test]
fn the_example_is_the_one_of_runc() {
    assert_eq!(super::json(&rendered(None, false)), expected(RUNC));
    assert_eq!(
        super::json(&rendered(Some((0, 0)), false)),
        expected(RUNC_ROOTLESS)
    );
}

#[test]
fn its_keys_have_the_order_of_runc() {
    for (ours, runc) in [
        (rendered(None, false), RUNC),
        (rendered(Some((0, 0)), false), RUNC_ROOTLESS),
    ] {
        let ours: Vec<&str> = ours.lines().filter(|line| line.contains("\":")).collect();
        let mut position = ours.iter();
        for line in runc
            .lines()
            .filter(|line| line.contains("\":") && !line.contains("ambient"))
        {
            let key = line.split(':').next().unwrap();
            assert!(
                position.any(|ours| ours.starts_with(key)),
                "{key} is not where it should be"
            );
        }
    }
}

#[test]
fn it_is_indented_by_tabs_and_ends_without_a_newline() {
    let text = rendered(None, false);
    assert!(text.starts_with(
        "{\n\t\"ociVersion\": \"1.3.0\",\n\t\"process\": {\n\t\t\"terminal\": true,\n"
    ));
    assert!(text.ends_with("\t]\n\t}\n}"));
}

#[test]
fn cgroup_v2_brings_a_cgroup_namespace() {
    let kinds = |rootless, v2| {
        let namespaces = default_spec(rootless, v2).linux.unwrap().namespaces;
        namespaces
            .into_iter()
            .map(|namespace| namespace.r#type)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        kinds(None, true),
        ["pid", "network", "ipc", "uts", "mount", "cgroup"]
    );
    assert_eq!(
        kinds(Some((1000, 1000)), true),
        ["pid", "ipc", "uts", "mount", "user"]
    );
}

#[test]
fn a_rootless_example_maps_its_user_to_root() {
    let linux = default_spec(Some((1000, 1001)), true).linux.unwrap();
    let map = |host_id| {
        vec![spec::IdMapping {
            container_id: 0,
            host_id,
            size: 1,
        }]
    };
    assert_eq!(
        (linux.uid_mappings, linux.gid_mappings),
        (map(1000), map(1001))
    );
}

#[test]
fn the_example_decodes_to_itself() {
    for (rootless, v2) in [(None, false), (None, true), (Some((1, 2)), true)] {
        let spec = default_spec(rootless, v2);
        assert_eq!(spec::decode(&render(&spec).unwrap()).unwrap(), spec);
    }
}
