//! `update`: changes the limits of a container.

use super::container;
use crate::log::Log;
use libcgroups::Resources;
use libcgroups::resources::{BlockIo, Cpu, Memory, Pids};
use libcontainer::create::CGROUP_TIME;
use libcontainer::error::{During, from_cgroups};
use libcontainer::lifecycle::Status;
use libcontainer::plan::intel_rdt;
use libcontainer::{Error, Kind, Result, spec};
use liboci_cli::{Global, Update};
use std::io::Read;
use std::path::Path;
use std::time::Instant;

/// Runs the command. All of it, or nothing, takes effect.
#[inline(never)]
pub fn run(global: &Global, command: &Update, log: &mut Log) -> Result<i32> {
    let container = container(global, &command.id)?;
    if container.status()? == Status::Stopped {
        return Err(Error::new(Kind::WrongState, "container not running"));
    }
    let resources = match &command.resources {
        Some(path) => read(path)?,
        None => from_options(command, log)?,
    };
    let lines = schemata(command)?;
    let undo = match (&container.record.intel_rdt, lines.is_empty()) {
        (_, true) => None,
        (Some(groups), _) => Some((groups, groups.update(&lines)?)),
        (None, _) => {
            let why = "--l3-cache-schema and --mem-bw-schema need a container that was created with linux.intelRdt";
            return Err(Error::new(Kind::Invalid, why));
        }
    };
    container
        .cgroup()
        .update(&resources, Instant::now() + CGROUP_TIME)
        .map_err(|e| {
            if let Some((groups, old)) = undo {
                let _ = groups.update(&old);
            }
            from_cgroups(e)
        })?;
    Ok(0)
}

/// The lines for resctrl.
fn schemata(c: &Update) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for (option, schema) in [
        ("--l3-cache-schema", &c.l3_cache_schema),
        ("--mem-bw-schema", &c.mem_bw_schema),
    ] {
        if let Some(schema) = schema {
            lines.extend(intel_rdt::check_lines(schema, option)?.map(str::to_owned));
        }
    }
    Ok(lines)
}

/// The JSON of `linux.resources`; `-` is standard input.
#[allow(clippy::disallowed_methods, reason = "a file that the caller names")]
fn read(path: &Path) -> Result<Resources> {
    let mut bytes = Vec::new();
    let what = || format!("read {}", path.display());
    if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(spec::MAX_SIZE as u64)
            .read_to_end(&mut bytes)
            .during(what)?;
    } else {
        bytes = std::fs::read(path).during(what)?;
    }
    spec::decode_json(&bytes).map_err(|e| libcontainer::create::decode_error(path, &e))
}

fn from_options(c: &Update, log: &mut Log) -> Result<Resources> {
    if c.kernel_memory.is_some() || c.kernel_memory_tcp.is_some() {
        log.warn(&[
            "--kernel-memory and --kernel-memory-tcp have no effect on today's kernels, ignoring"
                .into(),
        ]);
    }
    let memory = Memory {
        limit: c.memory,
        reservation: c.memory_reservation,
        swap: c.memory_swap,
        ..Memory::default()
    };
    let cpu = Cpu {
        shares: c.cpu_share,
        quota: c.cpu_quota,
        burst: c.cpu_burst,
        period: c.cpu_period,
        realtime_runtime: c.cpu_rt_runtime,
        realtime_period: c.cpu_rt_period,
        cpus: c.cpuset_cpus.clone(),
        mems: c.cpuset_mems.clone(),
        idle: c.cpu_idle,
    };
    Ok(Resources {
        memory: Some(memory),
        cpu: Some(cpu),
        pids: c.pids_limit.map(|limit| Pids { limit: Some(limit) }),
        block_io: c.blkio_weight.map(|weight| BlockIo {
            weight: Some(weight),
            ..BlockIo::default()
        }),
        ..Resources::default()
    })
}
