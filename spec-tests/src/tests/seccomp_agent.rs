//! A seccomp agent that answers: what the program may not do itself is done for it. config-linux.md#seccomp,
//! seccomp_unotify(2).

use super::seccomp::profile;
use super::sockets::{accept, receive};
use crate::check::{Verdict, fail};
use crate::context::Context;
use crate::host::Need;
use crate::runtime::{Invocation, Running};
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::{Value, json};
use std::os::unix::net::UnixListener;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("seccomp");
    t.add(
        "notify-answered",
        "config-linux.md#seccomp: an agent makes a folder and a mount for the program, which has no right to",
        |c| {
            let listener = ask(c)?;
            c.launch(&TRY)?;
            let (agent, state) = agent(c, &listener)?;
            check_eq!(state["state"]["status"], "creating", "status");
            let lines = c.await_output("three lines", |text| {
                let lines: Vec<Value> = text.lines().flat_map(serde_json::from_str).collect();
                (lines.len() == 3).then_some(lines)
            })?;
            done(&lines)?;
            agent.wait()?.success()?;
            check!(c.rootfs().join("granted").is_dir(), "no folder in the rootfs");
            c.await_status("stopped")?;
            c.delete()
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "notify-answered-exec",
        "config-linux.md#seccomp: for a process of exec, the agent gets a connection and a listener of its own",
        |c| {
            let listener = ask(c)?;
            let pid = c.launch(&["pause"])?;
            drop(receive(&accept(&listener)?)?);
            let id = c.id();
            let mut args = vec!["exec", &id, "/payload"];
            args.extend(TRY);
            let running = c.command(&args)?.spawn()?;
            let (agent, state) = agent(c, &listener)?;
            check_eq!(state["state"]["status"], "running", "status");
            check_eq!(state["state"]["pid"], pid, "pid of the container");
            check!(state["pid"] != state["state"]["pid"], "pid of the process: {state}");
            let output = running.wait()?.success()?;
            done(&crate::context::json_lines(&output)?)?;
            agent.wait()?.success()?;
            c.destroy()
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "notify-flag-listed",
        "features-linux.md#seccomp MUST: supportedFlags has what a profile for this kernel may name",
        |c| {
            let flag = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV";
            let listener = ask(c)?;
            c.config["linux"]["seccomp"]["flags"] = json!([flag]);
            c.args(&["pause"]);
            let works = c.try_create_with(&[])?.code == Some(0);
            if works {
                drop(receive(&accept(&listener)?)?);
                c.destroy()?;
            }
            let seccomp = &c.features()?["linux"]["seccomp"]["supportedFlags"];
            let listed = seccomp.as_array().is_some_and(|all| all.iter().any(|f| f == flag));
            check_eq!(listed, works, "{flag} among {seccomp}");
            Ok(())
        },
    )
    .needs(&[Need::Root])
    .newer("runtime-spec 1.1");
    t.add(
        "notify-without-no-new-privs",
        "config-linux.md#seccomp: a user without capabilities gets the filter with its listener too",
        |c| {
            let listener = ask(c)?;
            c.config["process"]["noNewPrivileges"] = json!(false);
            c.launch(&["pause"])?;
            drop(receive(&accept(&listener)?)?);
            c.destroy()
        },
    )
    .needs(&[Need::Root]);
}

/// What the program tries, as a user without capabilities.
const TRY: [&str; 13] = [
    "mkdir",
    "/granted",
    ";",
    "mount",
    "none",
    "/data",
    "tmpfs",
    "0",
    ";",
    "read",
    "/proc/self/mounts",
    ";",
    "echo-n",
];

/// Hands mkdir and mount to an agent.
fn ask(c: &mut Context) -> Verdict<UnixListener> {
    let path = c.dir.join("agent.sock");
    let listener = UnixListener::bind(&path)?;
    let mut seccomp =
        profile(json!([{"names": ["mkdir", "mkdirat", "mount"], "action": "SCMP_ACT_NOTIFY"}]));
    seccomp["listenerPath"] = json!(path);
    c.config["linux"]["seccomp"] = seccomp;
    c.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    Ok(listener)
}

/// Takes the listener, and leaves it to an agent that answers two calls.
fn agent(c: &mut Context, listener: &UnixListener) -> Verdict<(Running, Value)> {
    let (text, fds) = receive(&accept(listener)?)?;
    let Some(fd) = fds.into_iter().next() else {
        return fail(format!("no descriptor came with {text}"));
    };
    let files = ["agent.out", "agent.err"].map(|name| c.dir.join("io").join(name));
    let [out, err] = files;
    let agent = Invocation::new(&c.payload, out, err)?.args(["agent", "2"]);
    Ok((agent.stdin(fd).spawn()?, serde_json::from_str(&text)?))
}

/// Both calls succeeded, and the mount is where the program is.
fn done(lines: &[Value]) -> Verdict {
    check_eq!(lines[0]["ok"], true, "mkdir");
    check_eq!(lines[1]["ok"], true, "mount");
    let mounts = lines[2]["value"].as_str().unwrap_or_default();
    check!(
        mounts.contains(" /data tmpfs "),
        "no mount at /data in {mounts:?}"
    );
    Ok(())
}
