//! Namespaces: new, inherited, joined by path. config-linux.md#namespaces.

use crate::check::{Verdict, skip};
use crate::config::{remove_namespace, set_namespace};
use crate::context::{Context, poll_for};
use crate::host::Need;
use crate::table::Table;
use crate::{check, check_eq};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::fs;
use std::process::{Child, Command, Stdio};

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("namespaces");
    all_kinds(t);
    errors(t);
}

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

fn all_kinds(t: &mut Table) {
    for (kind, file, _) in KINDS {
        each_new(t, kind, file);
        each_inherited(t, kind, file);
        each_joined(t, kind, file);
        each_wrong(t, kind);
    }
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

pub fn remove(c: &mut Context, key: &str) {
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
    pub fn inspect_from_host(&mut self, file: &str) -> Verdict<String> {
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
        "path-pipe",
        "config-linux.md#namespaces MUST: a path that is no namespace is an error, without waiting",
        |c| {
            let pipe = c.dir.join("pipe");
            let mode = rustix::fs::Mode::RUSR;
            rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0)?;
            set_namespace(&mut c.config, "network", Some(&pipe.to_string_lossy()));
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
                set_namespace(&mut c.config, kind, None);
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
