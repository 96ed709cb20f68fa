//! The tests, one file per subject.

mod cgroups;
mod hooks;
mod identity;
mod lifecycle;
mod mount_options;
mod mounts;
mod namespaces;
mod process;
mod rootfs;
mod seccomp;
mod state;
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
    table
}
