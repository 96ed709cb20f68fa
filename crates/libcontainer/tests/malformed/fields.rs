//! One by one: what only one field cannot be, and fields that contradict each other.

use super::{decide, valid, with};
use serde_json::{Value, json};

#[test]
fn what_one_field_cannot_be() {
    let document = valid();
    for (pointer, value, found) in [
        ("/process/args", json!([]), "/process/args"),
        ("/process/args/0", json!(""), "/process/args/0"),
        ("/process/env/0", json!("=x"), "/process/env/0"),
        ("/process/user/umask", json!(0o10000), "/process/user/umask"),
        ("/process/user/uid", json!(32000), "/process/user/uid"),
        ("/process/user/gid", json!(32001), "/process/user/gid"),
        (
            "/process/user/additionalGids/1",
            json!(99999),
            "/process/user/additionalGids/1",
        ),
        (
            "/process/user/additionalGids",
            json!(vec![0; 65_537]),
            "/process/user/additionalGids",
        ),
        (
            "/process/capabilities/permitted",
            json!([]),
            "/process/capabilities/effective",
        ),
        (
            "/process/capabilities/bounding",
            json!([]),
            "/process/capabilities/inheritable",
        ),
        (
            "/linux/memoryPolicy",
            json!({"mode": "MPOL_INTERLEAVE"}),
            "/linux/memoryPolicy/nodes",
        ),
        (
            "/linux/memoryPolicy/flags",
            json!(["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"]),
            "/linux/memoryPolicy/flags",
        ),
        (
            "/linux/maskedPaths/0",
            json!("/tmp/.."),
            "/linux/maskedPaths/0",
        ),
        (
            "/linux/readonlyPaths/0",
            json!("/"),
            "/linux/readonlyPaths/0",
        ),
        ("/process/oomScoreAdj", json!(1001), "/process/oomScoreAdj"),
        ("/process/oomScoreAdj", json!(-1001), "/process/oomScoreAdj"),
        (
            "/process/rlimits/0/soft",
            json!(1025),
            "/process/rlimits/0/soft",
        ),
        (
            "/process/scheduler/nice",
            json!(20),
            "/process/scheduler/nice",
        ),
        (
            "/process/scheduler/priority",
            json!(-1),
            "/process/scheduler/priority",
        ),
        (
            "/process/ioPriority/priority",
            json!(8),
            "/process/ioPriority/priority",
        ),
        ("/root/path", json!(""), "/root/path"),
        ("/hostname", json!("x".repeat(65)), "/hostname"),
        ("/domainname", json!("x".repeat(65)), "/domainname"),
        ("/mounts/0/destination", json!(""), "/mounts/0/destination"),
        (
            "/mounts/0/destination",
            json!("/tmp/.."),
            "/mounts/0/destination",
        ),
        (
            "/mounts/0/destination",
            json!("/proc/sys"),
            "/mounts/0/destination",
        ),
        ("/mounts/0/options/1", json!("size=4k"), "/mounts/0/options"),
        (
            "/mounts/0/uidMappings/0/size",
            json!(0),
            "/mounts/0/uidMappings/0",
        ),
        ("/mounts/0/gidMappings", json!([]), "/mounts/0/gidMappings"),
        (
            "/hooks/prestart/0/timeout",
            json!(0),
            "/hooks/prestart/0/timeout",
        ),
        ("/annotations", json!({"": "x"}), "/annotations/"),
        (
            "/linux/uidMappings/0/size",
            json!(0),
            "/linux/uidMappings/0",
        ),
        ("/linux/gidMappings", json!([]), "/linux/gidMappings"),
        (
            "/linux/sysctl",
            json!({"vm.swappiness": "1"}),
            "/linux/sysctl/vm.swappiness",
        ),
        (
            "/linux/namespaces/0",
            json!({"type": "pid", "path": "relative"}),
            "/linux/namespaces/0/path",
        ),
        (
            "/linux/devices/0/major",
            json!(4096),
            "/linux/devices/0/major",
        ),
        (
            "/linux/devices/0/minor",
            json!(-1),
            "/linux/devices/0/minor",
        ),
        (
            "/linux/devices/0/fileMode",
            json!(0o200_000),
            "/linux/devices/0/fileMode",
        ),
        (
            "/linux/netDevices",
            json!({"eth0": {"name": "x"}, "eth1": {"name": "x"}}),
            "/linux/netDevices/eth1",
        ),
        (
            "/linux/netDevices",
            json!({"a/b": {}}),
            "/linux/netDevices/a~1b",
        ),
        (
            "/linux/intelRdt/closID",
            json!("a/b"),
            "/linux/intelRdt/closID",
        ),
        (
            "/linux/intelRdt/memBwSchema",
            json!("MB"),
            "/linux/intelRdt/memBwSchema",
        ),
        (
            "/linux/memoryPolicy/flags/0",
            json!("MPOL_F_X"),
            "/linux/memoryPolicy/flags/0",
        ),
        (
            "/linux/personality/flags",
            json!(["X"]),
            "/linux/personality/flags",
        ),
        (
            "/linux/timeOffsets/boottime/nanosecs",
            json!(1_000_000_000),
            "/linux/timeOffsets/boottime/nanosecs",
        ),
        (
            "/linux/timeOffsets",
            json!({"wall": {}}),
            "/linux/timeOffsets/wall",
        ),
        (
            "/linux/seccomp/syscalls/1/args/0/index",
            json!(6),
            "/linux/seccomp/syscalls/1/args/0/index",
        ),
        (
            "/linux/seccomp/architectures/0",
            json!("SCMP_ARCH_X"),
            "/linux/seccomp/architectures/0",
        ),
        (
            "/linux/seccomp/flags/0",
            json!("X"),
            "/linux/seccomp/flags/0",
        ),
        (
            "/linux/seccomp/syscalls/0/action",
            json!("X"),
            "/linux/seccomp/syscalls/0/action",
        ),
    ] {
        assert_eq!(
            decide(&with(&document, pointer, value.clone())),
            Err(found.to_owned()),
            "{pointer} = {value}"
        );
    }
}

