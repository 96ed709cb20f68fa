//! A policy as an eBPF program of type `BPF_PROG_TYPE_CGROUP_DEVICE` (kernel, cgroup-v2.rst, "Device controller").
//!
//! The kernel calls it with `struct bpf_cgroup_dev_ctx { u32 access_type; u32 major; u32 minor; }`, where `access_type` is the wanted letters
//! in the upper and the kind of device in the lower 16 bits. It answers 1 to allow.
//!
//! The program has no jumps. At each start of a container the kernel's verifier walks every way through the program that there may be, which with
//! comparisons and jumps took more of it than all the rest that the kernel does for the program; sums it only follows once. So a comparison is a
//! number, 1 or 0, and the letters that are denied are computed with it, from the general entries to the precise.

use super::{Entry, Key, Kind, Policy, access};
use crate::error::{Error, Result};
use kernel::bpf::Insn;

// Registers: the context arrives in 1, the answer leaves in 0.
/// The letters that are denied, at last the answer.
const DENIED: u8 = 0;
const CTX: u8 = 1;
const KIND: u8 = 2;
const WANTED: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
/// Whether the entries that are being looked at speak for the device.
const MATCH: u8 = 6;
const THIS: u8 = 7;
const SCRATCH: u8 = 8;

// Operation codes (kernel, bpf/standardization/instruction-set.rst). Those of 32 bits clear the upper half of the register.
const LOAD_U32: u8 = 0x61;
const LOAD_U64_CONSTANT: u8 = 0x18;
const MOVE: u8 = 0xb7;
const MOVE_REG: u8 = 0xbf;
const SUBTRACT: u8 = 0x17;
const SUBTRACT_REG: u8 = 0x1f;
const AND_REG: u8 = 0x5f;
const OR_REG: u8 = 0x4f;
const SHIFT_RIGHT: u8 = 0x77;
const SHIFT_RIGHT_REG: u8 = 0x7f;
const AND_32: u8 = 0x54;
const XOR_32: u8 = 0xa4;
const SHIFT_RIGHT_32: u8 = 0x74;
const EXIT: u8 = 0x95;

/// The longest program that the kernel takes (`BPF_COMPLEXITY_LIMIT_INSNS`).
const LONGEST: usize = 1_000_000;

/// Instructions in the making.
struct Draft(Vec<Insn>);

impl Draft {
    fn constant(&mut self, code: u8, register: u8, number: u32) {
        self.0.push(Insn::new(code, register, 0, 0, number as i32));
    }

    fn registers(&mut self, code: u8, to: u8, from: u8) {
        self.0.push(Insn::new(code, to, from, 0, 0));
    }

    /// 1 for zero, 0 for any other number of up to 63 bits: what the top bit is when 1 has been taken away.
    fn is_zero(&mut self, register: u8) {
        self.constant(SUBTRACT, register, 1);
        self.constant(SHIFT_RIGHT, register, 63);
    }

    /// The difference, in bits, between a number of the device and that of an entry: zero if they are equal.
    fn difference(&mut self, to: u8, of: u8, number: u32) {
        self.registers(MOVE_REG, to, of);
        self.constant(XOR_32, to, number);
    }

    /// Sets [`THIS`] to whether the device has this major number and one of these minor numbers.
    fn matches(&mut self, major: Option<u32>, minors: &Minors) {
        let mut minor_goes_to = THIS;
        if let Some(major) = major {
            self.difference(THIS, MAJOR, major);
            minor_goes_to = SCRATCH;
        }
        match minors {
            Minors::All if major.is_none() => return self.constant(MOVE, THIS, 1),
            Minors::All => {}
            Minors::One(minor) => self.difference(minor_goes_to, MINOR, *minor),
            Minors::Below64(_) => {
                self.registers(MOVE_REG, minor_goes_to, MINOR);
                self.constant(SHIFT_RIGHT, minor_goes_to, 6);
            }
        }
        if major.is_some() && !matches!(minors, Minors::All) {
            self.registers(OR_REG, THIS, SCRATCH);
        }
        self.is_zero(THIS);
        if let Minors::Below64(set) = minors {
            self.0.push(Insn::new(
                LOAD_U64_CONSTANT,
                SCRATCH,
                0,
                0,
                *set as u32 as i32,
            ));
            self.0
                .push(Insn::new(0, 0, 0, 0, (*set >> 32) as u32 as i32));
            self.registers(SHIFT_RIGHT_REG, SCRATCH, MINOR);
            self.registers(AND_REG, THIS, SCRATCH);
        }
    }

    /// Entries of one kind that allow the same.
    fn layer(&mut self, entries: &[&Entry]) {
        for (i, (major, minors)) in groups(entries).iter().enumerate() {
            self.matches(*major, minors);
            self.registers(if i == 0 { MOVE_REG } else { OR_REG }, MATCH, THIS);
        }
        self.difference(THIS, KIND, entries[0].key.kind as u32);
        self.is_zero(THIS);
        self.registers(AND_REG, MATCH, THIS);
        let denied = access::ALL & !entries[0].access;
        if denied != 0 {
            // All bits where it matches, none where not.
            self.constant(MOVE, THIS, 0);
            self.registers(SUBTRACT_REG, THIS, MATCH);
            self.constant(AND_32, THIS, u32::from(denied));
        }
        self.constant(SUBTRACT, MATCH, 1);
        self.registers(AND_REG, DENIED, MATCH);
        if denied != 0 {
            self.registers(OR_REG, DENIED, THIS);
        }
    }
}

