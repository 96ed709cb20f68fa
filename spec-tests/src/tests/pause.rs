//! `pause` and `resume`.

use crate::check::Verdict;
use crate::context::{Context, poll_for};
use crate::host::{self, Need};
use crate::table::Table;
use crate::{check, check_eq};
use std::fs;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("pause");
    pause(t);
}

fn freezer_is(c: &Context, pid: i32, frozen: bool) -> Verdict<bool> {
    let text = if host::is_v2() {
        c.cgroup_file(pid, "", "cgroup.events")?
    } else {
        c.cgroup_file(pid, "freezer", "freezer.state")?
    };
    Ok(text.contains(if host::is_v2() { "frozen 1" } else { "FROZEN" }) == frozen)
}

fn pause(t: &mut Table) {
    let needs = [Need::Root];
    t.add(
        "pause-resume",
        "engines: pause freezes the container, resume thaws it",
        |c| {
            let pid = c.launch(&["await-signal"])?;
            c.await_line()?;
            let id = c.id();
            c.call(&["pause", &id])?.success()?;
            check_eq!(c.status()?, "paused", "status");
            check!(freezer_is(c, pid, true)?, "the cgroup is not frozen");
            c.call(&["resume", &id])?.success()?;
            check_eq!(c.status()?, "running", "status");
            check!(freezer_is(c, pid, false)?, "the cgroup is frozen");
            c.destroy()
        },
    )
    .needs(&needs);
    t.add(
        "pause-twice",
        "engines: resume of a running container and pause of a stopped one are errors",
        |c| {
            let pid = c.launch(&["await-signal"])?;
            c.await_line()?;
            let id = c.id();
            c.call(&["resume", &id])?.failure()?;
            c.kill("TERM")?;
            c.await_exit(pid)?;
            c.call(&["pause", &id])?.failure()?;
            c.delete()
        },
    )
    .needs(&needs);
    t.add(
        "kill-paused",
        "engines: SIGKILL ends a paused container",
        |c| {
            let pid = c.launch(&["pause"])?;
            let id = c.id();
            c.call(&["pause", &id])?.success()?;
            c.kill("KILL")?;
            poll_for("the end of the paused process", || {
                let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                (stat.is_empty() || stat.contains(") Z ")).then_some(())
            })?;
            c.delete()
        },
    )
    .needs(&needs)
    .newer("runc 1.1");
    t.add(
        "delete-force-paused",
        "engines: delete --force ends a paused container",
        |c| {
            c.launch(&["pause"])?;
            let id = c.id();
            c.call(&["pause", &id])?.success()?;
            c.call(&["delete", "--force", &id])?.success().map(|_| ())
        },
    )
    .needs(&needs);
    t.add(
        "exec-paused",
        "engines: exec into a paused container is refused at once",
        |c| {
            c.launch(&["pause"])?;
            let id = c.id();
            c.call(&["pause", &id])?.success()?;
            let output = c.try_exec(&[], &["exit", "0"]);
            c.call(&["resume", &id])?.success()?;
            output?.failure()?.says(&["paused"])?;
            c.destroy()
        },
    )
    .needs(&needs);
    t.add(
        "pause-created",
        "engines: pause of a created container succeeds or is refused, and does not hang",
        |c| {
            c.args(&["pause"]);
            c.create()?;
            let id = c.id();
            if c.call(&["pause", &id])?.code == Some(0) {
                c.call(&["resume", &id])?.success()?;
            }
            check_eq!(c.status()?, "created", "status");
            c.destroy()
        },
    )
    .needs(&needs);
}
