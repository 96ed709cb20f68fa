//! The tests, one file per subject.

mod annotations;
mod apparmor;
mod attributes;
mod binds;
mod caller;
mod cgroups;
mod command_line;
mod console;
mod default_profiles;
mod descriptors;
mod devices;
mod documents;
mod engines;
mod errors;
mod exec;
mod exec_process;
mod fields;
mod foreground;
mod hook_order;
mod hooks;
mod identity;
mod idmap;
mod kill_delete;
mod lifecycle;
mod limits;
mod log;
mod mount_effects;
mod mount_options;
mod mounts;
mod namespace_effects;
mod namespaces;
mod netdev;
mod notify;
mod pause;
mod process;
mod propagation;
mod rdt;
mod reliability;
mod resources;
mod rlimits;
mod rootfs;
mod run;
mod seccomp;
mod seccomp_agent;
mod seccomp_notify;
mod security;
mod security_process;
mod security_race;
pub mod sockets;
mod start;
pub mod state;
mod sysctl;
mod update;
mod update_whole;
mod userns;

use crate::table::Table;

/// Every test, by subject.
pub fn all() -> Table {
    let mut table = Table::default();
    let subjects: [fn(&mut Table); 54] = [
        lifecycle::add,
        start::add,
        kill_delete::add,
        state::add,
        process::add,
        identity::add,
        caller::add,
        rlimits::add,
        attributes::add,
        apparmor::add,
        namespaces::add,
        namespace_effects::add,
        userns::add,
        idmap::add,
        annotations::add,
        fields::add,
        netdev::add,
        mounts::add,
        binds::add,
        mount_options::add,
        mount_effects::add,
        propagation::add,
        rootfs::add,
        devices::add,
        seccomp::add,
        seccomp_notify::add,
        seccomp_agent::add,
        default_profiles::add,
        sysctl::add,
        hooks::add,
        hook_order::add,
        cgroups::add,
        limits::add,
        resources::add,
        rdt::add,
        update::add,
        update_whole::add,
        pause::add,
        run::add,
        exec::add,
        exec_process::add,
        console::add,
        foreground::add,
        descriptors::add,
        notify::add,
        engines::add,
        log::add,
        command_line::add,
        documents::add,
        errors::add,
        security::add,
        security_process::add,
        security_race::add,
        reliability::add,
    ];
    for add in subjects {
        add(&mut table);
    }
    table
}
