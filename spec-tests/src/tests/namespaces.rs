//! Namespaces: new, inherited, joined by path. config-linux.md#namespaces.

use crate::check::{Verdict, skip};
use crate::config::{remove_namespace, set_namespace};
use crate::context::{Context, json_line, poll_for};
use crate::host::Need;
use crate::inside::Inside;
use crate::table::Table;
use crate::{check, check_eq};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::fs;
use std::process::{Child, Command, Stdio};

/// Name in config.json, name in /proc/PID/ns, clone flag.
pub const KINDS: [(&str, &str, u32); 8] = [
    ("pid", "pid", 0x2000_0000),
    ("network", "net", 0x4000_0000),
    ("mount", "mnt", 0x0002_0000),
    ("ipc", "ipc", 0x0800_0000),
    ("uts", "uts", 0x0400_0000),
    ("user", "user", 0x1000_0000),
    ("cgroup", "cgroup", 0x0200_0000),
    ("time", "time", 0x0000_0080),
];

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("namespaces");
    for (kind, file, _) in KINDS {
        each_new(t, kind, file);
        each_inherited(t, kind, file);
        each_joined(t, kind, file);
        each_wrong(t, kind);
    }
    errors(t);
    effects(t);
    time(t);
    names(t);
}

fn needs(kind: &str) -> Vec<Need> {
    match kind {
        "user" => vec![Need::Root, Need::UserNamespace],
        "time" => vec![Need::Root, Need::TimeNamespace],
        "cgroup" => vec![Need::Root, Need::CgroupNamespace],
        _ => vec![Need::Root],
    }
}

fn own(file: &str) -> Verdict<String> {
    Ok(fs::read_link(format!("/proc/self/ns/{file}"))?
        .to_string_lossy()
        .into_owned())
}

fn newer(test: &mut crate::table::Test, kind: &str) {
    if kind == "time" {
        test.newer("runtime-spec 1.1");
    }
}

fn each_new(t: &mut Table, kind: &'static str, file: &'static str) {
    let requirement =
        format!("config-linux.md#namespaces MUST: without path a new {kind} namespace is made");
    let test = t.add(format!("new-{kind}"), requirement, move |c| {
        prepare(c, kind);
        let seen = c.inspect()?.namespace(file);
        check!(
            !seen.is_empty() && seen != own(file)?,
            "the {kind} namespace is {seen:?}, the caller's"
        );
        Ok(())
    });
    newer(test.needs(&needs(kind)), kind);
}

/// A configuration with a new namespace of that kind.
fn prepare(c: &mut Context, kind: &str) {
    if kind == "user" {
        crate::config::use_user_namespace(&mut c.config, 100_000);
    } else {
        set_namespace(&mut c.config, kind, None);
    }
}

fn each_inherited(t: &mut Table, kind: &'static str, file: &'static str) {
    let requirement = format!(
        "config-linux.md#namespaces MUST: a {kind} namespace that is not listed is inherited"
    );
    t.add(format!("inherit-{kind}"), requirement, move |c| {
        remove_namespace(&mut c.config, kind);
        match kind {
            "uts" => remove(c, "hostname"),
            "mount" => without_mounts(c)?,
            _ => {}
        }
        let seen = c.inspect_from_host(file);
        unmount_proc(c, kind)?;
        check_eq!(seen?, own(file)?, "the {kind} namespace");
        Ok(())
    })
    .needs(&needs(kind));
}

fn remove(c: &mut Context, key: &str) {
    if let Some(config) = c.config.as_object_mut() {
        config.remove(key);
    }
}

/// Without a mount namespace nothing may be mounted, since it would be mounted on the host; the caller has prepared
/// the root filesystem, /proc included.
fn without_mounts(c: &mut Context) -> Verdict {
    rustix::mount::mount_bind("/proc", c.rootfs().join("proc"))?;
    c.config["mounts"] = json!([]);
    for key in ["maskedPaths", "readonlyPaths"] {
        if let Some(linux) = c.config["linux"].as_object_mut() {
            linux.remove(key);
        }
    }
    Ok(())
}

fn unmount_proc(c: &Context, kind: &str) -> Verdict {
    if kind == "mount" {
        rustix::mount::unmount(c.rootfs().join("proc"), rustix::mount::UnmountFlags::DETACH)?;
    }
    Ok(())
}

impl Context {
    /// A namespace of the container's process, read from outside: it may have no /proc of its own.
    fn inspect_from_host(&mut self, file: &str) -> Verdict<String> {
        let pid = self.launch(&["pause"])?;
        let link = fs::read_link(format!("/proc/{pid}/ns/{file}"))?
            .to_string_lossy()
            .into_owned();
        self.destroy()?;
        Ok(link)
    }
}

