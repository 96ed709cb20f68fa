//! Scheduler, I/O priority, CPU affinity, execution domain and memory policy.

use super::{Op, Step, step};
use crate::error::{Error, Result};
use crate::spec;
use kernel::sched::{CpuSet, SchedAttr};

/// Scheduler and I/O priority, which need privileges that the user may not have.
pub fn kernel_state(
    p: &spec::Process,
    at: &dyn Fn(&str) -> String,
    push: &mut dyn FnMut(Op, &str),
) -> Result<()> {
    if let Some(s) = &p.scheduler {
        push(Op::Scheduler(scheduler(s, &at("scheduler"))?), "scheduler");
    }
    if let Some(io) = &p.io_priority {
        const CLASSES: [(&str, u32); 3] = [
            ("IOPRIO_CLASS_RT", 1),
            ("IOPRIO_CLASS_BE", 2),
            ("IOPRIO_CLASS_IDLE", 3),
        ];
        let Some(&(_, class)) = CLASSES.iter().find(|c| c.0 == io.class) else {
            return Err(Error::invalid(
                at("ioPriority/class"),
                format!("unknown I/O priority class \"{}\"", io.class),
            ));
        };
        if !(0..8).contains(&io.priority) {
            return Err(Error::invalid(
                at("ioPriority/priority"),
                format!("I/O priority {} is not between 0 and 7", io.priority),
            ));
        }
        push(
            Op::IoPriority {
                class,
                priority: io.priority as u32,
            },
            "ioPriority",
        );
    }
    Ok(())
}

fn scheduler(s: &spec::Scheduler, base: &str) -> Result<SchedAttr> {
    const POLICIES: [(&str, u32); 7] = [
        ("SCHED_OTHER", 0),
        ("SCHED_FIFO", 1),
        ("SCHED_RR", 2),
        ("SCHED_BATCH", 3),
        ("SCHED_ISO", 4),
        ("SCHED_IDLE", 5),
        ("SCHED_DEADLINE", 6),
    ];
    const FLAGS: [(&str, u64); 7] = [
        ("SCHED_FLAG_RESET_ON_FORK", 0x01),
        ("SCHED_FLAG_RECLAIM", 0x02),
        ("SCHED_FLAG_DL_OVERRUN", 0x04),
        ("SCHED_FLAG_KEEP_POLICY", 0x08),
        ("SCHED_FLAG_KEEP_PARAMS", 0x10),
        ("SCHED_FLAG_UTIL_CLAMP_MIN", 0x20),
        ("SCHED_FLAG_UTIL_CLAMP_MAX", 0x40),
    ];
    let Some(&(_, policy)) = POLICIES.iter().find(|p| p.0 == s.policy) else {
        return Err(Error::invalid(
            format!("{base}/policy"),
            format!("unknown scheduler policy \"{}\"", s.policy),
        ));
    };
    let mut flags = 0;
    for (i, flag) in s.flags.iter().enumerate() {
        let known = FLAGS.iter().find(|f| f.0 == flag);
        flags |= known
            .ok_or_else(|| {
                Error::invalid(
                    format!("{base}/flags/{i}"),
                    format!("unknown scheduler flag \"{flag}\""),
                )
            })?
            .1;
    }
    let priority = u32::try_from(s.priority).map_err(|_| {
        Error::invalid(
            format!("{base}/priority"),
            format!("scheduler priority {} is negative", s.priority),
        )
    })?;
    if !(-20..=19).contains(&s.nice) {
        return Err(Error::invalid(
            format!("{base}/nice"),
            format!("nice value {} is not between -20 and 19", s.nice),
        ));
    }
    Ok(SchedAttr {
        policy,
        flags,
        nice: s.nice,
        priority,
        runtime: s.runtime,
        deadline: s.deadline,
        period: s.period,
    })
}

