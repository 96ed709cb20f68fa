//! Seccomp profiles. config-linux.md#seccomp.

use crate::check::Verdict;
use crate::check_eq;
use crate::context::Context;
use crate::host::Need;
use crate::table::Table;
use serde_json::{Value, json};
use std::fs;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("seccomp");
    actions(t);
    arguments(t);
    errors(t);
}

// Numbers of x86_64 and aarch64 for calls that nothing else needs.
#[cfg(target_arch = "x86_64")]
const NUMBERS: [(&str, u32); 3] = [
    ("getpriority", 140),
    ("sched_rr_get_interval", 148),
    ("kcmp", 312),
];

#[cfg(not(target_arch = "x86_64"))]
const NUMBERS: [(&str, u32); 3] = [
    ("getpriority", 141),
    ("sched_rr_get_interval", 127),
    ("kcmp", 272),
];

fn number(name: &str) -> String {
    NUMBERS
        .iter()
        .find(|(n, _)| *n == name)
        .map_or(0, |(_, number)| *number)
        .to_string()
}

/// A profile that allows everything but what `rules` say.
pub fn profile(rules: Value) -> Value {
    json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules})
}

/// Runs `getpriority(0, 0)` under the profile.
fn getpriority(c: &mut Context) -> Verdict<crate::runtime::Output> {
    c.try_run(&[
        "syscall",
        &number("getpriority"),
        "0",
        "0",
        ";",
        "echo",
        "{}",
    ])
}

