//! The tests, one file per subject.

mod annotations;
mod apparmor;
mod attributes;
mod binds;
mod caller;
mod cgroup_shared;
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
mod hostile;
mod hostile_documents;
mod identity;
mod idmap;
mod kill_delete;
mod lifecycle;
mod limits;
mod log;
mod mount_effects;
mod mount_locks;
mod mount_options;
mod mounts;
mod namespace_effects;
mod namespaces;
mod netdev;
mod notify;
mod paths;
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
mod security_attack;
mod security_audit;
mod security_binary;
mod security_caller;
mod security_process;
mod security_race;
mod selinux;
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
    let subjects: [fn(&mut Table); 63] = [
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
        mount_locks::add,
        annotations::add,
        fields::add,
        netdev::add,
        mounts::add,
        binds::add,
        mount_options::add,
        mount_effects::add,
        propagation::add,
        rootfs::add,
        paths::add,
        devices::add,
        seccomp::add,
        seccomp_notify::add,
        seccomp_agent::add,
        default_profiles::add,
        sysctl::add,
        hooks::add,
        hook_order::add,
        cgroups::add,
        cgroup_shared::add,
        limits::add,
        resources::add,
        rdt::add,
        selinux::add,
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
        security_binary::add,
        security_attack::add,
        security_audit::add,
        security_caller::add,
        hostile::add,
        security_race::add,
        reliability::add,
    ];
    for add in subjects {
        add(&mut table);
    }
    for (name, holes) in GUARDS {
        table.guards(name, holes);
    }
    table
}

const GROUPS: &str = "CVE-2022-2989, CVE-2022-2990, CVE-2022-2995, CVE-2022-36109, CVE-2023-25173: supplementary groups";
const CGROUPS: &str = "CVE-2023-25809: cgroups writable without a cgroup namespace";
const HOOKS: &str = "CVE-2025-23266, CVE-2024-0132: hooks do not get the container's environment";
const AMBIENT: &str = "CVE-2016-8867: no ambient capabilities that nobody asked for";
const INHERITABLE: &str = "CVE-2022-24769, CVE-2022-29162, CVE-2025-27612: no inheritable capabilities that nobody asked for";
const DESCRIPTORS: &str = "CVE-2024-21626, CVE-2016-9962: no descriptor of the host stays open";
const SYSCTL: &str = "CVE-2022-0811: only parameters of the container's own namespaces";

/// Tests of other subjects that are security tests, too.
const GUARDS: [(&str, &str); 35] = [
    ("cgroups/shared-below", CGROUPS),
    ("cgroups/shared-below-user", CGROUPS),
    ("cgroups/shared-below-user-rrw", CGROUPS),
    ("cgroups/shared-below-user-remount", CGROUPS),
    ("cgroups/shared-sysfs-user", CGROUPS),
    ("user/additional-gids", GROUPS),
    ("user/no-inherited-groups", GROUPS),
    ("capabilities/user-without-ambient", AMBIENT),
    ("capabilities/ambient", AMBIENT),
    ("capabilities/ambient-of-the-caller", AMBIENT),
    ("capabilities/five-sets", INHERITABLE),
    ("capabilities/exec-cap-not-inheritable", INHERITABLE),
    ("capabilities/absent", INHERITABLE),
    ("exec/process-capabilities", INHERITABLE),
    ("descriptors/none", DESCRIPTORS),
    ("descriptors/caller-not-passed", DESCRIPTORS),
    ("descriptors/caller-not-in-created", DESCRIPTORS),
    ("descriptors/no-host-folders-in-created", DESCRIPTORS),
    ("descriptors/preserve-fds-own-numbers", DESCRIPTORS),
    ("descriptors/preserve-fds-no-way-out", DESCRIPTORS),
    ("exec/descriptors", DESCRIPTORS),
    ("sysctl/refused-not-namespaced", SYSCTL),
    ("sysctl/refused-traversal", SYSCTL),
    ("sysctl/refused-traversal-dots", SYSCTL),
    ("sysctl/refused-vm", SYSCTL),
    ("hooks/prestart-args-env", HOOKS),
    ("hooks/createRuntime-args-env", HOOKS),
    ("hooks/createContainer-args-env", HOOKS),
    ("hooks/poststart-args-env", HOOKS),
    ("hooks/poststop-args-env", HOOKS),
    (
        "rootfs/host-not-visible",
        "CVE-2024-21626 class: nothing of the host can be seen",
    ),
    (
        "userns/no-power-outside",
        "a user namespace's root is nobody outside",
    ),
    ("userns/rootfs-owner-unchanged", "owners of the image stay"),
    (
        "exec/sub-cgroup-escape",
        "exec --cgroup stays below the container's cgroup",
    ),
    (
        "annotations/criu-config-ignored",
        "CVE-2024-3154 class: annotations of the image change nothing on the host",
    ),
];
