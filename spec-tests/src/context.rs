//! What a test works with: a fresh bundle, a fresh state directory, and the runtime's commands.

use crate::check::{Failure, Verdict, fail};
use crate::leaks::Before;
use crate::runtime::{Invocation, Output, Runtime};
use crate::view::View;
use crate::{config, host, patience, reaper};
use rustix::mount::{MountPropagationFlags, mount_change};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// One test's world.
pub struct Context {
    /// The runtime under test.
    pub runtime: Runtime,
    /// Whether the systemd cgroup driver is asked for.
    pub systemd: bool,
    /// A name that occurs nowhere else on the machine; container ids and cgroups start with it.
    pub tag: String,
    /// The test's own folder.
    pub dir: PathBuf,
    /// The config.json of the bundle; `create` and `run` write it out.
    pub config: Value,
    /// The payload on the host, for hooks and the like.
    pub payload: PathBuf,
    /// Whether races are run at full length.
    pub full: bool,
    /// What a test that passes has to tell.
    pub note: String,
    before: Before,
    outputs: usize,
    /// Standard output of the container that was created last.
    pub container_stdout: PathBuf,
}

/// A cgroupsPath as the driver wants it.
fn cgroups_path(systemd: bool, rootless: bool, name: &str) -> String {
    match (systemd, rootless) {
        (true, true) => format!("user.slice:spectest:{name}"),
        (true, false) => format!("system.slice:spectest:{name}"),
        (false, _) => format!("/{name}"),
    }
}

impl Context {
    /// Names a cgroup of its own for a second container, if the configuration names one at all.
    pub fn set_cgroup(&mut self, name: &str) {
        if let Some(path) = self.config.pointer_mut("/linux/cgroupsPath") {
            *path = cgroups_path(self.systemd, !host::is_root(), name).into();
        }
    }

    /// Makes the bundle and the state directory below `dir`.
    pub fn new(
        runtime: Runtime,
        systemd: bool,
        tag: &str,
        dir: &Path,
        payload: &Path,
    ) -> Verdict<Context> {
        fs::create_dir_all(dir.join("state"))?;
        fs::set_permissions(dir.join("state"), fs::Permissions::from_mode(0o700))?;
        fs::create_dir_all(dir.join("io"))?;
        let rootless = !host::is_root();
        let cgroups_path = (systemd || !rootless).then(|| cgroups_path(systemd, rootless, tag));
        let context = Context {
            config: config::default(&runtime.oci_version, cgroups_path.as_deref(), rootless),
            runtime,
            systemd,
            tag: tag.to_string(),
            dir: dir.to_path_buf(),
            payload: payload.to_path_buf(),
            full: false,
            note: String::new(),
            before: Before::now(dir),
            outputs: 0,
            container_stdout: PathBuf::new(),
        };
        context.make_rootfs(&context.rootfs())?;
        Ok(context)
    }

    /// Shows the runtime other cgroup hierarchies.
    pub fn enter_view(&mut self, view: View) -> Verdict {
        crate::view::enter(view)?;
        self.before = Before::now(&self.dir);
        Ok(())
    }

    /// Makes all mounts shared, as a service manager does.
    pub fn share_mounts(&mut self) -> Verdict {
        mount_change(
            "/",
            MountPropagationFlags::SHARED | MountPropagationFlags::REC,
        )?;
        self.before = Before::now(&self.dir);
        Ok(())
    }

    /// What the test left, one sentence each; it is ended and removed.
    pub fn leaks(&self) -> Vec<String> {
        let found = self.before.leaks(self);
        self.before.clean(self);
        found
    }

    /// A small root filesystem: the payload, the usual folders, two users.
    pub fn make_rootfs(&self, rootfs: &Path) -> Verdict {
        for name in [
            "proc",
            "sys",
            "dev",
            "tmp",
            "etc",
            "bin",
            "root",
            "home/user",
            "run",
            "data",
        ] {
            fs::create_dir_all(rootfs.join(name))?;
        }
        fs::set_permissions(rootfs.join("tmp"), fs::Permissions::from_mode(0o1777))?;
        if fs::hard_link(&self.payload, rootfs.join("payload")).is_err() {
            fs::copy(&self.payload, rootfs.join("payload"))?;
        }
        fs::write(
            rootfs.join("etc/passwd"),
            "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n",
        )?;
        fs::write(rootfs.join("etc/group"), "root:x:0:\nuser:x:1000:\n")?;
        Ok(())
    }

