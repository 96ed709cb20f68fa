//! Hooks: their order, their failures, their time limits. config.md#posix-platform-hooks, runtime.md#lifecycle.

use super::hooks::KINDS;
use crate::config::push;
use crate::patience;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::json;
use std::fs;
use std::time::{Duration, Instant};

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("hooks");
    order(t);
    failures(t);
    timing(t);
}

fn order(t: &mut Table) {
    t.add(
        "order-of-kinds",
        "config.md#summary MUST: prestart, createRuntime, \
             createContainer, startContainer, poststart, poststop",
        |c| {
            for kind in KINDS.iter().rev() {
                c.recording_hook(kind, kind);
            }
            c.live()?;
            let names: Vec<String> = c
                .recorded()?
                .iter()
                .map(|r| r["hook"].as_str().unwrap_or_default().to_string())
                .collect();
            check_eq!(names, KINDS, "order");
            Ok(())
        },
    )
    .justified("runc 1.1 calls poststart before start; crun 1.8 calls it while startContainer hooks still run");
    t.add(
        "order-within-kind",
        "config.md#posix-platform-hooks MUST: hooks are called in the listed order",
        |c| {
            for kind in KINDS {
                for i in 0..3 {
                    c.recording_hook(kind, &format!("{kind}{i}"));
                }
            }
            c.live()?;
            let names: Vec<String> = c
                .recorded()?
                .iter()
                .map(|r| r["hook"].as_str().unwrap_or_default().to_string())
                .collect();
            for kind in KINDS {
                let of_kind: Vec<&String> =
                    names.iter().filter(|name| name.starts_with(kind)).collect();
                check_eq!(
                    of_kind,
                    [
                        &format!("{kind}0"),
                        &format!("{kind}1"),
                        &format!("{kind}2")
                    ],
                    "order of {kind}"
                );
            }
            Ok(())
        },
    );
    t.add("create-hooks-at-create", "config.md#summary MUST: the create \
             hooks run during create, the others not", |c| {
        for kind in KINDS {
            c.recording_hook(kind, kind);
        }
        c.args(&["pause"]);
        c.create()?;
        let names: Vec<String> =
            c.recorded()?.iter().map(|r| r["hook"].as_str().unwrap_or_default().to_string()).collect();
        check_eq!(names, ["prestart", "createRuntime", "createContainer"], "hooks after create");
        c.start()?;
        check_eq!(c.recorded()?.len(), 5, "hooks after start");
        c.kill("KILL")?;
        c.await_status("stopped")?;
        check_eq!(c.recorded()?.len(), 5, "hooks after the end");
        c.delete()?;
        check_eq!(c.recorded()?.len(), 6, "hooks after delete");
        Ok(())
    })
    .justified("runc 1.1 calls poststart in create; crun 1.8 lets start return before startContainer hooks");
    t.add(
        "poststart-after-program",
        "config.md#poststart MUST: called after the user program is executed",
        |c| {
            let pid = c.pid_file().to_string_lossy().into_owned();
            let out = c.dir.join("cmdline").to_string_lossy().into_owned();
            c.script_hook(
                "poststart",
                &format!("tr '\\0' ' ' < /proc/$(cat {pid})/cmdline > {out}"),
            );
            c.launch(&["pause"])?;
            let seen = fs::read_to_string(c.dir.join("cmdline"))?;
            check_eq!(
                seen.trim(),
                "/payload pause",
                "the program that poststart saw"
            );
            c.destroy()
        },
    );
    t.add(
        "startContainer-before-program",
        "config.md#startcontainer-hooks MUST: called before the program is executed",
        |c| {
            c.config["hooks"]["startContainer"] =
                json!([{"path": "/payload", "args": ["payload", "write", "/data/hooked", "x"]}]);
            let pid = c.launch(&["stat", "/data/hooked"])?;
            c.await_exit(pid)?;
            check_eq!(c.await_line()?["ok"], true, "the hook's file was there");
            c.delete()
        },
    );
    t.add(
        "poststop-after-delete",
        "config.md#poststop MUST: called after the container is deleted, before delete returns",
        |c| {
            let state = c.state_dir().to_string_lossy().into_owned();
            let runtime = c.runtime.path.to_string_lossy().into_owned();
            let out = c.dir.join("code").to_string_lossy().into_owned();
            let id = c.id();
            c.script_hook(
                "poststop",
                &format!("{runtime} --root {state} state {id} >/dev/null 2>&1; echo $? > {out}"),
            );
            c.live()?;
            check!(
                fs::read_to_string(c.dir.join("code"))?.trim() != "0",
                "the container still existed"
            );
            Ok(())
        },
    );
    t.add(
        "run-calls-all",
        "config.md#summary MUST: a foreground run calls all hooks",
        |c| {
            for kind in KINDS {
                c.recording_hook(kind, kind);
            }
            c.run(&["echo", "{}"])?;
            let mut names: Vec<String> = c
                .recorded()?
                .iter()
                .map(|r| r["hook"].as_str().unwrap_or_default().to_string())
                .collect();
            names.sort();
            let mut expected = KINDS;
            expected.sort_unstable();
            check_eq!(names, expected, "hooks");
            Ok(())
        },
    );
    t.add(
        "run-order",
        "config.md#summary MUST: a foreground run keeps the order of the kinds",
        |c| {
            for kind in KINDS {
                c.recording_hook(kind, kind);
            }
            c.run(&["echo", "{}"])?;
            let names: Vec<String> = c
                .recorded()?
                .iter()
                .map(|r| r["hook"].as_str().unwrap_or_default().to_string())
                .collect();
            check_eq!(names, KINDS, "order");
            Ok(())
        },
    )
    .justified("both runtimes call poststart before they let the program go");
    t.add(
        "delete-force-calls-poststop",
        "runtime.md#lifecycle MUST: poststop hooks run when delete --force ends the container",
        |c| {
            c.recording_hook("poststop", "poststop");
            c.launch(&["pause"])?;
            let id = c.id();
            c.call(&["delete", "--force", &id])?.success()?;
            check_eq!(c.recorded()?.len(), 1, "calls");
            Ok(())
        },
    );
}

