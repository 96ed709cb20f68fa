//! The operations, as data, and how each is told to people.

use kernel::mount::Attributes;
use std::ffi::{CStr, CString, c_ulong};
use std::fmt;

/// What the child waits for the parent to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Await {
    /// The id maps of the new user namespace.
    IdMaps,
    /// Being in the cgroup.
    Cgroup,
    /// The hooks that run in the runtime's namespaces.
    Hooks,
    /// What the parent does as soon as the process is born.
    Welcome,
}

/// Where a hook runs in the life of a container (config.md, "POSIX-platform Hooks").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookPoint {
    /// In the runtime's namespaces, before pivot_root. Deprecated.
    Prestart,
    /// In the runtime's namespaces, before pivot_root.
    CreateRuntime,
    /// In the container's namespaces, before pivot_root.
    CreateContainer,
    /// In the container, before the program.
    StartContainer,
    /// In the runtime's namespaces, after the start.
    Poststart,
    /// In the runtime's namespaces, after the deletion.
    Poststop,
}

impl HookPoint {
    /// The name of the list in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            HookPoint::Prestart => "prestart",
            HookPoint::CreateRuntime => "createRuntime",
            HookPoint::CreateContainer => "createContainer",
            HookPoint::StartContainer => "startContainer",
            HookPoint::Poststart => "poststart",
            HookPoint::Poststop => "poststop",
        }
    }
}

/// A filesystem to mount.
#[derive(Clone, Debug)]
pub struct Mount {
    /// Where, inside the root filesystem.
    pub target: CString,
    /// mount(2)'s source.
    pub source: CString,
    /// Its type.
    pub fstype: CString,
    /// `MS_*`.
    pub flags: c_ulong,
    /// Comma-separated data.
    pub data: Option<CString>,
    /// The SELinux label of its root directory, where the type takes no label as an option (mqueue).
    pub label: Option<CString>,
    /// The target must be a real directory, with no link on the way (proc and sysfs).
    pub plain_target: bool,
    /// Its directory is empty and out of anybody's reach: a tmpfs that was mounted before, on which nothing has been put at this name.
    pub new_target: bool,
    /// What the directory held goes into the new, empty filesystem.
    pub copy_up: bool,
    /// Mode and owner of the directory below carry over, unless the data says otherwise (tmpfs).
    pub inherit_mode: bool,
    /// What to change on it and everything below, afterwards.
    pub then: Then,
    /// What to do where this user namespace may not have a new mount of the type.
    pub instead: Option<Instead>,
}

/// A mount of the host's that takes the place of a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instead {
    /// The directory to bind, of the type that was to be mounted, with everything mounted below it: that may be there to hide something.
    pub source: CString,
    /// Whether nothing in it is for the container to change, whatever the flags say.
    pub read_only: bool,
}

/// Changes to a mount once it is attached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Then {
    /// Propagation changes in order: `MS_*` type and whether recursive.
    pub propagation: Vec<(u64, bool)>,
    /// Recursive attributes.
    pub recursive: Attributes,
}

/// A mount of something that is there already.
#[derive(Clone, Debug)]
pub struct Bind {
    /// Where, inside the root filesystem.
    pub target: CString,
    /// Path on the host.
    pub source: CString,
    /// Who cannot reach the source has it copied: the index in [`super::Program::trees`].
    pub tree: Option<usize>,
    /// It must be copied so in any case.
    pub idmapped: bool,
    /// With everything mounted below it.
    pub recursive: bool,
    /// A final link of the source is bound itself, not followed.
    pub source_nofollow: bool,
    /// A final link of the source is made again at the target, and nothing is mounted.
    pub copy_symlink: bool,
    /// A final link of the target is mounted on, not followed.
    pub target_nofollow: bool,
    /// What remounting it would set and clear; `None` keeps the source's attributes.
    pub attributes: Option<Attributes>,
    /// Attributes whose clearing was asked for in so many words: when the kernel has locked them, that is an error.
    pub must_clear: u64,
    /// The attributes hold for everything mounted below, too, and nothing ties the copy to the host's mounts.
    pub whole: bool,
    /// What to change on it afterwards.
    pub then: Then,
    /// A missing source is passed over.
    pub optional: bool,
}

