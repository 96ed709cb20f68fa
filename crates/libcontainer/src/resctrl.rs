//! Cache and memory bandwidth allocation by the resctrl filesystem (kernel documentation: filesystems/resctrl.rst).

pub mod stats;

use crate::error::{During, Error, Kind, Result};
use crate::plan::IntelRdt;
use kernel::file::{self, CWD, O_RDONLY, O_TRUNC, O_WRONLY};
use kernel::{Errno, io};
use serde::{Deserialize, Serialize};
use std::ffi::CString;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What is known of a container's groups: all that exec, update and delete need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record {
    /// The control group's directory.
    pub group: PathBuf,
    /// It is the container's own, and goes with it.
    pub remove: bool,
    /// The monitoring group's directory, which is always the container's own.
    pub monitor: Option<PathBuf>,
}

const FIELD: &str = "/linux/intelRdt";

/// Where the filesystem is mounted.
///
/// # Errors
/// It is not.
#[allow(
    clippy::disallowed_methods,
    reason = "resctrl is a filesystem of the kernel, without links"
)]
pub fn find() -> Result<PathBuf> {
    let table = std::fs::read_to_string("/proc/self/mountinfo")
        .during(|| "read /proc/self/mountinfo".into())?;
    mounted(&table).ok_or_else(|| {
        Error::new(Kind::Failed, "the resctrl filesystem is not mounted").field(FIELD).hint("mount it: mount -t resctrl resctrl /sys/fs/resctrl; the CPU must have resource control")
    })
}

/// The mount point in a table of mounts (proc_pid_mountinfo(5)).
fn mounted(table: &str) -> Option<PathBuf> {
    let line = table.lines().find(|l| {
        l.split_once(" - ")
            .is_some_and(|(_, rest)| rest.starts_with("resctrl "))
    })?;
    let point = line.split(' ').nth(4)?;
    // Space, tab, newline and backslash are octal there.
    let text = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(point.to_owned(), |t, (from, to)| t.replace(from, to));
    Some(text.into())
}

/// Says where the groups of a container will be. To be recorded before [`create`]; `remove` is then true for what will be new, so that a clean-up leaves
/// nothing behind.
///
/// # Errors
/// A class without a schema that is not there, or a group of the container's name that somebody else has made.
#[allow(
    clippy::disallowed_methods,
    reason = "resctrl is a filesystem of the kernel, without links"
)]
pub fn intend(root: &Path, wanted: &IntelRdt, id: &str) -> Result<Record> {
    let class = wanted.class.as_deref();
    let group = match class {
        Some("/") => root.to_owned(),
        name => root.join(name.unwrap_or(id)),
    };
    let there = group.is_dir();
    if class.is_some() && wanted.schemata.is_empty() && !there {
        let why = format!(
            "class of service {} does not exist, and there is no schema to make it with",
            group.display()
        );
        return Err(Error::new(Kind::Invalid, why).field(format!("{FIELD}/closID")));
    }
    if class.is_none() && there {
        let why = format!(
            "{} exists already, and is not this container's",
            group.display()
        );
        return Err(Error::new(Kind::Invalid, why)
            .field(FIELD)
            .hint("set closID to share it"));
    }
    let monitor = wanted.monitoring.then(|| group.join("mon_groups").join(id));
    Ok(Record {
        group,
        remove: !there,
        monitor,
    })
}

/// Makes the groups and writes the schema. The record is what to keep.
///
/// # Errors
/// What the kernel refuses, with its own words.
pub fn create(root: &Path, wanted: &IntelRdt, intent: &Record) -> Result<Record> {
    if intent.remove {
        make_directory(&intent.group)?;
    }
    write_schemata(root, &intent.group, &wanted.schemata)?;
    if let Some(monitor) = &intent.monitor {
        make_directory(monitor).map_err(|e| e.field(format!("{FIELD}/enableMonitoring")))?;
    }
    Ok(Record {
        remove: intent.remove && wanted.class.is_none(),
        ..intent.clone()
    })
}

