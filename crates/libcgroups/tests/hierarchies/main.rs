//! Effects on the real kernel. Run as root; each test makes its own cgroup and removes it.
//!
//! The same tests pass on v1, v2 and hybrid hosts. What a host lacks (a controller, the right to make cgroups) makes a test say so and return.

#![allow(clippy::disallowed_methods, reason = "the test's own files")]

mod create;
mod destroy;
mod devices;
mod enter;
mod freeze;
mod rootless;
mod stats;
mod unit;
mod update;
mod workload;
