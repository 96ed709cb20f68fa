//! Races. While containers start, a thread of the host exchanges a folder or file of the image or of a shared volume with a link to the sentinel, as
//! fast as it can: whatever the runtime looks up twice, it finds changed. A container may be refused; it may not reach the host.

use crate::check::{Verdict, fail};
use crate::config::{add_mount, push};
use crate::context::{Context, json_line};
use crate::host::Need;
use crate::inside::{Inside, parse_mountinfo};
use crate::runtime::Output;
use crate::sentinel::{MARK, Sentinel};
use crate::table::Table;
use crate::terminal::ConsoleSocket;
use crate::{check, check_eq};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("security");
    volumes(t);
    filesystems(t);
    masks(t);
    devices(t);
    folders(t);
}

/// A thread that exchanges two names until it is dropped.
struct Swapper {
    stop: Arc<AtomicBool>,
    swaps: Arc<AtomicU64>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Swapper {
    fn start(a: PathBuf, b: PathBuf) -> Swapper {
        let (stop, swaps) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (stopped, count) = (stop.clone(), swaps.clone());
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                for _ in 0..8 {
                    if renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).is_ok() {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
                // Look-ups of the runtime should fall on both states, not only fail.
                std::thread::sleep(Duration::from_micros(20));
            }
        });
        Swapper {
            stop,
            swaps,
            thread: Some(thread),
        }
    }

    fn swaps(&self) -> u64 {
        self.swaps.load(Ordering::Relaxed)
    }
}

impl Drop for Swapper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Runs one container again and again while `names` are exchanged. `one` runs it and tells whether it came to be.
fn race(
    c: &mut Context,
    names: [PathBuf; 2],
    mut one: impl FnMut(&mut Context, u64) -> Verdict<bool>,
) -> Verdict {
    let (wanted_runs, wanted_swaps) = if c.full { (500, 20_000) } else { (25, 1000) };
    let sentinel = Sentinel::new(c)?;
    let [a, b] = names;
    let swapper = Swapper::start(a, b);
    let (mut runs, mut made) = (0, 0);
    while runs < wanted_runs || swapper.swaps() < wanted_swaps {
        made += u64::from(one(c, runs)?);
        sentinel.unchanged()?;
        crate::reaper::reap();
        runs += 1;
        if runs > 20 * wanted_runs {
            return fail("nothing could be exchanged");
        }
    }
    c.note = format!("{runs} runs, {made} made, {} swaps", swapper.swaps());
    Ok(())
}

/// A run in the foreground that shows nothing of the sentinel.
fn run_blind(c: &mut Context) -> Verdict<Output> {
    let output = c.run_somehow()?;
    check!(
        !output.stdout.contains(MARK) && !output.stdout.contains("\"sentinel\""),
        "{}",
        output.describe("shows the host")
    );
    Ok(output)
}

/// A folder `name` and a link `name-link` to the sentinel beside it.
fn folder_and_link(c: &Context, parent: &Path, name: &str) -> Verdict<[PathBuf; 2]> {
    let names = [parent.join(name), parent.join(format!("{name}-link"))];
    fs::create_dir_all(&names[0])?;
    symlink(Sentinel::new(c)?.dir, &names[1])?;
    Ok(names)
}

/// A container that has the volume, too, for as long as the race takes: as in the attack on CVE-2021-30465.
fn holder(c: &mut Context) -> Verdict {
    let args = std::mem::replace(
        &mut c.config["process"]["args"],
        json!(["/payload", "pause"]),
    );
    let mounts = c.config["mounts"].clone();
    if let Some(all) = c.config["mounts"].as_array_mut() {
        all.retain(|mount| {
            !mount["destination"]
                .as_str()
                .unwrap_or_default()
                .starts_with("/volume/")
        });
    }
    let cgroup = c.config["linux"]["cgroupsPath"].clone();
    if let Some(path) = cgroup.as_str() {
        c.config["linux"]["cgroupsPath"] = json!(format!("{path}-holder"));
    }
    c.write_config()?;
    let (id, bundle) = (
        format!("{}-holder", c.tag),
        c.bundle().to_string_lossy().into_owned(),
    );
    c.call(&["run", "--detach", "--bundle", &bundle, &id])?
        .success()?;
    c.config["process"]["args"] = args;
    c.config["mounts"] = mounts;
    c.config["linux"]["cgroupsPath"] = cgroup;
    Ok(())
}