#[test]
fn fields_that_contradict_each_other() {
    let without = |kind: &str| {
        let mut document = valid();
        document["linux"]["namespaces"]
            .as_array_mut()
            .expect("a list")
            .retain(|n| n["type"] != kind);
        document
    };
    let only = |mut document: Value, keys: &[&str]| {
        document["linux"]
            .as_object_mut()
            .expect("an object")
            .retain(|key, _| !keys.contains(&key.as_str()));
        document
    };
    // Without a mount namespace, nor the user namespace that needs one.
    let shared = |keys: &[&str]| {
        let mut document = only(
            without("mount"),
            &[keys, &["uidMappings", "gidMappings"]].concat(),
        );
        document["linux"]["namespaces"]
            .as_array_mut()
            .expect("a list")
            .retain(|n| n["type"] != "user");
        document
    };
    let no_hostname = |mut document: Value| {
        document
            .as_object_mut()
            .expect("an object")
            .retain(|key, _| key != "hostname");
        document
    };
    for (document, found) in [
        (without("uts"), "/hostname"),
        (no_hostname(without("uts")), "/domainname"),
        (without("mount"), "/linux/namespaces"),
        (shared(&[]), "/linux/maskedPaths"),
        (shared(&["maskedPaths"]), "/linux/readonlyPaths"),
        (without("user"), "/linux/uidMappings"),
        (without("time"), "/linux/timeOffsets"),
        (without("network"), "/linux/netDevices"),
    ] {
        assert_eq!(decide(&document), Err(found.to_owned()));
    }
    let mut joined = valid();
    joined["linux"]["namespaces"] = json!([{"type": "time", "path": "/proc/1/ns/time"}, {"type": "uts"}, {"type": "mount"}, {"type": "network"}, {"type": "user"}]);
    assert_eq!(decide(&joined), Err("/linux/timeOffsets".to_owned()));
    let mut twice = valid();
    twice["mounts"][0]["options"] = json!(["rbind", "idmap=uids=0-0-1;gids=0-0-1"]);
    assert_eq!(decide(&twice), Err("/mounts/0/options".to_owned()));
}
