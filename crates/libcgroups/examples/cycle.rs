//! Makes a cgroup, runs /bin/true in it, and removes it, N times: for strace -c and for timing.
//!
//! `cycle N [cgroupfs|systemd] [JSON of linux.resources]`

use kernel::process::{CloneArgs, clone, exit, wait};
use libcgroups::{Cgroup, Driver, Entry, Layout, Request, Resources, plan};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
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
    let id = format!("cycle-{}", std::process::id());
    let mut total = Duration::ZERO;
    for _ in 0..count {
        let start = Instant::now();
        let deadline = start + Duration::from_secs(10);
        let layout = Layout::detect()?;
        let request = Request {
            driver,
            id: &id,
            resources: resources.as_ref(),
            ..Request::default()
        };
        let plan = plan(&layout, &request)?;
        let cgroup = Cgroup::create(&plan, deadline)?;
        let (into, tasks) = match cgroup.entry() {
            Entry::Into(dir) => (Some(dir), &[][..]),
            Entry::Tasks(tasks) => (None, tasks),
            Entry::IntoAndTasks(dir, tasks) => (Some(dir), tasks),
            Entry::Pid | Entry::None => (None, &[][..]),
        };
        let child = clone(
            CloneArgs {
                cgroup: into,
                ..CloneArgs::default()
            },
            || {
                exit(i32::from(
                    tasks
                        .iter()
                        .any(|t| kernel::io::write(t.as_fd(), b"0").is_err()),
                ))
            },
        )?;
        let ended = wait(child.pidfd.as_fd())?;
        assert_eq!(ended.status(), 0);
        cgroup.destroy(deadline)?;
        total += start.elapsed();
    }
    println!(
        "{:.1} us each",
        total.as_secs_f64() * 1e6 / f64::from(count)
    );
    Ok(())
}
