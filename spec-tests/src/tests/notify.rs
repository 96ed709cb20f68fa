//! NOTIFY_SOCKET and --pidfd-socket.

use super::sockets::{accept, receive};
use crate::check::Verdict;
use crate::context::poll_for;
use crate::host::Need;
use crate::inside::Inside;
use crate::table::Table;
use crate::{check, check_eq};
use std::fs;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::sync::mpsc::Receiver;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("descriptors");
    notify(t);
    pidfd(t);
}

/// A service manager that hears all that it is told: some runtimes send a descriptor, and wait until it is closed (sd_notify_barrier(3)).
struct Manager(Receiver<String>);

impl Manager {
    fn listen(path: &Path) -> std::io::Result<Manager> {
        let socket = UnixDatagram::bind(path)?;
        let (tell, heard) = std::sync::mpsc::channel();
        // It ends with the process, which is that of one test.
        std::thread::spawn(move || {
            let mut buffer = [0u8; 4096];
            while let Ok(count) = socket.recv(&mut buffer) {
                let _ = tell.send(String::from_utf8_lossy(&buffer[..count]).into_owned());
            }
        });
        Ok(Manager(heard))
    }

    fn await_ready(&self) -> Verdict {
        poll_for("READY=1 on the notify socket", || {
            let mut told = self.0.try_iter();
            told.any(|text| text.contains("READY=1")).then_some(())
        })
    }
}

fn notify(t: &mut Table) {
    t.add(
        "notify-socket",
        "engines: with NOTIFY_SOCKET the program's READY=1 \
             reaches the caller's socket, MAINPID with it",
        |c| {
            let path = c.dir.join("notify.sock");
            let manager = Manager::listen(&path)?;
            c.args(&["notify", "READY=1\nSTATUS=up", ";", "pause"]);
            c.write_config()?;
            let (id, bundle, pid) = (
                c.id(),
                c.bundle().to_string_lossy().into_owned(),
                c.pid_file(),
            );
            let args = [
                "run",
                "--detach",
                "--bundle",
                &bundle,
                "--pid-file",
                &pid.to_string_lossy(),
                &id,
            ];
            let notify = format!("NOTIFY_SOCKET={}", path.display());
            let running = c.launched(&["--env", &notify], &args)?.spawn()?;
            manager.await_ready()?;
            running.wait()?.success()?;
            c.destroy()
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "notify-variable",
        "engines: NOTIFY_SOCKET inside is a socket of the container's, not the host's path",
        |c| {
            let path = c.dir.join("notify.sock");
            let _manager = Manager::listen(&path)?;
            c.args(&["inspect", ";", "notify", "READY=1", ";", "pause"]);
            c.write_config()?;
            let (id, bundle, pid) = (
                c.id(),
                c.bundle().to_string_lossy().into_owned(),
                c.pid_file(),
            );
            let args = [
                "run",
                "--detach",
                "--bundle",
                &bundle,
                "--pid-file",
                &pid.to_string_lossy(),
                &id,
            ];
            let notify = format!("NOTIFY_SOCKET={}", path.display());
            let running = c.launched(&["--env", &notify], &args)?.spawn()?;
            c.container_stdout = running.stdout.clone();
            let inside = Inside(c.await_line()?);
            running.wait()?.success()?;
            let seen = inside.variable("NOTIFY_SOCKET").unwrap_or_default();
            check!(!seen.is_empty(), "NOTIFY_SOCKET is not set");
            c.destroy()
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "notify-create-start",
        "engines: create with NOTIFY_SOCKET, then start, which passes READY=1 on",
        |c| {
            let path = c.dir.join("notify.sock");
            let manager = Manager::listen(&path)?;
            c.args(&["notify", "READY=1", ";", "pause"]);
            c.write_config()?;
            let (id, bundle, pid) = (
                c.id(),
                c.bundle().to_string_lossy().into_owned(),
                c.pid_file(),
            );
            let args = [
                "create",
                "--bundle",
                &bundle,
                "--pid-file",
                &pid.to_string_lossy(),
                &id,
            ];
            let notify = format!("NOTIFY_SOCKET={}", path.display());
            c.launched(&["--env", &notify], &args)?.run()?.success()?;
            let running = c.launched(&["--env", &notify], &["start", &id])?.spawn()?;
            manager.await_ready()?;
            running.wait()?.success()?;
            c.destroy()
        },
    )
    .needs(&[Need::Root]);
}

fn pidfd(t: &mut Table) {
    t.add(
        "pidfd-socket",
        "engines: create --pidfd-socket sends a pidfd of the container's process",
        |c| {
            let path = c.dir.join("pidfd.sock");
            let listener = UnixListener::bind(&path)?;
            c.args(&["pause"]);
            c.try_create_with(&["--pidfd-socket", &path.to_string_lossy()])?
                .success()?;
            let (text, fds) = receive(&accept(&listener)?)?;
            check_eq!(fds.len(), 1, "descriptors");
            check_eq!(text, "standard", "text");
            let number = std::os::fd::AsRawFd::as_raw_fd(&fds[0]);
            let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}"))?;
            let pid = c.pid()?;
            check!(
                info.lines()
                    .any(|l| l.split_whitespace().eq(["Pid:", &pid.to_string()])),
                "fdinfo is {info:?}"
            );
            c.destroy()
        },
    )
    .newer("runc 1.3");
    t.add(
        "pidfd-socket-exec",
        "engines: exec --pidfd-socket sends a pidfd of the exec'd process",
        |c| {
            c.launch(&["pause"])?;
            let path = c.dir.join("pidfd.sock");
            let listener = UnixListener::bind(&path)?;
            let file = c.dir.join("exec.pid");
            c.try_exec(
                &[
                    "--detach",
                    "--pid-file",
                    &file.to_string_lossy(),
                    "--pidfd-socket",
                    &path.to_string_lossy(),
                ],
                &["pause"],
            )?
            .success()?;
            let (text, fds) = receive(&accept(&listener)?)?;
            check_eq!(fds.len(), 1, "descriptors");
            check_eq!(text, "setns", "text");

            c.destroy()
        },
    )
    .newer("runc 1.3");
}
