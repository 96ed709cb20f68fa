//! Propagation of mounts and of the root. config.md#linux-mount-options, config-linux.md#rootfs-mount-propagation.

use crate::config::add_mount;
use crate::context::Context;
use crate::host::Need;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::json;
use std::fs;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("propagation");
    propagation(t);
}

/// Whether the mount must be shared, a slave, unbindable.
const PROPAGATION: [(&str, [bool; 3]); 8] = [
    ("private", [false, false, false]),
    ("rprivate", [false, false, false]),
    ("shared", [true, false, false]),
    ("rshared", [true, false, false]),
    ("slave", [false, true, false]),
    ("rslave", [false, true, false]),
    ("unbindable", [false, false, true]),
    ("runbindable", [false, false, true]),
];

fn propagation(t: &mut Table) {
    for (option, expected) in PROPAGATION {
        let requirement = format!(
            "config.md#linux-mount-options MUST: {option} sets the propagation of a bind mount"
        );
        t.add(format!("mount-{option}"), requirement, move |c| {
            let volume = shared_volume(c)?;
            add_mount(
                &mut c.config,
                "/volume",
                "bind",
                &volume.to_string_lossy(),
                &["rbind", option],
            );
            let seen = c.inspect();
            rustix::mount::unmount(&volume, rustix::mount::UnmountFlags::DETACH)?;
            let mount = seen?.mount("/volume").unwrap_or_default();
            let is = [mount.is_shared(), mount.is_slave(), mount.is_unbindable()];
            if option.ends_with("shared") {
                check!(is[0], "propagation is {:?}", mount.propagation);
            } else {
                check_eq!(
                    is,
                    expected,
                    "shared, slave, unbindable of {:?}",
                    mount.propagation
                );
            }
            Ok(())
        })
        .needs(&[Need::Root]);
    }
    t.add(
        "slave-receives",
        "config.md#linux-mount-options MUST: an rslave \
             mount shows what is mounted on the host later",
        |c| {
            let volume = shared_volume(c)?;
            add_mount(
                &mut c.config,
                "/volume",
                "bind",
                &volume.to_string_lossy(),
                &["rbind", "rslave"],
            );
            c.launch(&["await-file", "/data/go", ";", "list", "/volume/later"])?;
            let later = volume.join("later");
            fs::create_dir(&later)?;
            rustix::mount::mount(
                "tmpfs",
                &later,
                "tmpfs",
                rustix::mount::MountFlags::empty(),
                None,
            )?;
            fs::write(later.join("arrived"), "")?;
            fs::write(c.rootfs().join("data/go"), "")?;
            let line = c.await_line();
            rustix::mount::unmount(&later, rustix::mount::UnmountFlags::DETACH)?;
            rustix::mount::unmount(&volume, rustix::mount::UnmountFlags::DETACH)?;
            check_eq!(
                line?["value"],
                json!(["arrived"]),
                "what the container sees"
            );
            c.await_status("stopped")?;
            c.delete()
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "private-does-not-leak",
        "config.md#linux-mount-options MUST: mounts made inside stay inside",
        |c| {
            let volume = shared_volume(c)?;
            add_mount(
                &mut c.config,
                "/volume",
                "bind",
                &volume.to_string_lossy(),
                &["rbind", "rprivate"],
            );
            crate::config::grant(&mut c.config, &["CAP_SYS_ADMIN"]);
            let seen = c.attempt(&["mount", "tmpfs", "/volume", "tmpfs"]);
            let table = fs::read_to_string("/proc/self/mountinfo")?;
            rustix::mount::unmount(&volume, rustix::mount::UnmountFlags::DETACH)?;
            check_eq!(seen?["errno"], 0, "errno of mount");
            let count = table
                .lines()
                .filter(|line| line.contains("/volume "))
                .count();
            check_eq!(count, 1, "mounts at the volume on the host");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    for (value, expected) in [
        ("private", [false, false, false]),
        ("rprivate", [false, false, false]),
        ("slave", [false, true, false]),
        ("rslave", [false, true, false]),
        ("shared", [true, false, false]),
        ("rshared", [true, false, false]),
        ("unbindable", [false, false, true]),
    ] {
        let requirement = if value.starts_with('r') {
            format!("engines: rootfsPropagation {value}")
        } else {
            format!("config-linux.md#rootfs-mount-propagation: rootfsPropagation {value}")
        };
        t.add(format!("rootfs-{value}"), requirement, move |c| {
            // The host's mounts must be shared, or there is nothing to be a slave of.
            c.share_mounts()?;
            c.config["linux"]["rootfsPropagation"] = json!(value);
            let mount = c.inspect()?.mount("/").unwrap_or_default();
            let is = [mount.is_shared(), mount.is_slave(), mount.is_unbindable()];
            if value.ends_with("shared") {
                check!(is[0], "propagation of / is {:?}", mount.propagation);
            } else {
                check_eq!(
                    is,
                    expected,
                    "shared, slave, unbindable of {:?}",
                    mount.propagation
                );
            }
            Ok(())
        })
        .needs(&[Need::Root]);
    }
    t.add(
        "rootfs-default-does-not-leak",
        "config-linux.md#rootfs-mount-propagation: without it no mount reaches the host",
        |c| {
            c.share_mounts()?;
            crate::config::grant(&mut c.config, &["CAP_SYS_ADMIN"]);
            let seen = c.attempt(&["mount", "tmpfs", "/data", "tmpfs"])?;
            check_eq!(seen["errno"], 0, "errno of mount");
            let table = fs::read_to_string("/proc/self/mountinfo")?;
            check!(!table.contains("/rootfs/data "), "the mount is on the host");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "unknown",
        "config.md#valid-values MUST: an unknown rootfsPropagation is an error",
        |c: &mut Context| {
            c.config["linux"]["rootfsPropagation"] = json!("sideways");
            c.create_fails().map(|_| ())
        },
    );
}

/// A volume that is a shared mount of its own.
pub fn shared_volume(c: &Context) -> crate::check::Verdict<std::path::PathBuf> {
    let volume = c.volume("volume")?;
    rustix::mount::mount(
        "tmpfs",
        &volume,
        "tmpfs",
        rustix::mount::MountFlags::empty(),
        None,
    )?;
    rustix::mount::mount_change(&volume, rustix::mount::MountPropagationFlags::SHARED)?;
    Ok(volume)
}
