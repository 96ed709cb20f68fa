//! Holes around devices, descriptors, ids and cgroups.

use super::security::OLD;
use crate::check::Verdict;
use crate::config::add_mount;
use crate::context::{json_line, json_lines};
use crate::host::Need;
use crate::inside::Inside;
use crate::sentinel::Sentinel;
use crate::table::Table;
use crate::terminal::ConsoleSocket;
use crate::{check, check_eq};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("security");
    devices(t);
    descriptors(t);
    identity(t);
    cgroups(t);
}

fn devices(t: &mut Table) {
    t.add(
        "cve-2015-3627",
        "CVE-2015-3627: /dev/null and others of the \
             image that are links to the host are not written",
        |c| {
            let sentinel = Sentinel::new(c)?;
            c.without_dev_mount();
            for name in [
                "null", "zero", "full", "tty", "random", "urandom", "console", "ptmx", "fd",
                "stdin", "stdout", "stderr",
            ] {
                symlink(
                    format!("{}/file", sentinel.path()),
                    c.rootfs().join("dev").join(name),
                )?;
            }
            c.run_somehow()?;
            sentinel.unchanged()
        },
    )
    .needs(&[Need::Root]);
    for kind in ["link", "file", "device"] {
        t.add(
            format!("cve-2025-31133-{kind}"),
            "CVE-2025-31133, CVE-2025-62161: a masked file is masked \
             by the real /dev/null or the container is refused",
            move |c| {
                c.without_dev_mount();
                let fake = c.rootfs().join("dev/null");
                match kind {
                    "link" => symlink("/data/attack", &fake)?,
                    "file" => fs::write(&fake, "attack")?,
                    _ => rustix::fs::mknodat(
                        rustix::fs::CWD,
                        &fake,
                        rustix::fs::FileType::CharacterDevice,
                        rustix::fs::Mode::from_raw_mode(0o666),
                        rustix::fs::makedev(1, 1),
                    )?,
                }
                fs::write(c.rootfs().join("data/attack"), "attack")?;
                fs::write(c.rootfs().join("data/secret"), "secret")?;
                c.config["linux"]["maskedPaths"] = json!(["/data/secret"]);
                c.args(&["stat", "/data/secret"]);
                let output = c.run_somehow()?;
                if output.code == Some(0) {
                    let seen = json_line(&output)?["value"].clone();
                    check_eq!(
                        (
                            seen["type"].as_str(),
                            seen["major"].as_i64(),
                            seen["minor"].as_i64()
                        ),
                        (Some("char"), Some(1), Some(3)),
                        "what masks"
                    );
                }
                Ok(())
            },
        )
        .needs(&[Need::Root])
        .justified(OLD);
    }
    for kind in ["link-to-sysctl", "link-to-host"] {
        t.add(
            format!("cve-2025-52565-{kind}"),
            "CVE-2025-52565: /dev/console of the image cannot place the terminal elsewhere",
            move |c| {
                let sentinel = Sentinel::new(c)?;
                c.without_dev_mount();
                add_mount(
                    &mut c.config,
                    "/dev/pts",
                    "devpts",
                    "devpts",
                    &[
                        "nosuid",
                        "noexec",
                        "newinstance",
                        "ptmxmode=0666",
                        "mode=0620",
                        "gid=5",
                    ],
                );
                let target = if kind == "link-to-sysctl" {
                    "/proc/sys/kernel/core_pattern".to_string()
                } else {
                    format!("{}/file", sentinel.path())
                };
                symlink(target, c.rootfs().join("dev/console"))?;
                c.config["process"]["terminal"] = json!(true);
                c.args(&[
                    "inspect",
                    ";",
                    "open-write",
                    "/proc/sys/kernel/core_pattern",
                ]);
                let socket = ConsoleSocket::bind(&c.dir)?;
                let path = socket.path.to_string_lossy().into_owned();
                if c.try_create_with(&["--console-socket", &path])?.code == Some(0) {
                    let (mut terminal, _) = socket.receive()?;
                    c.start()?;
                    let inside = Inside(terminal.await_json("files")?);
                    check!(
                        inside.mount("/proc/sys/kernel/core_pattern").is_none(),
                        "core_pattern is mounted over"
                    );
                    let places = ["/dev/console".to_string(), sentinel.path() + "/file"];
                    check!(
                        places.iter().any(|place| inside.mount(place).is_some()),
                        "the terminal is mounted nowhere in the container"
                    );
                    let line = terminal.await_json("errno")?;
                    check_eq!(line["errno"], 30, "errno of opening core_pattern");
                    c.await_status("stopped")?;
                    c.delete()?;
                }
                sentinel.unchanged()
            },
        )
        .needs(&[Need::Root])
        .justified(OLD);
    }
}

