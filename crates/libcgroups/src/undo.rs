//! What to write to a file to get back what it said before.

/// The value that undoes a write of `value` to `file`, which said `old`.
///
/// Most files hold one value. Others have a line per device or name, of which a write sets one.
pub(crate) fn inverse(file: &str, value: &str, old: &str) -> String {
    let key = value.split_whitespace().next().unwrap_or_default();
    let line = |key: &str| {
        old.lines()
            .find(|l| l.split_whitespace().next() == Some(key))
    };
    let by_key =
        |nothing: &str| line(key).map_or_else(|| format!("{key} {nothing}"), str::to_owned);
    match file {
        "io.max" => by_key("rbps=max wbps=max riops=max wiops=max"),
        "io.latency" => by_key("target=0"),
        "io.weight" | "io.bfq.weight" => match value.contains(' ') {
            true => by_key("default"),
            false => line("default").unwrap_or(old.trim()).to_owned(),
        },
        "rdma.max" => by_key("hca_handle=max hca_object=max"),
        "misc.max" => by_key("max"),
        "net_prio.ifpriomap" => by_key("0"),
        f if f.starts_with("blkio.") && f.ends_with("_device") => by_key("0"),
        // Reads as several lines, of which the first is what can be written.
        "memory.oom_control" => line("oom_kill_disable")
            .and_then(|l| l.split(' ').nth(1))
            .unwrap_or("0")
            .to_owned(),
        _ => match old.trim_end() {
            // A write must have a length.
            "" => "\n".to_owned(),
            old => old.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverses() {
        let table = [
            ("pids.max", "5", "max\n", "max"),
            ("cpu.max", "1000 5000", "max 100000\n", "max 100000"),
            ("cpuset.cpus", "0", "\n", "\n"),
            (
                "io.max",
                "8:0 rbps=1",
                "8:16 rbps=9 wbps=max\n",
                "8:0 rbps=max wbps=max riops=max wiops=max",
            ),
            (
                "io.max",
                "8:0 rbps=1",
                "8:0 rbps=9 wbps=max riops=max wiops=max\n",
                "8:0 rbps=9 wbps=max riops=max wiops=max",
            ),
            (
                "io.weight",
                "default 5",
                "default 100\n8:0 7\n",
                "default 100",
            ),
            ("io.weight", "8:0 5", "default 100\n8:0 7\n", "8:0 7"),
            ("io.weight", "8:0 5", "default 100\n", "8:0 default"),
            ("io.bfq.weight", "50", "100\n", "100"),
            ("io.bfq.weight", "50", "default 100\n", "default 100"),
            (
                "rdma.max",
                "mlx hca_handle=1",
                "",
                "mlx hca_handle=max hca_object=max",
            ),
            (
                "blkio.throttle.read_bps_device",
                "8:0 5",
                "8:16 9\n",
                "8:0 0",
            ),
            (
                "memory.oom_control",
                "1",
                "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
                "0",
            ),
        ];
        for (file, value, old, want) in table {
            assert_eq!(inverse(file, value, old), want, "{file} {value}");
        }
    }
}
