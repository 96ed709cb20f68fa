//! `process`: arguments, environment, identity, limits, and the last steps before execve.

use super::capabilities;
use super::{Filter, HookPoint, Op, Process, Step, c_string, step};
use crate::error::{Error, Result};
use crate::spec;
use kernel::exec::StringArray;
use kernel::process::Limit;
use kernel::sched::{CpuSet, SchedAttr};
use kernel::tty::WindowSize;
use std::collections::HashSet;
use std::ffi::CString;

/// The search path of a program without PATH in its environment.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// umask of a container that does not give one (what peers use, and most images expect).
const DEFAULT_UMASK: u32 = 0o022;
/// CAP_SYS_ADMIN, which installing a filter without no_new_privs takes (seccomp(2)).
const SYS_ADMIN: u64 = 1 << 21;

const RLIMITS: [(&str, u32); 16] = [
    ("RLIMIT_CPU", 0),
    ("RLIMIT_FSIZE", 1),
    ("RLIMIT_DATA", 2),
    ("RLIMIT_STACK", 3),
    ("RLIMIT_CORE", 4),
    ("RLIMIT_RSS", 5),
    ("RLIMIT_NPROC", 6),
    ("RLIMIT_NOFILE", 7),
    ("RLIMIT_MEMLOCK", 8),
    ("RLIMIT_AS", 9),
    ("RLIMIT_LOCKS", 10),
    ("RLIMIT_SIGPENDING", 11),
    ("RLIMIT_MSGQUEUE", 12),
    ("RLIMIT_NICE", 13),
    ("RLIMIT_RTPRIO", 14),
    ("RLIMIT_RTTIME", 15),
];

/// Decides about the process itself. `base` is the JSON pointer of the object: `/process`, or empty for a document of its own.
///
/// # Errors
/// The first field that cannot be what it asks for.
pub fn process(
    p: &spec::Process,
    base: &str,
    preserve_fds: u32,
    warnings: &mut Vec<String>,
) -> Result<Process> {
    let at = |name: &str| format!("{base}/{name}");
    if p.args.is_empty() || p.args[0].is_empty() {
        let (field, why) = if p.args.is_empty() {
            ("args", "args must not be empty")
        } else {
            ("args/0", "cannot find `` in $PATH")
        };
        return Err(Error::invalid(
            at(field),
            format!("{why}: no such file or directory"),
        ));
    }
    if !p.cwd.starts_with('/') {
        return Err(Error::invalid(
            at("cwd"),
            format!("cwd \"{}\" must be an absolute path", p.cwd),
        ));
    }
    for (name, id) in [("uid", p.user.uid), ("gid", p.user.gid)] {
        if id == u32::MAX {
            return Err(Error::invalid(
                at(&format!("user/{name}")),
                format!("{name} {id} means \"no change\" to the kernel, it is no id"),
            ));
        }
    }
    if let Some(umask) = p.user.umask.filter(|m| *m > 0o7777) {
        return Err(Error::invalid(
            at("user/umask"),
            format!("umask {umask:#o} has unknown bits"),
        ));
    }
    affinity(p, base)?;
    let argv = p
        .args
        .iter()
        .enumerate()
        .map(|(i, a)| c_string(a, || at(&format!("args/{i}"))))
        .collect::<Result<_>>()?;
    let environment = environment(&p.env, &at("env"))?;
    Ok(Process {
        argv: StringArray::new(argv, 0),
        path: c_string(environment.path.unwrap_or(DEFAULT_PATH), || at("env"))?,
        find_home: !environment.has_home,
        envp: StringArray::new(environment.strings, 1),
        cwd: c_string(&p.cwd, || at("cwd"))?,
        uid: p.user.uid,
        gid: p.user.gid,
        capabilities: p
            .capabilities
            .as_ref()
            .map(|lists| capabilities::masks(lists, warnings))
            .unwrap_or_default(),
        rlimits: rlimits(&p.rlimits, &at("rlimits"))?,
        seccomp: None,
        terminal: p.terminal.then(|| p.console_size.map(window_size)),
        preserve_fds,
    })
}

