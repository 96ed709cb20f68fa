//! Every mount option of the specification's table. config.md#linux-mount-options.

use crate::config::{add_mount, push};
use crate::context::Context;
use crate::host::Need;
use crate::inside::Mount;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::json;
use std::fs;

/// Adds the groups.
pub fn add(t: &mut Table) {
    t.group("mount-options");
    flags(t);
    recursive(t);
    enforced(t);
    special(t);
    t.group("propagation");
    propagation(t);
}

/// Options in their order, what mountinfo must then show, and what it must not show.
type Row = (
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static str],
);

const ON_TMPFS: [Row; 34] = [
    (&["defaults"], &["rw"], &["ro", "nosuid", "nodev", "noexec"]),
    (&["ro"], &["ro"], &["rw"]),
    (&["ro", "rw"], &["rw"], &["ro"]),
    (&["rw"], &["rw"], &["ro"]),
    (&["nosuid"], &["nosuid"], &[]),
    (&["nosuid", "suid"], &[], &["nosuid"]),
    (&["suid"], &[], &["nosuid"]),
    (&["nodev"], &["nodev"], &[]),
    (&["nodev", "dev"], &[], &["nodev"]),
    (&["dev"], &[], &["nodev"]),
    (&["noexec"], &["noexec"], &[]),
    (&["noexec", "exec"], &[], &["noexec"]),
    (&["exec"], &[], &["noexec"]),
    (&["noatime"], &["noatime"], &["relatime"]),
    (&["noatime", "atime"], &[], &["noatime"]),
    (&["atime"], &[], &["noatime"]),
    (&["nodiratime"], &["nodiratime"], &[]),
    (&["nodiratime", "diratime"], &[], &["nodiratime"]),
    (&["diratime"], &[], &["nodiratime"]),
    (&["relatime"], &["relatime"], &["noatime"]),
    (&["norelatime"], &[], &["noatime"]),
    (&["strictatime"], &[], &["relatime", "noatime"]),
    (&["nostrictatime"], &[], &["noatime"]),
    (&["sync"], &["sync"], &[]),
    (&["sync", "async"], &[], &["sync"]),
    (&["async"], &[], &["sync"]),
    (&["dirsync"], &["dirsync"], &[]),
    (&["lazytime"], &["lazytime"], &[]),
    (&["lazytime", "nolazytime"], &[], &["lazytime"]),
    (&["nolazytime"], &[], &["lazytime"]),
    (&["iversion", "noiversion"], &[], &[]),
    (&["silent"], &[], &[]),
    (&["loud"], &[], &[]),
    (&["silent", "loud"], &[], &[]),
];

const ON_BIND: [Row; 14] = [
    (&["ro"], &["ro"], &["rw"]),
    (&["rw"], &["rw"], &["ro"]),
    (&["nosuid"], &["nosuid"], &[]),
    (&["suid"], &[], &["nosuid"]),
    (&["nodev"], &["nodev"], &[]),
    (&["dev"], &[], &["nodev"]),
    (&["noexec"], &["noexec"], &[]),
    (&["exec"], &[], &["noexec"]),
    (&["noatime"], &["noatime"], &["relatime"]),
    (&["nodiratime"], &["nodiratime"], &[]),
    (&["relatime"], &["relatime"], &["noatime"]),
    (&["strictatime"], &[], &["relatime", "noatime"]),
    (
        &["ro", "nosuid", "nodev", "noexec", "noatime"],
        &["ro", "nosuid", "nodev", "noexec", "noatime"],
        &[],
    ),
    (&["defaults"], &["rw"], &["ro"]),
];

fn verify(mount: &Mount, row: &Row) -> crate::check::Verdict {
    let (given, shown, hidden) = row;
    let all: Vec<&String> = mount.options.iter().chain(&mount.super_options).collect();
    for option in *shown {
        let seen = if *option == "ro" || *option == "rw" {
            mount.has(option)
        } else {
            all.iter().any(|o| o == option)
        };
        check!(
            seen,
            "with {given:?} the mount has {:?} and {:?}, not {option}",
            mount.options,
            mount.super_options
        );
    }
    for option in *hidden {
        let seen = if *option == "ro" || *option == "rw" {
            mount.has(option)
        } else {
            all.iter().any(|o| o == option)
        };
        check!(
            !seen,
            "with {given:?} the mount has {option}: {:?} and {:?}",
            mount.options,
            mount.super_options
        );
    }
    Ok(())
}

fn level(option: &str) -> &'static str {
    if option.contains("symfollow") {
        "SHOULD"
    } else {
        "MUST"
    }
}

fn is_new(options: &[&str]) -> bool {
    let old = [
        "iversion",
        "noiversion",
        "lazytime",
        "nolazytime",
        "silent",
        "loud",
        "symfollow",
        "nosymfollow",
    ];
    options.iter().any(|option| old.contains(option))
}

