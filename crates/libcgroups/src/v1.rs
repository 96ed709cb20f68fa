//! Resources as files of cgroup v1 (kernel, Documentation/admin-guide/cgroup-v1).

use crate::error::{Error, Result};
use crate::resources::{BlockIo, Cpu, HugepageLimit, Memory, Network, Pids, Rdma, ThrottleDevice};
use crate::write::Write;
use std::collections::BTreeMap;

/// The limit of memory and swap together can never be the smaller one, so that the order of the two writes depends on what is there. A fresh
/// cgroup is unlimited: memory first.
pub(crate) fn memory(m: &Memory) -> Result<Vec<Write>> {
    crate::check::memory(m)?;
    let mut w = Vec::new();
    if let Some(hierarchy) = m.use_hierarchy {
        let write = Write::new(
            "memory.use_hierarchy",
            u8::from(hierarchy),
            "/linux/resources/memory/useHierarchy",
        );
        w.push(write.skip_if_missing_when(hierarchy));
    }
    let bytes = |file: &'static str, value: i64, field: &'static str| {
        Write::new(file, value, field)
            .default_when(value == -1)
            .skip_if_missing_when(value == -1)
    };
    let limit = m.limit.filter(|n| *n != 0);
    let swap = m.swap.filter(|n| *n != 0);
    if let Some(limit) = limit {
        w.push(bytes(
            "memory.limit_in_bytes",
            limit,
            "/linux/resources/memory/limit",
        ));
    }
    match (limit, swap) {
        (_, Some(swap)) => w.push(bytes(
            "memory.memsw.limit_in_bytes",
            swap,
            "/linux/resources/memory/swap",
        )),
        // An unlimited memory needs an unlimited sum.
        (Some(-1), None) => w.push(bytes(
            "memory.memsw.limit_in_bytes",
            -1,
            "/linux/resources/memory/limit",
        )),
        _ => {}
    }
    if let Some(n) = m.reservation.filter(|n| *n != 0) {
        w.push(bytes(
            "memory.soft_limit_in_bytes",
            n,
            "/linux/resources/memory/reservation",
        ));
    }
    if let Some(n) = m.kernel.filter(|n| *n != 0) {
        w.push(bytes(
            "memory.kmem.limit_in_bytes",
            n,
            "/linux/resources/memory/kernel",
        ));
    }
    if let Some(n) = m.kernel_tcp.filter(|n| *n != 0) {
        w.push(bytes(
            "memory.kmem.tcp.limit_in_bytes",
            n,
            "/linux/resources/memory/kernelTCP",
        ));
    }
    if let Some(n) = m.swappiness {
        w.push(Write::new(
            "memory.swappiness",
            n,
            "/linux/resources/memory/swappiness",
        ));
    }
    if let Some(disable) = m.disable_oom_killer {
        let write = Write::new(
            "memory.oom_control",
            u8::from(disable),
            "/linux/resources/memory/disableOOMKiller",
        );
        w.push(write.default_when(!disable).skip_if_missing_when(!disable));
    }
    Ok(w)
}

/// What of the memory object newer kernels have given up, and is not worth failing over.
pub(crate) fn memory_warnings(m: &Memory) -> Vec<String> {
    let sentence = "/linux/resources/memory/kernel has no effect since kernel 5.16, which counts kernel memory with the rest";
    m.kernel
        .is_some_and(|n| n > 0)
        .then(|| sentence.to_owned())
        .into_iter()
        .collect()
}

