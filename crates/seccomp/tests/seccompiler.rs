//! Our programs against those of the crate seccompiler, where its model
//! suffices: one interface, one action for all rules besides the default.

#![allow(clippy::disallowed_methods, reason = "the test's own files")]

mod common;

use std::collections::BTreeMap;

use common::{Call, Random, argument, condition, run};
use seccomp::{Action, Arch, Arg, Insn, Operator, Profile, Syscall, Target, compile};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

fn theirs(profile: &Profile) -> Vec<Insn> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for entry in &profile.syscalls {
        let number = seccomp::call_number(Arch::X86_64, &entry.names[0]).unwrap();
        let conditions = entry.args.iter().map(|arg| {
            let (op, value) = match arg.op {
                Operator::Ne => (SeccompCmpOp::Ne, arg.value),
                Operator::Lt => (SeccompCmpOp::Lt, arg.value),
                Operator::Le => (SeccompCmpOp::Le, arg.value),
                Operator::Eq => (SeccompCmpOp::Eq, arg.value),
                Operator::Ge => (SeccompCmpOp::Ge, arg.value),
                Operator::Gt => (SeccompCmpOp::Gt, arg.value),
                Operator::MaskedEq => (SeccompCmpOp::MaskedEq(arg.value), arg.value_two),
            };
            SeccompCondition::new(arg.index as u8, SeccompCmpArgLen::Qword, op, value).unwrap()
        });
        let rule = SeccompRule::new(conditions.collect()).unwrap();
        rules.entry(number.into()).or_default().push(rule);
    }
    let (default, action) = (SeccompAction::Log, SeccompAction::Errno(7));
    let filter = SeccompFilter::new(
        rules.into_iter().collect(),
        default,
        action,
        TargetArch::x86_64,
    )
    .unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    program
        .iter()
        .map(|insn| Insn {
            code: insn.code,
            jt: insn.jt,
            jf: insn.jf,
            k: insn.k,
        })
        .collect()
}

#[test]
fn one_action_on_x86_64() {
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
    let mut random = Random(7);
    let mut lengths = (0, 0);
    for _ in 0..500 {
        let mut entries: Vec<Syscall> = Vec::new();
        for _ in 0..1 + random.below(12) {
            let name = random.pick(&names);
            let indices: Vec<u32> = (0..6).filter(|_| random.below(4) == 0).collect();
            let args: Vec<Arg> = indices
                .into_iter()
                .map(|index| condition(&mut random, index))
                .collect();
            // seccompiler takes either rules with conditions or one without.
            let refused = args.is_empty()
                || entries
                    .iter()
                    .any(|entry| entry.names[0] == name && entry.args == args);
            if !refused {
                entries.push(Syscall {
                    names: vec![name.into()],
                    action: Action::Errno,
                    errno_ret: Some(7),
                    args,
                });
            }
        }
        let profile = Profile {
            default_action: Some(Action::Log),
            syscalls: entries,
            ..Profile::default()
        };
        let ours = compile(&profile, Target(Arch::X86_64))
            .unwrap()
            .unwrap()
            .instructions;
        let theirs = theirs(&profile);
        lengths = (lengths.0 + ours.len(), lengths.1 + theirs.len());
        for _ in 0..60 {
            let number = seccomp::call_number(Arch::X86_64, random.pick(&names)).unwrap();
            let args = std::array::from_fn(|_| argument(&mut random, &profile));
            let call = Call {
                arch: Arch::X86_64,
                number,
                args,
            };
            assert_eq!(
                run(&ours, &call).0,
                run(&theirs, &call).0,
                "{call:?}\n{profile:?}"
            );
        }
    }
    println!("{} instructions, seccompiler {}", lengths.0, lengths.1);
}
