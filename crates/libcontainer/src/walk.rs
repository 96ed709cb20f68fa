//! What `openat2` does, one component at a time: for kernels below a seccomp filter that withholds it.
//!
//! Every component is opened with `O_PATH | O_NOFOLLOW` from the directory before it. A link is never followed by the kernel: its text is read, and takes the
//! place of the component. `..` is never opened: the components before it are walked again from the root. So whatever somebody renames meanwhile, each
//! descriptor is of something that was below the root when it was opened.

use crate::root::{LINKS, PATH_MAX};
use crate::sync::Text;
use kernel::file::{self, O_DIRECTORY, O_NOFOLLOW, O_PATH};
use kernel::{Errno, Result};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

type PathText = Text<PATH_MAX>;

const PROC_SUPER_MAGIC: i64 = 0x9fa0;
/// The inode number of the root directory of every procfs (linux/proc_fs.h, `PROC_ROOT_INO`).
const PROC_ROOT_INO: u64 = 1;

/// `openat2` where it may be used, and a walk with the same outcome where it may not. `resolve` is `RESOLVE_IN_ROOT` or `RESOLVE_BENEATH` (the root is then
/// also where an absolute link leads) with `RESOLVE_NO_SYMLINKS` or `RESOLVE_NO_MAGICLINKS`, and `RESOLVE_NO_XDEV`.
pub fn open(root: BorrowedFd<'_>, path: &CStr, flags: i32, resolve: u64) -> Result<OwnedFd> {
    match file::openat2(root, path, flags, 0, resolve) {
        Err(Errno::ENOSYS) => Walk { root, resolve }.open(path, flags),
        other => other,
    }
}

#[derive(Clone, Copy)]
struct Walk<'a> {
    root: BorrowedFd<'a>,
    resolve: u64,
}

impl Walk<'_> {
    // Out of line, as all that has room for a whole path and is rarely called: the pages of its frame would be touched each time.
    #[cold]
    #[inline(never)]
    fn open(self, path: &CStr, flags: i32) -> Result<OwnedFd> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        let mut todo = PathText::new();
        todo.push(path.to_bytes());
        // Components of the place reached so far, none of them a link.
        let mut done = PathText::new();
        let mut dir = self.reopen(self.root, c".")?;
        let mut links = LINKS;
        loop {
            let (name, rest) = next(todo.as_bytes());
            // A slash behind the last component asks for a directory, links followed.
            let last = rest.is_empty();
            match name {
                b"" | b"." if last => return self.enter(dir, flags),
                b"" | b"." => {}
                b".." => {
                    done = parent(done.as_bytes());
                    dir = self.again(done.as_bytes())?;
                    if last {
                        return self.enter(dir, flags);
                    }
                }
                name => {
                    let mut text = component(name)?;
                    let name = text.as_cstr()?;
                    let found = file::openat(dir.as_fd(), name, O_PATH | O_NOFOLLOW, 0)?;
                    match file::fstat(found.as_fd())?.st_mode & libc::S_IFMT {
                        libc::S_IFLNK if last && flags & O_NOFOLLOW != 0 => {
                            return finish(dir.as_fd(), name, found, flags);
                        }
                        libc::S_IFLNK => {
                            links = links.checked_sub(1).ok_or(Errno::ELOOP)?;
                            let target = self.link(dir.as_fd(), found.as_fd(), rest)?;
                            if target.as_bytes().starts_with(b"/") {
                                done = PathText::new();
                                dir = self.reopen(self.root, c".")?;
                            }
                            todo = target;
                            continue;
                        }
                        _ if last => {
                            self.same_mount(dir.as_fd(), found.as_fd())?;
                            return finish(dir.as_fd(), name, found, flags);
                        }
                        libc::S_IFDIR => {
                            self.same_mount(dir.as_fd(), found.as_fd())?;
                            done.push(b"/");
                            done.push(name.to_bytes());
                            dir = found;
                        }
                        _ => return Err(Errno::ENOTDIR),
                    }
                }
            }
            let mut left = PathText::new();
            left.push(rest);
            todo = left;
        }
    }

    /// The text of a link, with what is left of the path behind it.
    fn link(self, dir: BorrowedFd<'_>, link: BorrowedFd<'_>, rest: &[u8]) -> Result<PathText> {
        if self.resolve & file::RESOLVE_NO_SYMLINKS != 0 || is_magic(dir, link)? {
            return Err(Errno::ELOOP);
        }
        let mut buf = [0; PATH_MAX];
        let target = file::readlinkat(link, c"", &mut buf)?;
        if target.is_empty() {
            return Err(Errno::ENOENT);
        }
        let mut text = PathText::new();
        text.push(target);
        text.push(rest);
        text.as_cstr()?;
        Ok(text)
    }

    /// The place that these components lead to. None is a link, or was none a moment ago: then somebody is renaming.
    fn again(self, components: &[u8]) -> Result<OwnedFd> {
        let mut dir = self.reopen(self.root, c".")?;
        for name in components.split(|b| *b == b'/').filter(|n| !n.is_empty()) {
            dir = self.reopen(dir.as_fd(), component(name)?.as_cstr()?)?;
        }
        Ok(dir)
    }

    fn reopen(self, dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
        file::openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0)
    }

    /// Ends the walk in a directory that is known already.
    fn enter(self, dir: OwnedFd, flags: i32) -> Result<OwnedFd> {
        if flags & O_PATH != 0 {
            return Ok(dir);
        }
        file::openat(dir.as_fd(), c".", flags, 0)
    }

    fn same_mount(self, dir: BorrowedFd<'_>, found: BorrowedFd<'_>) -> Result<()> {
        if self.resolve & file::RESOLVE_NO_XDEV != 0 && mount_id(dir)? != mount_id(found)? {
            return Err(Errno::EXDEV);
        }
        Ok(())
    }
}

