//! Getting further processes into a cgroup.

use super::{Cgroup, Entry};
use crate::error::{Error, Result};
use crate::fs;
use crate::path;
use crate::plan::RecordedDir;
use kernel::file::{self, CWD, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY, O_WRONLY};
use kernel::{Errno, file::RESOLVE_BENEATH, file::RESOLVE_NO_SYMLINKS, file::RESOLVE_NO_XDEV};
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

impl Cgroup {
    /// How one more process gets in. `sub` are child cgroups that exist already, as `PATH` for every hierarchy or `CONTROLLER,...:PATH` for
    /// the v1 hierarchy of these controllers; none means the cgroup itself.
    pub fn exec_entry(&mut self, sub: &[impl AsRef<str>]) -> Result<Entry<'_>> {
        let subs = SubPaths::parse(sub)?;
        subs.refuse_unknown(&self.record.dirs)?;
        let dirs = self
            .record
            .dirs
            .iter()
            .map(|dir| (dir.full(), dir.is_v2(), subs.of(dir)))
            .collect::<Vec<_>>();
        self.open_doors(dirs)?;
        Ok(self.entry())
    }

    /// How a process gets to where the process `pid` is: the way in when the cgroup itself takes no processes any more, because the workload
    /// made child cgroups and moved into one of them.
    pub fn exec_entry_beside(&mut self, pid: i32) -> Result<Entry<'_>> {
        let path = format!("/proc/{pid}/cgroup");
        let text = fs::read(Path::new(&path)).map_err(|e| Error::sys(format!("read {path}"), e))?;
        let places = self.record.dirs.iter().map(|dir| {
            let own = crate::layout::path_of(&text, &dir.controllers);
            let sub = own
                .and_then(|own| own.strip_prefix(&dir.path))
                .filter(|s| s.is_empty() || s.starts_with('/'));
            (dir.full(), dir.is_v2(), sub.unwrap_or("").to_owned())
        });
        let places = places.collect();
        self.open_doors(places)?;
        Ok(self.entry())
    }

    /// Moves a running process in: for processes that could not be born there. Waits for an RCU grace period.
    ///
    /// By `cgroup.procs`, or where that is not permitted and the cgroup is a unit, by its service manager.
    pub fn attach(&self, pid: i32, deadline: Instant) -> Result<()> {
        for dir in &self.record.dirs {
            match (
                fs::write(&dir.join("cgroup.procs"), &pid.to_string()),
                &self.record.unit,
            ) {
                (Ok(()), _) => {}
                (Err(Errno::EACCES | Errno::EPERM), Some(unit)) => {
                    return self.attach_to_unit(unit, pid, deadline);
                }
                (Err(e), _) => return Err(enter_error(&dir.full(), e)),
            }
        }
        Ok(())
    }

    fn open_doors(&mut self, dirs: Vec<(std::path::PathBuf, bool, String)>) -> Result<()> {
        self.into = None;
        self.tasks.clear();
        for (dir, is_v2, sub) in dirs {
            if is_v2 {
                self.into = Some(open_below(&dir, &sub, O_RDONLY | O_DIRECTORY)?);
            } else {
                self.tasks
                    .push(open_below(&dir, &format!("{sub}/tasks"), O_WRONLY)?);
            }
        }
        self.settle_entry();
        Ok(())
    }
}

/// Opens something below a cgroup, and nothing else: what is below belongs to the workload.
fn open_below(dir: &Path, sub: &str, flags: i32) -> Result<OwnedFd> {
    let failed = |e| Error::sys(format!("open {}{sub}", dir.display()), e);
    let relative = sub.trim_start_matches('/');
    if !sub.trim_end_matches("/tasks").contains('/') {
        return file::openat(
            CWD,
            &fs::c_path(&dir.join(relative)).map_err(failed)?,
            flags,
            0,
        )
        .map_err(failed);
    }
    let top = file::openat(
        CWD,
        &fs::c_path(dir).map_err(failed)?,
        O_PATH | O_DIRECTORY,
        0,
    )
    .map_err(failed)?;
    let relative = CString::new(relative).map_err(|_| failed(Errno::EINVAL))?;
    let resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
    match file::openat2(top.as_fd(), &relative, flags, 0, resolve) {
        Err(Errno::ENOSYS) => walk(top, sub, flags),
        other => other,
    }
    .map_err(failed)
}

