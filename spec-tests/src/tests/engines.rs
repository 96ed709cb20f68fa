//! What engines rely on beyond the specification: pid files and forms of kill.

use crate::host::Need;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::json;
use std::fs;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("engines");
    pid_file(t);
    kill(t);
}

fn pid_file(t: &mut Table) {
    t.add(
        "pid-file",
        "engines: the pid file has the number and nothing else, no newline either",
        |c| {
            c.args(&["pause"]);
            c.create()?;
            let text = fs::read_to_string(c.pid_file())?;
            check!(
                !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()),
                "the pid file has {text:?}"
            );
            check_eq!(c.state()?["pid"].to_string(), text, "pid");
            c.destroy()
        },
    );
    t.add(
        "pid-file-relative",
        "engines: a relative --pid-file is relative to the caller's folder",
        |c| {
            c.args(&["pause"]);
            c.write_config()?;
            let (id, bundle, dir) = (
                c.id(),
                c.bundle().to_string_lossy().into_owned(),
                c.dir.clone(),
            );
            c.command(&[
                "create",
                "--bundle",
                &bundle,
                "--pid-file",
                "relative.pid",
                &id,
            ])?
            .current_dir(&dir)
            .run()?
            .success()?;
            check!(
                dir.join("relative.pid").exists(),
                "relative.pid is not in the caller's folder"
            );
            c.destroy()
        },
    );
    t.add(
        "pid-file-replaced",
        "engines: an old pid file is replaced",
        |c| {
            fs::write(c.pid_file(), "99999999999999")?;
            c.args(&["pause"]);
            c.create()?;
            check_eq!(c.state()?["pid"].as_i64(), Some(i64::from(c.pid()?)), "pid");
            c.destroy()
        },
    );
    t.add(
        "pid-file-not-on-failure",
        "engines: no pid file when create fails",
        |c| {
            c.config["process"]["args"] = json!(["/no/such/program"]);
            c.create_fails()?;
            check!(
                !c.pid_file().exists(),
                "the pid file has {:?}",
                fs::read_to_string(c.pid_file())
            );
            Ok(())
        },
    );
    t.add(
        "pid-file-unwritable",
        "engines: a pid file that cannot be written is an error and leaves no container",
        |c| {
            c.args(&["pause"]);
            c.write_config()?;
            let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
            c.call(&[
                "create",
                "--bundle",
                &bundle,
                "--pid-file",
                "/no/such/folder/pid",
                &id,
            ])?
            .failure()?;
            c.call(&["state", &id])?.failure().map(|_| ())
        },
    );
}

fn kill(t: &mut Table) {
    for form in ["KILL", "SIGKILL", "9", "kill", "sigkill"] {
        t.add(
            format!("kill-{form}"),
            "engines: signals by name with or without SIG, in any case, or by number",
            move |c| {
                let pid = c.launch(&["pause"])?;
                c.kill(form)?;
                check_eq!(c.await_exit(pid)?, 137, "the end of the process");
                c.delete()
            },
        );
    }
    t.add(
        "kill-default",
        "engines: kill without a signal sends TERM",
        |c| {
            let pid = c.launch(&["await-signal"])?;
            c.await_line()?;
            let id = c.id();
            c.call(&["kill", &id])?.success()?;
            check_eq!(c.await_exit(pid)?, 0, "exit code");
            let text = fs::read_to_string(&c.container_stdout)?;
            check!(
                text.contains("{\"signal\":15}"),
                "the program printed {text:?}"
            );
            c.delete()
        },
    );
    for form in ["BOGUS", "SIGBOGUS", "999", "-1"] {
        t.add(
            format!("kill-bad-{form}"),
            "engines: a signal that does not exist is an error and reaches nobody",
            move |c| {
                c.launch(&["pause"])?;
                let id = c.id();
                c.call(&["kill", &id, form])?.failure()?;
                check_eq!(c.status()?, "running", "status");
                c.destroy()
            },
        );
    }
    t.add(
        "kill-all",
        "engines: kill --all reaches every process of the container",
        |c| {
            crate::config::remove_namespace(&mut c.config, "pid");
            let pid = c.launch(&["background", "pause", ";", "echo", "{}", ";", "pause"])?;
            c.await_line()?;
            let dir = c.cgroup_dir(pid, "pids")?;
            let id = c.id();
            c.call(&["kill", "--all", &id, "KILL"])?.success()?;
            crate::context::poll_for("the end of all processes", || {
                crate::reaper::reap();
                // A service manager takes an empty cgroup away.
                fs::read_to_string(dir.join("cgroup.procs"))
                    .map_or(true, |pids| pids.is_empty())
                    .then_some(())
            })?;
            c.delete()
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "kill-all-stopped",
        "engines: kill --all of a stopped container does no harm",
        |c| {
            let pid = c.launch(&["exit", "0"])?;
            c.await_exit(pid)?;
            let id = c.id();
            c.call(&["kill", "--all", &id, "9"])?;
            c.delete()
        },
    );
    t.add("kill-number-zero", "engines: signal 0 kills nobody", |c| {
        c.launch(&["pause"])?;
        let id = c.id();
        c.call(&["kill", &id, "0"])?;
        check_eq!(c.status()?, "running", "status");
        c.destroy()
    });
}
