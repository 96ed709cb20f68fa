//! The conformance matrix: requirement by requirement, runtime beside runtime.

use super::Report;
use super::column::{Column, Mark};
use crate::table::Test;
use std::fmt::Write;

/// For the terminal: only the rows where runtimes differ or fail.
pub fn text(report: &Report<'_>) -> String {
    let columns = Column::of_report(report);
    let mut out = format!("\n{:<58}", "where not all pass");
    for column in &columns {
        let _ = write!(out, " {}", column.runtime);
    }
    out.push('\n');
    for test in report.tests {
        let marks = || columns.iter().map(|column| column.mark(test));
        if !marks().any(|mark| mark == Some(Mark::Fail)) {
            continue;
        }
        let _ = write!(out, "{:<58}", test.name);
        for (mark, column) in marks().zip(&columns) {
            let word = mark.map_or("", Mark::word);
            let _ = write!(out, " {word:<width$}", width = column.runtime.len().max(4));
        }
        let _ = writeln!(out, "{}", remarks(test));
    }
    out
}

/// Tests that every one of several runtimes fails, without a word on why the test stands.
pub fn unjustified<'a>(report: &Report<'a>) -> Vec<&'a str> {
    let columns = Column::of_report(report);
    let all_fail = |test: &Test| {
        columns
            .iter()
            .all(|column| column.mark(test) == Some(Mark::Fail))
    };
    report
        .tests
        .iter()
        .filter(|test| columns.len() > 1 && test.justification.is_none() && all_fail(test))
        .map(|test| test.name.as_str())
        .collect()
}

/// What is known about a test beside its requirement.
fn remarks(test: &Test) -> String {
    let mut out = String::new();
    if let Some(version) = test.newer {
        let _ = write!(out, " (since {version})");
    }
    if let Some(reason) = test.justification {
        let _ = write!(out, " [{reason}]");
    }
    out
}

const LEGEND: &str = "
v1: as root, cgroup version 1 controllers. v2: as root in the [test machine](../spec-tests/vm), cgroup version 2, cgroups made by the runtime itself.
systemd: the same, cgroups made by systemd. rootless: an ordinary user in the test machine, with systemd and a delegated cgroup.

✓ passed, **✗** failed, – skipped, because the machine lacks what the test needs or the requirement is not about such a caller; empty: not run there.
A requirement names what it is taken from: the document and section of the OCI runtime specification, a manual page, a CVE; `engines:` marks what
container engines rely on beyond them. One that names nothing is ours, of security or reliability. *Since* names the version that brought a feature, for runtimes that are older.
In brackets stands why a test is right although runtimes at hand fail it.
";

/// For docs: every requirement, grouped, with a table of sums first.
pub fn markdown(tests: &[&Test], columns: &[Column]) -> String {
    let mut out = String::from(
        "# Conformance\n\nWritten by the conformance suite; every cell is the result of a test run.\n\n",
    );
    out.push_str("| | version | where | passed | failed | skipped |\n|---|---|---|---|---|---|\n");
    for column in columns {
        let count = |mark| {
            tests
                .iter()
                .filter(|test| column.mark(test) == Some(mark))
                .count()
        };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            column.runtime,
            column.version,
            column.environment,
            count(Mark::Pass),
            count(Mark::Fail),
            count(Mark::Skip)
        );
    }
    out.push_str(LEGEND);
    let mut groups: Vec<&str> = Vec::new();
    for test in tests {
        if !groups.contains(&test.group) {
            groups.push(test.group);
        }
    }
    for group in groups {
        let _ = writeln!(
            out,
            "\n## {group}\n\n| test | requirement |{}",
            heads(columns)
        );
        let _ = writeln!(out, "|---|---|{}", "---|".repeat(columns.len()));
        for test in tests.iter().filter(|test| test.group == group) {
            row(&mut out, test, columns);
        }
    }
    out
}

fn row(out: &mut String, test: &Test, columns: &[Column]) {
    let name = test
        .name
        .split_once('/')
        .map_or(test.name.as_str(), |(_, name)| name);
    let requirement = format!("{}{}", test.requirement, remarks(test));
    let _ = write!(
        out,
        "| {name} | {} |",
        requirement.replace('|', "\\|").replace('\n', " ")
    );
    for column in columns {
        let _ = write!(out, " {} |", column.mark(test).map_or("", Mark::sign));
    }
    out.push('\n');
}

fn heads(columns: &[Column]) -> String {
    columns
        .iter()
        .map(|column| format!(" {} {} |", column.runtime, column.environment))
        .collect()
}
