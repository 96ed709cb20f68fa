//! create, start, state, kill, delete: runtime.md.

use crate::check::{Verdict, fail};
use crate::context::{Context, PATIENCE};
use crate::host::Need;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("lifecycle");
    create(t);
    ids(t);
    start(t);
    kill(t);
    delete(t);
}

fn create(t: &mut Table) {
    t.add(
        "create-status",
        "runtime.md#create MUST: after create the status is created",
        |c| {
            c.args(&["pause"]);
            c.create()?;
            check_eq!(c.status()?, "created", "status");
            c.destroy()
        },
    );
    t.add(
        "create-does-not-run",
        "runtime.md#create MUST NOT: the user program is not run by create",
        |c| {
            c.args(&["write", "/data/ran", "yes", ";", "pause"]);
            c.create()?;
            check!(
                !c.rootfs().join("data/ran").exists(),
                "the program ran at create"
            );
            c.start()?;
            let ran = c.rootfs().join("data/ran");
            crate::context::poll_for("the program's file", || ran.exists().then_some(()))?;
            c.destroy()
        },
    );
    t.add(
        "config-change-after-create",
        "runtime.md#lifecycle MUST NOT: updates of config.json after create affect the container",
        |c| {
            c.args(&["echo", "first"]);
            c.create()?;
            c.args(&["echo", "second"]);
            c.write_config()?;
            c.start()?;
            let line = c.await_output("a line", |text| {
                text.split_once('\n').map(|(line, _)| line.to_string())
            })?;
            check_eq!(line, "first", "the program printed");
            c.await_status("stopped")?;
            c.delete()
        },
    );
    t.add(
        "config-missing-after-create",
        "runtime.md#lifecycle MUST NOT: start needs config.json again",
        |c| {
            c.args(&["echo", "first"]);
            c.create()?;
            fs::remove_file(c.bundle().join("config.json"))?;
            c.start()?;
            c.await_status("stopped")?;
            c.delete()
        },
    );
    t.add(
        "create-without-bundle",
        "runtime.md#create MUST: an error without config.json in the bundle",
        |c| {
            let id = c.id();
            let dir = c.dir.join("empty");
            fs::create_dir(&dir)?;
            c.call(&["create", "--bundle", &dir.to_string_lossy(), &id])?
                .failure()?;
            c.call(&["state", &id])?.failure()?;
            Ok(())
        },
    );
    t.add(
        "create-without-id",
        "runtime.md#create MUST: an error without an id",
        |c| {
            c.write_config()?;
            let bundle = c.bundle();
            c.call(&["create", "--bundle", &bundle.to_string_lossy()])?
                .failure()
                .map(|_| ())
        },
    );
    t.add(
        "create-same-id",
        "runtime.md#create MUST: an id in use is an error and makes no container",
        |c| {
            c.args(&["pause"]);
            c.create()?;
            let pid = c.state()?["pid"].clone();
            c.try_create_with(&[])?.failure()?;
            check_eq!(c.state()?["pid"], pid, "the first container's pid");
            check_eq!(c.status()?, "created", "the first container's status");
            c.destroy()
        },
    );
    t.add(
        "create-failure-leaves-nothing",
        "runtime.md#errors MUST: an error leaves the environment as it was",
        |c| {
            c.config["process"]["args"] = json!(["/no/such/program"]);
            c.create_fails()?;
            let left: Vec<_> = fs::read_dir(c.state_dir())?
                .flatten()
                .map(|e| e.file_name())
                .collect();
            check!(
                !left
                    .iter()
                    .any(|name| name.to_string_lossy().starts_with(&c.tag)),
                "the state folder has {left:?}"
            );
            Ok(())
        },
    );
    t.add(
        "bundle-default-is-cwd",
        "engines: create takes the current folder as bundle when none is given",
        |c| {
            c.args(&["echo", "hello"]);
            c.write_config()?;
            let (id, bundle) = (c.id(), c.bundle());
            let output = c
                .command(&["run", &id])?
                .current_dir(&bundle)
                .run()?
                .success()?;
            check_eq!(output.stdout, "hello\n", "output");
            Ok(())
        },
    );
    t.add(
        "bundle-relative",
        "engines: --bundle may be relative to the caller's folder",
        |c| {
            c.args(&["echo", "hello"]);
            c.write_config()?;
            let (id, dir) = (c.id(), c.dir.clone());
            let output = c
                .command(&["run", "--bundle", "bundle", &id])?
                .current_dir(&dir)
                .run()?
                .success()?;
            check_eq!(output.stdout, "hello\n", "output");
            Ok(())
        },
    );
    t.add(
        "no-config-no-side-effect",
        "config.md#valid-values MUST: malformed JSON is an error",
        |c| {
            let id = c.id();
            for text in ["", "{", "[]", "null", "{\"ociVersion\": 1}", "\u{feff}{}"] {
                fs::write(c.bundle().join("config.json"), text)?;
                let bundle = c.bundle();
                let output = c.call(&["create", "--bundle", &bundle.to_string_lossy(), &id])?;
                check!(
                    output.code.is_some_and(|code| code != 0),
                    "config {text:?}: {}",
                    output.describe("was accepted")
                );
                c.call(&["state", &id])?.failure()?;
            }
            Ok(())
        },
    );
}

