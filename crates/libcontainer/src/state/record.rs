//! What a record says, and how it stands in its file: a line of JSON for what is about to be made, and one for what has been made.

use crate::plan::exec::Template;
use crate::spec;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::path::Path;

/// Version of the record's form. A newer runtime reads those of older releases.
pub(super) const VERSION: u32 = 3;

/// How far the making of a container has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Side effects may exist; the process is not known.
    #[default]
    Creating,
    /// Complete.
    Created,
}

/// All that later commands need.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record {
    /// Version of this form.
    pub version: u32,
    /// How far it has come.
    pub phase: Phase,
    /// The id.
    pub id: String,
    /// The bundle, absolute.
    pub bundle: String,
    /// The root filesystem, absolute.
    pub rootfs: String,
    /// When it was made (RFC 3339, UTC, nanoseconds).
    pub created: String,
    /// Who made it.
    pub owner: u32,
    /// Its first process in the runtime's pid namespace; 0 while unknown.
    pub pid: i32,
    /// The inode of that process's pidfds; 0 where the kernel has none for each.
    pub pidfd_inode: u64,
    /// Only there: when that process started, in clock ticks since boot (proc_pid_stat(5)).
    pub start_time: u64,
    /// Which boot that was.
    pub boot_id: String,
    /// Its cgroup.
    pub cgroup: libcgroups::Record,
    /// Its groups in resctrl.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intel_rdt: Option<crate::resctrl::Record>,
    /// The end of its first process is the end of all (a pid namespace of its own).
    pub private_pids: bool,
    /// The rootfs is mounted in the runtime's mount namespace and must be taken away.
    pub mounts_on_host: bool,
    /// From the configuration.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Those that run after the creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Box<spec::Hooks>>,
    /// What exec needs: in the first line only, which no other command of a running container decodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<Box<Template>>,
}

impl Record {
    /// The record of a container that is about to be made.
    pub fn new(id: &str, bundle: &Path, rootfs: &CStr) -> Record {
        Record {
            version: VERSION,
            id: id.to_owned(),
            bundle: bundle.to_string_lossy().into_owned(),
            rootfs: rootfs.to_string_lossy().into_owned(),
            created: crate::time::now_rfc3339(),
            owner: kernel::cred::initial_ids().0,
            ..Record::default()
        }
    }
}

/// A record as it stands in the file.
#[derive(Debug)]
pub struct Line(Vec<u8>);

impl Line {
    /// It.
    pub fn of(record: &Record) -> Line {
        let mut text =
            serde_json::to_vec(record).expect("strings and numbers always serialise to memory");
        text.push(b'\n');
        Line(text)
    }

    /// The bytes, with the end of the line.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What was read of a record: its complete lines.
#[derive(Debug, Default)]
pub struct Lines(Vec<u8>);

impl Lines {
    /// Those of a file with that content. Without the end of the last one.
    pub fn of(mut content: Vec<u8>) -> Lines {
        content.truncate(content.iter().rposition(|b| *b == b'\n').unwrap_or(0));
        Lines(content)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was about to be made; empty if there is no line.
    pub fn first(&self) -> &[u8] {
        self.0.split(|b| *b == b'\n').next().unwrap_or_default()
    }

    /// What counts; empty if there is no line.
    pub fn last(&self) -> &[u8] {
        self.0.rsplit(|b| *b == b'\n').next().unwrap_or_default()
    }
}
