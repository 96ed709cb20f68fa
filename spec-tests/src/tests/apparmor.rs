//! AppArmor with a real profile, loaded for the test. config.md#linux-process, apparmor(7).

use crate::check::{Verdict, fail};
use crate::context::Context;
use crate::host::Need;
use crate::inside::Inside;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("attributes");
    let needs = [Need::Root, Need::AppArmor, Need::Program("apparmor_parser")];
    // Under no_new_privs the kernel allows no change of profile from within one; from unconfined it does.
    for nnp in [false, true] {
        let suffix = if nnp { "-no-new-privileges" } else { "" };
        t.add(
            format!("apparmor-enforced{suffix}"),
            "config.md#linux-process: the program and those of exec are confined by the profile, from their first instruction",
            move |c| {
                let profile = Profile::load(c, "deny /data/secret r,")?;
                c.config["process"]["noNewPrivileges"] = json!(nnp);
                c.config["process"]["apparmorProfile"] = json!(profile.name);
                fs::write(c.rootfs().join("data/secret"), "x")?;
                let lines = c.attempts(&["inspect", ";", "read", "/data/secret"])?;
                confined(&lines, &profile.name)?;
                c.launch(&["pause"])?;
                let output = c.try_exec(&[], &["inspect", ";", "read", "/data/secret"])?.success()?;
                confined(&crate::context::json_lines(&output)?, &profile.name)?;
                c.destroy()
            },
        )
        .needs(&needs);
    }
    t.add(
        "apparmor-exec-flag",
        "engines: exec --apparmor confines one process",
        |c| {
            let profile = Profile::load(c, "deny /data/secret r,")?;
            fs::write(c.rootfs().join("data/secret"), "x")?;
            c.launch(&["pause"])?;
            let output = c
                .try_exec(
                    &["--apparmor", &profile.name],
                    &["inspect", ";", "read", "/data/secret"],
                )?
                .success()?;
            confined(&crate::context::json_lines(&output)?, &profile.name)?;
            let output = c.try_exec(&[], &["read", "/data/secret"])?.success()?;
            check_eq!(
                crate::context::json_line(&output)?["ok"],
                true,
                "an unconfined read"
            );
            let missing = c.try_exec(&["--apparmor", "spectest-missing"], &["exit", "0"])?;
            missing.failure()?.says(&["spectest-missing"])?;
            c.destroy()
        },
    )
    .needs(&needs);
    t.add(
        "apparmor-stacked",
        "apparmor(7): a profile that begins with & is stacked on the caller's, and both confine",
        |c| {
            let outer = Profile::load(c, "deny /data/outer r,")?;
            let inner = Profile::load_as(c, "inner", "deny /data/inner r,")?;
            for name in ["outer", "inner"] {
                fs::write(c.rootfs().join("data").join(name), "x")?;
            }
            c.config["process"]["noNewPrivileges"] = json!(true);
            c.config["process"]["apparmorProfile"] = json!(format!("&{}", inner.name));
            c.args(&[
                "inspect",
                ";",
                "read",
                "/data/outer",
                ";",
                "read",
                "/data/inner",
            ]);
            c.write_config()?;
            let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
            let run = ["run", "--bundle", &bundle, &id];
            let output = c
                .command_under("aa-exec", &["-p", &outer.name, "--"], &run)?
                .run()?
                .success()?;
            let lines = crate::context::json_lines(&output)?;
            let label = Inside(lines[0].clone())
                .file("/proc/self/attr/current")
                .to_string();
            check!(
                label.contains(&outer.name) && label.contains(&inner.name),
                "the label is {label:?}"
            );
            check_eq!(
                lines[1]["errno"],
                13,
                "errno of what the outer profile denies"
            );
            check_eq!(
                lines[2]["errno"],
                13,
                "errno of what the inner profile denies"
            );
            Ok(())
        },
    )
    .needs(&needs)
    .needs(&[Need::Program("aa-exec")]);
    proc_of_the_image(t);
}

