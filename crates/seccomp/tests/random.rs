//! Compiled profiles against a direct reading of them, over random profiles
//! and calls, on every architecture.

#![allow(clippy::disallowed_methods, reason = "the test's own files")]

mod common;

use common::{Call, Random, answers, argument, entry, newest, run};
use seccomp::{Action, Arch, Profile, Target, compile, explain};

const NAMES: &[&str] = &[
    "read",
    "write",
    "openat",
    "mount",
    "clone",
    "ptrace",
    "prctl",
    "futex",
    "ioctl",
    "personality",
    "getpid",
    "clone3",
    "faccessat2",
    "mmap",
    "no_such_call",
];
const ACTIONS: &[Action] = &[
    Action::Allow,
    Action::Errno,
    Action::KillProcess,
    Action::Kill,
    Action::Trap,
    Action::Log,
    Action::Trace,
];
const ENOSYS: u32 = 0x0005_0026;

fn profile(random: &mut Random, entries: usize, most: usize) -> Profile {
    Profile {
        default_action: Some(random.pick(ACTIONS)),
        syscalls: (0..entries)
            .map(|_| entry(random, NAMES, ACTIONS, most))
            .collect(),
        ..Profile::default()
    }
}

fn call(random: &mut Random, profile: &Profile, arch: Arch) -> Call {
    let number = match random.below(8) {
        0 => random.below(500) as u32,
        1 => seccomp::call_number(arch, "getpid")
            .unwrap()
            .wrapping_sub(1),
        _ => seccomp::call_number(arch, random.pick(&NAMES[..13])).unwrap_or(1),
    };
    let args = std::array::from_fn(|_| argument(random, profile));
    Call { arch, number, args }
}

#[test]
fn programs_agree_with_a_direct_reading_on_every_architecture() {
    let mut random = Random(1);
    let (mut calls, mut contradictions) = (0, 0);
    for round in 0..3000 {
        let arch = Arch::ALL[round % Arch::ALL.len()];
        let (entries, most) = (1 + random.below(12), random.below(4));
        let profile = profile(&mut random, entries, most);
        let program = compile(&profile, Target(arch)).unwrap().unwrap();
        for _ in 0..40 {
            let call = call(&mut random, &profile, arch);
            let (actual, _) = run(&program.instructions, &call);
            let number = call.number.to_string();
            let told = explain(&profile, Target(arch), arch, &number, &call.args).unwrap();
            assert_eq!(
                told.verdict.map(|verdict| verdict.0),
                Some(actual),
                "{call:?}\n{told:?}\n{profile:?}\n{program}"
            );
            if arch == Arch::X32 && call.number < 0x4000_0000 {
                assert_eq!(actual, 0, "{call:?}");
                continue;
            }
            let s390 = matches!(arch, Arch::S390 | Arch::S390x) && call.number == 0;
            let expected = match newest(&profile, arch) {
                Some(newest) if call.number > newest || s390 => vec![ENOSYS],
                _ => answers(&profile, &call),
            };
            assert!(
                expected.contains(&actual),
                "{call:?}: {actual:#x}, not {expected:x?}\n{profile:?}\n{program}"
            );
            calls += 1;
            contradictions += usize::from(expected.len() > 1);
        }
    }
    println!("{calls} calls, {contradictions} with rules that contradict each other");
}

#[test]
fn several_interfaces_share_one_filter() {
    let mut random = Random(2);
    let families: [&[Arch]; 4] = [
        &[Arch::X86_64, Arch::X86, Arch::X32],
        &[Arch::Aarch64, Arch::Arm],
        &[Arch::S390x, Arch::S390],
        &[Arch::Mips64, Arch::Mips, Arch::Mips64n32],
    ];
    for round in 0..1000 {
        let family = families[round % families.len()];
        let mut profile = profile(&mut random, 6, 2);
        profile.architectures = family
            .iter()
            .copied()
            .filter(|_| random.below(2) == 0)
            .collect();
        let program = compile(&profile, Target(family[0])).unwrap().unwrap();
        for _ in 0..60 {
            let arch = random.pick(family);
            let call = call(&mut random, &profile, arch);
            if arch == Arch::X32 && call.number < 0x4000_0000 {
                continue;
            }
            let (actual, _) = run(&program.instructions, &call);
            let s390 = matches!(arch, Arch::S390 | Arch::S390x) && call.number == 0;
            let expected = match newest(&profile, arch) {
                _ if arch != family[0] && !profile.architectures.contains(&arch) => vec![0],
                Some(newest) if call.number > newest || s390 => vec![ENOSYS],
                _ => answers(&profile, &call),
            };
            assert!(
                expected.contains(&actual),
                "{call:?}: {actual:#x}, not {expected:x?}\n{profile:?}\n{program}"
            );
        }
    }
}
