//! Forms of options, listings.

use crate::host::Need;
use crate::table::Table;
use crate::tests::state::is_rfc3339;
use crate::{check, check_eq};
use serde_json::{Value, json};
use std::fs;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("engines");
    flags(t);
    listings(t);
}

fn flags(t: &mut Table) {
    t.add(
        "flags-after-id",
        "engines: options may follow the id",
        |c| {
            c.args(&["pause"]);
            c.write_config()?;
            let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
            c.call(&["create", &id, "--bundle", &bundle])?.success()?;
            c.call(&["delete", &id, "--force"])?.success().map(|_| ())
        },
    );
    t.add("flags-equals", "engines: options as --x=v", |c| {
        c.args(&["pause"]);
        c.write_config()?;
        let (id, bundle) = (c.id(), format!("--bundle={}", c.bundle().display()));
        c.call(&["create", &bundle, &id])?.success()?;
        c.destroy()
    });
    t.add("flags-short", "engines: -b and -f", |c| {
        c.args(&["pause"]);
        c.write_config()?;
        let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
        c.call(&["create", "-b", &bundle, &id])?.success()?;
        c.call(&["delete", "-f", &id])?.success().map(|_| ())
    });
    t.add(
        "unknown-command",
        "engines: an unknown command is an error",
        |c| c.call(&["no-such-command"])?.failure().map(|_| ()),
    );
    t.add(
        "unknown-flag",
        "engines: an unknown option is an error",
        |c| {
            let id = c.id();
            c.call(&["state", "--no-such-option", &id])?
                .failure()
                .map(|_| ())
        },
    );
    t.add(
        "too-many-arguments",
        "engines: an argument too many is an error",
        |c| {
            let id = c.id();
            c.call(&["state", &id, "another"])?.failure().map(|_| ())
        },
    );
    t.add(
        "single-dash-long",
        "engines: restore is called with -no-subreaper, one dash",
        |c| {
            let id = c.id();
            let dir = c.dir.to_string_lossy().into_owned();
            let output = c
                .call(&["run", "-no-subreaper", "--bundle", &dir, &id])?
                .failure()?;
            let text = format!("{}{}", output.stdout, output.stderr).to_lowercase();
            check!(
                !text.contains("not defined")
                    && !text.contains("unrecognized")
                    && !text.contains("invalid option")
                    && !text.contains("unknown"),
                "{}",
                output.describe("does not know the option")
            );
            Ok(())
        },
    );
    t.add(
        "rootless-flag",
        "engines: --rootless=false is accepted",
        |c| {
            let output = c.command(&["--rootless=false", "list"])?.run()?;
            output.success().map(|_| ())
        },
    );
    t.add(
        "debug-flag",
        "engines: --debug changes nothing but the log",
        |c| {
            c.args(&["echo", "hello"]);
            c.write_config()?;
            let (id, bundle, log) = (
                c.id(),
                c.bundle().to_string_lossy().into_owned(),
                c.dir.join("log"),
            );
            let output = c
                .call(&[
                    "--debug",
                    "--log",
                    &log.to_string_lossy(),
                    "run",
                    "--bundle",
                    &bundle,
                    &id,
                ])?
                .success()?;
            check_eq!(output.stdout, "hello\n", "output");
            Ok(())
        },
    );
    t.add(
        "root-not-made-by-readers",
        "engines: commands that only read do not make --root",
        |c| {
            let root = c.dir.join("never").to_string_lossy().into_owned();
            c.bare_command(&["--root", &root, "list"])?
                .run()?
                .success()?;
            c.bare_command(&["--root", &root, "state", "nobody"])?
                .run()?
                .failure()?;
            check!(!c.dir.join("never").exists(), "{root} was made");
            Ok(())
        },
    )
    .newer("runc 1.2");
    t.add(
        "root-made-private",
        "engines: a missing --root is made, for its owner only",
        |c| {
            use std::os::unix::fs::PermissionsExt;
            let root = c.dir.join("made/deep");
            c.args(&["exit", "0"]);
            c.write_config()?;
            let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
            c.bare_command(&[
                "--root",
                &root.to_string_lossy(),
                "run",
                "--bundle",
                &bundle,
                &id,
            ])?
            .run()?
            .success()?;
            let mode = fs::metadata(&root)?.permissions().mode() & 0o777;
            check_eq!(mode, 0o700, "mode");
            Ok(())
        },
    );
    t.add(
        "roots-are-separate",
        "engines: containers of different roots do not know each other",
        |c| {
            c.launch(&["pause"])?;
            let (id, root) = (c.id(), c.dir.join("other").to_string_lossy().into_owned());
            c.bare_command(&["--root", &root, "state", &id])?
                .run()?
                .failure()?;
            c.destroy()
        },
    );
    t.add("help", "engines: --help and COMMAND --help succeed", |c| {
        c.bare_command(&["--help"])?.run()?.success()?;
        c.bare_command(&["create", "--help"])?
            .run()?
            .success()
            .map(|_| ())
    });
    t.add(
        "checkpoint-help",
        "engines: checkpoint --help succeeds where checkpoints are supported; podman asks so",
        |c| {
            let output = c.bare_command(&["checkpoint", "--help"])?.run()?;
            check!(output.signal.is_none(), "{}", output.describe("crashed"));
            Ok(())
        },
    );
}

