//! A root filesystem behind one descriptor. The only way to reach a path that the image controls.
//!
//! Every lookup starts at the descriptor and stays below it (`openat2` with `RESOLVE_IN_ROOT`): an absolute link or a `..` in the image means the
//! image's root, and magic links of procfs are refused. Nothing is resolved twice: callers act on the descriptor that they get. Where a seccomp filter
//! withholds openat2, [`walk`] does the same one component at a time.

use crate::sync::Text;
use crate::walk;
use kernel::file::{self, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_WRONLY};
use kernel::{Errno, Result};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Longest path, with its final NUL (limits.h).
pub const PATH_MAX: usize = 4096;
type PathText = Text<PATH_MAX>;

/// Links that one creation follows before it gives up, as many as the kernel does (path_resolution(7)).
pub const LINKS: usize = 40;

/// A root filesystem.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
}

/// What a missing final component becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Make {
    /// A directory, mode 0755.
    Directory,
    /// An empty file, mode 0644.
    File,
}

impl Root {
    /// The filesystem below this directory.
    pub fn new(fd: OwnedFd) -> Root {
        Root { fd }
    }

    /// The directory itself.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Opens an existing path.
    pub fn open(&self, path: &CStr, flags: i32) -> Result<OwnedFd> {
        let resolve = file::RESOLVE_IN_ROOT | file::RESOLVE_NO_MAGICLINKS;
        walk::open(self.fd(), path, flags, resolve)
    }

    /// Opens an existing directory to which no link leads: what proc and sysfs are mounted on.
    pub fn open_plain_directory(&self, path: &CStr) -> Result<OwnedFd> {
        let resolve = file::RESOLVE_IN_ROOT | file::RESOLVE_NO_SYMLINKS;
        walk::open(self.fd(), path, O_PATH | O_DIRECTORY, resolve)
    }

    /// Opens a path (`O_PATH`), making it and its parents where they are missing.
    pub fn ensure(&self, path: &CStr, make: Make) -> Result<OwnedFd> {
        let flags = if make == Make::Directory {
            O_PATH | O_DIRECTORY
        } else {
            O_PATH
        };
        match self.open(path, flags) {
            Err(Errno::ENOENT) => {
                let mut links = LINKS;
                self.create(path.to_bytes(), make, &mut links)?;
                self.open(path, flags)
            }
            other => other,
        }
    }

    /// Opens the directory in which the last component of `path` lives, making it where it is missing, and tells that component.
    ///
    /// # Errors
    /// `EINVAL` for a path without a last component that can be made: `/`, `..`.
    #[inline(never)]
    pub fn parent<'p>(&self, path: &'p [u8]) -> Result<(OwnedFd, &'p [u8])> {
        let (dir, name) = split(path);
        if name.is_empty() || name == b"." || name == b".." {
            return Err(Errno::EINVAL);
        }
        let mut text = PathText::new();
        text.push(dir);
        Ok((self.ensure(text.as_cstr()?, Make::Directory)?, name))
    }

    /// Makes what is missing of `path`. A link that points nowhere is not replaced: what it points to is made, inside this root.
    #[cold]
    #[inline(never)]
    fn create(&self, path: &[u8], make: Make, links: &mut usize) -> Result<()> {
        let (dir, name) = split(path);
        if name.is_empty() || name == b"." || name == b".." {
            // Nothing to make here: only the parents can be missing.
            return if dir == b"." || dir == b"/" {
                Ok(())
            } else {
                self.create(dir, Make::Directory, links)
            };
        }
        let parent = match self.open_text(dir, O_PATH | O_DIRECTORY) {
            Err(Errno::ENOENT) => {
                self.create(dir, Make::Directory, links)?;
                self.open_text(dir, O_PATH | O_DIRECTORY)?
            }
            other => other?,
        };
        let mut component = Text::<256>::new();
        component.push(name);
        let component = component.as_cstr()?;
        let made = match make {
            Make::Directory => file::mkdirat(parent.as_fd(), component, 0o755),
            Make::File => {
                let flags = O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY;
                file::openat(parent.as_fd(), component, flags, 0o644).map(drop)
            }
        };
        match made {
            Err(Errno::EEXIST) => {
                self.create_link_target(dir, parent.as_fd(), component, make, links)
            }
            other => other,
        }
    }

    /// The name exists: somebody was faster, or it is a link to something that is missing.
    fn create_link_target(
        &self,
        dir: &[u8],
        parent: BorrowedFd<'_>,
        name: &CStr,
        make: Make,
        links: &mut usize,
    ) -> Result<()> {
        let mut buf = [0u8; PATH_MAX];
        let target = match file::readlinkat(parent, name, &mut buf) {
            Ok(target) => target,
            // Not a link: it is there now, which is all that was asked for.
            Err(Errno::EINVAL) => return Ok(()),
            Err(e) => return Err(e),
        };
        if *links == 0 {
            return Err(Errno::ELOOP);
        }
        *links -= 1;
        let mut whole = PathText::new();
        if !target.starts_with(b"/") {
            whole.push(dir);
            whole.push(b"/");
        }
        whole.push(target);
        whole.as_cstr()?;
        match self.open_text(whole.as_bytes(), O_PATH) {
            Err(Errno::ENOENT) => self.create(whole.as_bytes(), make, links),
            other => other.map(drop),
        }
    }

    fn open_text(&self, path: &[u8], flags: i32) -> Result<OwnedFd> {
        let mut text = PathText::new();
        text.push(path);
        self.open(text.as_cstr()?, flags)
    }
}

