//! What a profile may say, and what is said about one that may not be.

#![allow(clippy::disallowed_methods, reason = "the test's own files")]

mod common;

use common::{Call, run};
use seccomp::{
    Action, Arch, Decider, Error, Profile, Program, Target, Verdict, call_number, compile, explain,
};

const X86_64: Target = Target(Arch::X86_64);

fn program(json: &str) -> Program {
    compile(&Profile::from_json(json.as_bytes()).unwrap(), X86_64)
        .unwrap()
        .unwrap()
}

fn error(json: &str) -> Error {
    match Profile::from_json(json.as_bytes()) {
        Err(error) => error,
        Ok(profile) => compile(&profile, X86_64).expect_err(json),
    }
}

fn verdict(program: &Program, arch: Arch, name: &str, args: [u64; 6]) -> Verdict {
    let number = call_number(arch, name).unwrap();
    Verdict(run(&program.instructions, &Call { arch, number, args }).0)
}

#[test]
fn errors_name_the_field() {
    let cases = [
        (
            r#"{"defaultAction":"SCMP_ACT_FOO"}"#,
            "/defaultAction",
            "SCMP_ACT_FOO",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_NOTIFY"}"#,
            "/defaultAction",
            "cannot be the default",
        ),
        (
            r#"{"syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]}"#,
            "/defaultAction",
            "missing",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":4096}"#,
            "/defaultErrnoRet",
            "at most 4095",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86","SCMP_ARCH_VAX"]}"#,
            "/architectures/1",
            "SCMP_ARCH_VAX",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_FOO"]}"#,
            "/flags/0",
            "SECCOMP_FILTER_FLAG_FOO",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"]}]}"#,
            "/syscalls/0",
            "action",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"ERRNO"}]}"#,
            "/syscalls/0/action",
            "ERRNO",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_TRACE","errnoRet":65536}]}"#,
            "/syscalls/0/errnoRet",
            "at most 65535",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"},{"index":6,"value":1,"op":"SCMP_CMP_EQ"}]}]}"#,
            "/syscalls/0/args/1/index",
            "6 is not an argument",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":-1,"op":"SCMP_CMP_EQ"}]}]}"#,
            "/syscalls/0/args/0/value",
            "-1",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":1,"op":"EQ"}]}]}"#,
            "/syscalls/0/args/0/op",
            "EQ",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/l","syscalls":[{"names":["read","write"],"action":"SCMP_ACT_NOTIFY"}]}"#,
            "/syscalls/0/names/1",
            "write",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mount"],"action":"SCMP_ACT_NOTIFY"}]}"#,
            "/listenerPath",
            "/syscalls/0",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_LOG","defaultErrnoRet":1}"#,
            "/defaultErrnoRet",
            "returns no errno",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_LOG","syscalls":[{"names":[],"action":"SCMP_ACT_ALLOW"}]}"#,
            "/syscalls/0/names",
            "at least one",
        ),
        (r#"{"defaultAction":7}"#, "/defaultAction", "integer"),
        (r#"{"defaultAction":"SCMP_ACT_ALLOW"} x"#, "", "trailing"),
    ];
    for (json, pointer, message) in cases {
        let error = error(json);
        assert_eq!(error.pointer, pointer, "{json}: {error}");
        assert!(error.message.contains(message), "{json}: {error}");
    }
}