fn descriptors(t: &mut Table) {
    for suffix in ["", "/..", "/../../../../../.."] {
        let label = suffix.matches("..").count();
        t.add(
            format!("cve-2024-21626-cwd-{label}"),
            "CVE-2024-21626: no descriptor of the runtime can be the working folder",
            move |c| {
                for fd in 3..=if c.full { 64 } else { 20 } {
                    c.config["process"]["cwd"] = json!(format!("/proc/self/fd/{fd}{suffix}"));
                    c.args(&["inspect"]);
                    let output = c.run_somehow()?;
                    if output.code == Some(0) {
                        let seen = json_line(&output)?["getcwd"].clone();
                        check!(
                            seen.as_str()
                                .is_some_and(|cwd| cwd == "/" || cwd.starts_with("/proc/")),
                            "with descriptor {fd} the cwd is {seen}"
                        );
                    }
                }
                Ok(())
            },
        )
        .seconds(90);
    }
    t.add(
        "cve-2024-21626-args",
        "CVE-2024-21626: no descriptor of the runtime leads to a program of the host",
        |c| {
            for fd in 3..=if c.full { 64 } else { 20 } {
                c.config["process"]["args"] =
                    json!([format!("/proc/self/fd/{fd}/../../../../../../bin/true")]);
                let output = c.try_run_with(&[])?;
                check!(
                    output.code.is_some_and(|code| code != 0),
                    "{}",
                    output.describe("ran a program of the host")
                );
            }
            Ok(())
        },
    )
    .seconds(90);
    t.add(
        "cve-2024-21626-exec",
        "CVE-2024-21626: nor for exec --cwd",
        |c| {
            c.launch(&["pause"])?;
            for fd in 3..=if c.full { 64 } else { 20 } {
                let output =
                    c.try_exec(&["--cwd", &format!("/proc/self/fd/{fd}/..")], &["inspect"])?;
                if output.code == Some(0) {
                    let seen = json_line(&output)?["getcwd"].clone();
                    check!(
                        seen.as_str()
                            .is_some_and(|cwd| cwd == "/" || cwd.starts_with("/proc/")),
                        "with descriptor {fd} the cwd is {seen}"
                    );
                }
            }
            c.destroy()
        },
    )
    .seconds(90);
    t.add(
        "cve-2020-15257",
        "CVE-2020-15257: the runtime makes no abstract sockets, \
             which a container of the host's network reaches",
        |c| {
            let abstract_sockets = || -> Verdict<Vec<String>> {
                let text = fs::read_to_string("/proc/net/unix")?;
                Ok(text
                    .lines()
                    .filter_map(|l| l.split_whitespace().nth(7))
                    .filter(|p| p.starts_with('@'))
                    .map(str::to_string)
                    .collect())
            };
            let before = abstract_sockets()?;
            crate::config::remove_namespace(&mut c.config, "network");
            c.args(&["pause"]);
            c.create()?;
            let after = abstract_sockets()?;
            let new: Vec<_> = after.iter().filter(|path| !before.contains(path)).collect();
            check!(new.is_empty(), "new abstract sockets: {new:?}");
            c.destroy()
        },
    )
    .needs(&[Need::Root]);
}

