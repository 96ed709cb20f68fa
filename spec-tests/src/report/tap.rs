//! Test Anything Protocol, version 13.

use super::Report;
use crate::schedule::Verdict;
use std::fmt::Write;

/// The whole report.
pub fn render(report: &Report<'_>) -> String {
    let mut text = format!("TAP version 13\n1..{}\n", report.outcomes.len());
    for runtime in report.runtimes {
        let _ = writeln!(text, "# runtime {} {}", runtime.name, runtime.version());
    }
    for (i, outcome) in report.outcomes.iter().enumerate() {
        let test = report.tests[outcome.test];
        let name =
            format!("{} {}", report.runtimes[outcome.runtime].name, test.name).replace('#', "\\#");
        let n = i + 1;
        let _ = match &outcome.verdict {
            Verdict::Passed(_) => writeln!(text, "ok {n} - {name}"),
            Verdict::Skipped(reason) => {
                writeln!(text, "ok {n} - {name} # SKIP {}", one_line(reason))
            }
            Verdict::Failed(reason) => writeln!(
                text,
                "not ok {n} - {name}\n# requirement: {}\n# {}",
                one_line(&test.requirement),
                one_line(reason)
            ),
        };
    }
    text
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}
