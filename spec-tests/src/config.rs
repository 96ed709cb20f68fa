//! The config.json every test starts from: what `spec` of common runtimes writes, without a terminal.

use serde_json::{Value, json};

/// The default configuration; `rootless` gives one that an ordinary user can run.
pub fn default(oci_version: &str, cgroups_path: Option<&str>, rootless: bool) -> Value {
    let caps = json!(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    let mut config = json!({
        "ociVersion": oci_version,
        "process": {
            "terminal": false,
            "user": {"uid": 0, "gid": 0},
            "args": ["/payload", "inspect"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {"bounding": caps, "effective": caps, "permitted": caps},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": true
        },
        "root": {"path": "rootfs", "readonly": false},
        "hostname": "spectest",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
             "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
             "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs",
             "options": ["nosuid", "noexec", "nodev", "ro"]}
        ],
        "linux": {
            "namespaces": [
                {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}
            ],
            "maskedPaths": [
                "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"
            ],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
        }
    });
    if let Some(path) = cgroups_path {
        config["linux"]["cgroupsPath"] = json!(path);
    }
    if rootless {
        make_rootless(&mut config);
    }
    config
}

/// What `spec --rootless` changes: a user namespace with the caller as root, no network namespace, /sys bound.
fn make_rootless(config: &mut Value) {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    let linux = &mut config["linux"];
    linux["namespaces"] = json!([{"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}, {"type": "user"}]);
    linux["uidMappings"] = json!([{"containerID": 0, "hostID": uid, "size": 1}]);
    linux["gidMappings"] = json!([{"containerID": 0, "hostID": gid, "size": 1}]);
    if let Some(mounts) = config["mounts"].as_array_mut() {
        for mount in mounts {
            match mount["destination"].as_str() {
                Some("/dev/pts") => {
                    mount["options"] = json!([
                        "nosuid",
                        "noexec",
                        "newinstance",
                        "ptmxmode=0666",
                        "mode=0620"
                    ]);
                }
                Some("/sys") => {
                    mount["type"] = json!("none");
                    mount["source"] = json!("/sys");
                    mount["options"] = json!(["rbind", "nosuid", "noexec", "nodev", "ro"]);
                }
                _ => {}
            }
        }
    }
}

/// Appends a mount entry.
pub fn add_mount(
    config: &mut Value,
    destination: &str,
    kind: &str,
    source: &str,
    options: &[&str],
) {
    let entry =
        json!({"destination": destination, "type": kind, "source": source, "options": options});
    push(&mut config["mounts"], entry);
}

/// Appends to an array, which is made when it is missing.
pub fn push(array: &mut Value, entry: Value) {
    match array {
        Value::Array(entries) => entries.push(entry),
        other => *other = json!([entry]),
    }
}

/// Replaces or adds the namespace of that type; with a path it is joined.
pub fn set_namespace(config: &mut Value, kind: &str, path: Option<&str>) {
    remove_namespace(config, kind);
    let entry = match path {
        Some(path) => json!({"type": kind, "path": path}),
        None => json!({"type": kind}),
    };
    push(&mut config["linux"]["namespaces"], entry);
}

/// Takes the namespace of that type out, so that it is inherited.
pub fn remove_namespace(config: &mut Value, kind: &str) {
    if let Some(list) = config["linux"]["namespaces"].as_array_mut() {
        list.retain(|entry| entry["type"] != kind);
    }
}

/// Sets all five capability sets; an empty slice empties a set.
pub fn set_capabilities(config: &mut Value, sets: [&[&str]; 5]) {
    let names = [
        "bounding",
        "effective",
        "permitted",
        "inheritable",
        "ambient",
    ];
    for (name, set) in names.iter().zip(sets) {
        config["process"]["capabilities"][*name] = json!(set);
    }
}

/// Adds capabilities to the bounding, effective and permitted sets.
pub fn grant(config: &mut Value, capabilities: &[&str]) {
    for set in ["bounding", "effective", "permitted"] {
        for capability in capabilities {
            push(
                &mut config["process"]["capabilities"][set],
                json!(capability),
            );
        }
    }
}

/// A user namespace whose ids 0..65536 are `base`.. of the host.
pub fn use_user_namespace(config: &mut Value, base: u32) {
    set_namespace(config, "user", None);
    let map = json!([{"containerID": 0, "hostID": base, "size": 65536}]);
    config["linux"]["uidMappings"] = map.clone();
    config["linux"]["gidMappings"] = map;
}
