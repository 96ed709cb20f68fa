//! The engines' default seccomp profiles: programs run under them, and are denied what they deny. config-linux.md#seccomp.

use crate::check_eq;
use crate::host::Need;
use crate::table::Table;
use serde_json::{Value, json};

/// Name, profile, and the errno of what it has no rule for.
const PROFILES: [(&str, &str, u32); 3] = [
    (
        "docker",
        include_str!("../../../crates/seccomp/tests/data/docker.json"),
        1,
    ),
    (
        "podman",
        include_str!("../../../crates/seccomp/tests/data/podman.json"),
        38,
    ),
    (
        "containerd",
        include_str!("../../../crates/seccomp/tests/data/containerd.json"),
        1,
    ),
];

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("seccomp");
    for (name, text, errno) in PROFILES {
        for nnp in [true, false] {
            let suffix = if nnp {
                ""
            } else {
                "-without-no-new-privileges"
            };
            t.add(
                format!("default-{name}{suffix}"),
                format!("engines: programs run under the default profile of {name}, also by exec, and get what it denies denied"),
                move |c| {
                    let profile: Value = serde_json::from_str(text)?;
                    c.config["linux"]["seccomp"] = profile;
                    c.config["process"]["noNewPrivileges"] = json!(nnp);
                    // What no capability would stop.
                    let words = [&["inspect", ";"], &PERSONALITY[..], &[";", "mkdir", "/data/x"]].concat();
                    let lines = c.attempts(&words)?;
                    let status = lines[0]["files"]["/proc/self/status"].as_str().unwrap_or_default();
                    check_eq!(status.contains("Seccomp:\t2"), true, "filter mode");
                    check_eq!(lines[1]["errno"], errno, "errno of personality");
                    check_eq!(lines[2]["ok"], true, "mkdir");
                    c.launch(&["pause"])?;
                    let output = c.try_exec(&[], &PERSONALITY)?.success()?;
                    check_eq!(crate::context::json_line(&output)?["errno"], errno, "errno of personality in exec");
                    c.destroy()
                },
            )
            .needs(&[Need::Root]);
        }
    }
}

/// personality(2) and ADDR_NO_RANDOMIZE, which takes no capability.
const PERSONALITY: [&str; 3] = ["syscall", NUMBER, "262144"];
#[cfg(target_arch = "x86_64")]
const NUMBER: &str = "135";
#[cfg(not(target_arch = "x86_64"))]
const NUMBER: &str = "92";
