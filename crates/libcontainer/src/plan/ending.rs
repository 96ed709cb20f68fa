//! The last steps of a process, from its labels to execve.

use super::{HookPoint, Op, Process, Step, c_string, step};
use crate::error::{Error, Result};
use crate::spec;

/// umask of a container that does not give one (what peers use, and most images expect).
const DEFAULT_UMASK: u32 = 0o022;
/// CAP_SYS_ADMIN, which installing a filter without no_new_privs takes (seccomp(2)).
const SYS_ADMIN: u64 = 1 << 21;

/// How the last steps of a process differ between `create` and `exec`.
pub struct Ending<'a> {
    /// JSON pointer of the process object.
    pub base: &'a str,
    /// Wait for `start` before the program runs.
    pub await_start: bool,
    /// Hooks to run after `start`.
    pub start_hooks: bool,
    /// setgroups is denied in the user namespace.
    pub groups_denied: bool,
    /// Supplementary groups stay as they are.
    pub keep_groups: bool,
}

/// A process may use only keys of a label like its own, so its session keyring is made with it. execve forgets the wish.
///
/// # Errors
/// A NUL byte in the label.
pub fn key_label(process: &spec::Process, base: &str) -> Result<Option<Step>> {
    let Some(label) = &process.selinux_label else {
        return Ok(None);
    };
    let field = format!("{base}/selinuxLabel");
    let value = c_string(label, || field.clone())?;
    let file = c"keycreate".to_owned();
    Ok(Some(step(Op::Label { file, value }, field)))
}

/// The steps from the working directory to execve.
///
/// Without no_new_privs, installing a filter takes CAP_SYS_ADMIN, so that capability is kept until then; execve computes the sets anew anyway
/// (capabilities(7)). Nothing but execve follows the filter: a profile need not allow what the runtime does.
///
/// # Errors
/// Groups that cannot be set.
pub fn ending(spec: &spec::Process, process: &Process, ending: &Ending<'_>) -> Result<Vec<Step>> {
    let at = |name: &str| format!("{}/{name}", ending.base);
    let mut steps = Vec::new();
    let mut push = |op, name: &str| steps.push(step(op, at(name)));
    if process.find_home {
        push(Op::FindHome, "env");
    }
    if process.uid != 0 {
        push(Op::StdioOwner, "user/uid");
    }
    // Labels take effect at execve; writing them takes no privilege, but a way to our own procfs, which is still there.
    if let Some(profile) = &spec.apparmor_profile {
        let value = c_string(&format!("exec {profile}"), || at("apparmorProfile"))?;
        push(
            Op::Label {
                file: c"apparmor/exec".to_owned(),
                value,
            },
            "apparmorProfile",
        );
    }
    if let Some(label) = &spec.selinux_label {
        push(
            Op::Label {
                file: c"exec".to_owned(),
                value: c_string(label, || at("selinuxLabel"))?,
            },
            "selinuxLabel",
        );
    }
    super::scheduling::kernel_state(spec, &at, &mut push)?;
    push(Op::SecureBits, "capabilities");
    push(
        Op::BoundingSet {
            keep: process.capabilities.bounding,
        },
        "capabilities/bounding",
    );
    if !ending.keep_groups {
        if !ending.groups_denied {
            push(
                Op::Groups {
                    groups: spec.user.additional_gids.clone(),
                },
                "user/additionalGids",
            );
        } else if !spec.user.additional_gids.is_empty() {
            let why = "supplementary groups cannot be set: an unprivileged user mapped only its own group";
            return Err(Error::invalid(at("user/additionalGids"), why)
                .hint("map more groups, which takes newgidmap and /etc/subgid"));
        }
    }
    push(
        Op::Ids {
            uid: process.uid,
            gid: process.gid,
        },
        "user",
    );
    // The root directory is where pivot_root leaves the process.
    if process.cwd.as_bytes() != b"/" || !ending.await_start {
        push(Op::Chdir, "cwd");
    }
    let early_filter = process
        .seccomp
        .as_ref()
        .is_some_and(|f| f.listener.is_some());
    let filter_needs_admin = process.seccomp.is_some() && !spec.no_new_privileges;
    push(
        Op::Capabilities {
            masks: process.capabilities,
            extra: if filter_needs_admin { SYS_ADMIN } else { 0 },
        },
        "capabilities",
    );
    push(
        Op::Umask {
            mask: spec.user.umask.unwrap_or(DEFAULT_UMASK),
        },
        "user/umask",
    );
    push(Op::FindProgram, "args/0");
    if early_filter {
        if spec.no_new_privileges {
            push(Op::NoNewPrivs, "noNewPrivileges");
        }
        steps.push(step(Op::Seccomp, "/linux/seccomp"));
    }
    if ending.await_start {
        steps.push(step(Op::Ready, ""));
        steps.push(step(Op::AwaitStart, ""));
    }
    if ending.start_hooks {
        steps.push(step(
            Op::RunHooks(HookPoint::StartContainer),
            "/hooks/startContainer",
        ));
    }
    let mut push = |op, name: &str| steps.push(step(op, at(name)));
    push(Op::Release, "args/0");
    // After the last descriptor has its number, for which a low limit would have no room.
    if !process.rlimits.is_empty() {
        push(Op::Rlimits, "rlimits");
    }
    if spec.no_new_privileges && !early_filter {
        push(Op::NoNewPrivs, "noNewPrivileges");
    }
    if process.seccomp.is_some() && !early_filter {
        steps.push(step(Op::Seccomp, "/linux/seccomp"));
    }
    steps.push(step(Op::Exec, at("args/0")));
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Filter;
    use crate::plan::process::process;

    fn base() -> spec::Process {
        spec::Process {
            args: vec!["sh".into()],
            cwd: "/".into(),
            ..spec::Process::default()
        }
    }

    #[test]
    fn the_filter_is_the_last_thing_before_exec() {
        let order = |nnp: bool, listener: bool| {
            let p = spec::Process {
                no_new_privileges: nnp,
                capabilities: Some(Default::default()),
                ..base()
            };
            let mut decided = process(&p, "/process", 0, &mut Vec::new()).unwrap();
            let listener = listener.then(|| (String::new(), String::new()));
            decided.seccomp = Some(Filter {
                instructions: vec![],
                flags: 0,
                listener,
            });
            let e = Ending {
                base: "/process",
                await_start: true,
                start_hooks: false,
                groups_denied: false,
                keep_groups: false,
            };
            let names: Vec<String> = ending(&p, &decided, &e)
                .unwrap()
                .iter()
                .map(|s| s.op.to_string())
                .collect();
            let at = |what: &str| {
                names
                    .iter()
                    .position(|n| n.starts_with(what))
                    .unwrap_or(usize::MAX)
            };
            (
                at("install"),
                at("exec"),
                at("wait for start"),
                at("set the capabilities"),
                at("set no_new_privs"),
            )
        };
        let (filter, exec, ..) = order(false, false);
        assert_eq!(filter + 1, exec);
        let (filter, exec, _, _, nnp) = order(true, false);
        assert!(nnp < filter && filter + 1 == exec);
        // Somebody must be there to take the listener: before create returns.
        // By then the user may be another one than root, and only what the capabilities keep is left to install it with.
        let (filter, _, start, caps, _) = order(false, true);
        assert!(caps < filter && filter < start);
        let (filter, _, start, caps, nnp) = order(true, true);
        assert!(caps < nnp && nnp < filter && filter < start);
    }
}
