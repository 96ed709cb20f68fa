//! What the runtime really calls, as strace(1) tells: no path of the container is looked up by name while the host is still in reach, and nothing of the host
//! is written but what the runtime is there to write.

use crate::check;
use crate::check::{Failure, Verdict, fail};
use crate::config::add_mount;
use crate::context::{Context, poll_for};
use crate::host::Need;
use crate::table::Table;
use serde_json::json;
use std::fs;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("security");
    let needs = [Need::Root, Need::Program("strace")];
    t.add(
        "audit-no-path-before-pivot",
        "between unshare and pivot_root no path inside the root filesystem is looked up by name, but by openat2 or one component at a time",
        |c| {
            let rootfs = c.rootfs().to_string_lossy().into_owned();
            let trace = trace(c)?;
            let wrong: Vec<&Call> = before_pivot(&trace)?
                .into_iter()
                .filter(|call| call.is_loose(&rootfs))
                .collect();
            judge(c, &trace, &wrong)
        },
    )
    .needs(&needs)
    .justified("other runtimes use paths");
    t.add(
        "audit-no-write-on-host",
        "nothing of the host is made, changed or removed but the state, the cgroup, the pid file and the log",
        |c| {
            let dir = c.dir.to_string_lossy().into_owned();
            let trace = trace(c)?;
            let allowed = [
                format!("{dir}/state"),
                format!("{dir}/pid"),
                format!("{dir}/.pid"),
                format!("{dir}/log"),
                format!("{dir}/bundle/rootfs/"),
                "/sys/fs/cgroup/".to_string(),
                "/proc/".to_string(),
                "/dev/null".to_string(),
            ];
            let wrong: Vec<&Call> = on_host(&trace)
                .into_iter()
                .filter(|call| call.succeeded && call.writes() && !call.is_detached())
                .filter(|call| call.target().is_some_and(|path| !allowed.iter().any(|place| path.starts_with(place))))
                .collect();
            judge(c, &trace, &wrong)
        },
    )
    .needs(&needs);
    t.add(
        "cve-2025-52881-audit",
        "CVE-2019-16884, CVE-2025-52881, CVE-2025-62596: kernel parameters are written through a procfs that nothing can be mounted on, never by a path",
        |c| {
            let trace = trace(c)?;
            let parameter = |call: &&Call| call.text.contains("net/core/somaxconn") && call.writes();
            let all: Vec<&Call> = trace.iter().filter(parameter).collect();
            check!(!all.is_empty(), "nobody opened the parameter for writing");
            let wrong: Vec<&Call> = all.into_iter().filter(|call| !call.text.contains("RESOLVE_NO_XDEV")).collect();
            judge(c, &trace, &wrong)
        },
    )
    .needs(&needs)
    .justified("other runtimes write through the mounted /proc");
}

fn judge(c: &mut Context, trace: &[Call], wrong: &[&Call]) -> Verdict {
    c.note = format!("{} calls", trace.len());
    if wrong.is_empty() {
        return Ok(());
    }
    let some: Vec<&str> = wrong
        .iter()
        .take(4)
        .map(|call| call.text.as_str())
        .collect();
    fail(format!("{} calls: {}", wrong.len(), some.join("; ")))
}

/// One system call.
struct Call {
    process: String,
    name: String,
    /// Everything behind the process, without what was returned.
    text: String,
    succeeded: bool,
}

/// Runs `create` under strace with a configuration that asks for a bit of everything.
fn trace(c: &mut Context) -> Verdict<Vec<Call>> {
    let volume = c.volume("volume")?.to_string_lossy().into_owned();
    add_mount(
        &mut c.config,
        "/data/made/volume",
        "bind",
        &volume,
        &["rbind", "ro"],
    );
    add_mount(
        &mut c.config,
        "/data/file",
        "bind",
        &format!("{volume}/file"),
        &["bind"],
    );
    add_mount(&mut c.config, "/run", "tmpfs", "tmpfs", &["tmpcopyup"]);
    c.config["linux"]["devices"] =
        json!([{"path": "/dev/made", "type": "c", "major": 1, "minor": 3}]);
    c.config["linux"]["sysctl"] = json!({"net.core.somaxconn": "100"});
    c.config["process"]["cwd"] = json!("/data/new/folder");
    c.config["root"]["readonly"] = json!(true);
    c.args(&["pause"]);
    c.write_config()?;
    let file = c.dir.join("trace");
    let paths = [
        c.state_dir(),
        c.dir.join("log"),
        c.bundle(),
        c.pid_file(),
        file.clone(),
        c.runtime.path.clone(),
    ];
    let [state, log, bundle, pid_file, out, runtime] =
        paths.map(|path| path.to_string_lossy().into_owned());
    let id = c.id();
    let calls = "trace=%file,open_tree,openat2,move_mount,mount,umount2,pivot_root,bind,chdir,fchdir,clone,clone3,unshare,setns,symlinkat";
    let (stdout, stderr) = (c.dir.join("io/strace.out"), c.dir.join("io/strace.err"));
    let running = crate::runtime::Invocation::new(std::path::Path::new("strace"), stdout, stderr)?
        .args(["-f", "-y", "-s", "4096", "-e", calls, "-o", &out])
        .args([&runtime, "--root", &state, "--log", &log])
        .args(&c.runtime.args)
        .args(["create", "--bundle", &bundle, "--pid-file", &pid_file, &id])
        .spawn()?;
    let made = poll_for("the container under strace", || c.pid().ok());
    // Killing the container ends strace, which waits for all that it follows.
    c.call(&["delete", "--force", &id])?;
    let output = running.wait()?;
    if output.stderr.contains("ptrace") && made.is_err() {
        return Err(Failure::Skip(format!(
            "strace cannot trace here: {}",
            output.stderr.trim()
        )));
    }
    made?;
    Ok(parse(&fs::read_to_string(&file)?))
}

