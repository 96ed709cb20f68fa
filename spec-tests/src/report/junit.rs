//! JUnit XML: one suite per runtime, the group as class name.

use super::Report;
use crate::schedule::Verdict;
use std::fmt::Write;

/// The whole report.
pub fn render(report: &Report<'_>) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for (i, runtime) in report.runtimes.iter().enumerate() {
        let [passed, failed, skipped] = report.count(Some(i));
        let _ = writeln!(
            text,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\" skipped=\"{skipped}\">",
            escape(&runtime.name),
            passed + failed + skipped
        );
        for outcome in report
            .outcomes
            .iter()
            .filter(|outcome| outcome.runtime == i)
        {
            let test = report.tests[outcome.test];
            let _ = write!(
                text,
                "    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\"",
                escape(test.group),
                escape(&test.name),
                outcome.time.as_secs_f64()
            );
            let _ = match &outcome.verdict {
                Verdict::Passed(_) => writeln!(text, "/>"),
                Verdict::Skipped(reason) => {
                    writeln!(
                        text,
                        "><skipped message=\"{}\"/></testcase>",
                        escape(reason)
                    )
                }
                Verdict::Failed(reason) => writeln!(
                    text,
                    "><failure message=\"{}\">{}</failure></testcase>",
                    escape(&test.requirement),
                    escape(reason)
                ),
            };
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

/// XML has no way to write most control characters; they become U+FFFD.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c < ' ' && c != '\n' && c != '\t' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
