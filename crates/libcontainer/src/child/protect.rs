//! Paths that are hidden or made read-only (`linux.maskedPaths`, `linux.readonlyPaths`).

use super::{Brief, Briefly, Child, Done, attributes};
use crate::sync::{Calling, Fault};
use crate::walk;
use kernel::Errno;
use kernel::file::{self, CWD, O_PATH};
use kernel::mount::{self as m, Attributes};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A path that is to be hidden or made read-only: a name in the root of a procfs or sysfs of our own, where only the kernel makes names, or an
/// open file.
enum Protected<'d, 'n> {
    Named(BorrowedFd<'d>, &'n CStr),
    Open(Brief),
}

impl Protected<'_, '_> {
    fn at(&self) -> (BorrowedFd<'_>, &CStr) {
        match self {
            Protected::Named(dir, name) => (*dir, name),
            Protected::Open(fd) => (fd.as_fd(), c""),
        }
    }

    fn is_directory(&self) -> Result<bool, Fault> {
        let st = match self {
            Protected::Named(dir, name) => file::statat(*dir, name),
            Protected::Open(fd) => file::fstat(fd.as_fd()),
        };
        Ok(st.calling("stat")?.st_mode & libc::S_IFMT == libc::S_IFDIR)
    }

    /// Mounts a detached tree on it.
    fn cover(&self, tree: BorrowedFd<'_>) -> Done {
        let (dir, name) = self.at();
        m::move_mount_to(tree, dir, name).calling("move_mount")
    }
}

/// What hides: an empty read-only directory, of which the next ones are copies, and the host's /dev/null.
#[derive(Default)]
pub(super) struct Covers {
    directory: Option<OwnedFd>,
    null: Option<OwnedFd>,
}

impl Child<'_> {
    /// The procfs or sysfs of our own that a path leads into, and the rest of the path. One that turns back may lead out again: `..` stays at
    /// the root of where a walk began, so that walk must begin at the container's.
    fn pinned<'p>(&self, path: &'p CStr) -> Option<(BorrowedFd<'_>, &'p CStr)> {
        self.pinned.iter().flatten().find_map(|(place, fd)| {
            let below = path.to_bytes_with_nul().strip_prefix(place.to_bytes())?;
            let inside = below.strip_prefix(b"/")?;
            let text = inside.strip_suffix(b"\0")?;
            if text.split(|b| *b == b'/').any(|part| part == b"..") {
                return None;
            }
            Some((fd.as_fd(), CStr::from_bytes_with_nul(inside).ok()?))
        })
    }

    fn open_protected(&self, path: &CStr) -> Result<OwnedFd, Fault> {
        match self.pinned(path) {
            Some((dir, inside)) => {
                let resolve = file::RESOLVE_IN_ROOT | file::RESOLVE_NO_MAGICLINKS;
                walk::open(dir, inside, O_PATH, resolve).calling("open")
            }
            None => self.root()?.open(path, O_PATH).calling("open"),
        }
    }

    fn protected<'p>(&self, path: &'p CStr) -> Result<Protected<'_, 'p>, Fault> {
        match self.pinned(path) {
            Some((dir, name)) if is_name(name.to_bytes()) => Ok(Protected::Named(dir, name)),
            _ => self.open_protected(path).brief().map(Protected::Open),
        }
    }

    /// Makes a path read-only by mounting it on itself. What is not there needs no protection. `alone`: if it is in a filesystem that this
    /// walk has mounted, nothing is mounted below it.
    pub(super) fn read_only(&mut self, path: &CStr, alone: bool) -> Done {
        unless_missing(self.make_read_only(path, alone))
    }

    fn make_read_only(&self, path: &CStr, alone: bool) -> Done {
        let place = self.protected(path)?;
        let (dir, name) = place.at();
        let change = Attributes {
            set: m::MOUNT_ATTR_RDONLY,
            ..Attributes::default()
        };
        if alone && matches!(place, Protected::Named(..)) {
            match m::clone_tree_with(dir, name, change) {
                // Where the host's /proc stands in for one of our own, mounts below may be locked to it, and to go with it (mount_namespaces(7)).
                Err(Errno::ENOSYS | Errno::EINVAL) => {}
                other => return place.cover(other.calling("open_tree_attr").brief()?.as_fd()),
            }
        }
        let tree = m::clone_tree(dir, name, true, false)
            .calling("open_tree")
            .brief()?;
        match m::set_attributes(tree.as_fd(), false, change, None) {
            Err(Errno::ENOSYS) => {
                place.cover(tree.as_fd())?;
                attributes::set(tree.as_fd(), false, change)
            }
            other => {
                other.calling("mount_setattr")?;
                place.cover(tree.as_fd())
            }
        }
    }

    /// Hides a path: a file behind the host's /dev/null, a directory behind an empty read-only filesystem.
    pub(super) fn mask(&mut self, path: &CStr) -> Done {
        let mut covers = std::mem::take(&mut self.covers);
        let done = self.hide(path, &mut covers);
        self.covers = covers;
        unless_missing(done)
    }

    fn hide(&self, path: &CStr, covers: &mut Covers) -> Done {
        let place = self.protected(path)?;
        let cover = if place.is_directory()? {
            match &covers.directory {
                Some(directory) => directory.as_fd(),
                None => {
                    let directory = self.mount_empty(path)?;
                    // Elsewhere somebody could have put another directory there meanwhile, and copies of that would be seen, not hidden.
                    covers.directory = self.pinned(path).map(|_| directory);
                    return Ok(());
                }
            }
        } else {
            if covers.null.is_none() {
                covers.null = Some(open_null()?);
            }
            match &covers.null {
                Some(null) => null.as_fd(),
                None => return Ok(()),
            }
        };
        let tree = m::clone_tree(cover, c"", false, false)
            .calling("open_tree")
            .brief()?;
        place.cover(tree.as_fd())
    }

    /// Mounts an empty filesystem on a directory and gives back its root.
    fn mount_empty(&self, path: &CStr) -> Result<OwnedFd, Fault> {
        let below = self.open_protected(path).brief()?;
        file::fchdir(below.as_fd()).calling("fchdir")?;
        m::mount_here(
            Some(c"tmpfs"),
            Some(c"tmpfs"),
            m::MS_RDONLY,
            Some(c"nr_blocks=1,nr_inodes=1"),
        )
        .calling("mount tmpfs")?;
        self.open_protected(path)
    }
}

/// One component, and not a turn.
fn is_name(path: &[u8]) -> bool {
    !path.is_empty() && !path.contains(&b'/') && path != b"." && path != b".."
}

/// What is not there needs no protection.
fn unless_missing(done: Done) -> Done {
    match done {
        Err(fault)
            if matches!(fault.errno, Errno::ENOENT | Errno::ENOTDIR)
                && matches!(fault.call, "open" | "stat" | "open_tree" | "open_tree_attr") =>
        {
            Ok(())
        }
        other => other,
    }
}

/// The host's /dev/null, opened before anything of the container could stand in its place, and what it says it is (CVE-2025-31133).
fn open_null() -> Result<OwnedFd, Fault> {
    let null = file::openat(CWD, c"/dev/null", O_PATH, 0).calling("open /dev/null")?;
    let st = file::fstat(null.as_fd()).calling("fstat /dev/null")?;
    if st.st_mode & libc::S_IFMT != libc::S_IFCHR || st.st_rdev != file::device(1, 3) {
        return Err(Fault::about(
            "open /dev/null",
            Errno::ENODEV,
            b"the host's /dev/null is not the null device",
        ));
    }
    Ok(null)
}