fn ids(t: &mut Table) {
    let bad = [
        "",
        ".",
        "..",
        "a/b",
        "../escape",
        "a b",
        "a\nb",
        "ü",
        "a:b",
        "a@b",
        "/absolute",
    ];
    for (i, id) in bad.into_iter().enumerate() {
        t.add(
            format!("bad-id-{i}"),
            format!("engines: the id {id:?} is refused; ids are made of letters, digits and _+-."),
            move |c| refuse_id(c, id),
        );
    }
    t.add(
        "good-ids",
        "engines: ids of letters, digits and _+-. are accepted",
        |c| {
            for suffix in ["", "_x", "+x", "-x", ".x", "UPPER", "x.y-z_1+2"] {
                c.args(&["exit", "0"]);
                c.write_config()?;
                let (id, bundle) = (format!("{}{suffix}", c.tag), c.bundle());
                c.call(&["run", "--bundle", &bundle.to_string_lossy(), &id])?
                    .success()?;
            }
            Ok(())
        },
    );
}

fn refuse_id(c: &mut Context, id: &str) -> Verdict {
    c.args(&["pause"]);
    c.write_config()?;
    let bundle = c.bundle();
    let output = c.call(&["create", "--bundle", &bundle.to_string_lossy(), "--", id])?;
    if output.code == Some(0) {
        let _ = c.call(&["delete", "--force", "--", id]);
        return fail(output.describe("was accepted"));
    }
    output.failure().map(|_| ())
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
        "runtime.md#start MUST: a container without process in config.json cannot be started",
        |c| {
            if let Some(config) = c.config.as_object_mut() {
                config.remove("process");
            }
            let created = c.try_create_with(&[])?;
            if created.code == Some(0) {
                let id = c.id();
                c.call(&["start", &id])?.failure()?;
                c.call(&["delete", "--force", &id])?.success()?;
            } else {
                created.failure()?;
            }
            Ok(())
        },
    );
}

fn kill(t: &mut Table) {
    t.add(
        "kill-signal-arrives",
        "runtime.md#kill MUST: the signal reaches the container's process",
        |c| {
            for signal in [1, 10, 15] {
                let pid = c.launch(&["await-signal"])?;
                c.await_line()?;
                c.kill(&signal.to_string())?;
                check_eq!(c.await_exit(pid)?, 0, "exit code");
                let text = fs::read_to_string(&c.container_stdout)?;
                check!(
                    text.contains(&format!("{{\"signal\":{signal}}}")),
                    "signal {signal}: the program printed {text:?}"
                );
                c.delete()?;
            }
            Ok(())
        },
    );
    t.add(
        "kill-created",
        "runtime.md#kill MUST: a created container can be killed",
        |c| {
            c.args(&["pause"]);
            c.create()?;
            let pid = c.pid()?;
            c.kill("KILL")?;
            check_eq!(c.await_exit(pid)?, 137, "the end of the process");
            c.await_status("stopped")?;
            c.delete()
        },
    );
    t.add(
        "kill-stopped",
        "runtime.md#kill MUST: a stopped container cannot be signalled",
        |c| {
            let pid = c.launch(&["exit", "0"])?;
            c.await_exit(pid)?;
            let id = c.id();
            c.call(&["kill", &id, "KILL"])?.failure()?;
            c.delete()
        },
    );
    t.add(
        "kill-unknown",
        "runtime.md#kill MUST: an unknown container is an error",
        |c| {
            let id = c.id();
            c.call(&["kill", &id, "KILL"])?.failure().map(|_| ())
        },
    );
    t.add(
        "kill-without-id",
        "runtime.md#kill MUST: an error without an id",
        |c| c.call(&["kill"])?.failure().map(|_| ()),
    );
    t.add(
        "exit-makes-stopped",
        "runtime.md#kill MUST: a process that ends makes the status stopped",
        |c| {
            let pid = c.launch(&["exit", "3"])?;
            check_eq!(c.await_exit(pid)?, 3, "exit code");
            c.await_status("stopped")?;
            c.delete()
        },
    );
    t.add(
        "zombie-is-stopped",
        "runtime.md#state: a process that ended but was not reaped has exited",
        |c| {
            let pid = c.launch(&["exit", "3"])?;
            let stat = format!("/proc/{pid}/stat");
            crate::context::poll_for("the zombie", || {
                fs::read_to_string(&stat)
                    .ok()?
                    .contains(") Z ")
                    .then_some(())
            })?;
            check_eq!(c.status()?, "stopped", "status");
            check_eq!(c.await_exit(pid)?, 3, "exit code");
            c.delete()
        },
    );
}

