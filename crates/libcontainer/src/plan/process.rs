//! `process`: arguments, environment, identity, limits, and the last steps before execve.

use super::capabilities;
use super::{Filter, Process, c_string};
use crate::error::{Error, Result};
use crate::spec;
use kernel::exec::StringArray;
use kernel::process::Limit;
use kernel::tty::WindowSize;
use std::collections::BTreeSet;
use std::ffi::CString;

/// As many supplementary groups as a process has (linux/limits.h).
const NGROUPS_MAX: usize = 65_536;
/// The search path of a program without PATH in its environment.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
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
    let groups = &p.user.additional_gids;
    if groups.len() > NGROUPS_MAX {
        let why = format!(
            "{} groups: the kernel takes at most {NGROUPS_MAX}",
            groups.len()
        );
        return Err(Error::invalid(at("user/additionalGids"), why));
    }
    if let Some(i) = groups.iter().position(|gid| *gid == u32::MAX) {
        let why = format!("{} is no id of a group", u32::MAX);
        return Err(Error::invalid(at(&format!("user/additionalGids/{i}")), why));
    }
    if let Some(umask) = p.user.umask.filter(|m| *m > 0o7777) {
        return Err(Error::invalid(
            at("user/umask"),
            format!("umask {umask:#o} has unknown bits"),
        ));
    }
    super::scheduling::affinity(p, base)?;
    let lists = p.capabilities.as_ref();
    let masks = lists.map_or_else(capabilities::Masks::default, |lists| {
        capabilities::masks(lists, warnings)
    });
    if let Some((set, why)) = capabilities::contradiction(&masks) {
        return Err(Error::invalid(at(&format!("capabilities/{set}")), why));
    }
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
        capabilities: masks,
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
    let mut seen = BTreeSet::new();
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
    if let Some(place) = forbids_execve(profile) {
        let why = "the profile forbids execve: no program could start";
        return Err(Error::invalid(format!("/linux/seccomp{place}"), why));
    }
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

/// What denies execve(2), the one call that follows the filter, whatever its arguments are. Nobody could tell: the filter may deny telling, too.
fn forbids_execve(profile: &seccomp::Profile) -> Option<String> {
    use seccomp::Action::{Errno, Kill, KillProcess, KillThread, Trap};
    let denies = |action| matches!(action, Errno | Kill | KillProcess | KillThread | Trap);
    let mut place = profile
        .default_action
        .filter(|action| denies(*action))
        .map(|_| "/defaultAction".to_owned());
    for (i, rule) in profile.syscalls.iter().enumerate() {
        if rule.names.iter().any(|name| name == "execve") {
            if !denies(rule.action) || !rule.args.is_empty() {
                return None;
            }
            place = Some(format!("/syscalls/{i}"));
        }
    }
    place
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
    fn a_filter_that_no_program_could_start_under_is_refused() {
        let rule = |action: &str, more: &str| {
            format!(r#"{{"names":["read","execve"],"action":"SCMP_ACT_{action}"{more}}}"#)
        };
        let args = r#","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]"#;
        for (default, rules, place) in [
            ("ERRNO", String::new(), Some("/linux/seccomp/defaultAction")),
            ("ERRNO", rule("ALLOW", ""), None),
            ("KILL", rule("LOG", args), None),
            ("ALLOW", rule("TRAP", ""), Some("/linux/seccomp/syscalls/0")),
            ("ALLOW", rule("ERRNO", args), None),
            ("ALLOW", String::new(), None),
        ] {
            let text = format!(r#"{{"defaultAction":"SCMP_ACT_{default}","syscalls":[{rules}]}}"#);
            let profile = seccomp::Profile::from_json(text.as_bytes()).unwrap();
            let found = filter(&profile, None, &mut Vec::new()).err();
            assert_eq!(found.as_ref().and_then(Error::pointer), place, "{text}");
        }
    }
}
