//! A cgroup with a process in it.

use kernel::process::{Child, CloneArgs, clone, exit, kill, wait};
use libcgroups::{Cgroup, Entry, Layout, Plan, Request, Resources, plan};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

/// A name that no other test of this or another run uses.
pub fn fresh_path() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!(
        "/teu-test-{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

/// Whether this process may make cgroups here; says so when not.
pub fn may_make_cgroups() -> bool {
    let root = kernel::cred::euid() == 0;
    if !root {
        eprintln!("skipped: only root may make cgroups here");
    }
    root
}

/// Whether a controller can be used on this host; says so when not.
pub fn has_controller(layout: &Layout, name: &str) -> bool {
    let v1 = layout
        .v1_mounts()
        .any(|m| m.subsystems.iter().any(|s| s == name));
    let v2 = layout
        .v2_mountpoint()
        .and_then(|p| std::fs::read_to_string(p.join("cgroup.controllers")).ok());
    let has = v1 || v2.is_some_and(|list| list.split_whitespace().any(|c| c == name));
    if !has {
        eprintln!("skipped: this host has no {name} controller");
    }
    has
}

pub fn resources(json: &str) -> Resources {
    serde_json::from_str(json).unwrap()
}

pub fn plan_at(path: &str, resources: &Resources) -> Plan {
    plan_as("test", path, resources)
}

pub fn plan_as(id: &str, path: &str, resources: &Resources) -> Plan {
    let request = Request {
        path: Some(path),
        id,
        resources: Some(resources),
        ..Request::default()
    };
    plan(&Layout::detect().unwrap(), &request).unwrap()
}

/// A cgroup that is removed when the test ends, however it ends.
pub struct Workload {
    pub cgroup: Cgroup,
    pub path: String,
}

impl Workload {
    pub fn new(json: &str) -> Workload {
        Workload::at(&fresh_path(), json)
    }

    pub fn at(path: &str, json: &str) -> Workload {
        let plan = plan_at(path, &resources(json));
        Workload {
            cgroup: Cgroup::create(&plan, soon()).unwrap(),
            path: path.to_owned(),
        }
    }

    /// What a file of the cgroup says, in whichever hierarchy it is.
    pub fn read(&self, file: &str) -> String {
        let found = self
            .cgroup
            .record()
            .dirs
            .iter()
            .find_map(|d| std::fs::read_to_string(d.full().join(file)).ok());
        found
            .unwrap_or_else(|| panic!("no {file} in {:?}", self.cgroup.record()))
            .trim()
            .to_owned()
    }

    pub fn update(&self, json: &str) -> libcgroups::Result<()> {
        self.cgroup.update(&resources(json), soon())
    }

    /// Starts a process that enters as it should and then runs `child`, which must not allocate.
    pub fn start(&self, child: impl FnOnce() -> i32) -> Child {
        start(self.cgroup.entry(), child)
    }

    /// Starts a process that waits to be killed.
    pub fn sleeper(&self) -> Sleeper {
        Sleeper(self.start(sleep))
    }
}

pub fn sleep() -> i32 {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

/// Fills a file in memory, which is charged to the cgroup and can not be reclaimed without swap.
pub fn hold_memory(bytes: usize) -> i32 {
    static PAGE: [u8; 65536] = [1; 65536];
    let Ok(file) = kernel::file::memfd(c"held") else {
        return 1;
    };
    for _ in 0..bytes / PAGE.len() {
        if kernel::io::write_all(file.as_fd(), &PAGE).is_err() {
            return 1;
        }
    }
    std::mem::forget(file);
    0
}

pub fn start(entry: Entry<'_>, child: impl FnOnce() -> i32) -> Child {
    let none: &[OwnedFd] = &[];
    let (into, tasks) = match entry {
        Entry::Into(dir) => (Some(dir), none),
        Entry::Tasks(tasks) => (None, tasks),
        Entry::IntoAndTasks(dir, tasks) => (Some(dir), tasks),
        Entry::Pid | Entry::None => (None, none),
    };
    let (ready, tell) = kernel::io::pipe().unwrap();
    let child = clone(
        CloneArgs {
            cgroup: into,
            ..CloneArgs::default()
        },
        || {
            if tasks
                .iter()
                .any(|t| kernel::io::write(t.as_fd(), b"0").is_err())
            {
                exit(99)
            }
            let _ = kernel::io::write(tell.as_fd(), b"x");
            exit(child())
        },
    )
    .unwrap();
    drop(tell);
    assert_eq!(
        kernel::io::read(ready.as_fd(), &mut [0]),
        Ok(1),
        "the child did not enter"
    );
    child
}

impl Drop for Workload {
    fn drop(&mut self) {
        let _ = self.cgroup.thaw(soon());
        self.cgroup.destroy(soon()).unwrap();
    }
}

/// A process that is killed and reaped when the test ends.
pub struct Sleeper(pub Child);

impl Sleeper {
    /// Its line of /proc/PID/cgroup for the hierarchy of a record's directory.
    pub fn is_in(&self, dir: &libcgroups::RecordedDir, sub: &str) -> bool {
        let text = std::fs::read_to_string(format!("/proc/{}/cgroup", self.0.pid)).unwrap();
        let want = format!("{}{sub}", dir.path);
        text.lines().any(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let names = fields.next().unwrap();
            names == dir.controllers.join(",") && fields.next() == Some(&want)
        })
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = kill(self.0.pid, 9);
        let _ = wait(self.0.pidfd.as_fd());
    }
}
