//! Help, version, and what is refused in which words.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use liboci_cli::*;

fn stop(args: &[&str]) -> Stop {
    let all = std::iter::once(&"teu").chain(args).map(OsString::from);
    match parse(all) {
        Ok(invocation) => panic!("{args:?}: {invocation:?}"),
        Err(stop) => stop,
    }
}

fn error(args: &[&str]) -> UsageError {
    match stop(args) {
        Stop::Error(error) => error,
        other => panic!("{args:?}: {other:?}"),
    }
}

#[test]
fn counts_are_refused_as_runc_does() {
    let exactly = |n| format!("requires exactly {n} argument(s)");
    let one = exactly(1);
    let cases: Vec<(Vec<&str>, String)> = vec![
        (vec!["create"], one.clone()),
        (vec!["create", "a", "b"], one.clone()),
        (vec!["run"], one.clone()),
        (vec!["start", "a", "b"], one.clone()),
        (vec!["state"], one.clone()),
        (vec!["delete", "--force"], one.clone()),
        (vec!["pause"], one.clone()),
        (vec!["resume", "--", "a", "--"], one.clone()),
        (vec!["update", "a", "b"], one.clone()),
        (vec!["events"], one.clone()),
        (vec!["checkpoint"], one.clone()),
        (vec!["restore", "--detach"], one.clone()),
        (vec!["explain"], one),
        (vec!["list", "a"], exactly(0)),
        (vec!["spec", "a", "b"], exactly(0)),
        (vec!["features", "a"], exactly(0)),
        (vec!["kill"], "requires a minimum of 1 argument(s)".into()),
        (
            vec!["kill", "a", "9", "b"],
            "requires a maximum of 2 argument(s)".into(),
        ),
        (vec!["exec"], "requires a minimum of 1 argument(s)".into()),
        (vec!["ps"], "requires a minimum of 1 argument(s)".into()),
    ];
    for (args, text) in cases {
        let error = error(&args);
        assert_eq!(
            error.message,
            format!("teu: \"{}\" {text}", args[0]),
            "{args:?}"
        );
        assert_eq!(error.exit_code, 1, "{args:?}");
        let help = error.help.expect("help");
        let usage = format!("Usage: teu {} ", args[0]);
        let takes_any = !text.contains("exactly 0");
        assert_eq!(help.contains("\nArguments:\n"), takes_any, "{help}");
        assert!(
            help.starts_with("Incorrect Usage.\n\n") && help.contains(&usage),
            "{help}"
        );
    }
    assert_eq!(
        error(&["seccomp", "explain", "p"]).message,
        "teu: \"seccomp explain\" requires a minimum of 2 argument(s)"
    );
}

#[test]
fn the_name_of_the_program_is_the_one_it_was_called_by() {
    let Err(Stop::Error(error)) = parse(["/usr/bin/runc", "create"].map(OsString::from)) else {
        panic!()
    };
    assert_eq!(
        error.message,
        "/usr/bin/runc: \"create\" requires exactly 1 argument(s)"
    );
    assert!(matches!(parse([]), Err(Stop::Help(_))));
}

#[test]
fn wrong_options_are_refused_as_runc_does() {
    let cases: [(&[&str], &str); 15] = [
        // What podman looks for.
        (
            &["restore", "--lsm-mount-context"],
            "flag needs an argument: -lsm-mount-context",
        ),
        (&["create", "-b"], "flag needs an argument: -b"),
        (&["list", "-qf"], "flag needs an argument: -f"),
        (&["--root"], "flag needs an argument: -root"),
        (
            &["create", "--foo", "a"],
            "flag provided but not defined: -foo",
        ),
        (
            &["create", "a", "--foo=x"],
            "flag provided but not defined: -foo",
        ),
        (
            &["create", "--no_pivot", "a"],
            "flag provided but not defined: -no_pivot",
        ),
        (&["kill", "-9", "a"], "flag provided but not defined: -9"),
        (
            &["state", "--bundle", "/b", "a"],
            "flag provided but not defined: -bundle",
        ),
        (&["state", "-v"], "flag provided but not defined: -v"),
        (&["run", "-dx", "a"], "flag provided but not defined: -dx"),
        (
            &["--bogus", "state", "a"],
            "flag provided but not defined: -bogus",
        ),
        (
            &["run", "--detach=maybe", "a"],
            "invalid boolean value \"maybe\" for -detach: parse error",
        ),
        (
            &["run", "--keep=", "a"],
            "invalid boolean value \"\" for -keep: parse error",
        ),
        (
            &["--debug=x", "state", "a"],
            "invalid boolean value \"x\" for -debug: parse error",
        ),
    ];
    for (args, message) in cases {
        let error = error(args);
        assert_eq!((&*error.message, error.exit_code), (message, 1), "{args:?}");
        assert!(
            error
                .help
                .expect("help")
                .starts_with(&format!("Incorrect Usage: {message}\n\n"))
        );
    }
}