fn window_size(size: spec::ConsoleSize) -> WindowSize {
    let clip = |n: u64| u16::try_from(n).unwrap_or(u16::MAX);
    WindowSize {
        rows: clip(size.height),
        columns: clip(size.width),
    }
}

struct Environment<'a> {
    strings: Vec<CString>,
    path: Option<&'a str>,
    has_home: bool,
}

/// Of a name given twice the last counts, in the place of the last. An empty HOME counts as none.
fn environment<'a>(list: &'a [String], base: &str) -> Result<Environment<'a>> {
    let mut seen = HashSet::with_capacity(list.len());
    let mut result = Environment {
        strings: Vec::with_capacity(list.len() + 1),
        path: None,
        has_home: false,
    };
    for (i, entry) in list.iter().enumerate().rev() {
        let field = || format!("{base}/{i}");
        let (name, value) = entry
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| {
                Error::invalid(
                    field(),
                    format!("environment variable \"{entry}\" is not of the form NAME=VALUE"),
                )
            })?;
        if !seen.insert(name) || name == "HOME" && value.is_empty() {
            continue;
        }
        result.has_home |= name == "HOME";
        if name == "PATH" {
            result.path = Some(value);
        }
        result.strings.push(c_string(entry, field)?);
    }
    result.strings.reverse();
    Ok(result)
}

