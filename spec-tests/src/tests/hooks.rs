//! Hooks: when, where, with what. config.md#posix-platform-hooks.

use crate::check::Verdict;
use crate::config::push;
use crate::context::Context;
use crate::inside::Inside;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::{Value, json};
use std::fs;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("hooks");
    each(t);
}

pub const KINDS: [&str; 6] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
];

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
    pub fn recording_hook(&mut self, kind: &str, name: &str) {
        let inside = kind == "startContainer";
        let path = if inside {
            "/payload".to_string()
        } else {
            self.payload.to_string_lossy().into_owned()
        };
        let record = if inside {
            "/data/hooks".to_string()
        } else {
            self.record().to_string_lossy().into_owned()
        };
        let hook = json!({"path": path, "args": ["hook-name", "hook", name, record], "env": [format!("HOOK={name}")]});
        push(&mut self.config["hooks"][kind], hook);
    }

    /// Adds a hook made of a shell script on the host.
    pub fn script_hook(&mut self, kind: &str, script: &str) {
        let hook = json!({"path": "/bin/sh", "args": ["sh", "-c", script]});
        push(&mut self.config["hooks"][kind], hook);
    }

    /// What the hooks recorded, in order.
    pub fn recorded(&self) -> Verdict<Vec<Value>> {
        let text = fs::read_to_string(self.record()).unwrap_or_default();
        Ok(text
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()?)
    }

    /// One whole life: create, start, end, delete.
    pub fn live(&mut self) -> Verdict<i32> {
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
        t.add(
            format!("{kind}-state"),
            format!(
                "config.md#posix-platform-hooks MUST: the state is passed to {kind} over stdin"
            ),
            move |c| {
                c.config["annotations"] = json!({"com.example.a": "b"});
                c.recording_hook(kind, kind);
                let pid = c.live()?;
                let records = c.recorded()?;
                check_eq!(records.len(), 1, "calls");
                let state: Value =
                    serde_json::from_str(records[0]["stdin"].as_str().unwrap_or_default())?;
                check_eq!(state["id"].as_str(), Some(c.id().as_str()), "id");
                check_eq!(
                    state["bundle"].as_str(),
                    Some(&*c.bundle().to_string_lossy()),
                    "bundle"
                );
                check_eq!(state["annotations"]["com.example.a"], "b", "annotation");
                check!(state["ociVersion"].is_string(), "no ociVersion: {state}");
                if kind != "poststop" && !runs_inside(kind) {
                    check_eq!(state["pid"].as_i64(), Some(i64::from(pid)), "pid");
                }
                Ok(())
            },
        );
        t.add(
            format!("{kind}-status"),
            format!(
                "runtime.md#lifecycle: the status that {kind} is told, one of {:?}",
                statuses(kind)
            ),
            move |c| {
                c.recording_hook(kind, kind);
                c.live()?;
                let records = c.recorded()?;
                check_eq!(records.len(), 1, "calls");
                let state: Value =
                    serde_json::from_str(records[0]["stdin"].as_str().unwrap_or_default())?;
                let status = state["status"].as_str().unwrap_or_default().to_string();
                check!(
                    statuses(kind).contains(&status.as_str()),
                    "status is {status:?}"
                );
                Ok(())
            },
        );
        t.add(
            format!("{kind}-args-env"),
            format!(
                "config.md#posix-platform-hooks: {kind} gets its own args and env, nothing else"
            ),
            move |c| {
                c.config["process"]["env"] = json!(["PATH=/bin", "LEAKED=from-config"]);
                c.recording_hook(kind, kind);
                c.live()?;
                let records = c.recorded()?;
                check_eq!(records.len(), 1, "calls");
                let inside = Inside(records[0]["inspect"].clone());
                check_eq!(inside.0["args"][0], "hook-name", "argv[0]");
                check_eq!(
                    inside.environment(),
                    [format!("HOOK={kind}")],
                    "environment"
                );
                Ok(())
            },
        );
        t.add(
            format!("{kind}-namespace"),
            format!(
                "config.md#posix-platform-hooks MUST: {kind} is executed in the {} namespace",
                if runs_inside(kind) {
                    "container"
                } else {
                    "runtime"
                }
            ),
            move |c| {
                c.recording_hook(kind, kind);
                c.live()?;
                let records = c.recorded()?;
                check_eq!(records.len(), 1, "calls");
                let inside = Inside(records[0]["inspect"].clone());
                for file in ["mnt", "uts", "ipc"] {
                    let own = fs::read_link(format!("/proc/self/ns/{file}"))?
                        .to_string_lossy()
                        .into_owned();
                    let seen = inside.namespace(file);
                    check!(!seen.is_empty(), "the hook has no /proc");
                    check_eq!(
                        seen != own,
                        runs_inside(kind),
                        "{file} namespace is the container's"
                    );
                }
                Ok(())
            },
        );
        t.add(
            format!("{kind}-descriptors"),
            format!("engines: {kind} gets no descriptor beyond the standard streams"),
            move |c| {
                c.recording_hook(kind, kind);
                c.live()?;
                let records = c.recorded()?;
                check_eq!(records.len(), 1, "calls");
                let numbers: Vec<u32> = Inside(records[0]["inspect"].clone())
                    .descriptors()
                    .into_keys()
                    .collect();
                check!(
                    numbers.iter().all(|fd| *fd < 3),
                    "descriptors are {numbers:?}"
                );
                Ok(())
            },
        );
    }
    t.add(
        "startContainer-sees-rootfs",
        "config.md#startcontainer-hooks MUST: path resolves in the container namespace",
        |c| {
            c.recording_hook("startContainer", "s");
            c.live()?;
            let records = c.recorded()?;
            check_eq!(records.len(), 1, "calls");
            check!(
                records[0]["root"]
                    .as_str()
                    .is_some_and(|root| root.contains("payload")),
                "/ is {}",
                records[0]["root"]
            );
            Ok(())
        },
    );
    t.add(
        "createContainer-sees-mounts",
        "config.md#createcontainer-hooks: the container's mounts are made and / is not pivoted",
        |c| {
            crate::config::add_mount(&mut c.config, "/probe", "tmpfs", "tmpfs", &[]);
            c.recording_hook("createContainer", "s");
            c.live()?;
            let records = c.recorded()?;
            check_eq!(records.len(), 1, "calls");
            let inside = Inside(records[0]["inspect"].clone());
            let probe = c.rootfs().join("probe").to_string_lossy().into_owned();
            check!(
                inside.mount(&probe).is_some(),
                "{probe} is not mounted: {:?}",
                inside.mounts().last()
            );
            Ok(())
        },
    );
    t.add(
        "path-relative",
        "config.md#posix-platform-hooks MUST: path is absolute",
        |c| {
            c.config["hooks"] = json!({"createRuntime": [{"path": "bin/true"}]});
            c.create_fails().map(|_| ())
        },
    );
    t.add(
        "timeout-zero",
        "config.md#posix-platform-hooks MUST: timeout is greater than zero",
        |c| {
            c.config["hooks"] = json!({"createRuntime": [{"path": "/bin/true", "timeout": 0}]});
            c.create_fails().map(|_| ())
        },
    );
    t.add(
        "default-args",
        "config.md#posix-platform-hooks: args is optional",
        |c| {
            c.config["hooks"] = json!({"createRuntime": [{"path": "/bin/true"}]});
            c.inspect().map(|_| ())
        },
    );
    t.add(
        "stdin-not-read",
        "engines: a hook that does not read its input does no harm",
        |c| {
            c.config["annotations"] = json!({"com.example.big": "x".repeat(200_000)});
            c.config["hooks"] = json!({"createRuntime": [{"path": "/bin/true"}]});
            c.inspect().map(|_| ())
        },
    );
    t.add(
        "network-setup",
        "config.md#prestart: a hook can enter the \
             container's network namespace by the pid",
        |c| {
            let out = c.dir.join("ns").to_string_lossy().into_owned();
            c.script_hook(
                "prestart",
                &format!(
                    "pid=$(sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/' \
             | tail -1); readlink /proc/$pid/ns/net > {out}"
                ),
            );
            let seen = c.inspect()?.namespace("net");
            check_eq!(
                fs::read_to_string(c.dir.join("ns"))?.trim(),
                seen,
                "the namespace the hook saw"
            );
            Ok(())
        },
    )
    .needs(&[crate::host::Need::Root]);
}
