//! Resources as files of cgroup v2 (kernel, Documentation/admin-guide/cgroup-v2.rst).

use crate::convert;
use crate::error::{Error, Result};
use crate::resources::{BlockIo, Cpu, HugepageLimit, Memory, Network, Pids};
use crate::write::Write;
use std::collections::BTreeMap;

pub(crate) fn memory(m: &Memory) -> Result<Vec<Write>> {
    let swap = crate::check::memory(m)?;
    let mut w = Vec::new();
    if let Some(swap) = swap {
        let nothing = swap == "max" || swap == "0";
        let field = if m.swap.is_some() {
            "/linux/resources/memory/swap"
        } else {
            "/linux/resources/memory/limit"
        };
        // Without swap accounting there is no file, and then no swap to allow or to forbid.
        w.push(
            Write::new("memory.swap.max", &swap, field)
                .default_when(swap == "max")
                .skip_if_missing_when(nothing),
        );
    }
    let bytes = |file: &'static str, n: i64, field: &'static str| {
        Write::new(file, convert::bytes_or_max(n), field)
    };
    if let Some(n) = m.limit.filter(|n| *n != 0) {
        w.push(bytes("memory.max", n, "/linux/resources/memory/limit").default_when(n == -1));
    }
    if let Some(n) = m.reservation.filter(|n| *n != 0) {
        w.push(bytes(
            "memory.low",
            n,
            "/linux/resources/memory/reservation",
        ));
    }
    Ok(w)
}

/// What of the memory object v2 has no file for, and is not worth failing over.
pub(crate) fn memory_warnings(m: &Memory) -> Vec<String> {
    let unused = [
        ("swappiness", m.swappiness.is_some()),
        ("disableOOMKiller", m.disable_oom_killer == Some(true)),
        ("kernel", m.kernel.is_some_and(|n| n > 0)),
        ("kernelTCP", m.kernel_tcp.is_some_and(|n| n > 0)),
        ("useHierarchy", m.use_hierarchy == Some(false)),
    ];
    let sentence = |name| {
        format!(
            "/linux/resources/memory/{name} has no effect: cgroup v2 has no such setting, ignoring"
        )
    };
    unused
        .into_iter()
        .filter(|(_, used)| *used)
        .map(|(name, _)| sentence(name))
        .collect()
}

pub(crate) fn cpu(c: &Cpu) -> Result<Vec<Write>> {
    crate::check::cpu(c)?;
    for (name, set) in [
        ("realtimeRuntime", c.realtime_runtime.unwrap_or(0) != 0),
        ("realtimePeriod", c.realtime_period.unwrap_or(0) != 0),
    ] {
        if set {
            return Err(Error::refuse(
                format!("/linux/resources/cpu/{name}"),
                "cgroup v2 has no limit of real-time scheduling",
            ));
        }
    }
    let mut w = Vec::new();
    if let Some(n) = c.idle {
        w.push(
            Write::new("cpu.idle", n, "/linux/resources/cpu/idle")
                .default_when(n == 0)
                .skip_if_missing_when(n == 0),
        );
    }
    // The kernel refuses the weight of a group that is idle.
    if let Some(n) = c
        .shares
        .filter(|_| c.idle != Some(1))
        .and_then(convert::shares_to_weight)
    {
        w.push(Write::new("cpu.weight", n, "/linux/resources/cpu/shares").default_when(n == 100));
    }
    if let Some((value, field)) = cpu_max(c) {
        w.push(Write::new("cpu.max", value, field));
    }
    if let Some(n) = c.burst {
        let write = Write::new("cpu.max.burst", n, "/linux/resources/cpu/burst");
        w.push(write.default_when(n == 0).skip_if_missing_when(n == 0));
    }
    Ok(w)
}

/// `cpu.max` holds quota and period; a quota alone leaves the period as it is.
fn cpu_max(c: &Cpu) -> Option<(String, &'static str)> {
    let quota = c.quota.filter(|q| *q != 0);
    let period = c.period.filter(|p| *p != 0);
    let quota_text = quota.map_or("max".to_owned(), |q| {
        if q > 0 { q.to_string() } else { "max".into() }
    });
    match (quota, period) {
        (None, None) => None,
        (Some(_), None) => Some((quota_text, "/linux/resources/cpu/quota")),
        (Some(_), Some(p)) => Some((format!("{quota_text} {p}"), "/linux/resources/cpu/quota")),
        (None, Some(p)) => Some((format!("{quota_text} {p}"), "/linux/resources/cpu/period")),
    }
}

pub(crate) fn cpuset(c: &Cpu) -> Result<Vec<Write>> {
    crate::v1::cpuset(c)
}

