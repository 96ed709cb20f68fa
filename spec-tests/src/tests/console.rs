//! Terminals over a console socket. config.md#process (terminal, consoleSize), config-linux.md#default-devices.

use crate::check::Verdict;
use crate::context::Context;
use crate::inside::Inside;
use crate::table::Table;
use crate::terminal::{ConsoleSocket, Terminal};
use crate::{check, check_eq};
use serde_json::json;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("console");
    socket(t);
    errors(t);
}

impl Context {
    /// `create` and `start` with a terminal; answers the master.
    fn launch_on_terminal(&mut self, args: &[&str]) -> Verdict<Terminal> {
        self.config["process"]["terminal"] = json!(true);
        self.args(args);
        let socket = ConsoleSocket::bind(&self.dir)?;
        let path = socket.path.to_string_lossy().into_owned();
        self.try_create_with(&["--console-socket", &path])?
            .success()?;
        let (terminal, _) = socket.receive()?;
        self.start()?;
        Ok(terminal)
    }
}

fn socket(t: &mut Table) {
    t.add(
        "socket-master",
        "engines: the pty master comes over --console-socket, one descriptor in one message",
        |c| {
            let terminal = c.launch_on_terminal(&["pause"])?;
            check!(terminal.is_terminal(), "the descriptor is no terminal");
            c.destroy()
        },
    );
    t.add(
        "streams",
        "config.md#process: the terminal is the program's standard streams",
        |c| {
            let mut terminal = c.launch_on_terminal(&["inspect"])?;
            let seen = terminal.await_json("tty")?;
            check!(
                seen["tty"]
                    .as_array()
                    .is_some_and(|all| all.len() == 3 && all.iter().all(|s| s.is_object())),
                "tty is {}",
                seen["tty"]
            );
            let inside = Inside(seen);
            check!(inside.stat(7) != 0, "there is no controlling terminal");
            c.await_status("stopped")?;
            c.delete()
        },
    );
    t.add(
        "conversation",
        "config.md#process: what is typed reaches the program",
        |c| {
            let mut terminal = c.launch_on_terminal(&["echo", "ready", ";", "read-line"])?;
            terminal.await_text("ready", |text| text.contains("ready").then_some(()))?;
            terminal.type_text("hello there\n")?;
            check_eq!(terminal.await_json("line")?["line"], "hello there", "line");
            c.await_status("stopped")?;
            c.delete()
        },
    );
    t.add(
        "control-c",
        "config.md#process: control-C is a signal to the program",
        |c| {
            let mut terminal = c.launch_on_terminal(&["await-signal"])?;
            terminal.await_json("ready")?;
            terminal.type_text("\u{3}")?;
            check_eq!(terminal.await_json("signal")?["signal"], 2, "signal");
            c.await_status("stopped")?;
            c.delete()
        },
    );
    t.add(
        "console-size",
        "config.md#process: consoleSize is the size of the terminal",
        |c| {
            c.config["process"]["consoleSize"] = json!({"height": 33, "width": 101});
            let mut terminal = c.launch_on_terminal(&["inspect"])?;
            check_eq!(terminal.size()?, (33, 101), "size at the master");
            let seen = terminal.await_json("tty")?;
            check_eq!(
                seen["tty"][0],
                json!({"rows": 33, "columns": 101}),
                "size inside"
            );
            c.await_status("stopped")?;
            c.delete()
        },
    );
    t.add(
        "resize",
        "engines: a resize at the master arrives inside",
        |c| {
            let mut terminal = c.launch_on_terminal(&["await-signal", ";", "inspect"])?;
            terminal.await_json("ready")?;
            terminal.resize(44, 122)?;
            check_eq!(terminal.await_json("signal")?["signal"], 28, "signal");
            check_eq!(
                terminal.await_json("tty")?["tty"][0],
                json!({"rows": 44, "columns": 122}),
                "size"
            );
            c.await_status("stopped")?;
            c.delete()
        },
    );
    t.add(
        "size-ignored-without-terminal",
        "config.md#process MUST: consoleSize is ignored when terminal is false",
        |c| {
            c.config["process"]["consoleSize"] = json!({"height": 33, "width": 101});
            c.inspect().map(|_| ())
        },
    );
    t.add(
        "dev-console",
        "config-linux.md#default-devices MUST: the pty is bound to /dev/console",
        |c| {
            let mut terminal = c.launch_on_terminal(&[
                "stat",
                "/dev/console",
                ";",
                "stat",
                "/proc/self/fd/0",
                ";",
                "write",
                "/dev/console",
                "via-console",
            ])?;
            terminal.await_text("the text", |text| {
                text.contains("via-console").then_some(())
            })?;
            let values: Vec<serde_json::Value> = terminal
                .text()
                .lines()
                .filter_map(|line| serde_json::from_str(line.trim()).ok())
                .collect();
            check_eq!(values[0]["value"]["type"], "char", "type");
            check_eq!(
                values[0]["value"]["major"],
                values[1]["value"]["major"],
                "major number"
            );
            check_eq!(
                values[0]["value"]["minor"],
                values[1]["value"]["minor"],
                "minor number"
            );
            c.await_status("stopped")?;
            c.delete()
        },
    );
    t.add(
        "pts-of-container",
        "engines: the pty is one of the container's own devpts",
        |c| {
            let mut terminal = c.launch_on_terminal(&["inspect"])?;
            let inside = Inside(terminal.await_json("fds")?);
            check_eq!(
                inside.descriptors().get(&0).map(String::as_str),
                Some("/dev/pts/0"),
                "standard input"
            );
            c.await_status("stopped")?;
            c.delete()
        },
    );
    t.add(
        "owner",
        "engines: the terminal belongs to the container's user",
        |c| {
            c.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
            let mut terminal =
                c.launch_on_terminal(&["stat", "/proc/self/fd/0", ";", "open-write", "/dev/tty"])?;
            let seen = terminal.await_text("two lines", |text| {
                let values: Vec<serde_json::Value> = text
                    .lines()
                    .filter_map(|line| serde_json::from_str(line.trim()).ok())
                    .collect();
                (values.len() == 2).then_some(values)
            })?;
            check_eq!(seen[0]["value"]["uid"], 1000, "uid");
            check_eq!(seen[1]["errno"], 0, "errno of opening /dev/tty");
            c.await_status("stopped")?;
            c.delete()
        },
    )
    .needs(&[crate::host::Need::Root]);
    t.add(
        "exec",
        "engines: exec --tty --console-socket gives the exec'd process a terminal",
        |c| {
            c.launch(&["pause"])?;
            let socket = ConsoleSocket::bind(&c.dir)?;
            let path = socket.path.to_string_lossy().into_owned();
            c.try_exec(
                &["--tty", "--detach", "--console-socket", &path],
                &["inspect"],
            )?
            .success()?;
            let (mut terminal, _) = socket.receive()?;
            let seen = terminal.await_json("tty")?;
            check!(seen["tty"][0].is_object(), "tty is {}", seen["tty"]);
            c.destroy()
        },
    );
    t.add("exec-process-size", "engines: exec --process with terminal and consoleSize", |c| {
        c.launch(&["pause"])?;
        let socket = ConsoleSocket::bind(&c.dir)?;
        let path = socket.path.to_string_lossy().into_owned();
        let process = json!({
            "terminal": true, "consoleSize": {"height": 21, "width": 77}, "user": {"uid": 0, "gid": 0},
            "args": ["/payload", "inspect"], "env": ["PATH=/bin"], "cwd": "/"
        });
        c.exec_process(&["--detach", "--console-socket", &path], &process)?.success()?;
        let (mut terminal, _) = socket.receive()?;
        check_eq!(terminal.await_json("tty")?["tty"][0], json!({"rows": 21, "columns": 77}), "size");
        c.destroy()
    });
}

