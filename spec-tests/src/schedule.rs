//! Runs the chosen tests on the chosen runtimes, a few at a time, each in a worker process with a deadline.

use crate::args::Options;
use crate::runtime::Runtime;
use crate::table::Test;
use crate::{leaks, patience, worker};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As the requirement says; and what the test has to tell, such as a figure.
    Passed(String),
    /// Not as the requirement says.
    Failed(String),
    /// Could not be made here.
    Skipped(String),
}

/// One test on one runtime.
pub struct Outcome {
    /// Index into the chosen tests.
    pub test: usize,
    /// Index into the runtimes.
    pub runtime: usize,
    /// How it ended.
    pub verdict: Verdict,
    /// How long it took.
    pub time: Duration,
}

/// Runs every test on every runtime. `report` is told each outcome as it comes.
pub fn run(
    tests: &[&Test],
    options: &Options,
    base: &Path,
    report: impl Fn(&Outcome) + Sync,
) -> io::Result<Vec<Outcome>> {
    let runtimes = &options.runtimes;
    let payload = base.join("payload");
    let outcomes = Mutex::new(Vec::new());
    let all = 0..tests.len() * runtimes.len();
    let (alone, others): (Vec<_>, Vec<_>) = all.partition(|n| tests[n / runtimes.len()].alone);
    let work = |jobs: usize, list: &[usize]| {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..jobs.min(list.len()) {
                scope.spawn(|| {
                    while let Some(&n) = list.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let (runtime, test) = (n % runtimes.len(), n / runtimes.len());
                        let started = Instant::now();
                        let tag = format!("spectest-{}-{n}", std::process::id());
                        let dir = base.join(n.to_string());
                        let verdict = one(
                            tests[test],
                            &runtimes[runtime],
                            options,
                            &tag,
                            &dir,
                            &payload,
                        );
                        let outcome = Outcome {
                            test,
                            runtime,
                            verdict,
                            time: started.elapsed(),
                        };
                        report(&outcome);
                        if let Ok(mut all) = outcomes.lock() {
                            all.push(outcome);
                        }
                    }
                });
            }
        });
    };
    work(1, &alone);
    work(options.jobs, &others);
    let mut outcomes = outcomes
        .into_inner()
        .map_err(|_| io::Error::other("a reporter panicked"))?;
    outcomes.sort_by_key(|outcome| (outcome.test, outcome.runtime));
    Ok(outcomes)
}

fn one(
    test: &Test,
    runtime: &Runtime,
    options: &Options,
    tag: &str,
    dir: &Path,
    payload: &Path,
) -> Verdict {
    let verdict = match supervise(test, runtime, options, tag, dir, payload) {
        Ok(verdict) => verdict,
        Err(error) => Verdict::Failed(format!("the worker could not be run: {error}")),
    };
    if !options.keep {
        let _ = fs::remove_dir_all(dir);
    }
    verdict
}

/// Starts the worker, waits for it, and sweeps up when the deadline passes.
fn supervise(
    test: &Test,
    runtime: &Runtime,
    options: &Options,
    tag: &str,
    dir: &Path,
    payload: &Path,
) -> io::Result<Verdict> {
    fs::create_dir_all(dir)?;
    let log = File::create(dir.join("worker.err"))?;
    // The payload closes what the suite inherited: no test may see, or blame a runtime for, those descriptors.
    let mut command = Command::new(payload);
    // By its process, not by its path: a build may replace the file while the tests run.
    command
        .arg("launch")
        .arg(format!("/proc/{}/exe", std::process::id()));
    command.args([
        "--worker",
        &test.name,
        "--tag",
        tag,
        "--runtime",
        &runtime.text,
    ]);
    command.arg("--dir").arg(dir).arg("--payload").arg(payload);
    if options.systemd {
        command.arg("--systemd-cgroup");
    }
    if options.full {
        command.arg("--full");
    }
    command.arg("--patience").arg(patience::times().to_string());
    command
        .env_remove("NOTIFY_SOCKET")
        .env_remove("LISTEN_FDS")
        .env_remove("LISTEN_PID");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()?;
    let pid = Pid::from_child(&child);
    let fd = pidfd_open(pid, PidfdFlags::empty())?;
    let stretch = if options.full { 12 } else { 1 };
    let limit = test.deadline * stretch * patience::times();
    let timeout = Timespec {
        tv_sec: limit.as_secs() as i64,
        tv_nsec: 0,
    };
    if poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timeout))? == 0 {
        kill_tree(child.id() as i32);
        child.wait()?;
        leaks::remove_cgroups(tag);
        return Ok(Verdict::Failed(format!(
            "the test did not end within {} s",
            timeout.tv_sec
        )));
    }
    child.wait()?;
    Ok(match worker::read_result(dir) {
        Some((verdict, note)) if verdict == "pass" => Verdict::Passed(note),
        Some((verdict, text)) if verdict == "skip" => Verdict::Skipped(text),
        Some((_, text)) => Verdict::Failed(text),
        None => {
            leaks::remove_cgroups(tag);
            let log = fs::read_to_string(dir.join("worker.err")).unwrap_or_default();
            Verdict::Failed(format!("the worker died: {}", log.trim()))
        }
    })
}

/// SIGKILL to a process and all its descendants, the oldest first, until no new ones appear.
fn kill_tree(root: i32) {
    for _ in 0..10 {
        let tree = descendants(root);
        for pid in tree.iter().chain([&root]) {
            if let Some(pid) = Pid::from_raw(*pid) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        if tree.is_empty() {
            return;
        }
    }
}

fn descendants(root: i32) -> Vec<i32> {
    let mut parents: BTreeMap<i32, i32> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok())
        else {
            continue;
        };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let Some((_, rest)) = stat.rsplit_once(')') else {
            continue;
        };
        let mut words = rest.split_whitespace();
        let (state, parent) = (
            words.next(),
            words.next().and_then(|word| word.parse().ok()),
        );
        if let (Some(state), Some(parent)) = (state, parent) {
            if state != "Z" {
                parents.insert(pid, parent);
            }
        }
    }
    let is_below = |mut pid: i32| {
        while let Some(parent) = parents.get(&pid) {
            if *parent == root {
                return true;
            }
            pid = *parent;
        }
        false
    };
    parents
        .keys()
        .copied()
        .filter(|pid| is_below(*pid))
        .collect()
}
