//! Mounts of type `cgroup`: one filesystem on version 2, a tree of them on version 1.

use super::mounts::{Context, Mounts, plain_bind, private_cgroups};
use super::op::{Instead, Mount, Remount, Then};
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
    // Where a new mount is refused (a user namespace that does not own the cgroup namespace), bind of the host's what is the container's.
    let own = if private_cgroups(context) {
        context.cgroup.v2_path()
    } else {
        None
    };
    // Else all of it, in which cgroups beside the container's may belong to the user who is root here: to be looked at only (CVE-2023-25809).
    let not_ours = own.is_none() && context.namespaces.has(CLONE_NEWUSER);
    let source = own.as_deref().unwrap_or(Path::new("/sys/fs/cgroup"));
    let instead = Instead {
        source: c(&source.to_string_lossy())?,
        read_only: own.is_none(),
    };
    let new = context.namespaces.new & CLONE_NEWCGROUP != 0;
    let mut then = entry.then.clone();
    if own.is_none() {
        then.recursive.clear &= !m::MOUNT_ATTR_RDONLY;
    }
    let set = (!new).then(|| context.host.cgroups.v2_options());
    let data = options(entry, set)?;
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
        then,
        label: None,
        instead: Some(instead),
    };
    out.steps
        .push(step(Op::Mount(Box::new(mount)), entry.field.clone()));
    Ok(())
}

/// There is one cgroup2 filesystem, and a mount in the machine's first cgroup namespace sets its options for everybody (nsdelegate, cgroups(7)): there
/// they are what is `set`. In a new namespace the kernel ignores them.
fn options(entry: &CgroupMount, set: Option<&str>) -> Result<String> {
    let Some(set) = set else {
        return Ok(entry.data.join(","));
    };
    if let Some(other) = entry.data.iter().find(|o| !set.split(',').any(|s| s == *o)) {
        let why = format!(
            "\"{other}\" is not an option that the machine's cgroup2 has, and there is but one"
        );
        return Err(Error::invalid(format!("{}/options", entry.field), why)
            .hint("leave it out, or give the container a new cgroup namespace, where options have no effect"));
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
        set: if entry.flags & m::MS_RDONLY != 0 {
            m::MOUNT_ATTR_RDONLY
        } else {
            0
        },
        ..Attributes::default()
    };
    if attributes.set != 0 || entry.then != Then::default() {
        push(Op::Remount(Box::new(Remount {
            target,
            bind: true,
            attributes,
            must_clear: 0,
            flags: 0,
            data: None,
            then: entry.then.clone(),
        })));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_the_hosts_unless_the_namespace_is_new() {
        let host = Some("nsdelegate,memory_recursiveprot");
        for (given, set, becomes) in [
            (&[][..], host, Ok("nsdelegate,memory_recursiveprot")),
            (&["nsdelegate"], host, Ok("nsdelegate,memory_recursiveprot")),
            (&["nsdelegate"], None, Ok("nsdelegate")),
            (&[], Some(""), Ok("")),
            (&["nsdelegate"], Some(""), Err("/mounts/3/options")),
            (&["recursive"], host, Err("/mounts/3/options")),
        ] {
            let entry = CgroupMount {
                target: "/sys/fs/cgroup".into(),
                flags: 0,
                then: Then::default(),
                data: given.iter().map(|o| (*o).to_owned()).collect(),
                field: "/mounts/3".into(),
            };
            let got = options(&entry, set);
            let got = got.as_deref().map_err(|e| e.pointer().unwrap_or_default());
            assert_eq!(got, becomes, "{given:?} on {set:?}");
        }
    }
}
