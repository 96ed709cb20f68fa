//! `update`: new limits for a container.

use std::path::PathBuf;

use clap::Args;

use crate::values;

/// `update`. Absent options leave their limit as it is.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Update {
    /// File with the limits as JSON (the `linux.resources` object of config.json), or - for stdin; other options are then ignored
    #[arg(short, long, value_name = "FILE")]
    pub resources: Option<PathBuf>,
    /// Block I/O weight, 10 to 1000
    #[arg(long, value_name = "WEIGHT")]
    pub blkio_weight: Option<u16>,
    /// Length of a CPU period in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_period: Option<u64>,
    /// CPU time per period in microseconds; -1 for no limit
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_quota: Option<i64>,
    /// CPU time that may be saved up beyond the quota, in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_burst: Option<u64>,
    /// CPU weight relative to other containers
    #[arg(long, value_name = "SHARES")]
    pub cpu_share: Option<u64>,
    /// Length of a real-time CPU period in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_rt_period: Option<u64>,
    /// Real-time CPU time per period in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_rt_runtime: Option<i64>,
    /// 1 to run only when the CPU would idle, 0 to run as usual
    #[arg(long, value_name = "0|1")]
    pub cpu_idle: Option<i64>,
    /// CPUs to use, such as 0-3,7
    #[arg(long, value_name = "LIST")]
    pub cpuset_cpus: Option<String>,
    /// Memory nodes to use, such as 0-1
    #[arg(long, value_name = "LIST")]
    pub cpuset_mems: Option<String>,
    /// Memory limit in bytes, or with a unit (64M); -1 for no limit
    #[arg(long, value_name = "SIZE", value_parser = values::parse_size)]
    pub memory: Option<i64>,
    /// Memory that is left to the container under pressure
    #[arg(long, value_name = "SIZE", value_parser = values::parse_size)]
    pub memory_reservation: Option<i64>,
    /// Limit of memory and swap together; -1 for no limit
    #[arg(long, value_name = "SIZE", value_parser = values::parse_size)]
    pub memory_swap: Option<i64>,
    /// Accepted and ignored: the kernel dropped this limit
    #[arg(long, value_name = "SIZE", value_parser = values::parse_size, hide = true)]
    pub kernel_memory: Option<i64>,
    /// Accepted and ignored: the kernel dropped this limit
    #[arg(long, value_name = "SIZE", value_parser = values::parse_size, hide = true)]
    pub kernel_memory_tcp: Option<i64>,
    /// Number of processes and threads; -1 for no limit
    #[arg(long, value_name = "N")]
    pub pids_limit: Option<i64>,
    /// L3 cache schema of Intel RDT
    #[arg(long, value_name = "SCHEMA")]
    pub l3_cache_schema: Option<String>,
    /// Memory bandwidth schema of Intel RDT
    #[arg(long, value_name = "SCHEMA")]
    pub mem_bw_schema: Option<String>,
    /// Name of the container
    #[arg(value_name = "ID")]
    pub id: String,
}