/// A mount to change in place.
#[derive(Clone, Debug)]
pub struct Remount {
    /// Where, inside the root filesystem.
    pub target: CString,
    /// Only the mount changes: `bind`, or the filesystem is not the container's own.
    pub bind: bool,
    /// What changes on the mount.
    pub attributes: Attributes,
    /// As of [`Bind`].
    pub must_clear: u64,
    /// `MS_*` for the filesystem itself.
    pub flags: c_ulong,
    /// Comma-separated data, for the filesystem itself.
    pub data: Option<CString>,
    /// What to change on it and everything below, afterwards.
    pub then: Then,
}

/// A device to make.
#[derive(Clone, Debug)]
pub struct DeviceNode {
    /// Where, inside the root filesystem.
    pub path: CString,
    /// File type and permission bits.
    pub mode: u32,
    /// Number.
    pub device: u64,
    /// Owner inside the container, unless root.
    pub owner: Option<(u32, u32)>,
    /// Bind the host's device of the same number instead of making one (user namespaces).
    pub bind: bool,
}

/// One operation of a process on its way to execve. Paths are inside the root filesystem unless said otherwise.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // each variant says what it is; its fields are named for what they are
pub enum Op {
    /// Joins a namespace that the parent has opened, unless that was done earlier. `early` puts off what is not permitted: the namespace
    /// may belong to the user namespace that comes next.
    Join { slot: usize, kind: i32, early: bool },
    /// Joins the namespaces of a running process through its pidfd.
    JoinProcess { slot: usize, kinds: i32 },
    /// Makes new namespaces of these kinds.
    Unshare { kinds: i32 },
    /// Waits for the parent.
    Await(Await),
    /// Becomes uid 0 and gid 0 of the user namespace.
    BecomeRoot,
    /// Enters the cgroups of version 1 by their `tasks` files, which the parent has opened.
    JoinCgroup,
    /// Makes a time namespace with these clock offsets and enters it.
    TimeNamespace { offsets: Option<CString> },
    /// Gives this affinity to the CPUs; all of them when empty.
    Affinity { cpus: Box<kernel::sched::CpuSet> },
    /// Ends the stage process with the birth of the real one.
    Spawn { flags: i32 },
    /// Sets the score by which the kernel chooses whom to kill when memory runs out.
    OomScoreAdj { value: CString },
    /// Leads a new session.
    Session,
    /// Joins a fresh session keyring.
    Keyring { name: CString },
    /// Brings the loopback device up.
    LoopbackUp,
    /// Changes the propagation of all mounts: `MS_*` with `MS_REC`.
    Propagation { flags: c_ulong },
    /// Makes the mount that holds the rootfs private, as pivot_root demands where everything is shared.
    PrivateParent { path: CString },
    /// Takes the root filesystem and attaches it on its own path, or over `/` where that cannot be reached.
    AttachRootfs {
        path: CString,
        tree: Option<usize>,
        private: bool,
    },
    /// Mounts a filesystem.
    Mount(Box<Mount>),
    /// Mounts something that is there already.
    Bind(Box<Bind>),
    /// Changes a mount in place (`remount`).
    Remount(Box<Remount>),
    /// Changes attributes of a mount once everything below it is in place.
    SetAttributes {
        target: CString,
        attributes: Attributes,
    },
    /// Makes a device.
    Device(DeviceNode),
    /// Makes a link; `replace` removes what has the name, otherwise that stays.
    Symlink {
        target: CString,
        path: CString,
        replace: bool,
    },
    /// Makes the terminal and sends its master to the parent; `mount` puts it on /dev/console too.
    Console { mount: bool },
    /// Runs hooks in this process' namespaces.
    RunHooks(HookPoint),
    /// Hides a path.
    Mask { path: CString },
    /// Makes a path read-only.
    ReadOnly {
        path: CString,
        /// The configuration mounts nothing below it.
        alone: bool,
    },
    /// Makes the root filesystem read-only.
    ReadOnlyRoot,
    /// Makes the root filesystem the root, and lets go of the old one.
    PivotRoot { old_is_shared: bool },
    /// The same by moving its mount, where pivot_root cannot.
    MoveRoot,
    /// The same by chroot, for want of a mount namespace.
    Chroot,
    /// Takes the root directory of the namespace that was joined as the root filesystem; of a container without a mount namespace, the directory
    /// that the parent has opened.
    EnterRoot { slot: Option<usize> },
    /// Changes the propagation of the new root: `MS_*`.
    RootPropagation { flags: c_ulong },
    /// Sets the host name.
    Hostname { name: CString },
    /// Sets the NIS domain name.
    Domainname { name: CString },
    /// Writes a kernel parameter of this namespace; `path` is below /proc/sys.
    Sysctl { path: CString, value: CString },
    /// Writes a label to /proc/self/attr: for the coming execve, or for keys that are made before it.
    Label { file: CString, value: CString },
    /// Sets the scheduler.
    Scheduler(kernel::sched::SchedAttr),
    /// Sets the I/O priority.
    IoPriority { class: u32, priority: u32 },
    /// Sets the execution domain.
    Personality { domain: u64 },
    /// Sets the NUMA policy.
    MemoryPolicy {
        mode: i32,
        nodes: Box<kernel::sched::CpuSet>,
    },
    /// Makes the working directory if it is missing.
    MakeCwd,
    /// Finds HOME of the user.
    FindHome,
    /// Gives standard input, output and error to the user.
    StdioOwner,
    /// Clears the secure bits that the caller had.
    SecureBits,
    /// Drops capabilities from the bounding set.
    BoundingSet { keep: u64 },
    /// Sets the supplementary groups.
    Groups { groups: Vec<u32> },
    /// Becomes the user.
    Ids { uid: u32, gid: u32 },
    /// Changes to the working directory and checks that it is inside.
    Chdir,
    /// Sets the capabilities, and keeps `extra` until execve.
    Capabilities {
        masks: super::capabilities::Masks,
        extra: u64,
    },
    /// Sets the file mode creation mask.
    Umask { mask: u32 },
    /// Finds the program.
    FindProgram,
    /// Tells the parent that all is done.
    Ready,
    /// Waits for `start`.
    AwaitStart,
    /// Sets the resource limits.
    Rlimits,
    /// Lets go of the runtime's descriptors and signal settings, and tells that execve is next.
    Release,
    /// Sets no_new_privs.
    NoNewPrivs,
    /// Installs the seccomp filter and, if it has one, sends its listener to the parent.
    Seccomp,
    /// Becomes the program.
    Exec,
    /// Ends, because there is no program to become.
    NoProcess,
}