fn flags(t: &mut Table) {
    for row in ON_TMPFS {
        let name = row.0.join("-");
        let requirement = format!(
            "config.md#linux-mount-options {}: {} on a tmpfs",
            level(row.0[0]),
            row.0.join(", ")
        );
        let test = t.add(name, requirement, move |c| {
            add_mount(&mut c.config, "/t", "tmpfs", "tmpfs", row.0);
            verify(&c.inspect()?.mount("/t").unwrap_or_default(), &row)
        });
        test.needs(&[Need::Root]);
        if is_new(row.0) {
            test.newer("runtime-spec 1.1");
        }
    }
    for row in ON_BIND {
        let name = format!("bind-{}", row.0.join("-"));
        let requirement = format!(
            "config.md#linux-mount-options MUST: {} on a bind mount",
            row.0.join(", ")
        );
        t.add(name, requirement, move |c| {
            let volume = c.volume("volume")?;
            let mut options = vec!["bind"];
            options.extend_from_slice(row.0);
            add_mount(
                &mut c.config,
                "/volume",
                "bind",
                &volume.to_string_lossy(),
                &options,
            );
            verify(&c.inspect()?.mount("/volume").unwrap_or_default(), &row)
        })
        .needs(&[Need::Root]);
    }
    t.add(
        "iversion",
        "config.md#linux-mount-options MUST: iversion is known",
        |c| {
            add_mount(&mut c.config, "/t", "tmpfs", "tmpfs", &["iversion"]);
            let output = c.try_run(&["exit", "0"])?;
            // tmpfs may refuse the flag; it may not be handed to it as unknown text.
            check!(
                !output.stderr.contains("unknown"),
                "{}",
                output.describe("does not know the option")
            );
            output.success().map(|_| ())
        },
    )
    .needs(&[Need::Root])
    .newer("runtime-spec 1.1");
    for (option, shown) in [("nosymfollow", true), ("symfollow", false)] {
        t.add(
            option,
            "config.md#linux-mount-options SHOULD: nosymfollow and symfollow",
            move |c| {
                add_mount(&mut c.config, "/t", "tmpfs", "tmpfs", &[option]);
                let mount = c.inspect()?.mount("/t").unwrap_or_default();
                check_eq!(
                    mount.has("nosymfollow"),
                    shown,
                    "nosymfollow in {:?}",
                    mount.options
                );
                Ok(())
            },
        )
        .needs(&[Need::Root])
        .newer("runtime-spec 1.1");
    }
}

/// Recursive options, and whether mountinfo of the inner mount must show `flag`.
const RECURSIVE: [(&[&str], &str, bool); 18] = [
    (&["rro"], "ro", true),
    (&["rrw"], "ro", false),
    (&["rnosuid"], "nosuid", true),
    (&["rsuid"], "nosuid", false),
    (&["rnodev"], "nodev", true),
    (&["rdev"], "nodev", false),
    (&["rnoexec"], "noexec", true),
    (&["rexec"], "noexec", false),
    (&["rnoatime"], "noatime", true),
    (&["ratime"], "noatime", false),
    (&["rnodiratime"], "nodiratime", true),
    (&["rdiratime"], "nodiratime", false),
    (&["rrelatime"], "relatime", true),
    (&["rstrictatime"], "relatime", false),
    (&["rnostrictatime"], "noatime", false),
    (&["rnorelatime"], "noatime", false),
    (&["rnosymfollow"], "nosymfollow", true),
    (&["rsymfollow"], "nosymfollow", false),
];

fn recursive(t: &mut Table) {
    for (options, flag, shown) in RECURSIVE {
        let name = options.join("-");
        let requirement =
            format!("config.md#linux-mount-options SHOULD: {name} reaches the mounts below");
        t.add(name, requirement, move |c| {
            let volume = c.nested_volume()?;
            let mut all = vec!["rbind"];
            all.extend_from_slice(options);
            add_mount(
                &mut c.config,
                "/volume",
                "bind",
                &volume.to_string_lossy(),
                &all,
            );
            let seen = c.inspect();
            c.drop_nested_volume()?;
            let seen = seen?;
            for point in ["/volume", "/volume/inner"] {
                let mount = seen.mount(point).unwrap_or_default();
                check_eq!(
                    mount.has(flag),
                    shown,
                    "{flag} at {point} in {:?}",
                    mount.options
                );
            }
            Ok(())
        })
        .needs(&[Need::Root])
        .newer("runtime-spec 1.1");
    }
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
    t.add("slave-receives", "config.md#linux-mount-options MUST: an rslave mount shows what is mounted on the host later", |c| {
        let volume = shared_volume(c)?;
        add_mount(&mut c.config, "/volume", "bind", &volume.to_string_lossy(), &["rbind", "rslave"]);
        c.launch(&["await-file", "/data/go", ";", "list", "/volume/later"])?;
        let later = volume.join("later");
        fs::create_dir(&later)?;
        rustix::mount::mount("tmpfs", &later, "tmpfs", rustix::mount::MountFlags::empty(), None)?;
        fs::write(later.join("arrived"), "")?;
        fs::write(c.rootfs().join("data/go"), "")?;
        let line = c.await_line();
        rustix::mount::unmount(&later, rustix::mount::UnmountFlags::DETACH)?;
        rustix::mount::unmount(&volume, rustix::mount::UnmountFlags::DETACH)?;
        check_eq!(line?["value"], json!(["arrived"]), "what the container sees");
        c.await_status("stopped")?;
        c.delete()
    })
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
            rustix::mount::mount_change(
                "/",
                rustix::mount::MountPropagationFlags::SHARED
                    | rustix::mount::MountPropagationFlags::REC,
            )?;
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
            rustix::mount::mount_change(
                "/",
                rustix::mount::MountPropagationFlags::SHARED
                    | rustix::mount::MountPropagationFlags::REC,
            )?;
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
fn shared_volume(c: &Context) -> crate::check::Verdict<std::path::PathBuf> {
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
