//! start: runtime.md#start.

use crate::check_eq;
use crate::table::Table;
use std::fs;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("lifecycle");
    start(t);
}

fn start(t: &mut Table) {
    t.add(
        "start-runs-program",
        "runtime.md#start MUST: start runs the user program",
        |c| {
            let pid = c.launch(&["echo", "started"])?;
            check_eq!(c.await_exit(pid)?, 0, "exit code");
            check_eq!(
                fs::read_to_string(&c.container_stdout)?,
                "started\n",
                "output"
            );
            c.await_status("stopped")?;
            c.delete()
        },
    );
    t.add(
        "start-status",
        "runtime.md#start MUST: after start the status is running",
        |c| {
            c.launch(&["pause"])?;
            check_eq!(c.status()?, "running", "status");
            c.destroy()
        },
    );
    t.add(
        "start-keeps-pid",
        "runtime.md#state: the pid after start is the pid of create",
        |c| {
            c.args(&["pause"]);
            c.create()?;
            let created = c.state()?["pid"].as_i64();
            c.start()?;
            check_eq!(c.state()?["pid"].as_i64(), created, "pid");
            c.destroy()
        },
    );
    t.add(
        "start-without-id",
        "runtime.md#start MUST: an error without an id",
        |c| c.call(&["start"])?.failure().map(|_| ()),
    );
    t.add(
        "start-unknown",
        "runtime.md#start MUST: an unknown container is an error",
        |c| {
            let id = c.id();
            c.call(&["start", &id])?.failure().map(|_| ())
        },
    );
    t.add(
        "start-running",
        "runtime.md#start MUST: starting a running container is an error without effect",
        |c| {
            let pid = c.launch(&["pause"])?;
            let id = c.id();
            c.call(&["start", &id])?.failure()?;
            check_eq!(c.status()?, "running", "status");
            check_eq!(c.state()?["pid"].as_i64(), Some(i64::from(pid)), "pid");
            c.destroy()
        },
    );
    t.add(
        "start-stopped",
        "runtime.md#start MUST: starting a stopped container is an error",
        |c| {
            let pid = c.launch(&["exit", "0"])?;
            c.await_exit(pid)?;
            c.await_status("stopped")?;
            let id = c.id();
            c.call(&["start", &id])?.failure()?;
            c.delete()
        },
    );
    t.add(
        "start-killed-before",
        "runtime.md#start MUST: a container killed before its start is an error",
        |c| {
            c.args(&["pause"]);
            c.create()?;
            let pid = c.pid()?;
            c.kill("KILL")?;
            c.await_exit(pid)?;
            let id = c.id();
            c.call(&["start", &id])?.failure()?;
            check_eq!(c.status()?, "stopped", "status");
            c.delete()
        },
    );
    t.add(
        "start-without-process",
        "runtime.md#start MUST: a container without process in config.json is refused, or ends at once",
        |c| {
            if let Some(config) = c.config.as_object_mut() {
                config.remove("process");
            }
            let created = c.try_create_with(&[])?;
            if created.code == Some(0) {
                let id = c.id();
                // runtime-tools takes an error of `start` itself for a fault: its own program for this has the check the wrong way round.
                if c.call(&["start", &id])?.code == Some(0) {
                    c.await_status("stopped")?;
                }
                c.call(&["delete", "--force", &id])?.success()?;
            } else {
                created.failure()?;
            }
            Ok(())
        },
    );
}
