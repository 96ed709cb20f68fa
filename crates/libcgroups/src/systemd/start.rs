//! Starting, changing and stopping units.

use super::bus::{Connection, Failure, addresses, manager};
use super::unit::{RecordedUnit, Unit};
use super::wire::{Property, Reader, Value, Writer};
use crate::error::{Error, Result};
use crate::wait::Backoff;
use kernel::Errno;
use std::path::Path;
use std::time::{Duration, Instant};

/// A service manager, reached anew for each thing that is wanted of it.
pub(crate) struct Manager {
    user: bool,
    deadline: Instant,
}

/// What the manager said about the job of a call.
type Job = std::result::Result<(), Failure>;

impl Manager {
    pub fn new(user: bool, deadline: Instant) -> Manager {
        Manager { user, deadline }
    }

    fn connect(&self) -> Result<Connection> {
        let list = addresses(
            self.user,
            |name| std::env::var(name).ok(),
            kernel::cred::euid(),
        );
        Connection::open(&list, self.deadline).map_err(|failure| {
            let tried: Vec<_> = list.iter().map(|a| a.path.as_str()).collect();
            let error = explain(&format!("connect to {} at {}", self.name(), tried.join(" or ")), failure);
            match self.user {
                true => error.with_hint("is there a login session with XDG_RUNTIME_DIR set, or lingering (loginctl enable-linger)?"),
                false => error.with_hint("is systemd running? Without it use the cgroupfs driver"),
            }
        })
    }

