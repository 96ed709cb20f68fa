//! `mounts`: each entry becomes one or more operations, in order.

use super::cover::{Known, waiting_for};
use super::namespaces::{self, Namespaces};
use super::op::{Bind, Instead, Mount, Remount, Then};
use super::options::{self, Options};
use super::remount::restrict;
use super::{Field, Host, Idmap, Op, Step, Tree, c_string, step};
use crate::error::{Error, Result};
use crate::spec::{self, Linux};
use kernel::mount::{self as m, Attributes};
use kernel::process::{CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWUSER};
use std::collections::BTreeSet;
use std::ffi::CString;
use std::path::Path;

/// What the entries become.
#[derive(Debug, Default)]
pub struct Mounts {
    /// The operations, in order.
    pub steps: Vec<Step>,
    /// What must wait until everything else is in place: making read-only what is still written to.
    pub last: Vec<Step>,
    /// The paths of the mounts that `last` is for.
    pub(super) waiting: BTreeSet<Vec<u8>>,
}

/// What deciding about mounts needs to know.
pub struct Context<'a> {
    /// The bundle, absolute: relative sources start there.
    pub bundle: &'a Path,
    /// The Linux part of the configuration.
    pub linux: &'a Linux,
    /// The container's namespaces.
    pub namespaces: &'a Namespaces,
    /// The host.
    pub host: &'a Host,
    /// The container's cgroup.
    pub cgroup: &'a libcgroups::Plan,
    /// Which of the SELinux mount options carries `mountLabel` (mount(8)).
    pub context_type: &'static str,
}

/// Paths below /proc on which file systems such as lxcfs may put a file of their own.
const PROC_FILES: [&str; 10] = [
    "cpuinfo",
    "diskstats",
    "meminfo",
    "stat",
    "swaps",
    "uptime",
    "loadavg",
    "slabinfo",
    "sys/kernel/ns_last_pid",
    "sys/crypto/fips_enabled",
];

/// Decides all mounts. Sources that the process may need help to copy are added to `trees`.
///
/// # Errors
/// The first entry that cannot be what it asks for.
pub fn mounts(
    list: &[spec::Mount],
    context: &Context<'_>,
    trees: &mut Vec<Tree>,
) -> Result<Mounts> {
    let mut result = Mounts::default();
    let mut known = Known::default();
    for (i, entry) in list.iter().enumerate() {
        let before = result.steps.len();
        let entry = Entry::new(i, entry, context)?;
        result.settle(entry.target.as_bytes(), entry.options.remount);
        let last = result.last.len();
        entry.plan(context, trees, &mut result)?;
        let new = result.last[last..].iter().filter_map(waiting_for);
        result.waiting.extend(new.map(<[u8]>::to_vec));
        for step in &mut result.steps[before..] {
            known.see(&mut step.op);
        }
    }
    Ok(result)
}

struct Entry<'a> {
    index: usize,
    entry: &'a spec::Mount,
    target: String,
    options: Options,
    idmap: Option<Idmap>,
    fstype: String,
}

