//! What a mount covers: whatever was at its target, and below.

use super::mounts::Mounts;
use super::namespaces::Namespaces;
use super::op::{Mount, Remount};
use super::{Op, Step};
use crate::error::{Error, Result};
use kernel::mount::MOUNT_ATTR_RDONLY;
use kernel::process::{CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWUSER};
use std::collections::BTreeSet;

impl Mounts {
    /// What waits for the end cannot be reached by its path any more once something else is mounted there or above. A remount covers nothing, but
    /// has its own word about the mount that it is for.
    pub(super) fn settle(&mut self, target: &[u8], remount: bool) {
        let meant = |path: &[u8]| {
            let rest = path.strip_prefix(target);
            rest.is_some_and(|rest| rest.is_empty() || !remount && rest[0] == b'/')
        };
        // Sorted: what starts with the target comes in a row, siblings such as /a-b between /a and /a/c.
        let row = self.waiting.range(target.to_vec()..);
        if !row
            .take_while(|p| p.starts_with(target))
            .any(|path| meant(path))
        {
            return;
        }
        let waits = |step: &Step| waiting_for(step).is_some_and(meant);
        let waiting = std::mem::take(&mut self.last);
        let (now, later): (Vec<_>, Vec<_>) = waiting.into_iter().partition(waits);
        self.waiting.retain(|path| !meant(path));
        self.steps.extend(now);
        self.last = later;
    }
}

/// Which mount a step at the end is for.
pub(super) fn waiting_for(step: &Step) -> Option<&[u8]> {
    match &step.op {
        Op::SetAttributes { target, .. } => Some(target.to_bytes()),
        _ => None,
    }
}

/// What the mounts so far tell about the directories that the next ones go on.
#[derive(Default)]
pub(super) struct Known {
    /// Filesystems that start empty.
    empty: BTreeSet<Vec<u8>>,
    /// Names that have been used.
    used: BTreeSet<Vec<u8>>,
    /// Filesystems that are the container's own.
    own: BTreeSet<Vec<u8>>,
    /// What has to stay read-only.
    read_only: BTreeSet<Vec<u8>>,
}

/// Whether a new mount has a superblock to itself. The kernel has but one of most of its own filesystems, for the machine or for a namespace, however
/// often they are mounted: what a remount does to that one, it does to the host's mounts as well.
fn is_own(mount: &Mount, namespaces: &Namespaces) -> bool {
    match mount.fstype.to_bytes() {
        b"sysfs" => namespaces.new & CLONE_NEWNET != 0,
        b"mqueue" => namespaces.new & CLONE_NEWIPC != 0,
        b"binfmt_misc" | b"cgroup" | b"cgroup2" | b"configfs" | b"debugfs" | b"devtmpfs"
        | b"efivarfs" | b"fusectl" | b"nfsd" | b"pstore" | b"resctrl" | b"rpc_pipefs"
        | b"securityfs" | b"selinuxfs" | b"smackfs" | b"tracefs" => false,
        _ => mount.instead.is_none(),
    }
}

impl Known {
    /// Takes one more operation into account.
    ///
    /// # Errors
    /// Filesystem options for one that is not the container's own.
    pub(super) fn see(&mut self, op: &mut Op, namespaces: &Namespaces) -> Result<()> {
        let target = match op {
            Op::Remount(remount) => return self.restrict(remount),
            Op::Mount(m) => m.target.to_bytes().to_vec(),
            Op::Bind(b) => b.target.to_bytes().to_vec(),
            Op::Symlink { path, .. } => path.to_bytes().to_vec(),
            _ => return Ok(()),
        };
        let parent = crate::root::split(&target).0;
        if let Op::Mount(m) = op {
            m.new_target = self.empty.contains(parent) && !self.used.contains(&target);
            self.cover(&target);
            if m.fstype.as_bytes() == b"tmpfs" && !m.copy_up {
                self.empty.insert(target.clone());
            }
            if is_own(m, namespaces) {
                self.own.insert(target.clone());
            }
            let instead = m.instead.as_ref().is_some_and(|i| i.read_only);
            if instead && namespaces.has(CLONE_NEWUSER) {
                self.read_only.insert(target.clone());
            }
        } else {
            self.cover(&target);
        }
        self.used.insert(target);
        Ok(())
    }

    fn restrict(&self, remount: &mut Remount) -> Result<()> {
        let target = remount.target.as_bytes();
        if !remount.bind && !self.own.contains(target) {
            remount.bind = true;
            if let Some(data) = &remount.data {
                let (data, target) = (data.to_string_lossy(), remount.target.to_string_lossy());
                let why = format!(
                    "\"{data}\" would change what the host has mounted, too: {target} is no filesystem of the container's own"
                );
                return Err(Error::invalid("", why).hint("leave it out"));
            }
        }
        if self.read_only.contains(target) {
            remount.attributes.set |= MOUNT_ATTR_RDONLY;
            remount.attributes.clear &= !MOUNT_ATTR_RDONLY;
            remount.then.recursive.clear &= !MOUNT_ATTR_RDONLY;
        }
        Ok(())
    }

    /// What is mounted on `target` hides what was there and below.
    fn cover(&mut self, target: &[u8]) {
        let below = |dir: &&Vec<u8>| {
            dir.strip_prefix(target)
                .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        };
        for set in [&mut self.empty, &mut self.own, &mut self.read_only] {
            // Sorted: everything that starts with the target comes in a row, siblings such as /a-b between /a and /a/c.
            let row = set
                .range(target.to_vec()..)
                .take_while(|dir| dir.starts_with(target));
            let hidden: Vec<Vec<u8>> = row.filter(below).cloned().collect();
            for dir in hidden {
                set.remove(&dir);
            }
        }
    }
}
