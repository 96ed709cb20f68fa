//! Faults: the runtime killed half-way, resources that run out, calls that cross each other.

use crate::check::Verdict;
use crate::context::{Context, poll_for};
use crate::host::Need;
use crate::patience;
use crate::table::Table;
use crate::{check, check_eq};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, setrlimit};
use serde_json::json;
use std::fs;
use std::time::{Duration, Instant};

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("reliability");
    killed(t);
    exhausted(t);
    crossing(t);
    damaged(t);
}

/// Waits a little, busily: the moments wanted here are shorter than the scheduler's.
fn spin(time: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < time {
        std::hint::spin_loop();
    }
}

fn killed(t: &mut Table) {
    t.add(
        "kill-create",
        "a create killed at any moment can be cleaned up with delete --force",
        |c| {
            for step in 0..24 {
                c.args(&["pause"]);
                c.write_config()?;
                let id = format!("{}-{step}", c.tag);
                if c.config["linux"]["cgroupsPath"].is_string() && !c.systemd {
                    c.config["linux"]["cgroupsPath"] = json!(format!("/{id}"));
                }
                c.write_config()?;
                let bundle = c.bundle().to_string_lossy().into_owned();
                let mut running = c.command(&["create", "--bundle", &bundle, &id])?.spawn()?;
                spin(Duration::from_micros(1500 * step));
                if let Some(pid) = Pid::from_raw(running.pid()) {
                    let _ = kill_process_group(pid, Signal::KILL);
                }
                let _ = running.child.wait();
                c.call(&["delete", "--force", &id])?.success()?;
                c.call(&["state", &id])?.failure()?;
            }
            Ok(())
        },
    )
    .seconds(90)
    .justified("neither runtime writes down what it is about to make before it makes it");
    t.add(
        "kill-foreground-run",
        "a foreground run that is killed leaves a container that delete --force removes",
        |c| {
            let running = c.spawn_run(&["echo", "{}", ";", "pause"], false)?;
            c.await_line()?;
            let mut running = running;
            if let Some(pid) = Pid::from_raw(running.pid()) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
            let _ = running.child.wait();
            let id = c.id();
            c.call(&["delete", "--force", &id])?.success().map(|_| ())
        },
    );
    t.add(
        "init-killed-between",
        "an init that dies between create and start makes start fail, not hang",
        |c| {
            c.args(&["pause"]);
            c.create()?;
            if let Some(pid) = Pid::from_raw(c.pid()?) {
                rustix::process::kill_process(pid, Signal::KILL)?;
            }
            let id = c.id();
            c.call(&["start", &id])?.failure()?;
            c.await_status("stopped")?;
            c.delete()
        },
    );
}

