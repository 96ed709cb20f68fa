//! What else a process carries: no-new-privileges, OOM score, personality, keyring, scheduling.
//! config.md#linux-process.

use crate::check::Verdict;
use crate::context::Context;
use crate::host::{self, Need};
use crate::inside::Inside;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::{Value, json};

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("attributes");
    attributes(t);
    scheduling(t);
}

fn attributes(t: &mut Table) {
    for (value, text) in [(true, "1"), (false, "0")] {
        t.add(
            format!("no-new-privileges-{value}"),
            "config.md#linux-process: noNewPrivileges",
            move |c| {
                c.config["process"]["noNewPrivileges"] = json!(value);
                check_eq!(c.inspect()?.status("NoNewPrivs"), text, "NoNewPrivs");
                Ok(())
            },
        );
    }
    t.add(
        "oom-score-adj",
        "config.md#linux-process MUST: oom_score_adj is the given value",
        |c| {
            for value in [100, 0, 1000] {
                c.config["process"]["oomScoreAdj"] = json!(value);
                check_eq!(
                    c.inspect()?.file("/proc/self/oom_score_adj").trim(),
                    value.to_string(),
                    "oom_score_adj"
                );
            }
            Ok(())
        },
    );
    t.add(
        "oom-score-adj-unset",
        "config.md#linux-process MUST NOT: oom_score_adj is changed when it is not set",
        |c| {
            std::fs::write("/proc/self/oom_score_adj", "77")?;
            check_eq!(
                c.inspect()?.file("/proc/self/oom_score_adj").trim(),
                "77",
                "oom_score_adj"
            );
            Ok(())
        },
    );
    t.add(
        "apparmor-profile",
        "config.md#linux-process: apparmorProfile confines the process",
        |c| {
            c.config["process"]["apparmorProfile"] = json!("unconfined");
            check_eq!(
                c.inspect()?.file("/proc/self/attr/current").trim(),
                "unconfined",
                "profile"
            );
            Ok(())
        },
    )
    .needs(&[Need::AppArmor]);
    t.add(
        "apparmor-missing",
        "config.md#valid-values MUST: a profile that is not loaded is an error",
        |c| {
            c.config["process"]["apparmorProfile"] = json!("spectest-no-such-profile");
            c.args(&["exit", "0"]);
            c.create_fails().map(|_| ())
        },
    )
    .needs(&[Need::AppArmor]);
    for (domain, value) in [("LINUX", 0), ("LINUX32", 8)] {
        t.add(
            format!("personality-{}", domain.to_lowercase()),
            "config-linux.md#personality: domain sets the execution domain",
            move |c: &mut Context| {
                c.config["linux"]["personality"] = json!({"domain": domain});
                check_eq!(c.inspect()?.0["personality"], value, "personality");
                Ok(())
            },
        )
        .newer("runtime-spec 1.1");
    }
    t.add(
        "personality-unknown",
        "config.md#valid-values MUST: an unknown domain is an error",
        |c| {
            c.config["linux"]["personality"] = json!({"domain": "HURD"});
            c.args(&["exit", "0"]);
            c.create_fails().map(|_| ())
        },
    )
    .newer("runtime-spec 1.1");
    t.add(
        "memory-policy",
        "config-linux.md#memory-policy: mode and nodes of set_mempolicy",
        |c| {
            c.config["linux"]["memoryPolicy"] = json!({"mode": "MPOL_BIND", "nodes": "0"});
            let seen = c.inspect()?;
            check_eq!(seen.0["mempolicy"]["mode"], 2, "mode");
            check_eq!(seen.0["mempolicy"]["nodes"], 1, "nodes");
            Ok(())
        },
    )
    .newer("runtime-spec 1.3");
    t.add(
        "memory-policy-unknown",
        "config-linux.md#memory-policy MUST: an unknown mode is an error",
        |c| {
            c.config["linux"]["memoryPolicy"] = json!({"mode": "MPOL_BOGUS", "nodes": "0"});
            c.args(&["exit", "0"]);
            c.create_fails().map(|_| ())
        },
    )
    .newer("runtime-spec 1.3");
    t.add(
        "session-keyring",
        "engines: the process gets a session keyring of its own",
        |c| {
            let seen = c.inspect()?;
            let keyring = seen.0["session_keyring"]
                .as_str()
                .unwrap_or_default()
                .to_string();
            check!(
                keyring.contains(&c.tag),
                "the session keyring is {keyring:?}"
            );
            Ok(())
        },
    );
    t.add(
        "no-new-keyring",
        "engines: --no-new-keyring keeps the caller's session keyring",
        |c| {
            c.args(&["inspect"]);
            let output = c.try_run_with(&["--no-new-keyring"])?.success()?;
            let inside = Inside(crate::context::json_line(&output)?);
            let keyring = inside.0["session_keyring"].to_string();
            check!(
                !keyring.contains(&c.tag),
                "the session keyring is {keyring}"
            );
            Ok(())
        },
    );
    t.add(
        "session-leader",
        "engines: the process leads a session of its own",
        |c| {
            let seen = c.inspect()?;
            check_eq!(seen.0["pid"], 1, "pid");
            check_eq!(seen.0["sid"], 1, "session");
            check_eq!(seen.0["pgid"], 1, "process group");
            Ok(())
        },
    );
    t.add(
        "signal-state",
        "engines: no signal is blocked or ignored on the runtime's account",
        |c| no_signals(&c.inspect()?.0),
    );
    t.add(
        "not-traced",
        "engines: the process is not traced and has no parent-death signal of the runtime's",
        |c| {
            let seen = c.inspect()?;
            check_eq!(seen.status("TracerPid"), "0", "TracerPid");
            Ok(())
        },
    );
}

