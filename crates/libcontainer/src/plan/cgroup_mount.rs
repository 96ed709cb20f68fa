//! Mounts of type `cgroup`: one filesystem on version 2, a tree of them on version 1.

use super::mounts::{Context, Mounts, plain_bind, private_cgroups};
use super::op::{Instead, Mount, Then};
use super::{Field, Op, c_string, step};
use crate::error::{Error, Result};
use crate::spec::{Linux, Spec};
use kernel::mount::{self as m, Attributes};
use kernel::process::{CLONE_NEWCGROUP, CLONE_NEWUSER};
use std::ffi::{CString, c_ulong};
use std::path::Path;

/// What the entry asks for.
pub struct CgroupMount {
    /// Where.
    pub target: String,
    /// `MS_*`.
    pub flags: c_ulong,
    /// Propagation and recursive attributes.
    pub then: Then,
    /// Filesystem options (version 2).
    pub data: Vec<String>,
    /// Its JSON pointer.
    pub field: Field,
}

/// Whether a decision depends on the options that the host's cgroup2 has ([`libcgroups::Layout::read_v2_options`]).
pub fn needs_v2_options(spec: &Spec) -> bool {
    let own = |linux: &Linux| {
        let mut namespaces = linux.namespaces.iter();
        namespaces.any(|n| n.r#type == "cgroup" && n.path.is_none())
    };
    let of_cgroups = |kind: &String| matches!(kind.as_str(), "cgroup" | "cgroup2");
    let mut types = spec.mounts.iter().filter_map(|m| m.r#type.as_ref());
    types.any(of_cgroups) && !spec.linux.as_deref().is_some_and(own)
}

/// Expands the entry.
pub fn plan(entry: &CgroupMount, context: &Context<'_>, out: &mut Mounts) -> Result<()> {
    if context.host.cgroups.is_v2() {
        unified(entry, context, out)
    } else {
        legacy(entry, context, out)
    }
}

fn unified(entry: &CgroupMount, context: &Context<'_>, out: &mut Mounts) -> Result<()> {
    let c = |text: &str| c_string(text, || entry.field.to_string());
    // Where a new mount is refused (a user namespace that does not own the cgroup namespace), bind what it would have shown.
    let own = if context.namespaces.new & CLONE_NEWCGROUP != 0 {
        context.cgroup.v2_path()
    } else {
        None
    };
    // Else that is the host's tree, in which cgroups beside the container's may belong to the user who is root here: to be looked at only (CVE-2023-25809).
    let in_user_namespace = context.namespaces.has(CLONE_NEWUSER);
    let not_ours = in_user_namespace && !private_cgroups(context);
    let source = own.as_deref().unwrap_or(Path::new("/sys/fs/cgroup"));
    let instead = Instead {
        source: c(&source.to_string_lossy())?,
        read_only: in_user_namespace && own.is_none(),
    };
    let data = options(entry, context)?;
    let mount = Mount {
        target: c(&entry.target)?,
        source: c"cgroup".to_owned(),
        fstype: c"cgroup2".to_owned(),
        flags: entry.flags | if not_ours { m::MS_RDONLY } else { 0 },
        data: if data.is_empty() {
            None
        } else {
            Some(c(&data)?)
        },
        plain_target: true,
        new_target: false,
        copy_up: false,
        inherit_mode: false,
        then: entry.then.clone(),
        label: None,
        instead: Some(instead),
    };
    out.steps
        .push(step(Op::Mount(Box::new(mount)), entry.field.clone()));
    Ok(())
}

/// There is one cgroup2 filesystem, and a mount in the machine's first cgroup namespace sets its options for everybody (nsdelegate, cgroups(7)): there
/// they are what they were. In other namespaces the kernel ignores them.
fn options(entry: &CgroupMount, context: &Context<'_>) -> Result<String> {
    if context.namespaces.new & CLONE_NEWCGROUP != 0 {
        return Ok(entry.data.join(","));
    }
    let set = context.host.cgroups.v2_options();
    if let Some(other) = entry.data.iter().find(|o| !set.split(',').any(|s| s == *o)) {
        let why = format!("\"{other}\" would change the cgroup filesystem of the whole machine");
        return Err(Error::invalid(format!("{}/options", entry.field), why)
            .hint("leave it out, or give the container a new cgroup namespace"));
    }
    Ok(set.to_owned())
}

/// A tmpfs with a directory for each hierarchy and a link for each controller that shares one.
fn legacy(entry: &CgroupMount, context: &Context<'_>, out: &mut Mounts) -> Result<()> {
    let c = |text: &str| c_string(text, || entry.field.to_string());
    let mut push = |op| out.steps.push(step(op, entry.field.clone()));
    let filesystem = |target: CString, fstype: &std::ffi::CStr, flags, data: Option<CString>| {
        Op::Mount(Box::new(Mount {
            target,
            source: fstype.to_owned(),
            fstype: fstype.to_owned(),
            flags,
            data,
            plain_target: false,
            new_target: false,
            copy_up: false,
            inherit_mode: false,
            then: Then::default(),
            instead: None,
            label: None,
        }))
    };
    let target = c(&entry.target)?;
    push(filesystem(
        target.clone(),
        c"tmpfs",
        entry.flags & !m::MS_RDONLY,
        Some(c"mode=755".to_owned()),
    ));
    for mount in context.host.cgroups.v1_mounts() {
        let Some(name) = mount
            .mountpoint
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
        else {
            continue;
        };
        let at = c(&format!("{}/{name}", entry.target))?;
        if private_cgroups(context) {
            // A hierarchy without controllers is told by its name alone (cgroups(7)).
            let none = if mount.options.starts_with("name=") {
                "none,"
            } else {
                ""
            };
            push(filesystem(
                at,
                c"cgroup",
                entry.flags,
                Some(c(&format!("{none}{}", mount.options))?),
            ));
        } else if let Some(own) = context.cgroup.container_path(mount) {
            push(plain_bind(
                at,
                c(&own.to_string_lossy())?,
                entry.flags,
                Then::default(),
                context.cgroup.is_optional(),
            ));
        }
        let shared = |x: &&String| **x != name && !x.starts_with("name=");
        for controller in mount.subsystems.iter().filter(shared) {
            push(Op::Symlink {
                target: c(&name)?,
                path: c(&format!("{}/{controller}", entry.target))?,
                replace: false,
            });
        }
    }
    let attributes = Attributes {
        set: m::MOUNT_ATTR_RDONLY,
        ..Attributes::default()
    };
    if entry.flags & m::MS_RDONLY != 0 {
        push(Op::SetAttributes { target, attributes });
    }
    Ok(())
}