fn exhausted(t: &mut Table) {
    t.add(
        "state-full",
        "a full state filesystem is an error that leaves nothing",
        |c| {
            let state = c.state_dir();
            rustix::mount::mount(
                "tmpfs",
                &state,
                "tmpfs",
                rustix::mount::MountFlags::empty(),
                Some(c"size=4k,mode=700"),
            )?;
            fs::write(state.join("filler"), [0u8; 4096])?;
            c.args(&["exit", "0"]);
            let output = c.try_run_with(&[]);
            let left = fs::read_dir(&state)?.flatten().count();
            rustix::mount::unmount(&state, rustix::mount::UnmountFlags::DETACH)?;
            output?.failure()?;
            check_eq!(left, 1, "entries of the state folder");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "state-read-only",
        "a read-only state filesystem is an error that leaves nothing",
        |c| {
            let state = c.state_dir();
            rustix::mount::mount(
                "tmpfs",
                &state,
                "tmpfs",
                rustix::mount::MountFlags::RDONLY,
                None,
            )?;
            c.args(&["exit", "0"]);
            let output = c.try_run_with(&[]);
            rustix::mount::unmount(&state, rustix::mount::UnmountFlags::DETACH)?;
            output?
                .failure()?
                .says(&["read-only file system"])
                .map(|_| ())
        },
    )
    .needs(&[Need::Root]);
    for limit in [1, 2, 3, 5, 8] {
        t.add(
            format!("pids-limit-{limit}"),
            "a small pids limit works or is a clear error, never a hang",
            move |c| {
                c.config["linux"]["resources"] = json!({"pids": {"limit": limit}});
                let output = c.try_run(&["exit", "0"])?;
                check!(output.code.is_some(), "{}", output.describe("crashed"));
                Ok(())
            },
        )
        .needs(&[Need::Root, Need::Controller("pids")]);
    }
    t.add(
        "few-descriptors",
        "sixteen descriptors work or are a clear error, never a hang",
        |c| {
            c.args(&["exit", "0"]);
            c.write_config()?;
            let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
            let invocation = c.command(&["run", "--bundle", &bundle, &id])?;
            let running = invocation.spawn()?;
            // The limit of the running process: that of the suite stays.
            let _ = rustix::process::prlimit(
                Pid::from_raw(running.pid()),
                Resource::Nofile,
                Rlimit {
                    current: Some(16),
                    maximum: Some(1024),
                },
            );
            let output = running.wait()?;
            check!(output.code.is_some(), "{}", output.describe("crashed"));
            Ok(())
        },
    );
    t.add(
        "many-descriptors",
        "a limit of a million descriptors costs no time",
        |c| {
            let limit = rustix::process::getrlimit(Resource::Nofile);
            let most = limit.maximum.unwrap_or(1 << 20).min(1 << 20);
            setrlimit(
                Resource::Nofile,
                Rlimit {
                    current: Some(most),
                    maximum: limit.maximum,
                },
            )?;
            let begin = Instant::now();
            c.run(&["exit", "0"])?;
            check!(
                begin.elapsed() < patience::seconds(3),
                "run took {:?}",
                begin.elapsed()
            );
            Ok(())
        },
    );
    t.add(
        "closed-streams",
        "a closed standard output is no hang and no crash",
        |c| {
            c.launch(&["pause"])?;
            let id = c.id();
            let runtime = c.runtime.path.to_string_lossy().into_owned();
            let state = c.state_dir().to_string_lossy().into_owned();
            c.program(
                "/bin/sh",
                &[
                    "-c",
                    "exec \"$0\" --root \"$1\" state \"$2\" >&- 2>&- <&-",
                    &runtime,
                    &state,
                    &id,
                ],
            )?;
            check_eq!(c.status()?, "running", "status");
            c.destroy()
        },
    );
}

fn crossing(t: &mut Table) {
    t.add(
        "same-id-at-once",
        "of five creates of one id at once exactly one wins",
        |c| {
            c.args(&["pause"]);
            c.write_config()?;
            let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
            let mut running = Vec::new();
            for _ in 0..5 {
                running.push(c.command(&["create", "--bundle", &bundle, &id])?.spawn()?);
            }
            let mut won = 0;
            for one in running {
                if one.wait()?.code == Some(0) {
                    won += 1;
                }
            }
            check_eq!(won, 1, "creates that succeeded");
            check_eq!(c.status()?, "created", "status");
            c.destroy()
        },
    );
    t.add(
        "start-twice-at-once",
        "of two starts at once exactly one wins",
        |c| {
            c.args(&["pause"]);
            c.create()?;
            let id = c.id();
            let (one, two) = (
                c.command(&["start", &id])?.spawn()?,
                c.command(&["start", &id])?.spawn()?,
            );
            let codes = [one.wait()?.code, two.wait()?.code];
            check_eq!(
                codes.iter().filter(|code| **code == Some(0)).count(),
                1,
                "starts that succeeded"
            );
            check_eq!(c.status()?, "running", "status");
            c.destroy()
        },
    );
    t.add(
        "exec-and-delete",
        "exec and delete --force at once: both end, nothing is left",
        |c| {
            for _ in 0..5 {
                c.launch(&["pause"])?;
                let id = c.id();
                let exec = c.command(&["exec", &id, "/payload", "pause"])?.spawn()?;
                let delete = c.command(&["delete", "--force", &id])?.spawn()?;
                delete.wait()?.success()?;
                exec.wait()?;
            }
            Ok(())
        },
    );
    t.add(
        "delete-twice-at-once",
        "two deletes --force at once: both end, nothing is left",
        |c| {
            c.launch(&["pause"])?;
            let id = c.id();
            let (one, two) = (
                c.command(&["delete", "--force", &id])?.spawn()?,
                c.command(&["delete", "--force", &id])?.spawn()?,
            );
            let codes = [one.wait()?.code, two.wait()?.code];
            check!(codes.contains(&Some(0)), "codes are {codes:?}");
            Ok(())
        },
    );
    t.add(
        "many-containers",
        "thirty containers side by side, listed and deleted",
        |c| {
            let bundle = c.bundle().to_string_lossy().into_owned();
            let ids: Vec<String> = (0..30).map(|i| format!("{}-{i}", c.tag)).collect();
            for id in &ids {
                c.set_cgroup(id);
                c.args(&["pause"]);
                c.write_config()?;
                c.call(&["run", "--detach", "--bundle", &bundle, id])?
                    .success()?;
            }
            let output = c.call(&["list", "--quiet"])?.success()?;
            check_eq!(output.stdout.lines().count(), 30, "listed");
            for id in &ids {
                c.call(&["delete", "--force", id])?.success()?;
            }
            Ok(())
        },
    )
    .seconds(60);
    t.add(
        "fork-bomb",
        "delete --force ends a container that forks without end",
        |c| {
            c.config["linux"]["resources"] = json!({"pids": {"limit": 60}});
            c.launch(&[
                "background",
                "fork-many",
                "50",
                ";",
                "fork-many",
                "50",
                ";",
                "echo",
                "{}",
                ";",
                "pause",
            ])?;
            let id = c.id();
            c.call(&["delete", "--force", &id])?.success().map(|_| ())
        },
    )
    .needs(&[Need::Root, Need::Controller("pids")]);
}

/// Every regular file of the container's state entry.
fn state_files(c: &Context) -> Verdict<Vec<std::path::PathBuf>> {
    let dir = c.state_dir().join(c.id());
    Ok(fs::read_dir(dir)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect())
}

fn damaged(t: &mut Table) {
    for (name, text) in [
        ("empty", ""),
        ("garbage", "{\"x\": [1,"),
        ("binary", "\u{0}\u{1}\u{2}"),
    ] {
        t.add(
            format!("damaged-state-{name}"),
            "a damaged state entry is an error, not a crash, and does not break list",
            move |c| {
                let pid = c.launch(&["pause"])?;
                for file in state_files(c)? {
                    fs::write(file, text)?;
                }
                let id = c.id();
                let output = c.call(&["state", &id])?;
                check!(
                    output.signal.is_none() && output.code != Some(2),
                    "{}",
                    output.describe("crashed")
                );
                let output = c.call(&["list"])?;
                check!(
                    output.signal.is_none() && output.code != Some(2),
                    "{}",
                    output.describe("crashed")
                );
                if let Some(pid) = Pid::from_raw(pid) {
                    rustix::process::kill_process(pid, Signal::KILL)?;
                }
                c.await_exit(pid)?;
                let _ = c.call(&["delete", "--force", &id])?;
                let _ = fs::remove_dir_all(c.state_dir().join(&id));
                crate::leaks::remove_cgroups(&c.tag);
                Ok(())
            },
        );
    }
    t.add(
        "damaged-state-listed",
        "engines: list shows the others, and says which container it knows nothing of",
        |c| {
            c.launch(&["pause"])?;
            let files = state_files(c)?;
            let kept: Vec<Vec<u8>> = files.iter().map(fs::read).collect::<Result<_, _>>()?;
            for file in &files {
                fs::write(file, "{\"x\": [1,")?;
            }
            let output = c.call(&["list"])?;
            for (file, content) in files.iter().zip(kept) {
                fs::write(file, content)?;
            }
            let output = output.success()?;
            check!(
                output.stderr.contains(&c.id()) || output.stdout.contains(&c.id()),
                "{}",
                output.describe("is silent about it")
            );
            c.destroy()
        },
    );
    t.add(
        "pid-reused",
        "a container whose process is long gone is stopped, and kill does not hit a stranger",
        |c| {
            let pid = c.launch(&["exit", "0"])?;
            c.await_exit(pid)?;
            poll_for("the process to vanish", || {
                (!std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(())
            })?;
            check_eq!(c.status()?, "stopped", "status");
            let id = c.id();
            c.call(&["kill", &id, "KILL"])?.failure()?;
            c.delete()
        },
    );
    t.add(
        "foreign-folder-in-root",
        "a folder in --root that is no container is not deleted by readers",
        |c| {
            let stray = c.state_dir().join("stray");
            fs::create_dir(&stray)?;
            fs::write(stray.join("file"), "x")?;
            c.call(&["list"])?;
            c.call(&["state", "stray"])?.failure()?;
            check!(stray.join("file").exists(), "the stray file is gone");
            Ok(())
        },
    );
}
