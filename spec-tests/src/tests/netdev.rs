//! Network devices that move into the container. config-linux.md#network-devices.

use crate::check::Verdict;
use crate::context::Context;
use crate::host::Need;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::json;

const NEEDS: [Need; 2] = [Need::Root, Need::Program("ip")];

impl Context {
    /// Gives the test a network namespace of its own with a pair of virtual devices, `spec0` and `spec1`.
    fn make_devices(&mut self) -> Verdict {
        crate::view::unshare(rustix::thread::UnshareFlags::NEWNET)?;
        let output = self.program(
            "ip",
            &[
                "link", "add", "spec0", "type", "veth", "peer", "name", "spec1",
            ],
        )?;
        if output.code != Some(0) {
            return crate::check::skip(output.describe("cannot make devices"));
        }
        Ok(())
    }

    /// What `ip` prints inside the container's network namespace.
    fn ip_inside(&mut self, pid: i32, args: &[&str]) -> Verdict<String> {
        let net = format!("--net=/proc/{pid}/ns/net");
        let mut all = vec![net.as_str(), "--", "ip"];
        all.extend_from_slice(args);
        Ok(self.program("nsenter", &all)?.success()?.stdout)
    }
}

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("netdev");
    t.add(
        "move",
        "config-linux.md#network-devices MUST: the device is in the container and up",
        |c| {
            c.make_devices()?;
            c.config["linux"]["netDevices"] = json!({"spec0": {}});
            let pid = c.launch(&["pause"])?;
            let text = c.ip_inside(pid, &["-o", "link", "show", "dev", "spec0"])?;
            check!(
                text.contains(",UP") || text.contains("<UP"),
                "the device is {text:?}"
            );
            c.destroy()
        },
    )
    .needs(&NEEDS)
    .newer("runtime-spec 1.3");
    t.add(
        "rename",
        "config-linux.md#network-devices: name is the device's name inside",
        |c| {
            c.make_devices()?;
            c.config["linux"]["netDevices"] = json!({"spec0": {"name": "inner0"}});
            let pid = c.launch(&["pause"])?;
            let text = c.ip_inside(pid, &["-o", "link"])?;
            check!(
                text.contains("inner0") && !text.contains("spec0"),
                "the devices are {text:?}"
            );
            c.destroy()
        },
    )
    .needs(&NEEDS)
    .newer("runtime-spec 1.3");
    t.add(
        "attributes",
        "config-linux.md#network-devices MUST: addresses, MTU and MAC are preserved",
        |c| {
            c.make_devices()?;
            c.program(
                "ip",
                &[
                    "link",
                    "set",
                    "spec0",
                    "mtu",
                    "1400",
                    "address",
                    "02:00:00:00:12:34",
                ],
            )?
            .success()?;
            c.program("ip", &["addr", "add", "10.77.1.2/24", "dev", "spec0"])?
                .success()?;
            c.program(
                "ip",
                &["-6", "addr", "add", "fd77::2/64", "dev", "spec0", "nodad"],
            )?;
            c.config["linux"]["netDevices"] = json!({"spec0": {"name": "inner0"}});
            let pid = c.launch(&["pause"])?;
            let text = c.ip_inside(pid, &["addr", "show", "dev", "inner0"])?;
            for wanted in ["mtu 1400", "02:00:00:00:12:34", "10.77.1.2/24"] {
                check!(text.contains(wanted), "{text:?} lacks {wanted}");
            }
            c.destroy()
        },
    )
    .needs(&NEEDS)
    .newer("runtime-spec 1.3");
    let refused = [
        ("missing", json!({"nosuchdev": {}})),
        (
            "name-too-long",
            json!({"spec0": {"name": "a-name-that-is-too-long"}}),
        ),
        ("name-bad", json!({"spec0": {"name": "a/b"}})),
        ("name-in-use", json!({"spec0": {"name": "lo"}})),
    ];
    for (name, devices) in refused {
        t.add(
            format!("refused-{name}"),
            "config-linux.md#network-devices MUST: a move that is not possible is an error",
            move |c| {
                c.make_devices()?;
                c.config["linux"]["netDevices"] = devices.clone();
                c.create_fails()?;
                let text = c.program("ip", &["-o", "link"])?.success()?.stdout;
                check!(
                    text.contains("spec0"),
                    "spec0 is gone from the host: {text:?}"
                );
                Ok(())
            },
        )
        .needs(&NEEDS)
        .newer("runtime-spec 1.3");
    }
    t.add(
        "back-after-failed-run",
        "engines: a container that does not come to be gives its devices back",
        |c| {
            c.make_devices()?;
            c.config["linux"]["netDevices"] = json!({"spec0": {"name": "eth0"}});
            let hook = json!({"path": "/payload", "args": ["payload", "exit", "3"]});
            c.config["hooks"]["startContainer"] = json!([hook]);
            c.try_run(&["exit", "0"])?.failure()?;
            let text = c.program("ip", &["-o", "link"])?.success()?.stdout;
            check!(
                text.contains("spec0"),
                "spec0 is gone from the host: {text:?}"
            );
            Ok(())
        },
    )
    .needs(&NEEDS)
    .newer("runtime-spec 1.3");
    t.add(
        "without-namespace",
        "engines: netDevices without a network namespace is an error",
        |c| {
            c.make_devices()?;
            crate::config::remove_namespace(&mut c.config, "network");
            c.config["linux"]["netDevices"] = json!({"spec0": {}});
            c.create_fails().map(|_| ())
        },
    )
    .needs(&NEEDS)
    .newer("runtime-spec 1.3");
    t.add(
        "template",
        "config-linux.md#network-devices MUST: a name that ends in %d is made unique by the kernel",
        |c| {
            c.make_devices()?;
            c.config["linux"]["netDevices"] = json!({"spec0": {"name": "eth%d"}});
            let pid = c.launch(&["pause"])?;
            let text = c.ip_inside(pid, &["-o", "link"])?;
            check_eq!(text.matches("eth0").count() > 0, true, "eth0 in {text:?}");
            c.destroy()
        },
    )
    .needs(&NEEDS)
    .newer("runtime-spec 1.3");
}