    /// The id of the test's first container.
    pub fn id(&self) -> String {
        self.tag.clone()
    }

    /// The bundle's folder.
    pub fn bundle(&self) -> PathBuf {
        self.dir.join("bundle")
    }

    /// The root filesystem's folder.
    pub fn rootfs(&self) -> PathBuf {
        self.bundle().join("rootfs")
    }

    /// The runtime's `--root`.
    pub fn state_dir(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// Sets the container's arguments to the payload's.
    pub fn args(&mut self, args: &[&str]) {
        let mut all = vec!["/payload"];
        all.extend_from_slice(args);
        self.config["process"]["args"] = json!(all);
    }

    /// Writes config.json.
    pub fn write_config(&self) -> Verdict {
        fs::write(
            self.bundle().join("config.json"),
            serde_json::to_vec_pretty(&self.config)?,
        )?;
        Ok(())
    }

    /// `RUNTIME --root STATE args...`, not yet started.
    pub fn command(&mut self, args: &[&str]) -> Verdict<Invocation> {
        let global = self.global_flags();
        Ok(self.bare_command(&[])?.args(global).args(args))
    }

    fn global_flags(&self) -> Vec<String> {
        let mut flags = vec![
            "--root".into(),
            self.state_dir().to_string_lossy().into_owned(),
        ];
        if self.systemd {
            flags.push("--systemd-cgroup".into());
        }
        flags
    }

    /// `CALLER options... RUNTIME --root STATE args...`, not yet started: another program starts the runtime, and changes what it inherits.
    pub fn command_under(
        &mut self,
        caller: &str,
        options: &[&str],
        args: &[&str],
    ) -> Verdict<Invocation> {
        let (stdout, stderr) = self.next_outputs();
        Ok(Invocation::new(Path::new(caller), stdout, stderr)?
            .args(options)
            .args([&self.runtime.path])
            .args(&self.runtime.args)
            .args(self.global_flags())
            .args(args))
    }

    /// The files for the standard output and error of one more command.
    fn next_outputs(&mut self) -> (PathBuf, PathBuf) {
        self.outputs += 1;
        let file = |kind: &str| self.dir.join(format!("io/{}.{kind}", self.outputs));
        (file("out"), file("err"))
    }

    /// `RUNTIME args...` without any global flag of the suite's.
    pub fn bare_command(&mut self, args: &[&str]) -> Verdict<Invocation> {
        let (stdout, stderr) = self.next_outputs();
        let runtime = &self.runtime;
        let invocation = match &runtime.without {
            None => Invocation::new(&runtime.path, stdout, stderr)?,
            Some(without) => Invocation::new(&self.payload, stdout, stderr)?
                .args(["without", &without.errno, &without.calls])
                .args([&runtime.path]),
        };
        Ok(invocation.args(&runtime.args).args(args))
    }

    /// Any other program, run with the same deadline.
    pub fn program(&mut self, program: &str, args: &[&str]) -> Verdict<Output> {
        let (stdout, stderr) = self.next_outputs();
        Invocation::new(Path::new(program), stdout, stderr)?
            .args(args)
            .run()
    }

    /// Runs a command of the runtime to its end.
    pub fn call(&mut self, args: &[&str]) -> Verdict<Output> {
        self.command(args)?.run()
    }

    /// `create` with `flags`, whatever comes of it.
    pub fn try_create_with(&mut self, flags: &[&str]) -> Verdict<Output> {
        self.write_config()?;
        let (id, bundle) = (self.id(), self.bundle().to_string_lossy().into_owned());
        let pid_file = self.pid_file().to_string_lossy().into_owned();
        let mut args = vec!["create", "--bundle", &bundle, "--pid-file", &pid_file];
        args.extend_from_slice(flags);
        args.push(&id);
        let running = self.command(&args)?.spawn()?;
        self.container_stdout = running.stdout.clone();
        running.wait()
    }

    /// `create`, which must succeed.
    pub fn create(&mut self) -> Verdict {
        self.try_create_with(&[])?.success().map(|_| ())
    }

    /// `create`, which must fail and leave no container behind.
    pub fn create_fails(&mut self) -> Verdict<Output> {
        let output = self.try_create_with(&[])?.failure()?;
        let id = self.id();
        if self.call(&["state", &id])?.code == Some(0) {
            return fail(format!(
                "{}, yet `state` knows the container",
                output.describe("failed")
            ));
        }
        Ok(output)
    }

    /// Where `create` puts the pid.
    pub fn pid_file(&self) -> PathBuf {
        self.dir.join("pid")
    }

    /// The pid that `create` wrote.
    pub fn pid(&self) -> Verdict<i32> {
        let text = fs::read_to_string(self.pid_file())?;
        text.trim()
            .parse()
            .map_err(|_| Failure::Fail(format!("the pid file has {text:?}")))
    }

    /// `start`, which must succeed.
    pub fn start(&mut self) -> Verdict {
        let id = self.id();
        self.call(&["start", &id])?.success().map(|_| ())
    }

    /// `create` and `start` with the payload's arguments; answers the pid.
    pub fn launch(&mut self, args: &[&str]) -> Verdict<i32> {
        self.args(args);
        self.create()?;
        self.start()?;
        self.pid()
    }

    /// `state`, parsed.
    pub fn state(&mut self) -> Verdict<Value> {
        let id = self.id();
        self.state_of(&id)
    }

    /// The same of another container.
    pub fn state_of(&mut self, id: &str) -> Verdict<Value> {
        let output = self.call(&["state", id])?.success()?;
        serde_json::from_str(&output.stdout).map_err(|error| {
            Failure::Fail(format!(
                "{}: {error}",
                output.describe("did not print JSON")
            ))
        })
    }

    /// The `status` of the state.
    pub fn status(&mut self) -> Verdict<String> {
        Ok(self.state()?["status"]
            .as_str()
            .unwrap_or_default()
            .to_string())
    }

    /// Polls until the status is `wanted`.
    pub fn await_status(&mut self, wanted: &str) -> Verdict {
        let deadline = Instant::now() + patience::usual();
        loop {
            reaper::reap();
            let seen = self.status()?;
            if seen == wanted {
                return Ok(());
            }
            if Instant::now() > deadline {
                return fail(format!("the status stayed {seen:?}, expected {wanted:?}"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// `kill`, which must succeed.
    pub fn kill(&mut self, signal: &str) -> Verdict {
        let id = self.id();
        self.call(&["kill", &id, signal])?.success().map(|_| ())
    }

    /// `delete`, which must succeed.
    pub fn delete(&mut self) -> Verdict {
        let id = self.id();
        self.call(&["delete", &id])?.success().map(|_| ())
    }

    /// SIGKILL, wait, `delete`.
    pub fn destroy(&mut self) -> Verdict {
        self.kill("KILL")?;
        self.await_status("stopped")?;
        self.delete()
    }

    /// Waits for the container's process, which the suite adopted: the exit code, or 128 + signal.
    pub fn await_exit(&self, pid: i32) -> Verdict<i32> {
        poll_for(&format!("the end of process {pid}"), || reaper::ended(pid))
    }
}

/// Polls until `probe` answers, within the usual patience.
pub fn poll_for<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> Verdict<T> {
    let deadline = Instant::now() + patience::usual();
    loop {
        if let Some(found) = probe() {
            return Ok(found);
        }
        if Instant::now() > deadline {
            return fail(format!("waited {:?} in vain for {what}", patience::usual()));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// All JSON lines of standard output.
pub fn json_lines(output: &Output) -> Verdict<Vec<Value>> {
    let lines: Result<Vec<Value>, _> = output.stdout.lines().map(serde_json::from_str).collect();
    lines.map_err(|error| {
        Failure::Fail(format!(
            "{}: {error}",
            output.describe("did not print JSON lines")
        ))
    })
}

/// The first JSON line of standard output.
pub fn json_line(output: &Output) -> Verdict<Value> {
    match json_lines(output)?.into_iter().next() {
        Some(value) => Ok(value),
        None => fail(output.describe("printed nothing")),
    }
}
