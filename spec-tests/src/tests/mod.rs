//! The tests, one file per subject.

mod lifecycle;

use crate::table::Table;

/// Every test.
pub fn all() -> Table {
    let mut table = Table::default();
    lifecycle::add(&mut table);
    table
}