fn failures(t: &mut Table) {
    for kind in ["prestart", "createRuntime", "createContainer"] {
        t.add(
            format!("{kind}-fails"),
            format!(
                "runtime.md#lifecycle MUST: a {kind} hook that \
             fails fails create and ends the container"
            ),
            move |c| {
                c.recording_hook("poststop", "poststop");
                c.script_hook(kind, "echo to-stdout; echo to-stderr >&2; exit 3");
                c.args(&["write", "/data/ran", "x"]);
                let output = c.create_fails()?;
                check!(
                    output.stderr.contains("hook"),
                    "{}",
                    output.describe("does not name the hook")
                );
                check!(!c.rootfs().join("data/ran").exists(), "the program ran");
                Ok(())
            },
        );
    }
    t.add("startContainer-fails", "runtime.md#lifecycle MUST: a startContainer \
             hook that fails stops the container", |c| {
        c.config["hooks"]["startContainer"] = json!([{"path": "/payload", "args": ["payload", "exit", "3"]}]);
        c.args(&["write", "/data/ran", "x"]);
        c.create()?;
        let (id, pid) = (c.id(), c.pid()?);
        let output = c.call(&["start", &id])?;
        c.await_exit(pid)?;
        check!(!c.rootfs().join("data/ran").exists(), "the program ran");
        c.call(&["delete", "--force", &id])?.success()?;
        output.failure().map(|_| ())
    })
    .justified("the sentence is plain; runc 1.1 and crun 1.8 report the failure as the end of the process only");
    t.add(
        "poststart-fails",
        "runtime.md#lifecycle MUST: a poststart hook that \
             fails stops the container, start reports it",
        |c| {
            c.script_hook("poststart", "exit 3");
            c.args(&["pause"]);
            c.create()?;
            let (id, pid) = (c.id(), c.pid()?);
            let output = c.call(&["start", &id])?;
            let stopped = crate::context::poll_for("the end of the container", || {
                let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                (stat.is_empty() || stat.contains(") Z ")).then_some(())
            });
            c.call(&["delete", "--force", &id])?.success()?;
            output.failure()?;
            stopped
        },
    )
    .newer("runtime-spec 1.3");
    t.add(
        "poststop-fails",
        "runtime.md#lifecycle MUST: a poststop hook that fails is a warning; the others still run",
        |c| {
            c.script_hook("poststop", "exit 3");
            c.recording_hook("poststop", "second");
            c.live()?;
            check_eq!(c.recorded()?.len(), 1, "calls of the second hook");
            Ok(())
        },
    );
    t.add(
        "missing-program",
        "runtime.md#lifecycle MUST: a hook that cannot be executed fails create",
        |c| {
            c.config["hooks"] = json!({"createRuntime": [{"path": "/no/such/hook"}]});
            c.create_fails().map(|_| ())
        },
    );
    t.add(
        "later-hooks-skipped",
        "runtime.md#lifecycle MUST: after a failed hook create goes no further",
        |c| {
            c.script_hook("prestart", "exit 1");
            c.recording_hook("createRuntime", "later");
            c.recording_hook("createContainer", "later");
            c.create_fails()?;
            check_eq!(c.recorded()?.len(), 0, "later hooks");
            Ok(())
        },
    );
}

/// Hooks with a limit of one second have ended by then; without it they would take half a minute.
fn in_time() -> Duration {
    patience::seconds(6).min(Duration::from_secs(24))
}

fn timing(t: &mut Table) {
    for kind in ["prestart", "createRuntime", "createContainer"] {
        t.add(
            format!("{kind}-timeout"),
            format!("config.md#posix-platform-hooks: timeout aborts a {kind} hook"),
            move |c| {
                push(
                    &mut c.config["hooks"][kind],
                    json!({"path": "/bin/sleep", "args": ["sleep", "30"], "timeout": 1}),
                );
                c.args(&["pause"]);
                let begin = Instant::now();
                c.create_fails()?;
                check!(
                    begin.elapsed() < in_time(),
                    "create took {:?}",
                    begin.elapsed()
                );
                Ok(())
            },
        );
    }
    t.add("timeout-kills-children", "engines: a hook's children end with it when the timeout passes", |c| {
        push(
            &mut c.config["hooks"]["createRuntime"],
            json!({"path": "/bin/sh", "args": ["sh", "-c", "sleep 31 & sleep 32 & wait"], "timeout": 1}),
        );
        c.args(&["pause"]);
        let begin = Instant::now();
        c.create_fails()?;
        check!(begin.elapsed() < in_time(), "create took {:?}", begin.elapsed());
        Ok(())
    })
    .justified("runc 1.1 waits for the pipe that the children hold; crun 1.8 leaves them running");
    t.add(
        "timeout-not-reached",
        "config.md#posix-platform-hooks: a hook that ends in time is not aborted",
        |c| {
            c.config["hooks"] = json!({"createRuntime": [{"path": "/bin/true", "timeout": 10}]});
            c.inspect().map(|_| ())
        },
    );
}
