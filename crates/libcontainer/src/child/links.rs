//! Links as sources and targets of bind mounts (`copy-symlink`, `dest-nofollow`).

use super::{Child, Done};
use crate::root::{Make, PATH_MAX};
use crate::sync::{Calling, Fault, Text};
use kernel::Errno;
use kernel::file::{self, O_NOFOLLOW, O_PATH};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

impl Child<'_> {
    /// Makes the link again that `link` is a copy of. One that is there and says the same will do.
    #[cold]
    #[inline(never)]
    pub(super) fn copy_link(&self, link: BorrowedFd<'_>, path: &CStr) -> Done {
        let (mut new, mut old) = ([0u8; PATH_MAX], [0u8; PATH_MAX]);
        let mut target = Text::<PATH_MAX>::new();
        target.push(file::readlinkat(link, c"", &mut new).calling("readlink")?);
        let target = target.as_cstr().calling("readlink")?;
        let (dir, name) = self
            .root()?
            .parent(path.to_bytes())
            .calling("open parent")?;
        let mut last = Text::<256>::new();
        last.push(name);
        let name = last.as_cstr().calling("symlink")?;
        match file::symlinkat(target, dir.as_fd(), name) {
            Err(Errno::EEXIST) => match file::readlinkat(dir.as_fd(), name, &mut old) {
                Ok(there) if there == target.to_bytes() => Ok(()),
                _ => Err(Fault::about(
                    "symlink",
                    Errno::EEXIST,
                    b"the destination of copy-symlink exists and is something else",
                )),
            },
            other => other.calling("symlink"),
        }
    }

    /// Opens the target without following a link that is its last component, making it where it is missing.
    pub(super) fn target_itself(&self, path: &CStr, make: Make) -> Result<OwnedFd, Fault> {
        let root = self.root()?;
        match root.open(path, O_PATH | O_NOFOLLOW) {
            Err(Errno::ENOENT) => root.ensure(path, make).calling("open target"),
            other => other.calling("open target"),
        }
    }
}
