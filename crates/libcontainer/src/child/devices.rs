//! Steps that fill /dev, and the terminal.

use super::rootfs::filesystem_type;
use super::{Child, Done};
use crate::plan::DeviceNode;
use crate::root::{Make, split};
use crate::sync::{self, Calling, Fault, Text};
use crate::walk;
use kernel::file::{
    self, CWD, O_CREAT, O_DIRECTORY, O_EXCL, O_NOCTTY, O_NOFOLLOW, O_PATH, O_RDWR, O_WRONLY,
    RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV,
};
use kernel::{Errno, io, mount, tty};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const S_IFMT: u32 = 0o170_000;
const S_IFLNK: u32 = 0o120_000;
const S_IFCHR: u32 = 0o020_000;
const DEVPTS_SUPER_MAGIC: i64 = 0x1cd1;

impl<'a> Child<'a> {
    /// The directory of a path, and the last component. Devices come in a row in one directory, which is looked up once.
    pub(super) fn in_directory(
        &mut self,
        path: &'a CStr,
    ) -> Result<(BorrowedFd<'_>, Text<256>), Fault> {
        let (dir, name) = split(path.to_bytes());
        if self.directory.as_ref().map(|(known, _)| *known) != Some(dir) {
            let (fd, _) = self
                .root()?
                .parent(path.to_bytes())
                .calling("open parent")?;
            self.directory = Some((dir, fd));
        }
        let mut text = Text::new();
        text.push(name);
        match &self.directory {
            Some((_, fd)) => Ok((fd.as_fd(), text)),
            None => Err(Fault::new("open parent", Errno::ENOENT)),
        }
    }

    /// What was looked up is no longer true once something is mounted on it, or above it.
    pub(super) fn forget_directory(&mut self, mounted_on: &CStr) {
        let on = mounted_on.to_bytes();
        let below = |dir: &[u8]| {
            dir.strip_prefix(on)
                .is_some_and(|rest| rest.is_empty() || rest[0] == b'/' || on == b"/")
        };
        if self.directory.as_ref().is_some_and(|(dir, _)| below(dir)) {
            self.directory = None;
        }
        for place in &mut self.pinned {
            place.take_if(|(place, _)| below(place.to_bytes()));
        }
    }

    pub(super) fn device(&mut self, node: &'a DeviceNode) -> Done {
        if node.bind {
            return self.bind_device(node);
        }
        let (dir, mut name) = self.in_directory(&node.path)?;
        let name = name.as_cstr().calling("mknod")?;
        match file::mknodat(dir, name, node.mode, node.device) {
            Err(Errno::EEXIST) => return same_device(dir, name, node),
            // Without CAP_MKNOD over this filesystem: take the host's.
            Err(Errno::EPERM) if node.mode & S_IFMT != libc::S_IFIFO => {
                return self.bind_device(node);
            }
            other => other.calling("mknod")?,
        }
        match node.owner {
            Some((uid, gid)) => file::fchownat(dir, name, uid, gid).calling("chown"),
            None => Ok(()),
        }
    }

    /// Mounts the host's node of the same path, if it is the same device.
    fn bind_device(&mut self, node: &DeviceNode) -> Done {
        self.directory = None;
        let tree = mount::clone_tree(CWD, &node.path, false, false)
            .map_err(|e| Fault::about("open_tree", e, node.path.to_bytes()))?;
        let st = file::fstat(tree.as_fd()).calling("fstat")?;
        if st.st_mode & S_IFMT != node.mode & S_IFMT || st.st_rdev != node.device {
            return Err(Fault::about(
                "open_tree",
                Errno::ENODEV,
                b"the host has another file there, and a device cannot be made here",
            ));
        }
        let target = self
            .root()?
            .ensure(&node.path, Make::File)
            .calling("open target")?;
        mount::move_mount(tree.as_fd(), target.as_fd()).calling("move_mount")
    }

    pub(super) fn symlink(&mut self, target: &CStr, path: &'a CStr, replace: bool) -> Done {
        let (dir, mut name) = self.in_directory(path)?;
        let name = name.as_cstr().calling("symlink")?;
        match file::symlinkat(target, dir, name) {
            Err(Errno::EEXIST) if replace => {
                file::unlinkat(dir, name, false).calling("unlink")?;
                file::symlinkat(target, dir, name).calling("symlink")
            }
            // The image has its own, or the kernel a device of that name.
            Err(Errno::EEXIST) => Ok(()),
            other => other.calling("symlink"),
        }
    }

