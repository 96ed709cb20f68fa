//! Descriptors that are handed to the container, and none that are not: --preserve-fds, LISTEN_FDS.

use crate::check::Verdict;
use crate::context::{Context, json_line};
use crate::inside::Inside;
use crate::runtime::Invocation;
use crate::table::Table;
use crate::{check, check_eq};
use std::fs;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("descriptors");
    leaks(t);
    preserve(t);
}

impl Context {
    /// The runtime started by `launch` with its options: files open as 3 and up, LISTEN_PID and so on.
    pub fn launched(&mut self, options: &[&str], args: &[&str]) -> Verdict<Invocation> {
        let (payload, state) = (
            self.payload.clone(),
            self.state_dir().to_string_lossy().into_owned(),
        );
        let mut all: Vec<String> = vec!["launch".to_string()];
        all.extend(options.iter().map(|o| o.to_string()));
        all.push(self.runtime.path.to_string_lossy().into_owned());
        all.extend(self.runtime.args.iter().cloned());
        all.extend(["--root".to_string(), state]);
        if self.systemd {
            all.push("--systemd-cgroup".to_string());
        }
        all.extend(args.iter().map(|a| a.to_string()));
        let name = format!("io/launched-{}", all.len());
        Ok(Invocation::new(
            &payload,
            self.dir.join(format!("{name}.out")),
            self.dir.join(format!("{name}.err")),
        )?
        .args(all))
    }

    fn file(&self, name: &str) -> Verdict<String> {
        let path = self.dir.join(name);
        fs::write(&path, name)?;
        Ok(path.to_string_lossy().into_owned())
    }

    /// A foreground `run` of the present config with `flags`, launched with `options`.
    fn launched_run(
        &mut self,
        options: &[&str],
        flags: &[&str],
    ) -> Verdict<crate::runtime::Output> {
        self.write_config()?;
        let (id, bundle) = (self.id(), self.bundle().to_string_lossy().into_owned());
        let mut args = vec!["run", "--bundle", &bundle];
        args.extend_from_slice(flags);
        args.push(&id);
        self.launched(options, &args)?.run()
    }
}

fn leaks(t: &mut Table) {
    t.add(
        "none",
        "engines: the program has the three standard streams and nothing else",
        |c| {
            let numbers: Vec<u32> = c.inspect()?.descriptors().into_keys().collect();
            check_eq!(numbers, [0, 1, 2], "descriptors");
            Ok(())
        },
    );
    t.add(
        "caller-not-passed",
        "engines: descriptors of the caller do not reach the program",
        |c| {
            let file = c.file("secret")?;
            c.args(&["inspect"]);
            let output = c
                .launched_run(&["--open", &file, "--open", "/etc"], &[])?
                .success()?;
            let seen = Inside(json_line(&output)?).descriptors();
            check_eq!(
                seen.keys().copied().collect::<Vec<u32>>(),
                [0, 1, 2],
                "descriptors"
            );
            Ok(())
        },
    );
    t.add(
        "caller-not-in-created",
        "engines: nor do they reach the process between create and start",
        |c| {
            let file = c.file("secret")?;
            c.args(&["pause"]);
            c.write_config()?;
            let (id, bundle, pid) = (
                c.id(),
                c.bundle().to_string_lossy().into_owned(),
                c.pid_file(),
            );
            let args = [
                "create",
                "--bundle",
                &bundle,
                "--pid-file",
                &pid.to_string_lossy(),
                &id,
            ];
            c.launched(&["--open", &file, "--open", "/etc"], &args)?
                .run()?
                .success()?;
            let mut links = Vec::new();
            for entry in fs::read_dir(format!("/proc/{}/fd", c.pid()?))?.flatten() {
                links.push(fs::read_link(entry.path())?.to_string_lossy().into_owned());
            }
            let io = c.dir.join("io").to_string_lossy().into_owned();
            let bad: Vec<_> = links
                .iter()
                .filter(|l| (l.as_str() == "/etc" || **l == file) && !l.starts_with(&io))
                .collect();
            check!(bad.is_empty(), "the created process holds {bad:?}");
            c.destroy()
        },
    );
    t.add(
        "no-host-folders-in-created",
        "CVE-2024-21626: a created process holds no folder of the host",
        |c| {
            c.args(&["pause"]);
            c.create()?;
            let pid = c.pid()?;
            for entry in fs::read_dir(format!("/proc/{pid}/fd"))?.flatten() {
                let Ok(meta) = fs::metadata(entry.path()) else {
                    continue;
                };
                let link = fs::read_link(entry.path())?;
                check!(
                    !meta.is_dir(),
                    "descriptor {:?} is the folder {}",
                    entry.file_name(),
                    link.display()
                );
            }
            c.destroy()
        },
    );
}