pub(crate) fn cpu(c: &Cpu) -> Result<Vec<Write>> {
    crate::check::cpu(c)?;
    let mut w = Vec::new();
    if let Some(n) = c.idle {
        w.push(
            Write::new("cpu.idle", n, "/linux/resources/cpu/idle")
                .default_when(n == 0)
                .skip_if_missing_when(n == 0),
        );
    }
    // The kernel refuses shares of a group that is idle.
    if let Some(n) = c.shares.filter(|n| *n != 0 && c.idle != Some(1)) {
        w.push(Write::new("cpu.shares", n, "/linux/resources/cpu/shares").default_when(n == 1024));
    }
    if let Some(n) = c.period.filter(|n| *n != 0) {
        w.push(
            Write::new("cpu.cfs_period_us", n, "/linux/resources/cpu/period")
                .default_when(n == 100_000),
        );
    }
    if let Some(n) = c.quota.filter(|n| *n != 0) {
        w.push(
            Write::new("cpu.cfs_quota_us", n.max(-1), "/linux/resources/cpu/quota")
                .default_when(n < 0),
        );
    }
    if let Some(n) = c.burst {
        let write = Write::new("cpu.cfs_burst_us", n, "/linux/resources/cpu/burst");
        w.push(write.default_when(n == 0).skip_if_missing_when(n == 0));
    }
    if let Some(n) = c.realtime_period.filter(|n| *n != 0) {
        w.push(Write::new(
            "cpu.rt_period_us",
            n,
            "/linux/resources/cpu/realtimePeriod",
        ));
    }
    if let Some(n) = c.realtime_runtime.filter(|n| *n != 0) {
        w.push(Write::new(
            "cpu.rt_runtime_us",
            n,
            "/linux/resources/cpu/realtimeRuntime",
        ));
    }
    Ok(w)
}

pub(crate) fn cpuset(c: &Cpu) -> Result<Vec<Write>> {
    let mut w = Vec::new();
    if let Some(cpus) = c.cpus.as_deref().filter(|s| !s.is_empty()) {
        w.push(Write::new("cpuset.cpus", cpus, "/linux/resources/cpu/cpus"));
    }
    if let Some(mems) = c.mems.as_deref().filter(|s| !s.is_empty()) {
        w.push(Write::new("cpuset.mems", mems, "/linux/resources/cpu/mems"));
    }
    Ok(w)
}

pub(crate) fn pids(p: &Pids) -> Vec<Write> {
    crate::v2::pids(p)
}

/// The weights of CFQ, which kernel 5.0 removed, or those of BFQ, whichever the kernel has.
pub(crate) fn blkio(b: &BlockIo) -> Result<Vec<Write>> {
    let at = |field: &str| format!("/linux/resources/blockIO/{field}");
    let mut w = Vec::new();
    if let Some(n) = crate::check::weight(b.weight, &at("weight"))? {
        w.push(Write::new("blkio.weight", n, at("weight")).or(Write::new(
            "blkio.bfq.weight",
            n,
            at("weight"),
        )));
    }
    if let Some(n) = crate::check::weight(b.leaf_weight, &at("leafWeight"))? {
        w.push(Write::new("blkio.leaf_weight", n, at("leafWeight")));
    }
    for (i, d) in b.weight_device.iter().flatten().enumerate() {
        let device = crate::check::device(d.major, d.minor, &at(&format!("weightDevice/{i}")))?;
        let field = at(&format!("weightDevice/{i}/weight"));
        if let Some(n) = crate::check::weight(d.weight, &field)? {
            let value = format!("{device} {n}");
            w.push(
                Write::new("blkio.weight_device", &value, field.clone()).or(Write::new(
                    "blkio.bfq.weight_device",
                    &value,
                    field,
                )),
            );
        }
        let field = at(&format!("weightDevice/{i}/leafWeight"));
        if let Some(n) = crate::check::weight(d.leaf_weight, &field)? {
            w.push(Write::new(
                "blkio.leaf_weight_device",
                format!("{device} {n}"),
                field,
            ));
        }
    }
    for (list, file, name) in throttles(b, ["read_bps", "write_bps", "read_iops", "write_iops"]) {
        for (i, d) in list.iter().enumerate() {
            let field = at(&format!("{name}/{i}"));
            let device = crate::check::device(d.major, d.minor, &field)?;
            w.push(Write::new(
                format!("blkio.throttle.{file}_device"),
                format!("{device} {}", d.rate),
                field,
            ));
        }
    }
    Ok(w)
}

