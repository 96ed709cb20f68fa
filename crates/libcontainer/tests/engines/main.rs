//! The configurations that engines really write decode as they are and become plans without an error. They lie beside this file; README.md says which
//! engine wrote which, and for what.

#![allow(clippy::disallowed_methods, reason = "the test's own files")]

use kernel::process::{
    CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER,
    CLONE_NEWUTS,
};
use libcgroups::Driver::{self, Cgroupfs, Systemd};
use libcontainer::plan::{self, Host, Op, Options, Plan};
use libcontainer::spec::{self, Spec};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What a container of every engine has of its own.
const USUAL: i32 = CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS;
/// And what most have.
const MOST: i32 = USUAL | CLONE_NEWNET | CLONE_NEWCGROUP;

/// What is known of a file.
struct Captured {
    name: &'static str,
    /// Who makes the cgroup, by the options that the engine gave.
    driver: Driver,
    /// The engine was not root of the host.
    rootless: bool,
    /// `CLONE_NEW*` flags of the namespaces that it asks for.
    new: i32,
    /// How many namespaces it wants joined.
    joined: usize,
    mounts: usize,
    /// With a seccomp profile.
    filtered: bool,
    terminal: bool,
}

const fn captured(name: &'static str, driver: Driver, new: i32, mounts: usize) -> Captured {
    Captured {
        name,
        driver,
        rootless: false,
        new,
        joined: 0,
        mounts,
        filtered: true,
        terminal: false,
    }
}

#[rustfmt::skip]
static CAPTURED: &[Captured] = &[
    Captured { joined: 1, ..captured("podman", Systemd, MOST & !CLONE_NEWNET, 11) },
    captured("podman-limits", Systemd, MOST, 10),
    captured("podman-uidmap", Systemd, MOST | CLONE_NEWUSER, 15),
    Captured { filtered: false, ..captured("podman-privileged", Systemd, MOST, 10) },
    Captured { rootless: true, ..captured("podman-rootless", Systemd, MOST, 10) },
    Captured { rootless: true, ..captured("podman-rootless-keep-id", Systemd, MOST | CLONE_NEWUSER, 11) },
    captured("buildah", Cgroupfs, MOST, 11),
    captured("docker-limits", Systemd, MOST, 12),
    Captured { filtered: false, ..captured("docker-privileged", Systemd, MOST, 10) },
    Captured { terminal: true, ..captured("docker-tty", Systemd, MOST, 11) },
    captured("containerd-limits", Cgroupfs, USUAL | CLONE_NEWNET, 8),
    Captured { filtered: false, ..captured("cri-sandbox", Systemd, USUAL & !CLONE_NEWUTS, 7) },
    Captured { joined: 3, filtered: false, ..captured("cri-container", Systemd, CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWCGROUP, 11) },
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engines")
}

fn decoded(name: &str) -> Spec {
    let text = fs::read(folder().join(name).with_extension("json")).expect("the file is there");
    spec::decode(&text).unwrap_or_else(|e| panic!("{name} does not decode: {e}"))
}

/// The plan of root with every capability, whoever runs this test. Only the cgroup hierarchies are this machine's.
fn planned(captured: &Captured, spec: &Spec) -> Plan {
    let host = Host {
        euid: 0,
        egid: 0,
        privileged: true,
        capabilities: u64::MAX,
        ..Host::probe().expect("a host with cgroups")
    };
    let options = Options {
        id: captured.name,
        cgroup_driver: captured.driver,
        rootless: captured.rootless,
        ..Options::default()
    };
    plan::plan(spec, Path::new("/bundle"), &options, &host)
        .unwrap_or_else(|e| panic!("{}: {e}", captured.name))
}

/// `CLONE_NEW*` flags of all namespaces that the plan makes, with whichever system call.
fn made(plan: &Plan) -> i32 {
    let program = &plan.program;
    let steps = program.stage.iter().chain(&program.steps);
    steps.fold(program.clone_flags, |made, step| match step.op {
        Op::Unshare { kinds } => made | kinds,
        Op::Spawn { flags } => made | flags,
        _ => made,
    })
}

/// The first mount that no operation was planned for.
fn forgotten(spec: &Spec, plan: &Plan) -> Option<usize> {
    (0..spec.mounts.len()).find(|i| {
        let field = format!("/mounts/{i}");
        let mut steps = plan.program.steps.iter();
        !steps.any(|step| step.field == field)
    })
}

#[test]
fn every_file_is_in_the_table_and_in_the_readme() {
    let listed: BTreeSet<String> = CAPTURED
        .iter()
        .map(|c| format!("{}.json", c.name))
        .collect();
    let present: BTreeSet<String> = fs::read_dir(folder())
        .expect("the folder is there")
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".json"))
        .collect();
    assert_eq!(listed, present);
    let readme = fs::read_to_string(folder().join("README.md")).expect("README.md is there");
    for name in listed {
        assert!(
            readme.contains(&format!("| `{name}` |")),
            "{name} has no row"
        );
    }
}

#[test]
fn each_becomes_a_plan_that_has_all_of_it() {
    for captured in CAPTURED {
        let name = captured.name;
        let spec = decoded(name);
        assert_eq!(spec.mounts.len(), captured.mounts, "{name}");
        let plan = planned(captured, &spec);
        assert_eq!(
            made(&plan),
            captured.new,
            "{name}: namespaces (flags {:#x})",
            made(&plan)
        );
        assert_eq!(plan.program.slots.len(), captured.joined, "{name}: joins");
        assert_eq!(
            plan.id_maps.is_some(),
            captured.new & CLONE_NEWUSER != 0,
            "{name}: id maps"
        );
        assert_eq!(forgotten(&spec, &plan), None, "{name}: a mount is missing");
        let process = &plan.program.process;
        assert_eq!(
            process.seccomp.is_some(),
            captured.filtered,
            "{name}: filter"
        );
        if let Some(filter) = &process.seccomp {
            assert!(!filter.instructions.is_empty(), "{name}: an empty filter");
        }
        assert_eq!(
            process.terminal.is_some(),
            captured.terminal,
            "{name}: terminal"
        );
    }
}

/// What the cgroup of this machine cannot do is said too, but depends on the machine.
#[test]
fn nothing_in_them_is_tolerated_with_a_warning() {
    for captured in CAPTURED {
        let plan = planned(captured, &decoded(captured.name));
        let of_cgroups = plan.cgroup.warnings();
        let others: Vec<&String> = plan
            .warnings
            .iter()
            .filter(|w| !of_cgroups.contains(w))
            .collect();
        assert_eq!(others, Vec::<&String>::new(), "{}", captured.name);
    }
}

#[test]
fn a_systemd_path_becomes_the_unit_that_the_engine_knows() {
    for captured in CAPTURED.iter().filter(|c| c.driver == Systemd) {
        let spec = decoded(captured.name);
        let path = spec.linux.as_ref().and_then(|l| l.cgroups_path.as_deref());
        let parts: Vec<&str> = path.expect("a path").split(':').collect();
        let unit = planned(captured, &spec)
            .cgroup
            .record()
            .unit
            .expect("a unit");
        assert_eq!(unit.name, format!("{}-{}.scope", parts[1], parts[2]));
        assert_eq!(unit.user, captured.rootless, "{}", captured.name);
    }
}