fn errors(t: &mut Table) {
    t.add(
        "create-without-socket",
        "engines: create with terminal needs --console-socket",
        |c| {
            c.config["process"]["terminal"] = json!(true);
            c.create_fails()?.says(&["console"]).map(|_| ())
        },
    );
    t.add(
        "socket-without-terminal",
        "engines: --console-socket without terminal is refused or ignored, never a hang",
        |c| {
            let socket = ConsoleSocket::bind(&c.dir)?;
            let path = socket.path.to_string_lossy().into_owned();
            c.args(&["exit", "0"]);
            let output = c.try_create_with(&["--console-socket", &path])?;
            if output.code == Some(0) {
                c.destroy()?;
            }
            Ok(())
        },
    );
    t.add(
        "socket-missing",
        "engines: a console socket that nobody listens on is an error",
        |c| {
            c.config["process"]["terminal"] = json!(true);
            let path = c.dir.join("nobody.sock").to_string_lossy().into_owned();
            c.try_create_with(&["--console-socket", &path])?
                .failure()
                .map(|_| ())
        },
    );
    t.add(
        "socket-closes",
        "engines: a peer that closes the console socket at once is no hang",
        |c| {
            c.config["process"]["terminal"] = json!(true);
            c.args(&["exit", "0"]);
            c.write_config()?;
            let path = c.dir.join("closing.sock");
            let listener = std::os::unix::net::UnixListener::bind(&path)?;
            let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
            let running = c
                .command(&[
                    "create",
                    "--bundle",
                    &bundle,
                    "--console-socket",
                    &path.to_string_lossy(),
                    &id,
                ])?
                .spawn()?;
            drop(super::sockets::accept(&listener)?);
            let output = running.wait()?;
            if output.code == Some(0) {
                c.destroy()?;
            }
            Ok(())
        },
    );
}
