//! Steps that mount.
//!
//! A target is looked up once, inside the root filesystem, and held by a descriptor. A new filesystem is mounted on "." after fchdir to
//! it; everything else moves there by descriptor. So nobody can put another place under the path between look-up and mount.

use super::instead::{
    PROC_SUPER_MAGIC, SYSFS_MAGIC, attach_whole, bind_instead, configure, mount_again,
};
use super::rootfs::filesystem_type;
use super::{Brief, Briefly, Child, Done, attributes};
use crate::plan::{Bind, Mount, Remount, Then};
use crate::root::Make;
use crate::sync::{self, Calling, Fault, Message, Text};
use kernel::Errno;
use kernel::file::{self, CWD, O_DIRECTORY, O_NOFOLLOW, O_PATH};
use kernel::mount::{self as m, Attributes};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const S_IFMT: u32 = 0o170_000;
const S_IFDIR: u32 = 0o040_000;
const S_IFLNK: u32 = 0o120_000;

fn file_type(fd: BorrowedFd<'_>) -> Result<u32, Fault> {
    Ok(file::fstat(fd).calling("fstat")?.st_mode & S_IFMT)
}

/// Propagation and recursive attributes of an attached mount.
fn change(fd: BorrowedFd<'_>, then: &Then) -> Done {
    if then.recursive != Attributes::default() {
        attributes::set(fd, true, then.recursive)?;
    }
    for (propagation, recursive) in &then.propagation {
        attributes::set(
            fd,
            *recursive,
            Attributes {
                propagation: *propagation,
                ..Attributes::default()
            },
        )?;
    }
    Ok(())
}

impl<'a> Child<'a> {
    fn label_root(&self, mount: &Mount) -> Done {
        let Some(label) = &mount.label else {
            return Ok(());
        };
        let new = self
            .root()?
            .open(&mount.target, O_DIRECTORY)
            .calling("open target")?;
        kernel::xattr::fset(new.as_fd(), c"security.selinux", label.to_bytes())
            .calling("set security.selinux")
    }

    pub(super) fn mount(&mut self, mount: &'a Mount) -> Done {
        self.forget_directory(&mount.target);
        let target = match (mount.plain_target, mount.new_target) {
            (true, _) => self.plain_target(&mount.target).brief()?,
            (_, true) => self.new_target(&mount.target).brief()?,
            _ => self
                .root()?
                .ensure(&mount.target, Make::Directory)
                .calling("open target")
                .brief()?,
        };
        let root = self.root()?;
        let mut with_mode = Text::<4160>::new();
        let data = match &mount.data {
            data if mount.inherit_mode => Some(inherited_mode(
                target.as_fd(),
                data.as_deref(),
                &mut with_mode,
            )?),
            data => data.as_deref(),
        };
        let below = if mount.copy_up {
            Some(
                root.open(&mount.target, O_DIRECTORY)
                    .calling("open target")?,
            )
        } else {
            None
        };
        file::fchdir(target.as_fd()).calling("fchdir")?;
        let mut mounted =
            m::mount_here(Some(&mount.source), Some(&mount.fstype), mount.flags, data);
        if mounted == Err(Errno::EBUSY) {
            mounted = mount_again(mount, data, target.as_fd());
        }
        match (mounted, &mount.instead) {
            (Ok(()), _) => self.label_root(mount)?,
            (Err(Errno::EPERM | Errno::EBUSY), Some(instead)) => {
                bind_instead(mount, instead, target.as_fd())?;
            }
            (Err(errno), _) => return Err(refusal(mount, data, errno)),
        }
        if let Some(below) = below {
            let new = root
                .open(&mount.target, O_DIRECTORY)
                .calling("open target")?;
            super::copy_up::copy(below.as_fd(), new.as_fd())?;
        }
        match (mount.plain_target, mount.fstype.to_bytes()) {
            (true, b"proc") => self.pin(&mount.target, PROC_SUPER_MAGIC)?,
            (true, b"sysfs") => self.pin(&mount.target, SYSFS_MAGIC)?,
            _ => {}
        }
        self.then(&mount.target, &mount.then)
    }

    /// Holds on to a new procfs or sysfs. Whoever renames in the root filesystem meanwhile could have the paths inside that are to be hidden looked up in another
    /// directory, and give the mount its name back later (CVE-2023-27561).
    fn pin(&mut self, target: &'a CStr, magic: i64) -> Done {
        let Some(place) = self.pinned.iter_mut().find(|place| place.is_none()) else {
            return Ok(());
        };
        let root = self
            .root
            .as_ref()
            .ok_or(Fault::new("open", Errno::ENOENT))?;
        let fd = root.open_plain_directory(target).calling("open target")?;
        if filesystem_type(fd.as_fd())? != magic {
            return Err(Fault::about(
                "open target",
                Errno::EXDEV,
                b"somebody has renamed it",
            ));
        }
        *place = Some((target, fd));
        Ok(())
    }

