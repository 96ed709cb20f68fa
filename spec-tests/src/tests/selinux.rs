//! SELinux: labels of processes, keys and mounts. config.md#linux-process, config-linux.md#mount-label.
//!
//! The labels are of the reference policy, which Debian and Fedora build on. Every test holds while SELinux enforces and while it only warns.

use crate::check::skip;
use crate::context::Context;
use crate::host::Need;
use crate::inside::Inside;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::json;
use std::path::Path;

const PROCESS: &str = "system_u:system_r:container_t:s0:c1,c2";
const FILE: &str = "system_u:object_r:container_file_t:s0:c1,c2";

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("platform");
    processes(t);
    mounts(t);
    errors(t);
}

/// The label of the program that looked.
fn own(seen: &Inside) -> &str {
    seen.file("/proc/self/attr/current")
        .trim_end_matches('\0')
        .trim()
}

/// Whether a label is obeyed takes a rootfs that it may execute.
fn labelled(c: &mut Context) -> crate::check::Verdict {
    let rootfs = c.rootfs().display().to_string();
    c.program("/usr/bin/chcon", &["-R", FILE, &rootfs])?
        .success()?;
    c.config["process"]["selinuxLabel"] = json!(PROCESS);
    c.config["linux"]["mountLabel"] = json!(FILE);
    Ok(())
}

fn enforcing() -> bool {
    std::fs::read_to_string("/sys/fs/selinux/enforce").is_ok_and(|text| text.trim() == "1")
}

fn processes(t: &mut Table) {
    let needs = [Need::Selinux, Need::Program("chcon")];
    t.add(
        "selinux-label",
        "config.md#linux-process: selinuxLabel labels the process, and those of exec",
        |c| {
            // Where SELinux enforces, a container may not write to a pipe of the suite.
            if enforcing() {
                return skip("SELinux enforces");
            }
            labelled(c)?;
            check_eq!(own(&c.inspect()?), PROCESS, "label");
            c.launch(&["pause"])?;
            check_eq!(own(&c.exec_inspect(&[])?), PROCESS, "label of exec");
            c.destroy()
        },
    )
    .needs(&needs);
    t.add(
        "selinux-exec-label",
        "engines: exec --process-label, and the label of a process file, are that process' own",
        |c| {
            if enforcing() {
                return skip("SELinux enforces");
            }
            labelled(c)?;
            c.launch(&["pause"])?;
            let label = "system_u:system_r:container_t:s0:c7";
            let seen = c.exec_inspect(&["--process-label", label])?;
            check_eq!(own(&seen), label, "--process-label");
            let mut process = c.config["process"].clone();
            process["selinuxLabel"] = json!(label);
            process["args"] = json!(["/payload", "inspect"]);
            let output = c.exec_process(&[], &process)?.success()?;
            let seen = Inside(crate::context::json_line(&output)?);
            check_eq!(own(&seen), label, "label of the process file");
            c.destroy()
        },
    )
    .needs(&needs);
    t.add(
        "selinux-key",
        "engines: the session keyring has the label of the process, which could not use it otherwise",
        |c| {
            if enforcing() {
                return skip("SELinux enforces");
            }
            labelled(c)?;
            let seen = c.inspect()?;
            check_eq!(seen.0["session_keyring_label"], PROCESS, "label");
            Ok(())
        },
    )
    .needs(&needs);
    t.add(
        "selinux-unlabelled",
        "config.md#linux-process: without selinuxLabel the policy decides, as for any program",
        |c| {
            let mine = std::fs::read_to_string("/proc/self/attr/current")?;
            let seen = c.inspect()?;
            check_eq!(own(&seen), mine.trim_end_matches('\0').trim(), "label");
            Ok(())
        },
    )
    .needs(&[Need::Selinux]);
    t.add(
        "selinux-missing",
        "config.md#valid-values MUST: a label is an error where SELinux is off",
        |c| {
            if Path::new("/sys/fs/selinux/enforce").exists() {
                return skip("SELinux is on");
            }
            c.config["process"]["selinuxLabel"] = json!("system_u:system_r:container_t:s0");
            c.create_fails().map(|_| ())
        },
    );
}

fn mounts(t: &mut Table) {
    let needs = [Need::Selinux, Need::Program("chcon")];
    t.add(
        "selinux-mount-label",
        "config-linux.md#mount-label: mountLabel labels the container's own filesystems",
        |c| {
            labelled(c)?;
            let pid = c.launch(&["pause"])?;
            let table = std::fs::read_to_string(format!("/proc/{pid}/mountinfo"))?;
            for point in ["/dev", "/dev/shm", "/dev/pts"] {
                let mounts = crate::inside::parse_mountinfo(&table);
                let options = mounts
                    .iter()
                    .find(|m| m.point == point)
                    .map(|m| m.super_options.join(","))
                    .unwrap_or_default();
                check!(
                    options.contains(&format!("context=\"{FILE}\"")),
                    "{point} has {options}"
                );
            }
            // A filesystem that takes no such option.
            let mqueue = format!("/proc/{pid}/root/dev/mqueue");
            let listed = c.program("/bin/ls", &["-dZ", &mqueue])?.success()?.stdout;
            check!(listed.starts_with(FILE), "mqueue is {listed:?}");
            c.destroy()
        },
    )
    .needs(&needs);
    t.add(
        "selinux-mount-context-type",
        "engines: run.oci.mount_context_type names the option that carries mountLabel",
        |c| {
            c.config["linux"]["mountLabel"] = json!(FILE);
            c.config["annotations"]["run.oci.mount_context_type"] = json!("fscontext");
            let seen = c.inspect()?;
            let options = seen.mount("/dev/shm").map(|m| m.super_options.join(","));
            let options = options.unwrap_or_default();
            check!(
                options.contains(&format!("fscontext=\"{FILE}\"")),
                "/dev/shm has {options}"
            );
            Ok(())
        },
    )
    .needs(&[Need::Selinux, Need::Root])
    .justified("runc does not know the annotation");
}

fn errors(t: &mut Table) {
    t.add(
        "selinux-unknown-label",
        "config.md#valid-values: a label that the policy does not know is an error that names it",
        |c| {
            let before = c.config.clone();
            c.config["process"]["selinuxLabel"] = json!("system_u:system_r:spectest_t:s0");
            c.create_fails()?.says(&["spectest_t"])?;
            c.config = before;
            c.config["linux"]["mountLabel"] = json!("system_u:object_r:spectest_t:s0");
            c.create_fails()?.says(&["spectest_t"])?;
            Ok(())
        },
    )
    .needs(&[Need::Selinux])
    .justified("both runtimes refuse it, and name the file that was written, not the label");
}
