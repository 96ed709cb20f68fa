//! Hooks: when, where, with what, and what happens when they fail. config.md#posix-platform-hooks.

use crate::check::Verdict;
use crate::config::push;
use crate::context::Context;
use crate::inside::Inside;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("hooks");
    each(t);
    order(t);
    failures(t);
    timing(t);
}

const KINDS: [&str; 6] = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/// What each hook is told: the statuses that the specification's lifecycle allows at that point.
fn statuses(kind: &str) -> &'static [&'static str] {
    match kind {
        "prestart" | "createRuntime" | "createContainer" => &["creating", "created"],
        "startContainer" => &["created", "creating"],
        "poststart" => &["running"],
        _ => &["stopped"],
    }
}

fn runs_inside(kind: &str) -> bool {
    matches!(kind, "createContainer" | "startContainer")
}

impl Context {
    /// Where recording hooks write; the folder is also visible inside the root filesystem as /data.
    fn record(&self) -> std::path::PathBuf {
        self.rootfs().join("data/hooks")
    }

    /// Adds a hook that records what it is given.
    fn recording_hook(&mut self, kind: &str, name: &str) {
        let inside = kind == "startContainer";
        let path = if inside { "/payload".to_string() } else { self.payload.to_string_lossy().into_owned() };
        let record = if inside { "/data/hooks".to_string() } else { self.record().to_string_lossy().into_owned() };
        let hook = json!({"path": path, "args": ["hook-name", "hook", name, record], "env": [format!("HOOK={name}")]});
        push(&mut self.config["hooks"][kind], hook);
    }

    /// Adds a hook made of a shell script on the host.
    fn script_hook(&mut self, kind: &str, script: &str) {
        let hook = json!({"path": "/bin/sh", "args": ["sh", "-c", script]});
        push(&mut self.config["hooks"][kind], hook);
    }

    /// What the hooks recorded, in order.
    fn recorded(&self) -> Verdict<Vec<Value>> {
        let text = fs::read_to_string(self.record()).unwrap_or_default();
        Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
    }

    /// One whole life: create, start, end, delete.
    fn live(&mut self) -> Verdict<i32> {
        let pid = self.launch(&["await-file", "/data/go"])?;
        fs::write(self.rootfs().join("data/go"), "")?;
        self.await_exit(pid)?;
        self.await_status("stopped")?;
        self.delete()?;
        Ok(pid)
    }
}

