//! Kernel parameters. config-linux.md#sysctl.

use crate::check_eq;
use crate::host::Need;
use crate::table::Table;
use serde_json::json;
use std::fs;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("sysctl");
    sysctl(t);
}

fn sysctl(t: &mut Table) {
    let cases = [
        (
            "net",
            "net.core.somaxconn",
            "256",
            "/proc/sys/net/core/somaxconn",
        ),
        (
            "net-slash",
            "net/core/somaxconn",
            "257",
            "/proc/sys/net/core/somaxconn",
        ),
        ("ipc", "kernel.msgmax", "9000", "/proc/sys/kernel/msgmax"),
        (
            "ipc-shm",
            "kernel.shm_rmid_forced",
            "1",
            "/proc/sys/kernel/shm_rmid_forced",
        ),
        (
            "mqueue",
            "fs.mqueue.msg_max",
            "17",
            "/proc/sys/fs/mqueue/msg_max",
        ),
        (
            "domainname",
            "kernel.domainname",
            "sysctl.test",
            "/proc/sys/kernel/domainname",
        ),
        (
            "net-ipv4",
            "net.ipv4.ip_forward",
            "1",
            "/proc/sys/net/ipv4/ip_forward",
        ),
    ];
    for (name, key, value, file) in cases {
        t.add(
            name,
            format!("config-linux.md#sysctl: {key} is set in the container"),
            move |c| {
                c.config["linux"]["sysctl"] = json!({key: value});
                let seen = c.attempt(&["read", file])?;
                check_eq!(seen["value"].as_str().map(str::trim), Some(value), "{file}");
                Ok(())
            },
        )
        .needs(&[Need::Root]);
    }
    t.add(
        "host-unchanged",
        "config-linux.md#sysctl: the host keeps its value",
        |c| {
            let before = fs::read_to_string("/proc/sys/kernel/msgmax")?;
            c.config["linux"]["sysctl"] = json!({"kernel.msgmax": "9000"});
            c.inspect()?;
            check_eq!(
                fs::read_to_string("/proc/sys/kernel/msgmax")?,
                before,
                "the host's kernel.msgmax"
            );
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    let refused = [
        ("not-namespaced", "kernel.core_pattern", ""),
        ("vm", "vm.swappiness", ""),
        ("hostname", "kernel.hostname", ""),
        ("traversal", "net/../kernel/core_pattern", ""),
        ("traversal-dots", "net....kernel.core_pattern", ""),
        ("net-on-host", "net.core.somaxconn", "network"),
        ("ipc-on-host", "kernel.msgmax", "ipc"),
        ("unknown", "net.core.no_such_key", ""),
        ("empty-key", "", ""),
    ];
    for (name, key, inherited) in refused {
        t.add(
            format!("refused-{name}"),
            format!("engines: sysctl {key:?} is refused when it is not the container's own"),
            move |c| {
                if !inherited.is_empty() {
                    crate::config::remove_namespace(&mut c.config, inherited);
                }
                let before = fs::read_to_string("/proc/sys/kernel/core_pattern")?;
                c.config["linux"]["sysctl"] = json!({key: "1"});
                let outcome = c.create_fails();
                check_eq!(
                    fs::read_to_string("/proc/sys/kernel/core_pattern")?,
                    before,
                    "the host's core_pattern"
                );
                outcome.map(|_| ())
            },
        );
    }
    t.add(
        "bad-value",
        "config-linux.md#sysctl: a value the kernel refuses is an error",
        |c| {
            c.config["linux"]["sysctl"] = json!({"net.core.somaxconn": "many"});
            c.create_fails()?.says(&["invalid argument"]).map(|_| ())
        },
    )
    .needs(&[Need::Root]);
}
