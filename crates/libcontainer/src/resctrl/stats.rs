//! What the groups of a container are allotted and use, in the shape of `runc events --stats`.

use super::Record;
use serde::Serialize;
use std::path::Path;

/// The object `intel_rdt`. Empty without groups; what the CPU does not have is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// What the L3 cache can be divided into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l3_cache_info: Option<L3CacheInfo>,
    /// The line `L3:` of the root group's schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l3_cache_schema_root: Option<String>,
    /// The line `L3:` of the container's schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l3_cache_schema: Option<String>,
    /// What memory bandwidth can be divided into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem_bw_info: Option<MemBwInfo>,
    /// The line `MB:` of the root group's schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem_bw_schema_root: Option<String>,
    /// The line `MB:` of the container's schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem_bw_schema: Option<String>,
    /// The container's whole schema, line by line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schemata: Vec<String>,
    /// Memory traffic, one entry for each L3 cache.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mbm_stats: Vec<Bandwidth>,
    /// Use of each L3 cache.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cmt_stats: Vec<Occupancy>,
}

/// `info/L3`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct L3CacheInfo {
    /// The mask of everything, in hexadecimal.
    pub cbm_mask: String,
    /// The fewest bits that a mask may have.
    pub min_cbm_bits: u64,
    /// How many groups there may be.
    pub num_closids: u64,
}

/// `info/MB`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MemBwInfo {
    /// The step between shares, in percent.
    pub bandwidth_gran: u64,
    /// 1 where the delay grows linearly.
    pub delay_linear: u64,
    /// The smallest share, in percent.
    pub min_bandwidth: u64,
    /// How many groups there may be.
    pub num_closids: u64,
}

/// Memory traffic that passed one L3 cache, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bandwidth {
    /// To all memory.
    pub mbm_total_bytes: u64,
    /// To the memory of the cache's own node.
    pub mbm_local_bytes: u64,
}

/// How much of one L3 cache is used, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Occupancy {
    /// Used now.
    pub llc_occupancy: u64,
}

impl Record {
    /// What the groups are allotted and use now. `root` is the mount of the filesystem ([`super::find`]).
    pub fn stats(&self, root: &Path) -> Stats {
        let own = schemata(&self.group);
        let whole = schemata(root);
        let (l3, mb) = (root.join("info/L3"), root.join("info/MB"));
        let mut stats = Stats {
            l3_cache_info: text(&l3, "cbm_mask").map(|cbm_mask| L3CacheInfo {
                cbm_mask,
                min_cbm_bits: number(&l3, "min_cbm_bits").unwrap_or(0),
                num_closids: number(&l3, "num_closids").unwrap_or(0),
            }),
            l3_cache_schema_root: line(&whole, "L3:"),
            l3_cache_schema: line(&own, "L3:"),
            mem_bw_info: number(&mb, "min_bandwidth").map(|min_bandwidth| MemBwInfo {
                bandwidth_gran: number(&mb, "bandwidth_gran").unwrap_or(0),
                delay_linear: number(&mb, "delay_linear").unwrap_or(0),
                min_bandwidth,
                num_closids: number(&mb, "num_closids").unwrap_or(0),
            }),
            mem_bw_schema_root: line(&whole, "MB:"),
            mem_bw_schema: line(&own, "MB:"),
            schemata: own,
            ..Stats::default()
        };
        stats.monitor(
            &self
                .monitor
                .as_ref()
                .unwrap_or(&self.group)
                .join("mon_data"),
        );
        stats
    }
}

