//! Resource limits. config.md#posix-process.

use crate::check_eq;
use crate::host::SYS_RESOURCE;
use crate::table::Table;
use serde_json::json;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("rlimits");
    rlimits(t);
}

/// The type in the specification, the name in /proc/PID/limits, and a value below what any machine has.
const LIMITS: [(&str, &str, u64); 16] = [
    ("RLIMIT_AS", "Max address space", 8 << 30),
    ("RLIMIT_CORE", "Max core file size", 0),
    ("RLIMIT_CPU", "Max cpu time", 3000),
    ("RLIMIT_DATA", "Max data size", 8 << 30),
    ("RLIMIT_FSIZE", "Max file size", 1 << 30),
    ("RLIMIT_LOCKS", "Max file locks", 1000),
    ("RLIMIT_MEMLOCK", "Max locked memory", 65536),
    ("RLIMIT_MSGQUEUE", "Max msgqueue size", 4096),
    ("RLIMIT_NICE", "Max nice priority", 0),
    ("RLIMIT_NOFILE", "Max open files", 512),
    ("RLIMIT_NPROC", "Max processes", 1000),
    ("RLIMIT_RSS", "Max resident set", 8 << 30),
    ("RLIMIT_RTPRIO", "Max realtime priority", 0),
    ("RLIMIT_RTTIME", "Max realtime timeout", 1_000_000),
    ("RLIMIT_SIGPENDING", "Max pending signals", 100),
    ("RLIMIT_STACK", "Max stack size", 4 << 20),
];

fn rlimits(t: &mut Table) {
    for (kind, name, value) in LIMITS {
        t.add(
            kind.to_lowercase(),
            "config.md#posix-process MUST: rlim_cur and rlim_max match soft and hard",
            move |c| {
                let soft = value / 2;
                c.config["process"]["rlimits"] =
                    json!([{"type": kind, "soft": soft, "hard": value}]);
                check_eq!(c.inspect()?.limit(name), Some((soft, value)), "{kind}");
                Ok(())
            },
        );
    }
    t.add(
        "duplicate",
        "config.md#posix-process MUST: a type given twice is an error",
        |c| {
            let entry = json!({"type": "RLIMIT_NOFILE", "soft": 64, "hard": 64});
            c.config["process"]["rlimits"] = json!([entry, entry]);
            c.args(&["exit", "0"]);
            c.create_fails().map(|_| ())
        },
    )
    .justified("the sentence is plain; both runtimes take the last entry");
    t.add(
        "unknown",
        "config.md#posix-process MUST: a type the kernel does not have is an error",
        |c| {
            c.config["process"]["rlimits"] =
                json!([{"type": "RLIMIT_BOGUS", "soft": 64, "hard": 64}]);
            c.args(&["exit", "0"]);
            c.create_fails().map(|_| ())
        },
    );
    t.add(
        "soft-above-hard",
        "config.md#valid-values MUST: a soft limit above the hard one is an error",
        |c| {
            c.config["process"]["rlimits"] =
                json!([{"type": "RLIMIT_NOFILE", "soft": 128, "hard": 64}]);
            c.args(&["exit", "0"]);
            c.create_fails().map(|_| ())
        },
    );
    t.add(
        "raise-hard",
        "config.md#posix-process MUST: the runtime raises a hard limit when it may",
        |c| {
            use rustix::process::{Resource, Rlimit, setrlimit};
            setrlimit(
                Resource::Nofile,
                Rlimit {
                    current: Some(1024),
                    maximum: Some(2048),
                },
            )?;
            c.config["process"]["rlimits"] =
                json!([{"type": "RLIMIT_NOFILE", "soft": 3000, "hard": 4000}]);
            check_eq!(
                c.inspect()?.limit("Max open files"),
                Some((3000, 4000)),
                "RLIMIT_NOFILE"
            );
            Ok(())
        },
    )
    .needs(&[SYS_RESOURCE]);
    t.add(
        "nofile-none-left",
        "config.md#posix-process MUST: a limit that leaves no descriptor beyond the standard ones",
        |c| {
            c.config["process"]["rlimits"] =
                json!([{"type": "RLIMIT_NOFILE", "soft": 3, "hard": 3}]);
            c.run(&["exit", "0"]).map(|_| ())
        },
    );
    t.add(
        "none",
        "config.md#posix-process: rlimits are optional",
        |c| {
            if let Some(process) = c.config["process"].as_object_mut() {
                process.remove("rlimits");
            }
            c.inspect().map(|_| ())
        },
    );
}