impl<'a> Entry<'a> {
    fn new(index: usize, entry: &'a spec::Mount, context: &Context<'_>) -> Result<Entry<'a>> {
        let field = |name: &str| format!("/mounts/{index}/{name}");
        if entry.destination.is_empty() {
            return Err(Error::invalid(
                field("destination"),
                "a mount needs a destination",
            ));
        }
        // Nothing below may cut a text short, also where it is only compared.
        c_string(entry.r#type.as_deref().unwrap_or_default(), || {
            field("type")
        })?;
        for (i, option) in entry.options.iter().enumerate() {
            c_string(option, || format!("/mounts/{index}/options/{i}"))?;
        }
        let mut options = options::parse(&entry.options);
        let kind = entry.r#type.as_deref().unwrap_or_default();
        if kind == "bind" && options.bind.is_none() {
            options.bind = Some(false);
        }
        let target = clean(&entry.destination);
        if target == "/" && !options.remount {
            let why = "a mount on the root directory would be hidden below the root filesystem";
            return Err(Error::invalid(field("destination"), why)
                .hint("/root/path names the root filesystem; to change how it is mounted, add the option remount"));
        }
        if kind.is_empty() && options.bind.is_none() && !options.remount {
            return Err(Error::invalid(
                field("type"),
                "a mount that is not a bind mount needs a type",
            ));
        }
        if !options.remount {
            check_proc(&target, kind, options.bind.is_some())
                .map_err(|e| e.field(field("destination")))?;
        }
        check_ids(&options, context).map_err(|e| e.field(field("options")))?;
        let idmap = super::idmap::idmap(index, entry, &options, context)?;
        Ok(Entry {
            index,
            entry,
            target,
            options,
            idmap,
            fstype: kind.to_owned(),
        })
    }

    fn field(&self) -> Field {
        format!("/mounts/{}", self.index).into()
    }

    fn c(&self, text: &str, name: &str) -> Result<CString> {
        c_string(text, || format!("/mounts/{}/{name}", self.index))
    }

    fn plan(&self, context: &Context<'_>, trees: &mut Vec<Tree>, out: &mut Mounts) -> Result<()> {
        if self.options.remount {
            return self.remount(context, out);
        }
        if self.options.bind.is_some() {
            return self.bind(context, trees, out);
        }
        match self.fstype.as_str() {
            "cgroup" | "cgroup2" => super::cgroup_mount::plan(&self.as_cgroup()?, context, out),
            _ => self.filesystem(context, out),
        }
    }

    fn remount(&self, context: &Context<'_>, out: &mut Mounts) -> Result<()> {
        let mut remount = Remount {
            target: self.c(&self.target, "destination")?,
            bind: self.options.bind.is_some(),
            attributes: self.options.remount_attributes(),
            must_clear: self.options.must_clear(),
            flags: self.options.flags | m::MS_REMOUNT,
            data: self.data(None)?,
            then: self.options.then.clone(),
        };
        restrict(&mut remount, &out.steps, context.namespaces)
            .map_err(|e| e.field(format!("/mounts/{}/options", self.index)))?;
        out.steps
            .push(step(Op::Remount(Box::new(remount)), self.field()));
        Ok(())
    }

    fn bind(&self, context: &Context<'_>, trees: &mut Vec<Tree>, out: &mut Mounts) -> Result<()> {
        if !self.options.data.is_empty() {
            let why = format!(
                "a bind mount takes no filesystem options: \"{}\"",
                self.options.data()
            );
            return Err(Error::invalid(
                format!("/mounts/{}/options", self.index),
                why,
            ));
        }
        let Some(source) = &self.entry.source else {
            return Err(Error::invalid(
                format!("/mounts/{}/source", self.index),
                "a bind mount needs a source",
            ));
        };
        let recursive = self.options.bind == Some(true);
        let source = self.c(&context.bundle.join(source).to_string_lossy(), "source")?;
        // From inside a user namespace the source may be out of reach, and only root of the host may map the owners of its files.
        let out_of_reach = context.namespaces.has(CLONE_NEWUSER) && context.host.privileged;
        let tree = (out_of_reach || self.idmap.is_some()).then(|| {
            let (path, nofollow, idmap) = (
                source.clone(),
                self.options.source_nofollow || self.options.copy_symlink,
                self.idmap.clone(),
            );
            trees.push(Tree {
                path,
                recursive,
                nofollow,
                idmap,
                field: self.field(),
            });
            trees.len() - 1
        });
        let bind = Bind {
            target: self.c(&self.target, "destination")?,
            source,
            tree,
            idmapped: self.idmap.is_some(),
            recursive,
            source_nofollow: self.options.source_nofollow || self.options.copy_symlink,
            copy_symlink: self.options.copy_symlink,
            target_nofollow: self.options.target_nofollow,
            attributes: self.options.bind_attributes(),
            must_clear: self.options.must_clear(),
            whole: false,
            then: self.options.then.clone(),
            optional: false,
        };
        out.steps.push(step(Op::Bind(Box::new(bind)), self.field()));
        Ok(())
    }

    fn filesystem(&self, context: &Context<'_>, out: &mut Mounts) -> Result<()> {
        let target = self.c(&self.target, "destination")?;
        let tmpfs = self.fstype == "tmpfs";
        // Mount points and devices are still made inside: read-only comes at the end.
        let late = self.options.flags & m::MS_RDONLY != 0 && (tmpfs || self.target == "/dev");
        let flags = if late {
            self.options.flags & !m::MS_RDONLY
        } else {
            self.options.flags
        };
        let mount = Mount {
            target: target.clone(),
            source: self.c(
                self.entry.source.as_deref().unwrap_or(&self.fstype),
                "source",
            )?,
            fstype: self.c(&self.fstype, "type")?,
            flags,
            data: self.data(
                context
                    .linux
                    .mount_label
                    .as_deref()
                    .map(|label| (context.context_type, label)),
            )?,
            label: match &context.linux.mount_label {
                Some(label) if self.fstype == "mqueue" => {
                    Some(c_string(label, || "/linux/mountLabel".into())?)
                }
                _ => None,
            },
            new_target: false,
            plain_target: matches!(self.fstype.as_str(), "proc" | "sysfs"),
            copy_up: self.options.copy_up && tmpfs,
            inherit_mode: tmpfs && !self.options.data.iter().any(|d| d.starts_with("mode=")),
            then: self.options.then.clone(),
            instead: self.instead(context).map(|source| Instead {
                source,
                read_only: false,
            }),
        };
        out.steps
            .push(step(Op::Mount(Box::new(mount)), self.field()));
        if late {
            let attributes = Attributes {
                set: m::MOUNT_ATTR_RDONLY,
                ..Attributes::default()
            };
            out.last
                .push(step(Op::SetAttributes { target, attributes }, self.field()));
        }
        Ok(())
    }

    /// The kernel gives a new sysfs, mqueue or procfs only to who owns the network, IPC or pid namespace. Queues and processes of the host are shown only to
    /// who shares them; with options of its own (`hidepid=`) a filesystem is another than the host's.
    fn instead(&self, context: &Context<'_>) -> Option<CString> {
        if !context.namespaces.has(CLONE_NEWUSER) || !self.options.data.is_empty() {
            return None;
        }
        match self.fstype.as_str() {
            // Also a new network namespace is no help where the host's /sys is covered in part, as in a container.
            "sysfs" => Some(c"/sys".to_owned()),
            "mqueue" if !context.namespaces.has(CLONE_NEWIPC) => Some(c"/dev/mqueue".to_owned()),
            "proc" if !context.namespaces.has(CLONE_NEWPID) => Some(c"/proc".to_owned()),
            _ => None,
        }
    }

    fn data(&self, label: Option<(&str, &str)>) -> Result<Option<CString>> {
        let mut data = self.options.data();
        if let Some((kind, label)) =
            label.filter(|_| !matches!(self.fstype.as_str(), "proc" | "sysfs" | "mqueue" | ""))
        {
            let comma = if data.is_empty() { "" } else { "," };
            data += &format!("{comma}{kind}=\"{label}\"");
        }
        // The kernel takes one page of data (mount(2)).
        if data.len() >= 4096 {
            return Err(Error::invalid(
                format!("/mounts/{}/options", self.index),
                "the filesystem options exceed 4095 bytes",
            ));
        }
        if data.is_empty() {
            Ok(None)
        } else {
            self.c(&data, "options").map(Some)
        }
    }

    fn as_cgroup(&self) -> Result<super::cgroup_mount::CgroupMount> {
        Ok(super::cgroup_mount::CgroupMount {
            target: self.target.clone(),
            flags: self.options.flags,
            then: self.options.then.clone(),
            data: self.options.data.clone(),
            field: self.field(),
        })
    }
}