fn listings(t: &mut Table) {
    t.add(
        "list-empty",
        "engines: list without containers prints nothing but a header",
        |c| {
            let output = c.call(&["list"])?.success()?;
            check!(
                output.stdout.lines().count() <= 1,
                "{}",
                output.describe("lists something")
            );
            Ok(())
        },
    );
    t.add("list-json", "engines: list --format json", |c| {
        c.config["annotations"] = json!({"com.example.a": "b"});
        let pid = c.launch(&["pause"])?;
        let output = c.call(&["list", "--format", "json"])?.success()?;
        let list: Value = serde_json::from_str(&output.stdout)?;
        check_eq!(list.as_array().map(Vec::len), Some(1), "entries");
        let entry = &list[0];
        check_eq!(entry["id"].as_str(), Some(c.id().as_str()), "id");
        check_eq!(entry["pid"].as_i64(), Some(i64::from(pid)), "pid");
        check_eq!(entry["status"], "running", "status");
        check_eq!(
            entry["bundle"].as_str(),
            Some(&*c.bundle().to_string_lossy()),
            "bundle"
        );
        check!(
            is_rfc3339(entry["created"].as_str().unwrap_or_default()),
            "created is {}",
            entry["created"]
        );
        c.destroy()
    });
    t.add(
        "list-json-empty",
        "engines: list --format json without containers is a JSON list or null",
        |c| {
            let output = c.call(&["list", "--format", "json"])?.success()?;
            let list: Value = serde_json::from_str(output.stdout.trim())?;
            check!(
                list.is_null() || list.as_array().is_some_and(Vec::is_empty),
                "it is {list}"
            );
            Ok(())
        },
    );
    t.add(
        "list-table",
        "engines: list prints a table with ID, PID, STATUS, BUNDLE and CREATED",
        |c| {
            c.launch(&["pause"])?;
            let output = c.call(&["list"])?.success()?;
            let header = output.stdout.lines().next().unwrap_or_default();
            for column in ["PID", "STATUS", "BUNDLE", "CREATED"] {
                check!(header.contains(column), "the header is {header:?}");
            }
            check!(
                output.stdout.contains(&c.id()),
                "{}",
                output.describe("does not list the container")
            );
            c.destroy()
        },
    );
    t.add("list-quiet", "engines: list --quiet prints ids", |c| {
        c.launch(&["pause"])?;
        let output = c.call(&["list", "--quiet"])?.success()?;
        check_eq!(output.stdout.trim(), c.id(), "output");
        c.destroy()
    });
    t.add(
        "ps-json",
        "engines: ps --format json prints a list of pids",
        |c| {
            let pid = c.launch(&["background", "pause", ";", "echo", "{}", ";", "pause"])?;
            c.await_line()?;
            let id = c.id();
            let output = c.call(&["ps", "--format", "json", &id])?.success()?;
            let pids: Vec<i64> = serde_json::from_str(&output.stdout)?;
            check_eq!(pids.len(), 2, "processes");
            check!(pids.contains(&i64::from(pid)), "{pids:?} lacks {pid}");
            c.destroy()
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "ps-table",
        "engines: ps prints the table of ps(1) for the container's processes",
        |c| {
            let pid = c.launch(&["pause"])?;
            let id = c.id();
            let output = c.call(&["ps", &id])?.success()?;
            check!(
                output
                    .stdout
                    .lines()
                    .next()
                    .is_some_and(|l| l.contains("PID")),
                "{}",
                output.describe("has no header")
            );
            check_eq!(output.stdout.lines().count(), 2, "lines");
            check!(
                output.stdout.contains(&pid.to_string()),
                "{}",
                output.describe("lacks the process")
            );
            c.destroy()
        },
    )
    .needs(&[Need::Root, Need::Program("ps")]);
    t.add(
        "ps-arguments",
        "engines: ps passes arguments after the id to ps(1)",
        |c| {
            c.launch(&["pause"])?;
            let id = c.id();
            let output = c.call(&["ps", &id, "-e", "-o", "pid,comm"])?.success()?;
            check!(
                output.stdout.contains("payload"),
                "{}",
                output.describe("lacks the process")
            );
            check_eq!(output.stdout.lines().count(), 2, "lines");
            c.destroy()
        },
    )
    .needs(&[Need::Root, Need::Program("ps")]);
}