fn actions(t: &mut Table) {
    t.add(
        "mode",
        "config-linux.md#seccomp: a profile puts the process into filter mode",
        |c| {
            c.config["linux"]["seccomp"] =
                profile(json!([{"names": ["kcmp"], "action": "SCMP_ACT_ERRNO"}]));
            check_eq!(c.inspect()?.status("Seccomp"), "2", "Seccomp");
            Ok(())
        },
    );
    t.add(
        "none",
        "config-linux.md#seccomp: without a profile there is no filter of the runtime's",
        |c| {
            let own = fs::read_to_string("/proc/self/status")?;
            let own = own
                .lines()
                .find_map(|line| line.strip_prefix("Seccomp:"))
                .unwrap_or_default()
                .trim()
                .to_string();
            check_eq!(c.inspect()?.status("Seccomp"), own, "Seccomp");
            Ok(())
        },
    );
    for (nnp, name) in [(true, "errno"), (false, "errno-without-no-new-privileges")] {
        t.add(
            name,
            "config-linux.md#seccomp: SCMP_ACT_ERRNO fails the call, by default with EPERM",
            move |c| {
                c.config["process"]["noNewPrivileges"] = json!(nnp);
                c.config["linux"]["seccomp"] =
                    profile(json!([{"names": ["getpriority"], "action": "SCMP_ACT_ERRNO"}]));
                let line = crate::context::json_line(&getpriority(c)?.success()?)?;
                check_eq!(line["errno"], 1, "errno");
                Ok(())
            },
        )
        .needs(if nnp { &[] } else { &[Need::Root] });
    }
    t.add(
        "errno-ret",
        "config-linux.md#seccomp: errnoRet is the errno",
        |c| {
            c.config["linux"]["seccomp"] = profile(
                json!([{"names": ["getpriority"], "action": "SCMP_ACT_ERRNO", "errnoRet": 100}]),
            );
            check_eq!(
                crate::context::json_line(&getpriority(c)?.success()?)?["errno"],
                100,
                "errno"
            );
            Ok(())
        },
    );
    t.add(
        "default-errno-ret",
        "config-linux.md#seccomp: defaultErrnoRet is the errno of the default action",
        |c| {
            let names: Vec<&str> = include_str!("syscalls.txt").split_whitespace().collect();
            c.config["linux"]["seccomp"] = json!({
                "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 99,
                "syscalls": [{"names": names, "action": "SCMP_ACT_ALLOW"}]
            });
            check_eq!(
                crate::context::json_line(&getpriority(c)?.success()?)?["errno"],
                99,
                "errno"
            );
            Ok(())
        },
    );
    t.add("allow-list", "config-linux.md#seccomp: a default \
             action of ERRNO with allowed calls", |c| {
        let names: Vec<&str> = include_str!("syscalls.txt").split_whitespace().collect();
        c.config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": names, "action": "SCMP_ACT_ALLOW"}]
        });
        check_eq!(crate::context::json_line(&getpriority(c)?.success()?)?["errno"], 1, "errno");
        Ok(())
    });
    for action in [
        "SCMP_ACT_KILL",
        "SCMP_ACT_KILL_THREAD",
        "SCMP_ACT_KILL_PROCESS",
    ] {
        t.add(
            action.to_lowercase()[9..].replace('_', "-"),
            format!("config-linux.md#seccomp: {action} ends the process with SIGSYS"),
            move |c| {
                c.config["linux"]["seccomp"] =
                    profile(json!([{"names": ["getpriority"], "action": action}]));
                getpriority(c)?.exits(128 + 31).map(|_| ())
            },
        );
    }
    t.add(
        "trap",
        "config-linux.md#seccomp: SCMP_ACT_TRAP sends SIGSYS",
        |c| {
            c.config["linux"]["seccomp"] =
                profile(json!([{"names": ["getpriority"], "action": "SCMP_ACT_TRAP"}]));
            getpriority(c)?.exits(128 + 31).map(|_| ())
        },
    );
    t.add(
        "log",
        "config-linux.md#seccomp: SCMP_ACT_LOG lets the call pass",
        |c| {
            c.config["linux"]["seccomp"] =
                profile(json!([{"names": ["getpriority"], "action": "SCMP_ACT_LOG"}]));
            check_eq!(
                crate::context::json_line(&getpriority(c)?.success()?)?["ok"],
                true,
                "ok"
            );
            Ok(())
        },
    );
    t.add(
        "trace",
        "config-linux.md#seccomp: SCMP_ACT_TRACE without a tracer fails with ENOSYS",
        |c| {
            c.config["linux"]["seccomp"] = profile(
                json!([{"names": ["getpriority"], "action": "SCMP_ACT_TRACE", "errnoRet": 5}]),
            );
            check_eq!(
                crate::context::json_line(&getpriority(c)?.success()?)?["errno"],
                38,
                "errno"
            );
            Ok(())
        },
    );
    t.add(
        "unknown-syscall",
        "engines: a syscall name the runtime does not know is skipped",
        |c| {
            c.config["linux"]["seccomp"] = profile(
                json!([{"names": ["no_such_call", "getpriority"], "action": "SCMP_ACT_ERRNO"}]),
            );
            check_eq!(
                crate::context::json_line(&getpriority(c)?.success()?)?["errno"],
                1,
                "errno"
            );
            Ok(())
        },
    );
    t.add("future-syscall-enosys", "engines: a call newer than the \
             profile fails with ENOSYS, not EPERM", |c| {
        let names: Vec<&str> = include_str!("syscalls.txt").split_whitespace().collect();
        c.config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": names, "action": "SCMP_ACT_ALLOW"}]
        });
        c.config["linux"]["seccomp"]["architectures"] =
            json!([if cfg!(target_arch = "x86_64") { "SCMP_ARCH_X86_64" } else { "SCMP_ARCH_AARCH64" }]);
        let output = c.try_run(&["syscall", "900"])?.success()?;
        check_eq!(crate::context::json_line(&output)?["errno"], 38, "errno");
        Ok(())
    });
    t.add(
        "architectures",
        "config-linux.md#seccomp: architectures beside the native one",
        |c| {
            let mut seccomp =
                profile(json!([{"names": ["getpriority"], "action": "SCMP_ACT_ERRNO"}]));
            seccomp["architectures"] = if cfg!(target_arch = "x86_64") {
                json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"])
            } else {
                json!(["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"])
            };
            c.config["linux"]["seccomp"] = seccomp;
            check_eq!(
                crate::context::json_line(&getpriority(c)?.success()?)?["errno"],
                1,
                "errno"
            );
            Ok(())
        },
    );
    for flag in ["LOG", "SPEC_ALLOW", "TSYNC"] {
        t.add(
            format!("flag-{}", flag.to_lowercase().replace('_', "-")),
            "config-linux.md#seccomp: flags",
            move |c| {
                let mut seccomp =
                    profile(json!([{"names": ["getpriority"], "action": "SCMP_ACT_ERRNO"}]));
                seccomp["flags"] = json!([format!("SECCOMP_FILTER_FLAG_{flag}")]);
                c.config["linux"]["seccomp"] = seccomp;
                check_eq!(
                    crate::context::json_line(&getpriority(c)?.success()?)?["errno"],
                    1,
                    "errno"
                );
                Ok(())
            },
        );
    }
    t.add(
        "in-exec",
        "engines: exec'd processes are under the container's profile",
        |c| {
            c.config["linux"]["seccomp"] =
                profile(json!([{"names": ["getpriority"], "action": "SCMP_ACT_ERRNO"}]));
            c.launch(&["pause"])?;
            let output = c
                .try_exec(&[], &["syscall", &number("getpriority"), "0", "0"])?
                .success()?;
            check_eq!(crate::context::json_line(&output)?["errno"], 1, "errno");
            c.destroy()
        },
    );
}

