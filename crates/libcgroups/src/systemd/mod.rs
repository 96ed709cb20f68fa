//! The systemd driver: the cgroup is a transient unit.
//!
//! The D-Bus client is our own ([`wire`], [`bus`]): nine methods and one signal of systemd and of the bus itself. docs/cgroups.md says what it was weighed against.

mod bus;
mod gvariant;
pub(crate) mod properties;
pub(crate) mod start;
mod unit;
pub(crate) mod wire;

pub use unit::RecordedUnit;
pub(crate) use unit::{Unit, plan};
