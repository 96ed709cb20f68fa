//! `linux.sysctl`: only parameters that belong to a namespace of the container.

use super::namespaces::Namespaces;
use super::{Op, Step, c_string, step};
use crate::error::{Error, Result};
use crate::spec::Linux;
use kernel::process::{CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWUSER, CLONE_NEWUTS};

/// Checks the parameters and makes a step for each.
///
/// # Errors
/// A name that is none, a parameter of the host, or one of a namespace that the container does not have to itself.
pub fn sysctls(linux: &Linux, namespaces: &Namespaces) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for (name, value) in &linux.sysctl {
        let field = format!(
            "/linux/sysctl/{}",
            name.replace('~', "~0").replace('/', "~1")
        );
        let path = path(name).ok_or_else(|| {
            Error::invalid(
                field.clone(),
                format!("\"{name}\" is not the name of a kernel parameter"),
            )
        })?;
        check(name, &path, namespaces).map_err(|e| e.field(field.clone()))?;
        if value.contains('\n') {
            return Err(Error::invalid(
                field,
                format!("the value of {name} must be one line"),
            ));
        }
        let op = Op::Sysctl {
            path: c_string(&path, || field.clone())?,
            value: c_string(value, || field.clone())?,
        };
        steps.push(step(op, field));
    }
    Ok(steps)
}

/// The path below /proc/sys. As sysctl(8) has it: the first separator decides; where it is a dot, dots separate and slashes stand for dots.
fn path(name: &str) -> Option<String> {
    let swap = |c| match c {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    let dotted = name
        .find(['.', '/'])
        .is_some_and(|i| name.as_bytes()[i] == b'.');
    let path: String = if dotted {
        name.chars().map(swap).collect()
    } else {
        name.to_owned()
    };
    let good = |part: &str| {
        !part.is_empty() && part != "." && part != ".." && !part.contains(['\n', '\0'])
    };
    (path.contains('/') && path.split('/').all(good)).then_some(path)
}

fn check(name: &str, path: &str, namespaces: &Namespaces) -> Result<()> {
    const IPC: [&str; 7] = [
        "msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni",
    ];
    let (kind, kind_name) = match path.split_once('/').unwrap_or((path, "")) {
        ("net", _) => (CLONE_NEWNET, "network"),
        ("fs", rest) if rest.starts_with("mqueue/") => (CLONE_NEWIPC, "ipc"),
        ("kernel", "shm_rmid_forced") => (CLONE_NEWIPC, "ipc"),
        ("kernel", rest) if IPC.contains(&rest) => (CLONE_NEWIPC, "ipc"),
        ("kernel", "domainname") => (CLONE_NEWUTS, "uts"),
        ("kernel", "hostname") => {
            return Err(Error::invalid(
                "",
                format!("sysctl \"{name}\" conflicts with the field for it"),
            )
            .hint("set /hostname instead"));
        }
        ("user", _) => (CLONE_NEWUSER, "user"),
        _ => {
            let why = format!("sysctl \"{name}\" is not in a separate kernel namespace");
            return Err(Error::invalid("", why)
                .hint("set it on the host: it would apply to every container"));
        }
    };
    if !namespaces.has(kind) {
        let why = format!("sysctl \"{name}\" is not allowed in the host's {kind_name} namespace");
        return Err(Error::invalid("", why).hint(format!(
            "add {{\"type\": \"{kind_name}\"}} to /linux/namespaces"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_parameters_of_the_containers_namespaces_pass() {
        let all = Namespaces {
            new: CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWUSER,
            joins: Vec::new(),
        };
        let run = |name: &str, ns: &Namespaces| {
            let mut linux = Linux::default();
            linux.sysctl.insert(name.into(), "1".into());
            sysctls(&linux, ns)
        };
        for (name, path) in [
            ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
            ("net/ipv4/ip_forward", "net/ipv4/ip_forward"),
            (
                "net.ipv4.conf.eth0/1.forwarding",
                "net/ipv4/conf/eth0.1/forwarding",
            ),
            ("kernel.shmmax", "kernel/shmmax"),
            ("kernel.shm_rmid_forced", "kernel/shm_rmid_forced"),
            ("fs.mqueue.msg_max", "fs/mqueue/msg_max"),
            ("kernel.domainname", "kernel/domainname"),
            ("user.max_user_namespaces", "user/max_user_namespaces"),
        ] {
            match &run(name, &all).unwrap()[0].op {
                Op::Sysctl { path: p, .. } => assert_eq!(p.to_str().unwrap(), path),
                other => panic!("{other:?}"),
            }
            assert!(
                run(name, &Namespaces::default()).is_err(),
                "{name} without its namespace"
            );
        }
        for name in [
            "kernel.panic",
            "vm.swappiness",
            "kernel.hostname",
            "net/../kernel/core_pattern",
            "net..x",
            "net",
            "",
            "net.a\n",
        ] {
            assert!(run(name, &all).is_err(), "{name:?}");
        }
        assert_eq!(
            run("net/../kernel/core_pattern", &all)
                .unwrap_err()
                .pointer(),
            Some("/linux/sysctl/net~1..~1kernel~1core_pattern")
        );
    }
}