fn delete(t: &mut Table) {
    t.add(
        "delete-stopped",
        "runtime.md#delete MUST: delete undoes create",
        |c| {
            let pid = c.launch(&["exit", "0"])?;
            c.await_exit(pid)?;
            c.delete()?;
            let id = c.id();
            c.call(&["state", &id])?.failure().map(|_| ())
        },
    );
    t.add(
        "delete-running",
        "runtime.md#delete MUST: deleting a container that is not stopped is an error",
        |c| {
            c.launch(&["pause"])?;
            let id = c.id();
            c.call(&["delete", &id])?.failure()?;
            check_eq!(c.status()?, "running", "status");
            c.destroy()
        },
    );
    t.add(
        "delete-unknown",
        "runtime.md#delete MUST: an unknown container is an error",
        |c| {
            let id = c.id();
            c.call(&["delete", &id])?.failure().map(|_| ())
        },
    );
    t.add(
        "delete-without-id",
        "runtime.md#delete MUST: an error without an id",
        |c| c.call(&["delete"])?.failure().map(|_| ()),
    );
    t.add(
        "delete-twice",
        "runtime.md#delete MUST: a deleted container does not exist",
        |c| {
            let pid = c.launch(&["exit", "0"])?;
            c.await_exit(pid)?;
            c.delete()?;
            let id = c.id();
            c.call(&["delete", &id])?.failure().map(|_| ())
        },
    );
    t.add(
        "id-reuse",
        "runtime.md#delete MAY: the id of a deleted container can be used again",
        |c| {
            for _ in 0..3 {
                let pid = c.launch(&["exit", "0"])?;
                c.await_exit(pid)?;
                c.delete()?;
            }
            Ok(())
        },
    );
    t.add(
        "delete-keeps-foreign",
        "runtime.md#delete MUST NOT: what create did not make is deleted",
        |c| {
            let volume = c.dir.join("volume");
            fs::create_dir(&volume)?;
            fs::write(volume.join("file"), "keep")?;
            crate::config::add_mount(
                &mut c.config,
                "/data",
                "bind",
                &volume.to_string_lossy(),
                &["rbind"],
            );
            let pid = c.launch(&["exit", "0"])?;
            c.await_exit(pid)?;
            c.delete()?;
            check_eq!(
                fs::read_to_string(volume.join("file"))?,
                "keep",
                "the volume's file"
            );
            check!(
                c.rootfs().join("payload").exists(),
                "the root filesystem is gone"
            );
            check!(
                c.bundle().join("config.json").exists(),
                "config.json is gone"
            );
            Ok(())
        },
    );
    t.add(
        "delete-force-running",
        "engines: delete --force ends a running container",
        |c| {
            let pid = c.launch(&["pause"])?;
            let id = c.id();
            c.call(&["delete", "--force", &id])?.success()?;
            check_eq!(c.await_exit(pid)?, 137, "the end of the process");
            c.call(&["state", &id])?.failure().map(|_| ())
        },
    );
    t.add(
        "delete-force-created",
        "engines: delete --force ends a created container",
        |c| {
            c.args(&["pause"]);
            c.create()?;
            let id = c.id();
            c.call(&["delete", "--force", &id])?.success()?;
            c.call(&["state", &id])?.failure().map(|_| ())
        },
    );
    t.add(
        "delete-force-unknown",
        "engines: delete --force of an unknown container succeeds",
        |c| {
            let id = c.id();
            c.call(&["delete", "--force", &id])?.success().map(|_| ())
        },
    );
    t.add(
        "delete-children",
        "runtime.md#delete MUST: processes that the program started end with it",
        |c| {
            let pid = c.launch(&[
                "background",
                "pause",
                ";",
                "background",
                "pause",
                ";",
                "exit",
                "0",
            ])?;
            c.await_exit(pid)?;
            c.await_status("stopped")?;
            c.delete()
        },
    );
    t.add(
        "delete-force-shared-pid-namespace",
        "engines: delete --force ends all processes without a pid namespace",
        |c| {
            crate::config::remove_namespace(&mut c.config, "pid");
            c.launch(&["background", "pause", ";", "echo", "{}", ";", "pause"])?;
            c.await_line()?;
            let id = c.id();
            c.call(&["delete", "--force", &id])?.success().map(|_| ())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "state-survives-bundle",
        "runtime.md#operations: state and delete work when the bundle is gone",
        |c| {
            c.launch(&["pause"])?;
            let away = c.dir.join("away");
            fs::rename(c.bundle(), &away)?;
            check_eq!(c.status()?, "running", "status");
            c.destroy()
        },
    );
    t.add(
        "kill-unreaped-bound",
        "engines: delete after a kill is possible at once, without the caller's reaping",
        |c| {
            c.launch(&["pause"])?;
            c.kill("KILL")?;
            let deadline = std::time::Instant::now() + PATIENCE;
            let id = c.id();
            while c.call(&["delete", &id])?.code != Some(0) {
                check!(
                    std::time::Instant::now() < deadline,
                    "delete goes on failing after a kill"
                );
            }
            check!(
                !Path::new(&c.state_dir().join(&id)).exists(),
                "the state entry is still there"
            );
            Ok(())
        },
    );
}

impl Context {
    /// The state with the members every state must have, checked.
    pub fn checked_state(&mut self) -> Verdict<Value> {
        let state = self.state()?;
        for key in ["ociVersion", "id", "status", "bundle"] {
            check!(state[key].is_string(), "state has no {key}: {state}");
        }
        Ok(state)
    }
}
