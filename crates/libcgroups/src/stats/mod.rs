//! What a cgroup uses and has used, in the shape of `runc events --stats`, which engines and monitoring agents parse, with what the kernel
//! knows beyond it under names of its own.
//!
//! Times are nanoseconds, sizes bytes. What the kernel does not report is left out or 0, as that format has it.

mod parse;
mod v1;
mod v2;

use crate::cgroup::Cgroup;
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stats {
    /// Processor time.
    pub cpu: Cpu,
    /// Processor placement.
    pub cpuset: Cpuset,
    /// Memory and swap.
    pub memory: Memory,
    /// Number of tasks.
    pub pids: Pids,
    /// Block devices.
    pub blkio: Blkio,
    /// Huge pages, by size (`2MB`).
    pub hugetlb: BTreeMap<String, Usage>,
    /// RDMA devices, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rdma: BTreeMap<String, Rdma>,
    /// Resources of the misc controller, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub misc: BTreeMap<String, Misc>,
}

/// Processor time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Cpu {
    /// Time used.
    pub usage: CpuUsage,
    /// Time denied by the quota.
    pub throttling: Throttling,
    /// Use of saved-up time.
    #[serde(skip_serializing_if = "is_default")]
    pub burst: Burst,
    /// Stalls for want of a processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Psi>,
}

/// Processor time used, in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CpuUsage {
    /// In all.
    #[serde(skip_serializing_if = "is_default")]
    pub total: u64,
    /// By processor (v1).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu: Vec<u64>,
    /// By processor, in the kernel (v1).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu_kernel: Vec<u64>,
    /// By processor, in user space (v1).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu_user: Vec<u64>,
    /// In the kernel.
    pub kernel: u64,
    /// In user space.
    pub user: u64,
}

/// What the quota did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Throttling {
    /// Periods that have passed while there was work.
    #[serde(skip_serializing_if = "is_default")]
    pub periods: u64,
    /// Periods in which the quota ran out.
    #[serde(skip_serializing_if = "is_default")]
    pub throttled_periods: u64,
    /// Time for which tasks waited for the next period.
    #[serde(skip_serializing_if = "is_default")]
    pub throttled_time: u64,
}

/// Use of time that was saved up.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Burst {
    /// Periods in which more than the quota was used.
    pub periods: u64,
    /// Time used beyond the quota.
    pub time: u64,
}

/// Where tasks may run (cpuset(7)).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs)] // the names are the kernel's
pub struct Cpuset {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cpus: Vec<u16>,
    pub cpu_exclusive: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mems: Vec<u16>,
    pub mem_hardwall: u64,
    pub mem_exclusive: u64,
    pub memory_migrate: u64,
    pub memory_spread_page: u64,
    pub memory_spread_slab: u64,
    pub memory_pressure: u64,
    pub sched_load_balance: u64,
    pub sched_relax_domain_level: i64,
}

/// Memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Memory {
    /// Page cache.
    #[serde(skip_serializing_if = "is_default")]
    pub cache: u64,
    /// Memory.
    pub usage: Limited,
    /// Memory and swap together, also on v2.
    pub swap: Limited,
    /// Memory of the kernel on behalf of the tasks.
    pub kernel: Limited,
    /// TCP buffers (v1).
    #[serde(rename = "kernelTCP")]
    pub kernel_tcp: Limited,
    /// Swap alone (v2).
    #[serde(rename = "swapOnly", skip_serializing_if = "Option::is_none")]
    pub swap_only: Option<Limited>,
    /// memory.stat.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub raw: BTreeMap<String, u64>,
    /// memory.events (v2): how often limits were met and processes killed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub events: BTreeMap<String, u64>,
    /// Stalls for want of memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Psi>,
}

/// Something that has a limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Limited {
    /// The limit; 2^64 - 1 where there is none on v2.
    pub limit: u64,
    /// Now.
    #[serde(skip_serializing_if = "is_default")]
    pub usage: u64,
    /// The most there has been.
    #[serde(skip_serializing_if = "is_default")]
    pub max: u64,
    /// How often the limit was met.
    pub failcnt: u64,
}

/// Something counted, without its limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Usage {
    /// Now.
    #[serde(skip_serializing_if = "is_default")]
    pub usage: u64,
    /// The most there has been.
    #[serde(skip_serializing_if = "is_default")]
    pub max: u64,
    /// How often the limit was met.
    pub failcnt: u64,
}

/// Number of tasks.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Pids {
    /// Now.
    #[serde(skip_serializing_if = "is_default")]
    pub current: u64,
    /// The limit; 0 for none.
    #[serde(skip_serializing_if = "is_default")]
    pub limit: u64,
}

/// Block devices, one entry for each device and operation.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // the names are those of the v1 files
pub struct Blkio {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_service_bytes_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_serviced_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_queue_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_service_time_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_wait_time_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_merged_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_time_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sectors_recursive: Vec<BlkioEntry>,
    /// What the io.cost controller reports of a device (v2): `cost.usage`, `cost.wait` and others, in microseconds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cost: Vec<BlkioEntry>,
    /// Stalls for want of I/O.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Psi>,
}

/// A number for one device and one operation.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BlkioEntry {
    /// Major number.
    #[serde(skip_serializing_if = "is_default")]
    pub major: u64,
    /// Minor number.
    #[serde(skip_serializing_if = "is_default")]
    pub minor: u64,
    /// `Read`, `Write`, `Discard` ...
    #[serde(skip_serializing_if = "String::is_empty")]
    pub op: String,
    /// The number.
    #[serde(skip_serializing_if = "is_default")]
    pub value: u64,
}

/// Pressure stall information (kernel, accounting/psi.rst).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Psi {
    /// Some tasks stalled.
    pub some: PsiLine,
    /// All tasks stalled.
    pub full: PsiLine,
}

/// Shares of wall time in percent over 10, 60 and 300 seconds, and all in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs)] // the names are the kernel's
pub struct PsiLine {
    pub avg10: f64,
    pub avg60: f64,
    pub avg300: f64,
    pub total: u64,
}

/// One RDMA device. A limit that is absent is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // the names are the specification's
pub struct Rdma {
    pub hca_handles: u64,
    pub hca_objects: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hca_handles_limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hca_objects_limit: Option<u64>,
}

/// One resource of the misc controller.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Misc {
    /// Now.
    pub usage: u64,
    /// The limit, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// How often the limit was met.
    pub events: u64,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Cgroup {
    /// What the cgroup uses and has used. A cgroup that is gone, or a controller that is not there, reports nothing.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        for dir in &self.record().dirs {
            if dir.is_v2() {
                v2::collect(&dir.full(), self.record(), &mut stats);
            } else {
                v1::collect(dir, &mut stats);
            }
        }
        stats
    }
}
