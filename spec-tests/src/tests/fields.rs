//! Fields of config.json whose effect needs more than the container to be seen: what the kernel denies to a user
//! namespace, what happens to the host when the making fails, and what a very large configuration costs.

use crate::check::Verdict;
use crate::config::{push, remove_namespace, set_namespace, use_user_namespace};
use crate::context::Context;
use crate::host::Need;
use crate::table::Table;
use crate::view::View;
use crate::{check, check_eq};
use serde_json::json;
use std::fs;
use std::time::Instant;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("fields");
    fallbacks(t);
    devices(t);
    large(t);
    malformed(t);
    failed_hooks(t);
}

const BASE: u32 = 200_000;

fn fallbacks(t: &mut Table) {
    for (kind, point, file) in [
        ("network", "/sys", "/sys/kernel/uevent_seqnum"),
        ("ipc", "/dev/mqueue", "/proc/self/ns/ipc"),
        ("pid", "/proc", "/proc/self/status"),
    ] {
        t.add(
            format!("host-{kind}-in-userns"),
            "engines: without a namespace of its own, a user namespace \
             gets the host's filesystem where the kernel refuses a new one",
            move |c| {
                if !std::path::Path::new(point).exists() {
                    return crate::check::skip(format!("the host has no {point}"));
                }
                use_user_namespace(&mut c.config, BASE);
                remove_namespace(&mut c.config, kind);
                let lines = c.attempts(&["stat", file, ";", "read", "/proc/self/mountinfo"])?;
                check_eq!(lines[0]["errno"], 0, "errno of stat");
                let table = lines[1]["value"].as_str().unwrap_or_default();
                let mounted = table.lines().any(|l| l.split(' ').nth(4) == Some(point));
                check!(mounted, "{point} is not mounted: {table}");
                Ok(())
            },
        )
        .needs(&[Need::Root, Need::UserNamespace]);
    }
    for own in [true, false] {
        let name = if own { "own" } else { "host" };
        t.add(
            format!("cgroup2-in-userns-{name}-cgroup-namespace"),
            "config-linux.md#namespaces: a cgroup mount in a user namespace shows the container's own part",
            move |c| {
                c.enter_view(View::V2)?;
                use_user_namespace(&mut c.config, BASE);
                remove_namespace(&mut c.config, "cgroup");
                if own {
                    set_namespace(&mut c.config, "cgroup", None);
                }
                push(
                    &mut c.config["mounts"],
                    json!({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
                           "options": ["nosuid", "noexec", "nodev", "ro"]}),
                );
                let seen = c.attempt(&["read", "/sys/fs/cgroup/cgroup.procs"])?;
                check_eq!(seen["errno"], 0, "errno of the read");
                Ok(())
            },
        )
        .needs(&[Need::Root, Need::UserNamespace, Need::CgroupNamespace]);
    }
}

impl Context {
    /// What `ip` says of a device in the test's network namespace.
    fn ip(&mut self, args: &[&str]) -> Verdict<String> {
        Ok(self.program("ip", args)?.success()?.stdout)
    }
}

fn devices(t: &mut Table) {
    t.add(
        "net-devices-come-back",
        "engines: when create fails after the move, devices are on the host \
         as they were, with addresses, MTU and state",
        |c| {
            crate::view::unshare(rustix::thread::UnshareFlags::NEWNET)?;
            for args in [
                &[
                    "link", "add", "spec0", "type", "veth", "peer", "name", "spec1",
                ][..],
                &["addr", "add", "10.77.1.2/24", "dev", "spec0"],
                &["addr", "add", "10.77.2.2/24", "dev", "spec1"],
                &["-6", "addr", "add", "fd77::2/64", "dev", "spec0", "nodad"],
                &["link", "set", "spec0", "mtu", "1400", "up"],
            ] {
                c.ip(args)?;
            }
            c.config["linux"]["netDevices"] = json!({"spec0": {"name": "inner"}, "spec1": {}});
            c.config["hooks"] = json!({"createRuntime": [{"path": "/bin/false"}]});
            c.create_fails()?;
            let first = c.ip(&["addr", "show", "dev", "spec0"])?;
            for wanted in ["mtu 1400", "10.77.1.2/24", "fd77::2/64", ",UP"] {
                check!(first.contains(wanted), "{first:?} lacks {wanted}");
            }
            let second = c.ip(&["addr", "show", "dev", "spec1"])?;
            check!(
                second.contains("10.77.2.2/24") && second.contains("DOWN"),
                "{second:?}"
            );
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::Program("ip")]);
    t.add(
        "net-devices-one-fails",
        "config-linux.md#network-devices MUST: an error; \
         the devices that had moved before are back",
        |c| {
            crate::view::unshare(rustix::thread::UnshareFlags::NEWNET)?;
            c.ip(&[
                "link", "add", "spec0", "type", "veth", "peer", "name", "spec1",
            ])?;
            c.config["linux"]["netDevices"] = json!({"spec0": {}, "spec1": {"name": "lo"}});
            let text = c.create_fails()?.stderr;
            check!(
                text.contains("/linux/netDevices/spec1"),
                "the error is {text:?}"
            );
            let list = c.ip(&["-o", "link"])?;
            check!(
                list.contains("spec0") && list.contains("spec1"),
                "the devices are {list:?}"
            );
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::Program("ip")]);
    t.add(
        "net-devices-cannot-leave",
        "config-linux.md#network-devices MUST: a device that cannot move is an error",
        |c| {
            crate::view::unshare(rustix::thread::UnshareFlags::NEWNET)?;
            c.config["linux"]["netDevices"] = json!({"lo": {"name": "lo1"}});
            let text = c.create_fails()?.stderr;
            check!(
                text.contains("/linux/netDevices/lo"),
                "the error is {text:?}"
            );
            Ok(())
        },
    )
    .needs(&[Need::Root]);
}

