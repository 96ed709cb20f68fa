//! What the global options and the environment mean.

use libcgroups::Driver;
use libcontainer::error::{Error, Kind, Result};
use liboci_cli::{CgroupManager, Global};
use std::path::{Path, PathBuf};

/// Where the state of all containers is, unless `--root` says so.
pub fn state_root(global: &Global) -> Result<PathBuf> {
    match &global.root {
        Some(root) if root == Path::new("/") => Err(Error::new(
            Kind::Invalid,
            "--root must not be the root directory",
        )
        .hint("name a directory for teu alone")),
        Some(root) => {
            std::path::absolute(root).map_err(|e| Error::os(format!("find {}", root.display()), e))
        }
        None => Ok(default_root()),
    }
}

fn default_root() -> PathBuf {
    let runtime_dir = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty());
    match runtime_dir {
        Some(dir) if honours_runtime_dir() => Path::new(&dir).join("teu"),
        _ => "/run/teu".into(),
    }
}

/// Root of the host keeps to /run whatever its environment says; root of a user namespace is an ordinary user, unless it logged in as root there.
fn honours_runtime_dir() -> bool {
    kernel::cred::initial_ids().0 != 0
        || in_user_namespace() && std::env::var_os("USER").is_none_or(|user| user != "root")
}

/// The first user namespace has the same inode number on every Linux (linux/proc_ns.h, `PROC_USER_INIT_INO`).
#[allow(clippy::disallowed_methods, reason = "a file of the kernel")]
fn in_user_namespace() -> bool {
    std::fs::read_link("/proc/self/ns/user")
        .is_ok_and(|link| link != Path::new("user:[4026531837]"))
}

/// Whether this is not root of the host.
pub fn rootless(global: &Global) -> bool {
    global
        .rootless
        .unwrap_or_else(|| kernel::cred::initial_ids().0 != 0 || in_user_namespace())
}

/// Who makes cgroups.
pub fn driver(global: &Global) -> Driver {
    match global.cgroup_manager() {
        CgroupManager::Systemd => Driver::Systemd,
        CgroupManager::Cgroupfs => Driver::Cgroupfs,
        CgroupManager::Disabled => Driver::Disabled,
    }
}

/// How many descriptors came by socket activation, if they are for this process (sd_listen_fds(3)).
pub fn listen_fds() -> u32 {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    match number("LISTEN_PID") {
        Some(pid) if pid == std::process::id() => number("LISTEN_FDS").unwrap_or(0),
        _ => 0,
    }
}

/// The socket that gets the listener of a seccomp profile which names none.
pub fn seccomp_receiver() -> Option<String> {
    std::env::var("RUN_OCI_SECCOMP_RECEIVER")
        .ok()
        .filter(|path| !path.is_empty())
}

/// Where the caller wants to hear that the program is ready (sd_notify(3)). Abstract addresses are not passed on.
pub fn notify_socket() -> Option<PathBuf> {
    std::env::var_os("NOTIFY_SOCKET")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
}
