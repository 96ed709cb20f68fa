//! User namespaces and id-mapped mounts. config-linux.md#user-namespace-mappings.

use super::namespaces::Holder;
use crate::config::{add_mount, push, set_namespace, use_user_namespace};
use crate::host::Need;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::json;
use std::fs;
use std::os::unix::fs::MetadataExt;

const BASE: u32 = 200_000;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("userns");
    maps(t);
    inside(t);
    idmap(t);
}

fn fields(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .map(|line| line.split_whitespace().collect())
        .collect()
}

fn maps(t: &mut Table) {
    t.add(
        "maps",
        "config-linux.md#user-namespace-mappings: uidMappings and gidMappings are the maps",
        |c| {
            use_user_namespace(&mut c.config, BASE);
            c.config["linux"]["gidMappings"] = json!([
                {"containerID": 0, "hostID": 300_000, "size": 1000},
                {"containerID": 1000, "hostID": 400_000, "size": 5}
            ]);
            let seen = c.inspect()?;
            check_eq!(
                fields(seen.file("/proc/self/uid_map")),
                [["0", "200000", "65536"]],
                "uid_map"
            );
            check_eq!(
                fields(seen.file("/proc/self/gid_map")),
                [["0", "300000", "1000"], ["1000", "400000", "5"]],
                "gid_map"
            );
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::UserNamespace]);
    t.add(
        "maps-many",
        "config-linux.md#user-namespace-mappings: the kernel's 340 entries are possible",
        |c| {
            use_user_namespace(&mut c.config, BASE);
            let map: Vec<_> = (0..340)
                .map(|i| json!({"containerID": i, "hostID": 1000 + i, "size": 1}))
                .collect();
            c.config["linux"]["uidMappings"] = json!(map);
            let seen = c.inspect()?;
            check_eq!(
                seen.file("/proc/self/uid_map").lines().count(),
                340,
                "entries of uid_map"
            );
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::UserNamespace]);
    t.add(
        "maps-overlap",
        "config.md#valid-values MUST: mappings the kernel refuses are an error",
        |c| {
            use_user_namespace(&mut c.config, BASE);
            push(
                &mut c.config["linux"]["uidMappings"],
                json!({"containerID": 5, "hostID": 900_000, "size": 10}),
            );
            c.create_fails().map(|_| ())
        },
    )
    .needs(&[Need::Root, Need::UserNamespace]);
    t.add(
        "setgroups-allowed",
        "config-linux.md#user-namespace-mappings: root's containers may set groups",
        |c| {
            use_user_namespace(&mut c.config, BASE);
            c.config["process"]["user"] = json!({"uid": 1, "gid": 2, "additionalGids": [3, 4]});
            let seen = c.inspect()?;
            check_eq!(seen.ids("Uid"), [1; 4], "uids");
            check_eq!(seen.ids("Gid"), [2; 4], "gids");
            check_eq!(seen.groups(), [3, 4], "groups");
            check_eq!(
                seen.file("/proc/self/setgroups").trim(),
                "allow",
                "setgroups"
            );
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::UserNamespace]);
    t.add(
        "join-with-others",
        "config-linux.md#namespaces: a joined user namespace owns the new namespaces",
        |c| {
            let holder = Holder::new(c, 0x1000_0000)?;
            holder.map(BASE)?;
            set_namespace(&mut c.config, "user", Some(&holder.path("user")));
            let lines = c.attempts(&["inspect", ";", "sethostname", "x"])?;
            let seen = crate::inside::Inside(lines[0].clone());
            check_eq!(
                seen.namespace("user"),
                holder.link("user")?,
                "the user namespace"
            );
            check_eq!(
                fields(seen.file("/proc/self/uid_map")),
                [["0", "200000", "65536"]],
                "uid_map"
            );
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::UserNamespace]);
    t.add(
        "unmapped-user",
        "config.md#valid-values MUST: a uid that has no mapping is an error",
        |c| {
            use_user_namespace(&mut c.config, BASE);
            c.config["process"]["user"] = json!({"uid": 70_000, "gid": 0});
            c.create_fails().map(|_| ())
        },
    )
    .needs(&[Need::Root, Need::UserNamespace]);
}