    fn name(&self) -> &'static str {
        if self.user {
            "the user's service manager"
        } else {
            "systemd"
        }
    }

    /// Starts the unit with the process `pid` in it, in one call with all properties, and waits until it runs.
    ///
    /// A failed or ending unit of an earlier life is cleared away. A manager that goes away in the middle (daemon-reexec) is asked again what
    /// became of the unit.
    pub fn start(&self, unit: &Unit, pid: i32, properties: &[Property]) -> Result<()> {
        let mut clearings = 0;
        let mut lost = false;
        let mut reduced: Option<Vec<Property>> = None;
        let mut backoff = Backoff::until(self.deadline);
        loop {
            let properties = reduced.as_deref().unwrap_or(properties);
            let mut connection = self.connect()?;
            match start_unit(&mut connection, &unit.name, properties) {
                Ok(()) => return Ok(()),
                Err(Failure::Refused { name, .. })
                    if name.ends_with(".UnitExists") && clearings < 3 =>
                {
                    clearings += 1;
                    // Perhaps it is ours, from a call whose answer was lost.
                    if lost && self.has_taken(unit, pid, &mut backoff)? {
                        return Ok(());
                    }
                    self.reset_failed(&unit.name)?;
                    // The manager forgets a unit that has ended when it next has a moment.
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(Failure::Refused { text, .. })
                    if reduced.is_none() && unknown_property(&text) =>
                {
                    reduced = Some(
                        properties
                            .iter()
                            .filter(|(name, _)| !RECENT.contains(&name.as_str()))
                            .cloned()
                            .collect(),
                    );
                }
                Err(Failure::Lost(_)) if backoff.wait() => {
                    lost = true;
                    if self.has_taken(unit, pid, &mut backoff)? {
                        return Ok(());
                    }
                }
                Err(failure) => {
                    let exists = matches!(&failure, Failure::Refused { name, .. } if name.ends_with(".UnitExists"));
                    let error = explain(&format!("start unit {}", unit.name), failure);
                    return Err(match exists {
                        true => error
                            .with_field("/linux/cgroupsPath")
                            .with_hint("it is in use, perhaps by another container"),
                        false => error,
                    });
                }
            }
        }
    }

    /// Changes properties of a running unit, until it stops.
    pub fn set(&self, unit: &str, properties: &[Property]) -> Result<()> {
        let mut body = Writer::default();
        body.str(unit);
        body.u32(1);
        body.properties(properties);
        self.call_until_answered(
            "SetUnitProperties",
            "sba(sv)",
            &body.0,
            &format!("set properties of unit {unit}"),
        )
    }

    /// Stops the unit and waits until it has gone. A unit that is not there has been stopped.
    pub fn stop(&self, unit: &str) -> Result<()> {
        let mut backoff = Backoff::until(self.deadline);
        loop {
            let mut connection = self.connect()?;
            match stop_unit(&mut connection, unit) {
                Ok(()) => return self.reset_failed(unit),
                Err(Failure::Refused { name, .. }) if name.ends_with(".NoSuchUnit") => {
                    return Ok(());
                }
                Err(Failure::Lost(_)) if backoff.wait() => {}
                Err(failure) => return Err(explain(&format!("stop unit {unit}"), failure)),
            }
        }
    }

    /// Moves a process into the unit's cgroup, or below it.
    pub fn attach(&self, unit: &str, sub: &str, pid: i32) -> Result<()> {
        let mut body = Writer::default();
        body.str(unit);
        body.str(sub);
        body.array(4, |w| w.u32(pid as u32));
        self.call_until_answered(
            "AttachProcessesToUnit",
            "ssau",
            &body.0,
            &format!("move process {pid} into unit {unit}"),
        )
    }

    fn reset_failed(&self, unit: &str) -> Result<()> {
        let mut body = Writer::default();
        body.str(unit);
        match self.ask("ResetFailedUnit", "s", &body.0) {
            // Unloaded already, or never failed.
            Ok(_) | Err(Asked::Failed(Failure::Refused { .. })) => Ok(()),
            Err(e) => Err(e.into_error(&format!("reset failed unit {unit}"))),
        }
    }

    /// Whether a unit whose start got lost runs after all. Its job may still be waiting: it has run when the process is in the unit.
    fn has_taken(&self, unit: &Unit, pid: i32, backoff: &mut Backoff) -> Result<bool> {
        while self.is_loaded(&unit.name)? {
            if unit.is_slice() || lives_in(pid, &unit.name) {
                return Ok(true);
            }
            if !backoff.wait() {
                let what = format!("start unit {}", unit.name);
                return Err(explain(&what, Failure::Late));
            }
        }
        Ok(false)
    }

    fn is_loaded(&self, unit: &str) -> Result<bool> {
        let mut body = Writer::default();
        body.str(unit);
        match self.ask("GetUnit", "s", &body.0) {
            Ok(_) => Ok(true),
            Err(Asked::Failed(Failure::Refused { .. })) => Ok(false),
            Err(e) => Err(e.into_error(&format!("look for unit {unit}"))),
        }
    }

    fn call_until_answered(
        &self,
        member: &str,
        signature: &str,
        body: &[u8],
        what: &str,
    ) -> Result<()> {
        self.ask(member, signature, body)
            .map(drop)
            .map_err(|e| e.into_error(what))
    }

    /// For calls that may be repeated: a connection that breaks is made anew, until the deadline.
    fn ask(
        &self,
        member: &str,
        signature: &str,
        body: &[u8],
    ) -> std::result::Result<Vec<u8>, Asked> {
        let mut backoff = Backoff::until(self.deadline);
        loop {
            match self.call(member, signature, body) {
                Err(Asked::Failed(Failure::Lost(_))) if backoff.wait() => {}
                answer => return answer,
            }
        }
    }

    fn call(
        &self,
        member: &str,
        signature: &str,
        body: &[u8],
    ) -> std::result::Result<Vec<u8>, Asked> {
        let mut connection = self.connect().map_err(Asked::Unreachable)?;
        let call = super::wire::Call {
            signature,
            body: body.to_vec(),
            ..manager(member)
        };
        connection.call(&call).map_err(Asked::Failed)
    }
}

enum Asked {
    Unreachable(Error),
    Failed(Failure),
}

impl Asked {
    fn into_error(self, what: &str) -> Error {
        match self {
            Asked::Unreachable(e) => e,
            Asked::Failed(failure) => explain(what, failure),
        }
    }
}

/// Properties that systemd learnt late (242 and 244). The files of the cgroup are written in any case.
const RECENT: [&str; 3] = ["CPUQuotaPeriodUSec", "AllowedCPUs", "AllowedMemoryNodes"];

fn unknown_property(text: &str) -> bool {
    text.contains("unknown property") && RECENT.iter().any(|name| text.contains(name))
}