fn make_directory(path: &Path) -> Result<()> {
    file::mkdirat(CWD, &c(path)?, 0o755).map_err(|errno| {
        let error = Error::os(format!("mkdir {}", path.display()), errno).field(FIELD);
        if errno == Errno::ENOSPC {
            error.hint("the CPU has no more classes of service or monitors")
        } else {
            error
        }
    })
}

fn c(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Error::new(Kind::Invalid, "a path must not contain a NUL byte").field(FIELD))
}

/// Writes lines to a group's schema, all at once.
#[allow(
    clippy::disallowed_methods,
    reason = "resctrl is a filesystem of the kernel, without links"
)]
fn write_schemata(root: &Path, group: &Path, lines: &[String]) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let text = lines
        .iter()
        .fold(String::new(), |text, line| text + line + "\n");
    write(&group.join("schemata"), &text).map_err(|e| {
        match std::fs::read_to_string(root.join("info/last_cmd_status")) {
            Ok(words) if !matches!(words.trim(), "" | "ok") => e.cause(words.trim().to_owned()),
            _ => e,
        }
    })
}

fn write(path: &Path, text: &str) -> Result<()> {
    let what = || format!("write {:?} to {}", text.trim_end(), path.display());
    let file = file::openat(CWD, &c(path)?, O_WRONLY | O_TRUNC, 0);
    file.and_then(|f| io::write_all(f.as_fd(), text.as_bytes()))
        .map_err(|e| Error::os(what(), e).field(FIELD))
}

impl Record {
    /// Puts a process in the groups. Its children follow.
    ///
    /// # Errors
    /// The groups are gone.
    pub fn enter(&self, pid: i32) -> Result<()> {
        // A process can be in a monitoring group of its control group only.
        for group in std::iter::once(&self.group).chain(&self.monitor) {
            write(&group.join("tasks"), &format!("{pid}\n"))?;
        }
        Ok(())
    }

    /// Replaces lines of the schema; gives back what it was.
    ///
    /// # Errors
    /// What the kernel refuses. Nothing has changed then.
    pub fn update(&self, lines: &[String]) -> Result<Vec<String>> {
        let path = self.group.join("schemata");
        let what = || format!("read {}", path.display());
        let file = file::openat(CWD, &c(&path)?, O_RDONLY, 0).during(what)?;
        let old = crate::state::read_all(file.as_fd(), 1 << 20).during(what)?;
        let old = String::from_utf8_lossy(&old)
            .lines()
            .map(|l| l.trim().to_owned())
            .filter(|l| !l.is_empty())
            .collect::<Vec<_>>();
        let root = find().unwrap_or_default();
        write_schemata(&root, &self.group, lines)?;
        Ok(old)
    }

