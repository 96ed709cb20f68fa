//! Making a container: load, plan, record, cgroup, spawn, serve, record.
//!
//! Whatever fails on the way, what was made before is taken away again, and the caller gets one error.

use crate::console::ConsoleTarget;
use crate::error::{During, Error, Kind, Result};
use crate::hooks::Hooks;
use crate::making::Making;
use crate::net_devices::Moved;
use crate::plan::exec::Template;
use crate::plan::{self, Host, Plan};
use crate::spawn::{self, Spawned};
use crate::spec::Spec;
use crate::state::{Record, StateDir};
use crate::{notify, pidfile, spec, tolerate};
use kernel::Errno;
use kernel::file::{self, CWD, O_RDONLY};
use kernel::process::CLONE_NEWPID;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long making or removing a cgroup may take.
pub const CGROUP_TIME: Duration = Duration::from_secs(30);

/// What `create` and `run` are told.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Where the state of all containers is.
    pub state_root: &'a Path,
    /// The container's id.
    pub id: &'a str,
    /// The bundle.
    pub bundle: &'a Path,
    /// The configuration, if it is not the bundle's config.json.
    pub config: Option<&'a Path>,
    /// Where the first process' number goes.
    pub pid_file: Option<&'a Path>,
    /// A socket that gets the pidfd of the first process.
    pub pidfd_socket: Option<&'a Path>,
    /// What becomes of the terminal.
    pub console: ConsoleTarget<'a>,
    /// Let the process wait for the command `start`, not for [`crate::run`].
    pub await_command: bool,
    /// Change the root by moving its mount instead of pivot_root.
    pub no_pivot: bool,
    /// Keep the caller's session keyring.
    pub no_new_keyring: bool,
    /// Descriptors above 2 that the program inherits.
    pub preserve_fds: u32,
    /// Of these, how many came by socket activation (sd_listen_fds(3)).
    pub listen_fds: u32,
    /// The caller wants to know when the program is ready (sd_notify(3)).
    pub notify_socket: Option<&'a Path>,
    /// Who makes the cgroup.
    pub cgroup_driver: libcgroups::Driver,
    /// The caller is not root of the host.
    pub rootless: bool,
    /// The socket that gets the listener of a seccomp profile which names none.
    pub seccomp_receiver: Option<&'a str>,
}

/// A container that has been made, and waits for its start.
#[derive(Debug)]
pub struct Created {
    /// Its record, as saved.
    pub record: Record,
    /// Its state directory, locked.
    pub dir: StateDir,
    /// Its first process.
    pub process: Spawned,
    /// The plan, to make sentences of failures after the start.
    pub plan: &'static Plan,
    /// Its hooks.
    pub hooks: Hooks,
    /// The master of its terminal, unless it was sent away.
    pub terminal: Option<OwnedFd>,
    /// What was tolerated.
    pub warnings: Vec<String>,
    /// Network devices that are in the container, until its program runs.
    pub(crate) moved: Option<Moved>,
}

/// Reads the configuration of a bundle.
///
/// # Errors
/// A missing file, or one that is no configuration, with the JSON pointer of what is wrong.
pub fn load(bundle: &Path, config: Option<&Path>) -> Result<Spec> {
    let path = config.map_or_else(|| bundle.join("config.json"), Path::to_path_buf);
    let shown = path.display();
    let c_path = plan::c_string(&path.to_string_lossy(), String::new)?;
    let file = file::openat(CWD, &c_path, O_RDONLY, 0).map_err(|errno| match errno {
        Errno::ENOENT => Error::new(
            Kind::Invalid,
            format!("JSON specification file {shown} not found: no such file or directory"),
        )
        .hint("run in the bundle's directory or name it with --bundle; `spec` writes an example"),
        other => Error::os(format!("open {shown}"), other),
    })?;
    let bytes =
        crate::state::read_all(file.as_fd(), spec::MAX_SIZE).map_err(|errno| match errno {
            Errno::EFBIG => Error::new(
                Kind::Invalid,
                format!("{shown} is larger than {} MiB", spec::MAX_SIZE >> 20),
            ),
            other => Error::os(format!("read {shown}"), other),
        })?;
    spec::decode(&bytes).map_err(|e| decode_error(&path, &e))
}

/// A decoder's error in this crate's terms.
pub fn decode_error(path: &Path, e: &spec::DecodeError) -> Error {
    let place = if e.line > 0 {
        format!(" (line {}, column {})", e.line, e.column)
    } else {
        String::new()
    };
    Error::new(Kind::Invalid, format!("decode {}", path.display()))
        .cause(format!("{}{place}", e.message))
        .field(e.pointer.clone())
}

