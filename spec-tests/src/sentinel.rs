//! A tree of the host, outside the bundle, that nothing a container does may touch: its content, inodes and times stay, and nothing is mounted on it.
//! Every security test has one, which is looked at when the test is over; most look earlier, too.

use crate::check;
use crate::check::Verdict;
use crate::context::Context;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

/// What is in its files. A container that shows this has shown the host.
pub const MARK: &str = "the host's own";

/// The tree.
pub struct Sentinel {
    /// Its folder.
    pub dir: PathBuf,
    before: BTreeMap<PathBuf, Entry>,
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    inode: u64,
    mode: u32,
    owner: (u32, u32),
    links: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    content: Vec<u8>,
}

impl Sentinel {
    /// Makes the tree in the test's folder; when it is there already, looks at it.
    pub fn new(c: &Context) -> Verdict<Sentinel> {
        let dir = c.dir.join("sentinel");
        if !dir.exists() {
            fs::create_dir_all(dir.join("sub"))?;
            for name in ["file", "null", "sentinel", "passwd", "sub/file"] {
                fs::write(dir.join(name), MARK)?;
            }
            symlink("file", dir.join("link"))?;
        }
        let before = picture(&dir)?;
        Ok(Sentinel { dir, before })
    }

    /// The folder as text.
    pub fn path(&self) -> String {
        self.dir.to_string_lossy().into_owned()
    }

    /// Fails when anything changed or is mounted there.
    pub fn unchanged(&self) -> Verdict {
        let table = fs::read_to_string("/proc/self/mountinfo")?;
        check!(
            !table.contains(&self.path()),
            "something is mounted on the sentinel"
        );
        let now = picture(&self.dir)?;
        let names = now.keys().chain(self.before.keys());
        let changed: BTreeSet<_> = names
            .filter(|name| now.get(*name) != self.before.get(*name))
            .collect();
        check!(
            changed.is_empty(),
            "the sentinel has changed at {changed:?}"
        );
        Ok(())
    }
}

fn picture(dir: &Path) -> Verdict<BTreeMap<PathBuf, Entry>> {
    let mut map = BTreeMap::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(path) = todo.pop() {
        let meta = fs::symlink_metadata(&path)?;
        let content = if meta.is_file() {
            fs::read(&path)?
        } else {
            Vec::new()
        };
        if meta.is_dir() {
            todo.extend(fs::read_dir(&path)?.flatten().map(|entry| entry.path()));
        }
        let entry = Entry {
            inode: meta.ino(),
            mode: meta.mode(),
            owner: (meta.uid(), meta.gid()),
            links: meta.nlink(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
            content,
        };
        map.insert(path, entry);
    }
    Ok(map)
}
