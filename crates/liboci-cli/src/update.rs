//! `update`: new limits for a container.

use std::path::PathBuf;

use crate::table::{command_line, option};
use crate::typed::Typed;
use crate::values;

command_line! {
    /// `update`. Absent options leave their limit as it is.
    pub struct Update;
    options {
        /// File with the limits as JSON, as linux.resources of config.json, or - for stdin
        resources: Option<PathBuf> = option("FILE").short('r'), Typed::path;
        /// Block I/O weight, 10 to 1000
        blkio_weight: Option<u16> = option("WEIGHT"), Typed::number;
        /// Length of a CPU period in microseconds
        cpu_period: Option<u64> = option("USEC"), Typed::number;
        /// CPU time per period in microseconds; -1 for no limit
        cpu_quota: Option<i64> = option("USEC"), Typed::number;
        /// CPU time that may be saved up beyond the quota, in microseconds
        cpu_burst: Option<u64> = option("USEC"), Typed::number;
        /// CPU weight relative to other containers
        cpu_share: Option<u64> = option("SHARES"), Typed::number;
        /// Length of a real-time CPU period in microseconds
        cpu_rt_period: Option<u64> = option("USEC"), Typed::number;
        /// Real-time CPU time per period in microseconds
        cpu_rt_runtime: Option<i64> = option("USEC"), Typed::number;
        /// 1 to run only when the CPU would idle, 0 to run as usual
        cpu_idle: Option<i64> = option("0|1"), Typed::number;
        /// CPUs to use, such as 0-3,7
        cpuset_cpus: Option<String> = option("LIST"), Typed::text;
        /// Memory nodes to use, such as 0-1
        cpuset_mems: Option<String> = option("LIST"), Typed::text;
        /// Memory limit in bytes, or with a unit (64M); -1 for no limit
        memory: Option<i64> = option("SIZE"), |t: &mut Typed, f| t.parsed(f, values::parse_size);
        /// Memory that is left to the container under pressure
        memory_reservation: Option<i64> = option("SIZE"), |t: &mut Typed, f| t.parsed(f, values::parse_size);
        /// Limit of memory and swap together; -1 for no limit
        memory_swap: Option<i64> = option("SIZE"), |t: &mut Typed, f| t.parsed(f, values::parse_size);
        /// Accepted and ignored: the kernel dropped this limit
        kernel_memory: Option<i64> = option("SIZE").hidden(), |t: &mut Typed, f| t.parsed(f, values::parse_size);
        /// Accepted and ignored: the kernel dropped this limit
        kernel_memory_tcp: Option<i64> = option("SIZE").hidden(), |t: &mut Typed, f| t.parsed(f, values::parse_size);
        /// Number of processes and threads; -1 for no limit
        pids_limit: Option<i64> = option("N"), Typed::number;
        /// L3 cache schema of Intel RDT
        l3_cache_schema: Option<String> = option("SCHEMA"), Typed::text;
        /// Memory bandwidth schema of Intel RDT
        mem_bw_schema: Option<String> = option("SCHEMA"), Typed::text;
    }
    operands {
        /// Name of the container
        id: String = "ID", Typed::operand;
    }
}
