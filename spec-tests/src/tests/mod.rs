//! The tests, one file per subject.

mod cgroups;
mod console;
mod descriptors;
mod engines;
mod errors;
mod exec;
mod hooks;
mod identity;
mod lifecycle;
mod mount_options;
mod mounts;
mod namespaces;
mod process;
mod reliability;
mod rootfs;
mod run;
mod seccomp;
mod security;
pub mod sockets;
pub mod state;
mod userns;

use crate::table::Table;

/// Every test.
pub fn all() -> Table {
    let mut table = Table::default();
    lifecycle::add(&mut table);
    state::add(&mut table);
    process::add(&mut table);
    identity::add(&mut table);
    namespaces::add(&mut table);
    userns::add(&mut table);
    mounts::add(&mut table);
    mount_options::add(&mut table);
    rootfs::add(&mut table);
    seccomp::add(&mut table);
    hooks::add(&mut table);
    cgroups::add(&mut table);
    run::add(&mut table);
    exec::add(&mut table);
    console::add(&mut table);
    descriptors::add(&mut table);
    engines::add(&mut table);
    errors::add(&mut table);
    security::add(&mut table);
    reliability::add(&mut table);
    table
}