/// Opens what was found with the flags that were asked for, if it is still what the name stands for.
fn finish(dir: BorrowedFd<'_>, name: &CStr, found: OwnedFd, flags: i32) -> Result<OwnedFd> {
    let st = file::fstat(found.as_fd())?;
    if flags & O_DIRECTORY != 0 && st.st_mode & libc::S_IFMT != libc::S_IFDIR {
        return Err(Errno::ENOTDIR);
    }
    if flags & O_PATH != 0 {
        return Ok(found);
    }
    let fd = file::openat(dir, name, flags | O_NOFOLLOW, 0)?;
    let now = file::fstat(fd.as_fd())?;
    if (now.st_dev, now.st_ino) != (st.st_dev, st.st_ino) {
        return Err(Errno::EAGAIN);
    }
    Ok(fd)
}

/// Whether a link is one that the kernel follows to a file rather than by its text. On procfs only those in its root (self, mounts, net ...) are not.
fn is_magic(dir: BorrowedFd<'_>, link: BorrowedFd<'_>) -> Result<bool> {
    #[allow(clippy::unnecessary_cast)] // the type of f_type differs between architectures
    let on_procfs = file::fstatfs(link)?.f_type as i64 == PROC_SUPER_MAGIC;
    Ok(on_procfs && file::fstat(dir)?.st_ino != PROC_ROOT_INO)
}

fn mount_id(fd: BorrowedFd<'_>) -> Result<u64> {
    const STATX_MNT_ID: u32 = 0x1000;
    Ok(file::fstatx(fd, STATX_MNT_ID)?.stx_mnt_id)
}

/// The first component, and what is behind it: empty, or a slash and more.
fn next(path: &[u8]) -> (&[u8], &[u8]) {
    let start = path.iter().position(|b| *b != b'/').unwrap_or(path.len());
    let path = &path[start..];
    path.split_at(path.iter().position(|b| *b == b'/').unwrap_or(path.len()))
}

fn parent(components: &[u8]) -> PathText {
    let mut text = PathText::new();
    let end = components.iter().rposition(|b| *b == b'/').unwrap_or(0);
    text.push(&components[..end]);
    text
}

