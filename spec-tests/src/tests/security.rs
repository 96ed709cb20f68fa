//! Holes that runtimes had, one test per class, named after the CVE. What lies outside the bundle is a sentinel: its
//! content, inode and times must not change, nor may anything be mounted on it.

use crate::check::Verdict;
use crate::config::{add_mount, push};
use crate::context::{Context, json_line};
use crate::host::Need;
use crate::inside::Inside;
use crate::sentinel::Sentinel;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("security");
    links(t);
    proc_and_sys(t);
}

pub const OLD: &str = "the runtimes at hand are older than the fix";

impl Context {
    /// Runs whatever the config says; success or failure both are fine, a hang or a crash is not.
    pub fn run_somehow(&mut self) -> Verdict<crate::runtime::Output> {
        let output = self.try_run_with(&[])?;
        check!(output.signal.is_none(), "{}", output.describe("crashed"));
        Ok(output)
    }

    /// Replaces a folder of the root filesystem with a link.
    fn replace_with_link(&self, name: &str, target: &str) -> Verdict {
        let path = self.rootfs().join(name);
        let _ = fs::remove_dir_all(&path);
        let _ = fs::remove_file(&path);
        Ok(symlink(target, path)?)
    }

    /// Takes the mounts at and below /dev out, so that the image's /dev is used.
    pub fn without_dev_mount(&mut self) {
        if let Some(mounts) = self.config["mounts"].as_array_mut() {
            mounts.retain(|mount| {
                !mount["destination"]
                    .as_str()
                    .unwrap_or_default()
                    .starts_with("/dev")
            });
        }
    }
}

/// Ways for an image to point at the sentinel, and at something that could be made in it.
fn targets(sentinel: &Sentinel) -> [String; 4] {
    let up = "../../../../../../../../../..";
    let path = sentinel.path();
    [
        path.clone(),
        format!("{up}{path}"),
        format!("{path}/missing"),
        format!("{up}{path}/missing/too"),
    ]
}

