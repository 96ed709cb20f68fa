//! Bind mounts and mount destinations. config.md#mounts.

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
    binds(t);
    destinations(t);
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
