//! A runtime under test: where it is, what it is called in reports, and how one of its commands is run with a
//! deadline.

use crate::check::{Verdict, fail};
use crate::view::View;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// How many seconds one command of a runtime may take on a usual machine before it counts as hung.
const COMMAND_SECONDS: u64 = 12;

/// The system calls that `without=` takes away when it does not say which.
const NEW_CALLS: &str = "openat2+open_tree+move_mount+fsopen+fsconfig+fsmount+fspick+mount_setattr+clone3+close_range+faccessat2";

/// System calls that fail for a runtime and everything it starts, as on an older kernel (ENOSYS) or below a seccomp
/// profile that does not know them (EPERM).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Without {
    /// `ENOSYS` or `EPERM`.
    pub errno: String,
    /// Names, with a plus between them.
    pub calls: String,
}

impl Without {
    fn parse(text: &str) -> Result<Without, String> {
        let (errno, calls) = text.split_once(':').unwrap_or((text, NEW_CALLS));
        match errno {
            "ENOSYS" | "EPERM" => Ok(Without {
                errno: errno.to_string(),
                calls: calls.to_string(),
            }),
            _ => Err(format!("without={text}: neither ENOSYS nor EPERM")),
        }
    }

    /// Whether a message says that one of these calls is missing: a refusal with a reason.
    pub fn is_named_in(&self, text: &str) -> bool {
        self.calls.split('+').any(|call| text.contains(call))
    }
}

/// `NAME=PATH[,oci-version=V][,view=v1|v2|host][,arg=--flag][,without=ERRNO[:CALL+CALL]]...`, as given to `--runtime`.
#[derive(Clone, Debug)]
pub struct Runtime {
    /// What reports call it.
    pub name: String,
    /// The program.
    pub path: PathBuf,
    /// Global arguments before every command.
    pub args: Vec<String>,
    /// The `ociVersion` written into every config.json.
    pub oci_version: String,
    /// The cgroup hierarchy that it is shown.
    pub view: View,
    /// The system calls that it must do without.
    pub without: Option<Without>,
    /// The text this was parsed from, for handing it on to a worker.
    pub text: String,
}

impl Runtime {
    /// Parses the option's value.
    pub fn parse(text: &str) -> Result<Runtime, String> {
        let mut parts = text.split(',');
        let first = parts.next().unwrap_or_default();
        let (name, path) = match first.split_once('=') {
            Some((name, path)) => (name.to_string(), path),
            None => (
                Path::new(first)
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
                first,
            ),
        };
        let found = find(path).ok_or_else(|| format!("no program {path:?}"))?;
        let mut runtime = Runtime {
            name,
            path: found,
            args: Vec::new(),
            oci_version: "1.3.0".to_string(),
            view: View::Host,
            without: None,
            text: text.to_string(),
        };
        for part in parts {
            match part.split_once('=') {
                Some(("oci-version", version)) => runtime.oci_version = version.to_string(),
                Some(("view", view)) => runtime.view = View::parse(view)?,
                Some(("arg", arg)) => runtime.args.push(arg.to_string()),
                Some(("without", calls)) => runtime.without = Some(Without::parse(calls)?),
                _ => {
                    return Err(format!(
                        "{part:?} is not oci-version=, view=, arg= or without="
                    ));
                }
            }
        }
        Ok(runtime)
    }

    /// What the runtime says of itself, without its name.
    pub fn version(&self) -> String {
        let output = Command::new(&self.path).arg("--version").output();
        let text = output
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .unwrap_or_default();
        let first = text.lines().next().unwrap_or_default();
        first.rsplit(' ').next().unwrap_or_default().to_string()
    }
}

/// An absolute path for `name`, by the rules of the shell.
fn find(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return fs::canonicalize(name).ok();
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// What a command left behind.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// The exit code, when it exited.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Standard output, lossy UTF-8.
    pub stdout: String,
    /// Standard error, lossy UTF-8.
    pub stderr: String,
    /// The command line, for messages.
    pub command: String,
}

impl Output {
    /// Fails unless the command exited with 0.
    pub fn success(self) -> Verdict<Output> {
        if self.code == Some(0) {
            Ok(self)
        } else {
            fail(self.describe("did not succeed"))
        }
    }

    /// Fails unless the command exited with a code that is not 0; a death by signal is no answer either.
    pub fn failure(self) -> Verdict<Output> {
        match self.code {
            Some(code) if code != 0 => Ok(self),
            _ => fail(self.describe("should have failed")),
        }
    }

    /// Fails unless the exit code is `code`.
    pub fn exits(self, code: i32) -> Verdict<Output> {
        if self.code == Some(code) {
            Ok(self)
        } else {
            fail(self.describe(&format!("should have exited with {code}")))
        }
    }

    /// Fails unless standard error, in lower case, contains one of the texts.
    pub fn says(self, texts: &[&str]) -> Verdict<Output> {
        let stderr = self.stderr.to_lowercase();
        if texts
            .iter()
            .any(|text| stderr.contains(&text.to_lowercase()))
        {
            Ok(self)
        } else {
            fail(self.describe(&format!("should have said one of {texts:?}")))
        }
    }

