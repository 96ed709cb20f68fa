//! What `config.json` can say, decoded.
//!
//! The types follow the [runtime specification] field by field; names are the specification's in
//! snake case. Decoding checks types and nothing else: names of capabilities, namespaces or limits
//! stay strings, and the plan refuses the ones that it does not know, each with the JSON pointer of
//! the field.
//!
//! How JSON becomes these types:
//!
//! * Unknown fields are ignored, so a configuration of a newer 1.x version decodes. The objects
//!   `windows`, `solaris`, `vm`, `zos` and `freebsd` are unknown here.
//! * Absent and `null` are the same, and so are absent and the empty string or list, because
//!   engines are written in Go, whose encoder writes either for an unset field. Optional strings
//!   are `None` in all three cases, optional lists are empty. Fields that the specification
//!   requires are neither absent nor `null`.
//! * Field names match exactly. Go's decoder also takes `"Process"` for `process`; two spellings of
//!   one field are how a checker and a runtime come to read different things.
//! * A key given twice is refused, in objects and in maps.
//! * Integers are integers: `1.0` and `1e3` are refused, as in Go.
//!
//! [runtime specification]: https://github.com/opencontainers/runtime-spec/blob/v1.3.0/config.md

mod absent;
mod decode;
mod example;
mod hooks;
mod linux;
mod place;
mod process;
pub mod state_document;
mod strict;
pub mod version;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use absent::{is_default, non_empty, nullable};

pub use decode::{DecodeError, MAX_SIZE, decode, decode_json, decode_process};
pub use example::{default_spec, render};
pub use hooks::{Hook, Hooks};
pub use linux::{
    Device, IntelRdt, Linux, MemoryPolicy, Namespace, NetDevice, Personality, TimeOffset,
};
pub use process::{
    Capabilities, ConsoleSize, ExecCpuAffinity, IoPriority, Process, Rlimit, Scheduler, User,
};
pub use version::SPEC_VERSION;

/// The whole of `config.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// Version of the specification that the bundle complies with; see [`version::check`].
    pub oci_version: String,
    /// The container's process. The specification requires it by the time of `start`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Box<Process>>,
    /// The root filesystem. Required on Linux.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<Root>,
    /// Host name as seen inside; needs a UTS namespace.
    #[serde(
        default,
        deserialize_with = "non_empty",
        skip_serializing_if = "Option::is_none"
    )]
    pub hostname: Option<String>,
    /// NIS domain name as seen inside; needs a UTS namespace.
    #[serde(
        default,
        deserialize_with = "non_empty",
        skip_serializing_if = "Option::is_none"
    )]
    pub domainname: Option<String>,
    /// Mounts on top of the root filesystem, made in this order.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub mounts: Vec<Mount>,
    /// Programs to run at points of the container's life.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Box<Hooks>>,
    /// Arbitrary metadata, copied to the state.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub annotations: BTreeMap<String, String>,
    /// Everything that only Linux has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linux: Option<Box<Linux>>,
}

/// The container's root filesystem (`root`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Root {
    /// Directory on the host, absolute or relative to the bundle.
    pub path: String,
    /// Make the root filesystem read-only once everything is mounted.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub readonly: bool,
}

/// One entry of `mounts`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    /// Where to mount, inside the container.
    pub destination: String,
    /// Filesystem type. Bind mounts are told by the option `bind` or `rbind`, whatever stands here.
    #[serde(
        default,
        deserialize_with = "non_empty",
        skip_serializing_if = "Option::is_none"
    )]
    pub r#type: Option<String>,
    /// Device name, or for bind mounts a path on the host, absolute or relative to the bundle.
    #[serde(
        default,
        deserialize_with = "non_empty",
        skip_serializing_if = "Option::is_none"
    )]
    pub source: Option<String>,
    /// Options in the manner of fstab: flags, propagation, and data for the filesystem.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub options: Vec<String>,
    /// User ids of an idmapped mount.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub uid_mappings: Vec<IdMapping>,
    /// Group ids of an idmapped mount.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub gid_mappings: Vec<IdMapping>,
}

/// A range of user or group ids: `size` ids from `container_id` inside are those from `host_id`
/// outside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMapping {
    /// First id inside the container.
    #[serde(rename = "containerID")]
    pub container_id: u32,
    /// First id on the host.
    #[serde(rename = "hostID")]
    pub host_id: u32,
    /// Number of ids.
    pub size: u32,
}