fn each(t: &mut Table) {
    for kind in KINDS {
        t.add(format!("{kind}-state"), format!("config.md#posix-platform-hooks MUST: the state is passed to {kind} over stdin"), move |c| {
            c.config["annotations"] = json!({"com.example.a": "b"});
            c.recording_hook(kind, kind);
            let pid = c.live()?;
            let records = c.recorded()?;
            check_eq!(records.len(), 1, "calls");
            let state: Value = serde_json::from_str(records[0]["stdin"].as_str().unwrap_or_default())?;
            check_eq!(state["id"].as_str(), Some(c.id().as_str()), "id");
            check_eq!(state["bundle"].as_str(), Some(&*c.bundle().to_string_lossy()), "bundle");
            check_eq!(state["annotations"]["com.example.a"], "b", "annotation");
            check!(state["ociVersion"].is_string(), "no ociVersion: {state}");
            if kind != "poststop" && !runs_inside(kind) {
                check_eq!(state["pid"].as_i64(), Some(i64::from(pid)), "pid");
            }
            Ok(())
        });
        t.add(format!("{kind}-status"), format!("runtime.md#lifecycle: the status that {kind} is told, one of {:?}", statuses(kind)), move |c| {
            c.recording_hook(kind, kind);
            c.live()?;
            let records = c.recorded()?;
            check_eq!(records.len(), 1, "calls");
            let state: Value = serde_json::from_str(records[0]["stdin"].as_str().unwrap_or_default())?;
            let status = state["status"].as_str().unwrap_or_default().to_string();
            check!(statuses(kind).contains(&status.as_str()), "status is {status:?}");
            Ok(())
        });
        t.add(format!("{kind}-args-env"), format!("config.md#posix-platform-hooks: {kind} gets its own args and env, nothing else"), move |c| {
            c.config["process"]["env"] = json!(["PATH=/bin", "LEAKED=from-config"]);
            c.recording_hook(kind, kind);
            c.live()?;
            let records = c.recorded()?;
            check_eq!(records.len(), 1, "calls");
            let inside = Inside(records[0]["inspect"].clone());
            check_eq!(inside.0["args"][0], "hook-name", "argv[0]");
            check_eq!(inside.environment(), [format!("HOOK={kind}")], "environment");
            Ok(())
        });
        t.add(format!("{kind}-namespace"), format!("config.md#posix-platform-hooks MUST: {kind} is executed in the {} namespace", if runs_inside(kind) { "container" } else { "runtime" }), move |c| {
            c.recording_hook(kind, kind);
            c.live()?;
            let records = c.recorded()?;
            check_eq!(records.len(), 1, "calls");
            let inside = Inside(records[0]["inspect"].clone());
            for file in ["mnt", "uts", "ipc", "net"] {
                let own = fs::read_link(format!("/proc/self/ns/{file}"))?.to_string_lossy().into_owned();
                let seen = inside.namespace(file);
                check!(!seen.is_empty(), "the hook has no /proc");
                check_eq!(seen != own, runs_inside(kind), "{file} namespace is the container's");
            }
            Ok(())
        });
        t.add(format!("{kind}-descriptors"), format!("engines: {kind} gets no descriptor beyond the standard streams"), move |c| {
            c.recording_hook(kind, kind);
            c.live()?;
            let records = c.recorded()?;
            check_eq!(records.len(), 1, "calls");
            let numbers: Vec<u32> = Inside(records[0]["inspect"].clone()).descriptors().into_keys().collect();
            check!(numbers.iter().all(|fd| *fd < 3), "descriptors are {numbers:?}");
            Ok(())
        });
    }
    t.add("startContainer-sees-rootfs", "config.md#startcontainer-hooks MUST: path resolves in the container namespace", |c| {
        c.recording_hook("startContainer", "s");
        c.live()?;
        let records = c.recorded()?;
        check_eq!(records.len(), 1, "calls");
        check!(records[0]["root"].as_str().is_some_and(|root| root.contains("payload")), "/ is {}", records[0]["root"]);
        Ok(())
    });
    t.add("createContainer-sees-mounts", "config.md#createcontainer-hooks: the container's mounts are made and / is not pivoted", |c| {
        crate::config::add_mount(&mut c.config, "/probe", "tmpfs", "tmpfs", &[]);
        c.recording_hook("createContainer", "s");
        c.live()?;
        let records = c.recorded()?;
        check_eq!(records.len(), 1, "calls");
        let inside = Inside(records[0]["inspect"].clone());
        let probe = c.rootfs().join("probe").to_string_lossy().into_owned();
        check!(inside.mount(&probe).is_some(), "{probe} is not mounted: {:?}", inside.mounts().last());
        Ok(())
    });
    t.add("path-relative", "config.md#posix-platform-hooks MUST: path is absolute", |c| {
        c.config["hooks"] = json!({"createRuntime": [{"path": "bin/true"}]});
        c.create_fails().map(|_| ())
    });
    t.add("timeout-zero", "config.md#posix-platform-hooks MUST: timeout is greater than zero", |c| {
        c.config["hooks"] = json!({"createRuntime": [{"path": "/bin/true", "timeout": 0}]});
        c.create_fails().map(|_| ())
    });
    t.add("default-args", "config.md#posix-platform-hooks: args is optional", |c| {
        c.config["hooks"] = json!({"createRuntime": [{"path": "/bin/true"}]});
        c.inspect().map(|_| ())
    });
    t.add("stdin-not-read", "engines: a hook that does not read its input does no harm", |c| {
        c.config["annotations"] = json!({"com.example.big": "x".repeat(200_000)});
        c.config["hooks"] = json!({"createRuntime": [{"path": "/bin/true"}]});
        c.inspect().map(|_| ())
    });
    t.add("network-setup", "config.md#prestart: a hook can enter the container's network namespace by the pid", |c| {
        let out = c.dir.join("ns").to_string_lossy().into_owned();
        c.script_hook("prestart", &format!("pid=$(sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/' | tail -1); readlink /proc/$pid/ns/net > {out}"));
        let seen = c.inspect()?.namespace("net");
        check_eq!(fs::read_to_string(c.dir.join("ns"))?.trim(), seen, "the namespace the hook saw");
        Ok(())
    })
    .needs(&[crate::host::Need::Root]);
}

