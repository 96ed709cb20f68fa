//! One cgroup of one workload, on cgroup v1, v2 and through systemd. Knows nothing of containers.
//!
//! Decide, then do: [`plan`] turns a [`Request`] and the host's [`Layout`] into a [`Plan`] without touching the kernel, and refuses what cannot
//! be done. [`Cgroup::create`] carries it out. The plan's [`Record`] is all that later commands need; write it down before creating anything.
//!
//! ```no_run
//! use libcgroups::{Cgroup, Driver, Entry, Layout, Request, plan};
//! use std::time::{Duration, Instant};
//!
//! let deadline = Instant::now() + Duration::from_secs(10);
//! let layout = Layout::detect()?;
//! let request = Request { id: "c1", path: Some("/c1"), driver: Driver::Cgroupfs, ..Request::default() };
//! let plan = plan(&layout, &request)?;
//! let cgroup = Cgroup::create(&plan, deadline)?;
//! match cgroup.entry() {
//!     Entry::Into(dir) => { /* clone3 with CLONE_INTO_CGROUP and this descriptor */ }
//!     Entry::Tasks(files) => { /* the new process, still single-threaded, writes "0" to each */ }
//!     Entry::IntoAndTasks(dir, files) => { /* both */ }
//!     Entry::Pid => { /* clone, then Cgroup::start_unit with the pid */ }
//!     Entry::None => {}
//! }
//! cgroup.destroy(deadline)?;
//! # Ok::<(), libcgroups::Error>(())
//! ```

#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests make files of their own")
)]

mod cgroup;
mod check;
mod convert;
mod devices;
mod error;
mod fs;
mod layout;
mod path;
mod plan;
pub mod resources;
pub mod stats;
mod systemd;
mod undo;
mod v1;
mod v2;
mod wait;
mod write;

pub use cgroup::{Cgroup, Entry, OomEvent, OomEvents};
pub use error::{Error, Result};
pub use layout::{Layout, V1Mount};
pub use plan::{Driver, EntryKind, Plan, Record, RecordedDir, Request, plan};
pub use resources::Resources;
pub use stats::Stats;
pub use systemd::RecordedUnit;
