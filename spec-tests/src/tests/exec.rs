//! `exec`: another process in a running container.

use crate::context::{Context, json_line, poll_for};
use crate::host::Need;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::json;
use std::fs;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("exec");
    basics(t);
    flags(t);
}

/// A container that stays until it is destroyed.
pub fn with_container(c: &mut Context) -> crate::check::Verdict {
    c.launch(&["pause"]).map(|_| ())
}

fn basics(t: &mut Table) {
    for code in [0, 1, 42, 126] {
        t.add(
            format!("exit-{code}"),
            "engines: exec exits with the process's exit code",
            move |c| {
                with_container(c)?;
                c.try_exec(&[], &["exit", &code.to_string()])?.exits(code)?;
                c.destroy()
            },
        );
    }
    t.add(
        "signal",
        "engines: exec exits with 128 plus the signal that ended the process",
        |c| {
            with_container(c)?;
            c.try_exec(&[], &["kill-self", "9"])?.exits(137)?;
            c.try_exec(&[], &["kill-self", "15"])?.exits(143)?;
            c.destroy()
        },
    );
    t.add(
        "output",
        "engines: exec passes standard output and error on",
        |c| {
            with_container(c)?;
            let output = c
                .try_exec(&[], &["echo", "to-out", ";", "complain", "to-err"])?
                .success()?;
            check_eq!(
                (output.stdout.as_str(), output.stderr.as_str()),
                ("to-out\n", "to-err\n"),
                "output and error"
            );
            c.destroy()
        },
    );
    t.add("input", "engines: exec passes standard input on", |c| {
        with_container(c)?;
        let (id, file) = (c.id(), c.dir.join("input"));
        fs::write(&file, "typed\n")?;
        let output = c
            .command(&["exec", &id, "/payload", "cat"])?
            .stdin(fs::File::open(&file)?)
            .run()?
            .success()?;
        check_eq!(output.stdout, "typed\n", "output");
        c.destroy()
    });
    t.add(
        "namespaces",
        "engines: exec joins every namespace of the container",
        |c| {
            crate::config::set_namespace(&mut c.config, "cgroup", None);
            let pid = c.launch(&["pause"])?;
            let seen = c.exec_inspect(&[])?;
            for file in ["pid", "net", "mnt", "ipc", "uts", "cgroup", "user"] {
                let link = fs::read_link(format!("/proc/{pid}/ns/{file}"))?
                    .to_string_lossy()
                    .into_owned();
                check_eq!(seen.namespace(file), link, "{file}");
            }
            c.destroy()
        },
    )
    .needs(&[Need::Root, Need::CgroupNamespace]);
    t.add(
        "user-namespace",
        "engines: exec joins a user namespace and becomes its root",
        |c| {
            crate::config::use_user_namespace(&mut c.config, 200_000);
            let pid = c.launch(&["pause"])?;
            let seen = c.exec_inspect(&[])?;
            let link = fs::read_link(format!("/proc/{pid}/ns/user"))?
                .to_string_lossy()
                .into_owned();
            check_eq!(seen.namespace("user"), link, "user namespace");
            check_eq!(seen.ids("Uid"), [0; 4], "uids");
            c.destroy()
        },
    )
    .needs(&[Need::Root, Need::UserNamespace]);
    t.add(
        "root",
        "engines: exec sees the container's root filesystem",
        |c| {
            with_container(c)?;
            let output = c.try_exec(&[], &["list", "/"])?.success()?;
            let names = json_line(&output)?["value"].clone();
            check_eq!(
                names,
                json!([
                    "bin", "data", "dev", "etc", "home", "payload", "proc", "root", "run", "sys",
                    "tmp"
                ]),
                "/"
            );
            c.destroy()
        },
    );
    t.add(
        "many",
        "engines: exec twenty times in a row and five at a time",
        |c| {
            with_container(c)?;
            for _ in 0..20 {
                c.try_exec(&[], &["exit", "0"])?.success()?;
            }
            let id = c.id();
            let mut running = Vec::new();
            for _ in 0..5 {
                running.push(
                    c.command(&["exec", &id, "/payload", "exit", "0"])?
                        .spawn()?,
                );
            }
            for one in running {
                one.wait()?.success()?;
            }
            c.destroy()
        },
    )
    .seconds(60);
    t.add(
        "descriptors",
        "engines: exec leaves no descriptor beyond the standard streams",
        |c| {
            with_container(c)?;
            let numbers: Vec<u32> = c.exec_inspect(&[])?.descriptors().into_keys().collect();
            check_eq!(numbers, [0, 1, 2], "descriptors");
            c.destroy()
        },
    );
    t.add(
        "after-init-ended",
        "engines: exec ends when the container is killed",
        |c| {
            with_container(c)?;
            let id = c.id();
            let running = c
                .command(&["exec", &id, "/payload", "echo", "{}", ";", "pause"])?
                .spawn()?;
            let stdout = running.stdout.clone();
            poll_for("the exec'd process", || {
                fs::read_to_string(&stdout)
                    .ok()?
                    .contains("{}")
                    .then_some(())
            })?;
            c.kill("KILL")?;
            running.wait()?.exits(137)?;
            c.await_status("stopped")?;
            c.delete()
        },
    );
    t.add(
        "signal-forward",
        "engines: a signal sent to a foreground exec reaches the process",
        |c| {
            with_container(c)?;
            let id = c.id();
            let running = c
                .command(&["exec", &id, "/payload", "await-signal"])?
                .spawn()?;
            let stdout = running.stdout.clone();
            poll_for("the exec'd process", || {
                fs::read_to_string(&stdout)
                    .ok()?
                    .contains("ready")
                    .then_some(())
            })?;
            if let Some(pid) = rustix::process::Pid::from_raw(running.pid()) {
                rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
            }
            let output = running.wait()?.success()?;
            check!(
                output.stdout.contains("{\"signal\":15}"),
                "{}",
                output.describe("got no signal")
            );
            c.destroy()
        },
    );
}

