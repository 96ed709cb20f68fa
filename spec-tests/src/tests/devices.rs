//! Devices: the default ones and those of the configuration. config-linux.md#devices.

use crate::check::Verdict;
use crate::config::{grant, push};
use crate::context::Context;
use crate::host::Need;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::{Value, json};
use std::fs;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("devices");
    default_devices(t);
    configured_devices(t);
}

const DEFAULTS: [(&str, i64, i64); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

fn default_devices(t: &mut Table) {
    for (name, major, minor) in DEFAULTS {
        let requirement = format!("config-linux.md#default-devices MUST: /dev/{name} is supplied");
        t.add(format!("default-{name}"), requirement, move |c| {
            let seen = c.attempt(&["stat", &format!("/dev/{name}")])?["value"].clone();
            check_eq!(seen["type"], "char", "type");
            check_eq!(
                (seen["major"].as_i64(), seen["minor"].as_i64()),
                (Some(major), Some(minor)),
                "numbers"
            );
            check_eq!(seen["mode"], 0o666, "mode");
            Ok(())
        });
    }
    t.add(
        "default-work",
        "config-linux.md#default-devices MUST: the devices can be used",
        |c| {
            let lines = c.attempts(&[
                "write",
                "/dev/null",
                "x",
                ";",
                "read-bytes",
                "/dev/zero",
                "16",
                ";",
                "write",
                "/dev/full",
                "x",
                ";",
                "read-bytes",
                "/dev/urandom",
                "16",
            ])?;
            check_eq!(lines[0]["errno"], 0, "write to null");
            check_eq!(lines[1]["value"], 16, "read of zero");
            check_eq!(lines[2]["errno"], 28, "write to full");
            check_eq!(lines[3]["value"], 16, "read of urandom");
            Ok(())
        },
    );
    t.add(
        "ptmx",
        "config-linux.md#default-devices MUST: /dev/ptmx is the container's /dev/pts/ptmx",
        |c| {
            let lines = c.attempts(&[
                "stat",
                "/dev/ptmx",
                ";",
                "stat",
                "/dev/pts/ptmx",
                ";",
                "open-write",
                "/dev/ptmx",
            ])?;
            check_eq!(
                (
                    lines[0]["value"]["major"].as_i64(),
                    lines[0]["value"]["minor"].as_i64()
                ),
                (Some(5), Some(2)),
                "numbers"
            );
            check_eq!(
                lines[0]["value"]["dev"],
                lines[1]["value"]["dev"],
                "filesystem"
            );
            check_eq!(lines[2]["errno"], 0, "errno of opening it");
            Ok(())
        },
    );
    for (link, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        let requirement = format!("engines: /dev/{link} is a link to {target}");
        t.add(format!("link-{link}"), requirement, move |c| {
            check_eq!(
                c.attempt(&["readlink", &format!("/dev/{link}")])?["value"],
                target,
                "target"
            );
            Ok(())
        });
    }
    t.add(
        "no-others",
        "config-linux.md#default-devices: nothing of the host's /dev is there",
        |c| {
            let seen = c.attempt(&["list", "/dev"])?["value"].clone();
            let known = [
                "console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm",
                "stderr", "stdin", "stdout", "tty", "urandom", "zero",
            ];
            for name in seen
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
            {
                check!(known.contains(&name), "/dev has {name}: {seen}");
            }
            Ok(())
        },
    );
    t.add(
        "no-console-without-terminal",
        "config-linux.md#default-devices: /dev/console is set up if terminal is enabled",
        |c| {
            let seen = c.inspect()?;
            check!(
                seen.mount("/dev/console").is_none(),
                "/dev/console is mounted"
            );
            Ok(())
        },
    );
    t.add(
        "dev-not-mounted",
        "config-linux.md#default-devices MUST: the devices are made in a plain /dev too",
        |c| {
            if let Some(mounts) = c.config["mounts"].as_array_mut() {
                mounts.retain(|mount| {
                    !mount["destination"]
                        .as_str()
                        .unwrap_or_default()
                        .starts_with("/dev")
                });
            }
            let seen = c.attempt(&["stat", "/dev/null"])?["value"].clone();
            check_eq!(
                (seen["major"].as_i64(), seen["minor"].as_i64()),
                (Some(1), Some(3)),
                "numbers"
            );
            Ok(())
        },
    )
    .needs(&[Need::Root]);
}

/// Asks for one device and answers its `stat`.
fn device(c: &mut Context, entry: Value) -> Verdict<Value> {
    let path = entry["path"].as_str().unwrap_or_default().to_string();
    push(&mut c.config["linux"]["devices"], entry);
    Ok(c.attempt(&["stat", &path])?["value"].clone())
}

fn configured_devices(t: &mut Table) {
    t.add("char", "config-linux.md#devices MUST: a character device with its mode and owner", |c| {
        let seen = device(
            c,
            json!({"path": "/dev/mychar", "type": "c", "major": 1, "minor": 5, "fileMode": 0o640, "uid": 7, "gid": 8}),
        )?;
        check_eq!(seen["type"], "char", "type");
        check_eq!((seen["major"].as_i64(), seen["minor"].as_i64()), (Some(1), Some(5)), "numbers");
        check_eq!(seen["mode"], 0o640, "mode");
        check_eq!((seen["uid"].as_i64(), seen["gid"].as_i64()), (Some(7), Some(8)), "owner");
        Ok(())
    })
    .needs(&[Need::Root]);
    t.add(
        "unbuffered",
        "config-linux.md#devices MUST: type u is a character device",
        |c| {
            let seen = device(
                c,
                json!({"path": "/dev/myu", "type": "u", "major": 1, "minor": 5}),
            )?;
            check_eq!(seen["type"], "char", "type");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add("block", "config-linux.md#devices MUST: a block device", |c| {
        let seen = device(c, json!({"path": "/dev/myblock", "type": "b", "major": 7, "minor": 3, "fileMode": 0o600}))?;
        check_eq!(seen["type"], "block", "type");
        check_eq!((seen["major"].as_i64(), seen["minor"].as_i64()), (Some(7), Some(3)), "numbers");
        Ok(())
    })
    .needs(&[Need::Root]);
    t.add(
        "fifo",
        "config-linux.md#devices MUST: a named pipe, without numbers",
        |c| {
            let seen = device(
                c,
                json!({"path": "/dev/mypipe", "type": "p", "fileMode": 0o622}),
            )?;
            check_eq!(seen["type"], "fifo", "type");
            check_eq!(seen["mode"], 0o622, "mode");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add("outside-dev", "config-linux.md#devices MAY: path anywhere in the root filesystem", |c| {
        let seen = device(c, json!({"path": "/opt/deep/node", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666}))?;
        check_eq!(seen["type"], "char", "type");
        Ok(())
    })
    .needs(&[Need::Root]);
    t.add(
        "mode-default",
        "engines: without fileMode the mode is 0666",
        |c| {
            let seen = device(
                c,
                json!({"path": "/dev/my", "type": "c", "major": 1, "minor": 3}),
            )?;
            check_eq!(seen["mode"], 0o666, "mode");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "mode-not-masked",
        "config-linux.md#devices: the runtime's umask does not change fileMode",
        |c| {
            rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
            let seen = device(
                c,
                json!({"path": "/dev/my", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666}),
            )?;
            check_eq!(seen["mode"], 0o666, "mode");
            check_eq!(
                c.attempt(&["stat", "/dev/null"])?["value"]["mode"],
                0o666,
                "mode of /dev/null"
            );
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add("replaces-default", "engines: an entry for a default device replaces it", |c| {
        let seen = device(c, json!({"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o600}))?;
        check_eq!(seen["mode"], 0o600, "mode");
        Ok(())
    })
    .needs(&[Need::Root]);
    t.add(
        "conflict",
        "config-linux.md#devices MUST: a file at path that does not match is an error",
        |c| {
            fs::write(c.rootfs().join("data/node"), "a regular file")?;
            push(
                &mut c.config["linux"]["devices"],
                json!({"path": "/data/node", "type": "c", "major": 1, "minor": 3}),
            );
            c.create_fails().map(|_| ())
        },
    )
    .justified("the sentence is plain; both runtimes leave the file as it is")
    .needs(&[Need::Root]);
    t.add(
        "unknown-type",
        "config.md#valid-values MUST: an unknown device type is an error",
        |c| {
            push(
                &mut c.config["linux"]["devices"],
                json!({"path": "/dev/my", "type": "x", "major": 1, "minor": 3}),
            );
            c.create_fails().map(|_| ())
        },
    );
    t.add(
        "relative-path",
        "config.md#valid-values MUST: path is absolute",
        |c| {
            push(
                &mut c.config["linux"]["devices"],
                json!({"path": "dev/my", "type": "c", "major": 1, "minor": 3}),
            );
            let output = c.try_create_with(&[])?;
            if output.code == Some(0) {
                check!(c.rootfs().join("dev").is_dir(), "no /dev");
            }
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "access-denied",
        "config-linux.md#allowed-device-list: devices that are not allowed cannot be opened",
        |c| {
            grant(&mut c.config, &["CAP_MKNOD"]);
            c.config["linux"]["resources"]["devices"] = json!([{"allow": false, "access": "rwm"}]);
            let lines = c.attempts(&[
                "mknod",
                "/data/mem",
                "c",
                "1",
                "1",
                ";",
                "open-write",
                "/data/mem",
                ";",
                "open-write",
                "/dev/null",
            ])?;
            check!(
                lines[0]["errno"] == 0 || lines[0]["errno"] == 1,
                "errno of mknod is {}",
                lines[0]["errno"]
            );
            check!(
                lines[1]["errno"] == 1 || lines[1]["errno"] == 2,
                "errno of opening /dev/mem is {}",
                lines[1]["errno"]
            );
            check_eq!(lines[2]["errno"], 0, "errno of opening /dev/null");
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::Controller("devices")]);
    t.add("access-in-order", "config-linux.md#allowed-device-list \
             MUST: entries apply in the listed order", |c| {
        push(&mut c.config["linux"]["devices"], json!({"path": "/dev/lc", "type": "c", "major": 10, "minor": 237, "fileMode": 0o666}));
        c.config["linux"]["resources"]["devices"] = json!([
            {"allow": false, "access": "rwm"},
            {"allow": true, "type": "c", "major": 10, "minor": 237, "access": "rwm"},
            {"allow": false, "type": "c", "major": 10, "minor": 237, "access": "w"}
        ]);
        let lines = c.attempts(&["open-write", "/dev/lc", ";", "read-bytes", "/dev/lc", "1"])?;
        check_eq!(lines[0]["errno"], 1, "errno of opening for write");
        check!(lines[1]["errno"] != 1, "reading is denied");
        Ok(())
    })
    .needs(&[Need::Root, Need::Controller("devices")]);
}