/// The four lists of throttled devices with the caller's word for each and the name of the field.
pub(crate) fn throttles<'a>(
    b: &'a BlockIo,
    words: [&'static str; 4],
) -> impl Iterator<Item = (&'a [ThrottleDevice], &'static str, &'static str)> {
    let lists = [
        &b.throttle_read_bps_device,
        &b.throttle_write_bps_device,
        &b.throttle_read_iops_device,
        &b.throttle_write_iops_device,
    ];
    let names = [
        "throttleReadBpsDevice",
        "throttleWriteBpsDevice",
        "throttleReadIOPSDevice",
        "throttleWriteIOPSDevice",
    ];
    lists
        .into_iter()
        .zip(words)
        .zip(names)
        .map(|((list, word), name)| (list.as_deref().unwrap_or_default(), word, name))
}

pub(crate) fn hugetlb(limits: &[HugepageLimit]) -> Result<Vec<Write>> {
    hugetlb_files(limits, "limit_in_bytes", "rsvd.limit_in_bytes")
}

/// The limit of faults and, where the kernel has it (5.7), that of reservations: without the second a workload learns of its limit by SIGBUS.
pub(crate) fn hugetlb_files(
    limits: &[HugepageLimit],
    faults: &str,
    reservations: &str,
) -> Result<Vec<Write>> {
    let mut w = Vec::new();
    for (i, l) in limits.iter().enumerate() {
        let field = format!("/linux/resources/hugepageLimits/{i}");
        let digits = l
            .page_size
            .trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = &l.page_size[digits.len()..];
        if digits.is_empty()
            || !digits.bytes().all(|b| b.is_ascii_digit())
            || !matches!(unit, "KB" | "MB" | "GB")
        {
            return Err(Error::refuse(
                field + "/pageSize",
                format!(
                    "huge page size {:?} is not of the form 64KB, 2MB or 1GB",
                    l.page_size
                ),
            ));
        }
        w.push(Write::new(
            format!("hugetlb.{}.{faults}", l.page_size),
            l.limit,
            field.clone(),
        ));
        w.push(
            Write::new(
                format!("hugetlb.{}.{reservations}", l.page_size),
                l.limit,
                field,
            )
            .skip_if_missing(),
        );
    }
    Ok(w)
}

pub(crate) fn net_cls(n: &Network) -> Vec<Write> {
    let field = "/linux/resources/network/classID";
    n.class_id
        .filter(|id| *id != 0)
        .map(|id| Write::new("net_cls.classid", id, field))
        .into_iter()
        .collect()
}

pub(crate) fn net_prio(n: &Network) -> Result<Vec<Write>> {
    let mut w = Vec::new();
    for (i, p) in n.priorities.iter().flatten().enumerate() {
        let field = format!("/linux/resources/network/priorities/{i}");
        if p.name.is_empty()
            || p.name
                .contains(|c: char| c.is_whitespace() || c == '/' || c == '\0')
        {
            return Err(Error::refuse(
                field + "/name",
                format!("{:?} is not the name of a network interface", p.name),
            ));
        }
        w.push(Write::new(
            "net_prio.ifpriomap",
            format!("{} {}", p.name, p.priority),
            field,
        ));
    }
    Ok(w)
}

/// The same file on v1 and v2.
pub(crate) fn rdma(devices: &BTreeMap<String, Rdma>) -> Result<Vec<Write>> {
    let mut w = Vec::new();
    for (name, limit) in devices {
        let field = format!(
            "/linux/resources/rdma/{}",
            name.replace('~', "~0").replace('/', "~1")
        );
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '\0') {
            return Err(Error::refuse(
                field,
                format!("{name:?} is not the name of an RDMA device"),
            ));
        }
        let mut value = name.clone();
        for (word, n) in [
            ("hca_handle", limit.hca_handles),
            ("hca_object", limit.hca_objects),
        ] {
            if let Some(n) = n {
                value += &format!(" {word}={n}");
            }
        }
        if value.len() > name.len() {
            w.push(Write::new("rdma.max", value, field));
        }
    }
    Ok(w)
}