fn volumes(t: &mut Table) {
    for kind in ["tmpfs", "bind", "bind-file"] {
        t.add(
            format!("cve-2021-30465-race-{kind}"),
            "CVE-2021-30465: a mount in a shared volume lands in the container, whoever exchanges its destination for a link",
            move |c| {
                let shared = c.volume("shared")?;
                let names = folder_and_link(c, &shared, "x")?;
                let other = c.volume("other")?;
                let other = other.to_string_lossy();
                add_mount(&mut c.config, "/volume", "bind", &shared.to_string_lossy(), &["rbind"]);
                match kind {
                    "tmpfs" => add_mount(&mut c.config, "/volume/x", "tmpfs", "tmpfs", &[]),
                    "bind" => add_mount(&mut c.config, "/volume/x/sub", "bind", &other, &["rbind"]),
                    _ => add_mount(&mut c.config, "/volume/x/file", "bind", &format!("{other}/file"), &["bind"]),
                }
                holder(c)?;
                c.args(&["list", "/volume/x", ";", "read", "/volume/x/file"]);
                race(c, names, |c, _| Ok(run_blind(c)?.code == Some(0)))
            },
        )
        .needs(&[Need::Root])
        .seconds(200);
    }
    t.add(
        "cve-2024-45310-race-folders",
        "CVE-2024-45310: folders for a mount are made in the volume, never on the host",
        |c| {
            let shared = c.volume("shared")?;
            let names = folder_and_link(c, &shared, "x")?;
            add_mount(
                &mut c.config,
                "/volume",
                "bind",
                &shared.to_string_lossy(),
                &["rbind"],
            );
            let mounts = c.config["mounts"].clone();
            race(c, names, move |c, n| {
                c.config["mounts"] = mounts.clone();
                add_mount(
                    &mut c.config,
                    &format!("/volume/x/made-{n}/a/b"),
                    "tmpfs",
                    "tmpfs",
                    &[],
                );
                Ok(run_blind(c)?.code == Some(0))
            })
        },
    )
    .needs(&[Need::Root])
    .seconds(200);
    t.add(
        "cve-2024-45310-race-file",
        "CVE-2024-45310: nor is the empty file for a bind mount",
        |c| {
            let shared = c.volume("shared")?;
            let names = folder_and_link(c, &shared, "x")?;
            let source = shared.join("file").to_string_lossy().into_owned();
            add_mount(
                &mut c.config,
                "/volume",
                "bind",
                &shared.to_string_lossy(),
                &["rbind"],
            );
            let mounts = c.config["mounts"].clone();
            race(c, names, move |c, n| {
                c.config["mounts"] = mounts.clone();
                add_mount(
                    &mut c.config,
                    &format!("/volume/x/made-{n}"),
                    "bind",
                    &source,
                    &["bind"],
                );
                Ok(run_blind(c)?.code == Some(0))
            })
        },
    )
    .needs(&[Need::Root])
    .seconds(200);
}