fn preserve(t: &mut Table) {
    t.add(
        "preserve-fds",
        "engines: --preserve-fds N passes 3 to N+2",
        |c| {
            let (one, two, three) = (c.file("one")?, c.file("two")?, c.file("three")?);
            c.args(&["inspect"]);
            let options = ["--open", &one, "--open", &two, "--open", &three];
            let output = c
                .launched_run(&options, &["--preserve-fds", "2"])?
                .success()?;
            let seen = Inside(json_line(&output)?).descriptors();
            check_eq!(
                seen.keys().copied().collect::<Vec<u32>>(),
                [0, 1, 2, 3, 4],
                "descriptors"
            );
            c.args(&["fd-read", "3", ";", "fd-read", "4"]);
            Ok(())
        },
    );
    t.add(
        "preserve-fds-usable",
        "engines: preserved descriptors are the caller's, in order",
        |c| {
            let (one, two) = (c.file("one")?, c.file("two")?);
            c.args(&["inspect"]);
            let output = c
                .launched_run(&["--open", &one, "--open", &two], &["--preserve-fds=2"])?
                .success()?;
            let seen = Inside(json_line(&output)?).descriptors();
            check!(
                seen.get(&3).is_some_and(|l| l.ends_with("one")),
                "3 is {:?}",
                seen.get(&3)
            );
            check!(
                seen.get(&4).is_some_and(|l| l.ends_with("two")),
                "4 is {:?}",
                seen.get(&4)
            );
            Ok(())
        },
    );
    t.add(
        "preserve-fds-missing",
        "engines: a preserved descriptor that is not open is an error",
        |c| {
            c.args(&["exit", "0"]);
            c.launched_run(&[], &["--preserve-fds", "2"])?
                .failure()
                .map(|_| ())
        },
    )
    .newer("runc 1.2");
    t.add(
        "preserve-fds-own-numbers",
        "CVE-2024-21626: a preserved number that the caller left free is not one of the runtime's own",
        |c| {
            c.launch(&["pause"])?;
            let id = c.id();
            // Where a folder of the host has the number, its root is five steps up, and this program is there.
            let host = c.payload.to_string_lossy().into_owned();
            for fd in 3..8 {
                let climb = format!("/proc/self/fd/{fd}{}{host}", "/..".repeat(32));
                for args in [
                    vec!["exec", "--preserve-fds", "5", &id, &climb, "exit", "0"],
                    vec!["exec", "--preserve-fds", "1", &id, &climb, "exit", "0"],
                ] {
                    c.launched(&[], &args)?.run()?.failure()?;
                }
            }
            c.destroy()?;
            c.args(&["exit", "0"]);
            c.launched_run(&[], &["--preserve-fds", "1"])?
                .failure()
                .map(|_| ())
        },
    )
    .newer("runc 1.2");
    t.add(
        "preserve-fds-no-way-out",
        "CVE-2024-21626: not even a folder of the host that the caller hands over becomes the working folder",
        |c| {
            c.args(&["inspect"]);
            for cwd in ["/proc/self/fd/3", "/proc/self/fd/3/.."] {
                c.config["process"]["cwd"] = serde_json::json!(cwd);
                c.launched_run(&["--open", "/etc"], &["--preserve-fds", "1"])?
                    .failure()?;
            }
            Ok(())
        },
    )
    .newer("runc 1.1.12");
    t.add(
        "preserve-fds-create",
        "engines: create --preserve-fds passes them to the program that start runs",
        |c| {
            let one = c.file("one")?;
            c.args(&["inspect"]);
            c.write_config()?;
            let (id, bundle, pid) = (
                c.id(),
                c.bundle().to_string_lossy().into_owned(),
                c.pid_file(),
            );
            let args = [
                "create",
                "--bundle",
                &bundle,
                "--pid-file",
                &pid.to_string_lossy(),
                "--preserve-fds",
                "1",
                &id,
            ];
            let running = c.launched(&["--open", &one], &args)?.spawn()?;
            c.container_stdout = running.stdout.clone();
            running.wait()?.success()?;
            c.start()?;
            let seen = Inside(c.await_line()?).descriptors();
            check_eq!(
                seen.keys().copied().collect::<Vec<u32>>(),
                [0, 1, 2, 3],
                "descriptors"
            );
            c.await_status("stopped")?;
            c.delete()
        },
    );
    t.add("preserve-fds-exec", "engines: exec --preserve-fds", |c| {
        c.launch(&["pause"])?;
        let (one, id) = (c.file("one")?, c.id());
        let args = ["exec", "--preserve-fds", "1", &id, "/payload", "inspect"];
        let output = c.launched(&["--open", &one], &args)?.run()?.success()?;
        let seen = Inside(json_line(&output)?).descriptors();
        check_eq!(
            seen.keys().copied().collect::<Vec<u32>>(),
            [0, 1, 2, 3],
            "descriptors"
        );
        c.destroy()
    });
    t.add(
        "listen-fds",
        "engines: LISTEN_FDS descriptors are passed, LISTEN_PID is 1 inside",
        |c| {
            let (one, two) = (c.file("one")?, c.file("two")?);
            c.args(&["inspect"]);
            let options = [
                "--open",
                &one,
                "--open",
                &two,
                "--env",
                "LISTEN_FDS=2",
                "--listen-pid",
            ];
            let output = c.launched_run(&options, &[])?.success()?;
            let inside = Inside(json_line(&output)?);
            check_eq!(
                inside.descriptors().keys().copied().collect::<Vec<u32>>(),
                [0, 1, 2, 3, 4],
                "descriptors"
            );
            check_eq!(
                inside.variable("LISTEN_FDS").as_deref(),
                Some("2"),
                "LISTEN_FDS"
            );
            check_eq!(
                inside.variable("LISTEN_PID").as_deref(),
                Some("1"),
                "LISTEN_PID"
            );
            Ok(())
        },
    );
    t.add(
        "listen-fds-of-another",
        "engines: LISTEN_FDS with another process's LISTEN_PID is not for the container",
        |c| {
            let one = c.file("one")?;
            c.args(&["inspect"]);
            let output = c
                .launched_run(
                    &[
                        "--open",
                        &one,
                        "--env",
                        "LISTEN_FDS=1",
                        "--env",
                        "LISTEN_PID=1",
                    ],
                    &[],
                )?
                .success()?;
            let inside = Inside(json_line(&output)?);
            check_eq!(
                inside.descriptors().keys().copied().collect::<Vec<u32>>(),
                [0, 1, 2],
                "descriptors"
            );
            Ok(())
        },
    );
}
