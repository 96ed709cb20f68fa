//! The root filesystem: read-only root, masked and read-only paths, devices. config.md#root, config-linux.md.

use crate::check::Verdict;
use crate::config::{add_mount, grant, push};
use crate::context::Context;
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
    t.group("devices");
    default_devices(t);
    configured_devices(t);
}

fn root(t: &mut Table) {
    t.add("path-relative", "config.md#root: path may be relative to the bundle", |c| {
        c.make_rootfs(&c.bundle().join("other/root"))?;
        c.config["root"]["path"] = json!("other/root");
        c.inspect().map(|_| ())
    });
    t.add("path-absolute", "config.md#root: path may be absolute", |c| {
        let rootfs = c.dir.join("elsewhere");
        c.make_rootfs(&rootfs)?;
        c.config["root"]["path"] = json!(rootfs);
        c.inspect().map(|_| ())
    });
    t.add("path-missing", "config.md#root MUST: a folder exists at path", |c| {
        c.config["root"]["path"] = json!("no-such-folder");
        c.create_fails()?.says(&["no such file or directory", "not exist", "not a directory", "invalid rootfs"]).map(|_| ())
    });
    t.add("path-is-file", "config.md#root MUST: path is a folder", |c| {
        c.config["root"]["path"] = json!("rootfs/etc/passwd");
        c.create_fails().map(|_| ())
    });
    t.add("root-absent", "config.md#root REQUIRED: root", |c| {
        if let Some(config) = c.config.as_object_mut() {
            config.remove("root");
        }
        c.create_fails().map(|_| ())
    });
    t.add("readonly", "config.md#root MUST: with readonly nothing can be written", |c| {
        c.config["root"]["readonly"] = json!(true);
        let lines = c.attempts(&["write", "/file", "x", ";", "mkdir", "/etc/x", ";", "write", "/dev/shm/x", "x", ";", "inspect"])?;
        check_eq!(lines[0]["errno"], 30, "errno at /");
        check_eq!(lines[1]["errno"], 30, "errno in /etc");
        check_eq!(lines[2]["errno"], 0, "errno in /dev/shm, which is a mount");
        let root = crate::inside::Inside(lines[3].clone()).mount("/").unwrap_or_default();
        check!(root.has("ro"), "options of / are {:?}", root.options);
        Ok(())
    });
    t.add("readonly-needs-mountpoints", "engines: mount points are made below a read-only root", |c| {
        c.config["root"]["readonly"] = json!(true);
        add_mount(&mut c.config, "/made/here", "tmpfs", "tmpfs", &[]);
        check!(c.inspect()?.mount("/made/here").is_some(), "/made/here is not mounted");
        Ok(())
    });
    t.add("readonly-not-on-host", "config.md#root: readonly changes nothing for the host", |c| {
        c.config["root"]["readonly"] = json!(true);
        c.launch(&["pause"])?;
        fs::write(c.rootfs().join("data/from-host"), "x")?;
        c.destroy()
    });
    t.add("writable", "config.md#root: readonly is false by default", |c| {
        if let Some(root) = c.config["root"].as_object_mut() {
            root.remove("readonly");
        }
        check_eq!(c.attempt(&["write", "/data/file", "x"])?["errno"], 0, "errno");
        check_eq!(fs::read_to_string(c.rootfs().join("data/file"))?, "x", "the file on the host");
        Ok(())
    });
    t.add("host-not-visible", "config.md#root: nothing of the host's tree can be seen", |c| {
        let lines = c.attempts(&["list", "/", ";", "inspect", ";", "stat", "/proc/1/root/work"])?;
        let names: Vec<&str> = lines[0]["value"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        check_eq!(names, ["bin", "data", "dev", "etc", "home", "payload", "proc", "root", "run", "sys", "tmp"], "/");
        let inside = crate::inside::Inside(lines[1].clone());
        let tree = c.dir.to_string_lossy().into_owned();
        check!(!inside.mounts().iter().any(|m| m.point.starts_with(&tree)), "the mount table shows the host's tree");
        let parents: Vec<_> = inside.mounts().iter().filter(|m| m.point == "/").map(|m| m.root.clone()).collect();
        check_eq!(parents.len(), 1, "mounts at /: {parents:?}");
        Ok(())
    });
    for flags in [&["--no-pivot"][..]] {
        t.add("no-pivot", "engines: --no-pivot moves the root instead of pivot_root", move |c| {
            c.args(&["list", "/"]);
            let output = c.try_run_with(flags)?.success()?;
            check!(output.stdout.contains("\"payload\""), "{}", output.describe("shows another root"));
            check!(!output.stdout.contains("\"boot\""), "{}", output.describe("shows the host's root"));
            Ok(())
        })
        .needs(&[Need::Root]);
    }
    t.add("rootfs-is-mountpoint", "config.md#root: path may be a mount with mounts below it", |c| {
        let outer = c.dir.join("mounted");
        fs::create_dir(&outer)?;
        rustix::mount::mount("tmpfs", &outer, "tmpfs", rustix::mount::MountFlags::empty(), None)?;
        c.make_rootfs(&outer)?;
        rustix::mount::mount("tmpfs", outer.join("data"), "tmpfs", rustix::mount::MountFlags::empty(), None)?;
        fs::write(outer.join("data/below"), "x")?;
        c.config["root"]["path"] = json!(outer);
        let seen = c.attempt(&["read", "/data/below"]);
        rustix::mount::unmount(outer.join("data"), rustix::mount::UnmountFlags::DETACH)?;
        rustix::mount::unmount(&outer, rustix::mount::UnmountFlags::DETACH)?;
        check_eq!(seen?["value"], "x", "the file in the mount below");
        Ok(())
    })
    .needs(&[Need::Root]);
}

fn masked(t: &mut Table) {
    t.add("masked-file", "config-linux.md#masked-paths: a masked file cannot be read", |c| {
        fs::write(c.rootfs().join("etc/secret"), "secret")?;
        c.config["linux"]["maskedPaths"] = json!(["/etc/secret"]);
        let lines = c.attempts(&["read", "/etc/secret", ";", "stat", "/etc/secret"])?;
        check_eq!(lines[0]["value"].as_str().unwrap_or_default(), "", "what is read");
        check_eq!((lines[1]["value"]["major"].as_i64(), lines[1]["value"]["minor"].as_i64()), (Some(1), Some(3)), "device");
        check_eq!(fs::read_to_string(c.rootfs().join("etc/secret"))?, "secret", "the file on the host");
        Ok(())
    });
    t.add("masked-directory", "config-linux.md#masked-paths: a masked folder is empty and read-only", |c| {
        fs::create_dir(c.rootfs().join("data/secret"))?;
        fs::write(c.rootfs().join("data/secret/file"), "secret")?;
        c.config["linux"]["maskedPaths"] = json!(["/data/secret"]);
        let lines = c.attempts(&["list", "/data/secret", ";", "write", "/data/secret/x", "x"])?;
        check_eq!(lines[0]["value"], json!([]), "files");
        check_eq!(lines[1]["errno"], 30, "errno of a write");
        Ok(())
    });
    t.add("masked-missing", "engines: a masked path that does not exist is skipped", |c| {
        c.config["linux"]["maskedPaths"] = json!(["/no/such/path", "/proc/no-such-file"]);
        c.inspect().map(|_| ())
    });
    t.add("masked-proc", "config-linux.md#masked-paths: files of /proc", |c| {
        c.config["linux"]["maskedPaths"] = json!(["/proc/version", "/proc/irq"]);
        let lines = c.attempts(&["read", "/proc/version", ";", "list", "/proc/irq"])?;
        check_eq!(lines[0]["value"], "", "/proc/version");
        check_eq!(lines[1]["value"], json!([]), "/proc/irq");
        Ok(())
    });
    t.add("masked-twice", "engines: a path given twice is masked", |c| {
        c.config["linux"]["maskedPaths"] = json!(["/proc/version", "/proc/version", "/proc/irq", "/proc/irq"]);
        let lines = c.attempts(&["read", "/proc/version", ";", "list", "/proc/irq"])?;
        check_eq!(lines[0]["value"], "", "/proc/version");
        check_eq!(lines[1]["value"], json!([]), "/proc/irq");
        Ok(())
    });
    t.add("masked-many-directories", "config-linux.md#masked-paths: fifty folders", |c| {
        let mut paths = Vec::new();
        for i in 0..50 {
            fs::create_dir(c.rootfs().join(format!("data/{i}")))?;
            fs::write(c.rootfs().join(format!("data/{i}/file")), "secret")?;
            paths.push(format!("/data/{i}"));
        }
        c.config["linux"]["maskedPaths"] = json!(paths);
        let lines = c.attempts(&["list", "/data/0", ";", "list", "/data/49", ";", "write", "/data/49/x", "x"])?;
        check_eq!(lines[0]["value"], json!([]), "the first");
        check_eq!(lines[1]["value"], json!([]), "the last");
        check_eq!(lines[2]["errno"], 30, "errno of a write to the last");
        Ok(())
    });
    t.add("masked-relative", "config-linux.md#masked-paths MUST: values are absolute paths", |c| {
        fs::write(c.rootfs().join("data/secret"), "secret")?;
        c.config["linux"]["maskedPaths"] = json!(["data/secret"]);
        let output = c.try_run(&["read", "/data/secret"])?;
        check!(!output.stdout.contains("\"secret\""), "{}", output.describe("neither refused nor masked"));
        Ok(())
    });
}

fn readonly(t: &mut Table) {
    t.add("readonly-file", "config-linux.md#readonly-paths: a file", |c| {
        c.config["linux"]["readonlyPaths"] = json!(["/etc/group"]);
        let lines = c.attempts(&["append", "/etc/group", "x", ";", "read", "/etc/group", ";", "write", "/etc/other", "x"])?;
        check_eq!(lines[0]["errno"], 30, "errno of a write");
        check!(lines[1]["value"].as_str().is_some_and(|text| text.starts_with("root:")), "it cannot be read");
        check_eq!(lines[2]["errno"], 0, "errno beside it");
        Ok(())
    });
    t.add("readonly-directory", "config-linux.md#readonly-paths: a folder and what is below", |c| {
        c.config["linux"]["readonlyPaths"] = json!(["/etc"]);
        let lines = c.attempts(&["append", "/etc/group", "x", ";", "mkdir", "/etc/x"])?;
        check_eq!(lines[0]["errno"], 30, "errno of a write");
        check_eq!(lines[1]["errno"], 30, "errno of mkdir");
        Ok(())
    });
    t.add("readonly-proc-sys", "config-linux.md#readonly-paths: /proc/sys", |c| {
        let line = c.attempt(&["write", "/proc/sys/kernel/shm_rmid_forced", "0"])?;
        check_eq!(line["errno"], 30, "errno");
        Ok(())
    });
    t.add("readonly-keeps-flags", "engines: the flags of the mount below stay", |c| {
        add_mount(&mut c.config, "/t", "tmpfs", "tmpfs", &["nosuid", "nodev", "noexec"]);
        c.config["linux"]["readonlyPaths"] = json!(["/t"]);
        let mount = c.inspect()?.mount("/t").unwrap_or_default();
        for flag in ["ro", "nosuid", "nodev", "noexec"] {
            check!(mount.has(flag), "options are {:?}, without {flag}", mount.options);
        }
        Ok(())
    });
    t.add("readonly-missing", "engines: a read-only path that does not exist is skipped", |c| {
        c.config["linux"]["readonlyPaths"] = json!(["/no/such/path", "/proc/no-such-file"]);
        c.inspect().map(|_| ())
    });
}

const DEFAULTS: [(&str, i64, i64); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

fn default_devices(t: &mut Table) {
    for (name, major, minor) in DEFAULTS {
        let requirement = format!("config-linux.md#default-devices MUST: /dev/{name} is supplied");
        t.add(format!("default-{name}"), requirement, move |c| {
            let seen = c.attempt(&["stat", &format!("/dev/{name}")])?["value"].clone();
            check_eq!(seen["type"], "char", "type");
            check_eq!((seen["major"].as_i64(), seen["minor"].as_i64()), (Some(major), Some(minor)), "numbers");
            check_eq!(seen["mode"], 0o666, "mode");
            Ok(())
        });
    }
    t.add("default-work", "config-linux.md#default-devices MUST: the devices can be used", |c| {
        let lines = c.attempts(&[
            "write", "/dev/null", "x", ";", "read-bytes", "/dev/zero", "16", ";", "write", "/dev/full", "x", ";", "read-bytes", "/dev/urandom", "16",
        ])?;
        check_eq!(lines[0]["errno"], 0, "write to null");
        check_eq!(lines[1]["value"], 16, "read of zero");
        check_eq!(lines[2]["errno"], 28, "write to full");
        check_eq!(lines[3]["value"], 16, "read of urandom");
        Ok(())
    });
    t.add("ptmx", "config-linux.md#default-devices MUST: /dev/ptmx is the container's /dev/pts/ptmx", |c| {
        let lines = c.attempts(&["stat", "/dev/ptmx", ";", "stat", "/dev/pts/ptmx", ";", "open-write", "/dev/ptmx"])?;
        check_eq!((lines[0]["value"]["major"].as_i64(), lines[0]["value"]["minor"].as_i64()), (Some(5), Some(2)), "numbers");
        check_eq!(lines[0]["value"]["dev"], lines[1]["value"]["dev"], "filesystem");
        check_eq!(lines[2]["errno"], 0, "errno of opening it");
        Ok(())
    });
    for (link, target) in [("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2")] {
        let requirement = format!("engines: /dev/{link} is a link to {target}");
        t.add(format!("link-{link}"), requirement, move |c| {
            check_eq!(c.attempt(&["readlink", &format!("/dev/{link}")])?["value"], target, "target");
            Ok(())
        });
    }
    t.add("no-others", "config-linux.md#default-devices: nothing of the host's /dev is there", |c| {
        let seen = c.attempt(&["list", "/dev"])?["value"].clone();
        let known = [
            "console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty", "urandom", "zero",
        ];
        for name in seen.as_array().into_iter().flatten().filter_map(Value::as_str) {
            check!(known.contains(&name), "/dev has {name}: {seen}");
        }
        Ok(())
    });
    t.add("no-console-without-terminal", "config-linux.md#default-devices: /dev/console is set up if terminal is enabled", |c| {
        let seen = c.inspect()?;
        check!(seen.mount("/dev/console").is_none(), "/dev/console is mounted");
        Ok(())
    });
    t.add("dev-not-mounted", "config-linux.md#default-devices MUST: the devices are made in a plain /dev too", |c| {
        if let Some(mounts) = c.config["mounts"].as_array_mut() {
            mounts.retain(|mount| !mount["destination"].as_str().unwrap_or_default().starts_with("/dev"));
        }
        let seen = c.attempt(&["stat", "/dev/null"])?["value"].clone();
        check_eq!((seen["major"].as_i64(), seen["minor"].as_i64()), (Some(1), Some(3)), "numbers");
        Ok(())
    })
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
    t.add("unbuffered", "config-linux.md#devices MUST: type u is a character device", |c| {
        let seen = device(c, json!({"path": "/dev/myu", "type": "u", "major": 1, "minor": 5}))?;
        check_eq!(seen["type"], "char", "type");
        Ok(())
    })
    .needs(&[Need::Root]);
    t.add("block", "config-linux.md#devices MUST: a block device", |c| {
        let seen = device(c, json!({"path": "/dev/myblock", "type": "b", "major": 7, "minor": 3, "fileMode": 0o600}))?;
        check_eq!(seen["type"], "block", "type");
        check_eq!((seen["major"].as_i64(), seen["minor"].as_i64()), (Some(7), Some(3)), "numbers");
        Ok(())
    })
    .needs(&[Need::Root]);
    t.add("fifo", "config-linux.md#devices MUST: a named pipe, without numbers", |c| {
        let seen = device(c, json!({"path": "/dev/mypipe", "type": "p", "fileMode": 0o622}))?;
        check_eq!(seen["type"], "fifo", "type");
        check_eq!(seen["mode"], 0o622, "mode");
        Ok(())
    })
    .needs(&[Need::Root]);
    t.add("outside-dev", "config-linux.md#devices MAY: path anywhere in the root filesystem", |c| {
        let seen = device(c, json!({"path": "/opt/deep/node", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666}))?;
        check_eq!(seen["type"], "char", "type");
        Ok(())
    })
    .needs(&[Need::Root]);
    t.add("mode-default", "engines: without fileMode the mode is 0666", |c| {
        let seen = device(c, json!({"path": "/dev/my", "type": "c", "major": 1, "minor": 3}))?;
        check_eq!(seen["mode"], 0o666, "mode");
        Ok(())
    })
    .needs(&[Need::Root]);
    t.add("mode-not-masked", "config-linux.md#devices: the runtime's umask does not change fileMode", |c| {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
        let seen = device(c, json!({"path": "/dev/my", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666}))?;
        check_eq!(seen["mode"], 0o666, "mode");
        check_eq!(c.attempt(&["stat", "/dev/null"])?["value"]["mode"], 0o666, "mode of /dev/null");
        Ok(())
    })
    .needs(&[Need::Root]);
    t.add("replaces-default", "engines: an entry for a default device replaces it", |c| {
        let seen = device(c, json!({"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o600}))?;
        check_eq!(seen["mode"], 0o600, "mode");
        Ok(())
    })
    .needs(&[Need::Root]);
    t.add("conflict", "config-linux.md#devices MUST: a file at path that does not match is an error", |c| {
        fs::write(c.rootfs().join("data/node"), "a regular file")?;
        push(&mut c.config["linux"]["devices"], json!({"path": "/data/node", "type": "c", "major": 1, "minor": 3}));
        c.create_fails().map(|_| ())
    })
    .justified("the sentence is plain; both runtimes leave the file as it is")
    .needs(&[Need::Root]);
    t.add("unknown-type", "config.md#valid-values MUST: an unknown device type is an error", |c| {
        push(&mut c.config["linux"]["devices"], json!({"path": "/dev/my", "type": "x", "major": 1, "minor": 3}));
        c.create_fails().map(|_| ())
    });
    t.add("relative-path", "config.md#valid-values MUST: path is absolute", |c| {
        push(&mut c.config["linux"]["devices"], json!({"path": "dev/my", "type": "c", "major": 1, "minor": 3}));
        let output = c.try_create_with(&[])?;
        if output.code == Some(0) {
            check!(c.rootfs().join("dev").is_dir(), "no /dev");
        }
        Ok(())
    })
    .needs(&[Need::Root]);
    t.add("access-denied", "config-linux.md#allowed-device-list: devices that are not allowed cannot be opened", |c| {
        grant(&mut c.config, &["CAP_MKNOD"]);
        c.config["linux"]["resources"]["devices"] = json!([{"allow": false, "access": "rwm"}]);
        let lines = c.attempts(&["mknod", "/data/mem", "c", "1", "1", ";", "open-write", "/data/mem", ";", "open-write", "/dev/null"])?;
        check!(lines[0]["errno"] == 0 || lines[0]["errno"] == 1, "errno of mknod is {}", lines[0]["errno"]);
        check!(lines[1]["errno"] == 1 || lines[1]["errno"] == 2, "errno of opening /dev/mem is {}", lines[1]["errno"]);
        check_eq!(lines[2]["errno"], 0, "errno of opening /dev/null");
        Ok(())
    })
    .needs(&[Need::Root, Need::Controller("devices")]);
    t.add("access-in-order", "config-linux.md#allowed-device-list MUST: entries apply in the listed order", |c| {
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
