//! Holes that runtimes had, one test per class, named after the CVE. What lies outside the bundle is a sentinel: its
//! content, inode and times must not change, nor may anything be mounted on it.

use crate::check::{Verdict, fail};
use crate::config::{add_mount, push};
use crate::context::{Context, json_line, json_lines};
use crate::host::Need;
use crate::inside::Inside;
use crate::table::Table;
use crate::terminal::ConsoleSocket;
use crate::{check, check_eq};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("security");
    links(t);
    proc_and_sys(t);
    devices(t);
    descriptors(t);
    identity(t);
    binary(t);
    sizes(t);
}

/// A tree outside the bundle that must stay as it is.
pub struct Sentinel {
    /// Its folder.
    pub dir: PathBuf,
    before: BTreeMap<String, (u64, i64, i64, String)>,
}

impl Sentinel {
    /// Makes the tree in the test's folder.
    pub fn new(c: &Context) -> Verdict<Sentinel> {
        let dir = c.dir.join("sentinel");
        fs::create_dir_all(dir.join("sub"))?;
        fs::write(dir.join("file"), "host")?;
        fs::write(dir.join("null"), "host null")?;
        fs::write(dir.join("sub/file"), "host too")?;
        let before = picture(&dir)?;
        Ok(Sentinel { dir, before })
    }

    /// The folder as text.
    pub fn path(&self) -> String {
        self.dir.to_string_lossy().into_owned()
    }

    /// Fails when anything changed or is mounted there.
    pub fn unchanged(&self) -> Verdict {
        let table = fs::read_to_string("/proc/self/mountinfo")?;
        check!(!table.contains(&self.path()), "something is mounted on the sentinel");
        let now = picture(&self.dir)?;
        check_eq!(now, self.before, "the sentinel");
        Ok(())
    }
}

/// Inode, modification and change time, and content of everything below.
fn picture(dir: &std::path::Path) -> Verdict<BTreeMap<String, (u64, i64, i64, String)>> {
    let mut map = BTreeMap::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(path) = todo.pop() {
        let meta = fs::symlink_metadata(&path)?;
        let content = if meta.is_file() { fs::read_to_string(&path)? } else { String::new() };
        map.insert(path.display().to_string(), (meta.ino(), meta.mtime_nsec(), meta.ctime_nsec(), content));
        if meta.is_dir() {
            todo.extend(fs::read_dir(&path)?.flatten().map(|entry| entry.path()));
        }
    }
    Ok(map)
}

