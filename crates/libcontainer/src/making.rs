//! A container while it is made: what there is so far, and how to take it away again.

use crate::create::{CGROUP_TIME, Created, Options};
use crate::error::{During, Error, Kind, Result, from_cgroups};
use crate::hooks::Hooks;
use crate::net_devices::{self, Moved};
use crate::plan::{self, HookPoint, Plan, SlotKind};
use crate::spawn::{self, Setup, Spawned};
use crate::spec::state_document::StateDocument;
use crate::state::{Line, Phase, Record, START_SOCKET, StateDir};
use crate::sync::{self, Message};
use crate::trees::Trees;
use crate::{listener, notify, pidfile, proc, resctrl};
use kernel::file::{self, CWD};
use kernel::process::{self, CLONE_NEWNET, Limit};
use kernel::{Errno, io, socket};
use libcgroups::Cgroup;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

/// A container while it is made: what there is so far.
pub struct Making {
    pub dir: StateDir,
    pub record: Record,
    pub plan: &'static Plan,
    pub hooks: Hooks,
    pub cgroup: Option<Cgroup>,
    pub process: Option<Spawned>,
    pub terminal: Option<OwnedFd>,
    pub trees: Option<Trees>,
    pub moved: Option<Moved>,
    /// The groups of resctrl as `delete` is to see them: what the configuration names stays then, but goes when the making fails.
    pub keep_groups: Option<resctrl::Record>,
    /// The record of the finished container, ready to be written.
    pub finished: Option<(Record, Line)>,
    pub warnings: Vec<String>,
}

impl Making {
    pub fn make(
        &mut self,
        options: &Options<'_>,
        slots: Vec<Option<OwnedFd>>,
        pid_file: &mut Option<pidfile::PidFile>,
    ) -> Result<()> {
        let resctrl = self
            .plan
            .intel_rdt
            .clone()
            .map(|wanted| Ok::<_, Error>((resctrl::find()?, wanted)))
            .transpose()?;
        if let Some((root, wanted)) = &resctrl {
            self.record.intel_rdt = Some(resctrl::intend(root, wanted, &self.record.id)?);
        }
        // Record before act: from here on the cgroup can be found and removed.
        self.dir.intend(&self.record)?;
        self.record.exec = None;
        // Without hooks the process executes nothing before it is told to start, so its devices have time until then; unless it opens one itself, and would
        // be allowed or refused as chance has it.
        let create = match self.hooks.is_empty() && !self.plan.program.opens_devices() {
            true => Cgroup::create_uncontrolled,
            false => Cgroup::create,
        };
        let cgroup =
            create(&self.plan.cgroup, Instant::now() + CGROUP_TIME).map_err(from_cgroups)?;
        // One line tells enough, also where each of ten hierarchies says the same.
        match cgroup.warnings() {
            [first, rest @ ..] if !rest.is_empty() => self
                .warnings
                .push(format!("{first} (and {} more like this)", rest.len())),
            few => self.warnings.extend_from_slice(few),
        }
        self.record.cgroup = cgroup.record().clone();
        // From here on whatever fails takes it away again.
        self.cgroup = Some(cgroup);
        if options.notify_socket.is_some() {
            notify::prepare(&self.dir)?;
        }
        if let (Some((root, wanted)), Some(intent)) = (&resctrl, &self.record.intel_rdt) {
            self.keep_groups = Some(resctrl::create(root, wanted, intent)?);
        }
        let starter = options
            .await_command
            .then(|| socket::unix(socket::SOCK_DGRAM))
            .transpose()
            .during(|| "make the start socket".into())?;
        let states = if self.hooks.is_empty() {
            <[(Vec<u8>, Vec<u8>); 2]>::default()
        } else {
            [
                self.state("created").hook_parts(),
                self.state("created").hook_parts(),
            ]
        };
        let setup = Setup {
            program: &self.plan.program,
            slots,
            entry: self
                .cgroup
                .as_ref()
                .map_or(libcgroups::Entry::None, Cgroup::entry),
            starter: starter.as_ref(),
            hooks: &self.hooks,
            hook_states: &states,
            hide: false,
        };
        let spawned = spawn::spawn(&setup);
        drop(setup);
        self.process = Some(spawned?);
        // While the process makes its mounts.
        if let Some(cgroup) = &mut self.cgroup {
            cgroup.control_devices().map_err(from_cgroups)?;
        }
        self.serve(options)?;
        self.complete(options, pid_file, starter.as_ref())
    }

    fn state(&self, status: &str) -> StateDocument {
        StateDocument::new(
            &self.record.id,
            status,
            &self.record.bundle,
            &self.record.annotations,
        )
    }

    /// The record of the finished container: if possible while the process makes its mounts.
    fn finished(&mut self) -> Result<(Record, Line)> {
        let process = self.process()?;
        let (pid, identity) = (process.facts.pid, process.identity);
        let record = Record {
            pid,
            pidfd_inode: identity.inode,
            start_time: identity.start_time,
            boot_id: proc::boot_id()?.to_owned(),
            phase: Phase::Created,
            intel_rdt: self.keep_groups.clone(),
            ..self.record.clone()
        };
        let line = Line::of(&record);
        Ok((record, line))
    }

