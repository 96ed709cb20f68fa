//! What a mount covers: whatever was at its target, and below.

use super::mounts::Mounts;
use super::{Op, Step};
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
}

impl Known {
    /// Takes one more operation into account.
    pub(super) fn see(&mut self, op: &mut Op) {
        let target = match op {
            Op::Mount(m) => m.target.to_bytes().to_vec(),
            Op::Bind(b) => b.target.to_bytes().to_vec(),
            Op::Symlink { path, .. } => path.to_bytes().to_vec(),
            _ => return,
        };
        let parent = crate::root::split(&target).0;
        if let Op::Mount(m) = op {
            m.new_target = self.empty.contains(parent) && !self.used.contains(&target);
            self.cover(&target);
            if m.fstype.as_bytes() == b"tmpfs" && !m.copy_up {
                self.empty.insert(target.clone());
            }
        } else {
            self.cover(&target);
        }
        self.used.insert(target);
    }

    /// What is mounted on `target` hides what was there and below.
    fn cover(&mut self, target: &[u8]) {
        let below = |dir: &&Vec<u8>| {
            dir.strip_prefix(target)
                .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        };
        // Sorted: everything that starts with the target comes in a row, siblings such as /a-b between /a and /a/c.
        let row = self
            .empty
            .range(target.to_vec()..)
            .take_while(|dir| dir.starts_with(target));
        let hidden: Vec<Vec<u8>> = row.filter(below).cloned().collect();
        for dir in hidden {
            self.empty.remove(&dir);
        }
    }
}