fn filesystems(t: &mut Table) {
    for name in ["proc", "sys"] {
        t.add(
            format!("cve-2023-27561-race-{name}"),
            format!("CVE-2019-19921, CVE-2023-27561, CVE-2023-28642: /{name} never goes where a link leads, nor is a parameter written to a fake"),
            move |c| {
                let fake = c.rootfs().join("fake/sys/kernel");
                fs::create_dir_all(&fake)?;
                fs::create_dir_all(c.rootfs().join("fake/self/attr"))?;
                let parameter = fake.join("shm_rmid_forced");
                fs::write(&parameter, "fake")?;
                symlink("/fake", c.rootfs().join("link"))?;
                c.config["linux"]["sysctl"] = json!({"kernel.shm_rmid_forced": "1"});
                let hidden = if name == "proc" { "keys" } else { "firmware" };
                c.config["linux"]["maskedPaths"] = json!([format!("/{name}/{hidden}")]);
                c.args(&["inspect"]);
                let names = [c.rootfs().join(name), c.rootfs().join("link")];
                race(c, names, move |c, _| {
                    let output = run_blind(c)?;
                    if output.code == Some(0) {
                        let seen = Inside(json_line(&output)?);
                        let wrong = seen.mounts().into_iter().find(|m| m.point.starts_with("/fake"));
                        check!(wrong.is_none(), "{name} was mounted behind the link: {wrong:?}");
                        // What hides a part of it is there, whatever its place is called at this moment. Whoever finds a link there sees no table.
                        let mounts = seen.mounts();
                        let hides = mounts.iter().any(|m| m.point.ends_with(&format!("/{hidden}")));
                        check!(hides || mounts.is_empty(), "{hidden} is not masked");
                    }
                    check_eq!(fs::read_to_string(&parameter)?, "fake", "the fake parameter");
                    Ok(output.code == Some(0))
                })
            },
        )
        .needs(&[Need::Root])
        .seconds(200);
    }
}

fn masks(t: &mut Table) {
    t.add(
        "mask-copies-race",
        "CVE-2025-31133 class: what hides a path is empty, also where somebody exchanges the place of the first that is hidden",
        |c| {
            let folder = c.rootfs().join("data");
            fs::create_dir_all(folder.join("hidden"))?;
            symlink("/proc", folder.join("link"))?;
            c.config["linux"]["maskedPaths"] = json!(["/data/hidden", "/sys/firmware"]);
            c.args(&["inspect"]);
            let names = [folder.join("hidden"), folder.join("link")];
            race(c, names, move |c, _| {
                let output = run_blind(c)?;
                if output.code == Some(0) {
                    let mounts = Inside(json_line(&output)?).mounts();
                    let wrong = mounts.into_iter().find(|m| m.point == "/sys/firmware" && m.kind != "tmpfs");
                    check!(wrong.is_none(), "/sys/firmware is hidden by {wrong:?}");
                }
                Ok(output.code == Some(0))
            })
        },
    )
    .needs(&[Need::Root])
    .seconds(200);
}

