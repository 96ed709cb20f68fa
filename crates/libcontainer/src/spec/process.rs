//! `process`: the program to run and everything that is set on its process. Also the document that
//! `exec --process` reads.

use serde::{Deserialize, Serialize};

use super::absent::{is_default, non_empty, nullable};

/// A process inside the container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// Attach a pseudoterminal to the standard streams.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub terminal: bool,
    /// Initial size of that terminal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console_size: Option<ConsoleSize>,
    /// Ids to run as; absent means 0:0.
    #[serde(default, deserialize_with = "nullable")]
    pub user: User,
    /// Program and arguments; the program is searched in the container's `PATH`.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub args: Vec<String>,
    /// Environment as `NAME=value`.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub env: Vec<String>,
    /// Absolute working directory.
    pub cwd: String,
    /// Capability sets. Absent leaves the runtime's own sets; an empty object drops all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    /// Resource limits; each type at most once.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub rlimits: Vec<Rlimit>,
    /// Set no_new_privs (prctl(2), `PR_SET_NO_NEW_PRIVS`).
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub no_new_privileges: bool,
    /// AppArmor profile to switch to at execve.
    #[serde(
        default,
        deserialize_with = "non_empty",
        skip_serializing_if = "Option::is_none"
    )]
    pub apparmor_profile: Option<String>,
    /// `/proc/<pid>/oom_score_adj`, -1000 to 1000; absent is inherited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i64>,
    /// Scheduling policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<Scheduler>,
    /// SELinux label to switch to at execve.
    #[serde(
        default,
        deserialize_with = "non_empty",
        skip_serializing_if = "Option::is_none"
    )]
    pub selinux_label: Option<String>,
    /// I/O priority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io_priority: Option<IoPriority>,
    /// CPUs that a process started by `exec` may run on.
    #[serde(rename = "execCPUAffinity", skip_serializing_if = "Option::is_none")]
    pub exec_cpu_affinity: Option<ExecCpuAffinity>,
}

/// `process.consoleSize`, in characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsoleSize {
    /// Rows.
    pub height: u64,
    /// Columns.
    pub width: u64,
}

/// `process.user`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// User id inside the container.
    #[serde(default, deserialize_with = "nullable")]
    pub uid: u32,
    /// Group id inside the container.
    #[serde(default, deserialize_with = "nullable")]
    pub gid: u32,
    /// File mode creation mask; absent means 0022 for the container's first process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub umask: Option<u32>,
    /// Supplementary groups: these and no others.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub additional_gids: Vec<u32>,
}

/// `process.capabilities`: the five sets of capabilities(7), as `CAP_...` names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// What execve can ever grant.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub bounding: Vec<String>,
    /// What the kernel checks.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub effective: Vec<String>,
    /// What may be kept across execve of a file with inheritable capabilities.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub inheritable: Vec<String>,
    /// What the process may make effective.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub permitted: Vec<String>,
    /// What is kept across execve of an ordinary file.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub ambient: Vec<String>,
}

/// One entry of `process.rlimits`; see getrlimit(2).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rlimit {
    /// `RLIMIT_...` name.
    pub r#type: String,
    /// Ceiling of the soft limit; `u64::MAX` is infinity.
    pub hard: u64,
    /// The limit that the kernel enforces; `u64::MAX` is infinity.
    pub soft: u64,
}

/// `process.scheduler`; see sched_setattr(2).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scheduler {
    /// `SCHED_...` name.
    pub policy: String,
    /// Nice value, -20 to 19, for the policies that have one.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub nice: i32,
    /// Static priority, 1 to 99, for `SCHED_FIFO` and `SCHED_RR`.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub priority: i32,
    /// `SCHED_FLAG_...` names.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub flags: Vec<String>,
    /// `SCHED_DEADLINE`: nanoseconds of run time per period.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub runtime: u64,
    /// `SCHED_DEADLINE`: nanoseconds from the start of the period by which that time is given.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub deadline: u64,
    /// `SCHED_DEADLINE`: length of the period in nanoseconds.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub period: u64,
}

/// `process.ioPriority`; see ioprio_set(2).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IoPriority {
    /// `IOPRIO_CLASS_...` name.
    pub class: String,
    /// Level within the class, 0 (first) to 7.
    #[serde(default, deserialize_with = "nullable")]
    pub priority: i64,
}

/// `process.execCPUAffinity`: CPU lists such as `0-3,7`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecCpuAffinity {
    /// CPUs before the process enters the container's cgroup.
    #[serde(
        default,
        deserialize_with = "non_empty",
        skip_serializing_if = "Option::is_none"
    )]
    pub initial: Option<String>,
    /// CPUs after it.
    #[serde(
        default,
        deserialize_with = "non_empty",
        skip_serializing_if = "Option::is_none"
    )]
    pub r#final: Option<String>,
}
