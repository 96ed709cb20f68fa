//! Trying again under one deadline.

use std::time::{Duration, Instant};

/// Pauses between tries: 50 microseconds at first, twice as long each time, at most 20 milliseconds, never past the deadline.
///
/// What is waited for here (a dying process leaving its cgroup) takes tens of microseconds nearly always.
pub(crate) struct Backoff {
    deadline: Instant,
    pause: Duration,
}

impl Backoff {
    pub fn until(deadline: Instant) -> Backoff {
        Backoff {
            deadline,
            pause: Duration::from_micros(50),
        }
    }

    /// Waits; false, at once, when the deadline has passed.
    pub fn wait(&mut self) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        std::thread::sleep(self.pause.min(left));
        self.pause = (self.pause * 2).min(Duration::from_millis(20));
        true
    }
}
