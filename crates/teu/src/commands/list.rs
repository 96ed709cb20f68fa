//! `list`: all containers.

use super::print;
use crate::context;
use crate::log::Log;
use libcontainer::error::During;
use libcontainer::lifecycle::Container;
use libcontainer::spec::state_document::StateOutput;
use libcontainer::{Kind, Result};
use liboci_cli::{Format, Global, List};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Runs the command.
#[inline(never)]
pub fn run(global: &Global, command: &List, log: &mut Log) -> Result<i32> {
    let root = context::state_root(global)?;
    if command.quiet {
        let ids = libcontainer::state::ids(&root)?;
        return print(
            ids.iter()
                .fold(String::new(), |text, id| text + id + "\n")
                .as_bytes(),
        );
    }
    let mut names = Names::default();
    let mut rows = Vec::new();
    for id in libcontainer::state::ids(&root)? {
        let row = Container::open(&root, &id).and_then(|container| {
            Ok(StateOutput {
                owner: names.of(container.record.owner),
                ..container.output()?
            })
        });
        match row {
            Ok(row) => rows.push(row),
            // It went away at this moment.
            Err(e) if e.kind() == Kind::NotFound => {}
            Err(e) => log.warn(&[format!("container {id}: {e}")]),
        }
    }
    if command.format == Format::Json {
        // What Go writes for an empty list; engines and tests compare it.
        let json = if rows.is_empty() {
            "null".to_owned()
        } else {
            serde_json::to_string(&rows).during_json()?
        };
        return print((json + "\n").as_bytes());
    }
    let header = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(String::from);
    let lines = rows.into_iter().map(|r| {
        [
            r.id,
            r.pid.to_string(),
            r.status,
            r.bundle,
            r.created,
            r.owner,
        ]
    });
    print(table(std::iter::once(header).chain(lines).collect()).as_bytes())
}

trait DuringJson<T> {
    fn during_json(self) -> Result<T>;
}
impl<T> DuringJson<T> for serde_json::Result<T> {
    fn during_json(self) -> Result<T> {
        self.map_err(std::io::Error::from)
            .during(|| "write JSON".into())
    }
}

/// Columns as wide as they need, at least 12, and three blanks between.
fn table<const N: usize>(rows: Vec<[String; N]>) -> String {
    let width = |column: usize| {
        rows.iter()
            .map(|r| r[column].chars().count() + 3)
            .max()
            .unwrap_or(0)
            .max(12)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    rows.iter().fold(String::new(), |mut text, row| {
        for (column, cell) in row.iter().enumerate() {
            let end = if column + 1 == N { 0 } else { widths[column] };
            let _ = write!(text, "{cell:end$}");
        }
        text + "\n"
    })
}

/// User names, read from /etc/passwd at the first question.
#[derive(Default)]
struct Names(Option<BTreeMap<u32, String>>);

impl Names {
    #[allow(clippy::disallowed_methods, reason = "the host's user names")]
    fn of(&mut self, uid: u32) -> String {
        let map = self.0.get_or_insert_with(|| {
            let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
            let entry = |line: &str| {
                let mut fields = line.split(':');
                let name = fields.next()?.to_owned();
                Some((fields.nth(1)?.parse().ok()?, name))
            };
            passwd.lines().rev().filter_map(entry).collect()
        });
        map.get(&uid).cloned().unwrap_or_else(|| format!("#{uid}"))
    }
}