fn devices(t: &mut Table) {
    t.add(
        "cve-2025-31133-race",
        "CVE-2025-31133, CVE-2025-62161: what masks a file is the null device, whoever exchanges the image's",
        |c| {
            c.without_dev_mount();
            let names = [c.rootfs().join("dev/null"), c.rootfs().join("dev/evil")];
            make_null(&names[0])?;
            symlink("/data/attack", &names[1])?;
            fs::write(c.rootfs().join("data/attack"), "attack")?;
            fs::write(c.rootfs().join("data/secret"), "secret")?;
            c.config["linux"]["maskedPaths"] = json!(["/data/secret"]);
            c.args(&["stat", "/data/secret"]);
            race(c, names, |c, _| {
                let output = run_blind(c)?;
                // A runtime that opened the image's /dev/null as standard output printed elsewhere.
                if output.code == Some(0) && !output.stdout.is_empty() {
                    let seen = json_line(&output)?["value"].clone();
                    let seen = (seen["type"].as_str(), seen["major"].as_i64(), seen["minor"].as_i64());
                    check_eq!(seen, (Some("char"), Some(1), Some(3)), "what masks");
                }
                Ok(output.code == Some(0))
            })
        },
    )
    .needs(&[Need::Root])
    .seconds(200);
    t.add(
        "masked-race",
        "maskedPaths and readonlyPaths are not led to the host by an exchange",
        |c| {
            let names = folder_and_link(c, &c.rootfs().join("data"), "x")?;
            fs::write(names[0].join("file"), "image")?;
            c.config["linux"]["maskedPaths"] = json!(["/data/x/file", "/data/x"]);
            c.config["linux"]["readonlyPaths"] = json!(["/data/x/sub", "/data/x"]);
            c.args(&["read", "/data/x/file"]);
            race(c, names, |c, _| Ok(run_blind(c)?.code == Some(0)))
        },
    )
    .needs(&[Need::Root])
    .seconds(200);
    t.add(
        "cve-2015-3627-race-device",
        "CVE-2015-3627 class: a device node is made in the image, never on the host",
        |c| {
            let names = folder_and_link(c, &c.rootfs().join("data"), "x")?;
            race(c, names, |c, n| {
                c.config["linux"]["devices"] =
                    json!([{"path": format!("/data/x/node-{n}"), "type": "c", "major": 1, "minor": 3}]);
                Ok(run_blind(c)?.code == Some(0))
            })
        },
    )
    .needs(&[Need::Root])
    .seconds(200);
    t.add(
        "cve-2025-52565-race",
        "CVE-2025-52565: the terminal goes on the image's /dev/console, never where a link leads",
        |c| {
            c.without_dev_mount();
            add_mount(
                &mut c.config,
                "/dev/pts",
                "devpts",
                "devpts",
                &[
                    "nosuid",
                    "noexec",
                    "newinstance",
                    "ptmxmode=0666",
                    "mode=0620",
                    "gid=5",
                ],
            );
            let names = [c.rootfs().join("dev/console"), c.rootfs().join("dev/link")];
            fs::write(&names[0], "")?;
            symlink("/proc/sys/kernel/core_pattern", &names[1])?;
            c.config["process"]["terminal"] = json!(true);
            c.args(&["pause"]);
            race(c, names, |c, _| {
                let _ = fs::remove_file(c.dir.join("console.sock"));
                let socket = ConsoleSocket::bind(&c.dir)?;
                let path = socket.path.to_string_lossy().into_owned();
                let created = c.try_create_with(&["--console-socket", &path])?.code == Some(0);
                if created {
                    let table = fs::read_to_string(format!("/proc/{}/mountinfo", c.pid()?))?;
                    let id = c.id();
                    c.call(&["delete", "--force", &id])?.success()?;
                    let wrong = parse_mountinfo(&table)
                        .into_iter()
                        .find(|m| m.kind == "devpts" && m.point.starts_with("/proc/"));
                    check!(wrong.is_none(), "the terminal is on {wrong:?}");
                }
                Ok(created)
            })
        },
    )
    .needs(&[Need::Root])
    .seconds(200);
}

fn folders(t: &mut Table) {
    t.add(
        "cwd-race",
        "CVE-2024-45310 class: a working folder is made in the image, and the process is in it, never on the host",
        |c| {
            let names = folder_and_link(c, &c.rootfs().join("data"), "x")?;
            c.args(&["inspect"]);
            race(c, names, |c, n| {
                c.config["process"]["cwd"] = json!(format!("/data/x/made-{n}"));
                let output = run_blind(c)?;
                if output.code == Some(0) {
                    let cwd: Value = json_line(&output)?["getcwd"].clone();
                    check!(
                        cwd.as_str().is_some_and(|cwd| cwd.starts_with("/data/x") || cwd.starts_with(&c.dir.to_string_lossy().into_owned())),
                        "the working folder is {cwd}"
                    );
                }
                Ok(output.code == Some(0))
            })
        },
    )
    .seconds(200);
    t.add(
        "rootfs-race",
        "an exchange of a folder above a volume's destination leads nowhere but into the image",
        |c| {
            let names = folder_and_link(c, &c.rootfs().join("data"), "x")?;
            fs::create_dir_all(names[0].join("a/b"))?;
            let volume = c.volume("volume")?;
            add_mount(&mut c.config, "/data/x/a/../a/b/new", "bind", &volume.to_string_lossy(), &["rbind"]);
            push(&mut c.config["mounts"], json!({"destination": "/data/x/a/b", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]}));
            c.args(&["list", "/data/x/a/b"]);
            race(c, names, |c, _| Ok(run_blind(c)?.code == Some(0)))
        },
    )
    .needs(&[Need::Root])
    .seconds(200);
}

fn make_null(path: &Path) -> Verdict {
    rustix::fs::mknodat(
        CWD,
        path,
        rustix::fs::FileType::CharacterDevice,
        rustix::fs::Mode::from_raw_mode(0o666),
        rustix::fs::makedev(1, 3),
    )?;
    Ok(())
}