impl Context {
    /// Runs whatever the config says; success or failure both are fine, a hang or a crash is not.
    fn run_somehow(&mut self) -> Verdict<crate::runtime::Output> {
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
    fn without_dev_mount(&mut self) {
        if let Some(mounts) = self.config["mounts"].as_array_mut() {
            mounts.retain(|mount| !mount["destination"].as_str().unwrap_or_default().starts_with("/dev"));
        }
    }
}

/// Ways for an image to point at the sentinel.
fn targets(sentinel: &Sentinel) -> [String; 2] {
    [sentinel.path(), format!("../../../../../../../../../..{}", sentinel.path())]
}

fn links(t: &mut Table) {
    for kind in ["tmpfs", "proc", "sysfs", "mqueue", "bind", "bind-file"] {
        t.add(format!("cve-2015-3629-{kind}"), "CVE-2015-3629, CVE-2019-18837: a link as mount destination cannot lead to the host", move |c| {
            let sentinel = Sentinel::new(c)?;
            let volume = c.volume("volume")?;
            for target in targets(&sentinel) {
                c.replace_with_link("data", &target)?;
                let first = c.config["mounts"].clone();
                match kind {
                    "bind" => add_mount(&mut c.config, "/data", "bind", &volume.to_string_lossy(), &["bind"]),
                    "bind-file" => add_mount(&mut c.config, "/data/file", "bind", &volume.join("file").to_string_lossy(), &["bind"]),
                    _ => add_mount(&mut c.config, "/data", kind, kind, &[]),
                }
                c.args(&["inspect"]);
                c.run_somehow()?;
                c.config["mounts"] = first;
                sentinel.unchanged()?;
            }
            Ok(())
        })
        .needs(&[Need::Root]);
    }
    t.add("trailing-slash", "CVE-2026-39822 class: a link with a slash behind it cannot lead to the host", |c| {
        let sentinel = Sentinel::new(c)?;
        c.replace_with_link("data", &sentinel.path())?;
        add_mount(&mut c.config, "/data/", "tmpfs", "tmpfs", &[]);
        add_mount(&mut c.config, "/data/new/", "tmpfs", "tmpfs", &[]);
        c.run_somehow()?;
        sentinel.unchanged()
    })
    .needs(&[Need::Root]);
    t.add("link-chain", "CVE-2026-41579 class: a chain of links cannot lead to the host", |c| {
        let sentinel = Sentinel::new(c)?;
        c.replace_with_link("data", "tmp/one")?;
        symlink("../home/two", c.rootfs().join("tmp/one"))?;
        symlink(sentinel.path(), c.rootfs().join("home/two"))?;
        add_mount(&mut c.config, "/data/made", "tmpfs", "tmpfs", &[]);
        c.run_somehow()?;
        sentinel.unchanged()
    })
    .needs(&[Need::Root]);
    for mounted in [true, false] {
        let name = if mounted { "cve-2026-41579-dev-link" } else { "cve-2026-41579-dev-link-unmounted" };
        t.add(name, "CVE-2026-41579, CVE-2026-47766: /dev as a link to the host: nothing is made, removed or changed there", move |c| {
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
        })
        .needs(&[Need::Root]);
    }
    t.add("cve-2025-24965", "CVE-2025-24965: files of the image that are links to the host are not written through", |c| {
        let sentinel = Sentinel::new(c)?;
        for name in [".krun_config.json", "etc/mtab", "etc/resolv.conf", "etc/hostname", "run"] {
            c.replace_with_link(name, &format!("{}/file", sentinel.path()))?;
        }
        c.run_somehow()?;
        sentinel.unchanged()
    });
    t.add("masked-link", "maskedPaths and readonlyPaths that are links cannot lead to the host", |c| {
        let sentinel = Sentinel::new(c)?;
        for target in targets(&sentinel) {
            c.replace_with_link("data", &target)?;
            c.config["linux"]["maskedPaths"] = json!(["/data", "/data/file"]);
            c.config["linux"]["readonlyPaths"] = json!(["/data/sub", "/data"]);
            c.run_somehow()?;
            sentinel.unchanged()?;
        }
        Ok(())
    });
    t.add("cwd-link", "a cwd that is a link cannot lead to the host, nor make folders there", |c| {
        let sentinel = Sentinel::new(c)?;
        c.replace_with_link("data", &sentinel.path())?;
        c.config["process"]["cwd"] = json!("/data/made/deep");
        c.run_somehow()?;
        sentinel.unchanged()
    });
    t.add("device-link", "CVE-2015-3627 class: device nodes are not made through links to the host", |c| {
        let sentinel = Sentinel::new(c)?;
        c.replace_with_link("data", &sentinel.path())?;
        push(&mut c.config["linux"]["devices"], json!({"path": "/data/node", "type": "c", "major": 1, "minor": 3}));
        c.run_somehow()?;
        sentinel.unchanged()
    })
    .needs(&[Need::Root]);
    for (name, change) in [
        ("dotdot-device", json!({"path": "/dev/../../../../../../../../tmp/spectest-escape", "type": "c", "major": 1, "minor": 3})),
        ("dotdot-device-relative", json!({"path": "../../spectest-escape", "type": "c", "major": 1, "minor": 3})),
    ] {
        t.add(name, "a device path with .. cannot leave the root filesystem", move |c| {
            push(&mut c.config["linux"]["devices"], change.clone());
            c.run_somehow()?;
            check!(!std::path::Path::new("/tmp/spectest-escape").exists(), "it was made in /tmp of the host");
            check!(!c.dir.join("spectest-escape").exists() && !c.bundle().join("spectest-escape").exists(), "it was made beside the root filesystem");
            Ok(())
        })
        .needs(&[Need::Root]);
    }
    t.add("tmpcopyup-link", "tmpcopyup of a link to the host copies nothing of the host", |c| {
        let sentinel = Sentinel::new(c)?;
        c.replace_with_link("data", &sentinel.path())?;
        add_mount(&mut c.config, "/data", "tmpfs", "tmpfs", &["tmpcopyup"]);
        c.args(&["list", "/data"]);
        let output = c.run_somehow()?;
        check!(!output.stdout.contains("\"file\""), "{}", output.describe("shows the host's files"));
        sentinel.unchanged()
    })
    .needs(&[Need::Root]);
}

fn proc_and_sys(t: &mut Table) {
    for (name, target) in [("proc", "/data/fake"), ("proc", "/"), ("sys", "/data/fake"), ("sys", "/")] {
        let label = if target == "/" { "root" } else { "fake" };
        t.add(format!("cve-2019-19921-{name}-{label}"), "CVE-2019-19921, CVE-2023-27561, CVE-2025-54867: /proc and /sys that are links are refused", move |c| {
            fs::create_dir_all(c.rootfs().join("data/fake/self"))?;
            c.replace_with_link(name, target)?;
            c.create_fails().map(|_| ())
        });
    }
    for destination in ["/proc", "/proc/self", "/proc/sys", "/proc/self/attr", "/proc/sysrq-trigger", "/proc/1"] {
        t.add(format!("cve-2015-3631{}", destination.replace('/', "-")), "CVE-2015-3631, CVE-2019-16884, CVE-2025-52881: nothing of the host is bound over parts of /proc", move |c| {
            let volume = c.volume("volume")?;
            let source = if destination.ends_with("trigger") { volume.join("file") } else { volume };
            add_mount(&mut c.config, destination, "bind", &source.to_string_lossy(), &["bind"]);
            c.create_fails().map(|_| ())
        })
        .needs(&[Need::Root]);
    }
    for file in ["cpuinfo", "meminfo", "stat", "uptime", "loadavg", "diskstats", "swaps"] {
        t.add(format!("proc-allowed-{file}"), "engines: files that lxcfs replaces may be bound over /proc", move |c| {
            let volume = c.volume("volume")?;
            add_mount(&mut c.config, &format!("/proc/{file}"), "bind", &volume.join("file").to_string_lossy(), &["bind", "ro"]);
            check_eq!(c.attempt(&["read", &format!("/proc/{file}")])?["value"], "volume", "the file");
            Ok(())
        })
        .needs(&[Need::Root]);
    }
    t.add("cve-2015-3630-spec-masks", "CVE-2015-3630, CVE-2017-16539, CVE-2018-10892: spec masks what tells or changes too much", |c| {
        let dir = c.dir.join("fresh");
        fs::create_dir(&dir)?;
        c.bare_command(&["spec"])?.current_dir(&dir).run()?.success()?;
        let config: Value = serde_json::from_slice(&fs::read(dir.join("config.json"))?)?;
        let masked = config["linux"]["maskedPaths"].clone();
        for path in ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"] {
            check!(masked.as_array().is_some_and(|all| all.iter().any(|p| p == path)), "{path} is not in {masked}");
        }
        Ok(())
    });
}

