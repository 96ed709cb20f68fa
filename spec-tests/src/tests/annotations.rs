//! Annotations of other runtimes that engines and users rely on.

use super::seccomp::profile;
use super::sockets::{accept, receive};
use crate::check_eq;
use crate::config::{grant, set_namespace};
use crate::host::Need;
use crate::table::Table;
use crate::view::View;
use crate::{check, context::Context};
use serde_json::{Value, json};
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("annotations");
    receivers(t);
    hooks(t);
    cgroups(t);
    refused(t);
}

fn receivers(t: &mut Table) {
    t.add(
        "pidfd-receiver",
        "engines: run.oci.pidfd_receiver gets a pidfd of the container's process",
        |c| {
            let path = c.dir.join("pidfd.sock");
            let listener = UnixListener::bind(&path)?;
            c.config["annotations"] = json!({"run.oci.pidfd_receiver": path});
            c.args(&["pause"]);
            c.create()?;
            let (_, fds) = receive(&accept(&listener)?)?;
            check_eq!(fds.len(), 1, "descriptors");
            let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", fds[0].as_raw_fd()))?;
            check!(
                info.lines()
                    .any(|l| l == format!("Pid:\t{}", c.pid().unwrap_or(0))),
                "the descriptor is {info:?}"
            );
            c.destroy()
        },
    );
    for (name, annotated) in [("annotation", true), ("environment", false)] {
        t.add(
            format!("seccomp-receiver-{name}"),
            "engines: the listener of a profile without listenerPath goes to \
             run.oci.seccomp.receiver",
            move |c| {
                let path = c.dir.join("agent.sock");
                let listener = UnixListener::bind(&path)?;
                c.config["linux"]["seccomp"] =
                    profile(json!([{"names": ["getpriority"], "action": "SCMP_ACT_NOTIFY"}]));
                if annotated {
                    c.config["annotations"] = json!({"run.oci.seccomp.receiver": path});
                }
                c.args(&["pause"]);
                c.write_config()?;
                let (id, bundle, pid_file) = (c.id(), c.bundle(), c.pid_file());
                let command = c.command(&[
                    "create",
                    "--bundle",
                    &bundle.to_string_lossy(),
                    "--pid-file",
                    &pid_file.to_string_lossy(),
                    &id,
                ])?;
                let command = if annotated {
                    command
                } else {
                    command.env("RUN_OCI_SECCOMP_RECEIVER", &path)
                };
                command.run()?.success()?;
                let (text, fds) = receive(&accept(&listener)?)?;
                let state: Value = serde_json::from_str(&text)?;
                check_eq!(state["fds"], json!(["seccompFd"]), "fds");
                check_eq!(fds.len(), 1, "descriptors");
                c.destroy()
            },
        );
    }
}

impl Context {
    /// A hook that writes its name to both streams.
    fn talking_hook(&self, name: &str) -> Value {
        json!({"path": self.payload, "args": ["payload", "echo", name, "out", ";", "complain", name, "err"]})
    }
}

fn hooks(t: &mut Table) {
    t.add(
        "hook-output",
        "engines: run.oci.hooks.stdout and .stderr collect what hooks print",
        |c| {
        let (out, err) = (c.dir.join("hooks.out"), c.dir.join("hooks.err"));
        fs::write(&out, "kept\n")?;
        c.config["annotations"] = json!({"run.oci.hooks.stdout": out, "run.oci.hooks.stderr": err});
        let mut hooks = json!({});
        for kind in ["prestart", "createRuntime", "createContainer", "poststart", "poststop"] {
            hooks[kind] = json!([c.talking_hook(kind)]);
        }
        // This one is run in the container's root.
        hooks["startContainer"] = json!([{"path": "/payload", "args": ["payload", "echo", "startContainer", "out", ";", "complain", "startContainer", "err"]}]);
        c.config["hooks"] = hooks;
        c.launch(&["pause"])?;
        c.destroy()?;
        let kinds = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];
        let lines = |stream: &str| kinds.map(|k| format!("{k} {stream}\n")).concat();
        check_eq!(fs::read_to_string(&out)?, format!("kept\n{}", lines("out")), "standard output");
        check_eq!(fs::read_to_string(&err)?, lines("err"), "standard error");
        Ok(())
    });
    t.add(
        "hook-output-not-inherited",
        "engines: the program does not get the files that hooks write to",
        |c| {
            let out = c.dir.join("hooks.out");
            c.config["annotations"] = json!({"run.oci.hooks.stdout": out});
            c.config["hooks"] =
                json!({"startContainer": [{"path": "/payload", "args": ["payload", "echo", "x"]}]});
            let seen = c.inspect()?;
            let found: Vec<_> = seen
                .descriptors()
                .into_iter()
                .filter(|(n, _)| *n > 2)
                .collect();
            check!(
                found.iter().all(|(_, to)| !to.contains("hooks.out")),
                "descriptors are {found:?}"
            );
            Ok(())
        },
    );
    t.add(
        "hook-output-no-folder",
        "engines: an output file that cannot be made is an error",
        |c| {
            c.config["annotations"] = json!({"run.oci.hooks.stdout": c.dir.join("none/hooks.out")});
            c.config["hooks"] = json!({"poststop": [c.talking_hook("x")]});
            c.create_fails().map(|_| ())
        },
    );
}

