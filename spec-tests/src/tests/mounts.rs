//! The mounts of config.json: types, sources, destinations, order. config.md#mounts.

use crate::config::add_mount;
use crate::context::Context;
use crate::host::Need;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("mounts");
    types(t);
    binds(t);
    destinations(t);
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
    t.add("overlay-rootfs", "config.md#root: an overlay of three read-only layers and a writable one as root", |c| {
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

fn binds(t: &mut Table) {
    t.add(
        "bind-directory",
        "config.md#linux-mount-options MUST: bind",
        |c| {
            let volume = c.volume("volume")?;
            add_mount(
                &mut c.config,
                "/volume",
                "none",
                &volume.to_string_lossy(),
                &["bind"],
            );
            let seen = c.attempts(&["read", "/volume/file", ";", "write", "/volume/new", "n"])?;
            check_eq!(seen[0]["value"], "volume", "the volume's file");
            check_eq!(
                fs::read_to_string(volume.join("new"))?,
                "n",
                "the written file"
            );
            Ok(())
        },
    );
    t.add(
        "bind-file",
        "config.md#mounts: source may be a file for bind mounts",
        |c| {
            let volume = c.volume("volume")?;
            add_mount(
                &mut c.config,
                "/etc/config",
                "bind",
                &volume.join("file").to_string_lossy(),
                &["bind", "ro"],
            );
            let seen = c.attempts(&["read", "/etc/config", ";", "write", "/etc/config", "n"])?;
            check_eq!(seen[0]["value"], "volume", "the file");
            check_eq!(seen[1]["errno"], 30, "errno of a write");
            Ok(())
        },
    );
    t.add(
        "bind-type-absent",
        "config.md#posix-platform-mounts: type is a dummy for bind mounts and may be absent",
        |c| {
            let volume = c.volume("volume")?;
            let entry = json!({"destination": "/volume", "source": volume, "options": ["rbind"]});
            crate::config::push(&mut c.config["mounts"], entry);
            check_eq!(
                c.attempt(&["read", "/volume/file"])?["value"],
                "volume",
                "the file"
            );
            Ok(())
        },
    );
    t.add(
        "bind-relative-source",
        "config.md#mounts: a relative source is relative to the bundle",
        |c| {
            let dir = c.bundle().join("data");
            fs::create_dir(&dir)?;
            fs::write(dir.join("file"), "beside")?;
            add_mount(&mut c.config, "/volume", "bind", "data", &["bind"]);
            check_eq!(
                c.attempt(&["read", "/volume/file"])?["value"],
                "beside",
                "the file"
            );
            Ok(())
        },
    );
    t.add(
        "bind-socket",
        "config.md#mounts: a socket can be bound",
        |c| {
            let socket = c.dir.join("s.sock");
            let _listener = std::os::unix::net::UnixListener::bind(&socket)?;
            add_mount(
                &mut c.config,
                "/run/s.sock",
                "bind",
                &socket.to_string_lossy(),
                &["bind"],
            );
            check_eq!(
                c.attempt(&["stat", "/run/s.sock"])?["value"]["type"],
                "socket",
                "type"
            );
            Ok(())
        },
    );
    t.add(
        "bind-device",
        "config.md#mounts: a device node can be bound",
        |c| {
            add_mount(&mut c.config, "/dev/bound", "bind", "/dev/null", &["bind"]);
            check_eq!(
                c.attempt(&["stat", "/dev/bound"])?["value"]["minor"],
                3,
                "minor"
            );
            Ok(())
        },
    );
    t.add(
        "bind-symlink-source",
        "config.md#mounts: a source that is a link is followed on the host",
        |c| {
            let volume = c.volume("volume")?;
            std::os::unix::fs::symlink(&volume, c.dir.join("link"))?;
            add_mount(
                &mut c.config,
                "/volume",
                "bind",
                &c.dir.join("link").to_string_lossy(),
                &["bind"],
            );
            check_eq!(
                c.attempt(&["read", "/volume/file"])?["value"],
                "volume",
                "the file"
            );
            Ok(())
        },
    );
    t.add(
        "bind-not-recursive",
        "config.md#linux-mount-options MUST: bind takes the top mount only",
        |c| {
            let volume = c.nested_volume()?;
            add_mount(
                &mut c.config,
                "/volume",
                "bind",
                &volume.to_string_lossy(),
                &["bind"],
            );
            let seen = c.attempt(&["list", "/volume/inner"]);
            c.drop_nested_volume()?;
            check_eq!(seen?["value"], json!([]), "the inner mount's files");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "rbind-recursive",
        "config.md#linux-mount-options MUST: rbind takes the mounts below too",
        |c| {
            let volume = c.nested_volume()?;
            add_mount(
                &mut c.config,
                "/volume",
                "bind",
                &volume.to_string_lossy(),
                &["rbind"],
            );
            let seen = c.attempt(&["list", "/volume/inner"]);
            c.drop_nested_volume()?;
            check_eq!(seen?["value"], json!(["deep"]), "the inner mount's files");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "rbind-ro-is-not-recursive",
        "config.md#linux-mount-options MUST: ro changes the top mount only",
        |c| {
            let volume = c.nested_volume()?;
            add_mount(
                &mut c.config,
                "/volume",
                "bind",
                &volume.to_string_lossy(),
                &["rbind", "ro"],
            );
            let seen = c.attempts(&[
                "write",
                "/volume/x",
                "x",
                ";",
                "write",
                "/volume/inner/x",
                "x",
            ]);
            c.drop_nested_volume()?;
            let seen = seen?;
            check_eq!(seen[0]["errno"], 30, "errno at the top");
            check_eq!(seen[1]["errno"], 0, "errno below");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
}

impl Context {
    /// A volume with a tmpfs mounted at `inner`, which has the file `deep`.
    pub fn nested_volume(&self) -> crate::check::Verdict<PathBuf> {
        let volume = self.volume("volume")?;
        let inner = volume.join("inner");
        fs::create_dir(&inner)?;
        rustix::mount::mount(
            "tmpfs",
            &inner,
            "tmpfs",
            rustix::mount::MountFlags::empty(),
            None,
        )?;
        fs::write(inner.join("deep"), "deep")?;
        Ok(volume)
    }

    /// Unmounts what `nested_volume` mounted.
    pub fn drop_nested_volume(&self) -> crate::check::Verdict {
        Ok(rustix::mount::unmount(
            self.dir.join("volume/inner"),
            rustix::mount::UnmountFlags::DETACH,
        )?)
    }
}

fn destinations(t: &mut Table) {
    t.add(
        "destination-made",
        "engines: a missing destination is made, with its parents",
        |c| {
            add_mount(&mut c.config, "/a/b/c", "tmpfs", "tmpfs", &[]);
            check!(
                c.inspect()?.mount("/a/b/c").is_some(),
                "/a/b/c is not mounted"
            );
            let mode = fs::metadata(c.rootfs().join("a/b"))?.permissions().mode() & 0o777;
            check_eq!(mode, 0o755, "mode of /a/b");
            Ok(())
        },
    );
    t.add(
        "destination-file-made",
        "engines: the destination of a bound file is made as a file",
        |c| {
            let volume = c.volume("volume")?;
            add_mount(
                &mut c.config,
                "/x/y/z",
                "bind",
                &volume.join("file").to_string_lossy(),
                &["bind"],
            );
            check_eq!(
                c.attempt(&["read", "/x/y/z"])?["value"],
                "volume",
                "the file"
            );
            check!(
                c.rootfs().join("x/y/z").is_file(),
                "/x/y/z on the host is no file"
            );
            Ok(())
        },
    );
    t.add(
        "destination-relative",
        "config.md#mounts MUST: a relative destination is relative to /",
        |c| {
            add_mount(&mut c.config, "some/where", "tmpfs", "tmpfs", &[]);
            check!(
                c.inspect()?.mount("/some/where").is_some(),
                "/some/where is not mounted"
            );
            Ok(())
        },
    );
    t.add(
        "destination-symlink-inside",
        "engines: links in a destination are resolved inside the root filesystem",
        |c| {
            std::os::unix::fs::symlink("/data", c.rootfs().join("link"))?;
            add_mount(&mut c.config, "/link/deep", "tmpfs", "tmpfs", &[]);
            check!(
                c.inspect()?.mount("/data/deep").is_some(),
                "/data/deep is not mounted"
            );
            Ok(())
        },
    );
    t.add(
        "destination-dangling-link",
        "engines: a dangling link as destination is made inside the root filesystem",
        |c| {
            std::os::unix::fs::symlink("/not/there/yet", c.rootfs().join("link"))?;
            add_mount(&mut c.config, "/link", "tmpfs", "tmpfs", &[]);
            check!(
                c.inspect()?.mount("/not/there/yet").is_some(),
                "/not/there/yet is not mounted"
            );
            check!(
                !std::path::Path::new("/not/there/yet").exists(),
                "it was made on the host"
            );
            Ok(())
        },
    );
    t.add(
        "destination-dotdot",
        "engines: .. in a destination cannot leave the root filesystem",
        |c| {
            add_mount(&mut c.config, "/../../escaped", "tmpfs", "tmpfs", &[]);
            let output = c.try_run(&["inspect"])?;
            check!(
                !c.bundle().join("escaped").exists() && !c.dir.join("escaped").exists(),
                "it was made outside"
            );
            if output.code == Some(0) {
                let seen = crate::inside::Inside(crate::context::json_line(&output)?);
                check!(seen.mount("/escaped").is_some(), "/escaped is not mounted");
            }
            Ok(())
        },
    );
    t.add(
        "same-destination-twice",
        "config.md#mounts MUST: of two mounts at one place the later is on top",
        |c| {
            let (one, two) = (c.volume("one")?, c.volume("two")?);
            add_mount(
                &mut c.config,
                "/volume",
                "bind",
                &one.to_string_lossy(),
                &["bind"],
            );
            add_mount(
                &mut c.config,
                "/volume",
                "bind",
                &two.to_string_lossy(),
                &["bind"],
            );
            check_eq!(
                c.attempt(&["read", "/volume/file"])?["value"],
                "two",
                "the file"
            );
            Ok(())
        },
    );
    t.add(
        "destination-is-root-file",
        "engines: a file cannot be mounted over a folder",
        |c| {
            let volume = c.volume("volume")?;
            add_mount(
                &mut c.config,
                "/data",
                "bind",
                &volume.join("file").to_string_lossy(),
                &["bind"],
            );
            c.create_fails().map(|_| ())
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
