//! Statistics of one v1 hierarchy.

use super::parse::{blkio, flat, list, number, page_sizes, rdma, text};
use super::{BlkioEntry, Burst, CpuUsage, Limited, Pids, Stats, Throttling, Usage};
use crate::plan::RecordedDir;
use std::path::Path;

/// USER_HZ, the unit of cpuacct.stat: 100 on every architecture that has containers (proc(5), sysconf(_SC_CLK_TCK)).
const NANOSECONDS_PER_TICK: u64 = 10_000_000;

pub(super) fn collect(dir: &RecordedDir, stats: &mut Stats) {
    let path = dir.full();
    for controller in &dir.controllers {
        match controller.as_str() {
            "cpu" => cpu(&path, stats),
            "cpuacct" => stats.cpu.usage = cpu_usage(&path),
            "cpuset" => cpuset(&path, stats),
            "memory" => memory(&path, stats),
            "pids" => stats.pids = pids(&path),
            "blkio" => blocks(&path, stats),
            "hugetlb" => hugetlb(&path, stats),
            "rdma" => stats.rdma = rdma(&text(&path, "rdma.current"), &text(&path, "rdma.max")),
            _ => {}
        }
    }
}

fn cpu(dir: &Path, stats: &mut Stats) {
    let stat = flat(&text(dir, "cpu.stat"));
    let get = |name: &str| stat.get(name).copied().unwrap_or(0);
    stats.cpu.throttling = Throttling {
        periods: get("nr_periods"),
        throttled_periods: get("nr_throttled"),
        throttled_time: get("throttled_time"),
    };
    stats.cpu.burst = Burst {
        periods: get("nr_bursts"),
        time: get("burst_time"),
    };
}

fn cpu_usage(dir: &Path) -> CpuUsage {
    let stat = flat(&text(dir, "cpuacct.stat"));
    let ticks = |name: &str| stat.get(name).copied().unwrap_or(0) * NANOSECONDS_PER_TICK;
    let percpu = text(dir, "cpuacct.usage_percpu")
        .split_whitespace()
        .filter_map(|n| n.parse().ok())
        .collect();
    let mut usage = CpuUsage {
        total: number(dir, "cpuacct.usage").unwrap_or(0),
        percpu,
        kernel: ticks("system"),
        user: ticks("user"),
        ..CpuUsage::default()
    };
    // One line per processor below the heading `cpu user system`.
    for line in text(dir, "cpuacct.usage_all").lines().skip(1) {
        let mut words = line.split(' ').skip(1).map(|n| n.parse().unwrap_or(0));
        usage.percpu_user.push(words.next().unwrap_or(0));
        usage.percpu_kernel.push(words.next().unwrap_or(0));
    }
    usage
}

fn cpuset(dir: &Path, stats: &mut Stats) {
    let n = |file: &str| number(dir, file).unwrap_or(0);
    let s = &mut stats.cpuset;
    s.cpus = list(&text(dir, "cpuset.cpus"));
    s.cpu_exclusive = n("cpuset.cpu_exclusive");
    s.mems = list(&text(dir, "cpuset.mems"));
    s.mem_hardwall = n("cpuset.mem_hardwall");
    s.mem_exclusive = n("cpuset.mem_exclusive");
    s.memory_migrate = n("cpuset.memory_migrate");
    s.memory_spread_page = n("cpuset.memory_spread_page");
    s.memory_spread_slab = n("cpuset.memory_spread_slab");
    s.memory_pressure = n("cpuset.memory_pressure");
    s.sched_load_balance = n("cpuset.sched_load_balance");
    s.sched_relax_domain_level = text(dir, "cpuset.sched_relax_domain_level")
        .trim()
        .parse()
        .unwrap_or(0);
}

fn memory(dir: &Path, stats: &mut Stats) {
    let limited = |kind: &str| {
        let n = |file: &str| number(dir, &format!("memory.{kind}{file}")).unwrap_or(0);
        Limited {
            limit: n("limit_in_bytes"),
            usage: n("usage_in_bytes"),
            max: n("max_usage_in_bytes"),
            failcnt: n("failcnt"),
        }
    };
    let s = &mut stats.memory;
    s.usage = limited("");
    s.swap = limited("memsw.");
    s.kernel = limited("kmem.");
    s.kernel_tcp = limited("kmem.tcp.");
    s.raw = flat(&text(dir, "memory.stat"));
    s.cache = s.raw.get("cache").copied().unwrap_or(0);
}

pub(super) fn pids(dir: &Path) -> Pids {
    let limit = number(dir, "pids.max")
        .filter(|n| *n != u64::MAX)
        .unwrap_or(0);
    Pids {
        current: number(dir, "pids.current").unwrap_or(0),
        limit,
    }
}

/// The counters of the BFQ scheduler, of the one before it, or of the throttling layer, whichever the kernel has.
fn blocks(dir: &Path, stats: &mut Stats) {
    let first = |files: &[&str]| -> Vec<BlkioEntry> {
        let lists = files
            .iter()
            .map(|f| blkio(&text(dir, &format!("blkio.{f}"))));
        lists
            .into_iter()
            .find(|l| !l.is_empty())
            .unwrap_or_default()
    };
    let s = &mut stats.blkio;
    s.io_service_bytes_recursive = first(&[
        "bfq.io_service_bytes_recursive",
        "io_service_bytes_recursive",
        "throttle.io_service_bytes_recursive",
        "throttle.io_service_bytes",
    ]);
    s.io_serviced_recursive = first(&[
        "bfq.io_serviced_recursive",
        "io_serviced_recursive",
        "throttle.io_serviced_recursive",
        "throttle.io_serviced",
    ]);
    s.io_queue_recursive = first(&["bfq.io_queued_recursive", "io_queued_recursive"]);
    s.io_service_time_recursive =
        first(&["bfq.io_service_time_recursive", "io_service_time_recursive"]);
    s.io_wait_time_recursive = first(&["bfq.io_wait_time_recursive", "io_wait_time_recursive"]);
    s.io_merged_recursive = first(&["bfq.io_merged_recursive", "io_merged_recursive"]);
    s.io_time_recursive = first(&["bfq.time_recursive", "time_recursive"]);
    s.sectors_recursive = first(&["bfq.sectors_recursive", "sectors_recursive"]);
}

fn hugetlb(dir: &Path, stats: &mut Stats) {
    for size in page_sizes(dir, ".limit_in_bytes") {
        // Reservations where the kernel counts them: they are what is charged first.
        let kind = if number(dir, &format!("hugetlb.{size}.rsvd.usage_in_bytes")).is_some() {
            "rsvd."
        } else {
            ""
        };
        let n = |file: &str| number(dir, &format!("hugetlb.{size}.{kind}{file}")).unwrap_or(0);
        let usage = Usage {
            usage: n("usage_in_bytes"),
            max: n("max_usage_in_bytes"),
            failcnt: n("failcnt"),
        };
        stats.hugetlb.insert(size, usage);
    }
}