/// Minor numbers of one major number.
#[derive(Debug, PartialEq)]
enum Minors {
    All,
    One(u32),
    /// A bit for each: one shift looks at all of them.
    Below64(u64),
}

/// The entries by their major number.
fn groups(entries: &[&Entry]) -> Vec<(Option<u32>, Minors)> {
    let mut groups: Vec<(Option<u32>, Minors)> = Vec::new();
    for e in entries {
        let (major, minor) = (e.key.major, e.key.minor);
        let small = minor.filter(|n| *n < 64 && major.is_some());
        match (groups.last_mut(), small, minor) {
            (Some((known, Minors::Below64(set))), Some(n), _) if *known == major => *set |= 1 << n,
            (_, Some(n), _) => groups.push((major, Minors::Below64(1 << n))),
            (_, None, Some(n)) => groups.push((major, Minors::One(n))),
            (_, None, None) => groups.push((major, Minors::All)),
        }
    }
    for (_, minors) in &mut groups {
        if let Minors::Below64(set) = minors {
            if set.is_power_of_two() {
                *minors = Minors::One(set.trailing_zeros());
            }
        }
    }
    groups
}

/// What is denied to a device of which no precise entry speaks, if it is the same for both kinds.
fn common(policy: &Policy) -> Option<u8> {
    let catch_all = |kind: Kind| {
        let mut entries = policy.entries().iter();
        let e = entries.find(|e| {
            e.key
                == Key {
                    kind,
                    major: None,
                    minor: None,
                }
        });
        access::ALL & !e.map_or(0, |e| e.access)
    };
    let denied = catch_all(Kind::Block);
    (denied == catch_all(Kind::Char)).then_some(denied)
}

/// The program of a policy. Fails when it would be longer than the kernel takes, with tens of thousands of entries.
pub(crate) fn program(policy: &Policy) -> Result<Vec<Insn>> {
    let mut draft = Draft(vec![
        Insn::new(LOAD_U32, KIND, CTX, 0, 0),
        Insn::new(MOVE_REG, WANTED, KIND, 0, 0),
        Insn::new(SHIFT_RIGHT_32, WANTED, 0, 0, 16),
        Insn::new(AND_32, KIND, 0, 0, 0xffff),
        Insn::new(LOAD_U32, MAJOR, CTX, 4, 0),
        Insn::new(LOAD_U32, MINOR, CTX, 8, 0),
    ]);
    let common = common(policy);
    let denied = common.unwrap_or(access::ALL);
    draft.constant(MOVE, DENIED, u32::from(denied));
    // From the general to the precise, so that the precise has the last word.
    let told = |e: &&Entry| common.is_none() || e.key.major.is_some() || e.key.minor.is_some();
    let entries: Vec<&Entry> = policy.entries().iter().rev().filter(told).collect();
    for layer in entries.chunk_by(|a, b| a.key.kind == b.key.kind && a.access == b.access) {
        draft.layer(layer);
    }
    draft.registers(AND_REG, DENIED, WANTED);
    draft.is_zero(DENIED);
    draft.registers(EXIT, 0, 0);
    if draft.0.len() > LONGEST {
        return Err(Error::refuse(
            "/linux/resources/devices",
            "the device list is too long for an eBPF program",
        ));
    }
    Ok(draft.0)
}

#[cfg(test)]
mod tests {
    use super::super::Rule;
    use super::super::policy::tests::{Dice, devices, direct};
    use super::*;

    /// Runs a program as the instruction set's documentation says.
    fn run(code: &[Insn], ctx: [u32; 3]) -> u64 {
        let (mut reg, mut pc) = ([0u64; 9], 0);
        loop {
            let i = code[pc];
            let (dst, src) = (i.dst() as usize, i.src() as usize);
            let imm = i64::from(i.imm) as u64;
            pc += 1;
            reg[dst] = match i.code {
                LOAD_U32 => u64::from(ctx[i.off as usize / 4]),
                LOAD_U64_CONSTANT => {
                    pc += 1;
                    u64::from(i.imm as u32) | u64::from(code[pc - 1].imm as u32) << 32
                }
                MOVE => imm,
                MOVE_REG => reg[src],
                SUBTRACT => reg[dst].wrapping_sub(imm),
                SUBTRACT_REG => reg[dst].wrapping_sub(reg[src]),
                AND_REG => reg[dst] & reg[src],
                OR_REG => reg[dst] | reg[src],
                SHIFT_RIGHT => reg[dst] >> i.imm,
                SHIFT_RIGHT_REG => reg[dst] >> (reg[src] & 63),
                AND_32 => u64::from(reg[dst] as u32 & i.imm as u32),
                XOR_32 => u64::from(reg[dst] as u32 ^ i.imm as u32),
                SHIFT_RIGHT_32 => u64::from(reg[dst] as u32 >> i.imm),
                EXIT => return reg[0],
                other => panic!("instruction {other:#x}"),
            };
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
    fn what_every_workload_has_is_a_short_program() {
        let code = program(&super::super::policy(&[]).unwrap()).unwrap();
        assert!(code.len() < 60, "{} instructions", code.len());
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
    fn thousands_of_rules_have_a_program() {
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
        let code = program(&Policy::new(&rules)).unwrap();
        for n in [0, 63, 64, 8999] {
            assert!(allows(&code, rule(n).key, access::READ), "{n}");
            assert!(!allows(&code, rule(n).key, access::WRITE), "{n}");
        }
        assert!(!allows(&code, rule(9000).key, access::READ));
    }
}
