//! Waiting for signals without handlers: all are blocked, then taken one by one.

use crate::syscall::{self, call};
use std::sync::OnceLock;

/// Runs before Rust's own start, which ignores SIGPIPE.
#[used]
#[unsafe(link_section = ".init_array")]
static EARLY: extern "C" fn() = remember;
static STATUS: OnceLock<String> = OnceLock::new();

extern "C" fn remember() {
    let status = std::fs::read_to_string("/proc/self/status");
    let _ = STATUS.set(status.unwrap_or_default());
}

/// The signals that the program was executed with: the mask that /proc/self/status then had under that name.
pub fn at_start(name: &str) -> Option<String> {
    let lines = STATUS.get()?.lines();
    let mut values = lines.filter_map(|l| l.strip_prefix(name)?.strip_prefix(":"));
    values.next().map(|v| v.trim().to_owned())
}

/// Waits for ever with the default dispositions; process 1 of a pid namespace then ignores what it may.
pub fn pause() -> ! {
    loop {
        std::thread::park();
    }
}

/// Blocks every signal.
pub fn block_all() {
    let set = u64::MAX.to_ne_bytes();
    let _ = call(syscall::RT_SIGPROCMASK, &[0, set.as_ptr() as usize, 0, 8]);
}

/// The number of the next signal that is neither SIGCHLD, nor SIGURG, with which runtimes written in Go wake their
/// own threads and which they may pass on, nor one of `skip`. Signals must be blocked already.
pub fn next(skip: &[String]) -> usize {
    const SIGCHLD: usize = 17;
    const SIGURG: usize = 23;
    let set = u64::MAX.to_ne_bytes();
    let mut info = [0u8; 128];
    loop {
        match call(
            syscall::RT_SIGTIMEDWAIT,
            &[set.as_ptr() as usize, info.as_mut_ptr() as usize, 0, 8],
        ) {
            Ok(SIGCHLD | SIGURG) | Err(_) => {}
            Ok(signal) if skip.iter().any(|s| crate::attempt::parse(s) == signal) => {}
            Ok(signal) => return signal,
        }
    }
}
