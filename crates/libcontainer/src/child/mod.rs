//! The child: from the first instruction after clone to execve.
//!
//! It owns a copy of the parent's memory, so the plan is simply there. It walks the steps, allocates nothing, takes no lock, and reports the
//! first failure as a record of fixed size; the parent, holding the same plan, makes a sentence of it.

mod attributes;
mod below;
mod copy_up;
mod devices;
mod identity;
mod instead;
mod launch;
mod links;
mod mounts;
mod namespaces;
mod procfs;
mod protect;
mod rootfs;

use crate::hooks::{self, Hooks};
use crate::plan::{HookPoint, Op, Program, Step};
use crate::root::{PATH_MAX, Root};
use crate::sync::{self, Calling, Facts, Fault, Message, STAGE, Text};
use kernel::{Errno, io, process};
use std::ffi::CStr;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// What a step gives back.
type Done = Result<(), Fault>;

/// What the parent leaves to the child.
#[derive(Clone, Copy)]
pub struct Inheritance<'a> {
    /// The steps.
    pub program: &'a Program,
    /// What [`crate::plan::Slot`]s hold.
    pub slots: &'a [Option<OwnedFd>],
    /// The `tasks` files of the cgroup (version 1).
    pub tasks: &'a [OwnedFd],
    /// The child's end of the pair.
    pub sync: BorrowedFd<'a>,
    /// The socket on which `start` will ask, for `create`; `run` starts over the pair.
    pub starter: Option<BorrowedFd<'a>>,
    /// All hooks.
    pub hooks: &'a Hooks,
    /// The state for hooks, in two halves around the pid: for those during create, and for startContainer.
    pub hook_states: &'a [(Vec<u8>, Vec<u8>); 2],
    /// The descriptors that the steps need, sorted. All others, which lead to places of the host, are closed first.
    pub keep: &'a [RawFd],
    /// Joins a container that is running: nobody there may look into this process.
    pub hide: bool,
    /// What it inherits, as far as that is known before it is born.
    pub ignored_signals: u64,
}

/// A descriptor that a step needs for a moment. The numbers are few and all are closed together before the start, so closing each would be a system
/// call for nothing; only beyond [`Brief::KEPT`] that would matter.
struct Brief(ManuallyDrop<OwnedFd>);

impl Brief {
    /// Below the smallest limit on descriptors that anybody runs with.
    const KEPT: RawFd = 48;

    fn new(fd: OwnedFd) -> Brief {
        Brief(ManuallyDrop::new(fd))
    }
}

/// Makes what a call has opened [`Brief`].
trait Briefly {
    fn brief(self) -> Result<Brief, Fault>;
}

impl Briefly for Result<OwnedFd, Fault> {
    fn brief(self) -> Result<Brief, Fault> {
        self.map(Brief::new)
    }
}

