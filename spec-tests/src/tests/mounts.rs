//! The mounts of config.json: types, order, errors. config.md#mounts.

use crate::config::add_mount;
use crate::context::Context;
use crate::host::Need;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::json;
use std::fs;
use std::path::PathBuf;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("mounts");
    types(t);
    order(t);
    errors(t);
}

impl Context {
    /// A folder beside the bundle with one file in it.
    pub fn volume(&self, name: &str) -> crate::check::Verdict<PathBuf> {
        let dir = self.dir.join(name);
        fs::create_dir_all(&dir)?;
        fs::write(dir.join("file"), name)?;
        Ok(dir)
    }
}

fn types(t: &mut Table) {
    t.add(
        "default-filesystems",
        "config-linux.md#default-filesystems SHOULD: /proc, /sys, /dev/pts and /dev/shm",
        |c| {
            let seen = c.inspect()?;
            for (point, kind) in [
                ("/proc", "proc"),
                ("/sys", "sysfs"),
                ("/dev/pts", "devpts"),
                ("/dev/shm", "tmpfs"),
            ] {
                let mount = seen.mount(point);
                check!(
                    mount.as_ref().is_some_and(|m| m.kind == kind) || !crate::host::is_root(),
                    "{point} is {mount:?}, expected {kind}"
                );
            }
            Ok(())
        },
    );
    t.add(
        "tmpfs-options",
        "config.md#mounts: filesystem options reach the filesystem",
        |c| {
            add_mount(
                &mut c.config,
                "/t",
                "tmpfs",
                "name",
                &["size=64k", "mode=1711", "nr_inodes=50"],
            );
            let lines = c.attempts(&["inspect", ";", "stat", "/t"])?;
            let seen = crate::inside::Inside(lines[0].clone());
            let mount = seen.mount("/t").unwrap_or_default();
            check_eq!(mount.source, "name", "source");
            check!(
                mount.super_has("size=64k") && mount.super_has("nr_inodes=50"),
                "options are {:?}",
                mount.super_options
            );
            check_eq!(lines[1]["value"]["mode"], 0o1711, "mode");
            Ok(())
        },
    );
    t.add(
        "proc-is-of-the-pid-namespace",
        "config.md#mounts: proc shows the container's pid namespace",
        |c| {
            let seen = c.attempt(&["readlink", "/proc/self"])?;
            check_eq!(seen["value"], "1", "/proc/self");
            Ok(())
        },
    );
    t.add(
        "devpts-is-own",
        "config.md#mounts: devpts is an instance of its own",
        |c| {
            let seen = c.attempt(&["list", "/dev/pts"])?;
            check_eq!(seen["value"], json!(["ptmx"]), "terminals");
            Ok(())
        },
    );
    t.add("mqueue", "config.md#mounts: mqueue", |c| {
        let seen = c.inspect()?;
        check_eq!(
            seen.mount("/dev/mqueue").unwrap_or_default().kind,
            "mqueue",
            "type"
        );
        Ok(())
    });
    t.add(
        "overlay",
        "config.md#mounts: overlay with its options",
        |c| {
            for dir in ["lower1", "lower2", "upper", "work"] {
                c.volume(dir)?;
            }
            fs::write(c.dir.join("lower2/only2"), "2")?;
            let dir = c.dir.display().to_string();
            let lower = format!("lowerdir={dir}/lower1:{dir}/lower2");
            let (upper, work) = (
                format!("upperdir={dir}/upper"),
                format!("workdir={dir}/work"),
            );
            fs::remove_file(c.dir.join("upper/file"))?;
            fs::remove_file(c.dir.join("work/file"))?;
            add_mount(
                &mut c.config,
                "/merged",
                "overlay",
                "overlay",
                &[&lower, &upper, &work],
            );
            let seen = c.attempts(&[
                "read",
                "/merged/file",
                ";",
                "read",
                "/merged/only2",
                ";",
                "write",
                "/merged/new",
                "n",
            ])?;
            check_eq!(seen[0]["value"], "lower1", "the upper of two layers");
            check_eq!(seen[1]["value"], "2", "the lower layer");
            check_eq!(seen[2]["errno"], 0, "write");
            check!(
                c.dir.join("upper/new").exists(),
                "the write did not reach upperdir"
            );
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::Filesystem("overlay")]);
    t.add("overlay-rootfs", "config.md#root: an overlay of three \
             read-only layers and a writable one as root", |c| {
        let dir = c.dir.display().to_string();
        for layer in ["one", "two", "up", "work", "merged"] {
            fs::create_dir(c.dir.join(layer))?;
        }
        fs::write(c.dir.join("one/from-one"), "1")?;
        let data = format!("lowerdir={dir}/one:{dir}/two:{dir}/bundle/rootfs,upperdir={dir}/up,workdir={dir}/work");
        let data = std::ffi::CString::new(data).map_err(std::io::Error::other)?;
        let merged = c.dir.join("merged");
        rustix::mount::mount("overlay", &merged, "overlay", rustix::mount::MountFlags::empty(), Some(data.as_c_str()))?;
        c.config["root"]["path"] = json!(merged);
        let seen = c.attempts(&["read", "/from-one", ";", "write", "/written", "w"]);
        rustix::mount::unmount(&merged, rustix::mount::UnmountFlags::DETACH)?;
        let seen = seen?;
        check_eq!(seen[0]["value"], "1", "the file of a layer");
        check_eq!(fs::read_to_string(c.dir.join("up/written"))?, "w", "the written file");
        Ok(())
    })
    .needs(&[Need::Root, Need::Filesystem("overlay")]);
    for kind in ["ramfs", "tracefs", "debugfs"] {
        t.add(
            format!("any-type-{kind}"),
            "config.md#posix-platform-mounts: any type of /proc/filesystems",
            move |c| {
                add_mount(&mut c.config, "/any", kind, kind, &[]);
                check_eq!(
                    c.inspect()?.mount("/any").unwrap_or_default().kind,
                    kind,
                    "type"
                );
                Ok(())
            },
        )
        .needs(&[Need::Root, Need::Filesystem(kind)]);
    }
    t.add(
        "sysfs-read-only",
        "config.md#linux-mount-options MUST: ro on sysfs",
        |c| {
            let seen = c.attempts(&[
                "inspect",
                ";",
                "open-write",
                "/sys/kernel/uevent_seqnum",
                ";",
                "mkdir",
                "/sys/x",
            ])?;
            let mount = crate::inside::Inside(seen[0].clone())
                .mount("/sys")
                .unwrap_or_default();
            check!(mount.has("ro"), "options of /sys are {:?}", mount.options);
            Ok(())
        },
    );
}