fn inside(t: &mut Table) {
    t.add(
        "host-ids",
        "config-linux.md#user-namespace-mappings: files made inside belong to the mapped ids",
        |c| {
            use_user_namespace(&mut c.config, BASE);
            let volume = c.dir.join("volume");
            fs::create_dir(&volume)?;
            std::os::unix::fs::chown(&volume, Some(BASE), Some(BASE))?;
            add_mount(
                &mut c.config,
                "/data",
                "bind",
                &volume.to_string_lossy(),
                &["rbind"],
            );
            let seen = c.attempt(&["write", "/data/file", "x"])?;
            check_eq!(seen["errno"], 0, "errno of the write");
            let meta = fs::metadata(volume.join("file"))?;
            check_eq!((meta.uid(), meta.gid()), (BASE, BASE), "owner on the host");
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::UserNamespace]);
    t.add(
        "rootfs-owner-unchanged",
        "config-linux.md#user-namespace-mappings SHOULD NOT: the runtime changes owners",
        |c| {
            use_user_namespace(&mut c.config, BASE);
            c.inspect()?;
            for path in ["", "etc", "etc/passwd", "payload", "tmp", "data"] {
                check_eq!(
                    fs::metadata(c.rootfs().join(path))?.uid(),
                    0,
                    "owner of /{path}"
                );
            }
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::UserNamespace]);
    t.add(
        "default-devices",
        "config-linux.md#default-devices MUST: the devices are there in a user namespace",
        |c| {
            use_user_namespace(&mut c.config, BASE);
            for (name, major, minor) in [
                ("null", 1, 3),
                ("zero", 1, 5),
                ("full", 1, 7),
                ("random", 1, 8),
                ("urandom", 1, 9),
            ] {
                let seen = c.attempt(&["stat", &format!("/dev/{name}")])?["value"].clone();
                check_eq!(seen["type"], "char", "type of {name}");
                check_eq!(
                    (seen["major"].as_i64(), seen["minor"].as_i64()),
                    (Some(major), Some(minor)),
                    "numbers of {name}"
                );
            }
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::UserNamespace]);
    t.add(
        "own-namespaces",
        "config-linux.md#namespaces: the user namespace owns the other new namespaces",
        |c| {
            use_user_namespace(&mut c.config, BASE);
            crate::config::grant(&mut c.config, &["CAP_SYS_ADMIN", "CAP_NET_ADMIN"]);
            let seen = c.attempts(&[
                "sethostname",
                "inner",
                ";",
                "mount",
                "tmpfs",
                "/tmp",
                "tmpfs",
            ])?;
            check_eq!(seen[0]["errno"], 0, "errno of sethostname");
            check_eq!(seen[1]["errno"], 0, "errno of mount");
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::UserNamespace]);
    t.add(
        "no-power-outside",
        "config-linux.md#namespaces: all capabilities inside give none on the host",
        |c| {
            use_user_namespace(&mut c.config, BASE);
            crate::config::grant(
                &mut c.config,
                &[
                    "CAP_SYS_ADMIN",
                    "CAP_DAC_OVERRIDE",
                    "CAP_CHOWN",
                    "CAP_MKNOD",
                ],
            );
            let volume = c.dir.join("volume");
            fs::create_dir(&volume)?;
            add_mount(
                &mut c.config,
                "/data",
                "bind",
                &volume.to_string_lossy(),
                &["rbind"],
            );
            let seen = c.attempts(&[
                "write",
                "/data/file",
                "x",
                ";",
                "mknod",
                "/tmp/null",
                "c",
                "1",
                "3",
            ])?;
            check_eq!(seen[0]["errno"], 13, "errno of the write");
            check_eq!(seen[1]["errno"], 1, "errno of mknod");
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::UserNamespace]);
    t.add(
        "mounts-in-userns",
        "config.md#mounts: the default mounts succeed in a user namespace",
        |c| {
            use_user_namespace(&mut c.config, BASE);
            let seen = c.inspect()?;
            for point in [
                "/proc",
                "/dev",
                "/dev/pts",
                "/dev/shm",
                "/dev/mqueue",
                "/sys",
            ] {
                check!(seen.mount(point).is_some(), "{point} is not mounted");
            }
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::UserNamespace]);
}

fn idmap(t: &mut Table) {
    t.add("idmap-mount", "config.md#linux-mount-options SHOULD: idmap \
             applies uidMappings and gidMappings of the mount", |c| {
        let volume = c.dir.join("volume");
        fs::create_dir(&volume)?;
        fs::write(volume.join("file"), "x")?;
        std::os::unix::fs::chown(volume.join("file"), Some(5), Some(6))?;
        push(
            &mut c.config["mounts"],
            json!({"destination": "/volume", "type": "bind", "source": volume, "options": ["bind", "idmap"],
                   "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 100}],
                   "gidMappings": [{"containerID": 0, "hostID": 2000, "size": 100}]}),
        );
        let seen = c.attempt(&["stat", "/volume/file"])?["value"].clone();
        check_eq!((seen["uid"].as_i64(), seen["gid"].as_i64()), (Some(1005), Some(2006)), "owner through the map");
        Ok(())
    })
    .needs(&[Need::Root, Need::UserNamespace])
    .newer("runtime-spec 1.1");
    t.add(
        "idmap-of-container",
        "config.md#linux-mount-options MAY: idmap without mappings takes the container's",
        |c| {
            use_user_namespace(&mut c.config, BASE);
            let volume = c.dir.join("volume");
            fs::create_dir(&volume)?;
            fs::write(volume.join("file"), "x")?;
            add_mount(
                &mut c.config,
                "/volume",
                "bind",
                &volume.to_string_lossy(),
                &["bind", "idmap"],
            );
            let output = c.try_run(&["stat", "/volume/file"])?;
            if output.code == Some(0) {
                let seen = crate::context::json_line(&output)?["value"].clone();
                check_eq!(seen["uid"], 0, "owner inside");
            }
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::UserNamespace])
    .newer("runtime-spec 1.1");
    t.add(
        "idmap-without-any-map",
        "config.md#linux-mount-options MUST: idmap with no mapping at all is an error",
        |c| {
            let volume = c.dir.join("volume");
            fs::create_dir(&volume)?;
            add_mount(
                &mut c.config,
                "/volume",
                "bind",
                &volume.to_string_lossy(),
                &["bind", "idmap"],
            );
            c.create_fails().map(|_| ())
        },
    )
    .needs(&[Need::Root])
    .newer("runtime-spec 1.1");
    t.add("idmap-half", "config.md#posix-platform-mounts MUST: \
             uidMappings are given together with gidMappings", |c| {
        let volume = c.dir.join("volume");
        fs::create_dir(&volume)?;
        push(
            &mut c.config["mounts"],
            json!({"destination": "/volume", "type": "bind", "source": volume, "options": ["bind", "idmap"],
                   "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 100}]}),
        );
        c.create_fails().map(|_| ())
    })
    .needs(&[Need::Root])
    .newer("runtime-spec 1.1");
}