/// Decides without doing: for `explain`.
pub fn decide(options: &Options<'_>) -> Result<(Spec, Plan, PathBuf)> {
    crate::state::check_id(options.id)?;
    let bundle = std::path::absolute(options.bundle)
        .during(|| format!("find the bundle {}", options.bundle.display()))?;
    let mut spec = load(&bundle, options.config)?;
    if options.listen_fds > 0 {
        if let Some(process) = &mut spec.process {
            process
                .env
                .push(format!("LISTEN_FDS={}", options.listen_fds));
            process.env.push("LISTEN_PID=1".into());
        }
    }
    if options.notify_socket.is_some() {
        add_notify_socket(&mut spec, options);
    }
    let mut warnings = Vec::new();
    tolerate::tolerate(&mut spec, &mut warnings)?;
    // Valid until the start: `create` takes it.
    let no_process = spec.process.is_none() && options.await_command;
    if no_process {
        spec.process = Some(Box::new(spec::Process {
            args: vec!["none".into()],
            cwd: "/".into(),
            ..spec::Process::default()
        }));
    }
    let mut host = Host::probe()?;
    if host.cgroups.is_v2() && plan::needs_v2_options(&spec) {
        host.cgroups
            .read_v2_options()
            .map_err(|e| Error::new(Kind::Failed, e.to_string()))?;
    }
    let choices = plan::Options {
        no_process,
        id: options.id,
        no_pivot: options.no_pivot,
        no_new_keyring: options.no_new_keyring,
        preserve_fds: options.preserve_fds + options.listen_fds,
        cgroup_driver: options.cgroup_driver,
        rootless: options.rootless,
        seccomp_receiver: options.seccomp_receiver,
    };
    let mut plan = plan::plan(&spec, &bundle, &choices, &host)?;
    plan.warnings.append(&mut warnings);
    Ok((spec, plan, bundle))
}

/// The container's own socket for readiness, in a directory of the state that is mounted read-only.
fn add_notify_socket(spec: &mut Spec, options: &Options<'_>) {
    let source = options.state_root.join(options.id).join("notify");
    spec.mounts.push(spec::Mount {
        destination: notify::INSIDE.into(),
        r#type: Some("bind".into()),
        source: Some(source.to_string_lossy().into_owned()),
        options: ["bind", "ro", "nosuid", "nodev", "noexec"]
            .map(String::from)
            .to_vec(),
        ..spec::Mount::default()
    });
    if let Some(process) = &mut spec.process {
        process.env.push(notify::VARIABLE.into());
    }
}

/// Makes a container up to the point where it only waits for its start.
///
/// # Errors
/// Everything that can go wrong; nothing is left behind then.
pub fn create(options: &Options<'_>) -> Result<Created> {
    let (mut spec, plan, bundle) = decide(options)?;
    let hooks = match &spec.hooks {
        Some(hooks) => Hooks::new(
            hooks,
            &bundle.to_string_lossy(),
            &plan.annotations.hook_output,
        )?,
        None => Hooks::default(),
    };
    let template = Template::new(&mut spec, &plan, options.no_new_keyring)?;
    check_terminal(&plan, options)?;
    check_rootfs(&plan)?;
    let slots = spawn::open_slots(&plan.program.slots)?;
    let mut pid_file = options
        .pid_file
        .map(pidfile::PidFile::prepare)
        .transpose()?;

    let dir = StateDir::create(options.state_root, options.id)?;
    let mut record = Record::new(options.id, &bundle, &plan.rootfs);
    record.cgroup = plan.cgroup.record();
    record.mounts_on_host = plan.mounts_on_host;
    record.private_pids = plan.program.clone_flags & CLONE_NEWPID != 0;
    record.exec = Some(Box::new(template));
    record.annotations = spec.annotations;
    record.hooks = spec
        .hooks
        .filter(|h| !h.poststart.is_empty() || !h.poststop.is_empty());
    let mut making = Making {
        dir,
        record,
        // Its hundreds of pieces share their pages with the child, and giving one back writes to it: each page would be copied for that. A
        // command makes one container, so they stay.
        plan: Box::leak(Box::new(plan)),
        hooks,
        cgroup: None,
        process: None,
        terminal: None,
        trees: None,
        moved: None,
        keep_groups: None,
        finished: None,
        warnings: Vec::new(),
    };
    match making.make(options, slots, &mut pid_file) {
        Ok(()) => Ok(making.finish()),
        Err(e) => Err(making.undo(e)),
    }
}

fn check_terminal(plan: &Plan, options: &Options<'_>) -> Result<()> {
    let refuse = |why: &'static str| Err(Error::invalid("/process/terminal", why));
    match (plan.program.process.terminal.is_some(), options.console) {
        (true, ConsoleTarget::None) => {
            refuse("cannot allocate tty if teu will detach without setting console socket")
        }
        (false, ConsoleTarget::Socket(_)) => {
            refuse("cannot use console socket if teu will not detach or allocate tty")
        }
        _ => Ok(()),
    }
}

fn check_rootfs(plan: &Plan) -> Result<()> {
    let shown = plan.rootfs.to_string_lossy();
    let kind = file::lstatat(CWD, &plan.rootfs).map(|st| st.st_mode & libc::S_IFMT);
    let problem = match kind {
        Ok(libc::S_IFDIR) => None,
        Ok(libc::S_IFLNK) => Some(Errno::ELOOP),
        Ok(_) => Some(Errno::ENOTDIR),
        Err(errno) => Some(errno),
    };
    match problem {
        None => Ok(()),
        Some(errno) => {
            let error =
                Error::os(format!("invalid rootfs: open {shown}"), errno).field("/root/path");
            Err(if errno == Errno::ENOTDIR || errno == Errno::ELOOP {
                error.hint("it must be a directory, not a link")
            } else {
                error
            })
        }
    }
}