/// Whether the kernel has the process in the unit's cgroup.
fn lives_in(pid: i32, unit: &str) -> bool {
    let text = crate::fs::read(Path::new(&format!("/proc/{pid}/cgroup"))).unwrap_or_default();
    text.lines().any(|line| line.ends_with(&format!("/{unit}")))
}

fn start_unit(connection: &mut Connection, unit: &str, properties: &[Property]) -> Job {
    let mut body = Writer::default();
    body.str(unit);
    body.str("replace");
    body.properties(properties);
    // Auxiliary units: none.
    body.array(8, |_| {});
    run_job(connection, "StartTransientUnit", "ssa(sv)a(sa(sv))", body.0)
}

fn stop_unit(connection: &mut Connection, unit: &str) -> Job {
    let mut body = Writer::default();
    body.str(unit);
    body.str("replace");
    run_job(connection, "StopUnit", "ss", body.0)
}

/// Calls a method that queues a job, and waits for the signal that the job is done.
fn run_job(connection: &mut Connection, member: &str, signature: &str, body: Vec<u8>) -> Job {
    let reply = connection.call(&super::wire::Call {
        signature,
        body,
        ..manager(member)
    })?;
    let job = Reader::new(&reply)
        .str()
        .ok_or(Failure::Lost(Errno::EPROTO))?
        .to_owned();
    loop {
        let (name, body) = connection.signal()?;
        if name != "JobRemoved" {
            continue;
        }
        // id, job, unit, result
        let mut r = Reader::new(&body);
        let (Some(_), Some(path), Some(unit), Some(result)) = (r.u32(), r.str(), r.str(), r.str())
        else {
            continue;
        };
        if path == job {
            return match result {
                "done" => Ok(()),
                other => Err(Failure::Refused {
                    name: String::new(),
                    text: format!("the job of {unit} ended as {other:?}"),
                }),
            };
        }
    }
}

fn explain(what: &str, failure: Failure) -> Error {
    match failure {
        Failure::Refused { name, text } if text.is_empty() => Error::new(format!("{what}: {name}")),
        Failure::Refused { text, .. } => Error::new(format!("{what}: {text}")),
        Failure::Lost(e) => Error::sys(what, e),
        Failure::Late => Error::sys(what, Errno::ETIMEDOUT)
            .with_hint("the service manager did not answer in time"),
    }
}

/// What makes the unit a home for a container, without its limits.
///
/// # Errors
/// A pid that is none: the service manager takes 0 for whoever asks.
pub(crate) fn frame(unit: &Unit, pid: i32, v2: bool) -> Result<Vec<Property>> {
    if pid <= 0 && !unit.is_slice() {
        return Err(Error::new(format!(
            "{pid} is no process to start a unit with"
        )));
    }
    let mut p: Vec<Property> = Vec::new();
    let mut add = |name: &str, value| p.push((name.to_owned(), value));
    add(
        "Description",
        Value::Str(format!("teu container {}", unit.id)),
    );
    // Gone from systemd's memory as soon as it has ended, even when by the OOM killer.
    add("CollectMode", Value::Str("inactive-or-failed".into()));
    if unit.is_slice() {
        // A slice is where its name says.
        add("Wants", Value::Strs(vec![unit.slice.clone()]));
    } else {
        add("Slice", Value::Str(unit.slice.clone()));
        add("Delegate", Value::Bool(true));
        add("PIDs", Value::U32s(vec![pid as u32]));
    }
    let io = if v2 {
        "IOAccounting"
    } else {
        "BlockIOAccounting"
    };
    for accounting in ["MemoryAccounting", "CPUAccounting", io, "TasksAccounting"] {
        add(accounting, Value::Bool(true));
    }
    add("DefaultDependencies", Value::Bool(false));
    for (name, text) in &unit.extra {
        let property = super::gvariant::property(name, text).map_err(Error::new)?;
        // The user's word replaces ours.
        p.retain(|(n, _)| *n != property.0);
        p.push(property);
    }
    Ok(p)
}

/// For sentences and for `update`, `exec` and `delete`: the manager that knows this unit.
pub(crate) fn of(unit: &RecordedUnit, deadline: Instant) -> Manager {
    Manager::new(unit.user, deadline)
}
