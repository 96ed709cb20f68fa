//! The formats of cgroup files (cgroup-v2.rst, "Format"). What cannot be read counts as not there: statistics are taken of cgroups that may
//! vanish at any moment, on kernels that differ.

use super::{BlkioEntry, Psi, PsiLine, Rdma};
use crate::fs;
use std::collections::BTreeMap;
use std::path::Path;

/// A file's text; empty when there is none.
pub(super) fn text(dir: &Path, file: &str) -> String {
    fs::read(&dir.join(file)).unwrap_or_default()
}

/// A file with one number; `max` is 2^64 - 1.
pub(super) fn number(dir: &Path, file: &str) -> Option<u64> {
    limit(text(dir, file).trim())
}

fn limit(word: &str) -> Option<u64> {
    if word == "max" {
        Some(u64::MAX)
    } else {
        word.parse().ok()
    }
}

/// "Flat keyed": a name and a number on each line.
pub(super) fn flat(text: &str) -> BTreeMap<String, u64> {
    let lines = text.lines().filter_map(|l| l.split_once(' '));
    lines
        .filter_map(|(name, n)| Some((name.to_owned(), limit(n.trim())?)))
        .collect()
}

/// "Nested keyed": a name and `key=value` words on each line.
pub(super) fn nested(
    text: &str,
) -> impl Iterator<Item = (&str, impl Iterator<Item = (&str, &str)>)> {
    text.lines().filter_map(|line| {
        let (name, rest) = line.split_once(' ')?;
        Some((name, rest.split(' ').filter_map(|w| w.split_once('='))))
    })
}

/// A list such as `0-3,5`.
pub(super) fn list(text: &str) -> Vec<u16> {
    let ranges = text
        .trim()
        .split(',')
        .filter_map(|part| match part.split_once('-') {
            Some((from, to)) => Some(from.parse().ok()?..=to.parse().ok()?),
            None => part.parse().ok().map(|n: u16| n..=n),
        });
    ranges.flatten().collect()
}

pub(super) fn device(word: &str) -> Option<(u64, u64)> {
    let (major, minor) = word.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Lines of v1's blkio files: `8:0 Read 4096`, or `8:0 17` where there is no operation. The line `Total N` sums up and is left out.
pub(super) fn blkio(text: &str) -> Vec<BlkioEntry> {
    let lines = text.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (major, minor) = device(words.first()?)?;
        let (op, value) = match words[1..] {
            [op, value] => (op, value),
            [value] => ("", value),
            _ => return None,
        };
        Some(BlkioEntry {
            major,
            minor,
            op: op.to_owned(),
            value: value.parse().ok()?,
        })
    });
    lines.collect()
}

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and the same for `full`. None where the kernel does not keep count.
pub(super) fn psi(text: &str) -> Option<Psi> {
    let mut psi = Psi::default();
    let mut found = false;
    for (name, words) in nested(text) {
        let line = match name {
            "some" => &mut psi.some,
            "full" => &mut psi.full,
            _ => continue,
        };
        found = true;
        *line = words.fold(PsiLine::default(), |mut line, (key, value)| {
            match key {
                "avg10" => line.avg10 = value.parse().unwrap_or(0.0),
                "avg60" => line.avg60 = value.parse().unwrap_or(0.0),
                "avg300" => line.avg300 = value.parse().unwrap_or(0.0),
                "total" => line.total = value.parse().unwrap_or(0),
                _ => {}
            }
            line
        });
    }
    found.then_some(psi)
}

/// rdma.current and rdma.max.
pub(super) fn rdma(current: &str, max: &str) -> BTreeMap<String, Rdma> {
    let mut devices: BTreeMap<String, Rdma> = BTreeMap::new();
    for (name, words) in nested(current) {
        let device = devices.entry(name.to_owned()).or_default();
        for (key, value) in words {
            match key {
                "hca_handle" => device.hca_handles = value.parse().unwrap_or(0),
                "hca_object" => device.hca_objects = value.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
    for (name, words) in nested(max) {
        let device = devices.entry(name.to_owned()).or_default();
        for (key, value) in words {
            match key {
                "hca_handle" => device.hca_handles_limit = value.parse().ok(),
                "hca_object" => device.hca_objects_limit = value.parse().ok(),
                _ => {}
            }
        }
    }
    devices
}

/// The page sizes of the huge page files in a cgroup, told by the files with this ending.
#[allow(
    clippy::disallowed_methods,
    reason = "the cgroup filesystem, which has no links"
)]
pub(super) fn page_sizes(dir: &Path, ending: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let names = entries
        .flatten()
        .filter_map(|e| e.file_name().into_string().ok());
    let size = |name: String| {
        name.strip_prefix("hugetlb.")?
            .strip_suffix(ending)
            .filter(|s| !s.contains('.'))
            .map(str::to_owned)
    };
    names.filter_map(size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        assert_eq!(list("0-2,5\n"), [0, 1, 2, 5]);
        assert_eq!(list("\n"), [] as [u16; 0]);
        assert_eq!(flat("low 0\nmax 7\n")["max"], 7);
        let entry = |op: &str, value| BlkioEntry {
            major: 8,
            minor: 0,
            op: op.into(),
            value,
        };
        assert_eq!(
            blkio("8:0 Read 1\n8:0 2\nTotal 3\n"),
            [entry("Read", 1), entry("", 2)]
        );
        let p = psi("some avg10=1.50 avg60=0.00 avg300=0.10 total=9\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=4\n").unwrap();
        assert_eq!((p.some.avg10, p.some.total, p.full.total), (1.5, 9, 4));
        assert_eq!(psi(""), None);
        let r = rdma(
            "mlx5_0 hca_handle=1 hca_object=2\n",
            "mlx5_0 hca_handle=3 hca_object=max\n",
        );
        assert_eq!(
            r["mlx5_0"],
            Rdma {
                hca_handles: 1,
                hca_objects: 2,
                hca_handles_limit: Some(3),
                hca_objects_limit: None
            }
        );
    }
}
