//! What the machine offers. A test names its needs; here stands how each is found out and what is said when it is
//! missing.

use std::fs;
use std::path::Path;

/// Something a test cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The suite runs as root in the initial user namespace.
    Root,
    /// The cgroup hierarchy that the runtime sees has version 1 controllers.
    CgroupV1,
    /// `/sys/fs/cgroup` is a cgroup2 mount.
    CgroupV2,
    /// The named controller is there, in either version.
    Controller(&'static str),
    /// User namespaces can be made.
    UserNamespace,
    /// The kernel has time namespaces.
    TimeNamespace,
    /// The kernel has cgroup namespaces.
    CgroupNamespace,
    /// AppArmor is on.
    AppArmor,
    /// SELinux is on.
    Selinux,
    /// The suite has the capability with this number.
    Capability(u8),
    /// The filesystem type is known to the kernel.
    Filesystem(&'static str),
    /// A program is in the PATH.
    Program(&'static str),
    /// resctrl is mounted.
    Resctrl,
    /// At least this many CPUs are online.
    Cpus(usize),
    /// `--systemd-cgroup` was given.
    Systemd,
    /// `--systemd-cgroup` was not given.
    CgroupFs,
}

/// CAP_SYS_RESOURCE.
pub const SYS_RESOURCE: Need = Need::Capability(24);

impl Need {
    /// `None` when the machine has it, else why not.
    pub fn missing(self, systemd: bool) -> Option<String> {
        let (there, text) = match self {
            Need::Root => (is_root(), "not root".to_string()),
            Need::CgroupV1 => (
                !v1_controllers().is_empty(),
                "no cgroup v1 controllers".to_string(),
            ),
            Need::CgroupV2 => (is_v2(), "/sys/fs/cgroup is not cgroup2".to_string()),
            Need::Controller(name) => (has_controller(name), format!("no {name} controller")),
            Need::UserNamespace => (
                namespace_allowed("user"),
                "user namespaces are not allowed".to_string(),
            ),
            Need::TimeNamespace => (
                Path::new("/proc/self/ns/time").exists(),
                "no time namespaces".to_string(),
            ),
            Need::CgroupNamespace => (
                Path::new("/proc/self/ns/cgroup").exists(),
                "no cgroup namespaces".to_string(),
            ),
            Need::AppArmor => (
                Path::new("/sys/kernel/security/apparmor").exists(),
                "AppArmor is off".to_string(),
            ),
            Need::Selinux => (
                Path::new("/sys/fs/selinux/enforce").exists(),
                "SELinux is off".to_string(),
            ),
            Need::Capability(bit) => (
                has_capability(bit),
                format!("the suite lacks capability {bit}"),
            ),
            Need::Filesystem(name) => (has_filesystem(name), format!("the kernel has no {name}")),
            Need::Program(name) => (in_path(name), format!("{name} is not installed")),
            Need::Resctrl => (
                Path::new("/sys/fs/resctrl/schemata").exists(),
                "resctrl is not mounted".to_string(),
            ),
            Need::Cpus(n) => (cpus() >= n, format!("fewer than {n} CPUs")),
            Need::Systemd => (systemd, "not with the systemd cgroup driver".to_string()),
            Need::CgroupFs => (!systemd, "only with the cgroupfs driver".to_string()),
        };
        (!there).then_some(text)
    }
}

/// Whether the suite is root and its user namespace maps every id.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
        && fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| map.contains("4294967295"))
}

/// Whether the unified hierarchy is all there is.
pub fn is_v2() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.procs").exists()
}

/// Controllers of version 1 hierarchies that are mounted below `/sys/fs/cgroup`.
pub fn v1_controllers() -> Vec<String> {
    if is_v2() {
        return Vec::new();
    }
    let known = fs::read_to_string("/proc/cgroups").unwrap_or_default();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounted = |name: &str| {
        mounts.lines().any(|line| {
            line.contains(" - cgroup ")
                && line
                    .rsplit(' ')
                    .next()
                    .is_some_and(|o| o.split(',').any(|o| o == name))
        })
    };
    known
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| mounted(name))
        .map(str::to_string)
        .collect()
}

fn has_controller(name: &str) -> bool {
    if is_v2() {
        let name = if name == "blkio" { "io" } else { name };
        return fs::read_to_string("/sys/fs/cgroup/cgroup.controllers")
            .is_ok_and(|list| list.split_whitespace().any(|c| c == name));
    }
    v1_controllers().iter().any(|c| c == name)
}

fn namespace_allowed(kind: &str) -> bool {
    fs::read_to_string(format!("/proc/sys/user/max_{kind}_namespaces"))
        .is_ok_and(|max| max.trim() != "0")
}

fn has_capability(bit: u8) -> bool {
    fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let line = status
                .lines()
                .find(|l| l.starts_with("CapEff:"))?
                .to_string();
            u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok()
        })
        .is_some_and(|set| set & (1 << bit) != 0)
}

fn has_filesystem(name: &str) -> bool {
    fs::read_to_string("/proc/filesystems")
        .is_ok_and(|list| list.split_whitespace().any(|word| word == name))
}

/// Whether a program of that name is in the PATH.
pub fn in_path(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).is_file()))
}

/// How many CPUs this process may use.
pub fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The suite's own nice value, raised by so much: what an ordinary user may ask for, too, wherever the suite is started.
pub fn nicer_by(more: i32) -> i32 {
    let own = rustix::process::getpriority_process(None).unwrap_or(0);
    (own + more).min(19)
}
