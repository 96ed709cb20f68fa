//! What the caller's own privileges must not do to the container: secure bits, and capabilities that nobody asked for.
//! capabilities(7).

use crate::check::Verdict;
use crate::context::Context;
use crate::host::Need;
use crate::inside::Inside;
use crate::runtime::Output;
use crate::table::Table;
use crate::{check, check_eq};

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("capabilities");
    t.add(
        "absent",
        "engines: a process without a capabilities object has none",
        |c| {
            if let Some(process) = c.config["process"].as_object_mut() {
                process.remove("capabilities");
            }
            let seen = c.inspect()?;
            for set in ["CapBnd", "CapEff", "CapPrm", "CapInh", "CapAmb"] {
                check_eq!(seen.capabilities(set), 0, "{set}");
            }
            Ok(())
        },
    );
    t.add(
        "small-stack",
        "engines: a caller's small stack limit is an error in words, not the end by a signal",
        |c| {
            c.args(&["exit", "0"]);
            c.write_config()?;
            let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
            let run = ["run", "--bundle", &bundle, &id];
            let output = c
                .command_under("prlimit", &["--stack=65536:"], &run)?
                .run()?;
            check!(
                output.code == Some(0) || output.stderr.contains("RLIMIT_STACK"),
                "{}",
                output.describe("says nothing")
            );
            Ok(())
        },
    )
    .needs(&[Need::Root, Need::Program("prlimit")]);
    t.add(
        "ignored-child-signal",
        "waitid(2): a caller that ignores SIGCHLD gets the exit status all the same, and nothing is left",
        |c| {
            c.args(&["exit", "7"]);
            c.write_config()?;
            let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
            let run = ["run", "--bundle", &bundle, &id];
            let output = c.command_under("env", &["--ignore-signal=CHLD"], &run)?.run()?;
            check_eq!(output.code, Some(7), "exit status; {}", output.stderr);
            c.call(&["state", &id])?.failure().map(|_| ())
        },
    )
    .needs(&[Need::Root]);
    t.add(
        "ignored-signals",
        "signal(7): what the runtime's caller ignores, the programs of the container do not",
        |c| {
            c.args(&["inspect"]);
            c.write_config()?;
            let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
            let seen = with_ignored_signals(c, &["run", "--bundle", &bundle, &id])?;
            check_eq!(seen, 0, "ignored by what was run");
            c.launch(&["pause"])?;
            let seen = with_ignored_signals(c, &["exec", &id, "/payload", "inspect"])?;
            check_eq!(seen, 0, "ignored by what exec started");
            c.destroy()
        },
    )
    .needs(&[Need::Root]);
    let needs = [Need::Root, Need::Program("setpriv")];
    t.add(
        "secure-bits",
        "capabilities(7): root that becomes a user loses its capabilities, whatever secure bits the caller has",
        |c| {
            crate::config::grant(&mut c.config, &["CAP_SETUID"]);
            c.args(&BECOME_USER);
            c.write_config()?;
            let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
            let seen = with_secure_bits(c, &["run", "--bundle", &bundle, &id])?;
            check_eq!(seen.capabilities("CapEff"), 0, "effective");
            Ok(())
        },
    )
    .needs(&needs)
    .justified("other runtimes hand the caller's secure bits on");
    t.add(
        "secure-bits-exec",
        "capabilities(7): the same for exec, whatever secure bits its caller has",
        |c| {
            c.launch(&["pause"])?;
            let id = c.id();
            let mut args = vec!["exec", "--cap", "CAP_SETUID", &id, "/payload"];
            args.extend(BECOME_USER);
            let seen = with_secure_bits(c, &args)?;
            check_eq!(seen.capabilities("CapEff"), 0, "effective");
            c.destroy()
        },
    )
    .needs(&needs)
    .justified("other runtimes hand the caller's secure bits on");
    t.add(
        "ambient-of-the-caller",
        "CVE-2016-8867: ambient capabilities of the runtime's caller are not the container's",
        |c| {
            let cap: &[&str] = &["CAP_NET_ADMIN"];
            crate::config::set_capabilities(&mut c.config, [cap, cap, cap, cap, &[]]);
            c.config["process"]["user"] = serde_json::json!({"uid": 1000, "gid": 1000});
            c.args(&["inspect"]);
            c.write_config()?;
            let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
            let privileges = ["--inh-caps=+net_admin", "--ambient-caps=+net_admin"];
            let output = with_privileges(c, &privileges, &["run", "--bundle", &bundle, &id])?;
            let seen = Inside(crate::context::json_line(&output)?);
            check_eq!(seen.capabilities("CapAmb"), 0, "ambient");
            Ok(())
        },
    )
    .needs(&needs);
    t.add(
        "exec-cap-not-inheritable",
        "engines: exec --cap adds to bounding, effective and permitted, never to inheritable",
        |c| {
            crate::config::set_capabilities(&mut c.config, [&[], &[], &[], &[], &[]]);
            c.launch(&["pause"])?;
            let seen = c.exec_inspect(&["--cap", "CAP_NET_BIND_SERVICE"])?;
            for set in ["CapBnd", "CapEff", "CapPrm"] {
                check_eq!(seen.capabilities(set), 1 << 10, "{set}");
            }
            for set in ["CapInh", "CapAmb"] {
                check_eq!(seen.capabilities(set), 0, "{set}");
            }
            c.destroy()
        },
    );
}

const BECOME_USER: [&str; 4] = ["setuid", "1000", ";", "inspect"];

/// Runs a command of the runtime with privileges that setpriv(1) gives it.
fn with_privileges(c: &mut Context, privileges: &[&str], args: &[&str]) -> Verdict<Output> {
    c.command_under("setpriv", &[privileges, &["--"]].concat(), args)?
        .run()?
        .success()
}

/// Runs a command of the runtime with `SECBIT_NO_SETUID_FIXUP`, and answers what the payload's `inspect` saw.
/// The mask of ignored signals that the container's program sees, but for the two that belong to the C library.
fn with_ignored_signals(c: &mut Context, args: &[&str]) -> Verdict<u64> {
    let ignoring =
        ["HUP", "INT", "USR1", "RTMIN+3", "RTMAX"].map(|s| format!("--ignore-signal={s}"));
    let ignoring: Vec<&str> = ignoring.iter().map(String::as_str).collect();
    let output = c.command_under("env", &ignoring, args)?.run()?;
    let seen = crate::context::json_line(&output)?;
    let mask = u64::from_str_radix(seen["SigIgn"].as_str().unwrap_or_default(), 16);
    Ok(mask.unwrap_or(u64::MAX) & !(0b11 << 31))
}

fn with_secure_bits(c: &mut Context, args: &[&str]) -> Verdict<Inside> {
    let output = with_privileges(c, &["--securebits=+no_setuid_fixup"], args)?;
    let lines = crate::context::json_lines(&output)?;
    let [became, seen] = lines.as_slice() else {
        return crate::check::fail(output.describe("did not print two lines"));
    };
    check_eq!(became["ok"], true, "setuid");
    Ok(Inside(seen.clone()))
}