fn cgroups(t: &mut Table) {
    t.add(
        "delegate-cgroup",
        "engines: run.oci.delegate-cgroup puts the container one cgroup below \
             its own, which stays the namespace's root",
        |c| {
            c.enter_view(View::V2)?;
            set_namespace(&mut c.config, "cgroup", None);
            c.config["annotations"] = json!({"run.oci.delegate-cgroup": "payload"});
            let pid = c.launch(&["pause"])?;
            let outside = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
            check!(
                outside
                    .lines()
                    .any(|l| l.starts_with("0::") && l.ends_with("/payload")),
                "the cgroup is {outside:?}"
            );
            let inside = c
                .try_exec(&[], &["read", "/proc/1/cgroup"])?
                .success()?
                .stdout;
            check!(
                inside.contains("0::/payload\\n"),
                "inside, it is {inside:?}"
            );
            c.destroy()
        },
    )
    .needs(&[Need::Root, Need::CgroupNamespace]);
    t.add(
        "delegate-cgroup-v1",
        "engines: a cgroup of version 1 is not delegated",
        |c| {
            c.enter_view(View::V1)?;
            c.config["annotations"] = json!({"run.oci.delegate-cgroup": "payload"});
            c.create_fails().map(|_| ())
        },
    )
    .needs(&[Need::Root, Need::CgroupV1]);
    t.add(
        "criu-config-ignored",
        "engines: org.criu.config and annotations of others change nothing for \
             create",
        |c| {
        c.config["annotations"] = json!({"org.criu.config": "/none", "run.oci.systemd.subgroup": "x", "com.example/a": "b"});
        c.inspect().map(|_| ())
    });
    t.add(
        "keep-groups",
        "engines: run.oci.keep_original_groups keeps the caller's groups",
        |c| {
            c.config["annotations"] = json!({"run.oci.keep_original_groups": "1"});
            c.config["process"]["user"] = json!({"uid": 0, "gid": 0, "additionalGids": [7]});
            grant(&mut c.config, &["CAP_SETGID"]);
            let mine = fs::read_to_string("/proc/self/status")?;
            let mut mine: Vec<u64> = mine
                .lines()
                .find_map(|l| l.strip_prefix("Groups:"))
                .unwrap_or_default()
                .split_whitespace()
                .filter_map(|gid| gid.parse().ok())
                .map(|gid| inside(&c.config, gid))
                .collect();
            mine.sort_unstable();
            let seen: Vec<u64> = c.inspect()?.groups().into_iter().map(u64::from).collect();
            check_eq!(seen, mine, "groups");
            Ok(())
        },
    );
}

/// A group of the caller as the container sees it: the overflow id where its user namespace has none for it.
fn inside(config: &Value, gid: u64) -> u64 {
    let Some(mappings) = config["linux"]["gidMappings"].as_array() else {
        return gid;
    };
    let number = |mapping: &Value, key: &str| mapping[key].as_u64().unwrap_or_default();
    mappings
        .iter()
        .find(|m| (number(m, "hostID")..number(m, "hostID") + number(m, "size")).contains(&gid))
        .map_or(65534, |m| {
            gid - number(m, "hostID") + number(m, "containerID")
        })
}

fn refused(t: &mut Table) {
    for (key, value) in [
        ("run.oci.handler", "krun"),
        ("run.oci.seccomp_bpf_data", "AAAA"),
        ("run.oci.mount_context_type", "label"),
        ("run.oci.pidfd_receiver", "relative"),
        ("run.oci.delegate-cgroup", "../x"),
    ] {
        t.add(
            format!("refused-{}", key.trim_start_matches("run.oci.")),
            "engines: an annotation that cannot be honoured is an error that names it",
            move |c| {
                c.config["annotations"] = json!({key: value});
                let text = c.create_fails()?.stderr;
                check!(
                    text.contains(&format!("/annotations/{key}")),
                    "the error is {text:?}"
                );
                Ok(())
            },
        );
    }
}
