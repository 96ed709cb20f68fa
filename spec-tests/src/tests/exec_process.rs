//! What an exec'd process is given by process.json, what it inherits, and how exec fails.

use super::exec::with_container;
use crate::context::json_line;
use crate::host::{self, Need};
use crate::inside::Inside;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::{Value, json};
use std::fs;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("exec");
    process_file(t);
    inherited(t);
    errors(t);
}

fn process() -> Value {
    json!({
        "terminal": false, "user": {"uid": 0, "gid": 0}, "args": ["/payload", "inspect"],
        "env": ["PATH=/bin", "ONLY=this"], "cwd": "/tmp"
    })
}

fn process_file(t: &mut Table) {
    t.add(
        "signal-state",
        "engines: exec blocks or ignores no signal on the runtime's account",
        |c| {
            with_container(c)?;
            let output = c.exec_process(&[], &process())?.success()?;
            super::attributes::no_signals(&json_line(&output)?)?;
            c.destroy()
        },
    );
    t.add(
        "process",
        "engines: exec --process FILE gives the whole process",
        |c| {
            with_container(c)?;
            let output = c.exec_process(&[], &process())?.success()?;
            let seen = Inside(json_line(&output)?);
            check_eq!(seen.0["getcwd"], "/tmp", "cwd");
            let mut environment = seen.environment();
            environment.retain(|e| !e.starts_with("HOME="));
            check_eq!(environment, ["PATH=/bin", "ONLY=this"], "environment");
            c.destroy()
        },
    );
    t.add("process-user", "engines: user of process.json", |c| {
        with_container(c)?;
        let mut process = process();
        process["user"] = json!({"uid": 1000, "gid": 1001, "additionalGids": [7], "umask": 0o077});
        let seen = Inside(json_line(&c.exec_process(&[], &process)?.success()?)?);
        check_eq!(seen.ids("Uid"), [1000; 4], "uids");
        check_eq!(seen.groups(), [7], "groups");
        check_eq!(seen.status("Umask"), "0077", "umask");
        c.destroy()
    })
    .needs(&[Need::Root]);
    t.add(
        "process-capabilities",
        "engines: capabilities of process.json",
        |c| {
            with_container(c)?;
            let mut process = process();
            let set = json!(["CAP_CHOWN"]);
            process["capabilities"] = json!({"bounding": set, "effective": set, "permitted": set});
            let seen = Inside(json_line(&c.exec_process(&[], &process)?.success()?)?);
            for name in ["CapBnd", "CapEff", "CapPrm"] {
                check_eq!(seen.capabilities(name), 1, "{name}");
            }
            c.destroy()
        },
    );
    t.add("process-rlimits", "engines: rlimits of process.json", |c| {
        with_container(c)?;
        let mut process = process();
        process["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]);
        let seen = Inside(json_line(&c.exec_process(&[], &process)?.success()?)?);
        check_eq!(
            seen.limit("Max open files"),
            Some((100, 200)),
            "RLIMIT_NOFILE"
        );
        c.destroy()
    });
    t.add(
        "process-oom-score",
        "engines: oomScoreAdj of process.json",
        |c| {
            with_container(c)?;
            let mut process = process();
            process["oomScoreAdj"] = json!(321);
            let seen = Inside(json_line(&c.exec_process(&[], &process)?.success()?)?);
            check_eq!(
                seen.file("/proc/self/oom_score_adj").trim(),
                "321",
                "oom_score_adj"
            );
            c.destroy()
        },
    )
    .newer("runc 1.2");
    t.add(
        "process-no-new-privileges",
        "engines: noNewPrivileges of process.json",
        |c| {
            c.config["process"]["noNewPrivileges"] = json!(false);
            with_container(c)?;
            let mut process = process();
            process["noNewPrivileges"] = json!(true);
            let seen = Inside(json_line(&c.exec_process(&[], &process)?.success()?)?);
            check_eq!(seen.status("NoNewPrivs"), "1", "NoNewPrivs");
            c.destroy()
        },
    );
    t.add(
        "process-scheduler",
        "config.md#linux-process: scheduler of process.json",
        |c| {
            with_container(c)?;
            let mut process = process();
            process["scheduler"] = json!({"policy": "SCHED_BATCH", "nice": host::nicer_by(0)});
            let seen = Inside(json_line(&c.exec_process(&[], &process)?.success()?)?);
            check_eq!(seen.0["scheduler"]["policy"], 3, "policy");
            c.destroy()
        },
    )
    .newer("runtime-spec 1.1");
    t.add(
        "process-cpu-affinity",
        "config.md#linux-process: execCPUAffinity.final is where an exec'd process runs",
        |c| {
            with_container(c)?;
            let mut process = process();
            process["execCPUAffinity"] = json!({"initial": "0", "final": "1"});
            let seen = Inside(json_line(&c.exec_process(&[], &process)?.success()?)?);
            check_eq!(seen.status("Cpus_allowed_list"), "1", "Cpus_allowed_list");
            c.destroy()
        },
    )
    .needs(&[Need::Root, Need::Cpus(2)])
    .newer("runtime-spec 1.2");
    t.add(
        "process-bad",
        "engines: a process.json that is malformed or incomplete is an error",
        |c| {
            with_container(c)?;
            for process in [
                json!({}),
                json!([]),
                json!({"args": []}),
                json!({"args": ["/payload"], "cwd": "relative"}),
            ] {
                let output = c.exec_process(&[], &process)?;
                check!(
                    output.code.is_some_and(|code| code != 0),
                    "{process}: {}",
                    output.describe("was accepted")
                );
            }
            c.destroy()
        },
    );
}

fn inherited(t: &mut Table) {
    t.add(
        "inherits-config",
        "engines: exec starts from the container's process: \
             user, cwd, capabilities, no-new-privileges, limits",
        |c| {
            c.config["process"]["cwd"] = json!("/home/user");
            c.config["process"]["rlimits"] =
                json!([{"type": "RLIMIT_NOFILE", "soft": 300, "hard": 400}]);
            crate::config::set_capabilities(
                &mut c.config,
                [&["CAP_KILL"], &["CAP_KILL"], &["CAP_KILL"], &[], &[]],
            );
            with_container(c)?;
            let seen = c.exec_inspect(&[])?;
            check_eq!(seen.0["getcwd"], "/home/user", "cwd");
            check_eq!(
                seen.limit("Max open files"),
                Some((300, 400)),
                "RLIMIT_NOFILE"
            );
            for name in ["CapBnd", "CapEff", "CapPrm"] {
                check_eq!(seen.capabilities(name), 1 << 5, "{name}");
            }
            check_eq!(seen.status("NoNewPrivs"), "1", "NoNewPrivs");
            c.destroy()
        },
    );
    t.add(
        "inherits-user",
        "engines: exec runs as the container's user",
        |c| {
            c.config["process"]["user"] = json!({"uid": 1000, "gid": 1000, "additionalGids": [6]});
            with_container(c)?;
            let seen = c.exec_inspect(&[])?;
            check_eq!(seen.ids("Uid"), [1000; 4], "uids");
            check_eq!(seen.groups(), [6], "groups");
            c.destroy()
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "inherits-oom-score",
        "engines: exec has the container's oom_score_adj",
        |c| {
            c.config["process"]["oomScoreAdj"] = json!(555);
            with_container(c)?;
            check_eq!(
                c.exec_inspect(&[])?.file("/proc/self/oom_score_adj").trim(),
                "555",
                "oom_score_adj"
            );
            c.destroy()
        },
    );
    t.add(
        "inherits-mempolicy-personality",
        "engines: exec has the container's personality",
        |c| {
            c.config["linux"]["personality"] = json!({"domain": "LINUX32"});
            with_container(c)?;
            check_eq!(c.exec_inspect(&[])?.0["personality"], 8, "personality");
            c.destroy()
        },
    )
    .newer("runtime-spec 1.1");
    t.add(
        "inherits-scheduling",
        "engines: exec has the container's scheduler and I/O priority",
        |c| {
            c.config["process"]["scheduler"] =
                json!({"policy": "SCHED_BATCH", "nice": host::nicer_by(0)});
            c.config["process"]["ioPriority"] = json!({"class": "IOPRIO_CLASS_BE", "priority": 6});
            with_container(c)?;
            let seen = c.exec_inspect(&[])?;
            check_eq!(seen.0["scheduler"]["policy"], 3, "policy");
            check_eq!(seen.0["ioprio"], (2 << 13) | 6, "ioprio");
            c.destroy()
        },
    )
    .newer("runtime-spec 1.1");
    t.add(
        "config-changed",
        "runtime.md#lifecycle MUST NOT: a changed config.json affects exec",
        |c| {
            c.config["process"]["env"] = json!(["PATH=/bin", "WHICH=first"]);
            with_container(c)?;
            let first = c.config.clone();
            c.config["process"]["env"] = json!(["PATH=/bin", "WHICH=second"]);
            c.write_config()?;
            check_eq!(
                c.exec_inspect(&[])?.variable("WHICH").as_deref(),
                Some("first"),
                "WHICH"
            );
            c.config = first;
            c.destroy()
        },
    );
}

fn errors(t: &mut Table) {
    let missing: [(&str, &str, &[&str]); 4] = [
        (
            "program-missing",
            "/no/such/program",
            &["no such file or directory"],
        ),
        (
            "program-not-in-path",
            "nosuchtool",
            &["executable file not found in $path", "not found in $path"],
        ),
        (
            "program-is-directory",
            "/etc",
            &[
                "is a directory",
                "permission denied",
                "not a regular file",
                "open executable",
            ],
        ),
        (
            "program-not-executable",
            "/etc/passwd",
            &["permission denied", "not executable"],
        ),
    ];
    for (name, program, texts) in missing {
        t.add(
            name,
            format!("engines: exec of {program} fails and says one of {texts:?}"),
            move |c| {
                with_container(c)?;
                let id = c.id();
                c.call(&["exec", &id, program])?.failure()?.says(texts)?;
                c.destroy()
            },
        );
    }
    t.add(
        "failure-code-255",
        "engines: an exec that fails in the runtime exits with 255",
        |c| {
            with_container(c)?;
            let id = c.id();
            c.call(&["exec", &id, "/no/such/program"])?.exits(255)?;
            c.destroy()
        },
    );
    t.add(
        "failure-writes-no-pid-file",
        "engines: no pid file when exec fails",
        |c| {
            with_container(c)?;
            let (id, file) = (c.id(), c.dir.join("exec.pid"));
            c.call(&[
                "exec",
                "--detach",
                "--pid-file",
                &file.to_string_lossy(),
                &id,
                "/no/such/program",
            ])?
            .failure()?;
            check!(
                !file.exists(),
                "the pid file has {:?}",
                fs::read_to_string(&file)
            );
            c.destroy()
        },
    );
    t.add(
        "unknown-container",
        "engines: exec in an unknown container is an error",
        |c| c.try_exec(&[], &["exit", "0"])?.failure().map(|_| ()),
    );
    t.add(
        "stopped-container",
        "engines: exec in a stopped container is an error",
        |c| {
            let pid = c.launch(&["exit", "0"])?;
            c.await_exit(pid)?;
            c.try_exec(&[], &["exit", "0"])?
                .failure()?
                .says(&["stopped", "not running"])?;
            c.delete()
        },
    );
    t.add(
        "cwd-missing",
        "engines: exec --cwd that does not exist is an error or is made, never ignored",
        |c| {
            with_container(c)?;
            let output = c.try_exec(&["--cwd", "/no/such/folder"], &["inspect"])?;
            if output.code == Some(0) {
                check_eq!(json_line(&output)?["getcwd"], "/no/such/folder", "cwd");
            }
            c.destroy()
        },
    );
    t.add(
        "no-command",
        "engines: exec without a command is an error",
        |c| {
            with_container(c)?;
            let id = c.id();
            c.call(&["exec", &id])?.failure()?;
            c.destroy()
        },
    );
}
