//! Attacks from inside a container, with the powers that an engine gives out: on the process that `exec` brings in, and on the runtime's own file.

use crate::check::{Failure, Verdict};
use crate::config::grant;
use crate::context::{Context, json_line};
use crate::host::Need;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("security");
    exec(t);
    binary(t);
    from_inside(t);
}

/// How many times `exec` is called in front of the attacker.
fn rounds(c: &Context) -> usize {
    if c.full { 500 } else { 40 }
}

/// Ends the attacker in the container, and answers what it has to report.
pub fn report(c: &mut Context) -> Verdict<Value> {
    fs::write(c.rootfs().join("data/stop"), "")?;
    let report = c.await_line()?;
    c.await_status("stopped")?;
    c.delete()?;
    check!(
        report["seen"].as_i64().unwrap_or(0) > 0,
        "the attacker saw no process: {report}"
    );
    c.note = format!("{} looks", report["seen"]);
    Ok(report)
}

fn exec(t: &mut Table) {
    t.add(
        "cve-2016-9962",
        "CVE-2016-9962: root of the container that may trace finds no way to the host in what exec brings in",
        |c| {
            grant(&mut c.config, &["CAP_SYS_PTRACE"]);
            let target = c.dir.join("sentinel/file");
            c.launch(&["prey", &target.to_string_lossy(), "/data/stop"])?;
            for _ in 0..rounds(c) {
                // Held for a moment it may be slow, and a debugger may end it.
                c.try_exec(&[], &["exit", "0"])?;
            }
            let report = report(c)?;
            check_eq!(report["hits"], json!([]), "ways to the host");
            Ok(())
        },
    )
    .needs(&[Need::Root])
    .seconds(90);
    t.add(
        "cve-2024-21626-seen-from-inside",
        "CVE-2024-21626: the working folder and descriptors of what exec brings in lead nowhere, when looked at by any root of the container",
        |c| {
            let target = c.dir.join("sentinel/file");
            c.launch(&["prey", &target.to_string_lossy(), "/data/stop"])?;
            for _ in 0..rounds(c) {
                c.try_exec(&["--cwd", "/data"], &["exit", "0"])?;
            }
            let report = report(c)?;
            check_eq!(report["hits"], json!([]), "ways to the host");
            Ok(())
        },
    )
    .needs(&[Need::Root])
    .seconds(90);
}