#[test]
fn bad_values_name_the_option() {
    let cases: [(&[&str], &str, u8); 20] = [
        (
            &["--log-format", "x", "state", "a"],
            "invalid log-format: x",
            1,
        ),
        (
            &["--log-level", "x", "state", "a"],
            "invalid value \"x\" for flag -log-level: ",
            1,
        ),
        (
            &["--cgroup-manager", "x", "state", "a"],
            "invalid value \"x\" for flag -cgroup-manager: ",
            1,
        ),
        (
            &["--rootless=x", "state", "a"],
            "invalid value \"x\" for flag -rootless: ",
            1,
        ),
        (
            &["create", "--preserve-fds", "x", "a"],
            "invalid value \"x\" for flag -preserve-fds: ",
            1,
        ),
        (
            &["create", "--preserve-fds", "-1", "a"],
            "invalid value \"-1\" for flag -preserve-fds: ",
            1,
        ),
        (
            &["create", "--preserve-fds=", "a"],
            "invalid value \"\" for flag -preserve-fds: ",
            1,
        ),
        (
            &["list", "--format", "yaml"],
            "invalid value \"yaml\" for flag -format: must be one of table, json",
            1,
        ),
        (
            &["events", "--interval", "5", "a"],
            "invalid value \"5\" for flag -interval: ",
            1,
        ),
        (
            &["events", "--interval", "0", "a"],
            "invalid value \"0\" for flag -interval: duration interval must be",
            1,
        ),
        (
            &["update", "--memory", "64Q", "a"],
            "invalid value \"64Q\" for flag -memory: invalid size: '64Q'",
            1,
        ),
        (
            &["update", "--blkio-weight", "70000", "a"],
            "invalid value \"70000\" for flag -blkio-weight: ",
            1,
        ),
        (
            &["update", "--cpu-period", "-1", "a"],
            "invalid value \"-1\" for flag -cpu-period: ",
            1,
        ),
        (
            &["checkpoint", "--manage-cgroups-mode", "x", "a"],
            "invalid value \"x\" for flag -manage-cgroups-mode: ",
            1,
        ),
        (
            &["seccomp", "explain", "p", "read", "x"],
            "invalid value \"x\" for ARG: ",
            1,
        ),
        (
            &["exec", "--user", "root", "a", "sh"],
            "exec failed: invalid value \"root\" for flag -user: ",
            255,
        ),
        (
            &["exec", "--user=", "a", "sh"],
            "exec failed: invalid value \"\" for flag -user: ",
            255,
        ),
        (
            &["exec", "-e", "FOO", "a", "sh"],
            "exec failed: invalid value \"FOO\" for flag -env: invalid environment variable",
            255,
        ),
        (
            &["exec", "--cgroup", "../x", "a", "sh"],
            "exec failed: invalid value \"../x\" for flag -cgroup: ",
            255,
        ),
        (
            &["exec", "a"],
            "exec failed: process args cannot be empty",
            255,
        ),
    ];
    for (args, message, exit_code) in cases {
        let error = error(args);
        assert!(
            error.message.starts_with(message),
            "{args:?}: {}",
            error.message
        );
        assert_eq!((error.exit_code, error.help), (exit_code, None), "{args:?}");
    }
}

