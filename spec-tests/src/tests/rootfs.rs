//! The root filesystem. config.md#root.

use crate::config::add_mount;
use crate::host::Need;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::{Value, json};
use std::fs;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("rootfs");
    root(t);
}

fn root(t: &mut Table) {
    t.add(
        "path-relative",
        "config.md#root: path may be relative to the bundle",
        |c| {
            c.make_rootfs(&c.bundle().join("other/root"))?;
            c.config["root"]["path"] = json!("other/root");
            c.inspect().map(|_| ())
        },
    );
    t.add(
        "path-absolute",
        "config.md#root: path may be absolute",
        |c| {
            let rootfs = c.dir.join("elsewhere");
            c.make_rootfs(&rootfs)?;
            c.config["root"]["path"] = json!(rootfs);
            c.inspect().map(|_| ())
        },
    );
    t.add(
        "path-missing",
        "config.md#root MUST: a folder exists at path",
        |c| {
            c.config["root"]["path"] = json!("no-such-folder");
            c.create_fails()?
                .says(&[
                    "no such file or directory",
                    "not exist",
                    "not a directory",
                    "invalid rootfs",
                ])
                .map(|_| ())
        },
    );
    t.add(
        "path-is-file",
        "config.md#root MUST: path is a folder",
        |c| {
            c.config["root"]["path"] = json!("rootfs/etc/passwd");
            c.create_fails().map(|_| ())
        },
    );
    t.add("root-absent", "config.md#root REQUIRED: root", |c| {
        if let Some(config) = c.config.as_object_mut() {
            config.remove("root");
        }
        c.create_fails().map(|_| ())
    });
    t.add(
        "readonly",
        "config.md#root MUST: with readonly nothing can be written",
        |c| {
            c.config["root"]["readonly"] = json!(true);
            let lines = c.attempts(&[
                "write",
                "/file",
                "x",
                ";",
                "mkdir",
                "/etc/x",
                ";",
                "write",
                "/dev/shm/x",
                "x",
                ";",
                "inspect",
            ])?;
            check_eq!(lines[0]["errno"], 30, "errno at /");
            check_eq!(lines[1]["errno"], 30, "errno in /etc");
            check_eq!(lines[2]["errno"], 0, "errno in /dev/shm, which is a mount");
            let root = crate::inside::Inside(lines[3].clone())
                .mount("/")
                .unwrap_or_default();
            check!(root.has("ro"), "options of / are {:?}", root.options);
            Ok(())
        },
    );
    t.add(
        "readonly-needs-mountpoints",
        "engines: mount points are made below a read-only root",
        |c| {
            c.config["root"]["readonly"] = json!(true);
            add_mount(&mut c.config, "/made/here", "tmpfs", "tmpfs", &[]);
            check!(
                c.inspect()?.mount("/made/here").is_some(),
                "/made/here is not mounted"
            );
            Ok(())
        },
    );
    t.add(
        "readonly-not-on-host",
        "config.md#root: readonly changes nothing for the host",
        |c| {
            c.config["root"]["readonly"] = json!(true);
            c.launch(&["pause"])?;
            fs::write(c.rootfs().join("data/from-host"), "x")?;
            c.destroy()
        },
    );
    t.add(
        "writable",
        "config.md#root: readonly is false by default",
        |c| {
            if let Some(root) = c.config["root"].as_object_mut() {
                root.remove("readonly");
            }
            check_eq!(
                c.attempt(&["write", "/data/file", "x"])?["errno"],
                0,
                "errno"
            );
            check_eq!(
                fs::read_to_string(c.rootfs().join("data/file"))?,
                "x",
                "the file on the host"
            );
            Ok(())
        },
    );
    t.add(
        "host-not-visible",
        "config.md#root: nothing of the host's tree can be seen",
        |c| {
            let lines = c.attempts(&[
                "list",
                "/",
                ";",
                "inspect",
                ";",
                "stat",
                "/proc/1/root/work",
            ])?;
            let names: Vec<&str> = lines[0]["value"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            check_eq!(
                names,
                [
                    "bin", "data", "dev", "etc", "home", "payload", "proc", "root", "run", "sys",
                    "tmp"
                ],
                "/"
            );
            let inside = crate::inside::Inside(lines[1].clone());
            let tree = c.dir.to_string_lossy().into_owned();
            check!(
                !inside.mounts().iter().any(|m| m.point.starts_with(&tree)),
                "the mount table shows the host's tree"
            );
            let parents: Vec<_> = inside
                .mounts()
                .iter()
                .filter(|m| m.point == "/")
                .map(|m| m.root.clone())
                .collect();
            check_eq!(parents.len(), 1, "mounts at /: {parents:?}");
            Ok(())
        },
    );
    t.add(
        "no-pivot",
        "engines: --no-pivot moves the root instead of pivot_root",
        |c| {
            c.args(&["list", "/"]);
            let output = c.try_run_with(&["--no-pivot"])?.success()?;
            check!(
                output.stdout.contains("\"payload\""),
                "{}",
                output.describe("shows another root")
            );
            check!(
                !output.stdout.contains("\"boot\""),
                "{}",
                output.describe("shows the host's root")
            );
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "rootfs-is-mountpoint",
        "config.md#root: path may be a mount with mounts below it",
        |c| {
            let outer = c.dir.join("mounted");
            fs::create_dir(&outer)?;
            rustix::mount::mount(
                "tmpfs",
                &outer,
                "tmpfs",
                rustix::mount::MountFlags::empty(),
                None,
            )?;
            c.make_rootfs(&outer)?;
            rustix::mount::mount(
                "tmpfs",
                outer.join("data"),
                "tmpfs",
                rustix::mount::MountFlags::empty(),
                None,
            )?;
            fs::write(outer.join("data/below"), "x")?;
            c.config["root"]["path"] = json!(outer);
            let seen = c.attempt(&["read", "/data/below"]);
            rustix::mount::unmount(outer.join("data"), rustix::mount::UnmountFlags::DETACH)?;
            rustix::mount::unmount(&outer, rustix::mount::UnmountFlags::DETACH)?;
            check_eq!(seen?["value"], "x", "the file in the mount below");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
}