fn rlimits(list: &[spec::Rlimit], base: &str) -> Result<Vec<(u32, Limit)>> {
    let mut result: Vec<(u32, Limit)> = Vec::with_capacity(list.len());
    for (i, r) in list.iter().enumerate() {
        let Some(&(_, number)) = RLIMITS.iter().find(|k| k.0 == r.r#type) else {
            return Err(Error::invalid(
                format!("{base}/{i}/type"),
                format!("invalid rlimit type: {}", r.r#type),
            ));
        };
        if result.iter().any(|(n, _)| *n == number) {
            return Err(Error::invalid(
                format!("{base}/{i}"),
                format!("{} is listed twice", r.r#type),
            ));
        }
        if r.soft > r.hard {
            let why = format!(
                "{}: soft limit {} exceeds hard limit {}",
                r.r#type, r.soft, r.hard
            );
            return Err(Error::invalid(format!("{base}/{i}/soft"), why));
        }
        result.push((
            number,
            Limit {
                soft: r.soft,
                hard: r.hard,
            },
        ));
    }
    Ok(result)
}

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
    kernel_state(spec, &at, &mut push)?;
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
    let filter_needs_admin = process.seccomp.is_some() && !spec.no_new_privileges && !early_filter;
    if early_filter && !spec.no_new_privileges {
        steps.push(step(Op::Seccomp, "/linux/seccomp"));
    }
    let mut push = |op, name: &str| steps.push(step(op, at(name)));
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
    if early_filter && spec.no_new_privileges {
        push(Op::NoNewPrivs, "noNewPrivileges");
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
    if !process.rlimits.is_empty() {
        push(Op::Rlimits, "rlimits");
    }
    push(Op::Release, "args/0");
    if spec.no_new_privileges && !early_filter {
        push(Op::NoNewPrivs, "noNewPrivileges");
    }
    if process.seccomp.is_some() && !early_filter {
        steps.push(step(Op::Seccomp, "/linux/seccomp"));
    }
    steps.push(step(Op::Exec, at("args/0")));
    Ok(steps)
}

/// Scheduler and I/O priority, which need privileges that the user may not have.
fn kernel_state(
    p: &spec::Process,
    at: &dyn Fn(&str) -> String,
    push: &mut dyn FnMut(Op, &str),
) -> Result<()> {
    if let Some(s) = &p.scheduler {
        push(Op::Scheduler(scheduler(s, &at("scheduler"))?), "scheduler");
    }
    if let Some(io) = &p.io_priority {
        const CLASSES: [(&str, u32); 3] = [
            ("IOPRIO_CLASS_RT", 1),
            ("IOPRIO_CLASS_BE", 2),
            ("IOPRIO_CLASS_IDLE", 3),
        ];
        let Some(&(_, class)) = CLASSES.iter().find(|c| c.0 == io.class) else {
            return Err(Error::invalid(
                at("ioPriority/class"),
                format!("unknown I/O priority class \"{}\"", io.class),
            ));
        };
        if !(0..8).contains(&io.priority) {
            return Err(Error::invalid(
                at("ioPriority/priority"),
                format!("I/O priority {} is not between 0 and 7", io.priority),
            ));
        }
        push(
            Op::IoPriority {
                class,
                priority: io.priority as u32,
            },
            "ioPriority",
        );
    }
    Ok(())
}

fn scheduler(s: &spec::Scheduler, base: &str) -> Result<SchedAttr> {
    const POLICIES: [(&str, u32); 7] = [
        ("SCHED_OTHER", 0),
        ("SCHED_FIFO", 1),
        ("SCHED_RR", 2),
        ("SCHED_BATCH", 3),
        ("SCHED_ISO", 4),
        ("SCHED_IDLE", 5),
        ("SCHED_DEADLINE", 6),
    ];
    const FLAGS: [(&str, u64); 7] = [
        ("SCHED_FLAG_RESET_ON_FORK", 0x01),
        ("SCHED_FLAG_RECLAIM", 0x02),
        ("SCHED_FLAG_DL_OVERRUN", 0x04),
        ("SCHED_FLAG_KEEP_POLICY", 0x08),
        ("SCHED_FLAG_KEEP_PARAMS", 0x10),
        ("SCHED_FLAG_UTIL_CLAMP_MIN", 0x20),
        ("SCHED_FLAG_UTIL_CLAMP_MAX", 0x40),
    ];
    let Some(&(_, policy)) = POLICIES.iter().find(|p| p.0 == s.policy) else {
        return Err(Error::invalid(
            format!("{base}/policy"),
            format!("unknown scheduler policy \"{}\"", s.policy),
        ));
    };
    let mut flags = 0;
    for (i, flag) in s.flags.iter().enumerate() {
        let known = FLAGS.iter().find(|f| f.0 == flag);
        flags |= known
            .ok_or_else(|| {
                Error::invalid(
                    format!("{base}/flags/{i}"),
                    format!("unknown scheduler flag \"{flag}\""),
                )
            })?
            .1;
    }
    let priority = u32::try_from(s.priority).map_err(|_| {
        Error::invalid(
            format!("{base}/priority"),
            format!("scheduler priority {} is negative", s.priority),
        )
    })?;
    if !(-20..=19).contains(&s.nice) {
        return Err(Error::invalid(
            format!("{base}/nice"),
            format!("nice value {} is not between -20 and 19", s.nice),
        ));
    }
    Ok(SchedAttr {
        policy,
        flags,
        nice: s.nice,
        priority,
        runtime: s.runtime,
        deadline: s.deadline,
        period: s.period,
    })
}

/// `execCPUAffinity`: the CPUs on which `exec` puts a process into its cgroup, and those of the process itself.
///
/// # Errors
/// What is no list of CPUs.
pub fn affinity(p: &spec::Process, base: &str) -> Result<(Option<CpuSet>, Option<CpuSet>)> {
    let Some(wanted) = &p.exec_cpu_affinity else {
        return Ok((None, None));
    };
    let cpus = |list: &Option<String>, name: &str| {
        let parse = |text: &String| cpu_list(text).filter(|set| *set != CpuSet::default());
        let bad = |text: &String| {
            Error::invalid(
                format!("{base}/execCPUAffinity/{name}"),
                format!("{text:?} is not a list of CPUs such as 0-3,7"),
            )
        };
        list.as_ref()
            .map(|text| parse(text).ok_or_else(|| bad(text)))
            .transpose()
    };
    Ok((
        cpus(&wanted.initial, "initial")?,
        cpus(&wanted.r#final, "final")?,
    ))
}

/// A list of numbers and ranges such as `0-3,7` as a mask.
pub fn cpu_list(text: &str) -> Option<CpuSet> {
    let mut set: CpuSet = Default::default();
    for part in text
        .trim()
        .split(',')
        .map(str::trim)
        .filter(|p| !p.is_empty())
    {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last >= set.len() * 64 {
            return None;
        }
        for n in first..=last {
            set[n / 64] |= 1 << (n % 64);
        }
    }
    Some(set)
}

/// Execution domain and memory policy of the container (`linux.personality`, `linux.memoryPolicy`), which exec'd processes get too.
pub fn domain(linux: &spec::Linux) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    if let Some(p) = &linux.personality {
        let domain = match p.domain.as_str() {
            "LINUX" => 0,
            "LINUX32" => 8,
            other => {
                return Err(Error::invalid(
                    "/linux/personality/domain",
                    format!("unknown personality \"{other}\""),
                ));
            }
        };
        if !p.flags.is_empty() {
            return Err(Error::invalid(
                "/linux/personality/flags",
                "the specification defines no personality flags",
            ));
        }
        steps.push(step(Op::Personality { domain }, "/linux/personality"));
    }
    if let Some(m) = &linux.memory_policy {
        steps.push(step(memory_policy(m)?, "/linux/memoryPolicy"));
    }
    Ok(steps)
}

/// Modes of set_mempolicy(2), and whether each takes nodes.
const MEMORY_MODES: [(&str, i32, bool); 7] = [
    ("MPOL_DEFAULT", 0, false),
    ("MPOL_PREFERRED", 1, true),
    ("MPOL_BIND", 2, true),
    ("MPOL_INTERLEAVE", 3, true),
    ("MPOL_LOCAL", 4, false),
    ("MPOL_PREFERRED_MANY", 5, true),
    ("MPOL_WEIGHTED_INTERLEAVE", 6, true),
];
/// Their flags.
const MEMORY_FLAGS: [(&str, i32); 3] = [
    ("MPOL_F_NUMA_BALANCING", 1 << 13),
    ("MPOL_F_RELATIVE_NODES", 1 << 14),
    ("MPOL_F_STATIC_NODES", 1 << 15),
];

/// The names of memory policies, for `features`.
pub fn memory_policy_modes() -> Vec<&'static str> {
    MEMORY_MODES.iter().map(|m| m.0).collect()
}

/// The names of their flags, for `features`.
pub fn memory_policy_flags() -> Vec<&'static str> {
    MEMORY_FLAGS.iter().map(|f| f.0).collect()
}

