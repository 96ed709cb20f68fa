//! The file that tells a container's first process: the number alone, no newline, there only when it is complete.

use crate::error::{During, Error, Kind, Result};
use kernel::file::{self, CWD, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_WRONLY};
use kernel::io;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A pid file that is not there yet. Its directory is open, so that a missing one is told before anything happens, and it can be written from another root.
#[derive(Debug)]
pub struct PidFile {
    dir: OwnedFd,
    name: CString,
    temporary: CString,
    shown: String,
}

impl PidFile {
    /// Opens the directory.
    pub fn prepare(path: &Path) -> Result<PidFile> {
        let shown = path.display().to_string();
        let bad = || Error::new(Kind::Invalid, format!("\"{shown}\" cannot be a pid file"));
        let name = path.file_name().ok_or_else(bad)?;
        let dir = path
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let c = |bytes: Vec<u8>| CString::new(bytes).map_err(|_| bad());
        let dir = file::openat(
            CWD,
            &c(dir.as_os_str().as_bytes().to_vec())?,
            O_PATH | O_DIRECTORY,
            0,
        )
        .during(|| format!("open the directory of pid file {shown}"))?;
        let temporary = c([b".", name.as_bytes()].concat())?;
        Ok(PidFile {
            dir,
            name: c(name.as_bytes().to_vec())?,
            temporary,
            shown,
        })
    }

    /// Writes it.
    pub fn write(self, pid: i32) -> Result<()> {
        let what = || format!("write pid file {}", self.shown);
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
        let open = || file::openat(self.dir.as_fd(), &self.temporary, flags, 0o666);
        let file = match open() {
            // Left by somebody who was killed.
            Err(kernel::Errno::EEXIST) => {
                file::unlinkat(self.dir.as_fd(), &self.temporary, false).during(what)?;
                open()
            }
            other => other,
        }
        .during(what)?;
        io::write_all(file.as_fd(), pid.to_string().as_bytes()).during(what)?;
        file::renameat(self.dir.as_fd(), &self.temporary, &self.name).during(what)
    }
}
