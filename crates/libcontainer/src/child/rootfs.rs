//! Steps that make the root filesystem the root.

use super::{Child, Done};
use crate::root::Root;
use crate::sync::{Calling, Fault};
use kernel::Errno;
use kernel::file::{self, CWD, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY};
use kernel::mount::{self, Attributes, MS_MOVE, MS_PRIVATE, MS_REC, MS_SLAVE};
use std::ffi::{CStr, c_ulong};
use std::os::fd::{AsFd, BorrowedFd};

/// Changes the propagation of everything mounted at and, with `MS_REC`, below `/`.
pub(super) fn propagation(flags: c_ulong) -> Done {
    mount::mount(None, c"/", None, flags, None).calling("mount /")
}

/// pivot_root refuses a new root whose parent mount is shared, and what is mounted there would show up on the host.
pub(super) fn private_parent(path: &CStr) -> Done {
    const STATX_ATTR_MOUNT_ROOT: u64 = 0x2000;
    let mut fd = file::openat(CWD, path, O_PATH | O_DIRECTORY, 0).calling("open")?;
    // Up to the root of the mount; a path has at most half as many components as bytes.
    for _ in 0..crate::root::PATH_MAX / 2 {
        if file::fstatx(fd.as_fd(), 0).calling("statx")?.stx_attributes & STATX_ATTR_MOUNT_ROOT != 0
        {
            let private = Attributes {
                propagation: MS_PRIVATE,
                ..Attributes::default()
            };
            return super::attributes::set(fd.as_fd(), false, private);
        }
        fd = file::openat(fd.as_fd(), c"..", O_PATH | O_DIRECTORY, 0).calling("open ..")?;
    }
    Err(Fault::new("statx", Errno::ELOOP))
}

impl Child<'_> {
    /// Attaches a copy of the root filesystem's mount. On its own path, where hooks of the container's namespaces look for it; where that path
    /// cannot be reached (a user namespace), over the root directory.
    pub(super) fn attach_rootfs(
        &mut self,
        path: &CStr,
        help: Option<usize>,
        private: bool,
    ) -> Done {
        let tree = self.copy_tree(path, true, true, help)?;
        if private {
            let change = Attributes {
                propagation: MS_PRIVATE,
                ..Attributes::default()
            };
            super::attributes::set(tree.as_fd(), true, change)?;
        }
        let place = match file::openat(CWD, path, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0) {
            Err(Errno::EACCES | Errno::ENOENT) if help.is_some() => {
                file::openat(CWD, c"/", O_PATH | O_DIRECTORY, 0)
            }
            other => other,
        }
        .calling("open")?;
        mount::move_mount(tree.as_fd(), place.as_fd()).calling("move_mount")?;
        self.root = Some(Root::new(tree));
        Ok(())
    }

    pub(super) fn read_only_root(&self) -> Done {
        let change = Attributes {
            set: mount::MOUNT_ATTR_RDONLY,
            ..Attributes::default()
        };
        super::attributes::set(self.root()?.fd(), false, change)
    }

    /// The new root comes over the old one, which is then let go of: no directory to put it in is needed (pivot_root(2), NOTES).
    pub(super) fn pivot_root(&mut self, old_is_shared: bool) -> Done {
        file::fchdir(self.root()?.fd()).calling("fchdir")?;
        mount::pivot_here().map_err(|errno| match errno {
            Errno::EINVAL => Fault::about(
                "pivot_root",
                errno,
                b"the host's root may be an initramfs: use --no-pivot",
            ),
            other => Fault::new("pivot_root", other),
        })?;
        if old_is_shared {
            // Or the host would lose its mounts with us.
            mount::mount(None, c".", None, MS_SLAVE | MS_REC, None).calling("mount MS_SLAVE")?;
        }
        mount::detach_here().calling("umount2")?;
        file::chdir(c"/").calling("chdir /")
    }

    /// For a host whose root is an initramfs. The old mounts stay below, out of sight; of those that would give a way around masked paths the
    /// container must not find any, so every other procfs and sysfs goes first.
    pub(super) fn move_root(&mut self) -> Done {
        file::fchdir(self.root()?.fd()).calling("fchdir")?;
        self.hide_host_filesystems()?;
        file::fchdir(self.root()?.fd()).calling("fchdir")?;
        mount::mount(Some(c"."), c"/", None, MS_MOVE, None).calling("mount MS_MOVE")?;
        file::chroot_here().calling("chroot")?;
        file::chdir(c"/").calling("chdir /")
    }

    /// Unmounts the host's /proc and /sys, or covers them with an empty filesystem where they are locked.
    fn hide_host_filesystems(&self) -> Done {
        for path in [c"/proc", c"/sys"] {
            let Ok(fd) = file::openat(CWD, path, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0) else {
                continue;
            };
            file::fchdir(fd.as_fd()).calling("fchdir")?;
            match mount::detach_here() {
                Ok(()) | Err(Errno::EINVAL) => {}
                Err(Errno::EPERM) => mount::mount(Some(c"tmpfs"), path, Some(c"tmpfs"), 0, None)
                    .calling("mount tmpfs")?,
                Err(e) => return Err(Fault::new("umount2", e)),
            }
        }
        Ok(())
    }

    pub(super) fn chroot(&mut self) -> Done {
        file::fchdir(self.root()?.fd()).calling("fchdir")?;
        file::chroot_here().calling("chroot")?;
        file::chdir(c"/").calling("chdir /")
    }

    /// After joining a running container's namespaces, its root is `/`. A container that was only chrooted has its root elsewhere.
    pub(super) fn enter_root(&mut self, slot: Option<usize>) -> Done {
        if let Some(fd) = self.slot(slot) {
            file::fchdir(fd).calling("fchdir")?;
            file::chroot_here().calling("chroot")?;
        }
        let root = file::openat(CWD, c"/", O_RDONLY | O_DIRECTORY, 0).calling("open /")?;
        self.root = Some(Root::new(root));
        Ok(())
    }

    pub(super) fn make_cwd(&self) -> Done {
        let cwd = &self.given.program.process.cwd;
        self.root()?
            .ensure(cwd, crate::root::Make::Directory)
            .map(drop)
            .map_err(|e| Fault::about("mkdir", e, cwd.to_bytes()))
    }
}

/// The type of the filesystem that a descriptor is on (statfs(2)).
pub(super) fn filesystem_type(fd: BorrowedFd<'_>) -> Result<i64, Fault> {
    #[allow(clippy::unnecessary_cast)] // the type of f_type differs between architectures
    Ok(file::fstatfs(fd).calling("fstatfs")?.f_type as i64)
}
