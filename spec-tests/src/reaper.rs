//! Adopted processes. Whatever a runtime orphans becomes a child of the worker, as it would become a child of an
//! engine's monitor; a pid namespace does not end before all its processes are reaped.

use rustix::process::{Pid, WaitOptions, waitpid};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Mutex;

/// Processes the suite started and waits for elsewhere.
static STARTED: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());
/// How adopted processes ended: the exit code, or 128 + signal.
static ENDED: Mutex<BTreeMap<i32, i32>> = Mutex::new(BTreeMap::new());

/// Says that `pid` is waited for by whoever started it.
pub fn started(pid: u32) {
    if let Ok(mut set) = STARTED.lock() {
        set.insert(pid as i32);
    }
}

/// Children of this process that are alive or not yet reaped.
pub fn children() -> Vec<i32> {
    let me = std::process::id();
    fs::read_to_string(format!("/proc/{me}/task/{me}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

/// Reaps every adopted process that ended.
pub fn reap() {
    for pid in children() {
        if STARTED.lock().is_ok_and(|set| set.contains(&pid)) {
            continue;
        }
        if let Ok(Some((_, status))) = waitpid(Pid::from_raw(pid), WaitOptions::NOHANG) {
            let code = status
                .exit_status()
                .or_else(|| status.terminating_signal().map(|signal| 128 + signal));
            if let (Some(code), Ok(mut map)) = (code, ENDED.lock()) {
                map.insert(pid, code);
            }
        }
    }
}

/// How an adopted process ended, once it has.
pub fn ended(pid: i32) -> Option<i32> {
    reap();
    ENDED.lock().ok()?.get(&pid).copied()
}
