//! From a child's record of failure to a sentence.
//!
//! Engines search the text for Go's words: "executable file not found in $PATH", "no such file or directory", "permission denied", "is a directory". Where they
//! do, the whole wording follows theirs.

use crate::error::{Error, Kind};
use crate::plan::{HookPoint, Mount, Op, Program, Step};
use crate::sync::{Report, STAGE};
use kernel::Errno;

/// The sentence for a failed step.
pub fn sentence(program: &Program, report: &Report) -> Error {
    let list = if report.step & STAGE != 0 {
        &program.stage
    } else {
        &program.steps
    };
    let Some(step) = list.get((report.step & !STAGE) as usize) else {
        return Error::new(
            Kind::Failed,
            "the container's process reported a step that the plan does not have",
        );
    };
    match &step.op {
        Op::RunHooks(point) => hook_error(*point, report),
        Op::FindProgram | Op::Exec => program_error(program, report),
        Op::Chdir | Op::Ids { .. } if matches!(report.call.as_str(), "chdir" | "getcwd") => {
            cwd_error(program, step, report)
        }
        Op::Console { .. } if report.errno == Errno::ENOENT => {
            general(step, report).hint("a terminal needs a devpts mount on /dev/pts")
        }
        _ => general(step, report),
    }
}

/// A hook that ran in the container and failed.
pub fn hook_error(point: HookPoint, report: &Report) -> Error {
    let field = format!("/hooks/{}/{}", point.name(), report.index);
    Error::new(Kind::Failed, report.detail.clone()).field(field)
}

fn general(step: &Step, report: &Report) -> Error {
    let mut text = step.op.to_string();
    for part in [&report.call, &report.detail] {
        if !part.is_empty() {
            text += ": ";
            text += part;
        }
    }
    let error = Error::os(text, report.errno).field(step.field.clone());
    match hint(&step.op, &report.call, report.errno) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// What a bind mount onto something of another type lacks. dockerd adds its own advice to what says "not a directory".
const NOT_THE_SAME: &str =
    "check source and destination: is one a directory and the other not a directory?";

fn hint(op: &Op, call: &str, errno: Errno) -> Option<&'static str> {
    Some(match (op, errno) {
        (_, Errno::ENOSYS) => {
            "the kernel is too old, or a seccomp filter around the runtime withholds this call"
        }
        (Op::JoinProcess { .. }, Errno::ESRCH) => {
            "the first thread of the container's process has ended, and with it the way in"
        }
        (Op::Bind(_), Errno::ENOENT) => "check that the source exists on the host",
        (Op::Bind(b), Errno::EINVAL) if call == "open_tree" && !b.recursive => {
            crate::trees::NOT_ALONE
        }
        (Op::Bind(_), Errno::EINVAL | Errno::ENOTDIR) if call == "move_mount" => NOT_THE_SAME,
        (Op::Bind(_), Errno::ENOTDIR) if call == "open target" => NOT_THE_SAME,
        (Op::Mount(m), Errno::EPERM) if m.fstype.as_bytes() == b"proc" => {
            "a new procfs needs a pid namespace of its own, and a /proc outside that is not masked"
        }
        (Op::Mount(m), Errno::EPERM) if m.fstype.as_bytes() == b"sysfs" => {
            "a new sysfs needs a network namespace of its own"
        }
        (Op::Mount(m), Errno::EINVAL) if has_label(m) => {
            "check the options of the mount, and whether the SELinux policy knows linux.mountLabel"
        }
        (Op::Label { .. }, Errno::EINVAL) => {
            "the kernel runs without this security module, or its policy does not know the label"
        }
        (Op::Mount(_), Errno::EINVAL) => "check the options of the mount",
        (Op::Mount(_) | Op::Bind(_), Errno::ENOSPC) => "a limit is reached: /proc/sys/fs/mount-max",
        (Op::Groups { .. }, Errno::EPERM) => "the user namespace denies setgroups",
        (Op::Scheduler(_), Errno::EPERM) => {
            "real-time scheduling needs CAP_SYS_NICE, and in a cpu cgroup of version 1 a share: /linux/resources/cpu/realtimeRuntime"
        }
        (Op::Label { .. }, Errno::ENOENT) => {
            "the kernel runs without this security module, or does not know the profile"
        }
        (Op::AttachRootfs { .. }, Errno::EACCES) => {
            "the user of the container must be able to reach the directory"
        }
        (Op::Seccomp, Errno::EINVAL) => {
            "this kernel does not know a flag or an action of the profile"
        }
        _ => return None,
    })
}

fn has_label(mount: &Mount) -> bool {
    let data = mount.data.as_deref().unwrap_or_default().to_bytes();
    mount.label.is_some() || data.windows(9).any(|w| w == b"context=\"")
}

/// execve(2), "Limits on size of arguments and environment".
pub const TOO_MUCH: &str =
    ": args and env may take a quarter of RLIMIT_STACK, 6 MiB at most, and each of them 128 KiB";

/// What execve(2) means when the file is there and it says ENOENT.
pub const NO_LOADER: &str = ": the interpreter of the script, or the program's loader, is missing (a CR at the end of the line with #! is part of the name)";

/// Every engine looks for other words here; all of them are in one line.
fn program_error(program: &Program, report: &Report) -> Error {
    let name = program
        .process
        .argv
        .strings()
        .first()
        .map(|s| s.to_string_lossy().into_owned())
        .unwrap_or_default();
    let text = match (report.call.as_str(), report.errno) {
        ("search", Errno::ENOENT) => {
            format!("exec: \"{name}\": executable file not found in $PATH")
        }
        (_, Errno::EISDIR) => format!(
            "exec: \"{name}\": is a directory: the path `{name}` is not a regular file: Operation not permitted"
        ),
        ("stat", Errno::ENOENT) => {
            format!("exec: \"{name}\": stat {name}: no such file or directory")
        }
        ("execve", errno) => {
            let path = if report.detail.is_empty() {
                &name
            } else {
                &report.detail
            };
            let why = match errno {
                Errno::ENOENT => NO_LOADER,
                Errno::ENOEXEC => ": it is no program for this machine, nor a script with #!",
                Errno::E2BIG => TOO_MUCH,
                _ => "",
            };
            format!("exec {path}: {errno}{why}")
        }
        (_, errno) => format!("exec: \"{name}\": {errno}"),
    };
    Error::new(Kind::Failed, text)
}

fn cwd_error(program: &Program, step: &Step, report: &Report) -> Error {
    let cwd = program.process.cwd.to_string_lossy();
    let text = format!("chdir to cwd ({cwd:?}) set in config.json failed");
    let error = Error::os(text, report.errno).field(step.field.clone());
    if report.detail.is_empty() {
        error
    } else {
        error.cause(report.detail.clone())
    }
}
