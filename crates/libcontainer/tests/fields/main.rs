//! docs/fields.md says of every field what is done with it, where, and which test shows it. Here it is held to that: no field without a row, no row
//! for what is no field, no file and no test that does not exist.

#![allow(clippy::disallowed_methods, reason = "the test's own files")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const FIELDS: &str = include_str!("../spec/data/fields.txt");
const TABLE: &str = include_str!("../../../../docs/fields.md");

/// The folder of the whole project.
fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The cells of the rows of all tables: those whose first cell is in backquotes.
fn rows() -> Vec<Vec<&'static str>> {
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect();
    TABLE
        .lines()
        .filter(|l| l.starts_with("| `"))
        .map(cells)
        .collect()
}

/// What stands in backquotes.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The text of all sources below a folder.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .flatten()
    {
        let path = entry.path();
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|e| e == "rs") {
            text += &fs::read_to_string(&path).expect("a source is text");
        }
    }
    text
}

#[test]
fn every_field_has_its_row() {
    let fields: BTreeSet<&str> = FIELDS
        .lines()
        .filter(|l| l.starts_with('/'))
        .filter_map(|l| l.split(' ').next())
        .collect();
    let mut listed = BTreeSet::new();
    for row in rows() {
        let name = quoted(row[0]).next().expect("a row has a name");
        if name.starts_with('/') {
            assert!(listed.insert(name), "{name} has two rows");
            assert!(
                row.len() == 4 && row.iter().all(|cell| !cell.is_empty()),
                "the row of {name} is not complete"
            );
        }
    }
    assert_eq!(
        fields.difference(&listed).collect::<Vec<_>>(),
        Vec::<&&str>::new(),
        "fields without a row"
    );
    assert_eq!(
        listed.difference(&fields).collect::<Vec<_>>(),
        Vec::<&&str>::new(),
        "rows without a field"
    );
}

#[test]
fn every_file_exists() {
    for row in rows().iter().filter(|row| row.len() == 4) {
        let (krate, files) = row[2].split_once(": ").unwrap_or(("libcontainer", row[2]));
        for file in files.split(", ") {
            let path = project().join("crates").join(krate).join("src").join(file);
            assert!(path.is_file(), "{}: there is no {}", row[0], path.display());
        }
    }
}

#[test]
fn every_test_exists() {
    let suite = suite();
    let mut missing = Vec::new();
    for row in rows() {
        for test in quoted(row.last().expect("a row has cells")) {
            let there = match test.split_once("::") {
                Some((krate, function)) => sources(&project().join("crates").join(krate))
                    .contains(&format!("fn {function}()")),
                None => test
                    .split_once('/')
                    .is_some_and(|(group, name)| suite.has(group, name)),
            };
            if !there {
                missing.push(format!("{}: {test}", row[0]));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

/// The texts in the sources of the conformance suite. Names are texts there, or put together from a pattern such as `bad-{what}`, or from the name of
/// a constant of the kernel.
struct Suite {
    groups: BTreeSet<String>,
    names: BTreeSet<String>,
    patterns: Vec<String>,
}

fn suite() -> Suite {
    let text = sources(&project().join("spec-tests/src/tests"));
    let first = |call: &str| {
        text.split(call)
            .skip(1)
            .filter_map(|code| code.split('"').nth(1))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let names = text
        .lines()
        .flat_map(|line| line.split('"').skip(1).step_by(2));
    Suite {
        groups: first(".group(").into_iter().collect(),
        names: names
            .map(|name| name.to_lowercase().replace('_', "-"))
            .collect(),
        // A pattern of nothing but a variable would match everything.
        patterns: first(".add(")
            .into_iter()
            .filter(|p| p.contains('{') && !(p.starts_with('{') && p.ends_with('}')))
            .collect(),
    }
}

impl Suite {
    fn has(&self, group: &str, name: &str) -> bool {
        let made = |pattern: &String| match (pattern.split_once('{'), pattern.rsplit_once('}')) {
            (Some((start, _)), Some((_, end))) => {
                name.len() > start.len() + end.len()
                    && name.starts_with(start)
                    && name.ends_with(end)
            }
            _ => false,
        };
        self.groups.contains(group)
            && (self.names.contains(&name.replace('_', "-")) || self.patterns.iter().any(made))
    }
}
