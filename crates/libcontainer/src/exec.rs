//! One more process in a container that is running.

use crate::console::{ConsoleTarget, send_fd};
use crate::create::CGROUP_TIME;
use crate::error::{During, Error, Kind, Result, from_cgroups};
use crate::hooks::Hooks;
use crate::lifecycle::Container;
use crate::making::raise_limit;
use crate::plan::exec::{ExecPlan, Template};
use crate::spawn::{self, Setup, Spawned};
use crate::sync::Message;
use crate::{listener, pidfile, spec};
use kernel::file::{self, CWD};
use kernel::{Errno, process, sched};
use libcgroups::Entry;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

/// What `exec` is told.
#[derive(Clone, Debug, Default)]
pub struct Options<'a> {
    /// Where the process' number goes.
    pub pid_file: Option<&'a Path>,
    /// A socket that gets its pidfd.
    pub pidfd_socket: Option<&'a Path>,
    /// What becomes of the terminal.
    pub console: ConsoleTarget<'a>,
    /// Descriptors above 2 that the program inherits.
    pub preserve_fds: u32,
    /// Cgroups below the container's, as `[controllers:]path`.
    pub cgroups: Vec<String>,
    /// Let the process wait in a container that is frozen.
    pub ignore_paused: bool,
}

/// A process that runs.
#[derive(Debug)]
pub struct Running {
    /// It.
    pub process: Spawned,
    /// The master of its terminal, unless it was sent away.
    pub terminal: Option<OwnedFd>,
    /// What was tolerated.
    pub warnings: Vec<String>,
}

/// Runs a process in a container that is held ([`Container::open_held`]): a delete waits until this process is in, and then kills it with the
/// others. `wanted` makes the process of the container's own one and gives it back, together with the plan's options.
///
/// # Errors
/// [`Kind::WrongState`] unless the container runs; everything that can go wrong up to execve.
pub fn exec(
    container: &mut Container,
    wanted: impl FnOnce(&Template) -> Result<spec::Process>,
    options: &Options<'_>,
) -> Result<Running> {
    let init = container.pidfd().map_err(|e| match e.kind() {
        Kind::WrongState => Error::new(e.kind(), "cannot exec in a stopped container"),
        _ => e,
    })?;
    if !options.ignore_paused && container.is_paused()? {
        return Err(Error::new(
            Kind::WrongState,
            "cannot exec in a paused container (use --ignore-paused to override)",
        ));
    }
    let template = container.dir.template()?;
    let available = kernel::cred::capget().during(|| "capget".into())?.permitted;
    let mut plan = crate::plan::exec::plan(
        &template,
        &wanted(&template)?,
        options.preserve_fds,
        available,
    )?;
    match (plan.program.process.terminal.is_some(), options.console) {
        (true, ConsoleTarget::None) => {
            return Err(Error::invalid(
                "/terminal",
                "cannot allocate tty if teu will detach without setting console socket",
            ));
        }
        (false, ConsoleTarget::Socket(_)) => {
            return Err(Error::invalid(
                "/terminal",
                "cannot use console socket if teu will not detach or allocate tty",
            ));
        }
        _ => {}
    }
    let raises = |(resource, limit): &(u32, process::Limit)| {
        process::prlimit(0, *resource, None).is_ok_and(|own| limit.hard > own.hard)
    };
    if container.record.intel_rdt.is_some() || plan.program.process.rlimits.iter().any(raises) {
        plan.wait();
    }
    let pid_file = options
        .pid_file
        .map(pidfile::PidFile::prepare)
        .transpose()?;
    let mut slots = vec![Some(init)];
    if template.chrooted {
        slots.push(Some(root_of(container.record.pid)?));
    }
    let mut running = start(container, &mut plan, slots, options)?;
    if let Err(e) = finish(&running, pid_file, options) {
        running.process.kill();
        return Err(e);
    }
    container.dir.unlock();
    running.warnings.extend(plan.warnings);
    Ok(running)
}

/// The root directory of a process, whose pidfd is open already.
fn root_of(pid: i32) -> Result<OwnedFd> {
    let path = format!("/proc/{pid}/root");
    let c_path = crate::plan::c_string(&path, String::new)?;
    file::openat(CWD, &c_path, file::O_PATH | file::O_DIRECTORY, 0)
        .during(|| format!("open {path}"))
}