/// A limit of 0 is written as 1: the first process is there before anything is counted, so both mean that it can not fork, and 0 would
/// refuse the first one when it is cloned straight into the cgroup.
pub(crate) fn pids(p: &Pids) -> Vec<Write> {
    let value = |n: i64| match n {
        0 => "1".to_owned(),
        n if n < 0 => "max".to_owned(),
        n => n.to_string(),
    };
    let write =
        |n| Write::new("pids.max", value(n), "/linux/resources/pids/limit").default_when(n < 0);
    p.limit.map(write).into_iter().collect()
}

/// `io.bfq.weight` where the BFQ scheduler is, on the specification's own scale; else `io.weight` of the io.cost controller.
pub(crate) fn io(b: &BlockIo) -> Result<Vec<Write>> {
    let at = |field: &str| format!("/linux/resources/blockIO/{field}");
    let mut w = Vec::new();
    if let Some(n) = crate::check::weight(b.weight, &at("weight"))? {
        let other = Write::new(
            "io.weight",
            format!("default {}", convert::blkio_to_io_weight(n)),
            at("weight"),
        );
        w.push(Write::new("io.bfq.weight", n, at("weight")).or(other));
    }
    for (i, d) in b.weight_device.iter().flatten().enumerate() {
        let device = crate::check::device(d.major, d.minor, &at(&format!("weightDevice/{i}")))?;
        let field = at(&format!("weightDevice/{i}/weight"));
        if let Some(n) = crate::check::weight(d.weight, &field)? {
            let other = Write::new(
                "io.weight",
                format!("{device} {}", convert::blkio_to_io_weight(n)),
                field.clone(),
            );
            w.push(Write::new("io.bfq.weight", format!("{device} {n}"), field).or(other));
        }
    }
    for (list, word, name) in crate::v1::throttles(b, ["rbps", "wbps", "riops", "wiops"]) {
        for (i, d) in list.iter().enumerate() {
            let field = at(&format!("{name}/{i}"));
            let device = crate::check::device(d.major, d.minor, &field)?;
            let rate = if d.rate == 0 {
                "max".to_owned()
            } else {
                d.rate.to_string()
            };
            w.push(Write::new(
                "io.max",
                format!("{device} {word}={rate}"),
                field,
            ));
        }
    }
    Ok(w)
}

pub(crate) fn io_warnings(b: &BlockIo) -> Vec<String> {
    let leaf = b.leaf_weight.is_some_and(|n| n != 0)
        || b.weight_device
            .iter()
            .flatten()
            .any(|d| d.leaf_weight.is_some_and(|n| n != 0));
    let sentence = "/linux/resources/blockIO/leafWeight has no effect: cgroup v2 has no such setting, ignoring";
    leaf.then(|| sentence.to_owned()).into_iter().collect()
}

pub(crate) fn hugetlb(limits: &[HugepageLimit]) -> Result<Vec<Write>> {
    crate::v1::hugetlb_files(limits, "max", "rsvd.max")
}

/// v2 has no network controller; packets are matched by cgroup path instead (xt_cgroup, eBPF).
pub(crate) fn network(n: &Network) -> Result<()> {
    let field = match n {
        n if n.class_id.is_some_and(|id| id != 0) => "classID",
        n if n.priorities.as_ref().is_some_and(|p| !p.is_empty()) => "priorities",
        _ => return Ok(()),
    };
    Err(Error::refuse(
        format!("/linux/resources/network/{field}"),
        "cgroup v2 has no network controller",
    ))
}

/// Files that do something to processes instead of limiting them. `cgroup.procs` would even take a process of the host in.
const DEEDS: [&str; 6] = [
    "cgroup.procs",
    "cgroup.threads",
    "cgroup.kill",
    "cgroup.freeze",
    "cgroup.type",
    "cgroup.subtree_control",
];

/// The files that the configuration names itself. Each line of a value is one write: files with a line per device take one at a time.
pub(crate) fn unified(files: &BTreeMap<String, String>) -> Result<Vec<Write>> {
    let mut w = Vec::new();
    for (name, value) in files {
        let field = format!(
            "/linux/resources/unified/{}",
            name.replace('~', "~0").replace('/', "~1")
        );
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'_' || b == b'-';
        if !name.contains('.') || name.starts_with('.') || !name.bytes().all(plain) {
            return Err(Error::refuse(
                field,
                format!("{name:?} is not the name of a cgroup file"),
            ));
        }
        if DEEDS.contains(&name.as_str()) {
            return Err(Error::refuse(field, format!("{name} is not a limit")));
        }
        let lines = value.split('\n').filter(|l| !l.is_empty());
        w.extend(lines.map(|line| Write::new(name.clone(), line, field.clone())));
    }
    Ok(w)
}