fn component(name: &[u8]) -> Result<Text<257>> {
    let mut text = Text::new();
    text.push(name);
    if text.as_bytes().len() < name.len() {
        return Err(Errno::ENAMETOOLONG);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::file::{O_RDONLY, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS};
    use std::os::unix::fs::symlink;

    const PATHS: [&CStr; 44] = [
        c"",
        c"/",
        c".",
        c"..",
        c"/..",
        c"../..",
        c"//a//b",
        c"/a",
        c"/a/",
        c"/a/b",
        c"a/b/",
        c"/a/b/f",
        c"/a/b/f/",
        c"/a/b/f/x",
        c"/missing",
        c"/missing/x",
        c"/a/missing",
        c"/a/../a/b",
        c"/a/b/../../a/b/f",
        c"/absolute",
        c"/absolute/",
        c"/absolute/f",
        c"/relative",
        c"/relative/f",
        c"/up",
        c"/up/a/b/f",
        c"/outside",
        c"/outside/x",
        c"/chain",
        c"/chain/f",
        c"/loop",
        c"/loop/x",
        c"/dangling",
        c"/dangling/x",
        c"/to-file",
        c"/to-file/",
        c"/a/b/../../../../a",
        c"/a/b/back/a/b/f",
        c"/self-dot/f",
        c"/slashes",
        c"/slashes/f",
        c"/root-link",
        c"/root-link/a",
        c"/./a/./b/.",
    ];

    /// Everything that a path can run into.
    fn tree(dir: &std::path::Path) {
        std::fs::create_dir_all(dir.join("root/a/b")).unwrap();
        std::fs::write(dir.join("root/a/b/f"), "f").unwrap();
        std::fs::create_dir_all(dir.join("elsewhere/x")).unwrap();
        for (target, link) in [
            ("/a/b", "absolute"),
            ("a/b", "relative"),
            ("../../..", "up"),
            ("../elsewhere", "outside"),
            ("absolute", "chain"),
            ("loop", "loop"),
            ("/nowhere", "dangling"),
            ("a/b/f", "to-file"),
            ("../..", "a/b/back"),
            ("./a/./b/.", "self-dot"),
            ("//a//b//", "slashes"),
            ("/", "root-link"),
        ] {
            symlink(target, dir.join("root").join(link)).unwrap();
        }
    }

    /// What a look-up came to, comparable between two ways.
    fn outcome(result: Result<OwnedFd>) -> std::result::Result<(u64, u64), Errno> {
        let st = file::fstat(result?.as_fd())?;
        Ok((st.st_dev, st.st_ino))
    }

    #[test]
    fn the_walk_and_openat2_agree() {
        let dir = std::env::temp_dir().join(format!("teu-walk-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        tree(&dir);
        let root: OwnedFd = std::fs::File::open(dir.join("root")).unwrap().into();
        let mut compared = 0;
        for path in PATHS {
            for flags in [
                O_PATH,
                O_PATH | O_DIRECTORY,
                O_PATH | O_NOFOLLOW,
                O_RDONLY,
                O_RDONLY | O_NOFOLLOW,
            ] {
                for rule in [RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS] {
                    let resolve = RESOLVE_IN_ROOT | rule;
                    let theirs = outcome(file::openat2(root.as_fd(), path, flags, 0, resolve));
                    let walk = Walk {
                        root: root.as_fd(),
                        resolve,
                    };
                    assert_eq!(
                        outcome(walk.open(path, flags)),
                        theirs,
                        "{path:?} {flags:o} {resolve:x}"
                    );
                    compared += 1;
                }
            }
        }
        assert_eq!(compared, PATHS.len() * 10);
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn on_procfs_too() {
        let proc: OwnedFd = std::fs::File::open("/proc").unwrap().into();
        for path in [
            c"/self/status",
            c"/self/root/etc",
            c"/self/exe",
            c"/mounts",
            c"/thread-self/attr",
            c"/self/fd/0",
            c"/net/dev",
        ] {
            for rule in [
                RESOLVE_NO_MAGICLINKS,
                RESOLVE_NO_MAGICLINKS | file::RESOLVE_NO_XDEV,
            ] {
                let resolve = RESOLVE_IN_ROOT | rule;
                let theirs = outcome(file::openat2(proc.as_fd(), path, O_PATH, 0, resolve));
                let walk = Walk {
                    root: proc.as_fd(),
                    resolve,
                };
                assert_eq!(
                    outcome(walk.open(path, O_PATH)),
                    theirs,
                    "{path:?} {resolve:x}"
                );
            }
        }
    }
}
