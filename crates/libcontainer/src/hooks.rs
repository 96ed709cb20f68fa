//! Running a hook: its program, the state on its standard input, and a deadline (config.md, "POSIX-platform Hooks").
//!
//! Hooks are prepared before clone, and running one allocates nothing: the container's init runs some of them.

use crate::error::{Error, Result};
use crate::plan::HookPoint;
use crate::program;
use crate::spec;
use crate::sync::Text;
use kernel::exec::StringArray;
use kernel::process::{self, CloneArgs, Exit};
use kernel::{Errno, file, io};
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Bytes kept of what a hook prints, for the error text.
const OUTPUT: usize = 160;

/// A hook, ready to run.
#[derive(Clone, Debug)]
pub struct Hook {
    path: CString,
    argv: StringArray,
    envp: StringArray,
    timeout: Option<Duration>,
    /// Its working directory.
    cwd: CString,
    /// Where its standard output and error go, instead of into the text of an error.
    outputs: [Option<Rc<OwnedFd>>; 2],
}

/// All hooks of a container by place.
#[derive(Clone, Debug, Default)]
pub struct Hooks {
    lists: [Vec<Hook>; 6],
}

impl Hooks {
    /// Checks and prepares all hooks.
    ///
    /// # Errors
    /// A path that is not absolute, a timeout that is not positive, a string with a NUL byte; an output file that cannot be opened.
    pub fn new(spec: &spec::Hooks, bundle: &str, outputs: &[Option<PathBuf>; 2]) -> Result<Hooks> {
        let mut hooks = Hooks::default();
        let outputs = [
            open_output(outputs[0].as_deref(), "stdout")?,
            open_output(outputs[1].as_deref(), "stderr")?,
        ];
        let all = [
            (HookPoint::Prestart, &spec.prestart),
            (HookPoint::CreateRuntime, &spec.create_runtime),
            (HookPoint::CreateContainer, &spec.create_container),
            (HookPoint::StartContainer, &spec.start_container),
            (HookPoint::Poststart, &spec.poststart),
            (HookPoint::Poststop, &spec.poststop),
        ];
        for (point, list) in all {
            let prepared = list.iter().enumerate().map(|(i, h)| {
                // In the container there is no bundle.
                let cwd = if point == HookPoint::StartContainer {
                    "/"
                } else {
                    bundle
                };
                prepare(h, &format!("/hooks/{}/{i}", point.name()), cwd, &outputs)
            });
            hooks.lists[point as usize] = prepared.collect::<Result<_>>()?;
        }
        Ok(hooks)
    }

    /// Whether there are none at all.
    pub fn is_empty(&self) -> bool {
        self.lists.iter().all(|hooks| hooks.is_empty())
    }

    /// The descriptors of files that their output goes to.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        // The same two for all of them.
        self.lists
            .iter()
            .flatten()
            .take(1)
            .flat_map(|h| h.outputs.iter().flatten())
            .map(|fd| fd.as_fd())
    }

    /// Those of one place, in order.
    pub fn at(&self, point: HookPoint) -> &[Hook] {
        &self.lists[point as usize]
    }
}

/// Opens a file that output is added to.
fn open_output(path: Option<&Path>, stream: &str) -> Result<Option<Rc<OwnedFd>>> {
    use file::{CWD, O_APPEND, O_CREAT, O_NOCTTY, O_NONBLOCK, O_WRONLY};
    let Some(path) = path else { return Ok(None) };
    let c_path = crate::plan::c_string(&path.to_string_lossy(), String::new)?;
    // A pipe that nobody reads is an error, not a reason to wait; hooks then write to one as usual.
    let flags = O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK;
    let fd = file::openat(CWD, &c_path, flags, 0o644)
        .and_then(|fd| io::set_nonblocking(fd.as_fd(), false).map(|()| fd));
    let field = format!("/annotations/run.oci.hooks.{stream}");
    fd.map(|fd| Some(Rc::new(fd)))
        .map_err(|e| Error::os(format!("open {}", path.display()), e).field(field))
}

fn prepare(
    hook: &spec::Hook,
    field: &str,
    cwd: &str,
    outputs: &[Option<Rc<OwnedFd>>; 2],
) -> Result<Hook> {
    use crate::plan::c_string;
    if !hook.path.starts_with('/') {
        return Err(Error::invalid(
            format!("{field}/path"),
            format!("hook path \"{}\" must be absolute", hook.path),
        ));
    }
    let timeout = match hook.timeout {
        Some(seconds) if seconds <= 0 => {
            return Err(Error::invalid(
                format!("{field}/timeout"),
                "a hook's timeout must be greater than zero",
            ));
        }
        other => other.map(|s| Duration::from_secs(s.unsigned_abs())),
    };
    let list = |list: &[String], name: &str| {
        let strings = list
            .iter()
            .enumerate()
            .map(|(i, s)| c_string(s, || format!("{field}/{name}/{i}")));
        strings.collect::<Result<Vec<CString>>>()
    };
    let path = c_string(&hook.path, || format!("{field}/path"))?;
    let mut args = list(&hook.args, "args")?;
    if args.is_empty() {
        args.push(path.clone());
    }
    Ok(Hook {
        path,
        argv: StringArray::new(args, 0),
        envp: StringArray::new(list(&hook.env, "env")?, 0),
        timeout,
        cwd: c_string(cwd, || field.into())?,
        outputs: outputs.clone(),
    })
}

