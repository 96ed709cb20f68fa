//! The configuration that `spec` writes, for people to start from. The same as runc's, which tools
//! edit by its keys.

use serde::Serialize;

use super::{
    Capabilities, IdMapping, Linux, Mount, Namespace, Process, Rlimit, Root, SPEC_VERSION, Spec,
};

/// An example configuration: a shell on a terminal, in a read-only `rootfs`.
///
/// `rootless` has the ids of the user who will run it: the container gets a user namespace with
/// those mapped to root, and goes without what such a user may not do. With `cgroup_v2` the
/// container gets a cgroup namespace, as it needs to see its own cgroup as the root.
pub fn default_spec(rootless: Option<(u32, u32)>, cgroup_v2: bool) -> Spec {
    Spec {
        oci_version: SPEC_VERSION.into(),
        process: Some(Box::new(shell())),
        root: Some(Root {
            path: "rootfs".into(),
            readonly: true,
        }),
        hostname: Some("teu".into()),
        mounts: mounts(rootless.is_some()),
        linux: Some(Box::new(linux(rootless, cgroup_v2))),
        ..Spec::default()
    }
}

/// Any of this module's types as a configuration file: JSON indented by tabs, without a newline at
/// the end.
pub fn render<T: Serialize>(document: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut json = Vec::with_capacity(4096);
    let tabs = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    document.serialize(&mut serde_json::Serializer::with_formatter(&mut json, tabs))?;
    Ok(json)
}

fn shell() -> Process {
    let capabilities = || strings(&["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    Process {
        terminal: true,
        args: strings(&["sh"]),
        env: strings(&[
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "TERM=xterm",
        ]),
        cwd: "/".into(),
        capabilities: Some(Capabilities {
            bounding: capabilities(),
            effective: capabilities(),
            permitted: capabilities(),
            ..Capabilities::default()
        }),
        rlimits: vec![Rlimit {
            r#type: "RLIMIT_NOFILE".into(),
            hard: 1024,
            soft: 1024,
        }],
        no_new_privileges: true,
        ..Process::default()
    }
}

fn mounts(rootless: bool) -> Vec<Mount> {
    let mut devpts = vec![
        "nosuid",
        "noexec",
        "newinstance",
        "ptmxmode=0666",
        "mode=0620",
    ];
    if !rootless {
        // The group tty has no counterpart among a single mapped group.
        devpts.push("gid=5");
    }
    // Mounting sysfs takes a network namespace that the user namespace owns.
    let sys = if rootless {
        mount(
            "/sys",
            "none",
            "/sys",
            &["rbind", "nosuid", "noexec", "nodev", "ro"],
        )
    } else {
        mount(
            "/sys",
            "sysfs",
            "sysfs",
            &["nosuid", "noexec", "nodev", "ro"],
        )
    };
    vec![
        mount("/proc", "proc", "proc", &[]),
        mount(
            "/dev",
            "tmpfs",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        mount("/dev/pts", "devpts", "devpts", &devpts),
        mount(
            "/dev/shm",
            "tmpfs",
            "shm",
            &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
        ),
        mount(
            "/dev/mqueue",
            "mqueue",
            "mqueue",
            &["nosuid", "noexec", "nodev"],
        ),
        sys,
        mount(
            "/sys/fs/cgroup",
            "cgroup",
            "cgroup",
            &["nosuid", "noexec", "nodev", "relatime", "ro"],
        ),
    ]
}

fn linux(rootless: Option<(u32, u32)>, cgroup_v2: bool) -> Linux {
    let namespaces: &[&str] = match (rootless, cgroup_v2) {
        (Some(_), _) => &["pid", "ipc", "uts", "mount", "user"],
        (None, false) => &["pid", "network", "ipc", "uts", "mount"],
        (None, true) => &["pid", "network", "ipc", "uts", "mount", "cgroup"],
    };
    let to_root = |host_id| {
        vec![IdMapping {
            container_id: 0,
            host_id,
            size: 1,
        }]
    };
    let (uid_mappings, gid_mappings) =
        rootless.map_or_else(Default::default, |(uid, gid)| (to_root(uid), to_root(gid)));
    Linux {
        uid_mappings,
        gid_mappings,
        resources: rootless.is_none().then(no_devices).map(Box::new),
        namespaces: namespaces
            .iter()
            .map(|&kind| Namespace {
                r#type: kind.into(),
                path: None,
            })
            .collect(),
        masked_paths: strings(&[
            "/proc/acpi",
            "/proc/asound",
            "/proc/interrupts",
            "/proc/kcore",
            "/proc/keys",
            "/proc/latency_stats",
            "/proc/timer_list",
            "/proc/timer_stats",
            "/proc/sched_debug",
            "/sys/firmware",
            "/sys/devices/virtual/powercap",
            "/proc/scsi",
        ]),
        readonly_paths: strings(&[
            "/proc/bus",
            "/proc/fs",
            "/proc/irq",
            "/proc/sys",
            "/proc/sysrq-trigger",
        ]),
        ..Linux::default()
    }
}

/// Access to no device but the default ones, which the runtime adds by itself.
fn no_devices() -> libcgroups::Resources {
    let deny_all = libcgroups::resources::DeviceRule {
        allow: false,
        access: Some("rwm".into()),
        ..Default::default()
    };
    libcgroups::Resources {
        devices: Some(vec![deny_all]),
        ..Default::default()
    }
}

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.into(),
        r#type: Some(kind.into()),
        source: Some(source.into()),
        options: strings(options),
        ..Mount::default()
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}
