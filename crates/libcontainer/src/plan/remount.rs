//! What a remount is of: a filesystem that the container has to itself, or no more than a mount.

use super::namespaces::Namespaces;
use super::op::{Mount, Remount};
use super::{Op, Step};
use crate::error::{Error, Result};
use kernel::mount::MOUNT_ATTR_RDONLY;
use kernel::process::{CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWUSER};

/// Whether a new mount has a superblock to itself. Of most of its own filesystems, and of a disk, the kernel has but one, for the machine or for a namespace,
/// however often they are mounted: what a remount does to that one, it does to the host's mounts as well.
fn is_own(mount: &Mount, namespaces: &Namespaces) -> bool {
    let new = match mount.fstype.to_bytes() {
        b"bpf" | b"devpts" | b"fuse" | b"hugetlbfs" | b"overlay" | b"proc" | b"ramfs"
        | b"tmpfs" => true,
        b"sysfs" => namespaces.new & CLONE_NEWNET != 0,
        b"mqueue" => namespaces.new & CLONE_NEWIPC != 0,
        _ => false,
    };
    new && mount.instead.is_none()
}

/// The filesystem that these steps have mounted on `target`, and whether it is still the container's own that is found there. A link in the image can lead
/// whatever is mounted later to that place: from then on, that is not certain.
fn mounted<'a>(
    steps: &'a [Step],
    target: &[u8],
    namespaces: &Namespaces,
) -> Option<(&'a Mount, bool)> {
    let mut certain = true;
    for step in steps.iter().rev() {
        match &step.op {
            Op::Mount(m) if m.target.to_bytes() == target => {
                return Some((m, certain && is_own(m, namespaces)));
            }
            Op::Mount(m) => certain &= is_own(m, namespaces),
            Op::Bind(_) => certain = false,
            _ => {}
        }
    }
    None
}

/// Keeps a remount that comes after these steps from reaching the host.
///
/// # Errors
/// Filesystem options for one that is not the container's own.
pub(super) fn restrict(
    remount: &mut Remount,
    steps: &[Step],
    namespaces: &Namespaces,
) -> Result<()> {
    let mount = mounted(steps, remount.target.to_bytes(), namespaces);
    if !remount.bind && !mount.is_some_and(|(_, own)| own) {
        remount.bind = true;
        if let Some(data) = &remount.data {
            let (data, target) = (data.to_string_lossy(), remount.target.to_string_lossy());
            let why = format!(
                "\"{data}\" would change what the host has mounted, too: {target} is no filesystem of the container's own"
            );
            return Err(Error::invalid("", why).hint("leave it out"));
        }
    }
    let instead = mount.and_then(|(m, _)| m.instead.as_ref());
    let not_ours = instead.is_some_and(|i| i.read_only);
    if not_ours && namespaces.has(CLONE_NEWUSER) {
        remount.attributes.set |= MOUNT_ATTR_RDONLY;
        remount.attributes.clear &= !MOUNT_ATTR_RDONLY;
        remount.then.recursive.clear &= !MOUNT_ATTR_RDONLY;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::op::{Instead, Then};
    use crate::plan::step;
    use kernel::mount::Attributes;
    use std::ffi::CString;

    fn mount(fstype: &str, target: &str, instead: bool) -> Step {
        let c = |text: &str| CString::new(text).unwrap();
        step(
            Op::Mount(Box::new(Mount {
                target: c(target),
                source: c(fstype),
                fstype: c(fstype),
                flags: 0,
                data: None,
                label: None,
                plain_target: false,
                new_target: false,
                copy_up: false,
                inherit_mode: false,
                then: Then::default(),
                instead: instead.then(|| Instead {
                    source: c(target),
                    read_only: true,
                }),
            })),
            "",
        )
    }

    fn bind(target: &str) -> Step {
        let target = CString::new(target).unwrap();
        let op = crate::plan::mounts::plain_bind(target.clone(), target, 0, Then::default(), false);
        step(op, "")
    }

    fn remount(target: &str, data: Option<&str>) -> Remount {
        Remount {
            target: CString::new(target).unwrap(),
            bind: false,
            attributes: Attributes {
                clear: MOUNT_ATTR_RDONLY,
                ..Attributes::default()
            },
            must_clear: 0,
            flags: 0,
            data: data.map(|d| CString::new(d).unwrap()),
            then: Then::default(),
        }
    }

    #[test]
    fn only_a_new_filesystem_of_the_containers_own_is_remounted() {
        let namespaces = |new| Namespaces {
            new,
            joins: Vec::new(),
        };
        for (steps, target, new, own) in [
            (&[mount("tmpfs", "/t", false)][..], "/t", 0, true),
            (
                &[mount("tmpfs", "/t", false), mount("proc", "/p", false)],
                "/t",
                0,
                true,
            ),
            (&[mount("tmpfs", "/t", false), bind("/t")], "/t", 0, false),
            (
                &[mount("tmpfs", "/t", false), bind("/link")],
                "/t",
                0,
                false,
            ),
            (
                &[mount("tmpfs", "/t", false), mount("mqueue", "/link", false)],
                "/t",
                0,
                false,
            ),
            (&[bind("/t"), mount("tmpfs", "/t", false)], "/t", 0, true),
            (&[mount("tmpfs", "/t", false)], "/t/below", 0, false),
            (&[mount("ext4", "/t", false)], "/t", 0, false),
            (&[], "/", 0, false),
            (&[mount("sysfs", "/sys", false)], "/sys", CLONE_NEWNET, true),
            (
                &[mount("sysfs", "/sys", false)],
                "/sys",
                CLONE_NEWIPC,
                false,
            ),
            (&[mount("mqueue", "/q", false)], "/q", CLONE_NEWIPC, true),
            (&[mount("cgroup2", "/c", false)], "/c", CLONE_NEWNET, false),
            (&[mount("proc", "/proc", false)], "/proc", 0, true),
            (&[mount("proc", "/proc", true)], "/proc", 0, false),
        ] {
            let mut plain = remount(target, None);
            restrict(&mut plain, steps, &namespaces(new)).unwrap();
            assert_eq!(!plain.bind, own, "{steps:?}");
            let with_data = restrict(&mut remount(target, Some("x=1")), steps, &namespaces(new));
            assert_eq!(with_data.is_ok(), own, "{steps:?}");
        }
    }

    #[test]
    fn what_is_not_the_containers_stays_read_only() {
        for (new, cleared) in [(CLONE_NEWUSER, 0), (0, MOUNT_ATTR_RDONLY)] {
            let namespaces = Namespaces {
                new,
                joins: Vec::new(),
            };
            let mut again = remount("/c", None);
            restrict(&mut again, &[mount("cgroup2", "/c", true)], &namespaces).unwrap();
            assert_eq!(again.attributes.clear, cleared);
        }
    }
}
