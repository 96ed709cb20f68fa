//! Scheduling, I/O priority, CPU affinity, memory policy, execution domain.

use crate::Result;
use crate::sys::check;
use std::mem::size_of;

/// The argument of sched_setattr(2). Times are in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchedAttr {
    /// `SCHED_*`.
    pub policy: u32,
    /// `SCHED_FLAG_*`.
    pub flags: u64,
    /// -20 to 19, for SCHED_OTHER and SCHED_BATCH.
    pub nice: i32,
    /// 1 to 99, for SCHED_FIFO and SCHED_RR.
    pub priority: u32,
    /// For SCHED_DEADLINE.
    pub runtime: u64,
    /// For SCHED_DEADLINE.
    pub deadline: u64,
    /// For SCHED_DEADLINE.
    pub period: u64,
}

#[repr(C)]
struct RawSchedAttr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// sched_setattr(2) for the calling thread.
pub fn set_scheduler(a: SchedAttr) -> Result<()> {
    let raw = RawSchedAttr {
        size: size_of::<RawSchedAttr>() as u32,
        policy: a.policy,
        flags: a.flags,
        nice: a.nice,
        priority: a.priority,
        runtime: a.runtime,
        deadline: a.deadline,
        period: a.period,
    };
    // SAFETY: raw is a live sched_attr that carries its own size.
    check(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw, 0) }).map(drop)
}

/// ioprio_set(2) for the calling thread's process group, or the thread alone when it does not lead one.
pub fn set_io_priority(class: u32, data: u32) -> Result<()> {
    const IOPRIO_WHO_PROCESS: i32 = 1;
    const IOPRIO_CLASS_SHIFT: u32 = 13;
    let value = class << IOPRIO_CLASS_SHIFT | data;
    // SAFETY: no memory is passed.
    check(unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, value) }).map(drop)
}

/// A set of CPUs: bit n of word n/64 is CPU n. 1024 CPUs, more than distributions configure less.
pub type CpuSet = [u64; 16];

/// sched_setaffinity(2) of `pid` (0: the calling thread). CPUs that do not exist are ignored by the kernel.
pub fn set_affinity(pid: i32, cpus: &CpuSet) -> Result<()> {
    // SAFETY: cpus is readable for the size passed.
    check(unsafe {
        libc::syscall(
            libc::SYS_sched_setaffinity,
            pid,
            size_of::<CpuSet>(),
            cpus.as_ptr(),
        )
    })
    .map(drop)
}

/// set_mempolicy(2). `mode` includes the flags; `nodes` is a bit mask.
pub fn set_memory_policy(mode: i32, nodes: &CpuSet) -> Result<()> {
    let empty = nodes.iter().all(|w| *w == 0);
    let (ptr, bits) = if empty {
        (std::ptr::null(), 0)
    } else {
        (nodes.as_ptr(), size_of::<CpuSet>() * 8)
    };
    // SAFETY: ptr is null with no bits, or readable for that many bits.
    check(unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, ptr, bits) }).map(drop)
}

/// personality(2).
pub fn set_personality(domain: u64) -> Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::syscall(libc::SYS_personality, domain) }).map(drop)
}
