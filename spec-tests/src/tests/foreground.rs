//! The runtime between two terminals: run and exec in the foreground.

use crate::check::Verdict;
use crate::context::Context;
use crate::table::Table;
use crate::terminal::Terminal;
use crate::{check, check_eq};
use rustix::termios::{LocalModes, OutputModes};
use serde_json::json;
use std::fs::File;
use std::path::Path;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("console");
    foreground(t);
}

impl Context {
    /// A command of the runtime whose three streams and controlling terminal are `slave`.
    fn on_terminal(&mut self, slave: &Path, args: &[&str]) -> Verdict<crate::runtime::Running> {
        let state = self.state_dir().to_string_lossy().into_owned();
        let payload = self.payload.clone();
        let mut invocation = crate::runtime::Invocation::new(
            &payload,
            self.dir.join("io/tty.out"),
            self.dir.join("io/tty.err"),
        )?;
        let open = || File::options().read(true).write(true).open(slave);
        invocation
            .command
            .stdin(open()?)
            .stdout(open()?)
            .stderr(open()?);
        // A new session, which the leader of a process group cannot make.
        invocation.own_group = false;
        let mut all: Vec<String> = vec![
            "launch".into(),
            "--session".into(),
            self.runtime.path.to_string_lossy().into_owned(),
        ];
        all.extend(self.runtime.args.iter().cloned());
        all.extend(["--root".to_string(), state]);
        if self.systemd {
            all.push("--systemd-cgroup".to_string());
        }
        all.extend(args.iter().map(|arg| arg.to_string()));
        invocation.args(all).spawn()
    }

    /// A foreground `run` on a terminal.
    fn run_on_terminal(&mut self, slave: &Path, args: &[&str]) -> Verdict<crate::runtime::Running> {
        self.config["process"]["terminal"] = json!(true);
        self.args(args);
        self.write_config()?;
        let (id, bundle) = (self.id(), self.bundle().to_string_lossy().into_owned());
        self.on_terminal(slave, &["run", "--bundle", &bundle, &id])
    }
}

