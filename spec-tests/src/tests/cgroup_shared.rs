//! Filesystems that the kernel has once for the machine or for a namespace: mounting them for a container leaves the host's as they are.

use crate::check::{Verdict, fail, skip};
use crate::config::{add_mount, remove_namespace, set_namespace, use_user_namespace};
use crate::context::{Context, json_line, poll_for};
use crate::host::{self, Need};
use crate::inside::{Mount, parse_mountinfo};
use crate::table::Table;
use crate::tests::namespaces::Holder;
use crate::view::{self, View};
use crate::{check, check_eq};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, unmount};
use serde_json::json;
use std::fs;
use std::path::PathBuf;

const HERE: &str = "/proc/self/ns/cgroup";
const FLAGS: [&str; 5] = ["nosuid", "noexec", "nodev", "relatime", "ro"];

/// Adds to the group of the control groups.
pub fn add(t: &mut Table) {
    t.group("cgroups");
    options(t);
    remounts(t);
    below(t);
    outside(t);
    joined(t);
    anothers(t);
    in_user_namespace(t);
    message_queues(t);
}

/// The host's mount at exactly `point`.
fn host_mount(point: &str) -> Verdict<Mount> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    let mut mounts = parse_mountinfo(&table).into_iter().rev();
    match mounts.find(|mount| mount.point == point) {
        Some(mount) => Ok(mount),
        None => fail(format!("nothing is mounted on {point} any more")),
    }
}

/// Only the test machine has options to lose; there the unified hierarchy is the machine's own.
fn options_to_lose() -> Verdict<String> {
    match view::cgroup2_options()? {
        none if none.is_empty() => skip("the host's cgroup2 has no options to lose"),
        options => Ok(options),
    }
}

/// A table of mounts in which that of the cgroups comes late, and long lines before it.
fn many_mounts(c: &mut Context) -> Verdict {
    for i in 0..30 {
        let dir = c.dir.join(format!("{i:0200}"));
        fs::create_dir(&dir)?;
        mount("tmpfs", &dir, "tmpfs", MountFlags::empty(), None)?;
    }
    c.enter_view(View::V2)
}

fn options(t: &mut Table) {
    for (name, path, option) in [
        ("shared-options", None, None),
        ("shared-options-joined", Some(HERE), None),
        ("shared-options-given", None, Some("memory_localevents")),
        ("shared-options-many-mounts", None, None),
    ] {
        t.add(
            name,
            "engines: a cgroup mount in the host's cgroup namespace leaves the options of the filesystem (nsdelegate) as they are",
            move |c| {
                let before = options_to_lose()?;
                if name == "shared-options-many-mounts" {
                    many_mounts(c)?;
                }
                let options: Vec<_> = FLAGS.into_iter().chain(option).collect();
                add_mount(&mut c.config, "/sys/fs/cgroup", "cgroup", "cgroup", &options);
                match path {
                    Some(_) => set_namespace(&mut c.config, "cgroup", path),
                    None => remove_namespace(&mut c.config, "cgroup"),
                }
                c.args(&["read", "/sys/fs/cgroup/cgroup.controllers"]);
                let output = c.run_somehow();
                let after = view::cgroup2_options()?;
                view::restore_cgroup2(&before, &c.bundle())?;
                let output = output?;
                check_eq!(after, before, "the host's options");
                // An option that the host has not may be refused.
                check!(option.is_some() || output.code == Some(0), "{}", output.describe("did not run"));
                Ok(())
            },
        )
        .needs(&[Need::Root, Need::CgroupV2])
        .alone();
    }
}

fn remounts(t: &mut Table) {
    for (name, own) in [("shared-remount", false), ("shared-remount-own", true)] {
        t.add(
            name,
            "engines: to remount cgroups in a container leaves the host's cgroup2 writable, and its options as they are",
            move |c| {
                let before = options_to_lose()?;
                if own {
                    set_namespace(&mut c.config, "cgroup", None);
                }
                for options in [&["rw"][..], &["remount", "ro", "nosuid"]] {
                    add_mount(&mut c.config, "/sys/fs/cgroup", "cgroup", "cgroup", options);
                }
                let seen = c.attempts(&["mkdir", "/sys/fs/cgroup/x"]);
                let after = host_mount("/sys/fs/cgroup")?;
                view::restore_cgroup2(&before, &c.bundle())?;
                check!(after.super_has("rw"), "the host's cgroup2 is {:?}", after.super_options);
                check!(
                    before.split(',').all(|o| after.super_has(o)),
                    "the host's options are {:?}, expected {before}",
                    after.super_options
                );
                check_eq!(seen?[0]["errno"], 30, "errno of mkdir");
                Ok(())
            },
        )
        .needs(&[Need::Root, Need::CgroupV2])
        .alone();
    }
}