/// Why a hook failed.
#[derive(Clone, Debug)]
pub enum Failure {
    /// It could not be run at all.
    Call(&'static str, Errno),
    /// It ended badly.
    Exit(Exit),
    /// It took too long and was killed.
    Timeout(Duration),
}

/// A failed hook and what it printed.
#[derive(Clone, Debug)]
pub struct HookError {
    /// Which of its list.
    pub index: usize,
    /// Why.
    pub failure: Failure,
    /// The beginning of its standard output.
    pub stdout: Text<OUTPUT>,
    /// The beginning of its standard error.
    pub stderr: Text<OUTPUT>,
}

impl HookError {
    /// Writes the sentence, without a heap.
    pub fn describe<const N: usize>(&self, point: HookPoint, text: &mut Text<N>) {
        text.push(b"error running ");
        text.push(point.name().as_bytes());
        text.push(b" hook #");
        text.push_number(self.index as u64);
        text.push(b": ");
        match self.failure {
            Failure::Call(call, errno) => {
                text.push(call.as_bytes());
                text.push(b": ");
                text.push(errno.text().unwrap_or("unknown error").as_bytes());
            }
            Failure::Exit(Exit::Code(code)) => {
                text.push(b"exit status ");
                text.push_number(code as u64);
            }
            Failure::Exit(Exit::Signal(signal)) => {
                text.push(b"signal ");
                text.push_number(signal as u64);
            }
            Failure::Timeout(after) => {
                text.push(b"hook ran past specified timeout of ");
                text.push_number(after.as_secs());
                text.push(b".0s");
            }
        }
        text.push(b", stdout: ");
        text.push(self.stdout.as_bytes().trim_ascii());
        text.push(b", stderr: ");
        text.push(self.stderr.as_bytes().trim_ascii());
    }

    /// The same as an error.
    pub fn into_error(self, point: HookPoint) -> Error {
        let mut text = Text::<700>::new();
        self.describe(point, &mut text);
        Error::new(
            crate::error::Kind::Failed,
            String::from_utf8_lossy(text.as_bytes()).into_owned(),
        )
        .field(format!("/hooks/{}/{}", point.name(), self.index))
    }
}

/// The state that hooks read, in two halves around the pid.
#[derive(Clone, Copy, Debug)]
pub struct State<'a> {
    /// Up to the pid.
    pub before: &'a [u8],
    /// The process, or none when it has ended.
    pub pid: Option<i32>,
    /// After the pid.
    pub after: &'a [u8],
}

