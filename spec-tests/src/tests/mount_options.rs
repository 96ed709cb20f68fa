//! Every mount option of the specification's table. config.md#linux-mount-options.

use crate::config::add_mount;
use crate::host::Need;
use crate::inside::Mount;
use crate::table::Table;
use crate::{check, check_eq};

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("mount-options");
    flags(t);
    recursive(t);
    remounts(t);
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

fn remounts(t: &mut Table) {
    t.add(
        "ro-covered",
        "config.md#mounts MUST: what is mounted over a read-only mount, or above it, has its own options",
        |c| {
            for (place, options) in [
                ("/t", &["ro"][..]),
                ("/t", &[]),
                ("/u/v", &["ro"]),
                ("/u", &[]),
            ] {
                add_mount(&mut c.config, place, "tmpfs", "tmpfs", options);
            }
            let seen = c.inspect()?;
            for point in ["/t", "/u"] {
                let mount = seen.mount(point).unwrap_or_default();
                check!(mount.has("rw"), "{point} has {:?}", mount.options);
            }
            let below = seen.mounts().into_iter().find(|mount| mount.point == "/t");
            let below = below.unwrap_or_default();
            check!(below.has("ro"), "what is covered has {:?}", below.options);
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "remount-recursive",
        "config.md#linux-mount-options: recursive and propagation options count for a remount too",
        |c| {
            let volume = c.nested_volume()?;
            let path = volume.to_string_lossy();
            add_mount(&mut c.config, "/volume", "bind", &path, &["rbind"]);
            let options = ["bind", "remount", "nosuid", "rro", "rshared"];
            add_mount(&mut c.config, "/volume", "none", "", &options);
            let seen = c.inspect();
            c.drop_nested_volume()?;
            let seen = seen?;
            for point in ["/volume", "/volume/inner"] {
                let mount = seen.mount(point).unwrap_or_default();
                check!(mount.has("ro"), "{point} has {:?}", mount.options);
                check!(mount.is_shared(), "{point} is {:?}", mount.propagation);
                let nosuid = mount.has("nosuid");
                check_eq!(nosuid, point == "/volume", "nosuid at {point}");
            }
            Ok(())
        },
    )
    .needs(&[Need::Root])
    .newer("runtime-spec 1.1");
    t.add(
        "remount-file",
        "config.md#linux-mount-options MUST: remount of what is mounted on a file",
        |c| {
            let file = c.volume("volume")?.join("file");
            std::fs::write(&file, "x")?;
            add_mount(
                &mut c.config,
                "/file",
                "bind",
                &file.to_string_lossy(),
                &["bind"],
            );
            add_mount(
                &mut c.config,
                "/file",
                "none",
                "",
                &["bind", "remount", "ro"],
            );
            let mount = c.inspect()?.mount("/file").unwrap_or_default();
            check!(mount.has("ro"), "the mount has {:?}", mount.options);
            Ok(())
        },
    )
    .needs(&[Need::Root]);
}
