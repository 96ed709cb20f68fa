//! The conformance matrix: requirement by requirement, runtime beside runtime.

use super::Report;
use crate::schedule::Verdict;
use std::fmt::Write;

fn word(verdict: Option<&Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Passed(_)) => "pass",
        Some(Verdict::Failed(_)) => "**fail**",
        Some(Verdict::Skipped(_)) => "skip",
        None => "",
    }
}

/// For the terminal: only the rows where runtimes differ or fail.
pub fn text(report: &Report<'_>) -> String {
    let mut out = String::new();
    let names: Vec<&str> = report.runtimes.iter().map(|r| r.name.as_str()).collect();
    let _ = writeln!(out, "\n{:<58} {}", "where not all pass", names.join(" "));
    for (i, test) in report.tests.iter().enumerate() {
        let verdicts: Vec<Option<&Verdict>> = (0..names.len())
            .map(|runtime| report.outcome(i, runtime).map(|o| &o.verdict))
            .collect();
        if !verdicts
            .iter()
            .any(|v| matches!(v, Some(Verdict::Failed(_))))
        {
            continue;
        }
        let _ = write!(out, "{:<58}", test.name);
        for (verdict, name) in verdicts.iter().zip(&names) {
            let _ = write!(
                out,
                " {:<width$}",
                word(*verdict).trim_matches('*'),
                width = name.len().max(4)
            );
        }
        if let Some(version) = test.newer {
            let _ = write!(out, " (since {version})");
        }
        if let Some(reason) = test.justification {
            let _ = write!(out, " [{reason}]");
        }
        out.push('\n');
    }
    out
}

const LEGEND: &str = "
A requirement names the document and section of the OCI runtime specification it is taken from; `engines:` marks what
container engines rely on beyond it. *Since* names the version that brought a feature, for runtimes that are older.
In brackets stands why a test is right although runtimes at hand fail it. A test is skipped where the machine lacks
what it needs: the version 2 view of a machine with version 1 controllers has no controllers at all.
";

/// For docs: every requirement, grouped, with a table of sums first.
pub fn markdown(report: &Report<'_>) -> String {
    let mut out = String::from(
        "# Conformance\n\nWritten by the conformance suite; every cell is the result of a test run.\n\n",
    );
    out.push_str(
        "| | version | cgroups | passed | failed | skipped |\n|---|---|---|---|---|---|\n",
    );
    for (i, runtime) in report.runtimes.iter().enumerate() {
        let [passed, failed, skipped] = report.count(Some(i));
        let _ = writeln!(
            out,
            "| {} | {} | {} | {passed} | {failed} | {skipped} |",
            runtime.name,
            runtime.version(),
            runtime.view.name()
        );
    }
    out.push_str(LEGEND);
    let mut group = "";
    for (i, test) in report.tests.iter().enumerate() {
        if test.group != group {
            group = test.group;
            let names: Vec<&str> = report.runtimes.iter().map(|r| r.name.as_str()).collect();
            let _ = writeln!(
                out,
                "\n## {group}\n\n| test | requirement | {} |",
                names.join(" | ")
            );
            let _ = writeln!(out, "|---|---|{}", "---|".repeat(names.len()));
        }
        let name = test
            .name
            .split_once('/')
            .map_or(test.name.as_str(), |(_, name)| name);
        let mut requirement = test.requirement.replace('|', "\\|").replace('\n', " ");
        if let Some(version) = test.newer {
            let _ = write!(requirement, " (since {version})");
        }
        if let Some(reason) = test.justification {
            let _ = write!(requirement, " [{}]", reason.replace('|', "\\|"));
        }
        let _ = write!(out, "| {name} | {requirement} |");
        for runtime in 0..report.runtimes.len() {
            let _ = write!(
                out,
                " {} |",
                word(report.outcome(i, runtime).map(|o| &o.verdict))
            );
        }
        out.push('\n');
    }
    out
}