    /// A terminal out of the container's own devpts, opened without a path that the image controls (CVE-2025-52565).
    pub(super) fn console(&mut self, on_dev_console: bool) -> Done {
        let wrong = Fault::about(
            "open /dev/pts/ptmx",
            Errno::ENODEV,
            b"a terminal needs a devpts mount on /dev/pts",
        );
        // The filesystem first: to open a device that an image has in its place could already do something.
        let devpts = self
            .root()?
            .open(c"/dev/pts", O_PATH | O_DIRECTORY)
            .calling("open /dev/pts")?;
        if filesystem_type(devpts.as_fd())? != DEVPTS_SUPER_MAGIC {
            return Err(wrong);
        }
        let resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
        let master = walk::open(devpts.as_fd(), c"ptmx", O_RDWR | O_NOCTTY, resolve)
            .calling("open /dev/pts/ptmx")?;
        if file::fstat(master.as_fd()).calling("fstat")?.st_rdev != file::device(5, 2) {
            return Err(wrong);
        }
        tty::unlock(master.as_fd()).calling("ioctl TIOCSPTLCK")?;
        let slave = tty::open_peer(master.as_fd()).calling("ioctl TIOCGPTPEER")?;
        if let Some(Some(size)) = self.given.program.process.terminal {
            tty::set_window_size(master.as_fd(), size).calling("ioctl TIOCSWINSZ")?;
        }
        if on_dev_console {
            self.mount_console(slave.as_fd())?;
        }
        sync::console(self.given.sync, master.as_fd()).calling("sendmsg")?;
        tty::set_controlling(slave.as_fd()).calling("ioctl TIOCSCTTY")?;
        for number in 0..3 {
            io::dup_onto(slave.as_fd(), number, false).calling("dup3")?;
        }
        let uid = self.given.program.process.uid;
        if uid != 0 {
            file::fchownat(slave.as_fd(), c"", uid, u32::MAX).calling("chown")
        } else {
            Ok(())
        }
    }

    fn mount_console(&mut self, slave: BorrowedFd<'_>) -> Done {
        let (dir, _) = self.in_directory(c"/dev/console")?;
        let target = console_file(dir).calling("open /dev/console")?;
        let st = file::fstat(target.as_fd()).calling("fstat")?;
        if st.st_mode & S_IFMT == S_IFLNK {
            return Err(Fault::about(
                "open /dev/console",
                Errno::ELOOP,
                b"it must not be a link",
            ));
        }
        let tree = mount::clone_tree(slave, c"", false, false).calling("open_tree")?;
        mount::move_mount(tree.as_fd(), target.as_fd()).calling("move_mount")
    }

    /// Gives standard input, output and error to the user, so that it can open them anew through /dev/stdout. Not /dev/null, which is everybody's; and not a
    /// file that came for reading: its owner could open it for writing.
    pub(super) fn stdio_owner(&self) -> Done {
        let uid = self.given.program.process.uid;
        for fd in [io::STDIN, io::STDOUT, io::STDERR] {
            let Ok(st) = file::fstat(fd) else { continue };
            let null = st.st_mode & S_IFMT == S_IFCHR && st.st_rdev == file::device(1, 3);
            let stored = matches!(
                st.st_mode & S_IFMT,
                libc::S_IFREG | libc::S_IFDIR | libc::S_IFBLK
            );
            if null || st.st_uid == uid || stored && !io::is_writable(fd) {
                continue;
            }
            match file::fchownat(fd, c"", uid, u32::MAX) {
                // Not ours to give, or on a filesystem that cannot: the program can use it all the same.
                Ok(()) | Err(Errno::EPERM | Errno::EROFS | Errno::EINVAL) => {}
                Err(e) => return Err(Fault::new("chown", e)),
            }
        }
        Ok(())
    }
}

fn console_file(dir: BorrowedFd<'_>) -> kernel::Result<OwnedFd> {
    match file::openat(
        dir,
        c"console",
        O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY,
        0o600,
    ) {
        Ok(_) | Err(Errno::EEXIST) => file::openat(dir, c"console", O_PATH | O_NOFOLLOW, 0),
        Err(e) => Err(e),
    }
}

/// A name that is taken is fine if it is the same device.
fn same_device(dir: BorrowedFd<'_>, name: &CStr, node: &DeviceNode) -> Done {
    let st = file::lstatat(dir, name).calling("stat")?;
    if st.st_mode & S_IFMT == node.mode & S_IFMT && st.st_rdev == node.device {
        return Ok(());
    }
    Err(Fault::about(
        "mknod",
        Errno::EEXIST,
        b"the image has another file there",
    ))
}
