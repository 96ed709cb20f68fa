//! `events`: what a container uses, once or again and again, and when the kernel kills for want of memory.

use super::{container, print};
use libcgroups::OomEvent;
use libcontainer::error::from_cgroups;
use libcontainer::lifecycle::{Container, Status};
use libcontainer::{Error, Kind, Result, resctrl};
use liboci_cli::{Events, Global};
use serde::Serialize;
use std::time::Instant;

#[derive(Serialize)]
struct Event<'a> {
    r#type: &'a str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data>,
}

/// All numbers of a container.
#[derive(Serialize)]
struct Data {
    #[serde(flatten)]
    cgroup: libcgroups::Stats,
    intel_rdt: resctrl::stats::Stats,
    /// Part of the format, where it is always null: a container's interfaces are the business of who made its network.
    network_interfaces: Option<()>,
}

fn data(container: &Container) -> Data {
    let groups = container.record.intel_rdt.as_ref();
    let intel_rdt = groups
        .and_then(|groups| Some(groups.stats(&resctrl::find().ok()?)))
        .unwrap_or_default();
    Data {
        cgroup: container.cgroup().stats(),
        intel_rdt,
        network_interfaces: None,
    }
}

fn write(id: &str, kind: &str, data: Option<Data>) -> Result<i32> {
    let event = Event {
        r#type: kind,
        id,
        data,
    };
    let json = serde_json::to_string(&event)
        .map_err(|e| Error::os("write JSON", std::io::Error::from(e)))?;
    print((json + "\n").as_bytes())
}

/// Runs the command.
#[inline(never)]
pub fn run(global: &Global, command: &Events) -> Result<i32> {
    let container = container(global, &command.id)?;
    if container.status()? == Status::Stopped {
        return Err(Error::new(Kind::WrongState, "container not running"));
    }
    if command.stats {
        return write(&command.id, "stats", Some(data(&container)));
    }
    follow(&container, command)
}

fn follow(container: &Container, command: &Events) -> Result<i32> {
    let cgroup = container.cgroup();
    let mut events = cgroup.oom_events().map_err(from_cgroups)?;
    let mut next = Instant::now() + command.interval;
    loop {
        match events.wait(Some(next)).map_err(from_cgroups)? {
            OomEvent::Killed(_) => {
                write(&command.id, "oom", None)?;
            }
            OomEvent::Pressed => {}
            OomEvent::Ended => return Ok(0),
            OomEvent::Nothing => {
                if !container.is_alive()? {
                    return Ok(0);
                }
                write(&command.id, "stats", Some(data(container)))?;
                next += command.interval;
            }
        }
    }
}
