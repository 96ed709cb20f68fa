//! What a person sees.

use super::Report;
use crate::args::Options;
use crate::schedule::{Outcome, Verdict};
use crate::table::Test;

/// Prints one outcome as it comes.
pub fn line(tests: &[&Test], options: &Options, outcome: &Outcome) {
    let test = tests[outcome.test];
    let name = match options.runtimes.len() {
        1 => test.name.clone(),
        _ => format!("{} {}", options.runtimes[outcome.runtime].name, test.name),
    };
    match &outcome.verdict {
        Verdict::Failed(text) => println!("FAIL {name}\n     {}\n     {text}", test.requirement),
        Verdict::Skipped(reason) if !options.quiet => println!("skip {name}: {reason}"),
        Verdict::Passed(note) if !options.quiet => {
            let comma = if note.is_empty() { "" } else { ", " };
            println!("ok   {name} ({} ms{comma}{note})", outcome.time.as_millis())
        }
        _ => {}
    }
}

/// Prints the sums, the last line over everything; answers whether nothing failed.
pub fn sum(report: &Report<'_>) -> bool {
    if report.runtimes.len() > 1 {
        for (i, runtime) in report.runtimes.iter().enumerate() {
            let [passed, failed, skipped] = report.count(Some(i));
            println!(
                "{}: {passed} passed, {failed} failed, {skipped} skipped",
                runtime.name
            );
        }
    }
    let [passed, failed, skipped] = report.count(None);
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    failed == 0
}
