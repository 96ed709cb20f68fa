//! Our programs against those that libseccomp makes of the same profiles. Both
//! run in the interpreter, on every architecture that Debian's libseccomp knows.

#![allow(clippy::disallowed_methods, reason = "the test's own files")]

mod common;
#[path = "common/libseccomp.rs"]
mod oracle;

use common::{Call, EDGES, Random, answers, argument, condition, data, newest, run};
use oracle::Libseccomp;
use seccomp::{Action, Arch, Arg, Operator, Profile, Syscall, Target, compile};

const ENOSYS: u32 = 0x0005_0026;

const ACTIONS: &[Action] = &[
    Action::Allow,
    Action::Errno,
    Action::KillProcess,
    Action::Trap,
    Action::Log,
];

/// Without those that libseccomp 2.5 does not know.
const ARCHS: [Arch; 19] = [
    Arch::X86,
    Arch::X86_64,
    Arch::X32,
    Arch::Arm,
    Arch::Aarch64,
    Arch::Mips,
    Arch::Mips64,
    Arch::Mips64n32,
    Arch::Mipsel,
    Arch::Mipsel64,
    Arch::Mipsel64n32,
    Arch::Parisc,
    Arch::Parisc64,
    Arch::Ppc,
    Arch::Ppc64,
    Arch::Ppc64le,
    Arch::Riscv64,
    Arch::S390,
    Arch::S390x,
];

fn libseccomp(name: &str) -> Option<Libseccomp> {
    Libseccomp::build(name, env!("CARGO_TARGET_TMPDIR").as_ref())
        .map_err(|reason| println!("skipped, nothing to compare with: {reason}"))
        .ok()
}

/// Calls that libseccomp answers by its default, or kills as foreign, and we
/// answer ENOSYS because they are newer than the profile.
fn is_newer(profile: &Profile, call: &Call) -> bool {
    let s390 = matches!(call.arch, Arch::S390 | Arch::S390x) && call.number == 0;
    newest(profile, call.arch).is_some_and(|newest| call.number > newest || s390)
}

/// Compares one profile on calls; `true` for each call that both answer alike.
fn compare(
    profile: &Profile,
    theirs: &oracle::Answer,
    archs: &[Arch],
    calls: impl Iterator<Item = Call>,
) -> Vec<(Call, bool)> {
    let ours = compile(profile, Target(archs[0])).unwrap().unwrap();
    calls
        .map(|call| {
            let (our, _) = run(&ours.instructions, &call);
            let (their, _) = run(&theirs.instructions, &call);
            (
                call,
                our == their || our == ENOSYS && is_newer(profile, &call),
            )
        })
        .collect()
}

fn random_calls(random: &mut Random, profile: &Profile, arch: Arch, names: &[&str]) -> Vec<Call> {
    (0..60)
        .map(|_| {
            let number = match random.below(8) {
                0 => random.below(450) as u32,
                1 => random.pick(&[u32::MAX, 0x4000_0000, 0x4000_0001, 0x3fff_ffff]),
                _ => seccomp::call_number(arch, random.pick(names)).unwrap_or(0),
            };
            Call {
                arch,
                number,
                args: std::array::from_fn(|_| argument(random, profile)),
            }
        })
        .collect()
}

/// One rule for each call, of any form: the answers are the same without exception.
#[test]
fn one_rule_for_each_call() {
    let Some(libseccomp) = libseccomp("one-rule") else {
        return;
    };
    let names = [
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
    ];
    let mut random = Random(3);
    let mut compared = 0;
    for arch in ARCHS {
        let profiles: Vec<Profile> = (0..100).map(|_| distinct(&mut random, &names)).collect();
        for (profile, theirs) in profiles
            .iter()
            .zip(libseccomp.compile(&profiles, &[arch], 1))
        {
            let theirs = theirs.unwrap_or_else(|error| panic!("{error}: {profile:?}"));
            let calls = random_calls(&mut random, profile, arch, &names);
            for (call, alike) in compare(profile, &theirs, &[arch], calls.into_iter()) {
                assert!(alike, "{call:?}\n{profile:?}");
                compared += 1;
            }
        }
    }
    println!("{compared} calls alike");
}

