//! `hooks`: programs that run at points of the container's life.

use serde::{Deserialize, Serialize};

use super::absent::{is_default, nullable};

/// The hooks of each point, run in the order given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hooks {
    /// Deprecated; as `create_runtime`, and run before it.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub prestart: Vec<Hook>,
    /// During create, in the runtime's namespaces, before pivot_root.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub create_runtime: Vec<Hook>,
    /// During create, in the container's namespaces, before pivot_root.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub create_container: Vec<Hook>,
    /// During start, in the container's namespaces, before the user's program.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub start_container: Vec<Hook>,
    /// After the user's program started, in the runtime's namespaces.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub poststart: Vec<Hook>,
    /// After the container was deleted, in the runtime's namespaces.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub poststop: Vec<Hook>,
}

/// One program to run; it reads the container's state on its standard input.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hook {
    /// Absolute path of the program.
    pub path: String,
    /// Its argument vector, `argv[0]` included.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub args: Vec<String>,
    /// Its whole environment: nothing is inherited.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub env: Vec<String>,
    /// Seconds after which the hook is killed; must be above zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
}