fn identity(t: &mut Table) {
    for user in ["1", "1:2", "0", "65534:65533"] {
        t.add(
            format!("cve-2026-30892-good-{}", user.replace(':', "-")),
            "CVE-2026-30892: exec --user is exactly the given ids",
            move |c| {
                c.launch(&["pause"])?;
                let seen = c.exec_inspect(&["--user", user])?;
                let mut parts = user.split(':').filter_map(|part| part.parse::<u32>().ok());
                check_eq!(seen.ids("Uid"), [parts.next().unwrap_or(0); 4], "uids");
                check_eq!(seen.ids("Gid"), [parts.next().unwrap_or(0); 4], "gids");
                c.destroy()
            },
        )
        .needs(&[Need::Root]);
    }
    for user in [
        "",
        "-1",
        "1:",
        ":1",
        "4294967295",
        "4294967296",
        "1e3",
        "root",
        "1:x",
        "0x1",
        " 1",
        "1:2:3",
    ] {
        let test = t.add(
            format!("cve-2026-30892-bad-{user:?}"),
            "CVE-2026-30892: exec --user that is no id is an error, never another user",
            move |c| {
                c.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
                c.launch(&["pause"])?;
                let flag = format!("--user={user}");
                let output = c.try_exec(&[&flag], &["inspect"])?;
                if user.is_empty() && output.code == Some(0) {
                    // An empty value may also count as no value.
                    check_eq!(Inside(json_line(&output)?).ids("Uid"), [1000; 4], "uids");
                } else {
                    check!(
                        output.code.is_some_and(|code| code != 0),
                        "{}",
                        output.describe("was accepted")
                    );
                }
                c.destroy()
            },
        );
        test.needs(&[Need::Root]);
        if user.starts_with("4294967") {
            test.justified(OLD);
        }
    }
    t.add(
        "cve-2016-3697-exec",
        "CVE-2016-3697: exec --user 1000 is 1000, whatever the image's /etc/passwd says",
        |c| {
            fs::write(
                c.rootfs().join("etc/passwd"),
                "1000:x:0:0:root:/root:/bin/sh\n",
            )?;
            c.launch(&["pause"])?;
            check_eq!(
                c.exec_inspect(&["--user", "1000"])?.ids("Uid"),
                [1000; 4],
                "uids"
            );
            c.destroy()
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "cve-2022-29162",
        "CVE-2022-24769, CVE-2022-29162, CVE-2025-27612: \
             inheritable sets are empty unless configured",
        |c| {
            c.launch(&["pause"])?;
            check_eq!(
                c.exec_inspect(&[])?.capabilities("CapInh"),
                0,
                "CapInh of exec"
            );
            c.destroy()?;
            check_eq!(c.inspect()?.capabilities("CapInh"), 0, "CapInh of init");
            Ok(())
        },
    );
    t.add(
        "cve-2023-25809",
        "CVE-2023-25809: a user namespace's root cannot \
             write to the host's cgroups through a cgroup mount",
        |c| {
            crate::config::use_user_namespace(&mut c.config, 200_000);
            add_mount(&mut c.config, "/sys/fs/cgroup", "cgroup", "cgroup", &["rw"]);
            let base = if crate::host::is_v2() {
                "/sys/fs/cgroup"
            } else {
                "/sys/fs/cgroup/pids"
            };
            c.args(&[
                "mkdir",
                &format!("{base}/x"),
                ";",
                "write",
                &format!("{base}/cgroup.procs"),
                "1",
            ]);
            let output = c.run_somehow()?;
            if output.code == Some(0) {
                for line in json_lines(&output)? {
                    check!(line["ok"] == false, "{line} succeeded");
                }
            }
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::UserNamespace]);
}

fn cgroups(t: &mut Table) {
    t.add(
        "cve-2023-25809-delegated",
        "CVE-2023-25809: without a cgroup namespace, root of a user namespace cannot write to cgroups that its user on the host has elsewhere",
        |c| {
            c.enter_view(crate::view::View::V2)?;
            let beside = std::path::PathBuf::from(format!("/sys/fs/cgroup/{}-beside", c.tag));
            fs::create_dir(&beside)?;
            for path in [beside.clone(), beside.join("cgroup.procs")] {
                std::os::unix::fs::chown(path, Some(200_000), Some(200_000))?;
            }
            crate::config::use_user_namespace(&mut c.config, 200_000);
            crate::config::remove_namespace(&mut c.config, "cgroup");
            add_mount(&mut c.config, "/sys/fs/cgroup", "cgroup", "cgroup", &["rw"]);
            c.args(&["mkdir", &format!("{}/x", beside.display())]);
            let output = c.run_somehow()?;
            let made = beside.join("x").exists();
            let _ = fs::remove_dir(beside.join("x"));
            fs::remove_dir(&beside)?;
            check!(!made, "{}", output.describe("made a cgroup of the host's"));
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::UserNamespace, Need::CgroupFs]);
}