fn flags(t: &mut Table) {
    t.add("cwd", "engines: exec --cwd", |c| {
        with_container(c)?;
        check_eq!(
            c.exec_inspect(&["--cwd", "/home/user"])?.0["getcwd"],
            "/home/user",
            "cwd"
        );
        c.destroy()
    });
    t.add(
        "env",
        "engines: exec --env adds to the container's environment",
        |c| {
            c.config["process"]["env"] = json!(["PATH=/bin", "KEPT=yes"]);
            with_container(c)?;
            let seen = c.exec_inspect(&["--env", "ADDED=1", "--env", "MORE=2"])?;
            check_eq!(seen.variable("ADDED").as_deref(), Some("1"), "ADDED");
            check_eq!(seen.variable("MORE").as_deref(), Some("2"), "MORE");
            check_eq!(seen.variable("KEPT").as_deref(), Some("yes"), "KEPT");
            c.destroy()
        },
    );
    t.add("user", "engines: exec --user UID:GID", |c| {
        with_container(c)?;
        let seen = c.exec_inspect(&["--user", "1000:1001"])?;
        check_eq!(seen.ids("Uid"), [1000; 4], "uids");
        check_eq!(seen.ids("Gid"), [1001; 4], "gids");
        check_eq!(seen.variable("HOME").as_deref(), Some("/home/user"), "HOME");
        c.destroy()
    })
    .needs(&[Need::Root]);
    t.add("user-without-group", "engines: exec --user UID", |c| {
        with_container(c)?;
        check_eq!(
            c.exec_inspect(&["-u", "1000"])?.ids("Uid"),
            [1000; 4],
            "uids"
        );
        c.destroy()
    })
    .needs(&[Need::Root]);
    t.add("additional-gids", "engines: exec --additional-gids", |c| {
        with_container(c)?;
        check_eq!(
            c.exec_inspect(&["--additional-gids", "5", "--additional-gids", "77"])?
                .groups(),
            [5, 77],
            "groups"
        );
        c.destroy()
    })
    .needs(&[Need::Root]);
    t.add(
        "cap",
        "engines: exec --cap adds to bounding, effective and permitted, never to inheritable",
        |c| {
            with_container(c)?;
            let seen = c.exec_inspect(&["--cap", "CAP_SYS_ADMIN", "--cap", "CAP_CHOWN"])?;
            let wanted = (1 << 21) | 1;
            for set in ["CapBnd", "CapEff", "CapPrm"] {
                check_eq!(seen.capabilities(set) & wanted, wanted, "{set}");
            }
            check_eq!(seen.capabilities("CapInh"), 0, "CapInh");
            c.destroy()
        },
    )
    .needs(&[Need::Root]);
    t.add("no-new-privs", "engines: exec --no-new-privs", |c| {
        c.config["process"]["noNewPrivileges"] = json!(false);
        with_container(c)?;
        check_eq!(
            c.exec_inspect(&["--no-new-privs"])?.status("NoNewPrivs"),
            "1",
            "NoNewPrivs"
        );
        c.destroy()
    });
    t.add(
        "detach",
        "engines: exec --detach --pid-file returns when the process runs",
        |c| {
            with_container(c)?;
            let file = c.dir.join("exec.pid");
            let path = file.to_string_lossy().into_owned();
            c.try_exec(&["--detach", "--pid-file", &path], &["pause"])?
                .success()?;
            let pid: i32 = fs::read_to_string(&file)?.parse()?;
            poll_for("the exec'd program", || {
                (fs::read(format!("/proc/{pid}/cmdline")).ok()? == b"/payload\0pause\0")
                    .then_some(())
            })?;
            c.destroy()?;
            c.await_exit(pid)?;
            Ok(())
        },
    );
    t.add(
        "detach-exit-status",
        "engines: the caller adopts a detached exec and reads its exit status",
        |c| {
            with_container(c)?;
            let file = c.dir.join("exec.pid");
            let path = file.to_string_lossy().into_owned();
            c.try_exec(&["-d", "--pid-file", &path], &["exit", "9"])?
                .success()?;
            let pid: i32 = fs::read_to_string(&file)?.parse()?;
            check_eq!(c.await_exit(pid)?, 9, "exit code");
            c.destroy()
        },
    );
    t.add(
        "options-then-command",
        "engines: what follows the id is the command, dashes included",
        |c| {
            with_container(c)?;
            let output = c
                .try_exec(&[], &["echo", "--user", "-t", "--", "-x"])?
                .success()?;
            check_eq!(output.stdout, "--user -t -- -x\n", "output");
            c.destroy()
        },
    );
    t.add(
        "equals-form",
        "engines: options are accepted as --x=v",
        |c| {
            with_container(c)?;
            let seen = c.exec_inspect(&["--cwd=/tmp", "--env=A=b=c"])?;
            check_eq!(seen.0["getcwd"], "/tmp", "cwd");
            check_eq!(seen.variable("A").as_deref(), Some("b=c"), "A");
            c.destroy()
        },
    );
    t.add(
        "sub-cgroup",
        "engines: exec --cgroup places the process below the container's cgroup",
        |c| {
            let pid = c.launch(&["pause"])?;
            for dir in c.cgroup_dirs(pid)? {
                fs::create_dir(dir.join("sub"))?;
                // A version 1 cpuset starts empty and takes no process then.
                for file in ["cpuset.cpus", "cpuset.mems"] {
                    let sub = dir.join("sub").join(file);
                    if sub.exists() {
                        fs::write(sub, fs::read_to_string(dir.join(file))?)?;
                    }
                }
            }
            let seen = c.exec_inspect(&["--cgroup", "sub"])?;
            let path = seen
                .cgroup(if crate::host::is_v2() { "" } else { "pids" })
                .unwrap_or_default();
            check!(path.ends_with("/sub"), "the cgroup is {path:?}");
            c.destroy()
        },
    )
    .needs(&[Need::Root])
    .newer("runc 1.2");
    t.add(
        "sub-cgroup-escape",
        "engines: exec --cgroup cannot leave the container's cgroup",
        |c| {
            with_container(c)?;
            for path in ["../..", "/../..", "sub/../../.."] {
                c.try_exec(&["--cgroup", path], &["exit", "0"])?.failure()?;
            }
            c.destroy()
        },
    )
    .needs(&[Need::Root]);
}
