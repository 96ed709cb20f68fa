//! Programs as bytes and as text, explanations, names.

#![allow(clippy::disallowed_methods, reason = "the test's own files")]

mod common;

use common::data;
use seccomp::{
    Arch, Decider, Profile, Program, Target, call_name, call_number, compile, explain, features,
};

const X86_64: Target = Target(Arch::X86_64);

fn program(json: &str) -> Program {
    compile(&Profile::from_json(json.as_bytes()).unwrap(), X86_64)
        .unwrap()
        .unwrap()
}

#[test]
fn stored_programs_come_back() {
    let stored = program(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","listenerPath":"/run/é","syscalls":[{"names":["mount"],"action":"SCMP_ACT_NOTIFY"}]}"#,
    );
    let bytes = stored.to_bytes();
    assert_eq!(Program::from_bytes(&bytes), Ok(stored));
    for length in 0..bytes.len() {
        assert!(
            Program::from_bytes(&bytes[..length]).is_err(),
            "cut at {length}"
        );
    }
    assert!(Program::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
}

#[test]
fn a_program_is_readable() {
    let program = program(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"syscalls":[{"names":["personality"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":8,"op":"SCMP_CMP_EQ"}]}]}"#,
    );
    let expected = "   0  load arch
   1  if = 0xc000003e (SCMP_ARCH_X86_64) go to 2 else 12
   2  load number
   3  if >= 0x87 (personality) go to 4 else 13
   4  if >= 0x40000000 (read) go to 11 else 5
   5  if >= 0x88 (ustat) go to 13 else 6
   6  load arg0.high
   7  if >= 0x1 go to 13 else 8
   8  load arg0.low
   9  if = 0x8 go to 10 else 13
  10  return SCMP_ACT_ALLOW
  11  if >= 0xffffffff go to 13 else 12
  12  return SCMP_ACT_KILL_THREAD
  13  return SCMP_ACT_ERRNO (errno 38)
";
    assert_eq!(program.to_string(), expected);
}

#[test]
fn explanations_name_the_rule() {
    let docker = data("docker");
    let cases: [(Arch, &str, &[u64], Decider, &str); 8] = [
        (
            Arch::X86_64,
            "openat",
            &[],
            Decider::Rule(0),
            "openat(): SCMP_ACT_ALLOW, by /syscalls/0",
        ),
        (
            Arch::X86_64,
            "socket",
            &[40, 1],
            Decider::Default,
            "socket(0x28, 0x1): SCMP_ACT_ERRNO (errno 1), by /defaultAction, as no rule holds",
        ),
        (
            Arch::X86_64,
            "personality",
            &[8],
            Decider::Rule(3),
            "personality(0x8): SCMP_ACT_ALLOW, by /syscalls/3",
        ),
        (
            Arch::X86_64,
            "clone3",
            &[],
            Decider::Rule(8),
            "clone3(): SCMP_ACT_ERRNO (errno 38), by /syscalls/8",
        ),
        (
            Arch::X86,
            "mount",
            &[],
            Decider::Default,
            "mount(): SCMP_ACT_ERRNO (errno 1), by /defaultAction, as no rule holds",
        ),
        (
            Arch::X86_64,
            "0x1ff",
            &[],
            Decider::NewerThanProfile,
            "call 0x1ff(): SCMP_ACT_ERRNO (errno 38), because the call is newer than all that the profile names",
        ),
        (
            Arch::Aarch64,
            "read",
            &[],
            Decider::ForeignInterface,
            "read(): SCMP_ACT_KILL_THREAD, because /architectures does not list SCMP_ARCH_AARCH64",
        ),
        (
            Arch::X86_64,
            "0",
            &[],
            Decider::Rule(0),
            "read(): SCMP_ACT_ALLOW, by /syscalls/0",
        ),
    ];
    for (arch, call, args, by, text) in cases {
        let decision = explain(&docker, X86_64, arch, call, args).unwrap();
        assert_eq!((decision.by, decision.text.as_str()), (by, text));
    }
    let error = explain(&docker, X86_64, Arch::X86_64, "no_such_call", &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "SCMP_ARCH_X86_64 has no system call no_such_call"
    );
}

#[test]
fn names_and_numbers() {
    let cases = [
        (Arch::X86_64, "read", Some(0)),
        (Arch::X86, "read", Some(3)),
        (Arch::X32, "ioctl", Some(0x4000_0202)),
        (Arch::Arm, "set_tls", Some(0xf_0005)),
        (Arch::Aarch64, "open", None),
        (Arch::Mips, "read", Some(4003)),
        (Arch::Mips64n32, "read", Some(6000)),
        (Arch::S390x, "socket", Some(359)),
        (Arch::Riscv64, "riscv_flush_icache", Some(259)),
        (Arch::Loongarch64, "mseal", Some(462)),
        (Arch::Sheb, "clone3", None),
        (Arch::Parisc, "file_setattr", Some(469)),
    ];
    for (arch, name, number) in cases {
        assert_eq!(call_number(arch, name), number, "{arch} {name}");
        if let Some(number) = number {
            assert_eq!(call_name(arch, number), Some(name), "{arch} {number}");
        }
    }
}

#[test]
fn features_are_spelled_as_in_the_specification() {
    assert_eq!(features::actions().len(), 9);
    assert!(features::actions().contains(&"SCMP_ACT_NOTIFY"));
    assert_eq!(features::operators().len(), 7);
    assert!(features::archs().contains(&"SCMP_ARCH_MIPSEL64N32"));
    assert!(features::known_flags().contains(&"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"));
}