fn memory_policy(m: &spec::MemoryPolicy) -> Result<Op> {
    let Some(&(_, mut mode, takes_nodes)) = MEMORY_MODES.iter().find(|k| k.0 == m.mode) else {
        return Err(Error::invalid(
            "/linux/memoryPolicy/mode",
            format!("unknown memory policy \"{}\"", m.mode),
        ));
    };
    for (i, flag) in m.flags.iter().enumerate() {
        let field = format!("/linux/memoryPolicy/flags/{i}");
        let known = MEMORY_FLAGS.iter().find(|k| k.0 == flag);
        mode |= known
            .ok_or_else(|| Error::invalid(field, format!("unknown memory policy flag \"{flag}\"")))?
            .1;
    }
    let Some(nodes) = cpu_list(&m.nodes) else {
        return Err(Error::invalid(
            "/linux/memoryPolicy/nodes",
            format!("\"{}\" is not a list of nodes such as 0-3,7", m.nodes),
        ));
    };
    if !takes_nodes && nodes != CpuSet::default() {
        return Err(Error::invalid(
            "/linux/memoryPolicy/nodes",
            format!("{} takes no nodes", m.mode),
        ));
    }
    Ok(Op::MemoryPolicy {
        mode,
        nodes: Box::new(nodes),
    })
}

