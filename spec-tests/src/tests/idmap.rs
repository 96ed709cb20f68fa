//! Idmapped mounts, links as mounts, and what a user namespace may not lift. config.md#mounts,
//! mount_setattr(2), mount_namespaces(7).

use crate::check::Verdict;
use crate::config::{add_mount, push, set_namespace, use_user_namespace};
use crate::context::Context;
use crate::host::Need;
use crate::table::Table;
use crate::{check, check_eq};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

pub const BASE: u32 = 200_000;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("idmap");
    owners(t);
    reach(t);
    refused(t);
}

impl Context {
    /// A folder with a file of user 5 and group 6, which anybody may write to.
    pub fn owned_volume(&mut self) -> Verdict<PathBuf> {
        let volume = self.dir.join("owned");
        fs::create_dir(&volume)?;
        fs::set_permissions(&volume, fs::Permissions::from_mode(0o777))?;
        fs::write(volume.join("file"), "x")?;
        chown(volume.join("file"), Some(5), Some(6))?;
        Ok(volume)
    }

    /// Owner and group of a path, as the container sees them.
    fn owner_inside(&mut self, path: &str) -> Verdict<(i64, i64)> {
        let seen = self.attempt(&["stat", path])?["value"].clone();
        Ok((
            seen["uid"].as_i64().unwrap_or(-1),
            seen["gid"].as_i64().unwrap_or(-1),
        ))
    }
}

fn owner(path: &Path) -> Verdict<(u32, u32)> {
    let meta = fs::symlink_metadata(path)?;
    Ok((meta.uid(), meta.gid()))
}

fn map(container: u32, host: u32, size: u32) -> Value {
    json!([{"containerID": container, "hostID": host, "size": size}])
}

fn owners(t: &mut Table) {
    t.add("both-ways", "mount_setattr(2): what is written through the \
             map belongs to the id that the map came from", |c| {
        let volume = c.owned_volume()?;
        push(
            &mut c.config["mounts"],
            json!({"destination": "/data", "type": "bind", "source": volume, "options": ["bind", "idmap"],
                   "uidMappings": map(0, 1000, 100), "gidMappings": map(0, 2000, 100)}),
        );
        c.config["process"]["user"] = json!({"uid": 1007, "gid": 2008});
        let lines = c.attempts(&["stat", "/data/file", ";", "write", "/data/new", "n", ";", "stat", "/data/new"])?;
        check_eq!((lines[0]["value"]["uid"].as_i64(), lines[0]["value"]["gid"].as_i64()), (Some(1005), Some(2006)), "old file inside");
        check_eq!(lines[1]["errno"], 0, "errno of the write");
        check_eq!((lines[2]["value"]["uid"].as_i64(), lines[2]["value"]["gid"].as_i64()), (Some(1007), Some(2008)), "new file inside");
        check_eq!(owner(&volume.join("new"))?, (7, 8), "new file outside");
        check_eq!(owner(&volume.join("file"))?, (5, 6), "old file outside");
        Ok(())
    })
    .needs(&[Need::Root, Need::UserNamespace]);
    t.add(
        "in-user-namespace",
        "config.md#mounts: a container in a user namespace sees its own ids through its map",
        |c| {
            let volume = c.owned_volume()?;
            use_user_namespace(&mut c.config, BASE);
            add_mount(
                &mut c.config,
                "/data",
                "bind",
                &volume.to_string_lossy(),
                &["rbind", "idmap"],
            );
            let lines = c.attempts(&["stat", "/data/file", ";", "write", "/data/new", "n"])?;
            check_eq!(
                (
                    lines[0]["value"]["uid"].as_i64(),
                    lines[0]["value"]["gid"].as_i64()
                ),
                (Some(5), Some(6)),
                "owner inside"
            );
            check_eq!(lines[1]["errno"], 0, "errno of the write");
            check_eq!(owner(&volume.join("new"))?, (0, 0), "new file outside");
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::UserNamespace]);
    t.add(
        "of-joined-namespace",
        "config.md#linux-mount-options MAY: the map is that of a joined user namespace",
        |c| {
            let holder = super::namespaces::Holder::new(c, 0x1000_0000)?;
            holder.map(BASE)?;
            set_namespace(&mut c.config, "user", Some(&holder.path("user")));
            let volume = c.owned_volume()?;
            add_mount(
                &mut c.config,
                "/data",
                "bind",
                &volume.to_string_lossy(),
                &["bind", "idmap"],
            );
            check_eq!(c.owner_inside("/data/file")?, (5, 6), "owner inside");
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::UserNamespace]);
    for (name, recursive, option, wanted) in [
        ("top-only", true, "idmap", 9),
        ("recursive", true, "ridmap", 1009),
        ("flat", false, "idmap", -1),
    ] {
        t.add(format!("below-{name}"), "config.md#linux-mount-options: idmap is for \
             the one mount, ridmap for those below too", move |c| {
            let volume = c.owned_volume()?;
            let below = volume.join("below");
            fs::create_dir(&below)?;
            mount("tmpfs", &below, "tmpfs", MountFlags::empty(), None)?;
            fs::write(below.join("file"), "x")?;
            chown(below.join("file"), Some(9), Some(9))?;
            push(
                &mut c.config["mounts"],
                json!({"destination": "/data", "type": "bind", "source": volume, "options": [if recursive { "rbind" } else { "bind" }, option],
                       "uidMappings": map(0, 1000, 100), "gidMappings": map(0, 1000, 100)}),
            );
            let lines = c.attempts(&["stat", "/data/file", ";", "stat", "/data/below/file"])?;
            unmount(&below, UnmountFlags::DETACH)?;
            check_eq!(lines[0]["value"]["uid"].as_i64(), Some(1005), "owner in the mount itself");
            check_eq!(lines[1]["value"]["uid"].as_i64().unwrap_or(-1), wanted, "owner in the mount below");
            Ok(())
        })
        .needs(&[Need::Root, Need::UserNamespace]);
    }
    t.add(
        "option-map",
        "engines: podman's idmap=uids=FROM-TO-COUNT#...;gids=...",
        |c| {
            let volume = c.owned_volume()?;
            add_mount(
                &mut c.config,
                "/data",
                "bind",
                &volume.to_string_lossy(),
                &["rbind", "idmap=uids=0-100-5#5-3000-10;gids=0-4000-100"],
            );
            check_eq!(c.owner_inside("/data/file")?, (3000, 4006), "owner inside");
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::UserNamespace]);
    t.add(
        "option-map-relative",
        "engines: after @ the second number of podman's form is an id of the container",
        |c| {
            let volume = c.owned_volume()?;
            use_user_namespace(&mut c.config, BASE);
            add_mount(
                &mut c.config,
                "/data",
                "bind",
                &volume.to_string_lossy(),
                &["rbind", "idmap=uids=@5-30-1;gids=@6-40-1"],
            );
            check_eq!(c.owner_inside("/data/file")?, (30, 40), "owner inside");
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::UserNamespace]);
    t.add("relative-source", "config.md#mounts: a relative source of \
             an idmapped mount starts at the bundle", |c| {
        c.owned_volume()?;
        fs::rename(c.dir.join("owned"), c.bundle().join("owned"))?;
        push(
            &mut c.config["mounts"],
            json!({"destination": "/data", "type": "bind", "source": "owned", "options": ["bind"],
                   "uidMappings": map(0, 1000, 100), "gidMappings": map(0, 2000, 100)}),
        );
        check_eq!(c.owner_inside("/data/file")?, (1005, 2006), "owner inside");
        Ok(())
    })
    .needs(&[Need::Root, Need::UserNamespace]);
    t.add(
        "read-only",
        "config.md#linux-mount-options: ro and idmap together",
        |c| {
        let volume = c.owned_volume()?;
        push(
            &mut c.config["mounts"],
            json!({"destination": "/data", "type": "bind", "source": volume, "options": ["rbind", "ro", "rnosuid", "idmap"],
                   "uidMappings": map(0, 1000, 100), "gidMappings": map(0, 2000, 100)}),
        );
        let lines = c.attempts(&["stat", "/data/file", ";", "write", "/data/new", "n"])?;
        check_eq!(lines[0]["value"]["uid"].as_i64(), Some(1005), "owner inside");
        check_eq!(lines[1]["errno"], 30, "errno of the write");
        Ok(())
    })
    .needs(&[Need::Root, Need::UserNamespace]);
}

