//! create, and the ids it takes: runtime.md#create.

use crate::check::{Verdict, fail};
use crate::context::Context;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::json;
use std::fs;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("lifecycle");
    create(t);
    ids(t);
}

fn create(t: &mut Table) {
    t.add(
        "create-status",
        "runtime.md#create MUST: after create the status is created",
        |c| {
            c.args(&["pause"]);
            c.create()?;
            check_eq!(c.status()?, "created", "status");
            c.destroy()
        },
    );
    t.add(
        "create-does-not-run",
        "runtime.md#create MUST NOT: the user program is not run by create",
        |c| {
            c.args(&["write", "/data/ran", "yes", ";", "pause"]);
            c.create()?;
            check!(
                !c.rootfs().join("data/ran").exists(),
                "the program ran at create"
            );
            c.start()?;
            let ran = c.rootfs().join("data/ran");
            crate::context::poll_for("the program's file", || ran.exists().then_some(()))?;
            c.destroy()
        },
    );
    t.add(
        "config-change-after-create",
        "runtime.md#lifecycle MUST NOT: updates of config.json after create affect the container",
        |c| {
            c.args(&["echo", "first"]);
            c.create()?;
            c.args(&["echo", "second"]);
            c.write_config()?;
            c.start()?;
            let line = c.await_output("a line", |text| {
                text.split_once('\n').map(|(line, _)| line.to_string())
            })?;
            check_eq!(line, "first", "the program printed");
            c.await_status("stopped")?;
            c.delete()
        },
    );
    t.add(
        "config-missing-after-create",
        "runtime.md#lifecycle MUST NOT: start needs config.json again",
        |c| {
            c.args(&["echo", "first"]);
            c.create()?;
            fs::remove_file(c.bundle().join("config.json"))?;
            c.start()?;
            c.await_status("stopped")?;
            c.delete()
        },
    );
    t.add(
        "create-without-bundle",
        "runtime.md#create MUST: an error without config.json in the bundle",
        |c| {
            let id = c.id();
            let dir = c.dir.join("empty");
            fs::create_dir(&dir)?;
            c.call(&["create", "--bundle", &dir.to_string_lossy(), &id])?
                .failure()?;
            c.call(&["state", &id])?.failure()?;
            Ok(())
        },
    );
    t.add(
        "create-without-id",
        "runtime.md#create MUST: an error without an id",
        |c| {
            c.write_config()?;
            let bundle = c.bundle();
            c.call(&["create", "--bundle", &bundle.to_string_lossy()])?
                .failure()
                .map(|_| ())
        },
    );
    t.add(
        "create-same-id",
        "runtime.md#create MUST: an id in use is an error and makes no container",
        |c| {
            c.args(&["pause"]);
            c.create()?;
            let pid = c.state()?["pid"].clone();
            c.try_create_with(&[])?.failure()?;
            check_eq!(c.state()?["pid"], pid, "the first container's pid");
            check_eq!(c.status()?, "created", "the first container's status");
            c.destroy()
        },
    );
    t.add(
        "create-failure-leaves-nothing",
        "runtime.md#errors MUST: an error leaves the environment as it was",
        |c| {
            c.config["process"]["args"] = json!(["/no/such/program"]);
            c.create_fails()?;
            let left: Vec<_> = fs::read_dir(c.state_dir())?
                .flatten()
                .map(|e| e.file_name())
                .collect();
            check!(
                !left
                    .iter()
                    .any(|name| name.to_string_lossy().starts_with(&c.tag)),
                "the state folder has {left:?}"
            );
            Ok(())
        },
    );
    t.add(
        "bundle-default-is-cwd",
        "engines: create takes the current folder as bundle when none is given",
        |c| {
            c.args(&["echo", "hello"]);
            c.write_config()?;
            let (id, bundle) = (c.id(), c.bundle());
            let output = c
                .command(&["run", &id])?
                .current_dir(&bundle)
                .run()?
                .success()?;
            check_eq!(output.stdout, "hello\n", "output");
            Ok(())
        },
    );
    t.add(
        "bundle-relative",
        "engines: --bundle may be relative to the caller's folder",
        |c| {
            c.args(&["echo", "hello"]);
            c.write_config()?;
            let (id, dir) = (c.id(), c.dir.clone());
            let output = c
                .command(&["run", "--bundle", "bundle", &id])?
                .current_dir(&dir)
                .run()?
                .success()?;
            check_eq!(output.stdout, "hello\n", "output");
            Ok(())
        },
    );
    t.add(
        "no-config-no-side-effect",
        "config.md#valid-values MUST: malformed JSON is an error",
        |c| {
            let id = c.id();
            for text in ["", "{", "[]", "null", "{\"ociVersion\": 1}", "\u{feff}{}"] {
                fs::write(c.bundle().join("config.json"), text)?;
                let bundle = c.bundle();
                let output = c.call(&["create", "--bundle", &bundle.to_string_lossy(), &id])?;
                check!(
                    output.code.is_some_and(|code| code != 0),
                    "config {text:?}: {}",
                    output.describe("was accepted")
                );
                c.call(&["state", &id])?.failure()?;
            }
            Ok(())
        },
    );
}

fn ids(t: &mut Table) {
    let bad = [
        "",
        ".",
        "..",
        "a/b",
        "../escape",
        "a b",
        "a\nb",
        "ü",
        "a:b",
        "a@b",
        "/absolute",
    ];
    for (i, id) in bad.into_iter().enumerate() {
        t.add(
            format!("bad-id-{i}"),
            format!("engines: the id {id:?} is refused; ids are made of letters, digits and _+-."),
            move |c| refuse_id(c, id),
        );
    }
    t.add(
        "good-ids",
        "engines: ids of letters, digits and _+-. are accepted",
        |c| {
            for suffix in ["", "_x", "+x", "-x", ".x", "UPPER", "x.y-z_1+2"] {
                c.args(&["exit", "0"]);
                c.write_config()?;
                let (id, bundle) = (format!("{}{suffix}", c.tag), c.bundle());
                c.call(&["run", "--bundle", &bundle.to_string_lossy(), &id])?
                    .success()?;
            }
            Ok(())
        },
    );
}

fn refuse_id(c: &mut Context, id: &str) -> Verdict {
    c.args(&["pause"]);
    c.write_config()?;
    let bundle = c.bundle();
    let output = c.call(&["create", "--bundle", &bundle.to_string_lossy(), "--", id])?;
    if output.code == Some(0) {
        let _ = c.call(&["delete", "--force", "--", id]);
        return fail(output.describe("was accepted"));
    }
    output.failure().map(|_| ())
}
