//! What will be done, decided before anything is done.
//!
//! A [`Plan`] is made from the configuration and a few facts about the host, without side effects; everything that can be refused is
//! refused while it is made. [`crate::create`] and [`crate::child`] carry it out. The order of the operations is the order of
//! [`Program::steps`], which [`assemble`] puts together.

pub mod annotations;
mod assemble;
mod birth;
pub mod capabilities;
mod cgroup_mount;
mod cover;
pub mod devices;
mod display;
mod ending;
pub mod exec;
pub mod host;
mod idmap;
pub mod intel_rdt;
pub mod mounts;
pub mod namespaces;
mod net_devices;
mod op;
pub mod options;
pub mod paths;
pub mod process;
mod remount;
mod rootfs;
pub mod scheduling;
pub mod sysctl;

pub use assemble::{Options, plan};
pub use cgroup_mount::needs_v2_options;
pub use host::Host;
pub use op::{Await, Bind, DeviceNode, HookPoint, Instead, Mount, Op, Remount, Then};

use crate::error::{Error, Result};
use kernel::exec::StringArray;
use kernel::process::{CLONE_NEWPID, CLONE_NEWUSER, Limit};
use kernel::tty::WindowSize;
use std::borrow::Cow;
use std::ffi::CString;

/// The JSON pointer of the field that asked for something; empty when nothing in the configuration did.
pub type Field = Cow<'static, str>;

/// One operation and who asked for it.
#[derive(Clone, Debug)]
pub struct Step {
    /// What to do.
    pub op: Op,
    /// Why.
    pub field: Field,
}

/// What a process does between clone and execve.
#[derive(Clone, Debug)]
pub struct Program {
    /// Operations of the stage process, which ends by making the real one; empty when there is none.
    pub stage: Vec<Step>,
    /// Operations of the process itself, in order.
    pub steps: Vec<Step>,
    /// What the operations at the end need.
    pub process: Process,
    /// What the parent opens before clone; operations name an entry by its index.
    pub slots: Vec<Slot>,
    /// Mounts that the process may have copied for it; operations name an entry by its index.
    pub trees: Vec<Tree>,
    /// `CLONE_NEW*` flags of the clone3 that makes the process.
    pub clone_flags: i32,
}

impl Program {
    /// Whether the stage may run in the memory of its parent, which waits meanwhile: it asks the parent for nothing, and changes nothing that processes
    /// with one memory have in common (time_namespaces(7) and proc_pid_oom_score_adj(5) do).
    pub fn stage_in_place(&self) -> bool {
        !self.stage.is_empty()
            && self.clone_flags == 0
            && self.stage.iter().all(|step| match step.op {
                Op::JoinProcess { kinds, .. } => kinds & kernel::process::CLONE_NEWTIME == 0,
                Op::JoinCgroup | Op::EnterRoot { .. } | Op::BecomeRoot | Op::Spawn { .. } => true,
                _ => false,
            })
    }

    /// Whether processes of another container see this one from its birth on, and count as its like: it joins their pid namespace, and no user namespace comes
    /// with it that would shield it.
    pub fn is_seen_by_others(&self) -> bool {
        let joins = |slot: &Slot| matches!(slot.what, SlotKind::Namespace { kind, .. } if kind == CLONE_NEWPID);
        let shielded =
            |step: &Step| matches!(step.op, Op::Spawn { flags } if flags & CLONE_NEWUSER != 0);
        self.slots.iter().any(joins) && !self.stage.iter().any(shielded)
    }

    /// Whether the process may open a device on its way, as mounting a filesystem that lies on one does: its cgroup has to say by then which it may.
    pub fn opens_devices(&self) -> bool {
        const ON_NO_DEVICE: [&[u8]; 7] = [
            b"proc", b"sysfs", b"tmpfs", b"devpts", b"mqueue", b"cgroup", b"cgroup2",
        ];
        let may =
            |op: &Op| matches!(op, Op::Mount(m) if !ON_NO_DEVICE.contains(&m.fstype.to_bytes()));
        self.steps.iter().any(|step| may(&step.op))
    }
}

/// A network device of the host that becomes the container's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetDevice {
    /// Its name on the host.
    pub on_host: String,
    /// Its name in the container; with `%d` at the end the kernel chooses a number.
    pub inside: String,
    /// JSON pointer.
    pub field: String,
}

/// Where the container's processes are in resctrl, and what is written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntelRdt {
    /// The class of service; `/` is the root's, none is a new one for the container alone.
    pub class: Option<String>,
    /// Lines for its schema, in order.
    pub schemata: Vec<String>,
    /// Make a monitoring group.
    pub monitoring: bool,
}

