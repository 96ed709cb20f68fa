//! Makes a cgroup, runs a process in it, and removes it, N times: for strace -c, for timing, and for looking at what is left.
//!
//! `cycle N [cgroupfs|systemd] [JSON of linux.resources]`

use kernel::process::{CloneArgs, clone, exit, wait};
use libcgroups::{Cgroup, Driver, Entry, Layout, Request, Resources, plan};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let count: u32 = args.get(1).map_or(Ok(1), |n| n.parse())?;
    let driver = match args.get(2).map(String::as_str) {
        Some("systemd") => Driver::Systemd,
        _ => Driver::Cgroupfs,
    };
    let resources: Option<Resources> = args
        .get(3)
        .map(|json| serde_json::from_str(json))
        .transpose()?;
    let mut times = Vec::new();
    for n in 0..count {
        let start = Instant::now();
        once(
            driver,
            &format!("cycle-{}-{n}", std::process::id()),
            resources.as_ref(),
        )
        .map_err(|e| format!("cycle {n}: {e}"))?;
        times.push(start.elapsed());
    }
    times.sort();
    if let (Some(first), Some(last)) = (times.first(), times.last()) {
        println!(
            "{first:?} the fastest, {:?} the median, {last:?} the slowest",
            times[times.len() / 2]
        );
    }
    Ok(())
}

fn once(driver: Driver, id: &str, resources: Option<&Resources>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(300);
    let layout = Layout::detect()?;
    let rootless = kernel::cred::euid() != 0;
    let plan = plan(
        &layout,
        &Request {
            driver,
            id,
            resources,
            rootless,
            ..Request::default()
        },
    )?;
    let mut cgroup = Cgroup::create(&plan, deadline)?;
    let (into, tasks) = match cgroup.entry() {
        Entry::Into(dir) => (Some(dir), &[][..]),
        Entry::Tasks(tasks) => (None, tasks),
        Entry::IntoAndTasks(dir, tasks) => (Some(dir), tasks),
        Entry::Pid | Entry::None => (None, &[][..]),
    };
    let (go, tell) = kernel::io::pipe()?;
    let child = clone(
        CloneArgs {
            cgroup: into,
            ..CloneArgs::default()
        },
        || {
            let entered = tasks
                .iter()
                .all(|t| kernel::io::write(t.as_fd(), b"0").is_ok());
            let told = kernel::io::read(go.as_fd(), &mut [0]).is_ok();
            exit(i32::from(!(entered && told)))
        },
    )?;
    let started = cgroup.start_unit(&plan, child.pid, deadline);
    kernel::io::write(tell.as_fd(), b"x")?;
    let ended = wait(child.pidfd.as_fd())?;
    started?;
    if ended.status() != 0 {
        return Err("the process could not enter".into());
    }
    cgroup.destroy(deadline)?;
    Ok(())
}
