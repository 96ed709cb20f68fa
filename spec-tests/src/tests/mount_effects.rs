//! That mount options hold, and those that are no flags. config.md#linux-mount-options.

use crate::config::{add_mount, grant, push};
use crate::host::Need;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::json;
use std::fs;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("mount-options");
    enforced(t);
    special(t);
}

fn enforced(t: &mut Table) {
    t.add(
        "ro-enforced",
        "config.md#linux-mount-options MUST: nothing can be written to an ro mount",
        |c| {
            let volume = c.volume("volume")?;
            add_mount(
                &mut c.config,
                "/volume",
                "bind",
                &volume.to_string_lossy(),
                &["bind", "ro"],
            );
            check_eq!(
                c.attempt(&["write", "/volume/x", "x"])?["errno"],
                30,
                "errno"
            );
            Ok(())
        },
    );
    t.add(
        "noexec-enforced",
        "config.md#linux-mount-options MUST: nothing can be executed from a noexec mount",
        |c| {
            let volume = c.volume("volume")?;
            fs::copy(&c.payload, volume.join("program"))?;
            add_mount(
                &mut c.config,
                "/volume",
                "bind",
                &volume.to_string_lossy(),
                &["bind", "noexec"],
            );
            check_eq!(
                c.attempt(&["exec", "/volume/program", "exit", "0"])?["errno"],
                13,
                "errno"
            );
            Ok(())
        },
    );
    t.add(
        "nodev-enforced",
        "config.md#linux-mount-options MUST: no device works on a nodev mount",
        |c| {
            let volume = c.volume("volume")?;
            rustix::fs::mknodat(
                rustix::fs::CWD,
                volume.join("null"),
                rustix::fs::FileType::CharacterDevice,
                rustix::fs::Mode::from_raw_mode(0o666),
                rustix::fs::makedev(1, 3),
            )?;
            add_mount(
                &mut c.config,
                "/volume",
                "bind",
                &volume.to_string_lossy(),
                &["bind", "nodev"],
            );
            check_eq!(
                c.attempt(&["open-write", "/volume/null"])?["errno"],
                13,
                "errno"
            );
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "nosymfollow-enforced",
        "config.md#linux-mount-options SHOULD: no link is followed on a nosymfollow mount",
        |c| {
            let volume = c.volume("volume")?;
            std::os::unix::fs::symlink("file", volume.join("link"))?;
            add_mount(
                &mut c.config,
                "/volume",
                "bind",
                &volume.to_string_lossy(),
                &["bind", "nosymfollow"],
            );
            check_eq!(c.attempt(&["read", "/volume/link"])?["errno"], 40, "errno");
            Ok(())
        },
    )
    .needs(&[Need::Root])
    .newer("runtime-spec 1.1");
}

fn special(t: &mut Table) {
    t.add(
        "remount",
        "config.md#linux-mount-options MUST: remount changes a mount that is there",
        |c| {
            add_mount(&mut c.config, "/t", "tmpfs", "tmpfs", &["size=64k"]);
            add_mount(
                &mut c.config,
                "/t",
                "tmpfs",
                "tmpfs",
                &["remount", "ro", "noexec"],
            );
            let seen = c.inspect()?;
            let mounts: Vec<_> = seen
                .mounts()
                .into_iter()
                .filter(|mount| mount.point == "/t")
                .collect();
            check_eq!(mounts.len(), 1, "mounts at /t");
            check!(
                mounts[0].has("ro") && mounts[0].has("noexec"),
                "options are {:?}",
                mounts[0].options
            );
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "remount-sysfs",
        "config.md#linux-mount-options MUST: remount makes what the container has to itself writable",
        |c| {
            grant(&mut c.config, &["CAP_NET_ADMIN"]);
            add_mount(&mut c.config, "/sys", "sysfs", "sysfs", &["remount", "rw"]);
            let seen = c.attempt(&["write", "/sys/class/net/lo/ifalias", "x"])?;
            check_eq!(seen["errno"], 0, "errno of the write");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "remount-bind",
        "engines: to remount what is bound makes nothing read-only on the host",
        |c| {
            let volume = c.volume("volume")?;
            let none = rustix::mount::MountFlags::empty();
            rustix::mount::mount("tmpfs", &volume, "tmpfs", none, None)?;
            for options in [&["bind"][..], &["remount", "ro"]] {
                add_mount(
                    &mut c.config,
                    "/data",
                    "none",
                    &volume.to_string_lossy(),
                    options,
                );
            }
            let seen = c.attempt(&["write", "/data/file", "x"]);
            let written = fs::write(volume.join("host"), "x");
            rustix::mount::unmount(&volume, rustix::mount::UnmountFlags::DETACH)?;
            check!(written.is_ok(), "the host's writing: {written:?}");
            check_eq!(seen?["errno"], 30, "errno of the container's writing");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "locked-flags-stay",
        "engines: flags the source has stay on a bind mount that does not mention them",
        |c| {
            let volume = c.volume("volume")?;
            rustix::mount::mount(
                "tmpfs",
                &volume,
                "tmpfs",
                rustix::mount::MountFlags::NOEXEC | rustix::mount::MountFlags::NODEV,
                None,
            )?;
            add_mount(
                &mut c.config,
                "/volume",
                "bind",
                &volume.to_string_lossy(),
                &["rbind"],
            );
            let seen = c.inspect();
            rustix::mount::unmount(&volume, rustix::mount::UnmountFlags::DETACH)?;
            let mount = seen?.mount("/volume").unwrap_or_default();
            check!(
                mount.has("noexec") && mount.has("nodev"),
                "options are {:?}",
                mount.options
            );
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "tmpcopyup",
        "config.md#linux-mount-options MAY: tmpcopyup copies what was there into the tmpfs",
        |c| {
            fs::create_dir_all(c.rootfs().join("data/sub"))?;
            fs::write(c.rootfs().join("data/sub/file"), "below")?;
            std::os::unix::fs::symlink("sub/file", c.rootfs().join("data/link"))?;
            add_mount(&mut c.config, "/data", "tmpfs", "tmpfs", &["tmpcopyup"]);
            let seen = c.attempts(&[
                "read",
                "/data/link",
                ";",
                "write",
                "/data/sub/new",
                "n",
                ";",
                "inspect",
            ])?;
            check_eq!(seen[0]["value"], "below", "the copied file");
            check_eq!(seen[1]["errno"], 0, "errno of a write");
            let mount = crate::inside::Inside(seen[2].clone())
                .mount("/data")
                .unwrap_or_default();
            check_eq!(mount.kind, "tmpfs", "type");
            check!(
                !c.rootfs().join("data/sub/new").exists(),
                "the write reached the root filesystem"
            );
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add("source-absent", "config.md#mounts OPTIONAL: source", |c| {
        push(
            &mut c.config["mounts"],
            json!({"destination": "/t", "type": "tmpfs"}),
        );
        check_eq!(
            c.inspect()?.mount("/t").unwrap_or_default().kind,
            "tmpfs",
            "type"
        );
        Ok(())
    });
}