/// A process in new namespaces, for containers to join.
pub struct Holder {
    child: Child,
    /// The process whose namespaces count.
    pub pid: i32,
}

impl Holder {
    /// Starts the payload on the host, which unshares `flags` and waits.
    pub fn new(c: &Context, flags: u32) -> Verdict<Holder> {
        let log = c.dir.join(format!("holder-{flags:x}.out"));
        let mut child = Command::new(&c.payload)
            .args([
                "unshare",
                &flags.to_string(),
                ";",
                "background",
                "pause",
                ";",
                "echo",
                "ready",
                ";",
                "pause",
            ])
            .stdin(Stdio::null())
            .stdout(fs::File::create(&log)?)
            .spawn()?;
        crate::reaper::started(child.id());
        let ready = poll_for("the namespace holder", || {
            let text = fs::read_to_string(&log).ok()?;
            (text.contains("ready") || text.contains("\"ok\":false")).then_some(text)
        })?;
        let parent = child.id();
        if ready.contains("\"ok\":false") {
            let _ = child.kill();
            let _ = child.wait();
            return skip(format!(
                "unshare({flags:#x}) is not possible here: {}",
                ready.trim()
            ));
        }
        // A new pid or time namespace is only entered by children.
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))?;
        let pid = children.trim().parse().unwrap_or(parent as i32);
        Ok(Holder { child, pid })
    }

    /// The file of one namespace.
    pub fn path(&self, file: &str) -> String {
        format!("/proc/{}/ns/{file}", self.pid)
    }

    /// What the link of that file says.
    pub fn link(&self, file: &str) -> Verdict<String> {
        Ok(fs::read_link(self.path(file))?
            .to_string_lossy()
            .into_owned())
    }

    /// Maps ids 0..65536 of a new user namespace.
    pub fn map(&self, base: u32) -> Verdict {
        let parent = self.child.id();
        fs::write(format!("/proc/{parent}/uid_map"), format!("0 {base} 65536"))?;
        fs::write(format!("/proc/{parent}/gid_map"), format!("0 {base} 65536"))?;
        Ok(())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.pid) {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn each_joined(t: &mut Table, kind: &'static str, file: &'static str) {
    let requirement = format!(
        "config-linux.md#namespaces MUST: the process is placed in the {kind} namespace of that path"
    );
    let flag = KINDS
        .iter()
        .find(|(name, ..)| *name == kind)
        .map_or(0, |(_, _, flag)| *flag);
    let test = t.add(format!("join-{kind}"), requirement, move |c| {
        if kind == "mount" {
            without_mounts(c)?;
        }
        let holder = Holder::new(c, flag)?;
        if kind == "user" {
            holder.map(100_000)?;
        }
        set_namespace(&mut c.config, kind, Some(&holder.path(file)));
        let seen = c.inspect_from_host(file);
        unmount_proc(c, kind)?;
        check_eq!(seen?, holder.link(file)?, "the {kind} namespace");
        Ok(())
    });
    newer(test.needs(&needs(kind)), kind);
}

fn each_wrong(t: &mut Table, kind: &'static str) {
    let wrong = if kind == "uts" { "ipc" } else { "uts" };
    let requirement =
        format!("config-linux.md#namespaces MUST: a path that is no {kind} namespace is an error");
    let test = t.add(format!("wrong-type-{kind}"), requirement, move |c| {
        set_namespace(&mut c.config, kind, Some(&format!("/proc/self/ns/{wrong}")));
        c.args(&["pause"]);
        c.create_fails().map(|_| ())
    });
    newer(test.needs(&needs(kind)), kind);
}

fn errors(t: &mut Table) {
    t.add(
        "path-missing",
        "config-linux.md#namespaces MUST: a path that does not exist is an error",
        |c| {
            set_namespace(&mut c.config, "network", Some("/no/such/namespace"));
            c.create_fails()?
                .says(&["no such file or directory"])
                .map(|_| ())
        },
    );
    t.add(
        "path-regular-file",
        "config-linux.md#namespaces MUST: a path that is no namespace is an error",
        |c| {
            set_namespace(&mut c.config, "network", Some("/etc/hostname"));
            c.create_fails().map(|_| ())
        },
    );
    t.add(
        "path-relative",
        "config-linux.md#namespaces MUST: path is absolute",
        |c| {
            set_namespace(&mut c.config, "network", Some("proc/self/ns/net"));
            c.create_fails().map(|_| ())
        },
    );
    for kind in ["pid", "network", "uts"] {
        t.add(
            format!("duplicate-{kind}"),
            "config-linux.md#namespaces MUST: a type given twice is an error",
            move |c| {
                crate::config::push(&mut c.config["linux"]["namespaces"], json!({"type": kind}));
                c.create_fails().map(|_| ())
            },
        );
    }
    t.add(
        "unknown-type",
        "config.md#valid-values MUST: an unknown namespace type is an error",
        |c| {
            crate::config::push(
                &mut c.config["linux"]["namespaces"],
                json!({"type": "bogus"}),
            );
            c.create_fails().map(|_| ())
        },
    );
}

fn effects(t: &mut Table) {
    t.add("pid-one", "config-linux.md#namespaces: in a new pid namespace the process is number 1 and sees only its own", |c| {
        let lines = c.attempts(&["inspect", ";", "list", "/proc"])?;
        check_eq!(lines[0]["pid"], 1, "pid");
        let numbers: Vec<&str> = lines[1]["value"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|name| name.as_str())
            .filter(|name| name.parse::<u32>().is_ok())
            .collect();
        check_eq!(numbers, ["1"], "processes in /proc");
        Ok(())
    });
    t.add(
        "network-only-loopback",
        "config-linux.md#namespaces: a new network namespace has only the loopback device",
        |c| {
            let seen = c.inspect()?;
            let devices: Vec<String> = seen
                .file("/proc/net/dev")
                .lines()
                .filter_map(|line| line.split_once(':'))
                .map(|(name, _)| name.trim().to_string())
                .filter(|name| {
                    ![
                        "tunl0", "sit0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0",
                        "ip6tnl0", "ip6gre0",
                    ]
                    .contains(&name.as_str())
                })
                .collect();
            check_eq!(devices, ["lo"], "devices");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "loopback-up",
        "engines: the loopback device of a new network namespace is up",
        |c| {
            let seen = c.attempt(&["read", "/sys/class/net/lo/flags"])?;
            let flags = seen["value"].as_str().and_then(|text| {
                u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
            });
            check!(
                flags.is_some_and(|flags| flags & 1 == 1),
                "flags of lo are {}",
                seen["value"]
            );
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "cgroup-root",
        "config-linux.md#namespaces: in a new cgroup namespace the container's cgroup is the root",
        |c| {
            set_namespace(&mut c.config, "cgroup", None);
            let seen = c.inspect()?;
            let paths: Vec<&str> = seen
                .file("/proc/self/cgroup")
                .lines()
                .filter_map(|line| line.splitn(3, ':').nth(2))
                .collect();
            check!(
                !paths.is_empty() && paths.iter().all(|path| !path.contains(&c.tag)),
                "cgroups are {paths:?}"
            );
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::CgroupNamespace]);
    t.add(
        "ipc-isolated",
        "config-linux.md#namespaces: message queues of a new ipc namespace are its own",
        |c| {
            let seen = c.attempts(&[
                "write",
                "/dev/mqueue/spectest",
                "",
                ";",
                "list",
                "/dev/mqueue",
            ])?;
            check_eq!(seen[1]["value"], json!(["spectest"]), "queues");
            let again = c.attempt(&["list", "/dev/mqueue"])?;
            check_eq!(again["value"], json!([]), "queues of the next container");
            Ok(())
        },
    );
    t.add("all-joined", "config-linux.md#namespaces: every namespace of a running container can be joined by another", |c| {
        let pid = c.launch(&["pause"])?;
        let second = format!("{}-second", c.tag);
        let first = c.config.clone();
        for (kind, file) in [("pid", "pid"), ("network", "net"), ("ipc", "ipc"), ("uts", "uts")] {
            set_namespace(&mut c.config, kind, Some(&format!("/proc/{pid}/ns/{file}")));
        }
        remove(c, "hostname");
        if c.config["linux"]["cgroupsPath"].is_string() {
            c.config["linux"]["cgroupsPath"] =
                json!(if c.systemd { format!("system.slice:spectest:{second}") } else { format!("/{second}") });
        }
        c.args(&["inspect"]);
        c.write_config()?;
        let bundle = c.bundle().to_string_lossy().into_owned();
        let output = c.call(&["run", "--bundle", &bundle, &second])?.success()?;
        let inside = Inside(json_line(&output)?);
        for file in ["pid", "net", "ipc", "uts"] {
            let link = fs::read_link(format!("/proc/{pid}/ns/{file}"))?.to_string_lossy().into_owned();
            check_eq!(inside.namespace(file), link, "{file}");
        }
        c.config = first;
        c.destroy()
    })
    .needs(&[Need::Root]);
    t.add(
        "netns-by-bind-mount",
        "config-linux.md#namespaces: path may be a bind mount of a namespace, as ip-netns makes",
        |c| {
            let holder = Holder::new(c, 0x4000_0000)?;
            let file = c.dir.join("netns");
            fs::write(&file, "")?;
            rustix::mount::mount_bind(holder.path("net"), &file)?;
            let link = holder.link("net")?;
            set_namespace(&mut c.config, "network", Some(&file.to_string_lossy()));
            drop(holder);
            let seen = c.inspect_from_host("net");
            rustix::mount::unmount(&file, rustix::mount::UnmountFlags::DETACH)?;
            check_eq!(seen?, link, "the network namespace");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
}

fn time(t: &mut Table) {
    t.add(
        "time-offsets",
        "config-linux.md#offset-for-time-namespace: timeOffsets shift the clocks",
        |c| {
            set_namespace(&mut c.config, "time", None);
            c.config["linux"]["timeOffsets"] =
                json!({"monotonic": {"secs": 5000, "nanosecs": 7}, "boottime": {"secs": 100_000}});
            let seen = c.inspect()?;
            let offsets: Vec<Vec<&str>> = seen
                .file("/proc/self/timens_offsets")
                .lines()
                .map(|l| l.split_whitespace().collect())
                .collect();
            check_eq!(
                offsets,
                [
                    vec!["monotonic", "5000", "7"],
                    vec!["boottime", "100000", "0"]
                ],
                "offsets"
            );
            let uptime: f64 = seen
                .file("/proc/uptime")
                .split_whitespace()
                .next()
                .and_then(|w| w.parse().ok())
                .unwrap_or(0.0);
            check!(uptime > 100_000.0, "uptime is {uptime}");
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::TimeNamespace])
    .newer("runtime-spec 1.1");
    t.add(
        "time-offsets-unknown-clock",
        "config.md#valid-values MUST: an unknown clock is an error",
        |c| {
            set_namespace(&mut c.config, "time", None);
            c.config["linux"]["timeOffsets"] = json!({"sundial": {"secs": 1}});
            c.create_fails().map(|_| ())
        },
    )
    .needs(&[Need::Root, Need::TimeNamespace])
    .newer("runtime-spec 1.1");
}

fn names(t: &mut Table) {
    t.add("hostname", "config.md#hostname: the hostname inside", |c| {
        c.config["hostname"] = json!("my-host.example");
        check_eq!(
            c.inspect()?.file("/proc/sys/kernel/hostname").trim(),
            "my-host.example",
            "hostname"
        );
        Ok(())
    });
    t.add(
        "hostname-not-outside",
        "config.md#hostname: the host keeps its name",
        |c| {
            let before = fs::read_to_string("/proc/sys/kernel/hostname")?;
            c.config["hostname"] = json!("elsewhere");
            c.inspect()?;
            check_eq!(
                fs::read_to_string("/proc/sys/kernel/hostname")?,
                before,
                "the host's name"
            );
            Ok(())
        },
    );
    t.add(
        "hostname-absent",
        "config.md#hostname: without hostname the new namespace keeps the name",
        |c| {
            remove(c, "hostname");
            let before = fs::read_to_string("/proc/sys/kernel/hostname")?;
            check_eq!(
                c.inspect()?.file("/proc/sys/kernel/hostname"),
                before,
                "hostname"
            );
            Ok(())
        },
    );
    t.add(
        "hostname-without-uts",
        "engines: a hostname without a new uts namespace is an error",
        |c| {
            remove_namespace(&mut c.config, "uts");
            c.create_fails().map(|_| ())
        },
    );
    t.add(
        "hostname-too-long",
        "config.md#valid-values MUST: a hostname the kernel refuses is an error",
        |c| {
            c.config["hostname"] = json!("x".repeat(65));
            c.create_fails().map(|_| ())
        },
    );
    t.add(
        "domainname",
        "config.md#domainname: the domain name inside",
        |c| {
            c.config["domainname"] = json!("example.test");
            check_eq!(
                c.inspect()?.file("/proc/sys/kernel/domainname").trim(),
                "example.test",
                "domainname"
            );
            Ok(())
        },
    )
    .newer("runtime-spec 1.1");
    t.add(
        "hostname-of-joined-uts",
        "config.md#hostname: the hostname is set in a uts namespace that is joined",
        |c| {
            let holder = Holder::new(c, 0x0400_0000)?;
            set_namespace(&mut c.config, "uts", Some(&holder.path("uts")));
            c.config["hostname"] = json!("joined-name");
            check_eq!(
                c.inspect()?.file("/proc/sys/kernel/hostname").trim(),
                "joined-name",
                "hostname"
            );
            Ok(())
        },
    )
    .needs(&[Need::Root]);
}