#[test]
fn what_is_tolerated_is_warned_about() {
    let cases = [
        (
            r#"{"defaultAction":"SCMP_ACT_LOG","architectures":["SCMP_ARCH_ARM"]}"#,
            "ignoring SCMP_ARCH_ARM of /architectures: this machine has no such calls",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_LOG","syscalls":[{"names":["read","foo"],"action":"SCMP_ACT_ALLOW"},{"names":["bar"],"action":"SCMP_ACT_ALLOW"}]}"#,
            "skipping system calls that no architecture has: foo, bar",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_LOG","listenerMetadata":"x"}"#,
            "ignoring /listenerMetadata: there is no /listenerPath",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_LOG","flags":["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]}"#,
            "ignoring SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV of /flags: no rule notifies, and the kernel would refuse it",
        ),
    ];
    for (json, warning) in cases {
        assert_eq!(program(json).warnings, [warning], "{json}");
    }
    assert!(program(r#"{"defaultAction":"SCMP_ACT_LOG","architectures":["SCMP_ARCH_X86"],"syscalls":[{"names":["sync_file_range2"],"action":"SCMP_ACT_ALLOW"}]}"#).warnings.is_empty());
}

#[test]
fn an_empty_profile_asks_for_no_filter() {
    for json in [
        r#"{}"#,
        r#"{"defaultAction":""}"#,
        r#"{"defaultAction":null,"syscalls":null,"architectures":null}"#,
    ] {
        let profile = Profile::from_json(json.as_bytes()).unwrap();
        assert_eq!(compile(&profile, X86_64), Ok(None), "{json}");
        assert_eq!(
            explain(&profile, X86_64, Arch::X86_64, "read", &[])
                .unwrap()
                .by,
            Decider::NoFilter
        );
    }
}

#[test]
fn flags_default_to_spec_allow() {
    let notify =
        r#""listenerPath":"/l","syscalls":[{"names":["mount"],"action":"SCMP_ACT_NOTIFY"}]"#;
    let cases = [
        (r#"{"defaultAction":"SCMP_ACT_ALLOW"}"#.to_owned(), 1 << 2),
        (r#"{"defaultAction":"SCMP_ACT_ALLOW","flags":null}"#.to_owned(), 1 << 2),
        (r#"{"defaultAction":"SCMP_ACT_ALLOW","flags":[]}"#.to_owned(), 0),
        (r#"{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_TSYNC","SECCOMP_FILTER_FLAG_LOG"]}"#.to_owned(), 1 << 1),
        (format!(r#"{{"defaultAction":"SCMP_ACT_ALLOW",{notify}}}"#), 1 << 2 | 1 << 3),
        (format!(r#"{{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],{notify}}}"#), 1 << 3 | 1 << 5),
    ];
    for (json, flags) in cases {
        let program = program(&json);
        assert_eq!(program.flags, flags, "{json}");
        assert_eq!(program.notify, json.contains("NOTIFY"), "{json}");
    }
}

#[test]
fn actions_carry_their_errno() {
    let program = program(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":22,"listenerPath":"/l","syscalls":[
            {"names":["read"],"action":"SCMP_ACT_ALLOW"}, {"names":["mount"],"action":"SCMP_ACT_NOTIFY"},
            {"names":["open"],"action":"SCMP_ACT_ERRNO"}, {"names":["close"],"action":"SCMP_ACT_ERRNO","errnoRet":0},
            {"names":["stat"],"action":"SCMP_ACT_TRACE"}, {"names":["fstat"],"action":"SCMP_ACT_TRACE","errnoRet":65535},
            {"names":["poll"],"action":"SCMP_ACT_KILL"}, {"names":["lseek"],"action":"SCMP_ACT_KILL_THREAD"},
            {"names":["mmap"],"action":"SCMP_ACT_KILL_PROCESS"}, {"names":["brk"],"action":"SCMP_ACT_TRAP"},
            {"names":["ioctl"],"action":"SCMP_ACT_LOG"}, {"names":["writev"],"action":"SCMP_ACT_ALLOW"}]}"#,
    );
    let cases = [
        ("read", 0x7fff_0000),
        ("mount", 0x7fc0_0000),
        ("open", 0x0005_0001),
        ("close", 0x0005_0000),
        ("stat", 0x7ff0_0001),
        ("fstat", 0x7ff0_ffff),
        ("poll", 0),
        ("lseek", 0),
        ("mmap", 0x8000_0000),
        ("brk", 0x0003_0000),
        ("ioctl", 0x7ffc_0000),
        ("write", 0x0005_0016),
    ];
    for (name, expected) in cases {
        assert_eq!(
            verdict(&program, Arch::X86_64, name, [0; 6]).0,
            expected,
            "{name}"
        );
    }
}

#[test]
fn calls_newer_than_the_profile_do_not_exist() {
    let json = |action: &str, archs: &str| {
        let errno = match action {
            "SCMP_ACT_ERRNO" | "SCMP_ACT_TRACE" => r#""defaultErrnoRet":1,"#,
            _ => "",
        };
        program(&format!(
            r#"{{"defaultAction":"{action}",{errno}"architectures":[{archs}],"syscalls":[
                {{"names":["faccessat2"],"action":"SCMP_ACT_ALLOW"}},
                {{"names":["mount_setattr"],"action":"SCMP_ACT_ERRNO","errnoRet":1}}]}}"#
        ))
    };
    let at = |program: &Program, arch, number| {
        Verdict(
            run(
                &program.instructions,
                &Call {
                    arch,
                    number,
                    args: [0; 6],
                },
            )
            .0,
        )
    };
    let enosys = Verdict(0x0005_0026);
    for denying in [
        "SCMP_ACT_ERRNO",
        "SCMP_ACT_KILL",
        "SCMP_ACT_KILL_PROCESS",
        "SCMP_ACT_TRAP",
    ] {
        let program = json(denying, "");
        // mount_setattr, 442, is named: even a rule that changes nothing counts.
        assert_ne!(at(&program, Arch::X86_64, 442), enosys);
        assert_eq!(at(&program, Arch::X86_64, 443), enosys);
        assert_eq!(at(&program, Arch::X86_64, 0x3fff_ffff), enosys);
        assert_eq!(
            at(&program, Arch::X86_64, 0x4000_0000),
            Verdict(0),
            "x32 is not listed"
        );
        assert_ne!(
            at(&program, Arch::X86_64, u32::MAX),
            enosys,
            "a call that a tracer skips"
        );
    }
    for permitting in ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"] {
        assert_ne!(at(&json(permitting, ""), Arch::X86_64, 443), enosys);
    }
    let both = json("SCMP_ACT_ERRNO", r#""SCMP_ARCH_X32""#);
    assert_ne!(at(&both, Arch::X32, 0x4000_0000 + 442), enosys);
    assert_eq!(at(&both, Arch::X32, 0x4000_0000 + 443), enosys);
    assert_eq!(at(&both, Arch::X32, u32::MAX), enosys);
}

#[test]
fn conditions_on_one_argument_are_alternatives() {
    let program = program(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
            {"names":["ioctl"],"action":"SCMP_ACT_ALLOW","args":[
                {"index":0,"value":1,"op":"SCMP_CMP_EQ"},{"index":0,"value":2,"op":"SCMP_CMP_EQ"},{"index":1,"value":3,"op":"SCMP_CMP_EQ"}]},
            {"names":["prctl"],"action":"SCMP_ACT_ALLOW","args":[
                {"index":0,"value":1,"op":"SCMP_CMP_EQ"},{"index":1,"value":3,"op":"SCMP_CMP_EQ"}]}]}"#,
    );
    for (name, first, second, allowed) in [
        ("ioctl", 1, 0, true),
        ("ioctl", 2, 0, true),
        ("ioctl", 0, 3, true),
        ("ioctl", 0, 0, false),
        ("prctl", 1, 3, true),
        ("prctl", 1, 0, false),
        ("prctl", 0, 3, false),
    ] {
        let verdict = verdict(&program, Arch::X86_64, name, [first, second, 0, 0, 0, 0]);
        assert_eq!(
            verdict.action() == Action::Allow,
            allowed,
            "{name} {first} {second}"
        );
    }
}

#[test]
fn a_profile_that_fits_in_ranges_compiles_however_long_it_is() {
    let entry = |value: u64| {
        format!(
            r#"{{"names":["ioctl"],"action":"SCMP_ACT_ALLOW","args":[{{"index":1,"value":{value},"op":"SCMP_CMP_EQ"}}]}}"#
        )
    };
    let json = |values: &[u64]| {
        let entries: Vec<String> = values.iter().copied().map(entry).collect();
        format!(
            r#"{{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{}]}}"#,
            entries.join(",")
        )
    };
    let neighbours: Vec<u64> = (100..30_100).collect();
    let program = program(&json(&neighbours));
    assert!(program.instructions.len() < 30, "{program}");
    assert_eq!(
        verdict(&program, Arch::X86_64, "ioctl", [0, 30_099, 0, 0, 0, 0]).action(),
        Action::Allow
    );
    assert_eq!(
        verdict(&program, Arch::X86_64, "ioctl", [0, 30_100, 0, 0, 0, 0]).action(),
        Action::Errno
    );
    let scattered: Vec<u64> = (0..30_000).map(|value| value * 3).collect();
    let error = error(&json(&scattered));
    assert_eq!(
        error.to_string(),
        "/syscalls: the filter needs more than the 4096 instructions that the kernel takes"
    );
}

#[test]
fn jumps_beyond_255_instructions_arrive() {
    // Two thousand values without neighbours: every path still ends right.
    let entries: Vec<String> = (0..1000)
        .map(|value| format!(r#"{{"names":["ioctl"],"action":"SCMP_ACT_{}","args":[{{"index":1,"value":{},"op":"SCMP_CMP_EQ"}}]}}"#, ["ALLOW", "LOG", "TRAP"][value % 3], value * 3))
        .collect();
    let program = program(&format!(
        r#"{{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{}]}}"#,
        entries.join(",")
    ));
    assert!(program.instructions.len() > 2000);
    for value in 0..3000u64 {
        let expected = match (value % 3, value / 3 % 3) {
            (0, 0) => Action::Allow,
            (0, 1) => Action::Log,
            (0, 2) => Action::Trap,
            _ => Action::Errno,
        };
        assert_eq!(
            verdict(&program, Arch::X86_64, "ioctl", [0, value, 0, 0, 0, 0]).action(),
            expected,
            "{value}"
        );
    }
}