/// Gives the entry for `target` these options.
fn mount_options(c: &mut Context, target: &str, options: &[&str]) {
    let mounts = c.config["mounts"].as_array_mut();
    for mount in mounts.into_iter().flatten() {
        if mount["destination"] == target {
            mount["options"] = json!(options);
        }
    }
}

/// A container in the host's cgroup namespace, with cgroups read-only, on a host that has mounted a cgroup once more, below; and that cgroup.
fn mount_below(c: &mut Context, shared: bool) -> Verdict<PathBuf> {
    if !host::is_v2() {
        c.enter_view(View::V2)?;
    }
    if shared {
        c.share_mounts()?;
    }
    let dir = PathBuf::from(format!("/sys/fs/cgroup/{}-below", c.tag));
    fs::create_dir(&dir)?;
    mount_bind(&dir, &dir)?;
    remove_namespace(&mut c.config, "cgroup");
    add_mount(&mut c.config, "/sys/fs/cgroup", "cgroup", "cgroup", &FLAGS);
    Ok(dir)
}

fn unmount_below(dir: &PathBuf) -> Verdict {
    unmount(dir, UnmountFlags::DETACH)?;
    Ok(fs::remove_dir(dir)?)
}

fn below(t: &mut Table) {
    for (name, user, again) in [
        ("shared-below", false, &[][..]),
        ("shared-below-user", true, &[]),
        ("shared-below-user-rrw", true, &["rrw"]),
        ("shared-below-user-remount", true, &["remount", "rw"]),
    ] {
        t.add(
            name,
            "engines: cgroups that are mounted read-only are so where the host has another mount below, too",
            move |c| {
                let dir = mount_below(c, false)?;
                if user {
                    use_user_namespace(&mut c.config, 200_000);
                    std::os::unix::fs::chown(&dir, Some(200_000), Some(200_000))?;
                }
                match again {
                    [] => {}
                    ["rrw"] => mount_options(c, "/sys/fs/cgroup", &["nosuid", "rrw"]),
                    _ => add_mount(&mut c.config, "/sys/fs/cgroup", "cgroup", "cgroup", again),
                }
                c.args(&["mkdir", &format!("{}/x", dir.display())]);
                let output = c.run_somehow();
                let made = fs::remove_dir(dir.join("x")).is_ok();
                unmount_below(&dir)?;
                check!(!made, "the container has made a cgroup of the host");
                // What contradicts itself may be refused.
                if again.is_empty() {
                    check_eq!(json_line(&output?)?["errno"], 30, "errno of mkdir");
                }
                Ok(())
            },
        )
        .needs(&[Need::Root, Need::CgroupFs, Need::UserNamespace]);
    }
}

fn outside(t: &mut Table) {
    for (name, namespace) in [
        ("shared-stays-inside", true),
        ("shared-no-mount-namespace", false),
    ] {
        t.add(
            name,
            "engines: what a container mounts or hides on its cgroups is not there on a host whose mounts are shared, and what the host has below stays",
            move |c| {
                let dir = mount_below(c, true)?;
                let linux = &mut c.config["linux"];
                if namespace {
                    linux["rootfsPropagation"] = json!("rshared");
                    linux["maskedPaths"] = json!(["/sys/fs/cgroup/cgroup.procs"]);
                    linux["readonlyPaths"] = json!(["/sys/fs/cgroup/cgroup.stat"]);
                } else {
                    linux["maskedPaths"] = json!([]);
                    linux["readonlyPaths"] = json!([]);
                    remove_namespace(&mut c.config, "mount");
                }
                let ran = c.attempts(&["read", "/sys/fs/cgroup/cgroup.controllers"]);
                let table = fs::read_to_string("/proc/self/mountinfo")?;
                let found: Vec<_> = parse_mountinfo(&table)
                    .into_iter()
                    .map(|mount| mount.point)
                    .filter(|point| point.starts_with("/sys/fs/cgroup"))
                    .collect();
                let kept = unmount_below(&dir);
                check_eq!(
                    found,
                    ["/sys/fs/cgroup".to_owned(), dir.display().to_string()],
                    "the host's mounts"
                );
                kept?;
                check_eq!(ran?[0]["errno"], 0, "errno of the read");
                Ok(())
            },
        )
        .needs(&[Need::Root, Need::CgroupFs]);
    }
}

fn joined(t: &mut Table) {
    t.add(
        "shared-joined",
        "cgroup_namespaces(7): a cgroup mount shows the hierarchy from the root of the namespace that was joined",
        |c| {
            if !host::is_v2() {
                c.enter_view(View::V2)?;
            }
            set_namespace(&mut c.config, "cgroup", Some(HERE));
            add_mount(&mut c.config, "/sys/fs/cgroup", "cgroup", "cgroup", &FLAGS);
            let mount = c.inspect()?.mount("/sys/fs/cgroup").unwrap_or_default();
            check_eq!(mount.root, "/", "the folder that is mounted");
            check_eq!(mount.kind, "cgroup2", "its type");
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::CgroupFs, Need::CgroupNamespace]);
}

