//! kill and delete: runtime.md#kill, #delete.

use super::state::{create_beside, status_of};
use crate::host::Need;
use crate::patience;
use crate::table::Table;
use crate::{check, check_eq};
use std::fs;
use std::path::Path;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("lifecycle");
    kill(t);
    delete(t);
    by_regex(t);
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
            let deadline = std::time::Instant::now() + patience::usual();
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

fn by_regex(t: &mut Table) {
    t.add(
        "kill-delete-regex",
        "engines: kill and delete --regex mean every container whose id has a match [crun has it, runc does not]",
        |c| {
            c.args(&["pause"]);
            let [first, other, second] =
                ["a1", "b1", "a2"].map(|name| create_beside(c, name));
            let (first, other, second) = (first?, other?, second?);
            let expression = format!("^{}-a[0-9]$", c.tag);
            c.call(&["kill", "--regex", &expression, "KILL"])?.success()?;
            for id in [&first, &second] {
                crate::context::poll_for("the end of what was killed", || {
                    status_of(c, id).ok().filter(|status| status == "stopped")
                })?;
            }
            check_eq!(status_of(c, &other)?, "created", "whose id does not match");
            c.call(&["delete", "--regex", &expression])?.success()?;
            for id in [&first, &second] {
                c.call(&["state", id])?.failure()?;
            }
            // Nobody is no error.
            let rest = format!("{}-b", c.tag);
            c.call(&["delete", "--force", "--regex", &rest])?.success()?;
            c.call(&["state", &other])?.failure()?;
            c.call(&["delete", "--regex", &rest])?.success().map(|_| ())
        },
    );
    t.add(
        "regex-failures-told",
        "engines: of containers that cannot be deleted each is told, and the others are deleted all the same",
        |c| {
            c.args(&["pause"]);
            let [first, second] = ["a1", "a2"].map(|name| create_beside(c, name));
            let (first, second) = (first?, second?);
            for id in [&first, &second] {
                c.call(&["start", id])?.success()?;
            }
            let created = create_beside(c, "a3")?;
            let expression = format!("^{}-a", c.tag);
            c.call(&["delete", "--regex", &expression])?
                .failure()?
                .says(&[&first])?
                .says(&[&second])?;
            c.call(&["state", &created])?.failure()?;
            c.call(&["delete", "--regex", "("])?.failure()?;
            c.call(&["delete", "--force", "--regex", &expression])?.success().map(|_| ())
        },
    )
    .justified("crun tells each and ends with 0, runc has no such option");
    t.add(
        "regex-foreign-folder",
        "a folder in --root that is no container is not what an expression means, nor is another runtime's",
        |c| {
            let foreign = c.state_dir().join(format!("{}-folder", c.tag));
            fs::create_dir_all(foreign.join("below"))?;
            fs::write(foreign.join("file"), "somebody's")?;
            let expression = format!("^{}", c.tag);
            c.call(&["kill", "--regex", &expression, "KILL"])?.success()?;
            c.call(&["delete", "--force", "--regex", &expression])?.success()?;
            check_eq!(fs::read_to_string(foreign.join("file"))?, "somebody's", "the file");
            check!(foreign.join("below").exists(), "a folder in it is gone");
            Ok(fs::remove_dir_all(foreign)?)
        },
    );
    t.add(
        "regex-beside-create",
        "engines: containers are made while others are deleted by an expression",
        |c| {
            c.args(&["pause"]);
            let expression = format!("^{}", c.tag);
            let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
            c.write_config()?;
            for _ in 0..60 {
                let mut making = c.command(&["create", "--bundle", &bundle, &id])?.spawn()?;
                while making.child.try_wait()?.is_none() {
                    c.call(&["delete", "--force", "--regex", &expression])?
                        .success()?;
                }
                making.wait()?.success()?;
                c.call(&["delete", "--force", &id])?.success()?;
            }
            Ok(())
        },
    );
    t.add(
        "regex-one-failure",
        "engines: where one of several containers fails, it is named",
        |c| {
            c.args(&["pause"]);
            let [first, second] = ["a1", "a2"].map(|name| create_beside(c, name));
            let (first, second) = (first?, second?);
            c.call(&["start", &first])?.success()?;
            let expression = format!("^{}", c.tag);
            c.call(&["delete", "--regex", &expression])?
                .failure()?
                .says(&[&first])?;
            c.call(&["state", &second])?.failure()?;
            c.call(&["delete", "--force", &first])?
                .success()
                .map(|_| ())
        },
    )
    .justified("crun ends with 0, runc has no such option");
    t.add(
        "regex-huge",
        "an expression that would fill the memory is an error",
        |c| {
            c.args(&["pause"]);
            let id = create_beside(c, "a1")?;
            let groups = "()".repeat(50_000);
            c.call(&["kill", "--regex", &groups, "0"])?
                .failure()?
                .says(&["regular expression"])?;
            c.call(&["delete", "--force", &id])?.success().map(|_| ())
        },
    )
    .justified("crun has another kind of expressions, runc none");
}
