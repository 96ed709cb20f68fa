//! Small files of a kernel file system: one open, one read or write, one close.

use kernel::file::{self, CWD, O_DIRECTORY, O_RDONLY, O_WRONLY};
use kernel::{Errno, io};
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

type Result<T> = kernel::Result<T>;

/// A path for the kernel. A NUL inside cannot come from a path that the kernel or a checked configuration gave; the kernel would say EINVAL.
pub(crate) fn c_path(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)
}

/// The whole of a small text file without very long lines.
pub(crate) fn read(path: &Path) -> Result<String> {
    // Almost every file fits, and one read has reached the end: the kernel gives whole lines, as many as have room, so what stopped it would be a line of
    // more than 2 KiB.
    read_until(path, 2048)
}

/// The whole of a text file, whatever is in it.
pub(crate) fn read_to_end(path: &Path) -> Result<String> {
    read_until(path, 0)
}

/// Reads up to the end, which is taken to be reached by a first read of less than `enough`.
fn read_until(path: &Path, enough: usize) -> Result<String> {
    let file = file::openat(CWD, &c_path(path)?, O_RDONLY, 0)?;
    let mut buf = vec![0; 4096];
    let mut len = 0;
    loop {
        let n = io::read(file.as_fd(), &mut buf[len..])?;
        len += n;
        if n == 0 || len < enough {
            break;
        }
        buf.resize(len + 16384, 0);
    }
    buf.truncate(len);
    Ok(String::from_utf8_lossy(&buf).into_owned())
}

/// Writes `value` with one write(2), which is how cgroupfs wants it.
pub(crate) fn write(path: &Path, value: &str) -> Result<()> {
    let file = open_for_writing(path)?;
    io::write(file.as_fd(), value.as_bytes()).map(drop)
}

pub(crate) fn open_for_writing(path: &Path) -> Result<OwnedFd> {
    file::openat(CWD, &c_path(path)?, O_WRONLY, 0)
}

/// A directory that children can be cloned into and programs attached to.
pub(crate) fn open_dir(path: &Path) -> Result<OwnedFd> {
    file::openat(CWD, &c_path(path)?, O_RDONLY | O_DIRECTORY, 0)
}

pub(crate) fn mkdir(path: &Path) -> Result<()> {
    file::mkdirat(CWD, &c_path(path)?, 0o755)
}

pub(crate) fn rmdir(path: &Path) -> Result<()> {
    file::unlinkat(CWD, &c_path(path)?, true)
}

/// Whether something is there.
pub(crate) fn exists(path: &Path) -> bool {
    c_path(path).is_ok_and(|p| file::faccessat(CWD, &p, 0).is_ok())
}
