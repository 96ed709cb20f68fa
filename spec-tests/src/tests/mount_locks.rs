//! Links as mounts, and what a user namespace may not lift. config.md#mounts, mount_namespaces(7).

use super::idmap::BASE;
use crate::check::Verdict;
use crate::config::{add_mount, grant, use_user_namespace};
use crate::context::Context;
use crate::host::Need;
use crate::table::Table;
use crate::{check, check_eq};
use rustix::mount::{MountFlags, UnmountFlags, mount_bind, mount_remount, unmount};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

/// Adds to the group of idmapped mounts.
pub fn add(t: &mut Table) {
    t.group("idmap");
    links(t);
    locks(t);
}

fn links(t: &mut Table) {
    t.add(
        "copy-symlink",
        "engines: copy-symlink makes a link again that is the source of a bind mount, as it is",
        |c| {
            let link = c.dir.join("link");
            symlink("/nowhere/../at all", &link)?;
            add_mount(
                &mut c.config,
                "/data/link",
                "bind",
                &link.to_string_lossy(),
                &["rbind", "copy-symlink"],
            );
            check_eq!(
                c.attempt(&["readlink", "/data/link"])?["value"],
                "/nowhere/../at all",
                "the link"
            );
            // Once more with the same link in place.
            check_eq!(
                c.attempt(&["readlink", "/data/link"])?["value"],
                "/nowhere/../at all",
                "the link that was there"
            );
            Ok(())
        },
    );
    t.add(
        "copy-symlink-of-other",
        "engines: copy-symlink binds what is no link",
        |c| {
            let file = c.dir.join("plain");
            fs::write(&file, "content")?;
            add_mount(
                &mut c.config,
                "/data/plain",
                "bind",
                &file.to_string_lossy(),
                &["rbind", "copy-symlink", "ro"],
            );
            check_eq!(
                c.attempt(&["read", "/data/plain"])?["value"],
                "content",
                "the file"
            );
            Ok(())
        },
    );
    t.add(
        "copy-symlink-occupied",
        "engines: copy-symlink does not replace something else",
        |c| {
            let link = c.dir.join("link");
            symlink("x", &link)?;
            fs::write(c.rootfs().join("data/link"), "occupied")?;
            add_mount(
                &mut c.config,
                "/data/link",
                "bind",
                &link.to_string_lossy(),
                &["rbind", "copy-symlink"],
            );
            c.create_fails().map(|_| ())
        },
    );
    t.add(
        "src-nofollow",
        "engines: src-nofollow mounts the link itself",
        |c| {
            let link = c.dir.join("link");
            symlink("seen-through", &link)?;
            add_mount(
                &mut c.config,
                "/data/link",
                "bind",
                &link.to_string_lossy(),
                &["bind", "src-nofollow"],
            );
            check_eq!(
                c.attempt(&["readlink", "/data/link"])?["value"],
                "seen-through",
                "the link"
            );
            Ok(())
        },
    );
    t.add(
        "dest-nofollow",
        "engines: dest-nofollow mounts on a link, not where it leads",
        |c| {
            let file = c.dir.join("plain");
            fs::write(&file, "content")?;
            fs::write(c.rootfs().join("data/target"), "untouched")?;
            symlink("target", c.rootfs().join("data/link"))?;
            add_mount(
                &mut c.config,
                "/data/link",
                "bind",
                &file.to_string_lossy(),
                &["bind", "ro", "dest-nofollow"],
            );
            let lines = c.attempts(&[
                "read",
                "/data/target",
                ";",
                "lstat",
                "/data/link",
                ";",
                "read",
                "/data/link",
                ";",
                "write",
                "/data/link",
                "x",
            ])?;
            check_eq!(lines[0]["value"], "untouched", "where the link leads");
            check_eq!(lines[1]["value"]["type"], "file", "what is at the link");
            check_eq!(lines[2]["value"], "content", "the content there");
            check_eq!(lines[3]["errno"], 30, "errno of a write");
            Ok(())
        },
    );
}

/// A folder that the host mounts read-only, as a volume of a container with CAP_SYS_ADMIN in its user namespace.
fn locked_volume(c: &mut Context, options: &[&str]) -> Verdict<PathBuf> {
    use_user_namespace(&mut c.config, BASE);
    grant(&mut c.config, &["CAP_SYS_ADMIN"]);
    let volume = c.owned_volume()?;
    mount_bind(&volume, &volume)?;
    mount_remount(
        &volume,
        MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID,
        "",
    )?;
    add_mount(
        &mut c.config,
        "/data",
        "bind",
        &volume.to_string_lossy(),
        options,
    );
    Ok(volume)
}

fn locks(t: &mut Table) {
    // MS_REMOUNT | MS_BIND
    const REMOUNT: &str = "4128";
    for (name, closed, options) in [
        ("open", false, &["rbind"][..]),
        ("closed", true, &["rbind"]),
        ("idmapped", false, &["rbind", "idmap"]),
    ] {
        t.add(
            format!("locked-{name}"),
            "mount_namespaces(7): a user namespace cannot lift what the host has made read-only",
            move |c| {
                let volume = locked_volume(c, options)?;
                if closed {
                    fs::set_permissions(&c.dir, fs::Permissions::from_mode(0o700))?;
                }
                let lines = c.attempts(&[
                    "mount",
                    "none",
                    "/data",
                    "none",
                    REMOUNT,
                    ";",
                    "write",
                    "/data/new",
                    "x",
                ]);
                unmount(&volume, UnmountFlags::DETACH)?;
                let lines = lines?;
                check_eq!(lines[0]["errno"], 1, "errno of the remount");
                check_eq!(lines[1]["errno"], 30, "errno of the write");
                Ok(())
            },
        )
        .needs(&[Need::Root, Need::UserNamespace]);
    }
    t.add(
        "locked-kept",
        "engines: flags that are locked stay when other flags are asked for",
        |c| {
            let volume = locked_volume(c, &["rbind", "nodev"])?;
            let seen = c.inspect();
            unmount(&volume, UnmountFlags::DETACH)?;
            let mount = seen?.mount("/data");
            check!(
                mount
                    .as_ref()
                    .is_some_and(|m| m.has("ro") && m.has("nosuid") && m.has("nodev")),
                "the mount is {mount:?}"
            );
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::UserNamespace]);
    t.add(
        "locked-remount",
        "engines: flags that are locked stay when a remount asks for others",
        |c| {
            let volume = locked_volume(c, &["rbind"])?;
            add_mount(
                &mut c.config,
                "/data",
                "none",
                "",
                &["bind", "remount", "nodev"],
            );
            let seen = c.inspect();
            unmount(&volume, UnmountFlags::DETACH)?;
            let mount = seen?.mount("/data").unwrap_or_default();
            for flag in ["ro", "nosuid", "nodev"] {
                check!(mount.has(flag), "the mount has {:?}", mount.options);
            }
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::UserNamespace]);
    t.add(
        "locked-cleared",
        "engines: to clear a locked flag in so many words is an error",
        |c| {
            let volume = locked_volume(c, &["rbind", "rw"])?;
            let output = c.create_fails();
            unmount(&volume, UnmountFlags::DETACH)?;
            output.map(|_| ())
        },
    )
    .needs(&[Need::Root, Need::UserNamespace]);
}
