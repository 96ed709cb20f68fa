//! Statistics of a directory of the v2 tree. On a hybrid host it holds the controllers that v1 does not have.

use super::parse::{device, flat, list, nested, number, page_sizes, psi, rdma, text};
use super::{BlkioEntry, Burst, Limited, Stats, Throttling, Usage};
use crate::plan::Record;
use std::path::Path;

pub(super) fn collect(dir: &Path, record: &Record, stats: &mut Stats) {
    let here = |controller: &str| record.v1(controller).is_none();
    if here("cpuacct") {
        cpu(dir, stats);
    }
    stats.cpu.psi = psi(&text(dir, "cpu.pressure"));
    stats.memory.psi = psi(&text(dir, "memory.pressure"));
    stats.blkio.psi = psi(&text(dir, "io.pressure"));
    if here("cpuset") {
        stats.cpuset.cpus = list(&text(dir, "cpuset.cpus.effective"));
        stats.cpuset.mems = list(&text(dir, "cpuset.mems.effective"));
    }
    if here("memory") {
        memory(dir, stats);
    }
    if here("pids") {
        pids(dir, stats);
    }
    if here("blkio") {
        blocks(dir, stats);
    }
    if here("hugetlb") {
        hugetlb(dir, stats);
    }
    if here("rdma") {
        stats.rdma = rdma(&text(dir, "rdma.current"), &text(dir, "rdma.max"));
    }
    misc(dir, stats);
}

fn cpu(dir: &Path, stats: &mut Stats) {
    let stat = flat(&text(dir, "cpu.stat"));
    let get = |name: &str| stat.get(name).copied().unwrap_or(0);
    let s = &mut stats.cpu;
    s.usage.total = get("usage_usec") * 1000;
    s.usage.user = get("user_usec") * 1000;
    s.usage.kernel = get("system_usec") * 1000;
    s.throttling = Throttling {
        periods: get("nr_periods"),
        throttled_periods: get("nr_throttled"),
        throttled_time: get("throttled_usec") * 1000,
    };
    s.burst = Burst {
        periods: get("nr_bursts"),
        time: get("burst_usec") * 1000,
    };
}

/// Swap is reported together with memory, as v1 counts it; alone it is `swapOnly`.
fn memory(dir: &Path, stats: &mut Stats) {
    let Some(usage) = number(dir, "memory.current") else {
        return;
    };
    let s = &mut stats.memory;
    s.raw = flat(&text(dir, "memory.stat"));
    s.events = flat(&text(dir, "memory.events"));
    s.cache = s.raw.get("file").copied().unwrap_or(0);
    let limit = number(dir, "memory.max").unwrap_or(u64::MAX);
    let failcnt = s.events.get("max").copied().unwrap_or(0);
    s.usage = Limited {
        limit,
        usage,
        max: number(dir, "memory.peak").unwrap_or(0),
        failcnt,
    };
    s.kernel.usage = s.raw.get("kernel").copied().unwrap_or(0);
    if let Some(swap) = number(dir, "memory.swap.current") {
        let events = flat(&text(dir, "memory.swap.events"));
        let only = Limited {
            limit: number(dir, "memory.swap.max").unwrap_or(u64::MAX),
            usage: swap,
            max: number(dir, "memory.swap.peak").unwrap_or(0),
            failcnt: events.get("max").copied().unwrap_or(0),
        };
        s.swap = Limited {
            limit: limit.saturating_add(only.limit),
            usage: usage.saturating_add(swap),
            max: 0,
            failcnt: failcnt.saturating_add(only.failcnt),
        };
        s.swap_only = Some(only);
    }
}

/// Without the controller, the processes are counted, as long as there are no child cgroups to look through.
fn pids(dir: &Path, stats: &mut Stats) {
    stats.pids = super::v1::pids(dir);
    if number(dir, "pids.current").is_none() {
        stats.pids.current = text(dir, "cgroup.threads").lines().count() as u64;
    }
}

fn blocks(dir: &Path, stats: &mut Stats) {
    let io = text(dir, "io.stat");
    let s = &mut stats.blkio;
    for (name, words) in nested(&io) {
        let Some((major, minor)) = device(name) else {
            continue;
        };
        for (key, value) in words {
            let Ok(value) = value.parse() else { continue };
            let (list, op) = match key {
                "rbytes" => (&mut s.io_service_bytes_recursive, "Read"),
                "wbytes" => (&mut s.io_service_bytes_recursive, "Write"),
                "dbytes" => (&mut s.io_service_bytes_recursive, "Discard"),
                "rios" => (&mut s.io_serviced_recursive, "Read"),
                "wios" => (&mut s.io_serviced_recursive, "Write"),
                "dios" => (&mut s.io_serviced_recursive, "Discard"),
                cost if cost.starts_with("cost.") => (&mut s.cost, cost),
                _ => continue,
            };
            list.push(BlkioEntry {
                major,
                minor,
                op: op.to_owned(),
                value,
            });
        }
    }
}

fn hugetlb(dir: &Path, stats: &mut Stats) {
    for size in page_sizes(dir, ".current") {
        let events = flat(&text(dir, &format!("hugetlb.{size}.events")));
        let rsvd = number(dir, &format!("hugetlb.{size}.rsvd.current"));
        let usage = rsvd
            .or_else(|| number(dir, &format!("hugetlb.{size}.current")))
            .unwrap_or(0);
        stats.hugetlb.insert(
            size,
            Usage {
                usage,
                max: 0,
                failcnt: events.get("max").copied().unwrap_or(0),
            },
        );
    }
}

fn misc(dir: &Path, stats: &mut Stats) {
    for (name, usage) in flat(&text(dir, "misc.current")) {
        stats.misc.entry(name).or_default().usage = usage;
    }
    for (name, limit) in flat(&text(dir, "misc.max")) {
        stats.misc.entry(name).or_default().limit = Some(limit).filter(|n| *n != u64::MAX);
    }
    for (name, count) in flat(&text(dir, "misc.events")) {
        if let Some(name) = name.strip_suffix(".max") {
            stats.misc.entry(name.to_owned()).or_default().events = count;
        }
    }
}
