//! Copies of mounts for a process that cannot take them itself: it may not reach the source, or may not map its owners.
//!
//! A helper takes them, with the rights of the host but *inside the container's mount namespace*. There the kernel has locked what the host made
//! read-only (mount_namespaces(7), "Restrictions on mount namespaces"). Copies from the host's own namespace would not have these locks, and root of
//! a user namespace could lift the restrictions.

use crate::error::{During, Error, Kind, Result};
use crate::idmap;
use crate::plan::{IdmapSource, Program, Tree};
use crate::sync::{self, Calling, Fault, Message};
use kernel::file::{self, CWD, O_DIRECTORY, O_PATH};
use kernel::mount::{self, Attributes, MOUNT_ATTR_IDMAP};
use kernel::process::{self, CLONE_NEWNS, Child, CloneArgs};
use kernel::{Errno, socket};
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The helper. It ends when this is dropped.
#[derive(Debug)]
pub struct Trees {
    sync: Option<OwnedFd>,
    helper: Child,
}

impl Trees {
    /// Starts the helper for a process that is in its mount namespace.
    ///
    /// # Errors
    /// Maps of an idmapped mount that cannot be.
    pub fn start(program: &Program, pid: i32, pidfd: BorrowedFd<'_>) -> Result<Trees> {
        let maps = maps(program)?;
        // Not the root of the mount namespace: the container's may lie over it already, and what an image holds is no path of the host.
        let path = CString::new(format!("/proc/{pid}/root")).expect("a number has no NUL");
        let root = file::openat(CWD, &path, O_PATH | O_DIRECTORY, 0)
            .during(|| format!("open /proc/{pid}/root"))?;
        let (ours, theirs) = socket::pair().during(|| "socketpair".into())?;
        let serve = || {
            let _ = process::set_parent_death_signal(libc::SIGKILL);
            let answer = |n: u32| {
                let tree = program
                    .trees
                    .get(n as usize)
                    .ok_or(Fault::new("open_tree", Errno::EBADF))?;
                let map = maps.get(n as usize).and_then(Option::as_ref);
                copy(tree, map.map(AsFd::as_fd))
            };
            let entered = enter(pidfd, root.as_fd());
            while let Ok(Message::NeedTree(n)) = sync::receive(theirs.as_fd()) {
                let sent = match entered.clone().and_then(|()| answer(n)) {
                    Ok(tree) => sync::tree(theirs.as_fd(), tree.as_fd()),
                    Err(fault) => sync::failed(theirs.as_fd(), n, &fault),
                };
                if sent.is_err() {
                    break;
                }
            }
            process::exit(0)
        };
        // The helper must not keep the other end, or it would never see it close.
        let ours = std::cell::Cell::new(Some(ours));
        let helper = process::clone(CloneArgs::default(), || {
            drop(ours.take());
            serve()
        })
        .during(|| "clone3".into())?;
        Ok(Trees {
            sync: ours.take(),
            helper,
        })
    }

    /// Has a copy taken.
    ///
    /// # Errors
    /// A source that is missing or cannot be copied or mapped, with the field that asked for it.
    pub fn fetch(&self, program: &Program, n: u32) -> Result<OwnedFd> {
        let what = || Error::new(Kind::Failed, "the process that copies mounts has died");
        let sync = self.sync.as_ref().ok_or_else(what)?.as_fd();
        sync::need_tree(sync, n).map_err(|_| what())?;
        match sync::receive(sync).map_err(|_| what())? {
            Message::Tree(fd) => Ok(fd),
            Message::Failed(report) => {
                let Some(tree) = program.trees.get(n as usize) else {
                    return Err(what());
                };
                let error = Error::os(
                    format!("mount {}: {}", tree.path.to_string_lossy(), report.call),
                    report.errno,
                );
                let error = error.field(tree.field.clone());
                Err(match hint(&report.call, report.errno) {
                    Some(hint) => error.hint(hint),
                    None => error,
                })
            }
            _ => Err(what()),
        }
    }
}

impl Drop for Trees {
    fn drop(&mut self) {
        self.sync = None;
        let _ = process::wait(self.helper.pidfd.as_fd());
    }
}

/// The user namespace of each tree that is to be idmapped. Equal maps share one.
fn maps(program: &Program) -> Result<Vec<Option<OwnedFd>>> {
    let mut made = idmap::Namespaces::default();
    let of = |tree: &Tree| -> Result<Option<OwnedFd>> {
        let Some(idmap) = &tree.idmap else {
            return Ok(None);
        };
        let fd = match &idmap.source {
            IdmapSource::Maps(maps) => made.with(maps).map_err(|e| e.field(tree.field.clone()))?,
            IdmapSource::Slot(slot) => {
                let mut open = crate::spawn::open_slots(&program.slots[*slot..=*slot])?;
                return Ok(open.pop().flatten());
            }
        };
        fd.try_clone_to_owned()
            .map(Some)
            .map_err(|e| Error::os("dup", e))
    };
    program.trees.iter().map(of).collect()
}

fn enter(pidfd: BorrowedFd<'_>, root: BorrowedFd<'_>) -> std::result::Result<(), Fault> {
    process::setns(pidfd, CLONE_NEWNS).calling("setns")?;
    file::fchdir(root).calling("fchdir")?;
    file::chroot_here().calling("chroot")
}

fn copy(tree: &Tree, map: Option<BorrowedFd<'_>>) -> std::result::Result<OwnedFd, Fault> {
    let fd =
        mount::clone_tree(CWD, &tree.path, tree.recursive, tree.nofollow).calling("open_tree")?;
    if let (Some(idmap), Some(map)) = (&tree.idmap, map) {
        let change = Attributes {
            set: MOUNT_ATTR_IDMAP,
            ..Attributes::default()
        };
        mount::set_attributes(fd.as_fd(), idmap.recursive, change, Some(map))
            .calling("mount_setattr MOUNT_ATTR_IDMAP")?;
    }
    Ok(fd)
}

fn hint(call: &str, errno: Errno) -> Option<&'static str> {
    Some(match (call, errno) {
        ("open_tree", Errno::ENOENT) => "check that the source exists on the host",
        ("open_tree", Errno::EINVAL) => NOT_ALONE,
        ("mount_setattr MOUNT_ATTR_IDMAP", Errno::EINVAL) => {
            "the filesystem, or one below it, does not support idmapped mounts on this kernel"
        }
        ("mount_setattr MOUNT_ATTR_IDMAP", Errno::EPERM) => {
            "the mount is idmapped already, or its filesystem belongs to another user namespace"
        }
        ("mount_setattr MOUNT_ATTR_IDMAP", Errno::ENOSYS) => "idmapped mounts need kernel 5.12",
        _ => return None,
    })
}

/// Why a user namespace may not bind one mount without those below.
pub const NOT_ALONE: &str = "in a user namespace, what is mounted below the source cannot be left out: use rbind; nor can an unbindable mount be copied, or one of another mount namespace";
