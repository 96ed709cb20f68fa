//! `features`: what this build knows (features.md, features-linux.md). What this kernel can do of it stands among the annotations.

use super::print;
use kernel::seccomp as filter;
use libcontainer::Result;
use libcontainer::plan::{capabilities, options, scheduling};
use serde_json::{Value, json};
use std::path::Path;

/// Runs the command. Standard error stays empty: callers read both together.
#[inline(never)]
pub fn run() -> Result<i32> {
    let text = format!("{:#}\n", document());
    print(text.as_bytes())
}

fn document() -> Value {
    json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": libcontainer::spec::SPEC_VERSION,
        "hooks": ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"],
        "mountOptions": options::words().collect::<Vec<_>>(),
        "linux": {
            "namespaces": names(|_| true),
            "capabilities": capabilities::names(u64::MAX),
            "cgroup": { "v1": true, "v2": true, "systemd": true, "systemdUser": true, "rdma": true },
            "seccomp": seccomp(),
            "apparmor": { "enabled": true },
            "selinux": { "enabled": true },
            "intelRdt": { "enabled": true, "schemata": true, "monitoring": true },
            "memoryPolicy": { "modes": scheduling::memory_policy_modes(), "flags": scheduling::memory_policy_flags() },
            "mountExtensions": { "idmap": { "enabled": true } },
            "netDevices": { "enabled": true },
        },
        "annotations": annotations(),
        // A dot at the end means all that starts so.
        "potentiallyUnsafeConfigAnnotations": ["org.criu.", "org.systemd.property.", "run.oci."],
    })
}

/// The names of namespaces by their file in /proc/self/ns.
fn names(wanted: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let kinds = libcontainer::plan::namespaces::KINDS;
    let mut names: Vec<_> = kinds
        .iter()
        .filter(|(_, file, _)| wanted(file))
        .map(|(name, ..)| *name)
        .collect();
    names.sort_unstable();
    names
}

fn seccomp() -> Value {
    let supported: Vec<_> = seccomp::features::known_flags()
        .into_iter()
        .filter(|name| {
            FLAGS
                .iter()
                .any(|(known, bit)| known == name && filter::supports_flags(*bit))
        })
        .collect();
    json!({
        "enabled": true,
        "actions": seccomp::features::actions(),
        "operators": seccomp::features::operators(),
        "archs": seccomp::features::archs(),
        "knownFlags": seccomp::features::known_flags(),
        "supportedFlags": supported,
    })
}

/// The version, and what the running kernel has.
#[allow(clippy::disallowed_methods, reason = "files of the kernel")]
fn annotations() -> Value {
    let there = |path: &str| Path::new(path).exists().to_string();
    json!({
        "org.teu.version": env!("CARGO_PKG_VERSION"),
        "org.teu.kernel.namespaces": names(|file| Path::new("/proc/self/ns").join(file).exists()).join(","),
        "org.teu.kernel.capabilities": capabilities::names(known_capabilities()).len().to_string(),
        "org.teu.kernel.seccomp": filter::supports_action(ERRNO).to_string(),
        "org.teu.kernel.mount_setattr": kernel::mount::has_set_attributes().to_string(),
        "org.teu.kernel.cgroup.v2": there("/sys/fs/cgroup/cgroup.controllers"),
        "org.teu.kernel.apparmor": is_on("/sys/module/apparmor/parameters/enabled").to_string(),
        "org.teu.kernel.selinux": there("/sys/fs/selinux"),
        "org.teu.kernel.resctrl": there("/sys/fs/resctrl/info"),
    })
}

/// Whether a parameter of a module is there and says yes; securityfs, which tells more, need not be mounted.
#[allow(clippy::disallowed_methods, reason = "files of the kernel")]
fn is_on(path: &str) -> bool {
    std::fs::read(path).is_ok_and(|text| text.first() == Some(&b'Y'))
}

/// Bit n is set for every capability n that the kernel has (capabilities(7), /proc/sys/kernel/cap_last_cap).
#[allow(clippy::disallowed_methods, reason = "files of the kernel")]
fn known_capabilities() -> u64 {
    let last = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap")
        .ok()
        .and_then(|text| text.trim().parse::<u32>().ok());
    last.map_or(0, |last| u64::MAX >> (63 - last.min(63)))
}

/// SECCOMP_RET_ERRNO, which every kernel with filters has (linux/seccomp.h).
const ERRNO: u32 = 0x0005_0000;

/// The flags of seccomp(2) by the specification's names.
const FLAGS: [(&str, u64); 4] = [
    ("SECCOMP_FILTER_FLAG_TSYNC", 1),
    ("SECCOMP_FILTER_FLAG_LOG", 2),
    ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", 4),
    // Refused by itself: it is about the listener.
    (
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
        32 | filter::NEW_LISTENER,
    ),
];
