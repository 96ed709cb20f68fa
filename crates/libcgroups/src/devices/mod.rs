//! Which devices a workload may open and make.
//!
//! The specification gives a list of rules of which the last that matches decides, letter by letter. [`Policy`] is the same list in a normal
//! form in which at most one entry decides; cgroup v1 files ([`v1`]) and eBPF programs ([`bpf`]) are written from it.

pub(crate) mod bpf;
mod policy;
pub(crate) mod v1;

pub(crate) use policy::{Entry, Key, Kind, Policy};

use crate::error::{Error, Result};
use crate::resources::DeviceRule;

/// Read, write and mknod as the kernel numbers them (`BPF_DEVCG_ACC_*`).
pub(crate) mod access {
    pub const MKNOD: u8 = 1;
    pub const READ: u8 = 2;
    pub const WRITE: u8 = 4;
    pub const ALL: u8 = 7;
}

/// One rule: what it matches, which letters it speaks of, and whether it allows them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rule {
    pub key: Key,
    pub access: u8,
    pub allow: bool,
}

const fn allow(kind: Kind, major: Option<u32>, minor: Option<u32>, access: u8) -> Rule {
    Rule {
        key: Key { kind, major, minor },
        access,
        allow: true,
    }
}

/// What every workload may have, whatever its configuration says: making nodes of any device (opening them is another matter), the six
/// devices that the specification puts into every container, terminals, and tun.
const ALWAYS: [Rule; 11] = [
    allow(Kind::Char, None, None, access::MKNOD),
    allow(Kind::Block, None, None, access::MKNOD),
    allow(Kind::Char, Some(1), Some(3), access::ALL),
    allow(Kind::Char, Some(1), Some(8), access::ALL),
    allow(Kind::Char, Some(1), Some(7), access::ALL),
    allow(Kind::Char, Some(5), Some(0), access::ALL),
    allow(Kind::Char, Some(1), Some(5), access::ALL),
    allow(Kind::Char, Some(1), Some(9), access::ALL),
    allow(Kind::Char, Some(136), None, access::ALL),
    allow(Kind::Char, Some(5), Some(2), access::ALL),
    allow(Kind::Char, Some(10), Some(200), access::ALL),
];

/// More rules than anybody has devices. Bringing a list into its normal form takes time with the square of its length.
const MOST_RULES: usize = 10_000;

/// The policy that `rules` (the list at `/linux/resources/devices`) and the devices that are always allowed make together.
pub(crate) fn policy(rules: &[DeviceRule]) -> Result<Policy> {
    if rules.len() > MOST_RULES {
        let message = format!("{} device rules are more than {MOST_RULES}", rules.len());
        return Err(Error::refuse("/linux/resources/devices", message));
    }
    let mut all = Vec::with_capacity(rules.len() * 2 + ALWAYS.len());
    for (i, rule) in rules.iter().enumerate() {
        decode(rule, &format!("/linux/resources/devices/{i}"), &mut all)?;
    }
    all.extend(ALWAYS);
    Ok(Policy::new(&all))
}

/// Appends what `rule` means; type `a` becomes one rule of each kind.
fn decode(rule: &DeviceRule, pointer: &str, into: &mut Vec<Rule>) -> Result<()> {
    let number = |name: &str, value: Option<i64>| match value {
        None => Ok(None),
        Some(n) if n < 0 => Ok(None),
        Some(n) => u32::try_from(n).map(Some).map_err(|_| {
            Error::refuse(
                format!("{pointer}/{name}"),
                format!("device {name} number {n} does not fit into 32 bits"),
            )
        }),
    };
    let major = number("major", rule.major)?;
    let minor = number("minor", rule.minor)?;
    let mut mask = 0;
    for letter in rule.access.as_deref().unwrap_or("rwm").chars() {
        mask |= match letter {
            'r' => access::READ,
            'w' => access::WRITE,
            'm' => access::MKNOD,
            _ => {
                let message = format!(
                    "device access {:?} has letters other than r, w and m",
                    rule.access.as_deref().unwrap_or("")
                );
                return Err(Error::refuse(format!("{pointer}/access"), message));
            }
        };
    }
    // Engines write "access": "" for everything.
    let access = if mask == 0 { access::ALL } else { mask };
    let kinds: &[Kind] = match rule.kind.as_deref() {
        None | Some("" | "a") => &[Kind::Block, Kind::Char],
        Some("b") => &[Kind::Block],
        Some("c" | "u") => &[Kind::Char],
        Some(other) => {
            return Err(Error::refuse(
                format!("{pointer}/type"),
                format!("device type {other:?} is not a, c or b"),
            ));
        }
    };
    into.extend(kinds.iter().map(|&kind| Rule {
        key: Key { kind, major, minor },
        access,
        allow: rule.allow,
    }));
    Ok(())
}

/// Letters of a mask, in the order the kernel prints them.
pub(crate) fn letters(mask: u8) -> String {
    [
        (access::READ, 'r'),
        (access::WRITE, 'w'),
        (access::MKNOD, 'm'),
    ]
    .iter()
    .filter(|(bit, _)| mask & bit != 0)
    .map(|(_, l)| *l)
    .collect()
}
