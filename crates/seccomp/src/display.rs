//! A program for people: one instruction a line, calls by name.

use std::fmt;

use crate::emit::{AND, IF_ANY_BIT, IF_AT_LEAST, IF_EQUAL, JUMP, LOAD, RETURN};
use crate::table::{self, X32_BIT};
use crate::{Arch, Insn, Program, Verdict};

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = knowledge(&self.instructions);
        for (at, insn) in self.instructions.iter().enumerate() {
            line(f, at, insn, known[at])?;
        }
        Ok(())
    }
}

/// What is known whenever an instruction is reached.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Known {
    /// Offset of the word in the accumulator.
    word: Option<u32>,
    /// `seccomp_data.arch`.
    audit: Option<u32>,
}

/// Follows every jump; they all lead forward. Where two ways meet, what they
/// agree on is known.
fn knowledge(instructions: &[Insn]) -> Vec<Known> {
    let mut known: Vec<Option<Known>> = vec![None; instructions.len() + 1];
    known[0] = Some(Known::default());
    for (at, insn) in instructions.iter().enumerate() {
        let Some(here) = known[at] else { continue };
        let mut reach = |distance: usize, now: Known| {
            if let Some(slot) = known.get_mut(at + 1 + distance) {
                *slot = Some(slot.map_or(now, |old| Known {
                    word: old.word.filter(|_| old.word == now.word),
                    audit: old.audit.filter(|_| old.audit == now.audit),
                }));
            }
        };
        match insn.code {
            LOAD => reach(
                0,
                Known {
                    word: Some(insn.k),
                    ..here
                },
            ),
            JUMP => reach(insn.k as usize, here),
            IF_EQUAL | IF_AT_LEAST | IF_ANY_BIT => {
                let is_arch = insn.code == IF_EQUAL && here.word == Some(ARCH);
                let audit = if is_arch { Some(insn.k) } else { here.audit };
                reach(insn.jt.into(), Known { audit, ..here });
                reach(insn.jf.into(), here);
            }
            RETURN => (),
            _ => reach(0, here),
        }
    }
    known.into_iter().map(Option::unwrap_or_default).collect()
}

// Offsets in struct seccomp_data (linux/seccomp.h).
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGS: u32 = 16;

fn line(f: &mut fmt::Formatter<'_>, at: usize, insn: &Insn, known: Known) -> fmt::Result {
    write!(f, "{at:4}  ")?;
    let yes = at + 1 + usize::from(insn.jt);
    let no = at + 1 + usize::from(insn.jf);
    let comparison = match insn.code {
        LOAD => return writeln!(f, "load {}", word(insn.k, known.audit)),
        AND => return writeln!(f, "mask {:#x}", insn.k),
        JUMP => return writeln!(f, "go to {}", at + 1 + insn.k as usize),
        RETURN => return writeln!(f, "return {}", Verdict(insn.k)),
        IF_EQUAL => "=",
        IF_AT_LEAST => ">=",
        IF_ANY_BIT => "has a bit of",
        code => {
            return writeln!(
                f,
                "code {code:#x} jt {} jf {} k {:#x}",
                insn.jt, insn.jf, insn.k
            );
        }
    };
    let value = value(insn.k, known);
    writeln!(f, "if {comparison} {value} go to {yes} else {no}")
}

fn word(offset: u32, audit: Option<u32>) -> String {
    match offset {
        NUMBER => "number".into(),
        ARCH => "arch".into(),
        _ => {
            let big_endian = audit.and_then(arch).is_some_and(Arch::is_big_endian);
            let high = (offset % 8 == 4) != big_endian;
            let half = if high { "high" } else { "low" };
            format!("arg{}.{half}", offset.saturating_sub(ARGS) / 8)
        }
    }
}

fn value(k: u32, known: Known) -> String {
    let name = match (known.word, known.audit.and_then(arch)) {
        (Some(ARCH), _) => arch(k).map(|arch| arch.name()),
        (Some(NUMBER), Some(Arch::X86_64)) if k & X32_BIT != 0 => table::name(Arch::X32, k),
        (Some(NUMBER), Some(arch)) => table::name(arch, k),
        _ => None,
    };
    match name {
        Some(name) => format!("{k:#x} ({name})"),
        None => format!("{k:#x}"),
    }
}

/// The interface of an audit value; x86-64 for the one that x32 shares.
fn arch(audit: u32) -> Option<Arch> {
    Arch::ALL.iter().copied().find(|arch| arch.audit() == audit)
}