fn order(t: &mut Table) {
    t.add(
        "order",
        "config.md#mounts MUST: entries are mounted in the listed order",
        |c| {
            let volume = c.volume("volume")?;
            add_mount(&mut c.config, "/outer", "tmpfs", "tmpfs", &[]);
            add_mount(
                &mut c.config,
                "/outer/inner",
                "bind",
                &volume.to_string_lossy(),
                &["bind"],
            );
            add_mount(
                &mut c.config,
                "/hidden/inner",
                "bind",
                &volume.to_string_lossy(),
                &["bind"],
            );
            add_mount(&mut c.config, "/hidden", "tmpfs", "tmpfs", &[]);
            let seen = c.attempts(&["read", "/outer/inner/file", ";", "list", "/hidden"])?;
            check_eq!(seen[0]["value"], "volume", "the file in the inner mount");
            check_eq!(seen[1]["value"], json!([]), "what the outer mount hides");
            Ok(())
        },
    );
    t.add(
        "source-from-earlier-mount",
        "config.md#mounts MUST: a source may lie in what an earlier entry mounted",
        |c| {
            let volume = c.volume("volume")?;
            add_mount(
                &mut c.config,
                "/first",
                "bind",
                &volume.to_string_lossy(),
                &["bind"],
            );
            let source = c.rootfs().join("first").to_string_lossy().into_owned();
            add_mount(&mut c.config, "/second", "bind", &source, &["bind"]);
            check_eq!(
                c.attempt(&["read", "/second/file"])?["value"],
                "volume",
                "the file"
            );
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add("many", "config.md#mounts: hundreds of mounts", |c| {
        for i in 0..300 {
            add_mount(
                &mut c.config,
                &format!("/many/{i}"),
                "tmpfs",
                "tmpfs",
                &["size=4k"],
            );
        }
        let seen = c.inspect()?;
        let count = seen
            .mounts()
            .iter()
            .filter(|mount| mount.point.starts_with("/many/"))
            .count();
        check_eq!(count, 300, "mounts");
        Ok(())
    });
    t.add("none", "config.md#mounts: mounts is optional", |c| {
        if let Some(config) = c.config.as_object_mut() {
            config.remove("mounts");
        }
        for key in ["maskedPaths", "readonlyPaths"] {
            c.config["linux"][key] = json!([]);
        }
        add_mount(&mut c.config, "/proc", "proc", "proc", &[]);
        let seen = c.inspect()?;
        let points: Vec<String> = seen.mounts().into_iter().map(|mount| mount.point).collect();
        check!(
            points
                .iter()
                .all(|p| p == "/" || p == "/proc" || p.starts_with("/dev/")),
            "mounts are {points:?}"
        );
        Ok(())
    });
}

fn errors(t: &mut Table) {
    t.add(
        "source-missing",
        "engines: a bind source that does not exist is an error",
        |c| {
            add_mount(
                &mut c.config,
                "/volume",
                "bind",
                "/no/such/source",
                &["bind"],
            );
            c.create_fails()?
                .says(&["no such file or directory"])
                .map(|_| ())
        },
    );
    t.add(
        "unknown-type",
        "config.md#valid-values MUST: an unknown filesystem type is an error",
        |c| {
            add_mount(&mut c.config, "/volume", "bogusfs", "none", &[]);
            c.create_fails()?.says(&["no such device"]).map(|_| ())
        },
    );
    t.add(
        "unknown-option",
        "config.md#linux-mount-options: an option the filesystem refuses is an error",
        |c| {
            add_mount(&mut c.config, "/volume", "tmpfs", "tmpfs", &["bogus=1"]);
            c.create_fails()?.says(&["invalid argument"]).map(|_| ())
        },
    );
    t.add(
        "destination-missing",
        "config.md#mounts REQUIRED: destination",
        |c| {
            crate::config::push(
                &mut c.config["mounts"],
                json!({"type": "tmpfs", "source": "tmpfs"}),
            );
            c.create_fails().map(|_| ())
        },
    );
    t.add(
        "failed-mount-leaves-nothing",
        "runtime.md#errors MUST: a mount that fails leaves no mount behind",
        |c| {
            add_mount(&mut c.config, "/ok", "tmpfs", "tmpfs", &[]);
            add_mount(
                &mut c.config,
                "/volume",
                "bind",
                "/no/such/source",
                &["bind"],
            );
            c.create_fails().map(|_| ())
        },
    );
}