/// Lines of strace, with calls that another process interrupted put together again.
fn parse(text: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    for line in text.lines() {
        let Some((process, text)) = line.split_once(' ') else {
            continue;
        };
        let text = text.trim_start();
        if let Some((_, rest)) = text
            .strip_prefix("<... ")
            .and_then(|t| t.split_once(" resumed>"))
        {
            let mine = |call: &&mut Call| call.process == process;
            if let Some(call) = calls.iter_mut().rev().find(mine) {
                call.text.push_str(rest);
                call.succeeded = !rest.contains(" = -1 ");
            }
            continue;
        }
        let Some((name, _)) = text.split_once('(') else {
            continue;
        };
        calls.push(Call {
            process: process.to_string(),
            name: name.to_string(),
            text: text.replace(" <unfinished ...>", ""),
            succeeded: !text.contains(" = -1 "),
        });
    }
    calls
}

/// Calls of the process that pivots, from where it has its mount namespace until then.
fn before_pivot(trace: &[Call]) -> Verdict<Vec<&Call>> {
    let Some(end) = trace.iter().position(|call| call.name == "pivot_root") else {
        return fail("nobody called pivot_root");
    };
    let process = &trace[end].process;
    let mine = || trace[..end].iter().filter(|call| call.process == *process);
    let start = mine().position(|call| call.name == "unshare" && call.text.contains("NEWNS"));
    Ok(mine().skip(start.unwrap_or(0)).collect())
}

/// Calls of all processes while the host's root is theirs.
fn on_host(trace: &[Call]) -> Vec<&Call> {
    let mut gone: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    for call in trace {
        if call.name == "pivot_root" {
            gone.push(&call.process);
        }
        if !gone.contains(&call.process.as_str()) {
            found.push(call);
        }
    }
    found
}

impl Call {
    /// The strings among the arguments.
    fn strings(&self) -> Vec<&str> {
        self.text.split('"').skip(1).step_by(2).collect()
    }

    /// The path that is worked on, whole: strace -y tells what a directory descriptor is.
    fn target(&self) -> Option<String> {
        let strings = self.strings();
        let path = match self.name.as_str() {
            "symlink" | "symlinkat" | "rename" | "renameat" | "renameat2" | "link" | "linkat" => {
                strings.get(1)?
            }
            "bind" => strings.first()?,
            _ => strings.first()?,
        };
        if path.starts_with('/') {
            return Some(path.to_string());
        }
        let before = &self.text[..self.text.rfind(&format!("\"{path}\""))?];
        let dir = before.rsplit_once('<')?.1.split('>').next()?;
        Some(format!("{dir}/{path}"))
    }

    /// Whether it makes, changes or removes something by its name.
    fn writes(&self) -> bool {
        match self.name.as_str() {
            "open" | "openat" | "openat2" => ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"]
                .iter()
                .any(|flag| self.text.contains(flag)),
            "bind" => self.text.contains("sun_path=\""),
            name => [
                "mkdir",
                "mknod",
                "symlink",
                "unlink",
                "rmdir",
                "rename",
                "link",
                "chmod",
                "chown",
                "truncate",
                "creat",
                "fchmodat",
                "fchownat",
                "utimensat",
            ]
            .iter()
            .any(|word| name.starts_with(word) && !name.starts_with("readlink")),
        }
    }

    /// Whether it stays in a filesystem that is mounted nowhere, whose root strace shows as `/`.
    fn is_detached(&self) -> bool {
        self.text.starts_with("openat2(")
            && self.text.contains("</>, ")
            && self.text.contains("RESOLVE_BENEATH")
    }

    /// Whether it looks something in the root filesystem up in a way that a link could lead astray.
    fn is_loose(&self, rootfs: &str) -> bool {
        if self.name == "openat2" {
            return !self.text.contains("RESOLVE_IN_ROOT")
                && !self.text.contains("RESOLVE_BENEATH");
        }
        // Its target is text; of mounts the second string is the place.
        let strings = self.strings();
        let path = match self.name.as_str() {
            "symlinkat" | "symlink" | "mount" | "move_mount" => strings.get(1),
            _ => strings.first(),
        };
        let Some(path) = path else { return false };
        let inside = format!("{rootfs}/");
        if path.starts_with(&inside) {
            return true;
        }
        // A name below a descriptor: one component, and no link at its end.
        let below =
            self.text.contains(&format!("<{rootfs}>")) || self.text.contains(&format!("<{inside}"));
        let from_descriptor = !path.starts_with('/') && below && !self.text.contains("AT_FDCWD");
        let final_link = self.name == "openat" && !self.text.contains("O_NOFOLLOW");
        from_descriptor
            && !matches!(*path, "" | ".")
            && (path.contains('/') || *path == ".." || final_link)
    }
}
