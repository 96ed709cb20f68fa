//! `run`: the whole life of a container in one command, in the foreground and detached.

use crate::check::Verdict;
use crate::context::{Context, poll_for};
use crate::table::Table;
use crate::{check, check_eq};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::Write;
use std::process::Stdio;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("run");
    codes(t);
    streams(t);
    signals(t);
    detached(t);
}

impl Context {
    /// `run` in the foreground, started and not waited for; standard input is a pipe when asked for.
    pub fn spawn_run(&mut self, args: &[&str], pipe: bool) -> Verdict<crate::runtime::Running> {
        self.args(args);
        self.write_config()?;
        let (id, bundle) = (self.id(), self.bundle().to_string_lossy().into_owned());
        let mut invocation = self.command(&["run", "--bundle", &bundle, &id])?;
        if pipe {
            invocation = invocation.stdin(Stdio::piped());
        }
        let running = invocation.spawn()?;
        self.container_stdout = running.stdout.clone();
        Ok(running)
    }
}

fn codes(t: &mut Table) {
    for code in [0, 1, 7, 126, 127, 255] {
        t.add(
            format!("exit-{code}"),
            "engines: run exits with the program's exit code",
            move |c| {
                c.try_run(&["exit", &code.to_string()])?
                    .exits(code)
                    .map(|_| ())
            },
        );
    }
    for (signal, code) in [(9, 137), (6, 134), (15, 143)] {
        t.add(
            format!("signal-{signal}"),
            "engines: run exits with 128 plus the signal that ended the program",
            move |c| {
                // Process 1 of a pid namespace ignores what it has no handler for, so this one has none of its own.
                crate::config::remove_namespace(&mut c.config, "pid");
                let running = c.spawn_run(&["echo", "{}", ";", "pause"], false)?;
                c.await_line()?;
                let name = match signal {
                    6 => Signal::ABORT,
                    15 => Signal::TERM,
                    _ => Signal::KILL,
                };
                let pid = c.state()?["pid"].as_i64().unwrap_or_default();
                let Some(pid) = Pid::from_raw(pid as i32) else {
                    return crate::check::fail("no pid");
                };
                kill_process(pid, name)?;
                running.wait()?.exits(code).map(|_| ())
            },
        )
        .needs(&[crate::host::Need::Root]);
    }
    t.add(
        "removes-container",
        "engines: after a foreground run the container is gone",
        |c| {
            c.run(&["exit", "0"])?;
            let id = c.id();
            c.call(&["state", &id])?.failure().map(|_| ())
        },
    );
    t.add(
        "keep",
        "engines: run --keep leaves the stopped container, cgroup included",
        |c| {
            c.args(&["exit", "3"]);
            c.try_run_with(&["--keep"])?.exits(3)?;
            check_eq!(c.status()?, "stopped", "status");
            c.delete()
        },
    )
    .newer("runc 1.0");
    t.add(
        "short-lived",
        "engines: run never hangs, however short the program lives",
        |c| {
            for _ in 0..25 {
                c.run(&["exit", "0"])?;
            }
            Ok(())
        },
    )
    .seconds(60);
    t.add(
        "id-in-use",
        "engines: run with an id in use is an error and harms nobody",
        |c| {
            c.launch(&["pause"])?;
            c.try_run_with(&[])?.failure()?;
            check_eq!(c.status()?, "running", "status");
            c.destroy()
        },
    );
    t.add(
        "failure-leaves-nothing",
        "engines: a run that fails leaves no container",
        |c| {
            c.config["process"]["args"] = serde_json::json!(["/no/such/program"]);
            c.try_run_with(&[])?.failure()?;
            let id = c.id();
            c.call(&["state", &id])?.failure().map(|_| ())
        },
    );
    t.add(
        "kill-from-outside",
        "engines: kill ends a foreground run",
        |c| {
            let running = c.spawn_run(&["echo", "{}", ";", "pause"], false)?;
            c.await_line()?;
            c.kill("KILL")?;
            running.wait()?.exits(137).map(|_| ())
        },
    );
    t.add(
        "background-children",
        "engines: run ends with its program, not with what it started",
        |c| {
            c.try_run(&["background", "pause", ";", "exit", "4"])?
                .exits(4)
                .map(|_| ())
        },
    );
}

