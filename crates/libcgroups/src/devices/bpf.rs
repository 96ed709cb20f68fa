//! A policy as an eBPF program of type `BPF_PROG_TYPE_CGROUP_DEVICE` (kernel, cgroup-v2.rst, "Device controller").
//!
//! The kernel calls it with `struct bpf_cgroup_dev_ctx { u32 access_type; u32 major; u32 minor; }`, where `access_type` is the wanted letters
//! in the upper and the kind of device in the lower 16 bits. It answers 1 to allow.

use super::{Key, Kind, Policy, access};
use crate::error::{Error, Result};
use kernel::bpf::Insn;

// Registers: the context arrives in 1, the answer leaves in 0.
const ANSWER: u8 = 0;
const CTX: u8 = 1;
const KIND: u8 = 2;
const WANTED: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

// Operation codes (kernel, bpf/standardization/instruction-set.rst).
const LOAD_U32: u8 = 0x61;
const MOVE_REG: u8 = 0xbc;
const AND: u8 = 0x54;
const SHIFT_RIGHT: u8 = 0x74;
const JUMP_UNLESS_EQUAL: u8 = 0x56;
const JUMP_IF_SET: u8 = 0x46;
const MOVE: u8 = 0xb7;
const EXIT: u8 = 0x95;

/// The program of a policy. Fails when it would need a jump of more than 32767 instructions, which takes thousands of rules.
pub(crate) fn program(policy: &Policy) -> Result<Vec<Insn>> {
    let mut code = vec![
        Insn::new(LOAD_U32, KIND, CTX, 0, 0),
        Insn::new(MOVE_REG, WANTED, KIND, 0, 0),
        Insn::new(SHIFT_RIGHT, WANTED, 0, 0, 16),
        Insn::new(AND, KIND, 0, 0, 0xffff),
        Insn::new(LOAD_U32, MAJOR, CTX, 4, 0),
        Insn::new(LOAD_U32, MINOR, CTX, 8, 0),
    ];
    for kind in [Kind::Char, Kind::Block] {
        let mut section = Vec::new();
        for e in policy.entries().iter().filter(|e| e.key.kind == kind) {
            let verdict = verdict(e.access);
            let numbers = [(MAJOR, e.key.major), (MINOR, e.key.minor)];
            let mut tests = numbers
                .iter()
                .filter_map(|(reg, n)| n.map(|n| (*reg, n)))
                .collect::<Vec<_>>();
            while !tests.is_empty() {
                let (reg, number) = tests.remove(0);
                let skip = tests.len() + verdict.len();
                // A 32-bit jump compares bits, so that numbers above i32::MAX need no care.
                section.push(Insn::new(
                    JUMP_UNLESS_EQUAL,
                    reg,
                    0,
                    skip as i16,
                    number as i32,
                ));
            }
            section.extend(verdict);
        }
        // What no entry covers. The verifier refuses instructions that can not be reached.
        if !policy.entries().iter().any(|e| {
            e.key
                == (Key {
                    kind,
                    major: None,
                    minor: None,
                })
        }) {
            section.extend(answer(false));
        }
        let skip = i16::try_from(section.len()).map_err(|_| {
            Error::refuse(
                "/linux/resources/devices",
                "the device list is too long for an eBPF program",
            )
        })?;
        code.push(Insn::new(JUMP_UNLESS_EQUAL, KIND, 0, skip, kind as i32));
        code.extend(section);
    }
    code.extend(answer(false));
    Ok(code)
}

fn answer(allow: bool) -> [Insn; 2] {
    [
        Insn::new(MOVE, ANSWER, 0, 0, i32::from(allow)),
        Insn::new(EXIT, 0, 0, 0, 0),
    ]
}

/// Ends the program: allowed unless a letter outside `mask` is wanted.
fn verdict(mask: u8) -> Vec<Insn> {
    match mask {
        0 => answer(false).to_vec(),
        access::ALL => answer(true).to_vec(),
        _ => {
            let mut code = vec![Insn::new(
                JUMP_IF_SET,
                WANTED,
                0,
                2,
                i32::from(access::ALL & !mask),
            )];
            code.extend(answer(true));
            code.extend(answer(false));
            code
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Rule;
    use super::super::policy::tests::{Dice, devices, direct};
    use super::*;

    /// Runs a program as the instruction set's documentation says.
    fn run(code: &[Insn], ctx: [u32; 3]) -> u64 {
        let (mut reg, mut pc) = ([0u64; 6], 0);
        loop {
            let i = code[pc];
            let (dst, src) = (i.dst() as usize, i.src() as usize);
            pc += 1;
            let taken = match i.code {
                LOAD_U32 => {
                    reg[dst] = u64::from(ctx[i.off as usize / 4]);
                    false
                }
                MOVE_REG => {
                    reg[dst] = u64::from(reg[src] as u32);
                    false
                }
                AND => {
                    reg[dst] = u64::from(reg[dst] as u32 & i.imm as u32);
                    false
                }
                SHIFT_RIGHT => {
                    reg[dst] = u64::from(reg[dst] as u32 >> i.imm);
                    false
                }
                MOVE => {
                    reg[dst] = i.imm as i64 as u64;
                    false
                }
                JUMP_UNLESS_EQUAL => reg[dst] as u32 != i.imm as u32,
                JUMP_IF_SET => reg[dst] as u32 & i.imm as u32 != 0,
                EXIT => return reg[0],
                other => panic!("instruction {other:#x}"),
            };
            if taken {
                pc += i.off as usize;
            }
        }
    }

    fn allows(code: &[Insn], device: Key, wanted: u8) -> bool {
        run(
            code,
            [
                u32::from(wanted) << 16 | device.kind as u32,
                device.major.unwrap(),
                device.minor.unwrap(),
            ],
        ) == 1
    }

    #[test]
    fn the_program_decides_as_the_rules() {
        let mut dice = Dice(0x5eed_0003);
        for _ in 0..2_000 {
            let rules = dice.rules();
            let code = program(&Policy::new(&rules)).unwrap();
            for device in devices() {
                for wanted in 1..=access::ALL {
                    let letters = [access::READ, access::WRITE, access::MKNOD]
                        .into_iter()
                        .filter(|l| wanted & l != 0);
                    let want = letters.clone().all(|l| direct(&rules, device, l));
                    assert_eq!(
                        allows(&code, device, wanted),
                        want,
                        "{device} {wanted} {rules:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn numbers_of_32_bits_are_compared_whole() {
        let device = Key {
            kind: Kind::Char,
            major: Some(0xffff_fffe),
            minor: Some(0x8000_0000),
        };
        let code = program(&Policy::new(&[Rule {
            key: device,
            access: 7,
            allow: true,
        }]))
        .unwrap();
        assert!(allows(&code, device, 7));
        assert!(!allows(
            &code,
            Key {
                minor: Some(0),
                ..device
            },
            7
        ));
    }

    #[test]
    fn too_many_rules_are_refused() {
        let rule = |n| Rule {
            key: Key {
                kind: Kind::Char,
                major: Some(n),
                minor: Some(n),
            },
            access: 7,
            allow: true,
        };
        let rules: Vec<_> = (0..9000).map(rule).collect();
        assert_eq!(
            program(&Policy::new(&rules)).unwrap_err().field(),
            Some("/linux/resources/devices")
        );
    }
}
