//! Mounts of type `cgroup`: one filesystem on version 2, a tree of them on version 1.

use super::mounts::{Context, Mounts, plain_bind, private_cgroups};
use super::op::{Mount, Then};
use super::{Field, Op, c_string, step};
use crate::error::Result;
use kernel::mount::{self as m, Attributes};
use kernel::process::{CLONE_NEWCGROUP, CLONE_NEWUSER};
use std::ffi::{CString, c_ulong};

/// What the entry asks for.
pub struct CgroupMount {
    /// Where.
    pub target: String,
    /// `MS_*`.
    pub flags: c_ulong,
    /// Propagation and recursive attributes.
    pub then: Then,
    /// Filesystem options (version 2).
    pub data: Option<CString>,
    /// Its JSON pointer.
    pub field: Field,
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
    // Where a new cgroup2 mount is refused (a user namespace without a cgroup namespace), bind what it would have shown.
    let own = if private_cgroups(context) {
        context.cgroup.v2_path()
    } else {
        None
    };
    // Else that is the host's tree, in which cgroups beside the container's may belong to the user who is root here: to be looked at only (CVE-2023-25809).
    let not_ours = own.is_none() && context.namespaces.has(CLONE_NEWUSER);
    let or_bind = own.map_or_else(
        || "/sys/fs/cgroup".to_owned(),
        |p| p.to_string_lossy().into_owned(),
    );
    let mount = Mount {
        target: c_string(&entry.target, || entry.field.to_string())?,
        source: c"cgroup".to_owned(),
        fstype: c"cgroup2".to_owned(),
        flags: entry.flags | if not_ours { m::MS_RDONLY } else { 0 },
        data: entry.data.clone(),
        plain_target: true,
        new_target: false,
        copy_up: false,
        inherit_mode: false,
        then: entry.then.clone(),
        label: None,
        or_bind: Some(c_string(&or_bind, || entry.field.to_string())?),
        shared_cgroups: context.namespaces.new & CLONE_NEWCGROUP == 0,
    };
    out.steps
        .push(step(Op::Mount(Box::new(mount)), entry.field.clone()));
    Ok(())
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
            or_bind: None,
            shared_cgroups: false,
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
