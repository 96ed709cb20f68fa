//! What namespaces do: isolation, clocks, names. config-linux.md#namespaces, config.md#hostname.

use super::namespaces::{Holder, remove};
use crate::config::{remove_namespace, set_namespace};
use crate::context::json_line;
use crate::host::Need;
use crate::inside::Inside;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::json;
use std::fs;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("namespaces");
    effects(t);
    time(t);
    names(t);
}

fn effects(t: &mut Table) {
    t.add(
        "pid-one",
        "config-linux.md#namespaces: in a new pid namespace \
             the process is number 1 and sees only its own",
        |c| {
            let lines = c.attempts(&["inspect", ";", "list", "/proc"])?;
            check_eq!(lines[0]["pid"], 1, "pid");
            let numbers: Vec<&str> = lines[1]["value"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|name| name.as_str())
                .filter(|name| name.parse::<u32>().is_ok())
                .collect();
            check_eq!(numbers, ["1"], "processes in /proc");
            Ok(())
        },
    );
    t.add(
        "network-only-loopback",
        "config-linux.md#namespaces: a new network namespace has only the loopback device",
        |c| {
            let seen = c.inspect()?;
            let devices: Vec<String> = seen
                .file("/proc/net/dev")
                .lines()
                .filter_map(|line| line.split_once(':'))
                .map(|(name, _)| name.trim().to_string())
                .filter(|name| {
                    ![
                        "tunl0", "sit0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0",
                        "ip6tnl0", "ip6gre0",
                    ]
                    .contains(&name.as_str())
                })
                .collect();
            check_eq!(devices, ["lo"], "devices");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "loopback-up",
        "engines: the loopback device of a new network namespace is up",
        |c| {
            let seen = c.attempt(&["read", "/sys/class/net/lo/flags"])?;
            let flags = seen["value"].as_str().and_then(|text| {
                u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
            });
            check!(
                flags.is_some_and(|flags| flags & 1 == 1),
                "flags of lo are {}",
                seen["value"]
            );
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "cgroup-root",
        "config-linux.md#namespaces: in a new cgroup namespace the container's cgroup is the root",
        |c| {
            set_namespace(&mut c.config, "cgroup", None);
            let seen = c.inspect()?;
            let paths: Vec<&str> = seen
                .file("/proc/self/cgroup")
                .lines()
                .filter_map(|line| line.splitn(3, ':').nth(2))
                .collect();
            check!(
                !paths.is_empty() && paths.iter().all(|path| !path.contains(&c.tag)),
                "cgroups are {paths:?}"
            );
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::CgroupNamespace]);
    t.add(
        "ipc-isolated",
        "config-linux.md#namespaces: message queues of a new ipc namespace are its own",
        |c| {
            let seen = c.attempts(&[
                "write",
                "/dev/mqueue/spectest",
                "",
                ";",
                "list",
                "/dev/mqueue",
            ])?;
            check_eq!(seen[1]["value"], json!(["spectest"]), "queues");
            let again = c.attempt(&["list", "/dev/mqueue"])?;
            check_eq!(again["value"], json!([]), "queues of the next container");
            Ok(())
        },
    );
    t.add(
        "all-joined",
        "config-linux.md#namespaces: every namespace of \
             a running container can be joined by another",
        |c| {
            let pid = c.launch(&["pause"])?;
            let second = format!("{}-second", c.tag);
            let first = c.config.clone();
            for (kind, file) in [
                ("pid", "pid"),
                ("network", "net"),
                ("ipc", "ipc"),
                ("uts", "uts"),
            ] {
                set_namespace(&mut c.config, kind, Some(&format!("/proc/{pid}/ns/{file}")));
            }
            remove(c, "hostname");
            c.set_cgroup(&second);
            c.args(&["inspect"]);
            c.write_config()?;
            let bundle = c.bundle().to_string_lossy().into_owned();
            let output = c.call(&["run", "--bundle", &bundle, &second])?.success()?;
            let inside = Inside(json_line(&output)?);
            for file in ["pid", "net", "ipc", "uts"] {
                let link = fs::read_link(format!("/proc/{pid}/ns/{file}"))?
                    .to_string_lossy()
                    .into_owned();
                check_eq!(inside.namespace(file), link, "{file}");
            }
            c.config = first;
            c.destroy()
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "netns-by-bind-mount",
        "config-linux.md#namespaces: path may be a bind mount of a namespace, as ip-netns makes",
        |c| {
            let holder = Holder::new(c, 0x4000_0000)?;
            let file = c.dir.join("netns");
            fs::write(&file, "")?;
            rustix::mount::mount_bind(holder.path("net"), &file)?;
            let link = holder.link("net")?;
            set_namespace(&mut c.config, "network", Some(&file.to_string_lossy()));
            drop(holder);
            let seen = c.inspect_from_host("net");
            rustix::mount::unmount(&file, rustix::mount::UnmountFlags::DETACH)?;
            check_eq!(seen?, link, "the network namespace");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
}

fn time(t: &mut Table) {
    t.add(
        "time-offsets",
        "config-linux.md#offset-for-time-namespace: timeOffsets shift the clocks",
        |c| {
            set_namespace(&mut c.config, "time", None);
            c.config["linux"]["timeOffsets"] =
                json!({"monotonic": {"secs": 5000, "nanosecs": 7}, "boottime": {"secs": 100_000}});
            let seen = c.inspect()?;
            let offsets: Vec<Vec<&str>> = seen
                .file("/proc/self/timens_offsets")
                .lines()
                .map(|l| l.split_whitespace().collect())
                .collect();
            check_eq!(
                offsets,
                [
                    vec!["monotonic", "5000", "7"],
                    vec!["boottime", "100000", "0"]
                ],
                "offsets"
            );
            let uptime: f64 = seen
                .file("/proc/uptime")
                .split_whitespace()
                .next()
                .and_then(|w| w.parse().ok())
                .unwrap_or(0.0);
            check!(uptime > 100_000.0, "uptime is {uptime}");
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::TimeNamespace])
    .newer("runtime-spec 1.1");
    t.add(
        "time-offsets-unknown-clock",
        "config.md#valid-values MUST: an unknown clock is an error",
        |c| {
            set_namespace(&mut c.config, "time", None);
            c.config["linux"]["timeOffsets"] = json!({"sundial": {"secs": 1}});
            c.create_fails().map(|_| ())
        },
    )
    .needs(&[Need::Root, Need::TimeNamespace])
    .newer("runtime-spec 1.1");
}

fn names(t: &mut Table) {
    t.add("hostname", "config.md#hostname: the hostname inside", |c| {
        c.config["hostname"] = json!("my-host.example");
        check_eq!(
            c.inspect()?.file("/proc/sys/kernel/hostname").trim(),
            "my-host.example",
            "hostname"
        );
        Ok(())
    });
    t.add(
        "hostname-not-outside",
        "config.md#hostname: the host keeps its name",
        |c| {
            let before = fs::read_to_string("/proc/sys/kernel/hostname")?;
            c.config["hostname"] = json!("elsewhere");
            c.inspect()?;
            check_eq!(
                fs::read_to_string("/proc/sys/kernel/hostname")?,
                before,
                "the host's name"
            );
            Ok(())
        },
    );
    t.add(
        "hostname-absent",
        "config.md#hostname: without hostname the new namespace keeps the name",
        |c| {
            remove(c, "hostname");
            let before = fs::read_to_string("/proc/sys/kernel/hostname")?;
            check_eq!(
                c.inspect()?.file("/proc/sys/kernel/hostname"),
                before,
                "hostname"
            );
            Ok(())
        },
    );
    t.add(
        "hostname-without-uts",
        "engines: a hostname without a new uts namespace is an error",
        |c| {
            remove_namespace(&mut c.config, "uts");
            c.create_fails().map(|_| ())
        },
    );
    t.add(
        "hostname-too-long",
        "config.md#valid-values MUST: a hostname the kernel refuses is an error",
        |c| {
            c.config["hostname"] = json!("x".repeat(65));
            c.create_fails().map(|_| ())
        },
    );
    t.add(
        "domainname",
        "config.md#domainname: the domain name inside",
        |c| {
            c.config["domainname"] = json!("example.test");
            check_eq!(
                c.inspect()?.file("/proc/sys/kernel/domainname").trim(),
                "example.test",
                "domainname"
            );
            Ok(())
        },
    )
    .newer("runtime-spec 1.1");
    t.add(
        "hostname-of-joined-uts",
        "config.md#hostname: the hostname is set in a uts namespace that is joined",
        |c| {
            let holder = Holder::new(c, 0x0400_0000)?;
            set_namespace(&mut c.config, "uts", Some(&holder.path("uts")));
            c.config["hostname"] = json!("joined-name");
            check_eq!(
                c.inspect()?.file("/proc/sys/kernel/hostname").trim(),
                "joined-name",
                "hostname"
            );
            Ok(())
        },
    )
    .needs(&[Need::Root]);
}
