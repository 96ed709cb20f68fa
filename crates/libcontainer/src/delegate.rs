//! A cgroup below the container's own, without limits, that the container manages itself (the annotation `run.oci.delegate-cgroup`).

use crate::error::{During, Error, Result};
use kernel::file::{self, CWD, O_WRONLY};
use kernel::{Errno, io};
use std::ffi::CString;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const FIELD: &str = "/annotations/run.oci.delegate-cgroup";

/// Makes the directory in the container's cgroup of version 2, gives it to `owner`, and moves the process there. A cgroup namespace that the process has
/// made before keeps the container's own cgroup as its root.
///
/// # Errors
/// A container without a cgroup of version 2: delegation of version 1 is not safe (cgroups(7)).
#[allow(clippy::disallowed_methods, reason = "a file of the kernel")]
pub fn delegate(cgroup: &libcgroups::Record, name: &str, owner: u32, pid: i32) -> Result<()> {
    let Some(own) = cgroup.dirs.iter().find(|d| d.controllers.is_empty()) else {
        return Err(Error::invalid(
            FIELD,
            "delegating a cgroup needs cgroup version 2",
        ));
    };
    let dir = own.full().join(name);
    match file::mkdirat(CWD, &c(&dir)?, 0o755) {
        Err(Errno::EEXIST) => {}
        other => {
            other.map_err(|e| Error::os(format!("mkdir {}", dir.display()), e).field(FIELD))?
        }
    }
    if owner != 0 {
        // The files that the kernel names for it; not every kernel has all of them (cgroup-v2.rst, "Model of Delegation").
        let files = std::fs::read_to_string("/sys/kernel/cgroup/delegate")
            .unwrap_or_else(|_| "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n".into());
        for file in std::iter::once("").chain(files.lines()) {
            let path = dir.join(file);
            match file::fchownat(CWD, &c(&path)?, owner, u32::MAX) {
                Err(Errno::ENOENT) => {}
                other => other.map_err(|e| {
                    Error::os(format!("chown {} to uid {owner}", path.display()), e).field(FIELD)
                })?,
            }
        }
    }
    enter(&dir, pid)
}

fn enter(dir: &Path, pid: i32) -> Result<()> {
    let procs: PathBuf = dir.join("cgroup.procs");
    let what = || format!("write {pid} to {}", procs.display());
    let file = file::openat(CWD, &c(&procs)?, O_WRONLY, 0).during(what)?;
    io::write_all(file.as_fd(), pid.to_string().as_bytes())
        .map_err(|e| Error::os(what(), e).field(FIELD))
}

fn c(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Error::invalid(FIELD, "a path must not contain a NUL byte"))
}