    /// One line: the command, what is wrong, how it ended and what it printed.
    pub fn describe(&self, wrong: &str) -> String {
        let end = match (self.code, self.signal) {
            (Some(code), _) => format!("exit {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "no status".to_string(),
        };
        let clip = |text: &str| text.trim().chars().take(600).collect::<String>();
        format!(
            "`{}` {wrong} ({end}); stdout {:?}, stderr {:?}",
            self.command,
            clip(&self.stdout),
            clip(&self.stderr)
        )
    }
}

/// A command that is being put together.
pub struct Invocation {
    /// The command; tests may change its environment, folder and the like.
    pub command: Command,
    stdout: PathBuf,
    stderr: PathBuf,
    lent: Vec<Lent>,
    deadline: Duration,
    /// Whether the command leads a process group of its own, which a deadline can then kill.
    pub own_group: bool,
}

impl Invocation {
    /// `program args...` with empty standard input and output into the two files. Files, not pipes: a container
    /// that is left running must not keep the suite waiting for an end of file.
    pub fn new(program: &Path, stdout: PathBuf, stderr: PathBuf) -> Verdict<Invocation> {
        let mut command = Command::new(program);
        let (input, out, err) = (
            File::open("/dev/null")?,
            File::create(&stdout)?,
            File::create(&stderr)?,
        );
        let lent = vec![
            Lent::new("input", &input)?,
            Lent::new("output", &out)?,
            Lent::new("error", &err)?,
        ];
        command.stdin(input).stdout(out).stderr(err);
        Ok(Invocation {
            command,
            stdout,
            stderr,
            lent,
            deadline: crate::patience::seconds(COMMAND_SECONDS),
            own_group: true,
        })
    }

    /// Appends arguments.
    pub fn args<S: AsRef<std::ffi::OsStr>>(
        mut self,
        args: impl IntoIterator<Item = S>,
    ) -> Invocation {
        self.command.args(args);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, key: &str, value: impl AsRef<std::ffi::OsStr>) -> Invocation {
        self.command.env(key, value);
        self
    }

    /// Takes standard input from a file.
    pub fn stdin(mut self, file: impl Into<Stdio>) -> Invocation {
        self.command.stdin(file);
        self
    }

    /// Runs in another folder.
    pub fn current_dir(mut self, dir: &Path) -> Invocation {
        self.command.current_dir(dir);
        self
    }

    /// Starts the command and leaves it to the test.
    pub fn spawn(mut self) -> Verdict<Running> {
        if self.own_group {
            self.command.process_group(0);
        }
        let child = self.command.spawn()?;
        crate::reaper::started(child.id());
        Ok(Running {
            child,
            text: format!("{:?}", self.command).replace('"', ""),
            stdout: self.stdout,
            stderr: self.stderr,
            lent: self.lent,
            deadline: self.deadline,
        })
    }

    /// Runs the command to its end.
    pub fn run(self) -> Verdict<Output> {
        self.spawn()?.wait()
    }
}

/// What runtimes made of descriptors that were lent to them, one sentence each.
static CHANGED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Every descriptor that a command had from the suite and left otherwise than it was.
pub fn changed_descriptors() -> Vec<String> {
    CHANGED
        .lock()
        .map_or_else(|_| Vec::new(), |list| list.clone())
}

/// A second descriptor of an open file that a command is given: status flags, such as O_NONBLOCK, belong to both, and
/// so outlive the command (fcntl(2), F_SETFL).
struct Lent {
    name: &'static str,
    file: File,
    flags: OFlags,
}

impl Lent {
    fn new(name: &'static str, file: &File) -> Verdict<Lent> {
        let file = file.try_clone()?;
        let flags = fcntl_getfl(&file)?;
        Ok(Lent { name, file, flags })
    }

    fn look(&self, command: &str) {
        let now = fcntl_getfl(&self.file).unwrap_or(OFlags::empty());
        if now == self.flags {
            return;
        }
        if let Ok(mut list) = CHANGED.lock() {
            list.push(format!(
                "standard {} of `{command}` with other flags ({now:?})",
                self.name
            ));
        }
    }
}

/// A command that was started.
pub struct Running {
    /// The process.
    pub child: Child,
    text: String,
    /// Where its standard output goes.
    pub stdout: PathBuf,
    stderr: PathBuf,
    lent: Vec<Lent>,
    deadline: Duration,
}

impl Running {
    /// The process id.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Waits for the end, and kills the whole process group when the deadline passes.
    pub fn wait(mut self) -> Verdict<Output> {
        let pid = Pid::from_child(&self.child);
        let ended = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(fd) => {
                let timeout = Timespec {
                    tv_sec: self.deadline.as_secs() as i64,
                    tv_nsec: 0,
                };
                poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timeout)).is_ok_and(|n| n > 0)
            }
            Err(_) => true,
        };
        if !ended {
            let _ = kill_process_group(pid, Signal::KILL);
            let _ = self.child.wait();
            let stderr = read(&self.stderr);
            return fail(format!(
                "`{}` did not end within {:?} and was killed; stderr {stderr:?}",
                self.text, self.deadline
            ));
        }
        let status = self.child.wait()?;
        self.lent.iter().for_each(|lent| lent.look(&self.text));
        Ok(Output {
            code: status.code(),
            signal: status.signal(),
            stdout: read(&self.stdout),
            stderr: read(&self.stderr),
            command: self.text,
        })
    }
}

fn read(path: &Path) -> String {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}