fn large(t: &mut Table) {
    t.add(
        "large-environment",
        "engines: 10 MB of config.json with 100,000 variables is run",
        |c| {
            let padding = "x".repeat(12);
            let env: Vec<_> = (0..100_000)
                .map(|i| format!("VARIABLE_{i}={padding}"))
                .collect();
            c.config["process"]["env"] = json!(env);
            // execve takes a quarter of the stack limit, and 6 MB at most: annotations make the 10 MB.
            c.config["process"]["rlimits"] =
                json!([{"type": "RLIMIT_STACK", "hard": 64 << 20, "soft": 64 << 20}]);
            for i in 0..70 {
                c.config["annotations"][format!("com.example.{i}")] = json!("y".repeat(100_000));
            }
            let started = Instant::now();
            let seen = c.inspect()?;
            check_eq!(seen.environment().len(), 100_001, "variables with HOME");
            c.note = format!("{} ms", started.elapsed().as_millis());
            let size = fs::metadata(c.bundle().join("config.json"))?.len();
            check!(size > 10_000_000, "config.json has {size} bytes");
            Ok(())
        },
    )
    .seconds(60);
    for user in [false, true] {
        t.add(
            if user { "many-mounts-in-userns" } else { "many-mounts" },
            "engines: 5,000 mounts are made, with few descriptors",
            move |c| {
                if user {
                    use_user_namespace(&mut c.config, BASE);
                }
                let volume = c.dir.join("volume");
                fs::create_dir(&volume)?;
                for i in 0..5000 {
                    fs::create_dir(c.rootfs().join(format!("data/{i}")))?;
                    push(
                        &mut c.config["mounts"],
                        json!({"destination": format!("/data/{i}"), "type": "bind", "source": volume, "options": ["bind", "ro"]}),
                    );
                }
                let lines = c.attempts(&["read", "/proc/self/mountinfo"])?;
                let table = lines[0]["value"].as_str().unwrap_or_default();
                check!(table.lines().count() > 5000, "{} mounts", table.lines().count());
                Ok(())
            },
        )
        .needs(if user { &[Need::Root, Need::UserNamespace] } else { &[Need::Root] })
        .seconds(60);
    }
}

/// Also where the hook runs in the container, and where `start` does not have the configuration any more.
fn failed_hooks(t: &mut Table) {
    for kind in [
        "prestart",
        "createRuntime",
        "createContainer",
        "startContainer",
        "poststart",
    ] {
        let requirement = "runtime.md#errors: which hook failed";
        t.add(format!("failed-hook-{kind}"), requirement, move |c| {
            let ended = |code| json!({"path": "/payload", "args": ["payload", "exit", code]});
            let mut hooks = json!([ended("0"), ended("3")]);
            if kind != "startContainer" {
                let path = c.payload.to_string_lossy().into_owned();
                hooks[0]["path"] = json!(path);
                hooks[1]["path"] = json!(path);
            }
            c.config["hooks"] = json!({kind: hooks});
            c.args(&["pause"]);
            let output = if matches!(kind, "startContainer" | "poststart") {
                c.create()?;
                let id = c.id();
                let output = c.call(&["start", &id])?;
                c.call(&["delete", "--force", &id])?.success()?;
                output.failure()?
            } else {
                c.create_fails()?
            };
            output.says(&[&format!("config.json: /hooks/{kind}/1")])?;
            Ok(())
        });
    }
}

/// A sample of what the plan refuses, through the whole program: the error names the field, and nothing is there afterwards.
fn malformed(t: &mut Table) {
    for (name, pointer, value) in [
        ("args", "/process/args", json!([])),
        ("env", "/process/env/0", json!("no-equals-sign")),
        (
            "mapping",
            "/mounts/0/uidMappings",
            json!([{"containerID": 0, "hostID": 0, "size": 0}]),
        ),
        ("namespace", "/linux/namespaces/0/type", json!("no-such")),
        (
            "device",
            "/linux/devices",
            json!([{"path": "relative", "type": "c", "major": 1, "minor": 3}]),
        ),
        ("net-device", "/linux/netDevices", json!({"a/b": {}})),
        ("class", "/linux/intelRdt", json!({"closID": "a/b"})),
        (
            "schema",
            "/linux/intelRdt",
            json!({"schemata": ["no schema"]}),
        ),
        ("time", "/linux/timeOffsets", json!({"wall": {"secs": 1}})),
        (
            "affinity",
            "/process/execCPUAffinity",
            json!({"final": "x"}),
        ),
        (
            "hook",
            "/hooks",
            json!({"poststop": [{"path": "relative"}]}),
        ),
        (
            "annotation",
            "/annotations",
            json!({"run.oci.hooks.stdout": "relative"}),
        ),
    ] {
        t.add(
            format!("malformed-{name}"),
            "config.md#valid-values MUST: an error, which names \
             the field and leaves nothing behind",
            move |c| {
                let (owner, key) = pointer.rsplit_once('/').unwrap_or_default();
                let place = c.config.pointer_mut(owner);
                match place {
                    Some(serde_json::Value::Array(list)) => {
                        list[key.parse::<usize>()?] = value.clone()
                    }
                    Some(place) => place[key] = value.clone(),
                    None => return crate::check::fail(format!("no {owner}")),
                }
                let text = c.create_fails()?.stderr;
                check!(
                    text.contains(&format!("config.json: {pointer}")),
                    "the error is {text:?}"
                );
                check_eq!(
                    fs::read_dir(c.state_dir())?.count(),
                    0,
                    "entries of the state directory"
                );
                check!(!c.pid_file().exists(), "there is a pid file");
                Ok(())
            },
        );
    }
}