fn streams(t: &mut Table) {
    t.add(
        "stdin",
        "engines: standard input reaches the program, and so does its end",
        |c| {
            let mut running = c.spawn_run(&["cat"], true)?;
            if let Some(mut stdin) = running.child.stdin.take() {
                stdin.write_all(b"one\ntwo\n")?;
            }
            let output = running.wait()?.success()?;
            check_eq!(output.stdout, "one\ntwo\n", "output");
            Ok(())
        },
    );
    t.add(
        "stdin-conversation",
        "engines: input is passed on as it comes",
        |c| {
            let mut running = c.spawn_run(&["read-line", ";", "read-line"], true)?;
            let Some(mut stdin) = running.child.stdin.take() else {
                return crate::check::fail("no pipe");
            };
            stdin.write_all(b"first\n")?;
            check_eq!(c.await_line()?["line"], "first", "line");
            stdin.write_all(b"second\n")?;
            let output = running.wait()?.success()?;
            check!(
                output.stdout.contains("second"),
                "{}",
                output.describe("lost the second line")
            );
            Ok(())
        },
    );
    t.add("stdin-large", "engines: a megabyte passes through", |c| {
        let text = "0123456789abcdef".repeat(65536);
        fs::write(c.dir.join("input"), &text)?;
        c.args(&["cat"]);
        c.write_config()?;
        let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
        let input = fs::File::open(c.dir.join("input"))?;
        let output = c
            .command(&["run", "--bundle", &bundle, &id])?
            .stdin(input)
            .run()?
            .success()?;
        check_eq!(output.stdout.len(), text.len(), "bytes");
        check!(output.stdout == text, "the bytes differ");
        Ok(())
    });
    t.add(
        "stdout-stderr",
        "engines: standard output and error stay apart",
        |c| {
            let output = c.run(&["echo", "to-out", ";", "complain", "to-err"])?;
            check_eq!(
                (output.stdout.as_str(), output.stderr.as_str()),
                ("to-out\n", "to-err\n"),
                "output and error"
            );
            Ok(())
        },
    );
    t.add(
        "no-newline-added",
        "engines: output is passed on byte for byte",
        |c| {
            let output = c.run(&["echo-n", "tab\there\r\n \u{1}x"])?;
            check_eq!(output.stdout, "tab\there\r\n \u{1}x", "output");
            Ok(())
        },
    );
    t.add(
        "stdout-pipe-owned-by-user",
        "engines: a user that is not root can reopen its standard streams",
        |c| {
            c.config["process"]["user"] = serde_json::json!({"uid": 1000, "gid": 1000});
            c.args(&[
                "open-write",
                "/proc/self/fd/2",
                ";",
                "open-write",
                "/dev/null",
            ]);
            c.write_config()?;
            let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
            let mut invocation = c.command(&["run", "--bundle", &bundle, &id])?;
            invocation.command.stderr(Stdio::piped());
            let output = invocation.run()?.success()?;
            let lines = crate::context::json_lines(&output)?;
            check_eq!(lines[0]["errno"], 0, "errno of opening standard error");
            check_eq!(lines[1]["errno"], 0, "errno of opening /dev/null");
            Ok(())
        },
    )
    .needs(&[crate::host::Need::Root]);
    t.add(
        "dev-null-owner",
        "engines: /dev/null as standard stream is not given to the container's user",
        |c| {
            use std::os::unix::fs::MetadataExt;
            c.config["process"]["user"] = serde_json::json!({"uid": 1000, "gid": 1000});
            let before = fs::metadata("/dev/null")?.uid();
            c.inspect()?;
            check_eq!(
                fs::metadata("/dev/null")?.uid(),
                before,
                "owner of the host's /dev/null"
            );
            Ok(())
        },
    )
    .needs(&[crate::host::Need::Root]);
}

fn signals(t: &mut Table) {
    for (name, signal, number) in [
        ("hup", Signal::HUP, 1),
        ("int", Signal::INT, 2),
        ("quit", Signal::QUIT, 3),
        ("usr1", Signal::USR1, 10),
        ("usr2", Signal::USR2, 12),
        ("term", Signal::TERM, 15),
    ] {
        t.add(
            format!("forward-{name}"),
            "engines: a signal sent to a foreground run reaches the program",
            move |c| {
                let running = c.spawn_run(&["await-signal"], false)?;
                c.await_line()?;
                if let Some(pid) = Pid::from_raw(running.pid()) {
                    kill_process(pid, signal)?;
                }
                let output = running.wait()?.success()?;
                check!(
                    output.stdout.contains(&format!("{{\"signal\":{number}}}")),
                    "{}",
                    output.describe("got another signal")
                );
                Ok(())
            },
        );
    }
}

fn detached(t: &mut Table) {
    t.add(
        "detach",
        "engines: run --detach returns when the program runs",
        |c| {
            c.args(&["pause"]);
            c.try_run_with(&["--detach"])?.success()?;
            check_eq!(c.status()?, "running", "status");
            c.destroy()
        },
    );
    t.add(
        "detach-pid-file",
        "engines: run --detach --pid-file writes the program's pid",
        |c| {
            c.args(&["pause"]);
            let file = c.pid_file().to_string_lossy().into_owned();
            c.try_run_with(&["--detach", "--pid-file", &file])?
                .success()?;
            check_eq!(c.state()?["pid"].as_i64(), Some(i64::from(c.pid()?)), "pid");
            c.destroy()
        },
    );
    t.add(
        "detach-no-process-stays",
        "engines: no process of the runtime stays beside a detached container",
        |c| {
            let pid = c.launch(&["pause"])?;
            let me = std::process::id();
            let children = poll_for("the runtime's processes to end", || {
                let text = fs::read_to_string(format!("/proc/{me}/task/{me}/children")).ok()?;
                let alive: Vec<i32> = text
                    .split_whitespace()
                    .filter_map(|word| word.parse().ok())
                    .filter(|child| {
                        !fs::read_to_string(format!("/proc/{child}/stat"))
                            .unwrap_or_default()
                            .contains(") Z ")
                    })
                    .collect();
                (alive.len() == 1).then_some(alive)
            })?;
            check_eq!(children, [pid], "children");
            c.destroy()
        },
    );
    t.add(
        "parent-is-caller",
        "engines: the container's process is adopted by the caller, who reads its exit status",
        |c| {
            c.args(&["await-file", "/data/go", ";", "exit", "42"]);
            let file = c.pid_file().to_string_lossy().into_owned();
            c.try_run_with(&["--detach", "--pid-file", &file])?
                .success()?;
            fs::write(c.rootfs().join("data/go"), "")?;
            check_eq!(c.await_exit(c.pid()?)?, 42, "exit code");
            c.delete()
        },
    );
}
