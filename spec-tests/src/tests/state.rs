//! The state and how it is asked for: runtime.md#state.

use crate::check::Verdict;
use crate::context::Context;
use crate::host::Need;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::json;

/// What `state` says while a create waits a little after each rename and bind, by which what is known of a container changes.
fn statuses_of_slow_create(c: &mut Context) -> Verdict<Vec<String>> {
    c.args(&["pause"]);
    c.write_config()?;
    let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
    let calls = "bind,rename,renameat,renameat2";
    let delay = format!("inject={calls}:delay_exit=150000");
    let trace = format!("trace={calls}");
    let options = ["-o", "/dev/null", "-e", &trace, "-e", &delay];
    let create = ["create", "--bundle", &bundle, &id];
    let mut running = c.command_under("strace", &options, &create)?.spawn()?;
    let mut seen = Vec::new();
    while running.child.try_wait()?.is_none() {
        // Until there is a container at all, asking for it fails.
        seen.extend(c.status().ok());
    }
    seen.dedup();
    Ok(seen)
}

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("state");
    t.add(
        "required-members",
        "runtime.md#state MUST: ociVersion, id, status, pid and bundle",
        |c| {
            c.args(&["pause"]);
            c.create()?;
            let state = c.state()?;
            for key in ["ociVersion", "id", "status", "bundle"] {
                check!(state[key].is_string(), "state has no {key}: {state}");
            }
            check!(
                state["pid"].as_i64().is_some_and(|pid| pid > 1),
                "state has no pid: {state}"
            );
            check_eq!(state["id"].as_str(), Some(c.id().as_str()), "id");
            c.destroy()
        },
    );
    t.add(
        "not-running-before-start",
        "runtime.md#state MUST: what has not been started is never seen running, however slow create is",
        |c| {
            let seen = statuses_of_slow_create(c)?;
            check!(!seen.contains(&"running".to_string()), "seen: {seen:?}");
            check_eq!(c.status()?, "created", "status in the end");
            c.destroy()
        },
    )
    .needs(&[Need::Root, Need::Program("strace")]);
    t.add(
        "oci-version-semver",
        "runtime.md#state: ociVersion is a version of the specification",
        |c| {
            c.launch(&["pause"])?;
            let version = c.state()?["ociVersion"]
                .as_str()
                .unwrap_or_default()
                .to_string();
            let numbers: Vec<&str> = version.split('.').collect();
            check!(
                numbers.len() >= 3 && numbers[0] == "1",
                "ociVersion is {version:?}"
            );
            c.destroy()
        },
    );
    t.add(
        "pid-is-host-pid",
        "runtime.md#state: pid is the container process as seen by the host",
        |c| {
            let pid = c.launch(&["pause"])?;
            check_eq!(c.state()?["pid"].as_i64(), Some(i64::from(pid)), "pid");
            let seen = std::fs::read(format!("/proc/{pid}/cmdline"))?;
            check!(
                seen.starts_with(b"/payload\0"),
                "/proc/{pid}/cmdline is {:?}",
                String::from_utf8_lossy(&seen)
            );
            c.destroy()
        },
    );
    t.add(
        "bundle-absolute",
        "runtime.md#state MUST: bundle is an absolute path",
        |c| {
            c.args(&["pause"]);
            c.write_config()?;
            let (id, dir) = (c.id(), c.dir.clone());
            c.command(&["create", "--bundle", "bundle", &id])?
                .current_dir(&dir)
                .run()?
                .success()?;
            let bundle = c.bundle().to_string_lossy().into_owned();
            check_eq!(
                c.state()?["bundle"].as_str(),
                Some(bundle.as_str()),
                "bundle"
            );
            c.destroy()
        },
    );
    t.add("annotations", "runtime.md#state: annotations are the container's", |c| {
        let annotations = json!({"com.example.key": "value", "org.example.empty": "", "com.example.utf8": "ü\n\"q\""});
        c.config["annotations"] = annotations.clone();
        c.args(&["pause"]);
        c.create()?;
        let state = c.state()?;
        for (key, value) in annotations.as_object().into_iter().flatten() {
            check_eq!(&state["annotations"][key], value, "annotation {key}");
        }
        c.destroy()
    });
    t.add(
        "stopped-has-no-pid",
        "runtime.md#state: pid is required only in created and running",
        |c| {
            let pid = c.launch(&["exit", "0"])?;
            c.await_exit(pid)?;
            let state = c.state()?;
            check_eq!(state["status"], "stopped", "status");
            check!(
                matches!(state["pid"].as_i64(), None | Some(0)),
                "a stopped container has a pid: {state}"
            );
            c.delete()
        },
    );
    t.add(
        "unknown",
        "runtime.md#query-state MUST: an unknown container is an error",
        |c| {
            let id = c.id();
            c.call(&["state", &id])?.failure().map(|_| ())
        },
    );
    t.add(
        "without-id",
        "runtime.md#query-state MUST: an error without an id",
        |c| c.call(&["state"])?.failure().map(|_| ()),
    );
    t.add(
        "clean-streams",
        "engines: state prints one JSON object and nothing on standard error",
        |c| {
            c.args(&["pause"]);
            c.create()?;
            let id = c.id();
            let output = c.call(&["state", &id])?.success()?;
            check_eq!(output.stderr, "", "standard error");
            c.destroy()
        },
    );
    t.add(
        "created-time",
        "engines: created is an RFC 3339 time",
        |c| {
            c.args(&["pause"]);
            c.create()?;
            let created = c.state()?["created"]
                .as_str()
                .unwrap_or_default()
                .to_string();
            check!(is_rfc3339(&created), "created is {created:?}");
            c.destroy()
        },
    );
    t.add(
        "rootfs",
        "engines: rootfs is the absolute path of the root filesystem",
        |c| {
            c.args(&["pause"]);
            c.create()?;
            let rootfs = c.rootfs().to_string_lossy().into_owned();
            check_eq!(
                c.state()?["rootfs"].as_str(),
                Some(rootfs.as_str()),
                "rootfs"
            );
            c.destroy()
        },
    );
    t.add(
        "status-cycle",
        "runtime.md#state: created, running, stopped, each at its time",
        |c| {
            c.args(&["await-file", "/data/go"]);
            c.create()?;
            check_eq!(c.status()?, "created", "after create");
            c.start()?;
            check_eq!(c.status()?, "running", "after start");
            std::fs::write(c.rootfs().join("data/go"), "")?;
            c.await_status("stopped")?;
            c.delete()
        },
    );
    t.add(
        "two-containers",
        "runtime.md#state MUST: containers of one root are told apart by their id",
        |c| {
            c.launch(&["pause"])?;
            let second = create_beside(c, "second")?;
            check_eq!(status_of(c, &second)?, "created", "the second");
            check_eq!(c.status()?, "running", "the first");
            c.call(&["delete", "--force", &second])?.success()?;
            check_eq!(
                c.status()?,
                "running",
                "the first, after the second was deleted"
            );
            c.destroy()
        },
    );
}

/// Creates another container of the same bundle, with a cgroup of its own; returns its id.
pub(super) fn create_beside(c: &mut Context, name: &str) -> crate::check::Verdict<String> {
    let id = format!("{}-{name}", c.tag);
    let bundle = c.bundle().to_string_lossy().into_owned();
    c.set_cgroup(&id);
    c.write_config()?;
    c.call(&["create", "--bundle", &bundle, &id])?.success()?;
    Ok(id)
}

pub(super) fn status_of(c: &mut Context, id: &str) -> crate::check::Verdict<String> {
    let state = c.state_of(id)?;
    Ok(state["status"].as_str().unwrap_or_default().to_string())
}

/// `2006-01-02T15:04:05[.fraction](Z|+01:00)`.
pub fn is_rfc3339(text: &str) -> bool {
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    let Some(rest) = shape.strip_prefix("0000-00-00T00:00:00") else {
        return false;
    };
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches('0'),
        None => rest,
    };
    matches!(rest, "Z" | "+00:00" | "-00:00")
}