/// Whether the container has a cgroup namespace of its own.
pub fn private_cgroups(context: &Context<'_>) -> bool {
    context.namespaces.has(CLONE_NEWCGROUP)
}

/// A bind mount of a host directory and all that is mounted below it, for the expansions of other mounts.
pub fn plain_bind(
    target: CString,
    source: CString,
    flags: std::ffi::c_ulong,
    then: Then,
    optional: bool,
) -> Op {
    let attributes = Some(Attributes {
        set: options::attributes(flags),
        clear: 0,
        propagation: 0,
    });
    let bind = Bind {
        target,
        source,
        tree: None,
        idmapped: false,
        recursive: true,
        source_nofollow: false,
        copy_symlink: false,
        target_nofollow: false,
        attributes,
        must_clear: 0,
        whole: true,
        then,
        optional,
    };
    Op::Bind(Box::new(bind))
}

/// The path without `.`, `..`, and repeated slashes, absolute: what it means when no link is in the way.
pub fn clean(path: &str) -> String {
    let mut out = String::with_capacity(path.len() + 1);
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => out.truncate(out.rfind('/').unwrap_or(0)),
            name => {
                out.push('/');
                out.push_str(name);
            }
        }
    }
    if out.is_empty() {
        out.push('/');
    }
    out
}