struct Shown<'a>(&'a CStr);
impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_string_lossy())
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use super::namespaces::names;
        match self {
            Op::Join { kind, .. } => write!(f, "join the {} namespace", names(*kind)),
            Op::JoinProcess { kinds, .. } => {
                write!(f, "join the container's namespaces ({})", names(*kinds))
            }
            Op::Unshare { kinds } => write!(f, "make new namespaces ({})", names(*kinds)),
            Op::Await(Await::IdMaps) => f.write_str("wait for the id maps"),
            Op::Await(Await::Cgroup) => f.write_str("wait to be in the cgroup"),
            Op::Await(Await::Hooks) => f.write_str("wait for prestart and createRuntime hooks"),
            Op::Await(Await::Welcome) => f.write_str("wait for limits and groups"),
            Op::BecomeRoot => f.write_str("become root of the user namespace"),
            Op::JoinCgroup => f.write_str("join the cgroups"),
            Op::TimeNamespace { offsets: None } => f.write_str("make a time namespace"),
            Op::TimeNamespace { offsets: Some(o) } => {
                write!(
                    f,
                    "make a time namespace with offsets {}",
                    Shown(o).to_string().trim_end().replace('\n', ", ")
                )
            }
            Op::Affinity { .. } => f.write_str("set the CPU affinity"),
            Op::Spawn { flags } if *flags == 0 => f.write_str("clone the process"),
            Op::Spawn { flags } => write!(
                f,
                "clone the process with new namespaces ({})",
                names(*flags)
            ),
            Op::OomScoreAdj { value } => write!(f, "set oom_score_adj to {}", Shown(value)),
            Op::Session => f.write_str("lead a new session"),
            Op::Keyring { name } => write!(f, "join session keyring {}", Shown(name)),
            Op::LoopbackUp => f.write_str("bring the loopback device up"),
            Op::Propagation { .. } => f.write_str("set the propagation of all mounts"),
            Op::PrivateParent { path } => {
                write!(f, "make the mount that holds {} private", Shown(path))
            }
            Op::AttachRootfs { path, .. } => {
                write!(f, "attach the root filesystem {}", Shown(path))
            }
            Op::Mount(m) => {
                write!(f, "mount {} on {}", Shown(&m.fstype), Shown(&m.target))?;
                m.data
                    .as_ref()
                    .map_or(Ok(()), |d| write!(f, " ({})", Shown(d)))
            }
            Op::Bind(b) => write!(f, "mount {} on {}", Shown(&b.source), Shown(&b.target)),
            Op::Remount(r) => write!(f, "remount {}", Shown(&r.target)),
            Op::SetAttributes { target, .. } => {
                write!(f, "set attributes of the mount on {}", Shown(target))
            }
            Op::Device(d) if d.bind => write!(f, "mount the host's device on {}", Shown(&d.path)),
            Op::Device(d) => write!(f, "make device {}", Shown(&d.path)),
            Op::Symlink { target, path, .. } => {
                write!(f, "link {} to {}", Shown(path), Shown(target))
            }
            Op::Console { .. } => f.write_str("make the terminal"),
            Op::RunHooks(point) => write!(f, "run {} hooks", point.name()),
            Op::Mask { path } => write!(f, "mask {}", Shown(path)),
            Op::ReadOnly { path, .. } => write!(f, "make {} read-only", Shown(path)),
            Op::ReadOnlyRoot => f.write_str("make the root filesystem read-only"),
            Op::PivotRoot { .. } => f.write_str("pivot_root"),
            Op::MoveRoot => f.write_str("move the root filesystem to /"),
            Op::Chroot => f.write_str("chroot to the root filesystem"),
            Op::EnterRoot { .. } => f.write_str("open the container's root directory"),
            Op::RootPropagation { .. } => f.write_str("set the propagation of the root filesystem"),
            Op::Hostname { name } => write!(f, "set the host name to {}", Shown(name)),
            Op::Domainname { name } => write!(f, "set the domain name to {}", Shown(name)),
            Op::Sysctl { path, value } => {
                write!(f, "write {} to /proc/sys/{}", Shown(value), Shown(path))
            }
            Op::Label { file, value } => write!(
                f,
                "write {} to `/proc/thread-self/attr/{}`",
                Shown(value),
                Shown(file)
            ),
            Op::Scheduler(_) => f.write_str("set the scheduler"),
            Op::IoPriority { .. } => f.write_str("set the I/O priority"),
            Op::Personality { .. } => f.write_str("set the execution domain"),
            Op::MemoryPolicy { .. } => f.write_str("set the memory policy"),
            Op::MakeCwd => f.write_str("make the working directory"),
            Op::FindHome => f.write_str("find the home directory"),
            Op::StdioOwner => f.write_str("give standard input and output to the user"),
            Op::SecureBits => f.write_str("clear the secure bits"),
            Op::BoundingSet { .. } => f.write_str("drop capabilities from the bounding set"),
            Op::Groups { groups } if groups.len() > 20 => {
                write!(f, "set {} supplementary groups", groups.len())
            }
            Op::Groups { groups } => write!(f, "set the supplementary groups {groups:?}"),
            Op::Ids { uid, gid } => write!(f, "become user {uid} and group {gid}"),
            Op::Chdir => f.write_str("change to the working directory"),
            Op::Capabilities { masks, .. } => write!(f, "set the capabilities ({masks})"),
            Op::Umask { mask } => write!(f, "set the umask to {mask:04o}"),
            Op::FindProgram => f.write_str("find the program"),
            Op::Ready => f.write_str("report ready"),
            Op::AwaitStart => f.write_str("wait for start"),
            Op::Rlimits => f.write_str("set the resource limits"),
            Op::Release => f.write_str("let go of the runtime's descriptors and signals"),
            Op::NoNewPrivs => f.write_str("set no_new_privs"),
            Op::Seccomp => f.write_str("install the seccomp filter"),
            Op::Exec => f.write_str("exec"),
            Op::NoProcess => f.write_str("end, as there is no program"),
        }
    }
}