fn devices(t: &mut Table) {
    t.add("cve-2015-3627", "CVE-2015-3627: /dev/null and others of the image that are links to the host are not written", |c| {
        let sentinel = Sentinel::new(c)?;
        c.without_dev_mount();
        for name in ["null", "zero", "full", "tty", "random", "urandom", "console", "ptmx", "fd", "stdin", "stdout", "stderr"] {
            symlink(format!("{}/file", sentinel.path()), c.rootfs().join("dev").join(name))?;
        }
        c.run_somehow()?;
        sentinel.unchanged()
    })
    .needs(&[Need::Root]);
    for kind in ["link", "file", "device"] {
        t.add(format!("cve-2025-31133-{kind}"), "CVE-2025-31133, CVE-2025-62161: a masked file is masked by the real /dev/null or the container is refused", move |c| {
            c.without_dev_mount();
            let fake = c.rootfs().join("dev/null");
            match kind {
                "link" => symlink("/data/attack", &fake)?,
                "file" => fs::write(&fake, "attack")?,
                _ => rustix::fs::mknodat(rustix::fs::CWD, &fake, rustix::fs::FileType::CharacterDevice, rustix::fs::Mode::from_raw_mode(0o666), rustix::fs::makedev(1, 1))?,
            }
            fs::write(c.rootfs().join("data/attack"), "attack")?;
            fs::write(c.rootfs().join("data/secret"), "secret")?;
            c.config["linux"]["maskedPaths"] = json!(["/data/secret"]);
            c.args(&["stat", "/data/secret"]);
            let output = c.run_somehow()?;
            if output.code == Some(0) {
                let seen = json_line(&output)?["value"].clone();
                check_eq!((seen["type"].as_str(), seen["major"].as_i64(), seen["minor"].as_i64()), (Some("char"), Some(1), Some(3)), "what masks");
            }
            Ok(())
        })
        .needs(&[Need::Root]);
    }
    for kind in ["link-to-sysctl", "link-to-host"] {
        t.add(format!("cve-2025-52565-{kind}"), "CVE-2025-52565: /dev/console of the image cannot place the terminal elsewhere", move |c| {
            let sentinel = Sentinel::new(c)?;
            c.without_dev_mount();
            add_mount(&mut c.config, "/dev/pts", "devpts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]);
            let target = if kind == "link-to-sysctl" { "/proc/sys/kernel/core_pattern".to_string() } else { format!("{}/file", sentinel.path()) };
            symlink(target, c.rootfs().join("dev/console"))?;
            c.config["process"]["terminal"] = json!(true);
            c.args(&["inspect", ";", "open-write", "/proc/sys/kernel/core_pattern"]);
            let socket = ConsoleSocket::bind(&c.dir)?;
            let path = socket.path.to_string_lossy().into_owned();
            if c.try_create_with(&["--console-socket", &path])?.code == Some(0) {
                let (mut terminal, _) = socket.receive()?;
                c.start()?;
                let inside = Inside(terminal.await_json("files")?);
                check!(inside.mount("/proc/sys/kernel/core_pattern").is_none(), "core_pattern is mounted over");
                let line = terminal.await_json("errno")?;
                check_eq!(line["errno"], 30, "errno of opening core_pattern");
                c.await_status("stopped")?;
                c.delete()?;
            }
            sentinel.unchanged()
        })
        .needs(&[Need::Root]);
    }
}

fn descriptors(t: &mut Table) {
    for suffix in ["", "/..", "/../../../../../.."] {
        let label = suffix.matches("..").count();
        t.add(format!("cve-2024-21626-cwd-{label}"), "CVE-2024-21626: no descriptor of the runtime can be the working folder", move |c| {
            for fd in 3..24 {
                c.config["process"]["cwd"] = json!(format!("/proc/self/fd/{fd}{suffix}"));
                c.args(&["inspect"]);
                let output = c.run_somehow()?;
                if output.code == Some(0) {
                    let seen = json_line(&output)?["getcwd"].clone();
                    check!(seen.as_str().is_some_and(|cwd| cwd == "/" || cwd.starts_with("/proc/")), "with descriptor {fd} the cwd is {seen}");
                }
            }
            Ok(())
        })
        .seconds(90);
    }
    t.add("cve-2024-21626-args", "CVE-2024-21626: no descriptor of the runtime leads to a program of the host", |c| {
        for fd in 3..24 {
            c.config["process"]["args"] = json!([format!("/proc/self/fd/{fd}/../../../../../../bin/true")]);
            let output = c.try_run_with(&[])?;
            check!(output.code.is_some_and(|code| code != 0), "{}", output.describe("ran a program of the host"));
        }
        Ok(())
    })
    .seconds(90);
    t.add("cve-2024-21626-exec", "CVE-2024-21626: nor for exec --cwd", |c| {
        c.launch(&["pause"])?;
        for fd in 3..24 {
            let output = c.try_exec(&["--cwd", &format!("/proc/self/fd/{fd}/..")], &["inspect"])?;
            if output.code == Some(0) {
                let seen = json_line(&output)?["getcwd"].clone();
                check!(seen.as_str().is_some_and(|cwd| cwd == "/" || cwd.starts_with("/proc/")), "with descriptor {fd} the cwd is {seen}");
            }
        }
        c.destroy()
    })
    .seconds(90);
    t.add("cve-2020-15257", "CVE-2020-15257: the runtime makes no abstract sockets, which a container of the host's network reaches", |c| {
        let abstract_sockets = || -> Verdict<Vec<String>> {
            let text = fs::read_to_string("/proc/net/unix")?;
            Ok(text.lines().filter_map(|l| l.split_whitespace().nth(7)).filter(|p| p.starts_with('@')).map(str::to_string).collect())
        };
        let before = abstract_sockets()?;
        crate::config::remove_namespace(&mut c.config, "network");
        c.args(&["pause"]);
        c.create()?;
        let after = abstract_sockets()?;
        let new: Vec<_> = after.iter().filter(|path| !before.contains(path)).collect();
        check!(new.is_empty(), "new abstract sockets: {new:?}");
        c.destroy()
    })
    .needs(&[Need::Root]);
}

fn identity(t: &mut Table) {
    for user in ["1", "1:2", "0"] {
        t.add(format!("cve-2026-30892-good-{}", user.replace(':', "-")), "CVE-2026-30892: exec --user is exactly the given ids", move |c| {
            c.launch(&["pause"])?;
            let seen = c.exec_inspect(&["--user", user])?;
            let mut parts = user.split(':').filter_map(|part| part.parse::<u32>().ok());
            check_eq!(seen.ids("Uid"), [parts.next().unwrap_or(0); 4], "uids");
            check_eq!(seen.ids("Gid"), [parts.next().unwrap_or(0); 4], "gids");
            c.destroy()
        })
        .needs(&[Need::Root]);
    }
    for user in ["", "-1", "1:", ":1", "4294967296", "1e3", "root", "1:x", "0x1", " 1", "1:2:3"] {
        t.add(format!("cve-2026-30892-bad-{user:?}"), "CVE-2026-30892: exec --user that is no id is an error, never root", move |c| {
            c.launch(&["pause"])?;
            let flag = format!("--user={user}");
            let output = c.try_exec(&[&flag], &["inspect"])?;
            check!(output.code.is_some_and(|code| code != 0), "{}", output.describe("was accepted"));
            c.destroy()
        })
        .needs(&[Need::Root]);
    }
    t.add("cve-2016-3697-exec", "CVE-2016-3697: exec --user 1000 is 1000, whatever the image's /etc/passwd says", |c| {
        fs::write(c.rootfs().join("etc/passwd"), "1000:x:0:0:root:/root:/bin/sh\n")?;
        c.launch(&["pause"])?;
        check_eq!(c.exec_inspect(&["--user", "1000"])?.ids("Uid"), [1000; 4], "uids");
        c.destroy()
    })
    .needs(&[Need::Root]);
    t.add("cve-2022-29162", "CVE-2022-24769, CVE-2022-29162, CVE-2025-27612: inheritable sets are empty unless configured", |c| {
        c.launch(&["pause"])?;
        check_eq!(c.exec_inspect(&[])?.capabilities("CapInh"), 0, "CapInh of exec");
        c.destroy()?;
        check_eq!(c.inspect()?.capabilities("CapInh"), 0, "CapInh of init");
        Ok(())
    });
    t.add("cve-2023-25809", "CVE-2023-25809: a user namespace's root cannot write to the host's cgroups through a cgroup mount", |c| {
        crate::config::use_user_namespace(&mut c.config, 200_000);
        add_mount(&mut c.config, "/sys/fs/cgroup", "cgroup", "cgroup", &["rw"]);
        let base = if crate::host::is_v2() { "/sys/fs/cgroup" } else { "/sys/fs/cgroup/pids" };
        c.args(&["mkdir", &format!("{base}/../x"), ";", "mkdir", &format!("{base}/x"), ";", "write", &format!("{base}/cgroup.procs"), "1"]);
        let output = c.run_somehow()?;
        if output.code == Some(0) {
            for line in json_lines(&output)? {
                check!(line["ok"] == false, "{line} succeeded");
            }
        }
        Ok(())
    })
    .needs(&[Need::Root, Need::UserNamespace]);
}

fn binary(t: &mut Table) {
    t.add("cve-2019-5736", "CVE-2019-5736: the runtime's binary cannot be opened for writing through a container's process", |c| {
        let runtime = c.runtime.path.clone();
        let before = fs::read(&runtime)?;
        c.args(&["pause"]);
        c.create()?;
        let pid = c.pid()?;
        let exe = rustix::fs::open(format!("/proc/{pid}/exe"), rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC, rustix::fs::Mode::empty())?;
        c.destroy()?;
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&exe));
        if let Ok(file) = fs::OpenOptions::new().write(true).open(&path) {
            let (ours, theirs) = (file.metadata()?, fs::metadata(&runtime)?);
            check!((ours.dev(), ours.ino()) != (theirs.dev(), theirs.ino()), "{} can be written through /proc/PID/exe", runtime.display());
            let seals = rustix::fs::fcntl_get_seals(&file).unwrap_or(rustix::fs::SealFlags::empty());
            check!(seals.contains(rustix::fs::SealFlags::WRITE), "the copy of the binary can be written; seals are {seals:?}");
        }
        check!(fs::read(&runtime)? == before, "the binary changed");
        Ok(())
    })
    .needs(&[Need::Root]);
    t.add("cve-2019-5736-self-exe", "CVE-2019-5736: an image whose program is /proc/self/exe cannot change the binary", |c| {
        let runtime = c.runtime.path.clone();
        let before = fs::read(&runtime)?;
        c.config["process"]["args"] = json!(["/proc/self/exe", "--version"]);
        c.run_somehow()?;
        check!(fs::read(&runtime)? == before, "the binary changed");
        Ok(())
    });
}

