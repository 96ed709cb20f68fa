//! The root filesystem, masked and read-only paths. config.md#root, config-linux.md#masked-paths.

use crate::config::add_mount;
use crate::host::Need;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::{Value, json};
use std::fs;

/// Adds the groups.
pub fn add(t: &mut Table) {
    t.group("rootfs");
    root(t);
    t.group("paths");
    masked(t);
    readonly(t);
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

fn masked(t: &mut Table) {
    t.add(
        "masked-file",
        "config-linux.md#masked-paths: a masked file cannot be read",
        |c| {
            fs::write(c.rootfs().join("etc/secret"), "secret")?;
            c.config["linux"]["maskedPaths"] = json!(["/etc/secret"]);
            let lines = c.attempts(&["read", "/etc/secret", ";", "stat", "/etc/secret"])?;
            check_eq!(
                lines[0]["value"].as_str().unwrap_or_default(),
                "",
                "what is read"
            );
            check_eq!(
                (
                    lines[1]["value"]["major"].as_i64(),
                    lines[1]["value"]["minor"].as_i64()
                ),
                (Some(1), Some(3)),
                "device"
            );
            check_eq!(
                fs::read_to_string(c.rootfs().join("etc/secret"))?,
                "secret",
                "the file on the host"
            );
            Ok(())
        },
    );
    t.add(
        "masked-directory",
        "config-linux.md#masked-paths: a masked folder is empty and read-only",
        |c| {
            fs::create_dir(c.rootfs().join("data/secret"))?;
            fs::write(c.rootfs().join("data/secret/file"), "secret")?;
            c.config["linux"]["maskedPaths"] = json!(["/data/secret"]);
            let lines =
                c.attempts(&["list", "/data/secret", ";", "write", "/data/secret/x", "x"])?;
            check_eq!(lines[0]["value"], json!([]), "files");
            check_eq!(lines[1]["errno"], 30, "errno of a write");
            Ok(())
        },
    );
    t.add(
        "masked-missing",
        "engines: a masked path that does not exist is skipped",
        |c| {
            c.config["linux"]["maskedPaths"] = json!(["/no/such/path", "/proc/no-such-file"]);
            c.inspect().map(|_| ())
        },
    );
    t.add(
        "masked-proc",
        "config-linux.md#masked-paths: files of /proc",
        |c| {
            c.config["linux"]["maskedPaths"] = json!(["/proc/version", "/proc/irq"]);
            let lines = c.attempts(&["read", "/proc/version", ";", "list", "/proc/irq"])?;
            check_eq!(lines[0]["value"], "", "/proc/version");
            check_eq!(lines[1]["value"], json!([]), "/proc/irq");
            Ok(())
        },
    );
    t.add(
        "masked-proc-bound",
        "config-linux.md#masked-paths: files of a /proc that is bound over the container's own",
        |c| {
            add_mount(&mut c.config, "/proc", "bind", "/proc", &["rbind"]);
            c.config["linux"]["maskedPaths"] = json!(["/proc/version", "/proc/irq"]);
            let lines = c.attempts(&["read", "/proc/version", ";", "list", "/proc/irq"])?;
            check_eq!(
                lines[0]["value"].as_str().unwrap_or_default(),
                "",
                "/proc/version"
            );
            check_eq!(lines[1]["value"], json!([]), "/proc/irq");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "masked-twice",
        "engines: a path given twice is masked",
        |c| {
            c.config["linux"]["maskedPaths"] =
                json!(["/proc/version", "/proc/version", "/proc/irq", "/proc/irq"]);
            let lines = c.attempts(&["read", "/proc/version", ";", "list", "/proc/irq"])?;
            check_eq!(lines[0]["value"], "", "/proc/version");
            check_eq!(lines[1]["value"], json!([]), "/proc/irq");
            Ok(())
        },
    );
    t.add(
        "masked-many-directories",
        "config-linux.md#masked-paths: fifty folders",
        |c| {
            let mut paths = Vec::new();
            for i in 0..50 {
                fs::create_dir(c.rootfs().join(format!("data/{i}")))?;
                fs::write(c.rootfs().join(format!("data/{i}/file")), "secret")?;
                paths.push(format!("/data/{i}"));
            }
            c.config["linux"]["maskedPaths"] = json!(paths);
            let lines = c.attempts(&[
                "list",
                "/data/0",
                ";",
                "list",
                "/data/49",
                ";",
                "write",
                "/data/49/x",
                "x",
            ])?;
            check_eq!(lines[0]["value"], json!([]), "the first");
            check_eq!(lines[1]["value"], json!([]), "the last");
            check_eq!(lines[2]["errno"], 30, "errno of a write to the last");
            Ok(())
        },
    );
    t.add(
        "masked-relative",
        "config-linux.md#masked-paths MUST: values are absolute paths",
        |c| {
            fs::write(c.rootfs().join("data/secret"), "secret")?;
            c.config["linux"]["maskedPaths"] = json!(["data/secret"]);
            let output = c.try_run(&["read", "/data/secret"])?;
            check!(
                !output.stdout.contains("\"secret\""),
                "{}",
                output.describe("neither refused nor masked")
            );
            Ok(())
        },
    );
}

fn readonly(t: &mut Table) {
    t.add(
        "readonly-file",
        "config-linux.md#readonly-paths: a file",
        |c| {
            c.config["linux"]["readonlyPaths"] = json!(["/etc/group"]);
            let lines = c.attempts(&[
                "append",
                "/etc/group",
                "x",
                ";",
                "read",
                "/etc/group",
                ";",
                "write",
                "/etc/other",
                "x",
            ])?;
            check_eq!(lines[0]["errno"], 30, "errno of a write");
            check!(
                lines[1]["value"]
                    .as_str()
                    .is_some_and(|text| text.starts_with("root:")),
                "it cannot be read"
            );
            check_eq!(lines[2]["errno"], 0, "errno beside it");
            Ok(())
        },
    );
    t.add(
        "readonly-directory",
        "config-linux.md#readonly-paths: a folder and what is below",
        |c| {
            c.config["linux"]["readonlyPaths"] = json!(["/etc"]);
            let lines = c.attempts(&["append", "/etc/group", "x", ";", "mkdir", "/etc/x"])?;
            check_eq!(lines[0]["errno"], 30, "errno of a write");
            check_eq!(lines[1]["errno"], 30, "errno of mkdir");
            Ok(())
        },
    );
    t.add(
        "readonly-proc-sys",
        "config-linux.md#readonly-paths: /proc/sys",
        |c| {
            let line = c.attempt(&["write", "/proc/sys/kernel/shm_rmid_forced", "0"])?;
            check_eq!(line["errno"], 30, "errno");
            Ok(())
        },
    );
    t.add(
        "readonly-keeps-flags",
        "engines: the flags of the mount below stay",
        |c| {
            add_mount(
                &mut c.config,
                "/t",
                "tmpfs",
                "tmpfs",
                &["nosuid", "nodev", "noexec"],
            );
            c.config["linux"]["readonlyPaths"] = json!(["/t"]);
            let mount = c.inspect()?.mount("/t").unwrap_or_default();
            for flag in ["ro", "nosuid", "nodev", "noexec"] {
                check!(
                    mount.has(flag),
                    "options are {:?}, without {flag}",
                    mount.options
                );
            }
            Ok(())
        },
    );
    t.add(
        "readonly-missing",
        "engines: a read-only path that does not exist is skipped",
        |c| {
            c.config["linux"]["readonlyPaths"] = json!(["/no/such/path", "/proc/no-such-file"]);
            c.inspect().map(|_| ())
        },
    );
}
