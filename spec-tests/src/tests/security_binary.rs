//! Holes around the runtime's own binary and oversized values.

use crate::check;
use crate::check::fail;
use crate::host::Need;
use crate::table::Table;
use serde_json::{Value, json};
use std::fs;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;

/// Adds to the group of holes.
pub fn add(t: &mut Table) {
    t.group("security");
    binary(t);
    sizes(t);
}

fn binary(t: &mut Table) {
    t.add(
        "cve-2019-5736",
        "CVE-2019-5736: the runtime's binary cannot be \
             opened for writing through a container's process",
        |c| {
            let runtime = c.runtime.path.clone();
            let before = fs::read(&runtime)?;
            c.args(&["pause"]);
            c.create()?;
            let pid = c.pid()?;
            let exe = rustix::fs::open(
                format!("/proc/{pid}/exe"),
                rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC,
                rustix::fs::Mode::empty(),
            )?;
            c.destroy()?;
            let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&exe));
            if let Ok(file) = fs::OpenOptions::new().write(true).open(&path) {
                let (ours, theirs) = (file.metadata()?, fs::metadata(&runtime)?);
                check!(
                    (ours.dev(), ours.ino()) != (theirs.dev(), theirs.ino()),
                    "{} can be written through /proc/PID/exe",
                    runtime.display()
                );
                let seals =
                    rustix::fs::fcntl_get_seals(&file).unwrap_or(rustix::fs::SealFlags::empty());
                check!(
                    seals.contains(rustix::fs::SealFlags::WRITE),
                    "the copy of the binary can be written; seals are {seals:?}"
                );
            }
            check!(fs::read(&runtime)? == before, "the binary changed");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "relocated-read-only",
        "elf(5), PT_GNU_RELRO: what only the start of the runtime writes is read-only afterwards",
        |c| {
            let Some((pages, movable)) = relro(&fs::read(&c.runtime.path)?) else {
                return Ok(());
            };
            c.args(&["pause"]);
            c.create()?;
            let maps = fs::read_to_string(format!("/proc/{}/maps", c.pid()?))?;
            c.destroy()?;
            check!(
                !any_writable(&maps, &pages, movable),
                "{pages:x?} can be written: {maps}"
            );
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "cve-2019-5736-self-exe",
        "CVE-2019-5736: an image whose program is /proc/self/exe cannot change the binary",
        |c| {
            let runtime = c.runtime.path.clone();
            let before = fs::read(&runtime)?;
            c.config["process"]["args"] = json!(["/proc/self/exe", "--version"]);
            c.run_somehow()?;
            check!(fs::read(&runtime)? == before, "the binary changed");
            Ok(())
        },
    );
}

/// The addresses of the pages of a 64-bit program that become read-only after relocation, and whether they count from where it is loaded.
fn relro(elf: &[u8]) -> Option<(Range<u64>, bool)> {
    const PT_GNU_RELRO: u64 = 0x6474_e552;
    const ET_DYN: u64 = 3;
    let number = |at: u64, size: usize| {
        let bytes = elf.get(at as usize..at as usize + size)?;
        let digits = bytes.iter().rev();
        Some(digits.fold(0, |n: u64, byte| n << 8 | u64::from(*byte)))
    };
    let (table, entry, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    let mut headers = (0..count).map(|i| table + i * entry);
    let header = headers.find(|at| number(*at, 4) == Some(PT_GNU_RELRO))?;
    let (start, length) = (number(header + 16, 8)?, number(header + 40, 8)?);
    let pages = start & !4095..(start + length) & !4095;
    Some((pages, number(16, 2)? == ET_DYN))
}

/// A mapping as proc_pid_maps(5) lists it.
struct Mapping<'a> {
    range: Range<u64>,
    rights: &'a str,
    offset: &'a str,
    inode: &'a str,
}

fn mappings(maps: &str) -> impl Iterator<Item = Mapping<'_>> {
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    maps.lines().filter_map(move |line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [range, rights, offset, _device, inode, ..] = fields[..] else {
            return None;
        };
        let (start, end) = range.split_once('-')?;
        Some(Mapping {
            range: hex(start)?..hex(end)?,
            rights,
            offset,
            inode,
        })
    })
}

/// Whether one of the pages, counted from where the program's file is mapped first, can be written.
fn any_writable(maps: &str, pages: &Range<u64>, movable: bool) -> bool {
    let first = |m: &Mapping| m.inode != "0" && m.offset.bytes().all(|b| b == b'0');
    let base = match movable {
        true => mappings(maps).find(first).map_or(0, |m| m.range.start),
        false => 0,
    };
    mappings(maps).any(|m| {
        m.rights.contains('w')
            && m.range.start < base + pages.end
            && m.range.end > base + pages.start
    })
}

fn sizes(t: &mut Table) {
    let long = "x".repeat(70_000);
    let cases: [(&str, Value); 3] = [
        (
            "namespace-path",
            json!({"linux": {"namespaces": [{"type": "network", "path": format!("/{long}")}]}}),
        ),
        ("rootfs-path", json!({"root": {"path": long.clone()}})),
        ("cwd", json!({"process": {"cwd": format!("/{long}")}})),
    ];
    for (name, change) in cases {
        t.add(
            format!("cve-2021-43784-{name}"),
            "CVE-2021-43784: values of 70 kB are a clean error or have exactly their effect",
            move |c| {
                merge(&mut c.config, &change);
                c.create_fails().map(|_| ())
            },
        );
    }
    t.add(
        "cve-2021-43784-mappings",
        "CVE-2021-43784: thousands of id mappings are a clean error",
        |c| {
            crate::config::use_user_namespace(&mut c.config, 100_000);
            let map: Vec<Value> = (0..5000)
                .map(|i| json!({"containerID": i, "hostID": 100_000 + i, "size": 1}))
                .collect();
            c.config["linux"]["uidMappings"] = json!(map);
            c.create_fails().map(|_| ())
        },
    )
    .needs(&[Need::Root, Need::UserNamespace]);
    t.add(
        "long-id",
        "an id of 5000 characters is a clean error",
        |c| {
            c.write_config()?;
            let (id, bundle) = (
                format!("{}{}", c.tag, "x".repeat(5000)),
                c.bundle().to_string_lossy().into_owned(),
            );
            let output = c.call(&["create", "--bundle", &bundle, &id])?;
            if output.code == Some(0) {
                return fail("it was accepted");
            }
            output.failure().map(|_| ())
        },
    );
}

/// Merges objects; arrays and the rest are replaced.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}