    /// A directory in a filesystem that this walk has mounted, empty, a moment ago: nobody can have put anything there.
    fn new_target(&mut self, path: &'a CStr) -> Result<OwnedFd, Fault> {
        let (dir, mut name) = self.in_directory(path)?;
        let name = name.as_cstr().calling("mkdir")?;
        match file::mkdirat(dir, name, 0o755) {
            Ok(()) | Err(Errno::EEXIST) => {
                file::openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0).calling("open target")
            }
            Err(e) => Err(Fault::new("mkdir", e)),
        }
    }

    /// procfs and sysfs go on a real directory: an image whose /proc is a link could otherwise choose what the runtime takes for it (CVE-2019-19921).
    fn plain_target(&self, path: &CStr) -> Result<OwnedFd, Fault> {
        let root = self.root()?;
        match root.open_plain_directory(path) {
            Err(Errno::ENOENT) => {
                root.ensure(path, Make::Directory).calling("mkdir")?;
                root.open_plain_directory(path).calling("open target")
            }
            Err(e @ (Errno::ELOOP | Errno::ENOTDIR)) => Err(Fault::about(
                "open target",
                e,
                b"it must be a directory, not a link",
            )),
            other => other.calling("open target"),
        }
    }

    /// Propagation and recursive attributes, on what is mounted at the target now.
    fn then(&self, target: &CStr, then: &crate::plan::Then) -> Done {
        if then.propagation.is_empty() && then.recursive == Attributes::default() {
            return Ok(());
        }
        let fd = self
            .root()?
            .open(target, O_PATH)
            .calling("open target")
            .brief()?;
        change(fd.as_fd(), then)
    }

    /// A detached copy of a mount of the host: our own where we may take one, else one that the parent has taken.
    pub(super) fn copy_tree(
        &self,
        path: &CStr,
        recursive: bool,
        nofollow: bool,
        help: Option<usize>,
    ) -> Result<OwnedFd, Fault> {
        match m::clone_tree(CWD, path, recursive, nofollow) {
            Err(Errno::EACCES | Errno::EPERM) if help.is_some() => self.fetch_tree(help),
            other => other.map_err(|e| Fault::about("open_tree", e, path.to_bytes())),
        }
    }

    fn fetch_tree(&self, tree: Option<usize>) -> Result<OwnedFd, Fault> {
        let tree = tree.ok_or(Fault::new("open_tree", Errno::EBADF))?;
        sync::need_tree(self.given.sync, tree as u32).calling("sendmsg")?;
        match sync::receive(self.given.sync).calling("recvmsg")? {
            Message::Tree(fd) => Ok(fd),
            Message::Closed => kernel::process::exit(1),
            _ => Err(Fault::new("recvmsg", Errno::EPROTO)),
        }
    }

    pub(super) fn bind(&mut self, bind: &'a Bind) -> Done {
        self.forget_directory(&bind.target);
        let tree = if bind.idmapped {
            self.fetch_tree(bind.tree)?
        } else {
            match self.copy_tree(
                &bind.source,
                bind.recursive,
                bind.source_nofollow,
                bind.tree,
            ) {
                Err(Fault {
                    errno: Errno::ENOENT,
                    ..
                }) if bind.optional => return Ok(()),
                other => other?,
            }
        };
        let tree = Brief::new(tree);
        let tree = tree.as_fd();
        let kind = file_type(tree)?;
        if bind.copy_symlink && kind == S_IFLNK {
            return self.copy_link(tree, &bind.target);
        }
        let make = if kind == S_IFDIR {
            Make::Directory
        } else {
            Make::File
        };
        let kernels = matches!(bind.target.to_bytes(), b"/proc" | b"/sys");
        let target = match (kernels, bind.target_nofollow) {
            (true, _) => self.plain_target(&bind.target).brief()?,
            (_, true) => self.target_itself(&bind.target, make).brief()?,
            _ => self
                .root()?
                .ensure(&bind.target, make)
                .calling("open target")
                .brief()?,
        };
        guard_proc(bind, tree, target.as_fd())?;
        match bind.attributes {
            Some(change) if bind.whole => attach_whole(tree, target.as_fd(), change.set)?,
            _ => attach(bind, tree, target.as_fd())?,
        }
        if kernels {
            let magic = filesystem_type(tree)?;
            if matches!(magic, PROC_SUPER_MAGIC | SYSFS_MAGIC) {
                self.pin(&bind.target, magic)?;
            }
        }
        change(tree, &bind.then)
    }

    pub(super) fn remount(&mut self, remount: &Remount) -> Done {
        let fd = self
            .root()?
            .open(&remount.target, O_PATH)
            .calling("open target")
            .brief()?;
        if remount.bind {
            let late = set_unless_locked(fd.as_fd(), remount.attributes, remount.must_clear)?;
            if let Some(change) = late {
                attributes::set(fd.as_fd(), false, change)?;
            }
        } else {
            file::fchdir(fd.as_fd()).calling("fchdir")?;
            m::mount_here(None, None, remount.flags, remount.data.as_deref())
                .calling("mount MS_REMOUNT")?;
        }
        change(fd.as_fd(), &remount.then)
    }

    pub(super) fn set_mount_attributes(&mut self, target: &CStr, change: Attributes) -> Done {
        let fd = self
            .root()?
            .open(target, O_PATH)
            .calling("open target")
            .brief()?;
        attributes::set(fd.as_fd(), false, change)
    }
}