/// The same one component at a time, where a seccomp filter withholds openat2. `..` is no component (`path::components`).
fn walk(top: OwnedFd, path: &str, flags: i32) -> kernel::Result<OwnedFd> {
    let device = file::fstat(top.as_fd())?.st_dev;
    let mut names = path.split('/').filter(|name| !name.is_empty()).peekable();
    let mut dir = top;
    while let Some(name) = names.next() {
        let flags = if names.peek().is_some() {
            O_PATH | O_DIRECTORY
        } else {
            flags
        };
        let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
        dir = file::openat(dir.as_fd(), &name, flags | O_NOFOLLOW, 0)?;
        if file::fstat(dir.as_fd())?.st_dev != device {
            return Err(Errno::EXDEV);
        }
    }
    Ok(dir)
}

/// Why a process can not enter, in more words than EBUSY has.
pub(super) fn enter_error(dir: &Path, e: Errno) -> Error {
    let error = Error::sys(format!("enter cgroup {}", dir.display()), e);
    match e {
        Errno::EBUSY => error.with_hint("it passes controllers on to child cgroups, so it may not hold processes itself: name a child"),
        Errno::EOPNOTSUPP => error.with_hint("it is threaded, or an invalid domain below a threaded cgroup (see its cgroup.type)"),
        Errno::EAGAIN => error.with_hint("its pids.max is reached"),
        _ => error,
    }
}

/// The child cgroups to enter: one for all hierarchies, and others by v1 controller.
struct SubPaths {
    all: String,
    by_controller: Vec<(String, String)>,
}

impl SubPaths {
    fn parse(values: &[impl AsRef<str>]) -> Result<SubPaths> {
        let mut subs = SubPaths {
            all: String::new(),
            by_controller: Vec::new(),
        };
        for value in values {
            let value = value.as_ref();
            let (controllers, path) = match value.split_once(':') {
                Some((controllers, path)) => (Some(controllers), path),
                None => (None, value),
            };
            let clean = path::components(path).map_err(Error::new)?;
            match controllers {
                None => subs.all = clean,
                Some(list) => subs
                    .by_controller
                    .extend(list.split(',').map(|c| (c.to_owned(), clean.clone()))),
            }
        }
        Ok(subs)
    }

    /// `CONTROLLER:` of a hierarchy that is not there. A v2 tree has one path for all controllers.
    fn refuse_unknown(&self, dirs: &[RecordedDir]) -> Result<()> {
        let known = |c: &str| dirs.iter().any(|d| d.has(c) || d.has(&format!("name={c}")));
        match self.by_controller.iter().find(|(c, _)| !known(c)) {
            Some((c, path)) => Err(Error::new(format!(
                "no cgroup v1 hierarchy of controller {c:?} for sub-cgroup {path:?}"
            ))),
            None => Ok(()),
        }
    }

    fn of(&self, dir: &RecordedDir) -> String {
        let mine = |c: &str| dir.has(c) || dir.has(&format!("name={c}"));
        self.by_controller
            .iter()
            .find(|(c, _)| mine(c))
            .map_or(&self.all, |(_, path)| path)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sub_cgroups_by_hierarchy() {
        let subs = SubPaths::parse(&["a/b", "cpu,memory:c"]).unwrap();
        let dir = |c: &[&str]| RecordedDir {
            controllers: c.iter().map(|c| c.to_string()).collect(),
            ..RecordedDir::default()
        };
        assert_eq!(subs.of(&dir(&["cpu", "cpuacct"])), "/c");
        assert_eq!(subs.of(&dir(&["pids"])), "/a/b");
        assert_eq!(subs.of(&dir(&[])), "/a/b");
        assert!(subs.refuse_unknown(&[dir(&["cpu"])]).is_err());
        for climbing in ["..", "../x", "a/../../b", "cpu:.."] {
            assert!(SubPaths::parse(&[climbing]).is_err(), "{climbing}");
        }
    }
}