#[test]
fn an_id_must_be_text() {
    let mut args: Vec<OsString> = vec!["teu".into(), "state".into()];
    args.push(OsString::from_vec(vec![0xff]));
    let Err(Stop::Error(error)) = parse(args) else {
        panic!()
    };
    assert_eq!(error.message, "invalid value \"\\xFF\" for ID: not UTF-8");
}

#[test]
fn unknown_commands_are_named() {
    for args in [
        &["bogus"][..],
        &["help", "bogus"],
        &["--root", "/r", "bogus", "--help"],
    ] {
        assert_eq!(
            error(args).message,
            "unknown command \"bogus\" (see teu --help)"
        );
    }
    assert_eq!(
        error(&["seccomp", "x"]).message,
        "unknown command \"seccomp x\" (see teu --help)"
    );
}

#[test]
fn version_is_asked_for_before_the_command_only() {
    for args in [
        &["--version"][..],
        &["-v"],
        &["-V"],
        &["-version"],
        &["--root", "/r", "-v", "state"],
    ] {
        assert_eq!(stop(args), Stop::Version, "{args:?}");
    }
}

#[test]
fn the_tool_explains_itself() {
    for args in [
        &[][..],
        &["-h"],
        &["--help"],
        &["-help"],
        &["help"],
        &["--root", "/r"],
    ] {
        let Stop::Help(text) = stop(args) else {
            panic!("{args:?}")
        };
        for (name, about) in COMMANDS.iter().map(|row| (row.name, row.about)) {
            let shown =
                name.contains(' ') || text.contains(&format!("  {name} ")) && text.contains(about);
            assert!(shown, "{name} is missing in {text}");
        }
        for flag in global_flags().into_iter().flatten() {
            assert!(
                text.contains(&format!("--{}", flag.long())),
                "{}",
                flag.long()
            );
        }
    }
}

#[test]
fn each_command_explains_itself() {
    for row in &COMMANDS {
        let words: Vec<&str> = row.name.split(' ').collect();
        let with = |more: &[&'static str]| [&words[..], more].concat();
        let Stop::Help(text) = stop(&with(&["--help"])) else {
            panic!("{}", row.name)
        };
        assert_eq!(
            stop(&with(&["-h"])),
            Stop::Help(text.clone()),
            "{}",
            row.name
        );
        assert_eq!(
            stop(&[&["help"], &words[..]].concat()),
            Stop::Help(text.clone()),
            "{}",
            row.name
        );
        if row.operands_end > 1 {
            assert_eq!(
                stop(&with(&["c1", "--help"])),
                Stop::Help(text.clone()),
                "{}",
                row.name
            );
        }
        for flag in row.flags.iter().copied().flatten() {
            let shown = text.contains(&format!("--{} ", flag.long()));
            assert_eq!(shown, !flag.hidden, "{} {}", row.name, flag.long());
            assert!(
                !flag.help().is_empty() && !flag.help().contains('\n'),
                "{}",
                flag.long()
            );
        }
        for operand in row.operands {
            assert!(text.contains(operand.name), "{} {}", row.name, operand.name);
        }
        assert!(text.lines().all(|line| line.len() <= 140), "{text}");
    }
    let Stop::Help(text) = stop(&["seccomp", "--help"]) else {
        panic!()
    };
    assert!(text.contains("seccomp explain") && text.contains("seccomp compile"));
}

#[test]
fn no_name_means_two_options() {
    let globals = global_flags();
    let tables = COMMANDS.iter().map(|row| row.flags).chain([&globals[..]]);
    for flags in tables {
        let mut names: Vec<String> = Vec::new();
        for flag in flags.iter().copied().flatten() {
            names.push(flag.long());
            names.extend(flag.short.map(String::from));
            names.extend(flag.hidden_short.map(String::from));
        }
        names.sort();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "{names:?}");
        assert!(!names.iter().any(|name| name == "h" || name == "help"));
    }
}
