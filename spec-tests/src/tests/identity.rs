//! Who the process is: ids, groups, umask, capabilities. config.md#posix-platform-user, #linux-process.

use crate::check_eq;
use crate::config::set_capabilities;
use crate::host::Need;
use crate::inside::Inside;
use crate::table::Table;
use serde_json::json;

/// Adds the groups.
pub fn add(t: &mut Table) {
    t.group("user");
    user(t);
    t.group("capabilities");
    capabilities(t);
}

fn user(t: &mut Table) {
    t.add(
        "uid-gid",
        "config.md#posix-platform-user: uid and gid, real, effective, saved and filesystem",
        |c| {
            c.config["process"]["user"] = json!({"uid": 1000, "gid": 1001});
            let seen = c.inspect()?;
            check_eq!(seen.ids("Uid"), [1000; 4], "uids");
            check_eq!(seen.ids("Gid"), [1001; 4], "gids");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "additional-gids",
        "config.md#posix-platform-user: additionalGids are the supplementary groups",
        |c| {
            c.config["process"]["user"] =
                json!({"uid": 1000, "gid": 1000, "additionalGids": [5, 6, 70000]});
            check_eq!(c.inspect()?.groups(), [5, 6, 70000], "groups");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "no-inherited-groups",
        "config.md#posix-platform-user: groups of the caller do not reach the process",
        |c| {
            rustix::thread::set_thread_groups(&[4, 24, 27].map(rustix::fs::Gid::from_raw))?;
            check_eq!(c.inspect()?.groups(), Vec::<u32>::new(), "groups");
            c.config["process"]["user"] = json!({"uid": 1000, "gid": 1000, "additionalGids": [5]});
            check_eq!(c.inspect()?.groups(), [5], "groups");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "numeric-only",
        "config.md#posix-platform-user: ids are numbers, whatever /etc/passwd calls them",
        |c| {
            std::fs::write(
                c.rootfs().join("etc/passwd"),
                "1000:x:0:0:root:/root:/bin/sh\n",
            )?;
            c.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
            check_eq!(c.inspect()?.ids("Uid"), [1000; 4], "uids");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    for (mask, text) in [
        (0o022, "0022"),
        (0o077, "0077"),
        (0, "0000"),
        (0o777, "0777"),
    ] {
        t.add(
            format!("umask-{text}"),
            "config.md#posix-platform-user: umask is the process's umask",
            move |c| {
                c.config["process"]["user"]["umask"] = json!(mask);
                check_eq!(c.inspect()?.status("Umask"), text, "umask");
                Ok(())
            },
        );
    }
    t.add("umask-default", "engines: without umask it is 0022", |c| {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        check_eq!(c.inspect()?.status("Umask"), "0022", "umask");
        Ok(())
    });
    for (name, user) in [
        ("negative-uid", json!({"uid": -1, "gid": 0})),
        ("text-uid", json!({"uid": "root", "gid": 0})),
    ] {
        t.add(
            name,
            "config.md#valid-values MUST: an id that is no id is an error",
            move |c| {
                c.config["process"]["user"] = user.clone();
                c.args(&["exit", "0"]);
                c.create_fails().map(|_| ())
            },
        );
    }
}

const CHOWN: u64 = 1;

const KILL: u64 = 1 << 5;

const SETGID: u64 = 1 << 6;

const NET_BIND: u64 = 1 << 10;

fn capability_sets(seen: &Inside) -> [u64; 5] {
    ["CapBnd", "CapEff", "CapPrm", "CapInh", "CapAmb"].map(|set| seen.capabilities(set))
}

fn capabilities(t: &mut Table) {
    t.add(
        "five-sets",
        "config.md#linux-process: each capability set is exactly the configured one",
        |c| {
            set_capabilities(
                &mut c.config,
                [
                    &[
                        "CAP_CHOWN",
                        "CAP_KILL",
                        "CAP_SETGID",
                        "CAP_NET_BIND_SERVICE",
                    ],
                    &["CAP_CHOWN"],
                    &["CAP_CHOWN", "CAP_KILL", "CAP_SETGID"],
                    &["CAP_SETGID", "CAP_KILL"],
                    &["CAP_KILL"],
                ],
            );
            // Ambient and no-new-privileges are independent; a user that is not root shows the sets unchanged by execve.
            c.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
            let sets = capability_sets(&c.inspect()?);
            // execve of a user: permitted = ambient, effective = ambient.
            check_eq!(
                sets,
                [
                    CHOWN | KILL | SETGID | NET_BIND,
                    KILL,
                    KILL,
                    SETGID | KILL,
                    KILL
                ],
                "sets"
            );
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "root-sets",
        "config.md#linux-process: root has what permitted and bounding allow",
        |c| {
            set_capabilities(
                &mut c.config,
                [
                    &["CAP_CHOWN", "CAP_KILL"],
                    &["CAP_CHOWN", "CAP_KILL"],
                    &["CAP_CHOWN", "CAP_KILL"],
                    &[],
                    &[],
                ],
            );
            check_eq!(
                capability_sets(&c.inspect()?),
                [CHOWN | KILL, CHOWN | KILL, CHOWN | KILL, 0, 0],
                "sets"
            );
            Ok(())
        },
    );
    t.add(
        "empty",
        "config.md#linux-process: empty sets leave nothing",
        |c| {
            set_capabilities(&mut c.config, [&[], &[], &[], &[], &[]]);
            check_eq!(capability_sets(&c.inspect()?), [0; 5], "sets");
            Ok(())
        },
    );
    t.add(
        "empty-object",
        "config.md#linux-process: sets that are absent are empty",
        |c| {
            c.config["process"]["capabilities"] = json!({});
            check_eq!(capability_sets(&c.inspect()?), [0; 5], "sets");
            Ok(())
        },
    );
    t.add(
        "user-without-ambient",
        "config.md#linux-process: a user without ambient capabilities has none",
        |c| {
            c.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
            let sets = capability_sets(&c.inspect()?);
            check_eq!(
                sets[1..],
                [0; 4],
                "effective, permitted, inheritable, ambient"
            );
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "ambient",
        "config.md#linux-process: ambient capabilities survive execve of a user",
        |c| {
            let set = ["CAP_NET_BIND_SERVICE"];
            set_capabilities(&mut c.config, [&set; 5]);
            c.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
            check_eq!(capability_sets(&c.inspect()?), [NET_BIND; 5], "sets");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "unknown-is-warning",
        "config.md#linux-process SHOULD NOT: an unknown capability fails the container",
        |c| {
            for set in ["bounding", "effective", "permitted"] {
                c.config["process"]["capabilities"][set] =
                    json!(["CAP_KILL", "CAP_FROM_THE_FUTURE"]);
            }
            check_eq!(c.inspect()?.capabilities("CapEff"), KILL, "effective");
            Ok(())
        },
    )
    .newer("runtime-spec 1.1");
    t.add(
        "not-grantable-is-warning",
        "config.md#linux-process SHOULD NOT: a capability the runtime lacks fails the container",
        |c| {
            // CAP_SYS_RESOURCE is dropped from the caller's bounding set before the runtime is called.
            let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
            crate::config::grant(&mut c.config, &["CAP_SYS_BOOT"]);
            c.args(&["inspect"]);
            c.write_config()?;
            let output = c
                .command_under(
                    "setpriv",
                    &["--bounding-set=-sys_boot", "--"],
                    &["run", "--bundle", &bundle, &id],
                )?
                .run()?
                .success()?;
            let inside = Inside(crate::context::json_line(&output)?);
            check_eq!(inside.capabilities("CapEff") & (1 << 22), 0, "CAP_SYS_BOOT");
            check_eq!(inside.capabilities("CapEff") & KILL, KILL, "CAP_KILL");
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::Program("setpriv")])
    .justified("the sentence came with 1.1; both runtimes hand the set to capset(2) unfiltered")
    .newer("runtime-spec 1.1");
    t.add(
        "enforced",
        "config.md#linux-process: a dropped capability is missing in effect",
        |c| {
            let seen = c.attempts(&[
                "chown",
                "/etc/group",
                "7",
                "7",
                ";",
                "sethostname",
                "x",
                ";",
                "chroot",
                "/tmp",
            ])?;
            for line in seen {
                check_eq!(line["errno"], 1, "{} errno", line["op"]);
            }
            Ok(())
        },
    )
    .needs(&[Need::Root]);
}