impl AsFd for Brief {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for Brief {
    fn drop(&mut self) {
        if self.0.as_raw_fd() >= Brief::KEPT {
            kernel::io::close_number(self.0.as_raw_fd());
        }
    }
}

/// The state of the walk.
struct Child<'a> {
    given: Inheritance<'a>,
    /// Where `start` wants to hear how it goes.
    answer_to: Option<OwnedFd>,
    /// The one descriptor of the runtime that is left before execve.
    last: Option<BorrowedFd<'static>>,
    facts: Facts,
    root: Option<Root>,
    /// The directory that devices and links are made in, kept while the steps stay in it.
    directory: Option<(&'a [u8], OwnedFd)>,
    /// The procfs and the sysfs that this walk has mounted, and where: for the paths inside that are to be hidden.
    pinned: [Option<(&'a CStr, OwnedFd)>; 2],
    /// What hides other files.
    covers: protect::Covers,
    /// The working directory could not be entered as root: try again as the user.
    chdir_again: bool,
    home: Text<512>,
    program: Text<PATH_MAX>,
    parent_death_cleared: bool,
    /// `CLONE_NEW*` of the namespaces that were joined.
    joined: i32,
}

/// Runs the steps. Never returns: the process becomes the container's program, or reports and exits.
pub fn run(given: Inheritance<'_>) -> ! {
    let _ = io::close_all_but(3 + given.program.process.preserve_fds, given.keep);
    // If the parent dies before the record is complete, so do we.
    let _ = process::set_parent_death_signal(libc::SIGKILL);
    if given.hide || given.program.is_seen_by_others() {
        let _ = process::set_dumpable(false);
    }
    process::umask(0);
    let mut child = Child {
        last: None,
        answer_to: None,
        facts: Facts {
            ignored_signals: given.ignored_signals,
            ..Facts::default()
        },
        root: None,
        directory: None,
        pinned: [None, None],
        covers: protect::Covers::default(),
        chdir_again: false,
        home: Text::new(),
        program: Text::new(),
        parent_death_cleared: false,
        joined: 0,
        given,
    };
    if given.program.stage.is_empty() {
        child.walk(&given.program.steps, 0)
    } else {
        child.walk(&given.program.stage, STAGE)
    }
}

impl<'a> Child<'a> {
    fn walk(&mut self, steps: &'a [Step], base: u32) -> ! {
        for (i, step) in steps.iter().enumerate() {
            if let Err(fault) = self.perform(&step.op) {
                let _ = sync::failed(self.report(), base | i as u32, &fault);
                process::exit(1);
            }
        }
        process::exit(0)
    }

    fn perform(&mut self, op: &'a Op) -> Done {
        match op {
            Op::Join { slot, kind, early } => self.join(*slot, *kind, *early),
            Op::JoinProcess { slot, kinds } => self.join(*slot, *kinds, false),
            Op::Unshare { kinds } => process::unshare(*kinds).calling("unshare"),
            Op::Await(what) => self.await_parent(*what),
            Op::BecomeRoot => self.become_root(),
            Op::JoinCgroup => self.join_cgroup(),
            Op::TimeNamespace { offsets } => namespaces::time_namespace(offsets.as_deref()),
            Op::Affinity { cpus } => namespaces::affinity(cpus),
            Op::Spawn { flags } => self.spawn(*flags),
            Op::OomScoreAdj { value } => namespaces::oom_score_adj(value),
            Op::Session => process::setsid().calling("setsid"),
            Op::Keyring { name } => namespaces::keyring(name),
            Op::LoopbackUp => kernel::net::loopback_up().calling("ioctl SIOCSIFFLAGS lo"),
            Op::Propagation { flags } => rootfs::propagation(*flags),
            Op::PrivateParent { path } => rootfs::private_parent(path),
            Op::AttachRootfs {
                path,
                tree,
                private,
            } => self.attach_rootfs(path, *tree, *private),
            Op::Mount(mount) => self.mount(mount),
            Op::Bind(bind) => self.bind(bind),
            Op::Remount(remount) => self.remount(remount),
            Op::SetAttributes { target, attributes } => {
                self.set_mount_attributes(target, *attributes)
            }
            Op::Device(node) => self.device(node),
            Op::Symlink {
                target,
                path,
                replace,
            } => self.symlink(target, path, *replace),
            Op::Console { mount } => self.console(*mount),
            Op::RunHooks(point) => self.run_hooks(*point),
            Op::Mask { path } => self.mask(path),
            Op::ReadOnly { path, alone } => self.read_only(path, *alone),
            Op::ReadOnlyRoot => self.read_only_root(),
            Op::PivotRoot { old_is_shared } => self.pivot_root(*old_is_shared),
            Op::MoveRoot => self.move_root(),
            Op::Chroot => self.chroot(),
            Op::EnterRoot { slot } => self.enter_root(*slot),
            Op::RootPropagation { flags } => rootfs::propagation(*flags),
            Op::Hostname { name } => process::set_hostname(name.to_bytes()).calling("sethostname"),
            Op::Domainname { name } => {
                process::set_domainname(name.to_bytes()).calling("setdomainname")
            }
            Op::Sysctl { path, value } => self.sysctl(path, value),
            Op::Label { file, value } => self.label(file, value),
            Op::Scheduler(attr) => kernel::sched::set_scheduler(*attr).calling("sched_setattr"),
            Op::IoPriority { class, priority } => {
                kernel::sched::set_io_priority(*class, *priority).calling("ioprio_set")
            }
            Op::Personality { domain } => {
                kernel::sched::set_personality(*domain).calling("personality")
            }
            Op::MemoryPolicy { mode, nodes } => {
                kernel::sched::set_memory_policy(*mode, nodes).calling("set_mempolicy")
            }
            Op::MakeCwd => self.make_cwd(),
            Op::FindHome => self.find_home(),
            Op::StdioOwner => self.stdio_owner(),
            Op::SecureBits => identity::secure_bits(),
            Op::BoundingSet { keep } => identity::bounding_set(*keep),
            Op::Groups { groups } => kernel::cred::set_groups(groups).calling("setgroups"),
            Op::Ids { uid, gid } => self.ids(*uid, *gid),
            Op::Chdir => self.chdir(),
            Op::Capabilities { masks, extra } => identity::capabilities(masks, *extra),
            Op::Umask { mask } => {
                process::umask(*mask);
                Ok(())
            }
            Op::FindProgram => self.find_program(),
            Op::Ready => self.ready(),
            Op::AwaitStart => self.await_start(),
            Op::Rlimits => self.rlimits(),
            Op::Release => self.release(),
            Op::NoNewPrivs => process::set_no_new_privs().calling("prctl PR_SET_NO_NEW_PRIVS"),
            Op::Seccomp => self.seccomp(),
            Op::Exec => self.exec(),
            Op::NoProcess => launch::no_process(),
        }
    }

    /// Closes everything above standard error but these and what the program inherits. Steps that follow must not use anything else.
    fn close_all_but(&mut self, keep: &[BorrowedFd<'_>]) -> Done {
        std::mem::forget((
            self.root.take(),
            self.directory.take(),
            std::mem::take(&mut self.pinned),
            std::mem::take(&mut self.covers),
        ));
        let preserved = 3 + self.given.program.process.preserve_fds as i32;
        let mut numbers = [0; 4];
        for (number, fd) in numbers.iter_mut().zip(keep) {
            *number = fd.as_raw_fd();
        }
        let numbers = &mut numbers[..keep.len()];
        numbers.sort_unstable();
        io::close_all_but(preserved as u32, numbers).calling("close_range")
    }

    /// Waits for [`Message::Go`]. When the parent has died nobody wants this container any more.
    fn await_go(&mut self) -> Done {
        match sync::receive(self.given.sync).calling("recvmsg")? {
            Message::Go(facts) => {
                self.facts = facts;
                Ok(())
            }
            Message::Closed => process::exit(1),
            _ => Err(Fault::new("recvmsg", Errno::EPROTO)),
        }
    }

    fn slot(&self, slot: Option<usize>) -> Option<BorrowedFd<'a>> {
        self.given.slots.get(slot?)?.as_ref().map(|fd| fd.as_fd())
    }

    /// The root filesystem. Steps that need it come after the one that attaches it.
    fn root(&self) -> Result<&Root, Fault> {
        self.root
            .as_ref()
            .ok_or(Fault::new("root filesystem", Errno::ENOENT))
    }

    /// Where failures go: the pair, later the one who asked for the start.
    fn report(&self) -> BorrowedFd<'_> {
        match (self.last, &self.answer_to) {
            (Some(last), _) => last,
            (None, Some(socket)) => socket.as_fd(),
            (None, None) => self.given.sync,
        }
    }

    #[inline(never)]
    fn run_hooks(&mut self, point: HookPoint) -> Done {
        let (before, after) =
            &self.given.hook_states[usize::from(point == HookPoint::StartContainer)];
        let state = hooks::State {
            before,
            // "For hooks executed in the container namespace, it is the pid as seen by the container" (runtime.md, "State").
            pid: Some(process::getpid()),
            after,
        };
        hooks::run_all(self.given.hooks.at(point), state).map_err(|error| {
            let mut fault = Fault::new("", Errno(0));
            fault.index = error.index as u32;
            error.describe(point, &mut fault.detail);
            fault
        })
    }
}