fn distinct(random: &mut Random, names: &[&str]) -> Profile {
    let entries = names.iter().map(|name| {
        let action = random.pick(ACTIONS);
        let indices: Vec<u32> = (0..6).filter(|_| random.below(4) == 0).collect();
        Syscall {
            names: vec![(*name).to_owned()],
            action,
            errno_ret: (action == Action::Errno).then_some(7),
            args: indices
                .into_iter()
                .map(|index| condition(random, index))
                .collect(),
        }
    });
    let syscalls = entries.collect();
    Profile {
        default_action: Some(random.pick(ACTIONS)),
        syscalls,
        ..Profile::default()
    }
}

/// Several rules for one call, one condition each. Where rules contradict each
/// other libseccomp's choice follows from how its tree grew; ours is its rule of
/// thumb, so agreement on those calls is counted, not demanded.
#[test]
fn several_rules_for_one_call() {
    let Some(libseccomp) = libseccomp("several-rules") else {
        return;
    };
    let mut random = Random(4);
    let names = ["ioctl", "prctl"];
    let (mut plain, mut contradictory, mut alike_there) = (0, 0, 0);
    for arch in ARCHS {
        let profiles: Vec<Profile> = (0..150).map(|_| overlapping(&mut random, &names)).collect();
        for (profile, theirs) in profiles
            .iter()
            .zip(libseccomp.compile(&profiles, &[arch], 1))
        {
            // Two rules with equal conditions: libseccomp refuses the profile.
            let Ok(theirs) = theirs else { continue };
            let calls = random_calls(&mut random, profile, arch, &names);
            for (call, alike) in compare(profile, &theirs, &[arch], calls.into_iter()) {
                if answers(profile, &call).len() == 1 {
                    assert!(alike, "{call:?}\n{profile:?}");
                    plain += 1;
                } else {
                    contradictory += 1;
                    alike_there += usize::from(alike);
                }
            }
        }
    }
    println!("{plain} calls alike; of {contradictory} with contradictory rules, {alike_there}");
    assert!(
        alike_there * 100 > contradictory * 90,
        "the order of rules is not libseccomp's any more"
    );
}

fn overlapping(random: &mut Random, names: &[&str]) -> Profile {
    let equality = random.below(2) == 0;
    let entries = (0..2 + random.below(3)).map(|_| {
        let arg = loop {
            let index = random.below(3) as u32;
            let arg = condition(random, index);
            let is_equality = matches!(arg.op, Operator::Eq | Operator::Ne | Operator::MaskedEq);
            // Mixed with other comparisons or on both halves of an argument,
            // libseccomp 2.5 answers some calls by no rule of the profile.
            if equality == is_equality && (equality || arg.value < 0xffff_ffff) {
                break arg;
            }
        };
        let action = random.pick(ACTIONS);
        Syscall {
            names: vec![random.pick(names).to_owned()],
            action,
            errno_ret: (action == Action::Errno).then(|| 2 + random.below(3) as u32),
            args: vec![arg],
        }
    });
    let syscalls = entries.collect();
    Profile {
        default_action: Some(Action::Errno),
        syscalls,
        ..Profile::default()
    }
}

/// socketcall(2) and ipc(2), which bundle calls that profiles name one by one.
#[test]
fn bundled_calls() {
    let Some(libseccomp) = libseccomp("bundled") else {
        return;
    };
    let entry = |name: &str, action, args: Vec<Arg>| Syscall {
        names: vec![name.into()],
        action,
        errno_ret: None,
        args,
    };
    let arg = |index, op, value| Arg {
        index,
        value,
        value_two: 0,
        op,
    };
    let profile = Profile {
        default_action: Some(Action::Errno),
        syscalls: vec![
            entry("socket", Action::Allow, vec![arg(0, Operator::Ne, 40)]),
            entry("connect", Action::Allow, vec![]),
            entry(
                "accept",
                Action::Log,
                vec![arg(1, Operator::Eq, 5), arg(2, Operator::Eq, 6)],
            ),
            entry("sendmmsg", Action::Trap, vec![]),
            entry("recv", Action::Allow, vec![]),
            entry("semop", Action::Allow, vec![]),
            entry("shmget", Action::Log, vec![arg(0, Operator::Eq, 2)]),
            entry("msgctl", Action::Allow, vec![]),
            entry("read", Action::Allow, vec![]),
            entry("faccessat2", Action::Allow, vec![]),
        ],
        ..Profile::default()
    };
    for arch in ARCHS {
        let theirs = libseccomp
            .compile(std::slice::from_ref(&profile), &[arch], 1)
            .remove(0)
            .unwrap();
        let names = profile.syscalls.iter().flat_map(|entry| &entry.names);
        let names = names
            .map(String::as_str)
            .chain(["socketcall", "ipc", "write", "accept4"]);
        let numbers = names.filter_map(|name| seccomp::call_number(arch, name));
        let calls = numbers.flat_map(|number| {
            (0..30).chain(EDGES).flat_map(move |first| {
                [[first, 0, 0, 0, 0, 0], [first, 5, 6, 0, 0, 0]].map(|args| Call {
                    arch,
                    number,
                    args,
                })
            })
        });
        for (call, alike) in compare(&profile, &theirs, &[arch], calls) {
            assert!(alike, "{call:?}");
        }
    }
}