fn binary(t: &mut Table) {
    t.add(
        "cve-2019-5736-exec",
        "CVE-2019-5736: programs of the image that run /proc/self/exe give nobody a runtime that can be written to",
        |c| {
            let runtime = c.runtime.path.clone();
            let before = fs::read(&runtime)?;
            let script = c.rootfs().join("data/script");
            fs::write(&script, "#!/proc/self/exe\n")?;
            fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
            c.launch(&["overwrite", "/data/stop"])?;
            let id = c.id();
            for _ in 0..rounds(c) / 2 {
                c.call(&["exec", &id, "/data/script"])?;
                c.call(&["exec", &id, "/proc/self/exe"])?;
            }
            let report = report(c)?;
            check_eq!(report["hits"], json!([]), "files that could be written to");
            check!(fs::read(&runtime)? == before, "the binary changed");
            Ok(())
        },
    )
    .needs(&[Need::Root])
    .seconds(90);
    t.add(
        "cve-2019-5736-unseal",
        "CVE-2019-5736: no call that changes mounts makes what /proc/PID/exe of a created container refers to writable",
        |c| {
            c.args(&["pause"]);
            c.create()?;
            let spare = c.dir.join("spare");
            fs::write(&spare, "")?;
            let go = c.dir.join("go");
            let payload = c.payload.clone();
            let exe = format!("/proc/{}/exe", c.pid()?);
            let (out, err) = (c.dir.join("io/unseal.out"), c.dir.join("io/unseal.err"));
            let running = crate::runtime::Invocation::new(&payload, out, err)?
                .args(["unseal", &exe, &spare.to_string_lossy(), &go.to_string_lossy()])
                .spawn()?;
            let ready = c.dir.join("go.ready");
            crate::context::poll_for("the attempts", || ready.exists().then_some(()))?;
            c.destroy()?;
            fs::write(&go, "")?;
            let seen = json_line(&running.wait()?.success()?)?;
            c.note = format!("{} ways tried", seen["tried"]);
            check_eq!(seen["hits"], json!([]), "ways to a file that can be written to");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
}

/// What a program of the image may find out or do, by its ids and its mounts.
fn from_inside(t: &mut Table) {
    t.add(
        "cve-2016-3697-run",
        "CVE-2016-3697: uid 1000 is 1000, whatever the image's /etc/passwd says",
        |c| {
            fs::write(
                c.rootfs().join("etc/passwd"),
                "1000:x:0:0:root:/root:/bin/sh\n",
            )?;
            c.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
            let seen = c.inspect()?;
            check_eq!(
                (seen.ids("Uid"), seen.ids("Gid")),
                (vec![1000; 4], vec![1000; 4]),
                "ids"
            );
            check_eq!(seen.capabilities("CapEff"), 0, "CapEff");
            Ok(())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "cve-2022-24769-exec-user",
        "CVE-2022-24769, CVE-2022-29162: exec --cap of an ordinary user gives nothing that execve does not take away",
        |c| {
            c.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
            c.launch(&["pause"])?;
            let seen = c.exec_inspect(&["--cap", "CAP_SYS_ADMIN"])?;
            for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                check_eq!(seen.capabilities(set), 0, "{set}");
            }
            c.destroy()
        },
    )
    .needs(&[Need::Root]);
    for file in [
        "slabinfo",
        "sys/kernel/ns_last_pid",
        "sys/crypto/fips_enabled",
    ] {
        t.add(
            format!("proc-allowed-{}", file.replace('/', "-")),
            "engines: files that lxcfs and FIPS hosts replace may be bound over /proc",
            move |c| {
                let volume = c.volume("volume")?;
                let destination = format!("/proc/{file}");
                if !std::path::Path::new(&destination).exists() {
                    return Err(Failure::Skip(format!("the kernel has no {destination}")));
                }
                let source = volume.join("file").to_string_lossy().into_owned();
                crate::config::add_mount(
                    &mut c.config,
                    &destination,
                    "bind",
                    &source,
                    &["bind", "ro"],
                );
                check_eq!(
                    c.attempt(&["read", &destination])?["value"],
                    "volume",
                    "the file"
                );
                Ok(())
            },
        )
        .needs(&[Need::Root]);
    }
    t.add(
        "cve-2015-3630-newer-masks",
        "CVE-2015-3630 class: spec masks what newer attacks read: power (PLATYPUS), interrupts",
        |c| {
            let dir = c.dir.join("fresh");
            fs::create_dir(&dir)?;
            c.bare_command(&["spec"])?
                .current_dir(&dir)
                .run()?
                .success()?;
            let config: Value = serde_json::from_slice(&fs::read(dir.join("config.json"))?)?;
            let masked = &config["linux"]["maskedPaths"];
            for path in ["/proc/interrupts", "/sys/devices/virtual/powercap"] {
                let found = masked
                    .as_array()
                    .is_some_and(|all| all.iter().any(|p| p == path));
                check!(found, "{path} is not in {masked}");
            }
            Ok(())
        },
    )
    .newer("runc 1.2");
    t.add(
        "cve-2021-43784-annotations",
        "CVE-2021-43784: annotations of 70 kB are a clean error or have exactly their effect",
        |c| {
            let long = "x".repeat(70_000);
            c.config["annotations"] = json!({"com.example.long": long.clone(), long.clone(): "1"});
            c.args(&["pause"]);
            c.create()?;
            let state = c.state()?;
            check_eq!(
                state["annotations"]["com.example.long"],
                json!(long),
                "the annotation"
            );
            check_eq!(state["annotations"][&long], "1", "the other annotation");
            c.destroy()
        },
    );
    t.add(
        "cve-2024-3154-features",
        "CVE-2024-3154: features tells engines which annotations of an image may not be passed on",
        |c| {
            let output = c.bare_command(&["features"])?.run()?.success()?;
            let features: Value = serde_json::from_str(&output.stdout)?;
            let listed = &features["potentiallyUnsafeConfigAnnotations"];
            let found = listed
                .as_array()
                .is_some_and(|all| all.iter().any(|p| p == "org.systemd.property."));
            check!(found, "org.systemd.property. is not in {listed}");
            Ok(())
        },
    )
    .newer("runc 1.1.10");
    t.add(
        "cve-2024-3154-command",
        "CVE-2024-3154: no annotation has the service manager run a command",
        |c| {
            let evil = c.dir.join("evil").to_string_lossy().into_owned();
            for name in ["ExecStopPost", "ExecStartPre", "ExecReload"] {
                let command = format!("[('/bin/touch', ['/bin/touch', '{evil}'], false)]");
                c.config["annotations"] = json!({format!("org.systemd.property.{name}"): command});
                c.run_somehow()?;
                std::thread::sleep(std::time::Duration::from_millis(200));
                check!(!std::path::Path::new(&evil).exists(), "{name} was run");
            }
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::Systemd]);
    t.add(
        "cve-2022-0811-newline",
        "CVE-2022-0811: a key or a value with a line break is one parameter or none, never two",
        |c| {
            let before = fs::read_to_string("/proc/sys/kernel/core_pattern")?;
            for (key, value) in [
                ("net.core.somaxconn\n kernel.core_pattern", "1"),
                (
                    "kernel.shm_rmid_forced",
                    "1\nkernel.core_pattern=|/bin/evil",
                ),
                ("kernel.shm_rmid_forced+kernel.core_pattern", "1"),
            ] {
                c.config["linux"]["sysctl"] = json!({key: value});
                c.run_somehow()?;
                let now = fs::read_to_string("/proc/sys/kernel/core_pattern")?;
                check_eq!(now, before, "core_pattern with {key:?}={value:?}");
            }
            Ok(())
        },
    )
    .needs(&[Need::Root]);
}
