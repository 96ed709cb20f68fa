//! The reports: what is printed while the tests run, and the files.

pub mod column;
pub mod console;
pub mod junit;
pub mod matrix;
pub mod tap;

use crate::runtime::Runtime;
use crate::schedule::{Outcome, Verdict};
use crate::table::Test;

/// Everything a report needs.
pub struct Report<'a> {
    /// The tests that were chosen.
    pub tests: &'a [&'a Test],
    /// The runtimes they ran on.
    pub runtimes: &'a [Runtime],
    /// One entry per test and runtime.
    pub outcomes: &'a [Outcome],
}

impl Report<'_> {
    /// How many passed, failed and were skipped.
    pub fn count(&self, runtime: Option<usize>) -> [usize; 3] {
        let mut counts = [0; 3];
        for outcome in self
            .outcomes
            .iter()
            .filter(|o| runtime.is_none_or(|runtime| o.runtime == runtime))
        {
            let slot = match outcome.verdict {
                Verdict::Passed(_) => 0,
                Verdict::Failed(_) => 1,
                Verdict::Skipped(_) => 2,
            };
            counts[slot] += 1;
        }
        counts
    }
}