/// `execCPUAffinity`: the CPUs on which `exec` puts a process into its cgroup, and those of the process itself.
///
/// # Errors
/// What is no list of CPUs.
pub fn affinity(p: &spec::Process, base: &str) -> Result<(Option<CpuSet>, Option<CpuSet>)> {
    let Some(wanted) = &p.exec_cpu_affinity else {
        return Ok((None, None));
    };
    let cpus = |list: &Option<String>, name: &str| {
        let parse = |text: &String| cpu_list(text).filter(|set| *set != CpuSet::default());
        let bad = |text: &String| {
            Error::invalid(
                format!("{base}/execCPUAffinity/{name}"),
                format!("{text:?} is not a list of CPUs such as 0-3,7"),
            )
        };
        list.as_ref()
            .map(|text| parse(text).ok_or_else(|| bad(text)))
            .transpose()
    };
    Ok((
        cpus(&wanted.initial, "initial")?,
        cpus(&wanted.r#final, "final")?,
    ))
}

/// A list of numbers and ranges such as `0-3,7` as a mask.
pub fn cpu_list(text: &str) -> Option<CpuSet> {
    let mut set: CpuSet = Default::default();
    for part in text
        .trim()
        .split(',')
        .map(str::trim)
        .filter(|p| !p.is_empty())
    {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last >= set.len() * 64 {
            return None;
        }
        for n in first..=last {
            set[n / 64] |= 1 << (n % 64);
        }
    }
    Some(set)
}

/// Execution domain and memory policy of the container (`linux.personality`, `linux.memoryPolicy`), which exec'd processes get too.
pub fn domain(linux: &spec::Linux) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    if let Some(p) = &linux.personality {
        let domain = match p.domain.as_str() {
            "LINUX" => 0,
            "LINUX32" => 8,
            other => {
                return Err(Error::invalid(
                    "/linux/personality/domain",
                    format!("unknown personality \"{other}\""),
                ));
            }
        };
        if !p.flags.is_empty() {
            return Err(Error::invalid(
                "/linux/personality/flags",
                "the specification defines no personality flags",
            ));
        }
        steps.push(step(Op::Personality { domain }, "/linux/personality"));
    }
    if let Some(m) = &linux.memory_policy {
        steps.push(step(memory_policy(m)?, "/linux/memoryPolicy"));
    }
    Ok(steps)
}

/// Modes of set_mempolicy(2), and whether each takes nodes.
const MEMORY_MODES: [(&str, i32, bool); 7] = [
    ("MPOL_DEFAULT", 0, false),
    ("MPOL_PREFERRED", 1, true),
    ("MPOL_BIND", 2, true),
    ("MPOL_INTERLEAVE", 3, true),
    ("MPOL_LOCAL", 4, false),
    ("MPOL_PREFERRED_MANY", 5, true),
    ("MPOL_WEIGHTED_INTERLEAVE", 6, true),
];
/// Their flags.
const MEMORY_FLAGS: [(&str, i32); 3] = [
    ("MPOL_F_NUMA_BALANCING", 1 << 13),
    ("MPOL_F_RELATIVE_NODES", 1 << 14),
    ("MPOL_F_STATIC_NODES", 1 << 15),
];

/// The names of memory policies, for `features`.
pub fn memory_policy_modes() -> Vec<&'static str> {
    MEMORY_MODES.iter().map(|m| m.0).collect()
}

/// The names of their flags, for `features`.
pub fn memory_policy_flags() -> Vec<&'static str> {
    MEMORY_FLAGS.iter().map(|f| f.0).collect()
}

fn memory_policy(m: &spec::MemoryPolicy) -> Result<Op> {
    let Some(&(_, mut mode, takes_nodes)) = MEMORY_MODES.iter().find(|k| k.0 == m.mode) else {
        return Err(Error::invalid(
            "/linux/memoryPolicy/mode",
            format!("unknown memory policy \"{}\"", m.mode),
        ));
    };
    for (i, flag) in m.flags.iter().enumerate() {
        let field = format!("/linux/memoryPolicy/flags/{i}");
        let known = MEMORY_FLAGS.iter().find(|k| k.0 == flag);
        mode |= known
            .ok_or_else(|| Error::invalid(field, format!("unknown memory policy flag \"{flag}\"")))?
            .1;
    }
    let Some(nodes) = cpu_list(&m.nodes) else {
        return Err(Error::invalid(
            "/linux/memoryPolicy/nodes",
            format!("\"{}\" is not a list of nodes such as 0-3,7", m.nodes),
        ));
    };
    if !takes_nodes && nodes != CpuSet::default() {
        return Err(Error::invalid(
            "/linux/memoryPolicy/nodes",
            format!("{} takes no nodes", m.mode),
        ));
    }
    // set_mempolicy(2): without nodes MPOL_PREFERRED means those of the CPU.
    if takes_nodes && nodes == CpuSet::default() && m.mode != "MPOL_PREFERRED" {
        return Err(Error::invalid(
            "/linux/memoryPolicy/nodes",
            format!("{} needs at least one node", m.mode),
        ));
    }
    let has = |name: &str| m.flags.iter().any(|flag| flag == name);
    if has("MPOL_F_STATIC_NODES") && has("MPOL_F_RELATIVE_NODES") {
        return Err(Error::invalid(
            "/linux/memoryPolicy/flags",
            "nodes are either static or relative",
        ));
    }
    Ok(Op::MemoryPolicy {
        mode,
        nodes: Box::new(nodes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus_become_masks() {
        assert_eq!(cpu_list("0-2,65").unwrap()[..2], [7, 2]);
        assert_eq!(cpu_list("").unwrap(), CpuSet::default());
        for bad in ["x", "3-1", "1024", "1-", "-1"] {
            assert!(cpu_list(bad).is_none(), "{bad}");
        }
    }
}