/// The profiles that engines use by default, call by call.
#[test]
fn default_profiles() {
    let Some(libseccomp) = libseccomp("defaults") else {
        return;
    };
    for name in ["docker", "podman"] {
        let profile = data(name);
        let archs = &[Arch::X86_64, Arch::X86, Arch::X32];
        let theirs = libseccomp
            .compile(std::slice::from_ref(&profile), archs, 2)
            .remove(0)
            .unwrap();
        let mut random = Random(5);
        let mut compared = 0;
        for arch in *archs {
            let base = if arch == Arch::X32 { 0x4000_0000 } else { 0 };
            let calls = (base..base + 600).flat_map(|number| {
                (0..100)
                    .map(|_| {
                        let args = std::array::from_fn(|_| argument(&mut random, &profile));
                        Call { arch, number, args }
                    })
                    .collect::<Vec<_>>()
            });
            for (call, alike) in compare(&profile, &theirs, archs, calls) {
                // Calls that libseccomp is too old to know are in the profile all the same.
                let newer_than_libseccomp = call.number & 0xfff > 450 && call.number & 0xfff < 500;
                assert!(alike || newer_than_libseccomp, "{name}: {call:?}");
                compared += 1;
            }
        }
        println!("{name}: {compared} calls alike");
    }
}

/// libseccomp answers some calls against every rule of the profile. Not ours to
/// repair; counted here so that docs/seccomp.md can be believed.
#[test]
fn libseccomp_strays_from_profiles_that_mix_conditions() {
    let Some(libseccomp) = libseccomp("mixed") else {
        return;
    };
    let mut random = Random(6);
    let (mut calls, mut astray, mut hung, mut refused) = (0, 0, 0, 0);
    for _ in 0..300 {
        let mut profile = Profile {
            default_action: Some(Action::Errno),
            ..Profile::default()
        };
        for _ in 0..3 {
            let mut entry =
                common::entry(&mut random, &["ioctl"], &[Action::Allow, Action::Log], 0);
            let indices: Vec<u32> = (0..3).filter(|_| random.below(2) == 0).collect();
            entry.args = indices
                .into_iter()
                .map(|index| condition(&mut random, index))
                .collect();
            profile.syscalls.push(entry);
        }
        let theirs = match libseccomp
            .compile(std::slice::from_ref(&profile), &[Arch::X86_64], 1)
            .remove(0)
        {
            Ok(theirs) => theirs,
            Err(reason) => {
                hung += usize::from(reason == "hung");
                refused += usize::from(reason != "hung");
                continue;
            }
        };
        let ours = compile(&profile, Target(Arch::X86_64)).unwrap().unwrap();
        for call in random_calls(&mut random, &profile, Arch::X86_64, &["ioctl"]) {
            if Some(call.number) != seccomp::call_number(Arch::X86_64, "ioctl") {
                continue;
            }
            let possible = answers(&profile, &call);
            assert!(
                possible.contains(&run(&ours.instructions, &call).0),
                "{call:?}\n{profile:?}"
            );
            calls += 1;
            astray += usize::from(!possible.contains(&run(&theirs.instructions, &call).0));
        }
    }
    println!(
        "of {calls} calls libseccomp answers {astray} against the profile; of 300 profiles it refuses {refused} and never finishes {hung}"
    );
}
