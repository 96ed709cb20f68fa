//! Steps that change which namespaces and cgroups the process is in.

use super::{Child, Done};
use crate::plan::Await;
use crate::sync::{self, Calling, Fault};
use kernel::file::{self, CWD, O_WRONLY};
use kernel::process::{self, CLONE_NEWTIME, CLONE_PARENT, CloneArgs};
use kernel::{Errno, cred, io, keyring, sched};
use std::ffi::CStr;
use std::os::fd::AsFd;

impl Child<'_> {
    pub(super) fn join(&mut self, slot: usize, kinds: i32, early: bool) -> Done {
        if self.joined & kinds == kinds {
            return Ok(());
        }
        let fd = self
            .slot(Some(slot))
            .ok_or(Fault::new("setns", Errno::EBADF))?;
        match process::setns(fd, kinds) {
            Err(Errno::EPERM) if early => return Ok(()),
            other => other.calling("setns")?,
        }
        self.joined |= kinds;
        Ok(())
    }

    pub(super) fn join_cgroup(&self) -> Done {
        for file in self.given.tasks {
            io::write_all(file.as_fd(), b"0").calling("write tasks")?;
        }
        Ok(())
    }

    pub(super) fn become_root(&self) -> Done {
        cred::set_gid(0).calling("setresgid")?;
        cred::set_uid(0).calling("setresuid")
    }

    pub(super) fn await_parent(&mut self, what: Await) -> Done {
        match what {
            // The parent does these unasked, as soon as there is a process.
            Await::IdMaps | Await::Welcome => {}
            Await::Cgroup => sync::need_cgroup(self.given.sync).calling("sendmsg")?,
            Await::Hooks => sync::hooks(self.given.sync).calling("sendmsg")?,
        }
        self.await_go()
    }

    /// The stage's last step: the real process is born as its sibling, a child of the runtime.
    pub(super) fn spawn(&mut self, flags: i32) -> Done {
        if self.given.hide {
            // What is born next is visible in a container that is running, and who may trace it could walk its descriptors: it keeps no directory but
            // the container's own root.
            let root = self.root.take();
            match &root {
                Some(root) => self.close_all_but(&[self.given.sync, root.fd()])?,
                None => self.close_all_but(&[self.given.sync])?,
            }
            self.root = root;
        }
        let args = CloneArgs {
            flags: flags | CLONE_PARENT,
            cgroup: None,
        };
        let steps = &self.given.program.steps;
        let child = process::clone(args, || {
            let _ = process::set_parent_death_signal(libc::SIGKILL);
            self.walk(steps, 0)
        })
        .calling("clone3")?;
        sync::spawned(self.given.sync, child.pid, child.pidfd.as_fd()).calling("sendmsg")
    }
}

/// Makes a time namespace, sets its clocks, and enters it: unshare alone moves only children there (time_namespaces(7)).
pub(super) fn time_namespace(offsets: Option<&CStr>) -> Done {
    process::unshare(CLONE_NEWTIME).calling("unshare")?;
    if let Some(offsets) = offsets {
        // Becoming root of a user namespace has closed our own files in /proc to us (proc(5), "dumpable").
        let _ = process::set_dumpable(true);
        let file = file::openat(CWD, c"/proc/self/timens_offsets", O_WRONLY, 0)
            .calling("open /proc/self/timens_offsets")?;
        io::write_all(file.as_fd(), offsets.to_bytes())
            .calling("write /proc/self/timens_offsets")?;
        let _ = process::set_dumpable(false);
    }
    let path = c"/proc/self/ns/time_for_children";
    let namespace =
        file::openat(CWD, path, 0, 0).calling("open /proc/self/ns/time_for_children")?;
    process::setns(namespace.as_fd(), CLONE_NEWTIME).calling("setns")
}

/// While the process is still outside, and its own: who may not be looked into may not write to its own files in /proc either (proc(5), "dumpable").
pub(super) fn oom_score_adj(value: &CStr) -> Done {
    let _ = process::set_dumpable(true);
    let written = file::openat(CWD, c"/proc/self/oom_score_adj", O_WRONLY, 0)
        .and_then(|file| io::write_all(file.as_fd(), value.to_bytes()));
    let _ = process::set_dumpable(false);
    match written {
        // Lowering it takes CAP_SYS_RESOURCE of the host.
        Err(Errno::EACCES | Errno::EPERM) if cred::euid() != 0 => Ok(()),
        other => other.calling("write /proc/self/oom_score_adj"),
    }
}

/// Where the cpuset leaves no such CPU, the affinity stays as it is: the reset is a courtesy to containers.
pub(super) fn affinity(cpus: &sched::CpuSet) -> Done {
    match sched::set_affinity(0, cpus) {
        Err(Errno::EINVAL | Errno::EPERM) => Ok(()),
        other => other.calling("sched_setaffinity"),
    }
}

/// A kernel without keyrings, or a filter around us that hides them, is no reason to refuse a container.
pub(super) fn keyring(name: &CStr) -> Done {
    // Possessor: everything; user: view, read, search (keyctl_setperm(3)).
    const PERMISSIONS: u32 = 0x3f0b_0000;
    match keyring::join_session(name) {
        Ok(key) => keyring::set_permissions(key, PERMISSIONS)
            .or_else(|e| if e == Errno::EACCES { Ok(()) } else { Err(e) })
            .calling("keyctl SETPERM"),
        Err(Errno::ENOSYS | Errno::EPERM | Errno::EOPNOTSUPP) => Ok(()),
        Err(e) => Err(Fault::new("keyctl JOIN_SESSION_KEYRING", e)),
    }
}
