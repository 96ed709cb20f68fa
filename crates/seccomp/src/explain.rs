//! Why a call is answered as it is, told from the rules, not from the program.

use std::fmt;

use crate::rules::{Clauses, Rules, in_order};
use crate::table::{self, X32_BIT};
use crate::{Arch, Error, Profile, Target, Verdict};

/// What becomes of one call, and because of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What decides.
    pub by: Decider,
    /// What the filter returns; `None` when there is no filter.
    pub verdict: Option<Verdict>,
    /// The same in a sentence for people.
    pub text: String,
}

/// What decides a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decider {
    /// The entry of `syscalls` with this index.
    Rule(usize),
    /// `defaultAction`: no rule holds.
    Default,
    /// The call's number is above all those that the profile names.
    NewerThanProfile,
    /// The profile does not list the interface by which the call is made.
    ForeignInterface,
    /// The profile asks for no filter.
    NoFilter,
}

/// Says what the filter of `profile` on machine `target` does with a call.
///
/// `syscall` is a name or a number, decimal or 0x...; arguments that are not
/// given count as 0.
///
/// # Errors
/// As [`compile`](crate::compile), and a call that `arch` does not have; the
/// pointer of that one is empty.
pub fn explain(
    profile: &Profile,
    target: Target,
    arch: Arch,
    syscall: &str,
    args: &[u64],
) -> Result<Decision, Error> {
    let unknown = || Error::new("", format!("{arch} has no system call {syscall}"));
    let number = number(arch, syscall).ok_or_else(unknown)?;
    let (by, verdict) = match Rules::new(profile, target)? {
        None => (Decider::NoFilter, None),
        Some(rules) => {
            let (by, verdict) = decide(&rules, arch, number, args);
            (by, Some(verdict))
        }
    };
    let call = Call { arch, number, args };
    let text = match (by, verdict) {
        (_, None) => format!("{call}: no filter, the profile is empty"),
        (Decider::Rule(rule), Some(verdict)) => format!("{call}: {verdict}, by /syscalls/{rule}"),
        (Decider::NewerThanProfile, Some(verdict)) => {
            format!("{call}: {verdict}, because the call is newer than all that the profile names")
        }
        (Decider::ForeignInterface, Some(verdict)) => {
            format!("{call}: {verdict}, because /architectures does not list {arch}")
        }
        (_, Some(verdict)) => format!("{call}: {verdict}, by /defaultAction, as no rule holds"),
    };
    Ok(Decision { by, verdict, text })
}

fn decide(rules: &Rules, arch: Arch, number: u32, args: &[u64]) -> (Decider, Verdict) {
    // -1 is how a tracer skips a call; it belongs to the machine's interface.
    let skipped = arch == Arch::X86_64 && number == u32::MAX && !rules.archs.contains(&Arch::X32);
    let arch = match arch {
        Arch::X86_64 | Arch::X32 if skipped || number & X32_BIT == 0 => Arch::X86_64,
        Arch::X86_64 => Arch::X32,
        arch => arch,
    };
    if !rules.archs.contains(&arch) {
        return (Decider::ForeignInterface, Verdict::FOREIGN);
    }
    if let Some(newest) = rules.newest(arch) {
        let unknown_to_kernel = matches!(arch, Arch::S390 | Arch::S390x) && number == 0;
        if number > newest && !skipped || unknown_to_kernel {
            return (Decider::NewerThanProfile, Verdict::NO_SUCH_CALL);
        }
    }
    let mut clauses = Clauses::default();
    rules.clauses(arch, &mut clauses);
    in_order(clauses.of_call(number), arch)
        .iter()
        .find(|(_, conditions)| {
            conditions.iter().all(|condition| {
                condition.holds(
                    args.get(usize::from(condition.index)).copied().unwrap_or(0),
                    arch,
                )
            })
        })
        .map_or((Decider::Default, rules.default), |(clause, _)| {
            (Decider::Rule(clause.rule()), clause.verdict())
        })
}

fn number(arch: Arch, call: &str) -> Option<u32> {
    match call.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => call.parse().ok().or_else(|| table::number(arch, call)),
    }
}

struct Call<'a> {
    arch: Arch,
    number: u32,
    args: &'a [u64],
}

impl fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match table::name(self.arch, self.number) {
            Some(name) => f.write_str(name)?,
            None => write!(f, "call {:#x}", self.number)?,
        }
        f.write_str("(")?;
        for (at, arg) in self.args.iter().enumerate() {
            write!(f, "{}{arg:#x}", if at == 0 { "" } else { ", " })?;
        }
        f.write_str(")")
    }
}