    /// Removes what is the container's own. What is gone already is no error.
    ///
    /// # Errors
    /// What cannot be removed.
    pub fn remove(&self) -> Result<()> {
        let own = self.remove.then_some(&self.group);
        for group in self.monitor.iter().chain(own) {
            match file::unlinkat(CWD, &c(group)?, true) {
                Err(Errno::ENOENT) => {}
                other => other.during(|| format!("rmdir {}", group.display()))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            let dir =
                std::env::temp_dir().join(format!("teu-resctrl-{name}-{}", std::process::id()));
            fs::create_dir_all(dir.join("info")).unwrap();
            Scratch(dir)
        }

        fn class(&self, name: &str) {
            fs::create_dir_all(self.0.join(name).join("mon_groups")).unwrap();
            fs::write(self.0.join(name).join("schemata"), "L3:0=fff\nMB:0=100\n").unwrap();
            fs::write(self.0.join(name).join("tasks"), "").unwrap();
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn wanted(class: Option<&str>, schemata: &[&str], monitoring: bool) -> IntelRdt {
        IntelRdt {
            class: class.map(str::to_owned),
            schemata: schemata.iter().map(|s| (*s).to_owned()).collect(),
            monitoring,
        }
    }

    #[test]
    fn the_filesystem_is_found_among_the_mounts() {
        let table = "22 1 0:20 / /proc rw - proc proc rw\n30 22 0:25 / /sys/fs/res\\040ctrl rw,nosuid - resctrl resctrl rw\n";
        assert_eq!(mounted(table), Some("/sys/fs/res ctrl".into()));
        assert_eq!(
            mounted("22 1 0:20 / /sys/fs/resctrl rw - tmpfs tmpfs rw\n"),
            None
        );
    }

    // No CPU at hand has resource control: plain files stand for those of a group that exists.
    #[test]
    fn an_existing_class_gets_the_schema_and_the_process_and_stays() {
        let scratch = Scratch::new("class");
        scratch.class("gold");
        let rdt = wanted(Some("gold"), &["L3:0=f", "MB:0=50"], false);
        let intent = intend(&scratch.0, &rdt, "c1").unwrap();
        let record = create(&scratch.0, &rdt, &intent).unwrap();
        record.enter(42).unwrap();
        assert_eq!(
            fs::read_to_string(scratch.0.join("gold/schemata")).unwrap(),
            "L3:0=f\nMB:0=50\n"
        );
        assert_eq!(
            fs::read_to_string(scratch.0.join("gold/tasks")).unwrap(),
            "42\n"
        );
        assert_eq!(
            record.update(&["MB:0=70".into()]).unwrap(),
            ["L3:0=f", "MB:0=50"]
        );
        record.remove().unwrap();
        assert!(scratch.0.join("gold").is_dir());
    }

    #[test]
    fn the_root_is_a_class_too() {
        let scratch = Scratch::new("root");
        scratch.class(".");
        let intent = intend(&scratch.0, &wanted(Some("/"), &[], true), "c1").unwrap();
        assert_eq!(
            intent,
            Record {
                group: scratch.0.clone(),
                remove: false,
                monitor: Some(scratch.0.join("mon_groups/c1"))
            }
        );
    }

    #[test]
    fn a_class_that_is_missing_or_not_ours_is_refused() {
        let scratch = Scratch::new("refused");
        scratch.class("c1");
        let pointer = |rdt: IntelRdt| {
            intend(&scratch.0, &rdt, "c1")
                .unwrap_err()
                .pointer()
                .unwrap()
                .to_owned()
        };
        assert_eq!(
            pointer(wanted(Some("none"), &[], false)),
            "/linux/intelRdt/closID"
        );
        assert_eq!(pointer(wanted(None, &["L3:0=f"], false)), "/linux/intelRdt");
        fs::write(scratch.0.join("info/last_cmd_status"), "Missing domain 1\n").unwrap();
        let error =
            write_schemata(&scratch.0, &scratch.0.join("gone"), &["L3:0=f".into()]).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("Missing domain 1: no such file or directory"),
            "{error}"
        );
    }

    // A directory of a version 1 cgroup hierarchy fills itself on mkdir and takes processes in `tasks`, as one of resctrl does.
    #[test]
    fn groups_of_its_own_come_and_go_with_the_container() {
        let hierarchy = Path::new("/sys/fs/cgroup/freezer");
        if kernel::cred::euid() != 0 || !hierarchy.join("tasks").exists() {
            eprintln!("skipped: needs root and the freezer hierarchy of cgroup version 1");
            return;
        }
        let root = hierarchy.join(format!("teu-resctrl-{}", std::process::id()));
        fs::create_dir(&root).unwrap();
        let rdt = wanted(None, &[], false);
        let record = create(&root, &rdt, &intend(&root, &rdt, "c1").unwrap()).unwrap();
        let shared = wanted(Some("c1"), &[], true);
        fs::create_dir(root.join("c1/mon_groups")).unwrap();
        let monitored = create(&root, &shared, &intend(&root, &shared, "c2").unwrap()).unwrap();

        let mut child = std::process::Command::new("/bin/sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = child.id() as i32;
        let entered = monitored.enter(pid);
        let there = fs::read_to_string(root.join("c1/mon_groups/c2/tasks")).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        entered.unwrap();
        assert_eq!(there, format!("{pid}\n"));

        monitored.remove().unwrap();
        assert!(!root.join("c1/mon_groups/c2").exists() && root.join("c1").exists());
        fs::remove_dir(root.join("c1/mon_groups")).unwrap();
        record.remove().unwrap();
        record.remove().unwrap();
        fs::remove_dir(&root).unwrap();
    }
}