/// A directory of the image in the place of /proc, with files that take a label and do nothing. CVE-2019-16884, CVE-2025-52881.
fn fake_proc(c: &mut Context) -> Verdict<Vec<PathBuf>> {
    if let Some(mounts) = c.config["mounts"].as_array_mut() {
        mounts.retain(|m| m["destination"] != "/proc");
    }
    for key in ["maskedPaths", "readonlyPaths"] {
        c.config["linux"][key] = json!([]);
    }
    let mut files = Vec::new();
    for process in ["self", "thread-self", "1"] {
        let attributes = c.rootfs().join("proc").join(process).join("attr");
        fs::create_dir_all(attributes.join("apparmor"))?;
        for name in ["exec", "current", "apparmor/exec"] {
            let file = attributes.join(name);
            fs::write(&file, "fake")?;
            files.push(file);
        }
    }
    Ok(files)
}

fn proc_of_the_image(t: &mut Table) {
    t.group("security");
    const HOLE: &str = "CVE-2019-16884, CVE-2025-52881: a label goes to the kernel, whatever the image has in the place of /proc";
    t.add("cve-2019-16884-refused", HOLE, |c| {
        let files = fake_proc(c)?;
        c.args(&["exit", "0"]);
        for key in ["apparmorProfile", "selinuxLabel"] {
            c.config["process"][key] = json!("spectest-that-nobody-has-loaded");
            let output = c.try_run_with(&[])?;
            // Also where the module is off: a process that nothing confines must not run as if.
            check!(
                output.code != Some(0),
                "{key} had no effect, and the program ran"
            );
            if let Some(process) = c.config["process"].as_object_mut() {
                process.remove(key);
            }
        }
        for file in files {
            check_eq!(fs::read_to_string(&file)?, "fake", "{}", file.display());
        }
        Ok(())
    })
    .needs(&[Need::Root]);
    t.add("cve-2019-16884-confined", HOLE, |c| {
        let profile = Profile::load(c, "deny /data/secret r,")?;
        let files = fake_proc(c)?;
        fs::write(c.rootfs().join("data/secret"), "x")?;
        c.config["process"]["apparmorProfile"] = json!(profile.name);
        let read = c.attempt(&["read", "/data/secret"])?;
        check_eq!(read["errno"], 13, "errno of what the profile denies");
        c.launch(&["pause"])?;
        let output = c.try_exec(&["--apparmor", &profile.name], &["read", "/data/secret"])?;
        let read = crate::context::json_line(&output.success()?)?;
        check_eq!(read["errno"], 13, "errno of the same for exec");
        c.destroy()?;
        for file in files {
            check_eq!(fs::read_to_string(&file)?, "fake", "{}", file.display());
        }
        Ok(())
    })
    .needs(&[Need::Root, Need::AppArmor, Need::Program("apparmor_parser")]);
}

/// The first line is an `inspect` under the profile, the second a read that it denies.
fn confined(lines: &[Value], profile: &str) -> Verdict {
    let [seen, read] = lines else {
        return fail(format!("not two lines: {lines:?}"));
    };
    let label = Inside(seen.clone())
        .file("/proc/self/attr/current")
        .trim()
        .to_string();
    check_eq!(label, format!("{profile} (enforce)"), "label");
    check_eq!(read["errno"], 13, "errno of what the profile denies");
    Ok(())
}

/// A profile that is loaded as long as this lives. It allows everything but what `rule` denies.
struct Profile {
    name: String,
    file: std::path::PathBuf,
}

impl Profile {
    fn load(c: &mut Context, rule: &str) -> Verdict<Profile> {
        Profile::load_as(c, "profile", rule)
    }

    fn load_as(c: &mut Context, kind: &str, rule: &str) -> Verdict<Profile> {
        let name = format!("{}-{kind}", c.tag);
        let file = c.dir.join(kind);
        let rules = "file, capability, network, mount, umount, pivot_root, signal, ptrace, unix, userns, change_profile,";
        let flags = "flags=(attach_disconnected,mediate_deleted)";
        fs::write(
            &file,
            format!("abi <abi/4.0>,\nprofile {name} {flags} {{\n{rules}\n{rule}\n}}\n"),
        )?;
        c.program(
            "apparmor_parser",
            &["-r", "-W", "-K", &file.to_string_lossy()],
        )?
        .success()?;
        Ok(Profile { name, file })
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        let _ = std::process::Command::new("apparmor_parser")
            .arg("-R")
            .arg(&self.file)
            .output();
    }
}