/// A process in a cgroup namespace whose root is `name`.
fn holder_in(c: &Context, name: &str) -> Verdict<Holder> {
    const CLONE_NEWCGROUP: u32 = 0x0200_0000;
    let own = fs::read_to_string("/proc/self/cgroup")?;
    let Some(own) = crate::inside::cgroup_path(&own, "") else {
        return fail(format!("no unified hierarchy in {own:?}"));
    };
    let enter = |dir: &str| fs::write(format!("/sys/fs/cgroup{dir}/cgroup.procs"), "0");
    fs::create_dir(format!("/sys/fs/cgroup/{name}"))?;
    enter(&format!("/{name}"))?;
    let holder = Holder::new(c, CLONE_NEWCGROUP);
    enter(&own)?;
    holder
}

fn anothers(t: &mut Table) {
    for (name, user, twice) in [
        ("shared-joined-another", false, false),
        ("shared-joined-another-twice", false, true),
        ("shared-joined-another-user", true, false),
    ] {
        t.add(
            name,
            "cgroup_namespaces(7): whoever joins a container's cgroup namespace sees nothing of the host's hierarchy outside",
            move |c| {
                if !host::is_v2() {
                    c.enter_view(View::V2)?;
                }
                let cgroup = format!("{}-holder", c.tag);
                let holder = holder_in(c, &cgroup)?;
                set_namespace(&mut c.config, "cgroup", Some(&holder.path("cgroup")));
                if user {
                    use_user_namespace(&mut c.config, 200_000);
                }
                for _ in 0..=usize::from(twice) {
                    add_mount(&mut c.config, "/sys/fs/cgroup", "cgroup", "cgroup", &["rw"]);
                }
                let seen = c.attempt(&["list", "/sys/fs/cgroup"]);
                drop(holder);
                let dir = format!("/sys/fs/cgroup/{cgroup}");
                poll_for("the holder's end", || fs::remove_dir(&dir).ok())?;
                let names = seen?["value"].clone();
                let has = |name: &str| names.as_array().is_some_and(|all| all.iter().any(|n| *n == json!(name)));
                check!(has("cgroup.procs"), "no cgroup there: {names}");
                check!(!has(&cgroup), "the host's cgroups are there: {names}");
                Ok(())
            },
        )
        .needs(&[Need::Root, Need::CgroupFs, Need::CgroupNamespace, Need::UserNamespace]);
    }
}

fn message_queues(t: &mut Table) {
    t.add(
        "shared-mqueue-joined",
        "engines: who joins an IPC namespace gets its message queues or none, not the host's",
        |c| {
            const CLONE_NEWIPC: u32 = 0x0800_0000;
            if host_mount("/dev/mqueue").is_err() {
                return skip("the host has no /dev/mqueue");
            }
            let holder = Holder::new(c, CLONE_NEWIPC)?;
            set_namespace(&mut c.config, "ipc", Some(&holder.path("ipc")));
            use_user_namespace(&mut c.config, 200_000);
            let queue = format!("/dev/mqueue/{}", c.tag);
            c.args(&["write", &queue, ""]);
            c.run_somehow()?;
            check!(fs::remove_file(&queue).is_err(), "{queue} is on the host");
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::UserNamespace]);
}

fn in_user_namespace(t: &mut Table) {
    t.add(
        "shared-sysfs-user",
        "engines: the host's /sys in place of a new one has its flags on everything below, and hears nothing of the host",
        |c| {
            // Covered in part, as in a container: the kernel gives no new one then, whoever owns the network.
            mount("tmpfs", "/sys/firmware", "tmpfs", MountFlags::empty(), Some(c"mode=700"))?;
            c.share_mounts()?;
            use_user_namespace(&mut c.config, 200_000);
            mount_options(c, "/sys", &["nosuid", "noexec", "nodev", "ro", "noatime", "nodiratime"]);
            // What is mounted below is then the host's alone.
            c.config["linux"]["maskedPaths"] = json!([]);
            c.config["linux"]["readonlyPaths"] = json!([]);
            for network in [true, false] {
                if !network {
                    remove_namespace(&mut c.config, "network");
                }
                let mounts = c.inspect()?.mounts();
                let found: Vec<_> = mounts.iter().filter(|m| m.point.starts_with("/sys")).collect();
                for mount in &found {
                    for flag in ["ro", "nosuid", "noexec", "nodev"] {
                        check!(mount.has(flag), "{} has {:?}", mount.point, mount.options);
                    }
                    check_eq!(mount.propagation.len(), 0, "propagation of {}", mount.point);
                }
                check!(found.iter().any(|m| m.point == "/sys/firmware"), "/sys is {found:?}");
            }
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::UserNamespace]);
}
