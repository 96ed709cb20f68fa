//! How long the suite waits: usual times, and how many times as long on a machine that is slower than usual.
//!
//! What a test waits for ends by itself, so more patience costs a passing test nothing.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

static TIMES: AtomicU32 = AtomicU32::new(1);

/// `--patience N`: from here on all limits are N times the usual ones.
pub fn set(times: u32) {
    TIMES.store(times.max(1), Ordering::Relaxed);
}

/// The number that was set.
pub fn times() -> u32 {
    TIMES.load(Ordering::Relaxed)
}

/// A limit that is so many seconds on a usual machine.
pub fn seconds(usual: u64) -> Duration {
    Duration::from_secs(usual) * times()
}

/// How long something that happens on its own may take.
pub fn usual() -> Duration {
    seconds(8)
}