fn order(t: &mut Table) {
    t.add("order-of-kinds", "config.md#summary MUST: prestart, createRuntime, createContainer, startContainer, poststart, poststop", |c| {
        for kind in KINDS.iter().rev() {
            c.recording_hook(kind, kind);
        }
        c.live()?;
        let names: Vec<String> =
            c.recorded()?.iter().map(|r| r["hook"].as_str().unwrap_or_default().to_string()).collect();
        check_eq!(names, KINDS, "order");
        Ok(())
    });
    t.add("order-within-kind", "config.md#posix-platform-hooks MUST: hooks are called in the listed order", |c| {
        for kind in KINDS {
            for i in 0..3 {
                c.recording_hook(kind, &format!("{kind}{i}"));
            }
        }
        c.live()?;
        let names: Vec<String> =
            c.recorded()?.iter().map(|r| r["hook"].as_str().unwrap_or_default().to_string()).collect();
        for kind in KINDS {
            let of_kind: Vec<&String> = names.iter().filter(|name| name.starts_with(kind)).collect();
            check_eq!(of_kind, [&format!("{kind}0"), &format!("{kind}1"), &format!("{kind}2")], "order of {kind}");
        }
        Ok(())
    });
    t.add("create-hooks-at-create", "config.md#summary MUST: the create hooks run during create, the others not", |c| {
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
    t.add("poststart-after-program", "config.md#poststart MUST: called after the user program is executed", |c| {
        let pid = c.pid_file().to_string_lossy().into_owned();
        let out = c.dir.join("cmdline").to_string_lossy().into_owned();
        c.script_hook("poststart", &format!("tr '\\0' ' ' < /proc/$(cat {pid})/cmdline > {out}"));
        c.launch(&["pause"])?;
        let seen = fs::read_to_string(c.dir.join("cmdline"))?;
        check_eq!(seen.trim(), "/payload pause", "the program that poststart saw");
        c.destroy()
    });
    t.add("startContainer-before-program", "config.md#startcontainer-hooks MUST: called before the program is executed", |c| {
        c.config["hooks"]["startContainer"] = json!([{"path": "/payload", "args": ["payload", "write", "/data/hooked", "x"]}]);
        let pid = c.launch(&["stat", "/data/hooked"])?;
        c.await_exit(pid)?;
        check_eq!(c.await_line()?["ok"], true, "the hook's file was there");
        c.delete()
    });
    t.add("poststop-after-delete", "config.md#poststop MUST: called after the container is deleted, before delete returns", |c| {
        let state = c.state_dir().to_string_lossy().into_owned();
        let runtime = c.runtime.path.to_string_lossy().into_owned();
        let out = c.dir.join("code").to_string_lossy().into_owned();
        let id = c.id();
        c.script_hook("poststop", &format!("{runtime} --root {state} state {id} >/dev/null 2>&1; echo $? > {out}"));
        c.live()?;
        check!(fs::read_to_string(c.dir.join("code"))?.trim() != "0", "the container still existed");
        Ok(())
    });
    t.add("run-calls-all", "config.md#summary MUST: a foreground run calls all hooks", |c| {
        for kind in KINDS {
            c.recording_hook(kind, kind);
        }
        c.run(&["echo", "{}"])?;
        let mut names: Vec<String> =
            c.recorded()?.iter().map(|r| r["hook"].as_str().unwrap_or_default().to_string()).collect();
        names.sort();
        let mut expected = KINDS;
        expected.sort_unstable();
        check_eq!(names, expected, "hooks");
        Ok(())
    });
    t.add("run-order", "config.md#summary MUST: a foreground run keeps the order of the kinds", |c| {
        for kind in KINDS {
            c.recording_hook(kind, kind);
        }
        c.run(&["echo", "{}"])?;
        let names: Vec<String> =
            c.recorded()?.iter().map(|r| r["hook"].as_str().unwrap_or_default().to_string()).collect();
        check_eq!(names, KINDS, "order");
        Ok(())
    })
    .justified("both runtimes call poststart before they let the program go");
    t.add("delete-force-calls-poststop", "runtime.md#lifecycle MUST: poststop hooks run when delete --force ends the container", |c| {
        c.recording_hook("poststop", "poststop");
        c.launch(&["pause"])?;
        let id = c.id();
        c.call(&["delete", "--force", &id])?.success()?;
        check_eq!(c.recorded()?.len(), 1, "calls");
        Ok(())
    });
}

fn failures(t: &mut Table) {
    for kind in ["prestart", "createRuntime", "createContainer"] {
        t.add(format!("{kind}-fails"), format!("runtime.md#lifecycle MUST: a {kind} hook that fails fails create and ends the container"), move |c| {
            c.recording_hook("poststop", "poststop");
            c.script_hook(kind, "echo to-stdout; echo to-stderr >&2; exit 3");
            c.args(&["write", "/data/ran", "x"]);
            let output = c.create_fails()?;
            check!(output.stderr.contains("hook"), "{}", output.describe("does not name the hook"));
            check!(!c.rootfs().join("data/ran").exists(), "the program ran");
            Ok(())
        });
    }
    t.add("startContainer-fails", "runtime.md#lifecycle MUST: a startContainer hook that fails stops the container", |c| {
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
    t.add("poststart-fails", "runtime.md#lifecycle MUST: a poststart hook that fails stops the container, start reports it", |c| {
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
    })
    .newer("runtime-spec 1.3");
    t.add("poststop-fails", "runtime.md#lifecycle MUST: a poststop hook that fails is a warning; the others still run", |c| {
        c.script_hook("poststop", "exit 3");
        c.recording_hook("poststop", "second");
        c.live()?;
        check_eq!(c.recorded()?.len(), 1, "calls of the second hook");
        Ok(())
    });
    t.add("missing-program", "runtime.md#lifecycle MUST: a hook that cannot be executed fails create", |c| {
        c.config["hooks"] = json!({"createRuntime": [{"path": "/no/such/hook"}]});
        c.create_fails().map(|_| ())
    });
    t.add("later-hooks-skipped", "runtime.md#lifecycle MUST: after a failed hook create goes no further", |c| {
        c.script_hook("prestart", "exit 1");
        c.recording_hook("createRuntime", "later");
        c.recording_hook("createContainer", "later");
        c.create_fails()?;
        check_eq!(c.recorded()?.len(), 0, "later hooks");
        Ok(())
    });
}

fn timing(t: &mut Table) {
    for kind in ["prestart", "createRuntime", "createContainer"] {
        t.add(format!("{kind}-timeout"), format!("config.md#posix-platform-hooks: timeout aborts a {kind} hook"), move |c| {
            push(&mut c.config["hooks"][kind], json!({"path": "/bin/sleep", "args": ["sleep", "30"], "timeout": 1}));
            c.args(&["pause"]);
            let begin = Instant::now();
            c.create_fails()?;
            check!(begin.elapsed() < Duration::from_secs(6), "create took {:?}", begin.elapsed());
            Ok(())
        });
    }
    t.add("timeout-kills-children", "engines: a hook's children end with it when the timeout passes", |c| {
        push(
            &mut c.config["hooks"]["createRuntime"],
            json!({"path": "/bin/sh", "args": ["sh", "-c", "sleep 31 & sleep 32 & wait"], "timeout": 1}),
        );
        c.args(&["pause"]);
        let begin = Instant::now();
        c.create_fails()?;
        check!(begin.elapsed() < Duration::from_secs(6), "create took {:?}", begin.elapsed());
        Ok(())
    })
    .justified("runc 1.1 waits for the pipe that the children hold; crun 1.8 leaves them running");
    t.add("timeout-not-reached", "config.md#posix-platform-hooks: a hook that ends in time is not aborted", |c| {
        c.config["hooks"] = json!({"createRuntime": [{"path": "/bin/true", "timeout": 10}]});
        c.inspect().map(|_| ())
    });
}
