//! `features`: what this build knows, and what this kernel can do (features.md, features-linux.md).

use super::print;
use kernel::seccomp as filter;
use libcontainer::Result;
use libcontainer::plan::{capabilities, options};
use serde_json::{Value, json};

/// Runs the command. Standard error stays empty: callers read both together.
pub fn run() -> Result<i32> {
    let text = format!("{:#}\n", document());
    print(text.as_bytes())
}

fn document() -> Value {
    json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": libcontainer::spec::SPEC_VERSION,
        "hooks": ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"],
        "mountOptions": mount_options(),
        "linux": {
            "namespaces": namespaces(),
            "capabilities": capabilities::names(u64::MAX),
            "cgroup": { "v1": true, "v2": true, "systemd": true, "systemdUser": true, "rdma": true },
            "seccomp": seccomp(),
            "apparmor": { "enabled": true },
            "selinux": { "enabled": true },
            "intelRdt": { "enabled": false },
            "memoryPolicy": {
                "modes": ["MPOL_DEFAULT", "MPOL_PREFERRED", "MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_LOCAL", "MPOL_PREFERRED_MANY", "MPOL_WEIGHTED_INTERLEAVE"],
                "flags": ["MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"],
            },
            "mountExtensions": { "idmap": { "enabled": false } },
            "netDevices": { "enabled": false },
        },
        "annotations": { "org.teu.version": env!("CARGO_PKG_VERSION") },
        "potentiallyUnsafeConfigAnnotations": ["org.systemd.property.", "run.oci."],
    })
}

fn mount_options() -> Vec<&'static str> {
    options::words().collect()
}

/// Those that the running kernel has.
fn namespaces() -> Vec<&'static str> {
    let mut names: Vec<_> = libcontainer::plan::namespaces::KINDS
        .iter()
        .filter(|(_, file, _)| std::path::Path::new("/proc/self/ns").join(file).exists())
        .map(|(name, ..)| *name)
        .collect();
    names.sort_unstable();
    names
}

fn seccomp() -> Value {
    let supported: Vec<_> = seccomp::features::known_flags()
        .into_iter()
        .filter(|name| FLAGS.iter().any(|(known, bit)| known == name && filter::supports_flags(*bit)))
        .collect();
    json!({
        "enabled": filter::supports_action(ERRNO),
        "actions": seccomp::features::actions(),
        "operators": seccomp::features::operators(),
        "archs": seccomp::features::archs(),
        "knownFlags": seccomp::features::known_flags(),
        "supportedFlags": supported,
    })
}

/// SECCOMP_RET_ERRNO, which every kernel with filters has (linux/seccomp.h).
const ERRNO: u32 = 0x0005_0000;

/// The flags of seccomp(2) by the specification's names.
const FLAGS: [(&str, u64); 4] = [
    ("SECCOMP_FILTER_FLAG_TSYNC", 1),
    ("SECCOMP_FILTER_FLAG_LOG", 2),
    ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", 4),
    ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 32),
];