/// Splits a path into its directory (`.` or `/` when there is none) and its last component, without trailing slashes.
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let end = path.iter().rposition(|b| *b != b'/').map_or(0, |i| i + 1);
    let path = &path[..end];
    match path.iter().rposition(|b| *b == b'/') {
        None if path.is_empty() => (b"/", path),
        None => (b".", path),
        Some(slash) => {
            let dir_end = path[..slash]
                .iter()
                .rposition(|b| *b != b'/')
                .map_or(0, |i| i + 1);
            (
                if dir_end == 0 { b"/" } else { &path[..dir_end] },
                &path[slash + 1..],
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    struct Scratch(PathBuf);
    impl Scratch {
        fn new(name: &str) -> (Scratch, Root) {
            let dir = std::env::temp_dir().join(format!("teu-root-{name}-{}", std::process::id()));
            std::fs::create_dir_all(dir.join("root")).unwrap();
            let root = std::fs::File::open(dir.join("root")).unwrap();
            (Scratch(dir), Root::new(root.into()))
        }
    }
    impl Drop for Scratch {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn paths_split_at_their_last_component() {
        for (path, dir, name) in [
            ("/a/b", "/a", "b"),
            ("a", ".", "a"),
            ("/a", "/", "a"),
            ("/", "/", ""),
            ("", "/", ""),
            ("/a//b//", "/a", "b"),
            ("//a", "/", "a"),
        ] {
            assert_eq!(
                split(path.as_bytes()),
                (dir.as_bytes(), name.as_bytes()),
                "{path}"
            );
        }
    }

    #[test]
    fn missing_paths_are_made_inside_whatever_the_image_says() {
        let (scratch, root) = Scratch::new("inside");
        let inside = scratch.0.join("root");
        let outside = scratch.0.join("outside");
        std::fs::create_dir(&outside).unwrap();
        symlink(&outside, inside.join("absolute")).unwrap();
        symlink("../../outside", inside.join("relative")).unwrap();
        symlink("chain2", inside.join("chain1")).unwrap();
        symlink("/deep/er", inside.join("chain2")).unwrap();
        for (path, make) in [
            (c"/absolute/x/y", Make::Directory),
            (c"/relative/file", Make::File),
            (c"/chain1/f", Make::File),
            (c"/../../up", Make::Directory),
            (c"/plain/a/b/c", Make::Directory),
            (c"/absolute", Make::Directory),
        ] {
            root.ensure(path, make)
                .unwrap_or_else(|e| panic!("{path:?}: {e}"));
        }
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
        assert!(inside.join("deep/er/f").is_file());
        assert!(inside.join("up").is_dir());
        assert!(inside.join("plain/a/b/c").is_dir());
        assert!(inside.join("outside/file").is_file());
    }

    #[test]
    fn loops_and_wrong_kinds_are_errors() {
        let (scratch, root) = Scratch::new("loops");
        let inside = scratch.0.join("root");
        symlink("b", inside.join("a")).unwrap();
        symlink("a", inside.join("b")).unwrap();
        std::fs::write(inside.join("file"), "").unwrap();
        assert_eq!(
            root.ensure(c"/a/x", Make::Directory).unwrap_err(),
            Errno::ELOOP
        );
        assert_eq!(
            root.ensure(c"/file/x", Make::Directory).unwrap_err(),
            Errno::ENOTDIR
        );
        assert_eq!(
            root.ensure(c"/file", Make::Directory).unwrap_err(),
            Errno::ENOTDIR
        );
        assert_eq!(root.parent(b"/").unwrap_err(), Errno::EINVAL);
        assert_eq!(root.parent(b"/x/..").unwrap_err(), Errno::EINVAL);
    }

    #[test]
    fn magic_links_are_refused() {
        let root = Root::new(std::fs::File::open("/proc").unwrap().into());
        assert_eq!(
            root.open(c"/self/root/etc", O_PATH).unwrap_err(),
            Errno::ELOOP
        );
        assert_eq!(
            root.open_plain_directory(c"/self").unwrap_err(),
            Errno::ELOOP
        );
    }
}