fn links(t: &mut Table) {
    for kind in ["tmpfs", "proc", "sysfs", "mqueue", "bind", "bind-file"] {
        t.add(
            format!("cve-2015-3629-{kind}"),
            "CVE-2015-3629, CVE-2019-18837: a link as mount destination cannot lead to the host",
            move |c| {
                let sentinel = Sentinel::new(c)?;
                let volume = c.volume("volume")?;
                for target in targets(&sentinel) {
                    c.replace_with_link("data", &target)?;
                    let first = c.config["mounts"].clone();
                    match kind {
                        "bind" => add_mount(
                            &mut c.config,
                            "/data",
                            "bind",
                            &volume.to_string_lossy(),
                            &["bind"],
                        ),
                        "bind-file" => add_mount(
                            &mut c.config,
                            "/data/file",
                            "bind",
                            &volume.join("file").to_string_lossy(),
                            &["bind"],
                        ),
                        _ => add_mount(&mut c.config, "/data", kind, kind, &[]),
                    }
                    c.args(&["inspect"]);
                    let output = c.run_somehow()?;
                    c.config["mounts"] = first;
                    sentinel.unchanged()?;
                    if output.code == Some(0) {
                        let file = if kind == "bind-file" { "/file" } else { "" };
                        let inside = target.trim_start_matches("../");
                        let place = format!("/{}{file}", inside.trim_start_matches('/'));
                        check!(
                            Inside(json_line(&output)?).mount(&place).is_some(),
                            "no mount on {place} in the container"
                        );
                    }
                }
                Ok(())
            },
        )
        .needs(&[Need::Root]);
    }
    t.add(
        "trailing-slash",
        "CVE-2026-39822 class: a link with a slash behind it cannot lead to the host",
        |c| {
            let sentinel = Sentinel::new(c)?;
            c.replace_with_link("data", &sentinel.path())?;
            add_mount(&mut c.config, "/data/", "tmpfs", "tmpfs", &[]);
            add_mount(&mut c.config, "/data/new/", "tmpfs", "tmpfs", &[]);
            c.run_somehow()?;
            sentinel.unchanged()
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "link-chain",
        "CVE-2026-41579 class: a chain of links cannot lead to the host",
        |c| {
            let sentinel = Sentinel::new(c)?;
            c.replace_with_link("data", "tmp/one")?;
            symlink("../home/two", c.rootfs().join("tmp/one"))?;
            symlink(sentinel.path(), c.rootfs().join("home/two"))?;
            add_mount(&mut c.config, "/data/made", "tmpfs", "tmpfs", &[]);
            c.run_somehow()?;
            sentinel.unchanged()
        },
    )
    .needs(&[Need::Root]);
    for mounted in [true, false] {
        let name = if mounted {
            "cve-2026-41579-dev-link"
        } else {
            "cve-2026-41579-dev-link-unmounted"
        };
        t.add(
            name,
            "CVE-2026-41579, CVE-2026-47766: /dev as a link to \
             the host: nothing is made, removed or changed there",
            move |c| {
                let sentinel = Sentinel::new(c)?;
                for target in targets(&sentinel) {
                    c.replace_with_link("dev", &target)?;
                    if !mounted {
                        c.without_dev_mount();
                    }
                    c.run_somehow()?;
                    sentinel.unchanged()?;
                }
                Ok(())
            },
        )
        .needs(&[Need::Root])
        .justified(OLD);
    }
    t.add(
        "cve-2025-24965",
        "CVE-2025-24965: files of the image that are links to the host are not written through",
        |c| {
            let sentinel = Sentinel::new(c)?;
            for name in [
                ".krun_config.json",
                "etc/mtab",
                "etc/resolv.conf",
                "etc/hostname",
                "run",
            ] {
                c.replace_with_link(name, &format!("{}/file", sentinel.path()))?;
            }
            c.run_somehow()?;
            sentinel.unchanged()
        },
    );
    t.add(
        "masked-link",
        "maskedPaths and readonlyPaths that are links cannot lead to the host",
        |c| {
            let sentinel = Sentinel::new(c)?;
            for target in targets(&sentinel) {
                c.replace_with_link("data", &target)?;
                c.config["linux"]["maskedPaths"] = json!(["/data", "/data/file"]);
                c.config["linux"]["readonlyPaths"] = json!(["/data/sub", "/data"]);
                c.run_somehow()?;
                sentinel.unchanged()?;
            }
            Ok(())
        },
    );
    t.add(
        "cwd-link",
        "a cwd that is a link cannot lead to the host, nor make folders there",
        |c| {
            let sentinel = Sentinel::new(c)?;
            c.replace_with_link("data", &sentinel.path())?;
            c.config["process"]["cwd"] = json!("/data/made/deep");
            c.run_somehow()?;
            sentinel.unchanged()
        },
    );
    t.add(
        "device-link",
        "CVE-2015-3627 class: device nodes are not made through links to the host",
        |c| {
            let sentinel = Sentinel::new(c)?;
            c.replace_with_link("data", &sentinel.path())?;
            push(
                &mut c.config["linux"]["devices"],
                json!({"path": "/data/node", "type": "c", "major": 1, "minor": 3}),
            );
            c.run_somehow()?;
            sentinel.unchanged()
        },
    )
    .needs(&[Need::Root]);
    for (name, change) in [
        (
            "dotdot-device",
            json!({"path": "/dev/../../../../../../../../tmp/spectest-escape", "type": "c", "major": 1, "minor": 3}),
        ),
        (
            "dotdot-device-relative",
            json!({"path": "../../spectest-escape", "type": "c", "major": 1, "minor": 3}),
        ),
    ] {
        t.add(
            name,
            "a device path with .. cannot leave the root filesystem",
            move |c| {
                push(&mut c.config["linux"]["devices"], change.clone());
                c.run_somehow()?;
                check!(
                    !std::path::Path::new("/tmp/spectest-escape").exists(),
                    "it was made in /tmp of the host"
                );
                check!(
                    !c.dir.join("spectest-escape").exists()
                        && !c.bundle().join("spectest-escape").exists(),
                    "it was made beside the root filesystem"
                );
                Ok(())
            },
        )
        .needs(&[Need::Root]);
    }
    t.add(
        "tmpcopyup-link",
        "tmpcopyup of a link to the host copies nothing of the host",
        |c| {
            let sentinel = Sentinel::new(c)?;
            c.replace_with_link("data", &sentinel.path())?;
            add_mount(&mut c.config, "/data", "tmpfs", "tmpfs", &["tmpcopyup"]);
            c.args(&["list", "/data"]);
            let output = c.run_somehow()?;
            check!(
                !output.stdout.contains("\"file\""),
                "{}",
                output.describe("shows the host's files")
            );
            sentinel.unchanged()
        },
    )
    .needs(&[Need::Root]);
}

fn proc_and_sys(t: &mut Table) {
    for (name, target) in [
        ("proc", "/data/fake"),
        ("proc", "/"),
        ("sys", "/data/fake"),
        ("sys", "/"),
    ] {
        let label = if target == "/" { "root" } else { "fake" };
        t.add(
            format!("cve-2019-19921-{name}-{label}"),
            "CVE-2019-19921, CVE-2023-27561, CVE-2025-54867: \
             /proc and /sys that are links are refused",
            move |c| {
                fs::create_dir_all(c.rootfs().join("data/fake/self"))?;
                c.replace_with_link(name, target)?;
                c.create_fails().map(|_| ())
            },
        )
        .needs(&[Need::Root]);
    }
    for destination in [
        "/proc",
        "/proc/self",
        "/proc/sys",
        "/proc/self/attr",
        "/proc/sysrq-trigger",
        "/proc/1",
    ] {
        t.add(
            format!("cve-2015-3631{}", destination.replace('/', "-")),
            "CVE-2015-3631, CVE-2019-16884, CVE-2025-52881: \
             nothing of the host is bound over parts of /proc",
            move |c| {
                let volume = c.volume("volume")?;
                let source = if destination.ends_with("trigger") {
                    volume.join("file")
                } else {
                    volume
                };
                add_mount(
                    &mut c.config,
                    destination,
                    "bind",
                    &source.to_string_lossy(),
                    &["bind"],
                );
                c.create_fails().map(|_| ())
            },
        )
        .needs(&[Need::Root]);
    }
    for file in [
        "cpuinfo",
        "meminfo",
        "stat",
        "uptime",
        "loadavg",
        "diskstats",
        "swaps",
    ] {
        t.add(
            format!("proc-allowed-{file}"),
            "engines: files that lxcfs replaces may be bound over /proc",
            move |c| {
                let volume = c.volume("volume")?;
                add_mount(
                    &mut c.config,
                    &format!("/proc/{file}"),
                    "bind",
                    &volume.join("file").to_string_lossy(),
                    &["bind", "ro"],
                );
                check_eq!(
                    c.attempt(&["read", &format!("/proc/{file}")])?["value"],
                    "volume",
                    "the file"
                );
                Ok(())
            },
        )
        .needs(&[Need::Root]);
    }
    t.add(
        "cve-2015-3630-spec-masks",
        "CVE-2015-3630, CVE-2017-16539, CVE-2018-10892: spec masks what tells or changes too much",
        |c| {
            let dir = c.dir.join("fresh");
            fs::create_dir(&dir)?;
            c.bare_command(&["spec"])?
                .current_dir(&dir)
                .run()?
                .success()?;
            let config: Value = serde_json::from_slice(&fs::read(dir.join("config.json"))?)?;
            let masked = config["linux"]["maskedPaths"].clone();
            for path in [
                "/proc/acpi",
                "/proc/asound",
                "/proc/kcore",
                "/proc/keys",
                "/proc/latency_stats",
                "/proc/timer_list",
                "/proc/timer_stats",
                "/proc/sched_debug",
                "/sys/firmware",
                "/proc/scsi",
            ] {
                check!(
                    masked
                        .as_array()
                        .is_some_and(|all| all.iter().any(|p| p == path)),
                    "{path} is not in {masked}"
                );
            }
            Ok(())
        },
    );
}