/// Neither blocked nor ignored when the program was executed; signals above 31 belong to the C library.
pub fn no_signals(seen: &Value) -> Verdict {
    for set in ["SigBlk", "SigIgn"] {
        let mask = u64::from_str_radix(seen[set].as_str().unwrap_or_default(), 16);
        check_eq!(mask.unwrap_or(u64::MAX) & 0x7fff_ffff, 0, "{set}");
    }
    Ok(())
}

fn scheduling(t: &mut Table) {
    for (policy, number, nice) in [
        ("SCHED_OTHER", 0, 5),
        ("SCHED_BATCH", 3, 3),
        ("SCHED_IDLE", 5, 0),
    ] {
        t.add(
            format!("scheduler-{}", policy.to_lowercase()),
            "config.md#linux-process: scheduler policy and nice value",
            move |c| {
                let nice = host::nicer_by(nice);
                c.config["process"]["scheduler"] = json!({"policy": policy, "nice": nice});
                let seen = c.inspect()?.0["scheduler"].clone();
                check_eq!(seen["policy"], number, "policy");
                if policy != "SCHED_IDLE" {
                    check_eq!(seen["nice"], nice, "nice");
                }
                Ok(())
            },
        )
        .newer("runtime-spec 1.1");
    }
    t.add(
        "scheduler-unknown",
        "config.md#valid-values MUST: an unknown policy is an error",
        |c| {
            c.config["process"]["scheduler"] = json!({"policy": "SCHED_BOGUS"});
            c.args(&["exit", "0"]);
            c.create_fails().map(|_| ())
        },
    )
    .newer("runtime-spec 1.1");
    t.add(
        "scheduler-flag",
        "config.md#linux-process: SCHED_FLAG_RESET_ON_FORK",
        |c| {
            c.config["process"]["scheduler"] = json!({
                "policy": "SCHED_BATCH", "nice": host::nicer_by(0), "flags": ["SCHED_FLAG_RESET_ON_FORK"],
            });
            check_eq!(c.inspect()?.0["scheduler"]["flags"], 1, "flags");
            Ok(())
        },
    )
    .newer("runtime-spec 1.1");
    for (class, priority, value) in [
        ("IOPRIO_CLASS_BE", 6, (2 << 13) | 6),
        ("IOPRIO_CLASS_IDLE", 0, 3 << 13),
        ("IOPRIO_CLASS_RT", 2, (1 << 13) | 2),
    ] {
        t.add(
            class.to_lowercase().replace('_', "-"),
            "config.md#linux-process: ioPriority class and priority",
            move |c| {
                c.config["process"]["ioPriority"] = json!({"class": class, "priority": priority});
                check_eq!(c.inspect()?.0["ioprio"], value, "ioprio");
                Ok(())
            },
        )
        .newer("runtime-spec 1.1")
        .needs(if class == "IOPRIO_CLASS_RT" {
            &[Need::Root]
        } else {
            &[]
        });
    }
    t.add(
        "ioprio-unknown",
        "config.md#valid-values MUST: an unknown I/O class is an error",
        |c| -> Verdict {
            c.config["process"]["ioPriority"] =
                json!({"class": "IOPRIO_CLASS_BOGUS", "priority": 1});
            c.args(&["exit", "0"]);
            c.create_fails().map(|_| ())
        },
    )
    .newer("runtime-spec 1.1");
}
