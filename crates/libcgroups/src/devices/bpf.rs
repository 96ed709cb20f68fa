//! A policy as an eBPF program of type `BPF_PROG_TYPE_CGROUP_DEVICE` (kernel, cgroup-v2.rst, "Device controller").
//!
//! The kernel calls it with `struct bpf_cgroup_dev_ctx { u32 access_type; u32 major; u32 minor; }`, where `access_type` is the wanted letters
//! in the upper and the kind of device in the lower 16 bits. It answers 1 to allow.

use super::{Entry, Kind, Policy, access};
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
const JUMP_IF_EQUAL: u8 = 0x16;
const JUMP_UNLESS_EQUAL: u8 = 0x56;
const JUMP_IF_SET: u8 = 0x46;
const MOVE: u8 = 0xb7;
const EXIT: u8 = 0x95;

/// The two ends that all tests share. The kernel's verifier walks both ways of every conditional jump, so that each one saved is time saved
/// at each start of a container; where tests end it has been before.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Deny,
    Allow,
}

/// Instructions in the making: those that lead to an end get their distance when the ends have a place.
#[derive(Default)]
struct Draft {
    code: Vec<Insn>,
    open: Vec<(usize, End)>,
}

impl Draft {
    fn push(&mut self, insn: Insn) {
        self.code.push(insn);
    }

    /// A 32-bit jump compares bits, so that numbers above `i32::MAX` need no care.
    fn jump(&mut self, code: u8, register: u8, number: u32, end: End) {
        self.open.push((self.code.len(), end));
        self.push(Insn::new(code, register, 0, 0, number as i32));
    }

    fn skip_unless(&mut self, register: u8, number: u32, inner: Self) -> Result<()> {
        let skip = i16::try_from(inner.code.len()).map_err(|_| too_long())?;
        self.push(Insn::new(
            JUMP_UNLESS_EQUAL,
            register,
            0,
            skip,
            number as i32,
        ));
        self.append(inner);
        Ok(())
    }

    fn append(&mut self, tests: Self) {
        let start = self.code.len();
        self.code.extend(tests.code);
        self.open
            .extend(tests.open.iter().map(|(at, end)| (start + at, *end)));
    }

    fn answer(&mut self, end: End) {
        self.push(Insn::new(MOVE, ANSWER, 0, 0, end as i32));
        self.push(Insn::new(EXIT, 0, 0, 0, 0));
    }

    /// Ends the program: allowed unless a letter outside `mask` is wanted.
    fn verdict(&mut self, mask: u8) {
        if mask == 0 {
            return self.answer(End::Deny);
        }
        if mask != access::ALL {
            let others = u32::from(access::ALL & !mask);
            self.jump(JUMP_IF_SET, WANTED, others, End::Deny);
        }
        self.answer(End::Allow);
    }

    /// The whole program: what falls through to here is denied. The verifier refuses instructions that cannot be reached.
    fn finish(mut self) -> Result<Vec<Insn>> {
        let deny = self.code.len();
        self.answer(End::Deny);
        let allow = self.code.len();
        if self.open.iter().any(|(_, end)| *end == End::Allow) {
            self.answer(End::Allow);
        }
        for (at, end) in self.open {
            let to = if end == End::Allow { allow } else { deny };
            self.code[at].off = i16::try_from(to - at - 1).map_err(|_| too_long())?;
        }
        Ok(self.code)
    }
}

fn too_long() -> Error {
    Error::refuse(
        "/linux/resources/devices",
        "the device list is too long for an eBPF program",
    )
}

/// The program of a policy. Fails when it would need a jump of more than 32767 instructions, which takes thousands of rules.
pub(crate) fn program(policy: &Policy) -> Result<Vec<Insn>> {
    let mut draft = Draft {
        code: vec![
            Insn::new(LOAD_U32, KIND, CTX, 0, 0),
            Insn::new(MOVE_REG, WANTED, KIND, 0, 0),
            Insn::new(SHIFT_RIGHT, WANTED, 0, 0, 16),
            Insn::new(AND, KIND, 0, 0, 0xffff),
            Insn::new(LOAD_U32, MAJOR, CTX, 4, 0),
            Insn::new(LOAD_U32, MINOR, CTX, 8, 0),
        ],
        ..Draft::default()
    };
    for kind in [Kind::Char, Kind::Block] {
        let entries: Vec<&Entry> = policy
            .entries()
            .iter()
            .filter(|e| e.key.kind == kind)
            .collect();
        draft.skip_unless(KIND, kind as u32, section(&entries)?)?;
    }
    draft.finish()
}

/// The tests for one kind of device, the most precise entries first. Ends the program for every device of that kind.
fn section(entries: &[&Entry]) -> Result<Draft> {
    let mut draft = Draft::default();
    // Entries of one major number stand side by side, so that it is compared once.
    for group in entries.chunk_by(|a, b| a.key.major.is_some() && a.key.major == b.key.major) {
        let mut tests = Draft::default();
        for e in group {
            match e.key.minor {
                None => tests.verdict(e.access),
                Some(minor) if e.access == access::ALL => {
                    tests.jump(JUMP_IF_EQUAL, MINOR, minor, End::Allow);
                }
                Some(minor) if e.access == 0 => {
                    tests.jump(JUMP_IF_EQUAL, MINOR, minor, End::Deny);
                }
                Some(minor) => {
                    let mut verdict = Draft::default();
                    verdict.verdict(e.access);
                    tests.skip_unless(MINOR, minor, verdict)?;
                }
            }
        }
        match group[0].key.major {
            Some(major) => draft.skip_unless(MAJOR, major, tests)?,
            None => draft.append(tests),
        }
    }
    let catch_all = |e: &&Entry| e.key.major.is_none() && e.key.minor.is_none();
    if !entries.iter().any(catch_all) {
        draft.answer(End::Deny);
    }
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use super::super::policy::tests::{Dice, devices, direct};
    use super::super::{Key, Rule};
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
                JUMP_IF_EQUAL => reg[dst] as u32 == i.imm as u32,
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
            access: access::READ,
            allow: true,
        };
        let rules: Vec<_> = (0..9000).map(rule).collect();
        assert_eq!(
            program(&Policy::new(&rules)).unwrap_err().field(),
            Some("/linux/resources/devices")
        );
    }
}