fn sizes(t: &mut Table) {
    let long = "x".repeat(70_000);
    let cases: [(&str, Value); 3] = [
        ("namespace-path", json!({"linux": {"namespaces": [{"type": "network", "path": format!("/{long}")}]}})),
        ("rootfs-path", json!({"root": {"path": long.clone()}})),
        ("cwd", json!({"process": {"cwd": format!("/{long}")}})),
    ];
    for (name, change) in cases {
        t.add(format!("cve-2021-43784-{name}"), "CVE-2021-43784: values of 70 kB are a clean error or have exactly their effect", move |c| {
            merge(&mut c.config, &change);
            c.create_fails().map(|_| ())
        });
    }
    t.add("cve-2021-43784-mappings", "CVE-2021-43784: thousands of id mappings are a clean error", |c| {
        crate::config::use_user_namespace(&mut c.config, 100_000);
        let map: Vec<Value> = (0..5000).map(|i| json!({"containerID": i, "hostID": 100_000 + i, "size": 1})).collect();
        c.config["linux"]["uidMappings"] = json!(map);
        c.create_fails().map(|_| ())
    })
    .needs(&[Need::Root, Need::UserNamespace]);
    t.add("long-id", "an id of 5000 characters is a clean error", |c| {
        c.write_config()?;
        let (id, bundle) = (format!("{}{}", c.tag, "x".repeat(5000)), c.bundle().to_string_lossy().into_owned());
        let output = c.call(&["create", "--bundle", &bundle, &id])?;
        if output.code == Some(0) {
            return fail("it was accepted");
        }
        output.failure().map(|_| ())
    });
}

/// Merges objects; arrays and the rest are replaced.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}