fn reach(t: &mut Table) {
    t.add(
        "closed-folders",
        "engines: the rootfs and volumes below a folder that only root of the host may enter",
        |c| {
            use_user_namespace(&mut c.config, BASE);
            let volume = c.owned_volume()?;
            add_mount(
                &mut c.config,
                "/data",
                "bind",
                &volume.to_string_lossy(),
                &["rbind"],
            );
            add_mount(
                &mut c.config,
                "/home",
                "bind",
                &volume.to_string_lossy(),
                &["rbind", "idmap"],
            );
            fs::set_permissions(&c.dir, fs::Permissions::from_mode(0o700))?;
            let lines = c.attempts(&["read", "/data/file", ";", "stat", "/home/file"])?;
            check_eq!(lines[0]["errno"], 0, "errno of the read");
            check_eq!(
                lines[1]["value"]["uid"].as_i64(),
                Some(5),
                "owner through the map"
            );
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::UserNamespace]);
    t.add(
        "closed-link",
        "engines: copy-symlink of a link in a folder that only root of the host may enter",
        |c| {
            use_user_namespace(&mut c.config, BASE);
            let closed = c.dir.join("closed");
            fs::create_dir(&closed)?;
            symlink("target/of/it", closed.join("link"))?;
            add_mount(
                &mut c.config,
                "/data/link",
                "bind",
                &closed.join("link").to_string_lossy(),
                &["rbind", "copy-symlink"],
            );
            fs::set_permissions(&closed, fs::Permissions::from_mode(0o700))?;
            // The link is made by root of the container.
            chown(c.rootfs().join("data"), Some(BASE), Some(BASE))?;
            check_eq!(
                c.attempt(&["readlink", "/data/link"])?["value"],
                "target/of/it",
                "the link"
            );
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::UserNamespace]);
}

fn refused(t: &mut Table) {
    t.add("no-such-filesystem", "engines: a filesystem that cannot \
             be idmapped is named in the error", |c| {
        push(
            &mut c.config["mounts"],
            json!({"destination": "/data", "type": "bind", "source": "/proc", "options": ["bind", "idmap"],
                   "uidMappings": map(0, 1000, 100), "gidMappings": map(0, 2000, 100)}),
        );
        let text = c.create_fails()?.stderr;
        check!(text.contains("idmap") && text.contains("support"), "the error is {text:?}");
        Ok(())
    })
    .needs(&[Need::Root, Need::UserNamespace]);
    t.add("not-a-bind-mount", "config.md#mounts MUST: a mapping \
             that cannot be applied is an error", |c| {
        push(
            &mut c.config["mounts"],
            json!({"destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": ["idmap"],
                   "uidMappings": map(0, 1000, 100), "gidMappings": map(0, 2000, 100)}),
        );
        c.create_fails().map(|_| ())
    })
    .needs(&[Need::Root]);
}