    fn process(&mut self) -> Result<&mut Spawned> {
        self.process
            .as_mut()
            .ok_or_else(|| Error::new(Kind::Failed, "there is no process yet"))
    }

    /// Answers the child until it is ready.
    fn serve(&mut self, options: &Options<'_>) -> Result<()> {
        if !self.process()?.staged {
            self.welcome()?;
            // A service manager may put it elsewhere than was planned.
            if !matches!(
                self.cgroup.as_ref().map(Cgroup::entry),
                Some(libcgroups::Entry::Pid)
            ) {
                self.finished = Some(self.finished()?);
            }
        }
        loop {
            let Some(process) = self.process.as_mut() else {
                return Ok(());
            };
            let message = process.next(&self.plan.program)?;
            let pid = process.facts.pid;
            match message {
                Message::Spawned(..) => self.welcome()?,
                Message::NeedCgroup => {
                    self.place(pid)?;
                    self.process()?.go()?;
                }
                Message::Hooks => {
                    let state = self.state("created").hook_parts();
                    spawn::run_hooks(&self.hooks, HookPoint::Prestart, &state, Some(pid))?;
                    spawn::run_hooks(&self.hooks, HookPoint::CreateRuntime, &state, Some(pid))?;
                    self.process()?.go()?;
                }
                Message::NeedTree(n) => self.send_tree(n)?,
                Message::Console(master) => self.terminal = options.console.deliver(master)?,
                Message::Listener(number) => {
                    let mut state = self.state("creating");
                    state.pid = Some(pid);
                    let filter = self.plan.program.process.seccomp.clone();
                    listener::forward(self.process()?, number, filter.as_ref(), state)?;
                    self.process()?.go()?;
                }
                Message::Ready => return Ok(()),
                Message::Closed => return Err(self.death()),
                other => {
                    return Err(Error::new(
                        Kind::Failed,
                        format!("the container's process sent {other:?} out of turn"),
                    ));
                }
            }
        }
    }

    /// What the parent does as soon as the process is born.
    fn welcome(&mut self) -> Result<()> {
        let pid = self.process()?.facts.pid;
        if let Some(value) = self.plan.oom_score_adj {
            oom_score_adj(pid, value)?;
        }
        for (i, (resource, limit)) in self.plan.program.process.rlimits.iter().enumerate() {
            raise_limit(pid, *resource, *limit)
                .map_err(|e| e.field(format!("/process/rlimits/{i}")))?;
        }
        if let Some(groups) = &self.record.intel_rdt {
            groups.enter(pid)?;
        }
        if !self.plan.net_devices.is_empty() {
            self.moved = Some(net_devices::move_all(
                &self.plan.net_devices,
                self.network(pid)?,
            )?);
        }
        match self.plan.id_maps.clone() {
            Some(maps) => self.process()?.map_ids(&maps),
            None => Ok(()),
        }
    }

    /// The container's network namespace: the process is born in a new one, or joins one later.
    fn network(&self, pid: i32) -> Result<OwnedFd> {
        let joined = self.plan.program.slots.iter().find(|s| {
            matches!(
                s.what,
                SlotKind::Namespace {
                    kind: CLONE_NEWNET,
                    ..
                }
            )
        });
        if let Some(slot) = joined {
            let mut open = spawn::open_slots(std::slice::from_ref(slot))?;
            return open
                .pop()
                .flatten()
                .ok_or_else(|| Error::new(Kind::Failed, "the network namespace is not open"));
        }
        let path = format!("/proc/{pid}/ns/net");
        file::openat(CWD, &plan::c_string(&path, String::new)?, 0, 0)
            .during(|| format!("open {path}"))
    }

    /// Has a mount copied that the process cannot copy itself.
    fn send_tree(&mut self, n: u32) -> Result<()> {
        let Some(process) = &self.process else {
            return Ok(());
        };
        let trees = match self.trees.take() {
            Some(trees) => trees,
            None => Trees::start(
                &self.plan.program,
                process.facts.pid,
                process.child.pidfd.as_fd(),
            )?,
        };
        let fd = trees.fetch(&self.plan.program, n)?;
        self.trees = Some(trees);
        sync::tree(process.sync.as_fd(), fd.as_fd())
            .during(|| "wake the container's process".into())
    }

