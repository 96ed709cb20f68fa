//! One column of the matrix: how one runtime did in one place, in this run or in an earlier one.

use super::Report;
use crate::schedule::Verdict;
use crate::table::Test;
use std::collections::BTreeMap;
use std::io;

/// How a test ended, without the reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// As the requirement says.
    Pass,
    /// Not as the requirement says.
    Fail,
    /// Could not be made there.
    Skip,
}

impl Mark {
    /// For the terminal.
    pub fn word(self) -> &'static str {
        match self {
            Mark::Pass => "pass",
            Mark::Fail => "fail",
            Mark::Skip => "skip",
        }
    }

    /// For a table of many columns.
    pub fn sign(self) -> &'static str {
        match self {
            Mark::Pass => "✓",
            Mark::Fail => "**✗**",
            Mark::Skip => "–",
        }
    }
}

/// A runtime in a place.
pub struct Column {
    /// What reports call the runtime.
    pub runtime: String,
    /// What it says of itself.
    pub version: String,
    /// Where it ran: what cgroups there are, and who asked.
    pub environment: String,
    marks: BTreeMap<String, Mark>,
}

impl Column {
    /// How a test ended there; nothing when it was not run.
    pub fn mark(&self, test: &Test) -> Option<Mark> {
        self.marks.get(&test.name).copied()
    }

    /// The columns of this run.
    pub fn of_report(report: &Report<'_>) -> Vec<Column> {
        let marks = |runtime| {
            let outcomes = report.outcomes.iter().filter(move |o| o.runtime == runtime);
            outcomes.map(|outcome| {
                let mark = match outcome.verdict {
                    Verdict::Passed(_) => Mark::Pass,
                    Verdict::Failed(_) => Mark::Fail,
                    Verdict::Skipped(_) => Mark::Skip,
                };
                (report.tests[outcome.test].name.clone(), mark)
            })
        };
        report
            .runtimes
            .iter()
            .enumerate()
            .map(|(i, runtime)| Column {
                runtime: runtime.name.clone(),
                version: runtime.version(),
                environment: runtime.view.name().to_string(),
                marks: marks(i).collect(),
            })
            .collect()
    }

    /// Adds the columns of a TAP report that the suite wrote before, `ENVIRONMENT=FILE`. Of several reports of one runtime in one place the last one counts.
    pub fn add_tap(columns: &mut Vec<Column>, text: &str) -> io::Result<()> {
        let (environment, file) = text
            .split_once('=')
            .ok_or_else(|| io::Error::other(format!("{text}: not ENVIRONMENT=FILE")))?;
        let tap = std::fs::read_to_string(file)
            .map_err(|error| io::Error::other(format!("{file}: {error}")))?;
        let find = |columns: &[Column], runtime: &str| {
            let same = |c: &Column| c.runtime == runtime && c.environment == environment;
            columns.iter().position(same)
        };
        for line in tap.lines() {
            if let Some((runtime, version)) = line
                .strip_prefix("# runtime ")
                .and_then(|rest| rest.split_once(' '))
            {
                if find(columns, runtime).is_none() {
                    columns.push(Column {
                        runtime: runtime.to_string(),
                        version: version.to_string(),
                        environment: environment.to_string(),
                        marks: BTreeMap::new(),
                    });
                }
            } else if let Some((runtime, test, mark)) = point(line) {
                if let Some(at) = find(columns, runtime) {
                    columns[at].marks.insert(test.to_string(), mark);
                }
            }
        }
        Ok(())
    }
}

/// `[not ]ok N - RUNTIME TEST[ # SKIP reason]`.
fn point(line: &str) -> Option<(&str, &str, Mark)> {
    let (passed, rest) = match line.strip_prefix("not ok ") {
        Some(rest) => (false, rest),
        None => (true, line.strip_prefix("ok ")?),
    };
    let (_, rest) = rest.split_once(" - ")?;
    let (name, skipped) = match rest.split_once(" # SKIP") {
        Some((name, _)) => (name, true),
        None => (rest, false),
    };
    let (runtime, test) = name.split_once(' ')?;
    let mark = match (skipped, passed) {
        (true, _) => Mark::Skip,
        (false, true) => Mark::Pass,
        (false, false) => Mark::Fail,
    };
    Some((runtime, test, mark))
}