/// Nothing may cover /proc, through which labels and kernel parameters are set, except procfs itself and a few files.
fn check_proc(target: &str, fstype: &str, bind: bool) -> Result<()> {
    let refuse = |why: String| Err(Error::invalid("", why));
    match target.strip_prefix("/proc") {
        Some("") if !bind && fstype != "proc" => refuse(format!(
            "\"{target}\" cannot be mounted over with {fstype}: only procfs goes there"
        )),
        Some(rest) if rest.starts_with('/') && !PROC_FILES.contains(&&rest[1..]) => refuse(
            format!("\"{target}\" cannot be mounted because it is inside /proc"),
        ),
        _ => Ok(()),
    }
}

/// `uid=` and `gid=` options name ids that must exist in the container's user namespace.
fn check_ids(options: &Options, context: &Context<'_>) -> Result<()> {
    if context.namespaces.new & CLONE_NEWUSER == 0 {
        return Ok(());
    }
    for (prefix, maps) in [
        ("uid=", &context.linux.uid_mappings),
        ("gid=", &context.linux.gid_mappings),
    ] {
        for word in &options.data {
            let id = word
                .strip_prefix(prefix)
                .and_then(|id| id.parse::<u32>().ok());
            if id.is_some_and(|id| namespaces::to_host(maps, id).is_none()) {
                let why = format!(
                    "option \"{word}\" names an id that is not mapped in the user namespace"
                );
                return Err(Error::invalid("", why).hint("remove the option or map the id"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_without_looking() {
        for (path, cleaned) in [
            ("a/b", "/a/b"),
            ("/a/../../b/.", "/b"),
            ("//x//", "/x"),
            ("/", "/"),
            ("..", "/"),
        ] {
            assert_eq!(clean(path), cleaned);
        }
    }

    #[test]
    fn only_procfs_and_listed_files_go_over_proc() {
        for (target, fstype, bind, good) in [
            ("/proc", "proc", false, true),
            ("/proc", "tmpfs", false, false),
            ("/proc", "bind", true, true),
            ("/proc/self", "bind", true, false),
            ("/proc/cpuinfo", "bind", true, true),
            ("/proc/sys/kernel/ns_last_pid", "bind", true, true),
            ("/proc/sys", "bind", true, false),
            ("/processes", "tmpfs", false, true),
        ] {
            assert_eq!(check_proc(target, fstype, bind).is_ok(), good, "{target}");
        }
    }
}