/// Operator, value, valueTwo, and which of the first arguments 0..4 must be denied.
const OPERATORS: [(&str, u64, Option<u64>, [bool; 4]); 7] = [
    ("SCMP_CMP_EQ", 2, None, [false, false, true, false]),
    ("SCMP_CMP_NE", 2, None, [true, true, false, true]),
    ("SCMP_CMP_LT", 2, None, [true, true, false, false]),
    ("SCMP_CMP_LE", 2, None, [true, true, true, false]),
    ("SCMP_CMP_GT", 2, None, [false, false, false, true]),
    ("SCMP_CMP_GE", 2, None, [false, false, true, true]),
    ("SCMP_CMP_MASKED_EQ", 1, Some(1), [false, true, false, true]),
];

fn arguments(t: &mut Table) {
    for (operator, value, two, denied) in OPERATORS {
        t.add(operator.to_lowercase().replace('_', "-"), "config-linux.md#seccomp: op compares an argument with value", move |c| {
            let mut arg = json!({"index": 1, "value": value, "op": operator});
            if let Some(two) = two {
                arg["valueTwo"] = json!(two);
            }
            c.config["linux"]["seccomp"] =
                profile(json!([{"names": ["getpriority"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77, "args": [arg]}]));
            let nr = number("getpriority");
            let mut args: Vec<String> = Vec::new();
            for i in 0..4 {
                args.extend(["syscall", &nr, "0", &i.to_string(), ";"].map(str::to_string));
            }
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let lines = c.attempts(&args)?;
            for (i, denied) in denied.iter().enumerate() {
                check_eq!(lines[i]["errno"] == 77, *denied, "denied with argument {i}");
            }
            Ok(())
        });
    }
    t.add("arguments-and", "config-linux.md#seccomp: conditions \
             on different arguments must all hold", |c| {
        let args = json!([{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}, {"index": 1, "value": 2, "op": "SCMP_CMP_EQ"}]);
        c.config["linux"]["seccomp"] =
            profile(json!([{"names": ["getpriority"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77, "args": args}]));
        let nr = number("getpriority");
        let lines = c.attempts(&["syscall", &nr, "1", "2", ";", "syscall", &nr, "1", "1", ";", "syscall", &nr, "0", "2"])?;
        let denied: Vec<bool> = lines.iter().map(|line| line["errno"] == 77).collect();
        check_eq!(denied, [true, false, false], "denied");
        Ok(())
    });
    t.add("value-64-bit", "config-linux.md#seccomp: values have 64 bits", |c| {
        let args = json!([{"index": 1, "value": 0x1_0000_0002_u64, "op": "SCMP_CMP_EQ"}]);
        c.config["linux"]["seccomp"] =
            profile(json!([{"names": ["getpriority"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77, "args": args}]));
        let nr = number("getpriority");
        let lines = c.attempts(&["syscall", &nr, "0", "0x100000002", ";", "syscall", &nr, "0", "2"])?;
        check_eq!((lines[0]["errno"] == 77, lines[1]["errno"] == 77), (true, false), "denied");
        Ok(())
    });
}

fn errors(t: &mut Table) {
    let rule = |action: &str| json!([{"names": ["getpriority"], "action": action}]);
    let cases = [
        ("bad-action", profile(rule("SCMP_ACT_BOGUS"))),
        (
            "bad-default-action",
            json!({"defaultAction": "SCMP_ACT_BOGUS"}),
        ),
        (
            "bad-architecture",
            json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_BOGUS"], "syscalls": rule("SCMP_ACT_ERRNO")}),
        ),
        (
            "bad-operator",
            profile(
                json!([{"names": ["getpriority"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_BOGUS"}]}]),
            ),
        ),
        (
            "bad-index",
            profile(
                json!([{"names": ["getpriority"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]}]),
            ),
        ),
        (
            "bad-flag",
            json!({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_BOGUS"], "syscalls": rule("SCMP_ACT_ERRNO")}),
        ),
        ("notify-without-listener", profile(rule("SCMP_ACT_NOTIFY"))),
    ];
    for (name, seccomp) in cases {
        t.add(
            name,
            "config.md#valid-values MUST: a profile that cannot be meant is an error",
            move |c| {
                c.config["linux"]["seccomp"] = seccomp.clone();
                c.create_fails().map(|_| ())
            },
        );
    }
    t.add("errno-on-allow", "config-linux.md#seccomp MUST: errnoRet with \
             an action that has no errno is an error", |c| {
        c.config["linux"]["seccomp"] =
            json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["getpriority"], "action": "SCMP_ACT_KILL", "errnoRet": 5}]});
        c.create_fails().map(|_| ())
    })
    .newer("runtime-spec 1.1");
    t.add(
        "names-empty",
        "config-linux.md#seccomp MUST: names has at least one entry",
        |c| {
            c.config["linux"]["seccomp"] =
                profile(json!([{"names": [], "action": "SCMP_ACT_ERRNO"}]));
            c.create_fails().map(|_| ())
        },
    )
    .justified("the sentence is plain; both runtimes take such a rule for no rule");
}