impl<'a> State<'a> {
    /// The state of a container that has no process any more: the halves without the pid between them.
    pub fn without_pid(parts: &'a (Vec<u8>, Vec<u8>)) -> State<'a> {
        const PID: &[u8] = b",\"pid\":";
        let before = parts.0.strip_suffix(PID).unwrap_or(&parts.0);
        State {
            before,
            pid: None,
            after: &parts.1,
        }
    }
}

/// Runs all hooks of a list, also those after one that failed; the failures.
pub fn run_each(list: &[Hook], state: State<'_>) -> Vec<HookError> {
    let single = |(i, hook)| {
        run_all(std::slice::from_ref(hook), state)
            .err()
            .map(|e| HookError { index: i, ..e })
    };
    list.iter().enumerate().filter_map(single).collect()
}

/// Runs all hooks of a list, in order, until one fails.
pub fn run_all(list: &[Hook], state: State<'_>) -> std::result::Result<(), HookError> {
    for (index, hook) in list.iter().enumerate() {
        let mut error = HookError {
            index,
            failure: Failure::Exit(Exit::Code(0)),
            stdout: Text::new(),
            stderr: Text::new(),
        };
        let outcome = run(hook, state, &mut error);
        if let Err(failure) = outcome {
            error.failure = failure;
            return Err(error);
        }
    }
    Ok(())
}

fn run(hook: &Hook, state: State<'_>, out: &mut HookError) -> std::result::Result<(), Failure> {
    let call = |call: &'static str| move |errno| Failure::Call(call, errno);
    let (stdin, state_in) = io::pipe().map_err(call("pipe"))?;
    let (stdout, stdout_in) = io::pipe().map_err(call("pipe"))?;
    let (stderr, stderr_in) = io::pipe().map_err(call("pipe"))?;
    // What lies beyond the clock's range never comes.
    let deadline = hook.timeout.and_then(|t| Instant::now().checked_add(t));
    let file = |i: usize, pipe| hook.outputs[i].as_ref().map_or(pipe, |fd| &**fd);
    let streams = [&stdin, file(0, &stdout_in), file(1, &stderr_in)];
    let child = process::clone(CloneArgs::default(), || become_hook(hook, streams))
        .map_err(call("clone3"))?;
    drop((stdin, stdout_in, stderr_in));

    let mut number = Text::<12>::new();
    if let Some(pid) = state.pid {
        number.push_number(pid as u64);
    }
    let mut input = Input {
        fd: Some(state_in),
        parts: [state.before, number.as_bytes(), state.after],
        part: 0,
    };
    let mut outputs = [Some(stdout), Some(stderr)];
    // Not until the pipes are closed: a daemon that the hook leaves behind may keep them.
    let ended = loop {
        input.feed();
        let mut set = [
            io::poll_entry(Some(child.pidfd.as_fd()), libc::POLLIN),
            io::poll_entry(input.fd.as_ref().map(|f| f.as_fd()), libc::POLLOUT),
            io::poll_entry(outputs[0].as_ref().map(|f| f.as_fd()), libc::POLLIN),
            io::poll_entry(outputs[1].as_ref().map(|f| f.as_fd()), libc::POLLIN),
        ];
        if io::poll(&mut set, deadline).map_err(call("poll"))? == 0 {
            // The whole group: what the hook has started must not outlive its time.
            let _ = process::kill(-child.pid, libc::SIGKILL);
            let _ = process::pidfd_send_signal(child.pidfd.as_fd(), libc::SIGKILL);
            let _ = process::wait(child.pidfd.as_fd());
            return Err(Failure::Timeout(hook.timeout.unwrap_or_default()));
        }
        let ended = set[0].revents != 0;
        for (i, text) in [&mut out.stdout, &mut out.stderr].into_iter().enumerate() {
            if set[2 + i].revents != 0
                && !drain(outputs[i].as_ref().map(|f| f.as_fd()), text, ended)
            {
                outputs[i] = None;
            }
        }
        if ended {
            break process::wait(child.pidfd.as_fd()).map_err(call("waitid"))?;
        }
    };
    match ended {
        Exit::Code(0) => Ok(()),
        other => Err(Failure::Exit(other)),
    }
}

/// The new process: nothing of the runtime's but the three pipes and the hook's own environment.
fn become_hook(hook: &Hook, pipes: [&OwnedFd; 3]) {
    let _ = process::lead_group();
    program::keep_only(pipes);
    if kernel::file::chdir(&hook.cwd).is_err() {
        let _ = kernel::file::chdir(c"/");
    }
    let errno = kernel::exec::execve(&hook.path, &hook.argv, &hook.envp);
    let mut text = Text::<OUTPUT>::new();
    text.push(b"exec ");
    text.push(hook.path.to_bytes());
    text.push(b": ");
    text.push(errno.text().unwrap_or("unknown error").as_bytes());
    let _ = io::write_all(io::STDERR, text.as_bytes());
    process::exit(127)
}

struct Input<'a> {
    fd: Option<OwnedFd>,
    parts: [&'a [u8]; 3],
    part: usize,
}

impl Input<'_> {
    /// Writes as much of the state as the pipe takes; closes it at the end, or when nobody reads.
    fn feed(&mut self) {
        let Some(fd) = self.fd.as_ref().map(|f| f.as_fd()) else {
            return;
        };
        if io::set_nonblocking(fd, true).is_err() {
            self.fd = None;
            return;
        }
        while self.part < self.parts.len() {
            match io::write(fd, self.parts[self.part]) {
                Ok(n) if n == self.parts[self.part].len() => self.part += 1,
                Ok(n) => self.parts[self.part] = &self.parts[self.part][n..],
                Err(Errno::EAGAIN) => return,
                Err(_) => break,
            }
        }
        self.fd = None;
    }
}

/// Reads what is there; `false` at the end. After the hook has ended only what is left is read, without waiting.
fn drain(fd: Option<BorrowedFd<'_>>, text: &mut Text<OUTPUT>, ended: bool) -> bool {
    let Some(fd) = fd else { return false };
    if io::set_nonblocking(fd, true).is_err() {
        return false;
    }
    let mut buf = [0; 1024];
    loop {
        match io::read(fd, &mut buf) {
            Ok(0) | Err(Errno::EIO) => return false,
            Ok(n) => text.push(&buf[..n]),
            Err(_) => return !ended,
        }
    }
}

#[cfg(test)]
mod tests;
