//! Who the process is: ids, groups, umask, capabilities, limits, scheduling. config.md#posix-process and #linux-process.

use crate::check::Verdict;
use crate::config::set_capabilities;
use crate::context::Context;
use crate::host::{Need, SYS_RESOURCE};
use crate::inside::Inside;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::json;

/// Adds the groups.
pub fn add(t: &mut Table) {
    t.group("user");
    user(t);
    t.group("capabilities");
    capabilities(t);
    t.group("rlimits");
    rlimits(t);
    t.group("attributes");
    attributes(t);
    scheduling(t);
}

fn user(t: &mut Table) {
    t.add(
        "uid-gid",
        "config.md#posix-platform-user: uid and gid, real, effective, saved and filesystem",
        |c| {
            c.config["process"]["user"] = json!({"uid": 1000, "gid": 1001});
            let seen = c.inspect()?;
            check_eq!(seen.ids("Uid"), [1000; 4], "uids");
            check_eq!(seen.ids("Gid"), [1001; 4], "gids");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "additional-gids",
        "config.md#posix-platform-user: additionalGids are the supplementary groups",
        |c| {
            c.config["process"]["user"] =
                json!({"uid": 1000, "gid": 1000, "additionalGids": [5, 6, 70000]});
            check_eq!(c.inspect()?.groups(), [5, 6, 70000], "groups");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "no-inherited-groups",
        "config.md#posix-platform-user: groups of the caller do not reach the process",
        |c| {
            rustix::thread::set_thread_groups(&[4, 24, 27].map(rustix::fs::Gid::from_raw))?;
            check_eq!(c.inspect()?.groups(), Vec::<u32>::new(), "groups");
            c.config["process"]["user"] = json!({"uid": 1000, "gid": 1000, "additionalGids": [5]});
            check_eq!(c.inspect()?.groups(), [5], "groups");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "numeric-only",
        "config.md#posix-platform-user: ids are numbers, whatever /etc/passwd calls them",
        |c| {
            std::fs::write(
                c.rootfs().join("etc/passwd"),
                "1000:x:0:0:root:/root:/bin/sh\n",
            )?;
            c.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
            check_eq!(c.inspect()?.ids("Uid"), [1000; 4], "uids");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    for (mask, text) in [
        (0o022, "0022"),
        (0o077, "0077"),
        (0, "0000"),
        (0o777, "0777"),
    ] {
        t.add(
            format!("umask-{text}"),
            "config.md#posix-platform-user: umask is the process's umask",
            move |c| {
                c.config["process"]["user"]["umask"] = json!(mask);
                check_eq!(c.inspect()?.status("Umask"), text, "umask");
                Ok(())
            },
        );
    }
    t.add("umask-default", "engines: without umask it is 0022", |c| {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        check_eq!(c.inspect()?.status("Umask"), "0022", "umask");
        Ok(())
    });
    for (name, user) in [
        ("negative-uid", json!({"uid": -1, "gid": 0})),
        ("text-uid", json!({"uid": "root", "gid": 0})),
    ] {
        t.add(
            name,
            "config.md#valid-values MUST: an id that is no id is an error",
            move |c| {
                c.config["process"]["user"] = user.clone();
                c.args(&["exit", "0"]);
                c.create_fails().map(|_| ())
            },
        );
    }
}

const CHOWN: u64 = 1;
const KILL: u64 = 1 << 5;
const SETGID: u64 = 1 << 6;
const NET_BIND: u64 = 1 << 10;

fn capability_sets(seen: &Inside) -> [u64; 5] {
    ["CapBnd", "CapEff", "CapPrm", "CapInh", "CapAmb"].map(|set| seen.capabilities(set))
}

fn capabilities(t: &mut Table) {
    t.add(
        "five-sets",
        "config.md#linux-process: each capability set is exactly the configured one",
        |c| {
            set_capabilities(
                &mut c.config,
                [
                    &[
                        "CAP_CHOWN",
                        "CAP_KILL",
                        "CAP_SETGID",
                        "CAP_NET_BIND_SERVICE",
                    ],
                    &["CAP_CHOWN"],
                    &["CAP_CHOWN", "CAP_KILL", "CAP_SETGID"],
                    &["CAP_SETGID", "CAP_KILL"],
                    &["CAP_KILL"],
                ],
            );
            // Ambient and no-new-privileges are independent; a user that is not root shows the sets unchanged by execve.
            c.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
            let sets = capability_sets(&c.inspect()?);
            // execve of a user: permitted = ambient, effective = ambient.
            check_eq!(
                sets,
                [
                    CHOWN | KILL | SETGID | NET_BIND,
                    KILL,
                    KILL,
                    SETGID | KILL,
                    KILL
                ],
                "sets"
            );
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "root-sets",
        "config.md#linux-process: root has what permitted and bounding allow",
        |c| {
            set_capabilities(
                &mut c.config,
                [
                    &["CAP_CHOWN", "CAP_KILL"],
                    &["CAP_CHOWN", "CAP_KILL"],
                    &["CAP_CHOWN", "CAP_KILL"],
                    &[],
                    &[],
                ],
            );
            check_eq!(
                capability_sets(&c.inspect()?),
                [CHOWN | KILL, CHOWN | KILL, CHOWN | KILL, 0, 0],
                "sets"
            );
            Ok(())
        },
    );
    t.add(
        "empty",
        "config.md#linux-process: empty sets leave nothing",
        |c| {
            set_capabilities(&mut c.config, [&[], &[], &[], &[], &[]]);
            check_eq!(capability_sets(&c.inspect()?), [0; 5], "sets");
            Ok(())
        },
    );
    t.add(
        "empty-object",
        "config.md#linux-process: sets that are absent are empty",
        |c| {
            c.config["process"]["capabilities"] = json!({});
            check_eq!(capability_sets(&c.inspect()?), [0; 5], "sets");
            Ok(())
        },
    );
    t.add(
        "user-without-ambient",
        "config.md#linux-process: a user without ambient capabilities has none",
        |c| {
            c.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
            let sets = capability_sets(&c.inspect()?);
            check_eq!(
                sets[1..],
                [0; 4],
                "effective, permitted, inheritable, ambient"
            );
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "ambient",
        "config.md#linux-process: ambient capabilities survive execve of a user",
        |c| {
            let set = ["CAP_NET_BIND_SERVICE"];
            set_capabilities(&mut c.config, [&set; 5]);
            c.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
            check_eq!(capability_sets(&c.inspect()?), [NET_BIND; 5], "sets");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "unknown-is-warning",
        "config.md#linux-process SHOULD NOT: an unknown capability fails the container",
        |c| {
            for set in ["bounding", "effective", "permitted"] {
                c.config["process"]["capabilities"][set] =
                    json!(["CAP_KILL", "CAP_FROM_THE_FUTURE"]);
            }
            check_eq!(c.inspect()?.capabilities("CapEff"), KILL, "effective");
            Ok(())
        },
    )
    .newer("runtime-spec 1.1");
    t.add(
        "not-grantable-is-warning",
        "config.md#linux-process SHOULD NOT: a capability the runtime lacks fails the container",
        |c| {
            // CAP_SYS_RESOURCE is dropped from the caller's bounding set before the runtime is called.
            let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
            crate::config::grant(&mut c.config, &["CAP_SYS_BOOT"]);
            c.args(&["inspect"]);
            c.write_config()?;
            let state = c.state_dir().to_string_lossy().into_owned();
            let runtime = c.runtime.path.to_string_lossy().into_owned();
            let args = [
                "--bounding-set=-sys_boot",
                "--",
                &runtime,
                "--root",
                &state,
                "run",
                "--bundle",
                &bundle,
                &id,
            ];
            let output = c.program("setpriv", &args)?.success()?;
            let inside = Inside(crate::context::json_line(&output)?);
            check_eq!(inside.capabilities("CapEff") & (1 << 22), 0, "CAP_SYS_BOOT");
            check_eq!(inside.capabilities("CapEff") & KILL, KILL, "CAP_KILL");
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::Program("setpriv")])
    .justified("the sentence came with 1.1; both runtimes hand the set to capset(2) unfiltered")
    .newer("runtime-spec 1.1");
    t.add(
        "enforced",
        "config.md#linux-process: a dropped capability is missing in effect",
        |c| {
            let seen = c.attempts(&[
                "chown",
                "/etc/group",
                "7",
                "7",
                ";",
                "sethostname",
                "x",
                ";",
                "chroot",
                "/tmp",
            ])?;
            for line in seen {
                check_eq!(line["errno"], 1, "{} errno", line["op"]);
            }
            Ok(())
        },
    );
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
    );
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
        |c| {
            let seen = c.inspect()?;
            // The payload's own start ignores SIGPIPE; signals above 31 belong to the C library.
            for (set, mask) in [("SigBlk", 0x7fff_ffff), ("SigIgn", 0x7fff_efff)] {
                let seen = u64::from_str_radix(&seen.status(set), 16).unwrap_or(u64::MAX);
                check_eq!(seen & mask, 0, "{set}");
            }
            Ok(())
        },
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
            c.config["process"]["scheduler"] =
                json!({"policy": "SCHED_BATCH", "flags": ["SCHED_FLAG_RESET_ON_FORK"]});
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
        .newer("runtime-spec 1.1");
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