fn foreground(t: &mut Table) {
    t.add(
        "run",
        "engines: run on a terminal gives the program a terminal and passes the exit code on",
        |c| {
            let (mut terminal, slave) = Terminal::open()?;
            let running = c.run_on_terminal(&slave, &["inspect", ";", "exit", "5"])?;
            let seen = terminal.await_json("tty")?;
            check!(seen["tty"][0].is_object(), "tty is {}", seen["tty"]);
            running.wait()?.exits(5).map(|_| ())
        },
    );
    t.add(
        "run-conversation",
        "engines: what is typed on the runtime's terminal reaches the program",
        |c| {
            let (mut terminal, slave) = Terminal::open()?;
            let running = c.run_on_terminal(&slave, &["echo", "ready", ";", "read-line"])?;
            terminal.await_text("ready", |text| text.contains("ready").then_some(()))?;
            terminal.type_text("typed here\r")?;
            check_eq!(
                terminal.await_json("line")?["line"].as_str().map(str::trim),
                Some("typed here"),
                "line"
            );
            running.wait()?.success().map(|_| ())
        },
    );
    t.add(
        "run-raw-mode",
        "engines: the runtime's terminal is raw while the program runs and restored after",
        |c| {
            let (mut terminal, slave) = Terminal::open()?;
            let before = terminal.modes()?;
            check!(
                before.local_modes.contains(LocalModes::ICANON),
                "a new terminal is not canonical"
            );
            let running = c.run_on_terminal(&slave, &["echo", "ready", ";", "read-line"])?;
            terminal.await_text("ready", |text| text.contains("ready").then_some(()))?;
            terminal.await_modes("raw mode", |modes| {
                !modes
                    .local_modes
                    .intersects(LocalModes::ICANON | LocalModes::ECHO)
            })?;
            terminal.type_text("x\r")?;
            running.wait()?.success()?;
            let after = terminal.modes()?;
            check_eq!(after.local_modes, before.local_modes, "local modes");
            check_eq!(
                after.output_modes & OutputModes::all(),
                before.output_modes,
                "output modes"
            );
            check_eq!(after.input_modes, before.input_modes, "input modes");
            Ok(())
        },
    );
    t.add(
        "run-size",
        "engines: the program's terminal has the size of the runtime's",
        |c| {
            let (mut terminal, slave) = Terminal::open()?;
            terminal.resize(37, 111)?;
            let running =
                c.run_on_terminal(&slave, &["await-size", "37", "111", ";", "inspect"])?;
            check_eq!(
                terminal.await_json("tty")?["tty"][0],
                json!({"rows": 37, "columns": 111}),
                "size"
            );
            running.wait()?.success().map(|_| ())
        },
    );
    t.add(
        "run-resize",
        "engines: a resize of the runtime's terminal reaches the program",
        |c| {
            let (mut terminal, slave) = Terminal::open()?;
            terminal.resize(37, 111)?;
            let running = c.run_on_terminal(
                &slave,
                &[
                    "echo",
                    "ready",
                    ";",
                    "await-size",
                    "55",
                    "133",
                    ";",
                    "inspect",
                ],
            )?;
            terminal.await_text("ready", |text| text.contains("ready").then_some(()))?;
            terminal.resize(55, 133)?;
            check_eq!(
                terminal.await_json("tty")?["tty"][0],
                json!({"rows": 55, "columns": 133}),
                "size"
            );
            running.wait()?.success().map(|_| ())
        },
    );
    t.add(
        "run-control-c",
        "engines: control-C on the runtime's terminal reaches the program",
        |c| {
            let (mut terminal, slave) = Terminal::open()?;
            let running = c.run_on_terminal(&slave, &["await-signal", "28"])?;
            terminal.await_json("ready")?;
            terminal.await_modes("raw mode", |modes| {
                !modes.local_modes.contains(LocalModes::ISIG)
            })?;
            terminal.type_text("\u{3}")?;
            check_eq!(terminal.await_json("signal")?["signal"], 2, "signal");
            running.wait()?.success().map(|_| ())
        },
    );
    t.add(
        "run-no-double-return",
        "engines: two terminals in a row do not double the carriage returns",
        |c| {
            let (mut terminal, slave) = Terminal::open()?;
            let running = c.run_on_terminal(&slave, &["echo", "one", ";", "echo", "two"])?;
            let text = terminal.await_text("both lines", |text| {
                text.contains("two").then(|| text.to_string())
            })?;
            running.wait()?.success()?;
            check!(!text.contains("\r\r"), "the terminal printed {text:?}");
            Ok(())
        },
    );
    t.add(
        "run-large-output",
        "engines: all output arrives before run ends",
        |c| {
            let (mut terminal, slave) = Terminal::open()?;
            let text = "x".repeat(1000);
            let mut args: Vec<&str> = Vec::new();
            for _ in 0..100 {
                args.extend_from_slice(&["echo", &text, ";"]);
            }
            args.extend_from_slice(&["echo", "the-end"]);
            let running = c.run_on_terminal(&slave, &args)?;
            let count = terminal.await_text("the end", |text| {
                text.contains("the-end").then(|| {
                    text.lines()
                        .filter(|line| line.trim_end() == "x".repeat(1000))
                        .count()
                })
            })?;
            check_eq!(count, 100, "whole lines");
            running.wait()?.success().map(|_| ())
        },
    );
    t.add(
        "exec-foreground",
        "engines: exec --tty in the foreground",
        |c| {
            c.launch(&["pause"])?;
            let (mut terminal, slave) = Terminal::open()?;
            terminal.resize(31, 91)?;
            let id = c.id();
            let running = c.on_terminal(
                &slave,
                &[
                    "exec",
                    "--tty",
                    &id,
                    "/payload",
                    "await-size",
                    "31",
                    "91",
                    ";",
                    "inspect",
                    ";",
                    "exit",
                    "6",
                ],
            )?;
            check_eq!(
                terminal.await_json("tty")?["tty"][0],
                json!({"rows": 31, "columns": 91}),
                "size"
            );
            running.wait()?.exits(6)?;
            c.destroy()
        },
    );
}