    fn place(&mut self, pid: i32) -> Result<()> {
        match &mut self.cgroup {
            Some(cgroup) => {
                cgroup
                    .start_unit(&self.plan.cgroup, pid, Instant::now() + CGROUP_TIME)
                    .map_err(from_cgroups)?;
                self.record.cgroup = cgroup.record().clone();
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The process died without a word: killed, most likely for its memory.
    fn death(&mut self) -> Error {
        let exit = self
            .process
            .as_ref()
            .and_then(|p| process::wait(p.child.pidfd.as_fd()).ok());
        let oom = self.cgroup.as_ref().is_some_and(|c| c.oom_kills() > 0);
        if oom {
            let limit = self
                .cgroup
                .as_ref()
                .and_then(Cgroup::memory_limit)
                .map_or_else(String::new, |n| format!(" of {n} bytes"));
            return Error::new(
                Kind::Failed,
                format!("container init was OOM-killed (memory limit{limit} too low?)"),
            )
            .field("/linux/resources/memory/limit");
        }
        let how = match exit {
            Some(process::Exit::Code(code)) => format!("exit status {code}"),
            Some(process::Exit::Signal(signal)) => format!("signal {signal}"),
            None => "unknown reason".into(),
        };
        Error::new(
            Kind::Failed,
            format!("container init died while it was being set up: {how}"),
        )
    }

    /// Everything is done inside: tell the world.
    fn complete(
        &mut self,
        options: &Options<'_>,
        pid_file: &mut Option<pidfile::PidFile>,
        starter: Option<&OwnedFd>,
    ) -> Result<()> {
        let pid = self.process()?.facts.pid;
        let receiver = self.plan.annotations.pidfd_receiver.clone();
        let pidfd = self.process()?.child.pidfd.as_fd();
        if let Some(path) = options.pidfd_socket {
            crate::console::send_fd(path, b"standard", pidfd)?;
        }
        if let Some(path) = receiver {
            crate::console::send_fd(&path, b"standard", pidfd)
                .map_err(|e| e.field("/annotations/run.oci.pidfd_receiver"))?;
        }
        if let Some(name) = &self.plan.annotations.delegate {
            crate::delegate::delegate(&self.record.cgroup, name, self.plan.container_root, pid)?;
        }
        let (finished, line) = match self.finished.take() {
            Some(ready) => ready,
            None => self.finished()?,
        };
        // Before the record counts: a finished container without this socket is one that runs.
        if let Some(starter) = starter {
            socket::bind(starter.as_fd(), &self.dir.short_path(START_SOCKET))
                .during(|| "bind the start socket".into())?;
        }
        self.dir.complete(&line)?;
        self.record = finished;
        if let Some(file) = pid_file.take() {
            file.write(pid)?;
        }
        // `run` lets it go on and start in one.
        if options.await_command {
            self.process()?.go()
        } else {
            Ok(())
        }
    }

    pub fn finish(self) -> Created {
        let Making {
            dir,
            record,
            plan,
            hooks,
            process,
            terminal,
            moved,
            mut warnings,
            ..
        } = self;
        warnings.extend(plan.warnings.iter().cloned());
        let process = process.expect("a finished container has a process");
        Created {
            record,
            dir,
            process,
            plan,
            hooks,
            terminal,
            warnings,
            moved,
        }
    }

    /// Takes away what there is. What cannot be taken away is added to the error.
    pub fn undo(mut self, error: Error) -> Error {
        // Where the kernel killed it for its memory, that is the reason, whatever the last message was.
        let error = match self.cgroup.as_ref().map(Cgroup::oom_kills) {
            Some(n) if n > 0 && !error.to_string().contains("OOM") => self.death(),
            _ => error,
        };
        if let Some(moved) = self.moved.take() {
            moved.restore();
        }
        if let Some(process) = &self.process {
            process.kill();
        }
        let state = self.state("stopped");
        let left = crate::delete::clean_up(
            self.dir,
            &self.record,
            self.cgroup.as_ref(),
            &self.hooks,
            &state,
        );
        match left {
            Ok(_) => {
                if let Some(cgroup) = &self.cgroup {
                    cgroup.remove_parents();
                }
                error
            }
            Err(more) => error.hint(format!("and then: {more}")),
        }
    }
}

/// Writes the score by which the kernel chooses whom to kill when memory runs out (proc_pid_oom_score_adj(5)).
fn oom_score_adj(pid: i32, value: i64) -> Result<()> {
    let path = format!("/proc/{pid}/oom_score_adj");
    let c_path = plan::c_string(&path, String::new)?;
    let result = file::openat(CWD, &c_path, file::O_WRONLY, 0)
        .and_then(|f| io::write_all(f.as_fd(), value.to_string().as_bytes()));
    match result {
        // Lowering it below one's own takes CAP_SYS_RESOURCE of the host.
        Err(Errno::EACCES | Errno::EPERM) if kernel::cred::euid() != 0 => Ok(()),
        other => other.map_err(|e| {
            Error::os(format!("write {value} to {path}"), e).field("/process/oomScoreAdj")
        }),
    }
}

/// Raises a hard limit to what the process will set itself, which it cannot once it is in its user namespace or has no capabilities.
pub fn raise_limit(pid: i32, resource: u32, wanted: Limit) -> Result<()> {
    let what = || format!("raise resource limit {resource} to {}", wanted.hard);
    // Our own, which it has inherited: asking about another process takes rights that are not needed for this.
    let old = process::prlimit(0, resource, None).during(what)?;
    if wanted.hard <= old.hard {
        return Ok(());
    }
    let raised = Limit {
        soft: old.soft,
        hard: wanted.hard,
    };
    process::prlimit(pid, resource, Some(raised))
        .map_err(|e| Error::os(what(), e).hint("raising a hard limit takes CAP_SYS_RESOURCE"))
        .map(drop)
}
