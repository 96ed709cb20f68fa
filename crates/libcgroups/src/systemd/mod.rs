//! The systemd driver: the cgroup is a transient unit.

mod unit;

pub use unit::RecordedUnit;
pub(crate) use unit::{Unit, plan};