impl Stats {
    /// Adds the counters: a directory such as `mon_L3_00` for each cache, with a file for each event that the CPU counts.
    #[allow(
        clippy::disallowed_methods,
        reason = "resctrl is a filesystem of the kernel, without links"
    )]
    fn monitor(&mut self, data: &Path) {
        let entries = std::fs::read_dir(data).into_iter().flatten().flatten();
        let mut caches: Vec<_> = entries
            .filter(|e| e.file_name().to_string_lossy().starts_with("mon_L3_"))
            .map(|e| e.path())
            .collect();
        caches.sort();
        for cache in &caches {
            let total = number(cache, "mbm_total_bytes");
            let local = number(cache, "mbm_local_bytes");
            if total.or(local).is_some() {
                self.mbm_stats.push(Bandwidth {
                    mbm_total_bytes: total.unwrap_or(0),
                    mbm_local_bytes: local.unwrap_or(0),
                });
            }
            self.cmt_stats.extend(
                number(cache, "llc_occupancy").map(|llc_occupancy| Occupancy { llc_occupancy }),
            );
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "resctrl is a filesystem of the kernel, without links"
)]
fn text(dir: &Path, file: &str) -> Option<String> {
    std::fs::read_to_string(dir.join(file))
        .ok()
        .map(|t| t.trim().to_owned())
}

/// None also for `Unavailable`, which a counter says while the CPU has none to give.
fn number(dir: &Path, file: &str) -> Option<u64> {
    text(dir, file)?.parse().ok()
}

fn schemata(group: &Path) -> Vec<String> {
    let whole = text(group, "schemata").unwrap_or_default();
    whole
        .lines()
        .map(|l| l.trim().to_owned())
        .filter(|l| !l.is_empty())
        .collect()
}

fn line(schemata: &[String], start: &str) -> Option<String> {
    schemata.iter().find(|l| l.starts_with(start)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    // No CPU at hand has resource control: plain files stand for those of the kernel's documentation.
    #[test]
    fn what_the_files_say_is_told() {
        let root = std::env::temp_dir().join(format!("teu-resctrl-stats-{}", std::process::id()));
        for (file, content) in [
            ("info/L3/cbm_mask", "fffff\n"),
            ("info/L3/min_cbm_bits", "1\n"),
            ("info/L3/num_closids", "16\n"),
            ("info/MB/bandwidth_gran", "10\n"),
            ("info/MB/delay_linear", "1\n"),
            ("info/MB/min_bandwidth", "10\n"),
            ("info/MB/num_closids", "8\n"),
            ("schemata", "    L3:0=fffff;1=fffff\n    MB:0=100;1=100\n"),
            ("c1/schemata", "    L3:0=ff;1=ff\n    MB:0=50;1=50\n"),
            ("c1/mon_data/mon_L3_01/llc_occupancy", "3\n"),
            ("c1/mon_data/mon_L3_01/mbm_total_bytes", "Unavailable\n"),
            ("c1/mon_data/mon_L3_00/llc_occupancy", "2\n"),
            ("c1/mon_data/mon_L3_00/mbm_total_bytes", "20\n"),
            ("c1/mon_data/mon_L3_00/mbm_local_bytes", "10\n"),
        ] {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let stats = Record {
            group: root.join("c1"),
            ..Record::default()
        }
        .stats(&root);
        let json = serde_json::to_string(&stats).unwrap();
        fs::remove_dir_all(&root).unwrap();
        let wanted = r#"{"l3_cache_info":{"cbm_mask":"fffff","min_cbm_bits":1,"num_closids":16},"l3_cache_schema_root":"L3:0=fffff;1=fffff","l3_cache_schema":"L3:0=ff;1=ff","#.to_owned()
            + r#""mem_bw_info":{"bandwidth_gran":10,"delay_linear":1,"min_bandwidth":10,"num_closids":8},"mem_bw_schema_root":"MB:0=100;1=100","mem_bw_schema":"MB:0=50;1=50","#
            + r#""schemata":["L3:0=ff;1=ff","MB:0=50;1=50"],"mbm_stats":[{"mbm_total_bytes":20,"mbm_local_bytes":10}],"cmt_stats":[{"llc_occupancy":2},{"llc_occupancy":3}]}"#;
        assert_eq!(json, wanted);
        assert_eq!(serde_json::to_string(&Stats::default()).unwrap(), "{}");
    }
}
