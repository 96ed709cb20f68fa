//! Packs `tables/syscalls.tsv` into one string of all names and one array of
//! 16-bit numbers per architecture.

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

/// Stands for a call that an architecture lacks.
const ABSENT: u32 = 0xffff;

#[allow(clippy::disallowed_methods, reason = "the build's own files")]
fn main() {
    println!("cargo::rerun-if-changed=tables/syscalls.tsv");
    let table = fs::read_to_string("tables/syscalls.tsv").expect("tables/syscalls.tsv");
    let mut lines = table.lines().filter(|line| !line.starts_with('#'));
    let columns = lines.next().expect("a line of column names").split('\t');
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split('\t').collect()).collect();
    assert!(rows.is_sorted_by_key(|row| row[0]), "names must be sorted");

    let names: String = rows.iter().map(|row| row[0]).collect();
    let mut starts = vec![0];
    for row in &rows {
        starts.push(starts[starts.len() - 1] + row[0].len());
    }
    let mut code = format!(
        "const NAMES: &str = \"{names}\";\n\
         static STARTS: [u16; {}] = {starts:?};\n",
        starts.len()
    );
    // Where the names with each first letter begin: four fewer comparisons.
    let initials: Vec<usize> = (0..=128)
        .map(|initial| rows.partition_point(|row| row[0].as_bytes()[0] < initial))
        .collect();
    writeln!(code, "static INITIALS: [u16; 129] = {initials:?};").unwrap();
    for (column, name) in columns.enumerate().skip(1) {
        let numbers: Vec<u32> = rows.iter().map(|row| packed(row[column])).collect();
        let name = name.to_uppercase();
        writeln!(code, "static {name}: [u16; {}] = {numbers:?};", rows.len()).unwrap();
    }
    let out = env::var("OUT_DIR").expect("OUT_DIR is set by cargo");
    fs::write(Path::new(&out).join("tables.rs"), code).expect("write tables.rs");
}

/// The private calls of ARM, 0xf0001 and up, are the only numbers that do not
/// fit; they lose four bits in the middle.
fn packed(number: &str) -> u32 {
    match number {
        "-" => ABSENT,
        number => match number.parse::<u32>().expect("a number") {
            private @ 0xf0000..=0xf0fff => 0xf000 | private & 0xfff,
            number if number < 0xf000 => number,
            number => panic!("{number} does not fit"),
        },
    }
}