/// Something that the parent opens for the child.
#[derive(Clone, Debug)]
pub struct Slot {
    /// What.
    pub what: SlotKind,
    /// Who asked for it.
    pub field: Field,
}

/// What a [`Slot`] holds.
#[derive(Clone, Debug)]
pub enum SlotKind {
    /// A namespace file; `kind` is the `CLONE_NEW*` flag that it must match.
    Namespace {
        /// Where it is.
        path: CString,
        /// What it must be.
        kind: i32,
    },
}

/// A copy of a mount that the process may need help with.
#[derive(Clone, Debug)]
pub struct Tree {
    /// A path of the runtime's mount namespace.
    pub path: CString,
    /// With what is mounted below.
    pub recursive: bool,
    /// A final link is copied itself, not followed.
    pub nofollow: bool,
    /// How the copy maps the owners of its files.
    pub idmap: Option<Idmap>,
    /// Who asked for it.
    pub field: Field,
}

/// The final process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Arguments; the first names the program.
    pub argv: StringArray,
    /// Environment, with one spare slot for HOME.
    pub envp: StringArray,
    /// Directories to search for the program.
    pub path: CString,
    /// HOME is not given: find it in the container's /etc/passwd.
    pub find_home: bool,
    /// Working directory.
    pub cwd: CString,
    /// User id inside.
    pub uid: u32,
    /// Group id inside.
    pub gid: u32,
    /// Capabilities; a configuration without them asks for none.
    pub capabilities: capabilities::Masks,
    /// Final resource limits and the index of each in the configuration.
    pub rlimits: Vec<(u32, Limit)>,
    /// The seccomp filter.
    pub seccomp: Option<Filter>,
    /// A terminal of this size, if any.
    pub terminal: Option<Option<WindowSize>>,
    /// How many descriptors above 2 the program inherits.
    pub preserve_fds: u32,
}

/// A compiled seccomp filter.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Instructions.
    pub instructions: Vec<kernel::seccomp::Insn>,
    /// Flags of seccomp(2).
    pub flags: u64,
    /// A listener comes out of the installation and goes to this socket, with this metadata.
    pub listener: Option<(String, String)>,
}

/// How a mount maps the owners of its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idmap {
    /// Where the maps are.
    pub source: IdmapSource,
    /// For everything mounted below it too.
    pub recursive: bool,
}

/// Where the maps of an idmapped mount are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdmapSource {
    /// Here.
    Maps(IdMaps),
    /// In the user namespace that this slot holds.
    Slot(usize),
}

/// How ids inside relate to ids outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdMaps {
    /// Content of uid_map (user_namespaces(7)).
    pub uid: String,
    /// Content of gid_map.
    pub gid: String,
    /// `deny` must be written to setgroups first, because an unprivileged process writes gid_map itself.
    pub deny_setgroups: bool,
    /// newuidmap and newgidmap write the maps, because this process may not.
    pub with_helpers: bool,
}

/// Everything about one container to be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The container's id.
    pub id: String,
    /// The root filesystem on the host, absolute.
    pub rootfs: CString,
    /// What the init process does.
    pub program: Program,
    /// Maps of its new user namespace.
    pub id_maps: Option<IdMaps>,
    /// The mount namespace is the runtime's own: `delete` must take the rootfs mount away.
    pub mounts_on_host: bool,
    /// What the annotations ask for.
    pub annotations: annotations::Annotations,
    /// Who gets a delegated cgroup: root of the container, as an id of the host.
    pub container_root: u32,
    /// Value for oom_score_adj.
    pub oom_score_adj: Option<i64>,
    /// Devices that move into its network namespace.
    pub net_devices: Vec<NetDevice>,
    /// Its place in resctrl.
    pub intel_rdt: Option<IntelRdt>,
    /// Its cgroup.
    pub cgroup: libcgroups::Plan,
    /// What was tolerated: one sentence each.
    pub warnings: Vec<String>,
}

/// A string as execve and mount(2) take it.
///
/// # Errors
/// A NUL byte inside, which would silently cut it.
pub fn c_string(text: &str, field: impl FnOnce() -> String) -> Result<CString> {
    CString::new(text).map_err(|_| Error::invalid(field(), "a string must not contain a NUL byte"))
}

/// A key as a part of a JSON pointer (RFC 6901).
pub fn pointer(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// A field whose pointer is made of its parts.
pub(crate) fn step(op: Op, field: impl Into<Field>) -> Step {
    Step {
        op,
        field: field.into(),
    }
}