fn attach(bind: &Bind, tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Done {
    let late = match bind.attributes {
        Some(change) => set_unless_locked(tree, change, bind.must_clear)?,
        None => None,
    };
    m::move_mount(tree, target).calling("move_mount")?;
    // The descriptor is that of the mount, attached or not.
    late.map_or(Ok(()), |change| attributes::set(tree, false, change))
}

/// Sets attributes on a copy that is not attached yet. A user namespace may add restrictions but not lift those that the host has set; they stay, unless
/// lifting one was asked for. Gives back the change where it has to wait until the copy is attached.
fn set_unless_locked(
    tree: BorrowedFd<'_>,
    change: Attributes,
    must_clear: u64,
) -> Result<Option<Attributes>, Fault> {
    match m::set_attributes(tree, false, change, None) {
        Err(Errno::ENOSYS) => Ok(Some(change)),
        Err(Errno::EPERM) => {
            let locked = attributes::current(tree)? & must_clear;
            if locked != 0 {
                return Err(Fault::about(
                    "mount_setattr",
                    Errno::EPERM,
                    b"the source has flags that this user namespace may not clear",
                ));
            }
            let clear = change.clear
                & if change.set & m::MOUNT_ATTR__ATIME != 0 {
                    m::MOUNT_ATTR__ATIME
                } else {
                    0
                };
            m::set_attributes(tree, false, Attributes { clear, ..change }, None)
                .calling("mount_setattr")?;
            Ok(None)
        }
        other => other.calling("mount_setattr").map(|()| None),
    }
}

/// Whatever path leads there: on /proc goes procfs only, and nothing but listed files, which the plan has let pass, goes inside.
fn guard_proc(bind: &Bind, tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Done {
    let path = bind.target.to_bytes();
    if path == b"/proc" {
        if filesystem_type(tree)? != PROC_SUPER_MAGIC {
            return Err(Fault::about(
                "open_tree",
                Errno::EINVAL,
                b"only procfs goes on /proc",
            ));
        }
    } else if !path.starts_with(b"/proc/") && filesystem_type(target)? == PROC_SUPER_MAGIC {
        return Err(Fault::about(
            "open target",
            Errno::EINVAL,
            b"the destination leads into procfs",
        ));
    }
    Ok(())
}

/// `mode=` of the directory below in front of the other data: a tmpfs starts world-writable otherwise.
fn inherited_mode<'t>(
    below: BorrowedFd<'_>,
    data: Option<&CStr>,
    text: &'t mut Text<4160>,
) -> Result<&'t CStr, Fault> {
    let mode = file::fstat(below).calling("fstat")?.st_mode & 0o7777;
    text.push(b"mode=");
    for shift in [9, 6, 3, 0] {
        text.push(&[b'0' + (mode >> shift & 7) as u8]);
    }
    if let Some(data) = data {
        text.push(b",");
        text.push(data.to_bytes());
    }
    text.as_cstr().calling("mount data")
}

/// Asks the kernel once more, in the way that gives words: the filesystem's own log of what it did not like.
fn refusal(mount: &Mount, data: Option<&CStr>, errno: Errno) -> Fault {
    let mut fault = Fault::new("mount", errno);
    if errno == Errno::ENODEV {
        fault.detail.push(b"this kernel has no such filesystem");
        return fault;
    }
    let Ok(context) = m::fsopen(&mount.fstype) else {
        return fault;
    };
    let _ = configure(context.as_fd(), mount, data);
    let mut buf = [0; 256];
    let log = m::fscontext_log(context.as_fd(), &mut buf).trim_ascii();
    // "e tmpfs: Bad value for 'size'": a letter for the severity comes first.
    fault.detail.push(log.strip_prefix(b"e ").unwrap_or(log));
    fault
}
