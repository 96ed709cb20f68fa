//! The seccomp listener. config-linux.md#containerprocessstate.

use super::seccomp::profile;
use super::sockets::{accept, receive};
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::net::UnixListener;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("seccomp");
    notify(t);
}

fn notify(t: &mut Table) {
    t.add(
        "notify",
        "config-linux.md#seccomp MUST: the container \
             process state and the descriptor go to listenerPath",
        |c| {
            let path = c.dir.join("agent.sock");
            let listener = UnixListener::bind(&path)?;
            let mut seccomp =
                profile(json!([{"names": ["getpriority"], "action": "SCMP_ACT_NOTIFY"}]));
            seccomp["listenerPath"] = json!(path);
            seccomp["listenerMetadata"] = json!("some metadata");
            c.config["linux"]["seccomp"] = seccomp;
            c.config["annotations"] = json!({"com.example.a": "b"});
            c.args(&["pause"]);
            c.create()?;
            let stream = accept(&listener)?;
            let (text, fds) = receive(&stream)?;
            let state: Value = serde_json::from_str(&text)?;
            check_eq!(state["fds"], json!(["seccompFd"]), "fds");
            check_eq!(fds.len(), 1, "descriptors");
            check_eq!(state["pid"].as_i64(), Some(i64::from(c.pid()?)), "pid");
            check_eq!(state["metadata"], "some metadata", "metadata");
            check_eq!(
                state["state"]["id"].as_str(),
                Some(c.id().as_str()),
                "state.id"
            );
            check_eq!(state["state"]["status"], "creating", "state.status");
            check_eq!(
                state["state"]["annotations"]["com.example.a"],
                "b",
                "annotation"
            );
            check!(state["ociVersion"].is_string(), "no ociVersion: {state}");
            let link = fs::read_link(format!(
                "/proc/self/fd/{}",
                std::os::fd::AsRawFd::as_raw_fd(&fds[0])
            ))?;
            check!(
                link.to_string_lossy().contains("seccomp"),
                "the descriptor is {link:?}"
            );
            c.destroy()
        },
    );
    t.add(
        "notify-connection-closed",
        "config-linux.md#seccomp MUST: the connection is closed after one state",
        |c| {
            let path = c.dir.join("agent.sock");
            let listener = UnixListener::bind(&path)?;
            let mut seccomp =
                profile(json!([{"names": ["getpriority"], "action": "SCMP_ACT_NOTIFY"}]));
            seccomp["listenerPath"] = json!(path);
            c.config["linux"]["seccomp"] = seccomp;
            c.args(&["pause"]);
            c.create()?;
            let stream = accept(&listener)?;
            let (text, _fds) = receive(&stream)?;
            serde_json::from_str::<Value>(&text)?;
            let (rest, _) = receive(&stream)?;
            check_eq!(rest, "", "what follows the state");
            c.destroy()
        },
    );
    t.add(
        "notify-no-agent",
        "config-linux.md#seccomp MUST: an error when sending to the socket fails",
        |c| {
            let mut seccomp =
                profile(json!([{"names": ["getpriority"], "action": "SCMP_ACT_NOTIFY"}]));
            seccomp["listenerPath"] = json!(c.dir.join("nobody.sock"));
            c.config["linux"]["seccomp"] = seccomp;
            c.create_fails().map(|_| ())
        },
    );
}
