//! `exec`: one more process in a running container.

use crate::context;
use crate::log::{Log, usage};
use libcontainer::console::ConsoleTarget;
use libcontainer::exec::{self, Options};
use libcontainer::lifecycle::Container;
use libcontainer::plan::exec::Template;
use libcontainer::{Kind, Result, foreground, spec};
use liboci_cli::{Exec, Global};

/// Runs the command. The exit code in the foreground is the process'.
#[inline(never)]
pub fn run(global: &Global, command: &Exec, log: &mut Log) -> Result<i32> {
    // Nobody in the container may look into this process, which is about to go there (CVE-2016-9962).
    let _ = kernel::process::set_dumpable(false);
    let mut container = Container::open_held(&context::state_root(global)?, &command.id)?;
    if command.console_socket.is_some() && !command.detach {
        return Err(usage(
            "cannot use console socket if teu will not detach or allocate tty",
        ));
    }
    let console = match (&command.console_socket, command.detach) {
        (Some(path), _) => ConsoleTarget::Socket(path),
        (None, true) => ConsoleTarget::None,
        (None, false) => ConsoleTarget::Keep,
    };
    let signals = if command.detach {
        None
    } else {
        Some(foreground::hold_signals()?)
    };
    let listen_fds = context::listen_fds();
    let options = Options {
        pid_file: command.pid_file.as_deref(),
        pidfd_socket: command.pidfd_socket.as_deref(),
        console,
        preserve_fds: command.preserve_fds + listen_fds,
        cgroups: command.cgroup.iter().map(sub_cgroup).collect(),
        ignore_paused: command.ignore_paused,
    };
    let decide = |template: &Template| {
        let mut process = process(command, template, log)?;
        if listen_fds > 0 {
            process.env.push(format!("LISTEN_FDS={listen_fds}"));
            process.env.push("LISTEN_PID=1".into());
        }
        Ok(process)
    };
    let mut running = exec::exec(&mut container, decide, &options).map_err(|e| match e.kind() {
        Kind::WrongState | Kind::NotFound => e,
        _ => e.within("exec failed"),
    })?;
    log.warn(&running.warnings);
    match signals {
        None => Ok(0),
        Some(signals) => {
            log.write_warnings_aside();
            let terminal = running.terminal.take();
            Ok(foreground::stay(&running.process.child, terminal, &signals, None)?.status())
        }
    }
}

fn sub_cgroup(sub: &liboci_cli::SubCgroup) -> String {
    let path = sub.path.display();
    if sub.controllers.is_empty() {
        path.to_string()
    } else {
        format!("{}:{path}", sub.controllers.join(","))
    }
}

/// The document, or the container's own process changed by the options.
fn process(command: &Exec, template: &Template, log: &mut Log) -> Result<spec::Process> {
    if let Some(path) = &command.process {
        return exec::load_process(path);
    }
    let text = |s: &std::ffi::OsString| {
        s.clone()
            .into_string()
            .map_err(|s| usage(format!("{s:?} is not valid UTF-8")))
    };
    let mut p = template.process.clone();
    p.args = command.command.iter().map(text).collect::<Result<_>>()?;
    for variable in &command.env {
        p.env.push(text(variable)?);
    }
    if let Some(cwd) = &command.cwd {
        p.cwd = cwd.to_string_lossy().into_owned();
    }
    p.terminal = command.tty;
    p.console_size = None;
    if let Some(user) = &command.user {
        p.user.uid = user.uid;
        if let Some(gid) = user.gid {
            p.user.gid = gid;
        }
    }
    p.user.additional_gids.extend(&command.additional_gids);
    p.no_new_privileges |= command.no_new_privs;
    if let Some(label) = &command.process_label {
        p.selinux_label = Some(label.clone());
    }
    if let Some(profile) = &command.apparmor {
        p.apparmor_profile = Some(profile.clone());
    }
    add_capabilities(&mut p, &command.cap, log)?;
    Ok(*p)
}

/// `--cap`: never inheritable, so that execve passes on no more than was asked for.
fn add_capabilities(p: &mut spec::Process, names: &[String], log: &mut Log) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    if let Some(unknown) = names
        .iter()
        .find(|n| libcontainer::plan::capabilities::bit(n).is_none())
    {
        log.warn(&[format!(
            "unknown capability \"{unknown}\" in --cap, ignoring"
        )]);
    }
    let sets = p.capabilities.get_or_insert_with(Default::default);
    for name in names {
        for list in [&mut sets.bounding, &mut sets.effective, &mut sets.permitted] {
            list.push(name.clone());
        }
        if sets.inheritable.contains(name) {
            sets.ambient.push(name.clone());
        }
    }
    Ok(())
}
