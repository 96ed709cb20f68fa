//! Masked and read-only paths. config-linux.md#masked-paths, #readonly-paths.

use crate::config::add_mount;
use crate::host::Need;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::json;
use std::fs;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("paths");
    masked(t);
    readonly(t);
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
        "masked-turn",
        "config-linux.md#masked-paths: a path that leads out of /proc and back in",
        |c| {
            c.config["linux"]["maskedPaths"] = json!(["/proc/../proc/version"]);
            let lines = c.attempts(&["read", "/proc/version"])?;
            check_eq!(lines[0]["value"], "", "/proc/version");
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
