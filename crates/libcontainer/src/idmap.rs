//! Writing the id maps of a user namespace (user_namespaces(7)), and making one for the maps alone.

use crate::error::{During, Error, Kind, Result};
use crate::plan::IdMaps;
use crate::program;
use kernel::file::{self, CWD, O_WRONLY};
use kernel::process::{self, CLONE_NEWUSER, CloneArgs, Exit};
use kernel::{Errno, io};
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long newuidmap may take.
const HELPER_TIME: Duration = Duration::from_secs(10);

/// Writes both maps of the process' user namespace.
///
/// # Errors
/// Ids that this user may not map, or helpers that are missing or refuse.
pub fn write(pid: i32, maps: &IdMaps) -> Result<()> {
    if maps.with_helpers {
        with_helper("newuidmap", pid, &maps.uid, "/linux/uidMappings")?;
        return with_helper("newgidmap", pid, &maps.gid, "/linux/gidMappings");
    }
    if maps.deny_setgroups {
        // An unprivileged process may map its group only after giving up setgroups, by which it could drop out of a group that denies access.
        write_file(pid, "setgroups", "deny", "/linux/gidMappings")?;
    }
    write_file(pid, "uid_map", &maps.uid, "/linux/uidMappings")?;
    write_file(pid, "gid_map", &maps.gid, "/linux/gidMappings")
}

fn write_file(pid: i32, name: &str, content: &str, field: &'static str) -> Result<()> {
    let path = format!("/proc/{pid}/{name}");
    let what = || format!("write {:?} to {path}", content.trim_end());
    let c_path = CString::new(path.as_str())
        .map_err(|_| Error::new(Kind::Failed, "a path with a NUL byte"))?;
    let result = file::openat(CWD, &c_path, O_WRONLY, 0)
        .and_then(|f| io::write_all(f.as_fd(), content.as_bytes()));
    result.map_err(|errno| {
        let error = Error::os(what(), errno).field(field);
        match errno {
            Errno::EPERM => error.hint("this user may map only its own id; for more, install uidmap and see subuid(5)"),
            Errno::EINVAL => error.hint("the kernel takes at most 340 ranges, in ids that exist in the parent user namespace"),
            _ => error,
        }
    })
}

/// newuidmap and newgidmap are set-uid programs that check /etc/subuid and /etc/subgid. They are looked for where distributions put them, not in
/// a PATH that anybody may have set.
#[allow(
    clippy::disallowed_methods,
    reason = "programs of the host, at absolute paths"
)]
fn with_helper(name: &str, pid: i32, map: &str, field: &'static str) -> Result<()> {
    let dirs = [
        "/usr/bin",
        "/bin",
        "/usr/sbin",
        "/usr/local/bin",
        "/run/wrappers/bin",
    ];
    let Some(path) = dirs
        .iter()
        .map(|d| format!("{d}/{name}"))
        .find(|p| std::path::Path::new(p).exists())
    else {
        return Err(Error::new(Kind::Failed, format!("{name} is not installed"))
            .field(field)
            .hint("install the package uidmap, or map only your own id"));
    };
    let words = std::iter::once(pid.to_string()).chain(map.split_whitespace().map(str::to_owned));
    let arguments = words.map(|w| CString::new(w).expect("numbers have no NUL"));
    let output = program::output(&path, arguments.collect(), Instant::now() + HELPER_TIME)?;
    if output.exit == Exit::Code(0) {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::new(
        Kind::Failed,
        format!("{path} refused the mapping {:?}", map.trim_end()),
    )
    .cause(said)
    .field(field)
    .hint("see subuid(5) and subgid(5) for the ids that this user may map"))
}

/// User namespaces that exist only for their maps, each made once.
#[derive(Debug, Default)]
pub struct Namespaces(Vec<(IdMaps, OwnedFd)>);

impl Namespaces {
    /// A namespace with these maps.
    ///
    /// # Errors
    /// Maps that the kernel refuses.
    pub fn with(&mut self, maps: &IdMaps) -> Result<BorrowedFd<'_>> {
        let i = match self.0.iter().position(|(m, _)| m == maps) {
            Some(i) => i,
            None => {
                self.0.push((maps.clone(), namespace(maps)?));
                self.0.len() - 1
            }
        };
        Ok(self.0[i].1.as_fd())
    }
}

/// A namespace needs a first process, to be made and mapped; the descriptor keeps it when that has ended.
fn namespace(maps: &IdMaps) -> Result<OwnedFd> {
    let (end, hold) = io::pipe().during(|| "pipe".into())?;
    let args = CloneArgs {
        flags: CLONE_NEWUSER,
        cgroup: None,
    };
    let wait = || {
        let _ = process::set_parent_death_signal(libc::SIGKILL);
        let _ = io::read(end.as_fd(), &mut [0]);
    };
    let child = process::clone(args, wait)
        .during(|| "clone3 with a user namespace for the maps of a mount".into())?;
    let path = CString::new(format!("/proc/{}/ns/user", child.pid)).expect("a number has no NUL");
    let opened = write(child.pid, maps).and_then(|()| {
        file::openat(CWD, &path, 0, 0).during(|| format!("open {}", path.to_string_lossy()))
    });
    let _ = process::pidfd_send_signal(child.pidfd.as_fd(), libc::SIGKILL);
    let _ = process::wait(child.pidfd.as_fd());
    drop(hold);
    opened
}