fn start(
    container: &Container,
    plan: &mut ExecPlan,
    slots: Vec<Option<OwnedFd>>,
    options: &Options<'_>,
) -> Result<Running> {
    if let Some(cpus) = &plan.initial_affinity {
        sched::set_affinity(0, cpus).map_err(|e| {
            Error::os("set the initial CPU affinity", e).field("/execCPUAffinity/initial")
        })?;
    }
    let mut cgroup = container.cgroup();
    // The container may have moved itself on: its first process tells where it is now, unless a place was asked for.
    let entered = match cgroup.exec_entry(&options.cgroups).map(drop) {
        Err(_) if options.cgroups.is_empty() => {
            cgroup.exec_entry_beside(container.record.pid).map(drop)
        }
        other => other,
    };
    entered.map_err(from_cgroups)?;
    let (hooks, states) = (Hooks::default(), Default::default());
    let mut setup = Setup {
        program: &plan.program,
        slots,
        entry: cgroup.entry(),
        starter: None,
        hooks: &hooks,
        hook_states: &states,
        hide: true,
    };
    let mut by_manager = false;
    let process = match spawn::spawn(&setup) {
        // A cgroup of version 2 with children of its own takes no processes: init has moved on, so follow it.
        Err(e)
            if options.cgroups.is_empty()
                && matches!(e.os_error(), Some(Errno::EBUSY | Errno::EOPNOTSUPP)) =>
        {
            let slots = std::mem::take(&mut setup.slots);
            drop(setup);
            let entry = cgroup
                .exec_entry_beside(container.record.pid)
                .map_err(from_cgroups)?;
            let again = Setup {
                program: &plan.program,
                slots,
                entry,
                starter: None,
                hooks: &hooks,
                hook_states: &states,
                hide: true,
            };
            spawn::spawn(&again)?
        }
        // From outside what was delegated to this user, only its service manager may move a process in.
        Err(e)
            if options.cgroups.is_empty()
                && container.record.cgroup.unit.is_some()
                && matches!(e.os_error(), Some(Errno::EACCES | Errno::EPERM)) =>
        {
            let slots = std::mem::take(&mut setup.slots);
            drop(setup);
            plan.wait();
            by_manager = true;
            let again = Setup {
                program: &plan.program,
                slots,
                entry: Entry::None,
                starter: None,
                hooks: &hooks,
                hook_states: &states,
                hide: true,
            };
            spawn::spawn(&again)?
        }
        other => other?,
    };
    let mut running = Running {
        process,
        terminal: None,
        warnings: Vec::new(),
    };
    if let Err(e) = serve(container, &mut running, plan, options, by_manager) {
        running.process.kill();
        return Err(e);
    }
    Ok(running)
}

/// Answers the process until execve. `by_manager`: it is not in its cgroup yet.
fn serve(
    container: &Container,
    running: &mut Running,
    plan: &ExecPlan,
    options: &Options<'_>,
    by_manager: bool,
) -> Result<()> {
    let mut executing = false;
    loop {
        match running.process.next(&plan.program)? {
            Message::Spawned(pid, _) => {
                if by_manager {
                    let deadline = Instant::now() + CGROUP_TIME;
                    let attached = container.cgroup().attach(pid, deadline);
                    attached.map_err(from_cgroups)?;
                }
                welcome(container, pid, plan)?;
                if plan.waits {
                    running.process.go()?;
                }
            }
            Message::Console(master) => running.terminal = options.console.deliver(master)?,
            Message::Listener(number) => {
                let mut state = container.document("running");
                state.pid = Some(container.record.pid);
                listener::forward(
                    &running.process,
                    number,
                    plan.program.process.seccomp.as_ref(),
                    state,
                )?;
                running.process.go()?;
            }
            Message::Executing => executing = true,
            Message::Closed if executing => return Ok(()),
            Message::Closed => return Err(death(container)),
            other => {
                return Err(Error::new(
                    Kind::Failed,
                    format!("the process sent {other:?} out of turn"),
                ));
            }
        }
    }
}

fn welcome(container: &Container, pid: i32, plan: &ExecPlan) -> Result<()> {
    if let Some(groups) = &container.record.intel_rdt {
        groups.enter(pid)?;
    }
    for (i, (resource, limit)) in plan.program.process.rlimits.iter().enumerate() {
        raise_limit(pid, *resource, *limit).map_err(|e| e.field(format!("/rlimits/{i}")))?;
    }
    Ok(())
}

fn death(container: &Container) -> Error {
    let oom = if container.cgroup().oom_kills() > 0 {
        " (possibly OOM-killed)"
    } else {
        ""
    };
    Error::new(
        Kind::Failed,
        format!("the process died while it was being set up{oom}"),
    )
}

fn finish(
    running: &Running,
    pid_file: Option<pidfile::PidFile>,
    options: &Options<'_>,
) -> Result<()> {
    if let Some(path) = options.pidfd_socket {
        send_fd(path, b"setns", running.process.child.pidfd.as_fd())?;
    }
    match pid_file {
        Some(file) => file.write(running.process.facts.pid),
        None => Ok(()),
    }
}

/// Reads the document of `exec --process`.
pub fn load_process(path: &Path) -> Result<spec::Process> {
    let shown = path.display();
    let c_path = crate::plan::c_string(&path.to_string_lossy(), String::new)?;
    let file = file::openat(CWD, &c_path, 0, 0).during(|| format!("open {shown}"))?;
    let bytes =
        crate::state::read_all(file.as_fd(), spec::MAX_SIZE).during(|| format!("read {shown}"))?;
    spec::decode_process(&bytes).map_err(|e| crate::create::decode_error(path, &e))
}