/// The program that a filter is made of, and what was tolerated on the way. `receiver` gets the listener of a profile that names nobody.
pub fn filter(
    profile: &seccomp::Profile,
    receiver: Option<&str>,
    warnings: &mut Vec<String>,
) -> Result<Option<Filter>> {
    for (name, text) in [
        ("listenerPath", &profile.listener_path),
        ("listenerMetadata", &profile.listener_metadata),
    ] {
        c_string(text.as_deref().unwrap_or_default(), || {
            format!("/linux/seccomp/{name}")
        })?;
    }
    let notifies = profile
        .syscalls
        .iter()
        .any(|rule| rule.action == seccomp::Action::Notify);
    let addressed;
    let profile = match receiver {
        Some(path) if notifies && profile.listener_path.is_none() => {
            addressed = seccomp::Profile {
                listener_path: Some(path.to_owned()),
                ..profile.clone()
            };
            &addressed
        }
        _ => profile,
    };
    let compiled = seccomp::compile(profile, seccomp::Target::native())
        .map_err(|e| Error::invalid(format!("/linux/seccomp{}", e.pointer), e.message))?;
    let Some(program) = compiled else {
        return Ok(None);
    };
    warnings.extend(program.warnings);
    let listener = program.notify.then(|| {
        (
            program.listener_path.unwrap_or_default(),
            program.listener_metadata.unwrap_or_default(),
        )
    });
    let raw = |i: &seccomp::Insn| kernel::seccomp::Insn {
        code: i.code,
        jt: i.jt,
        jf: i.jf,
        k: i.k,
    };
    Ok(Some(Filter {
        instructions: program.instructions.iter().map(raw).collect(),
        flags: program.flags,
        listener,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> spec::Process {
        spec::Process {
            args: vec!["sh".into()],
            cwd: "/".into(),
            ..spec::Process::default()
        }
    }

    fn refused(p: &spec::Process) -> String {
        process(p, "/process", 0, &mut Vec::new())
            .unwrap_err()
            .pointer()
            .unwrap()
            .to_owned()
    }

    #[test]
    fn the_last_of_two_variables_counts_and_an_empty_home_is_none() {
        let env = ["A=1", "HOME=", "PATH=/x", "A=2"].map(String::from);
        let e = environment(&env, "/process/env").unwrap();
        assert_eq!(e.strings, [c"PATH=/x".to_owned(), c"A=2".to_owned()]);
        assert_eq!((e.path, e.has_home), (Some("/x"), false));
    }

    #[test]
    fn bad_fields_are_refused_with_their_pointer() {
        let rlimit = |t: &str, soft, hard| spec::Rlimit {
            r#type: t.into(),
            soft,
            hard,
        };
        for (p, field) in [
            (
                spec::Process {
                    args: vec![],
                    ..base()
                },
                "/process/args",
            ),
            (
                spec::Process {
                    args: vec!["".into()],
                    ..base()
                },
                "/process/args/0",
            ),
            (
                spec::Process {
                    args: vec!["a\0".into()],
                    ..base()
                },
                "/process/args/0",
            ),
            (
                spec::Process {
                    cwd: "tmp".into(),
                    ..base()
                },
                "/process/cwd",
            ),
            (
                spec::Process {
                    env: vec!["A=1".into(), "B".into()],
                    ..base()
                },
                "/process/env/1",
            ),
            (
                spec::Process {
                    env: vec!["=B".into()],
                    ..base()
                },
                "/process/env/0",
            ),
            (
                spec::Process {
                    user: spec::User {
                        uid: u32::MAX,
                        ..Default::default()
                    },
                    ..base()
                },
                "/process/user/uid",
            ),
            (
                spec::Process {
                    user: spec::User {
                        umask: Some(0o10000),
                        ..Default::default()
                    },
                    ..base()
                },
                "/process/user/umask",
            ),
            (
                spec::Process {
                    rlimits: vec![rlimit("RLIMIT_X", 1, 1)],
                    ..base()
                },
                "/process/rlimits/0/type",
            ),
            (
                spec::Process {
                    rlimits: vec![rlimit("RLIMIT_CPU", 2, 1)],
                    ..base()
                },
                "/process/rlimits/0/soft",
            ),
            (
                spec::Process {
                    rlimits: vec![rlimit("RLIMIT_CPU", 1, 1), rlimit("RLIMIT_CPU", 1, 1)],
                    ..base()
                },
                "/process/rlimits/1",
            ),
        ] {
            assert_eq!(refused(&p), field);
        }
    }

    #[test]
    fn lists_of_cpus_become_masks() {
        assert_eq!(cpu_list("0-2,65").unwrap()[..2], [7, 2]);
        assert_eq!(cpu_list("").unwrap(), CpuSet::default());
        for bad in ["x", "3-1", "1024", "1-", "-1"] {
            assert!(cpu_list(bad).is_none(), "{bad}");
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
        let (filter, _, start, caps, _) = order(false, true);
        assert!(filter < caps && filter < start);
        let (filter, _, start, caps, nnp) = order(true, true);
        assert!(caps < nnp && nnp < filter && filter < start);
    }
}
