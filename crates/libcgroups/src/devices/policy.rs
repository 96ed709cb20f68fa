//! The normal form of a device list.

use super::{Rule, access, letters};
use std::collections::BTreeSet;
use std::fmt;

/// Block or character device. The numbers are `BPF_DEVCG_DEV_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Block = 1,
    Char = 2,
}

/// A set of devices: one, all minors of a major, all majors of a minor, or all of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub kind: Kind,
    /// `None` means every number.
    pub major: Option<u32>,
    /// `None` means every number.
    pub minor: Option<u32>,
}

impl Key {
    /// Whether every device of `other` is one of `self`.
    pub fn covers(self, other: Key) -> bool {
        let part = |mine: Option<u32>, other: Option<u32>| mine.is_none() || mine == other;
        self.kind == other.kind && part(self.major, other.major) && part(self.minor, other.minor)
    }

    /// How many numbers are fixed: an order from the most to the least specific puts every key before those that cover it.
    fn precision(self) -> u8 {
        u8::from(self.major.is_some()) * 2 + u8::from(self.minor.is_some())
    }
}

impl fmt::Display for Key {
    /// As v1 files write it: `c 1:*`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.kind == Kind::Block { "b " } else { "c " })?;
        for (number, separator) in [(self.major, ":"), (self.minor, "")] {
            match number {
                Some(n) => write!(f, "{n}{separator}")?,
                None => write!(f, "*{separator}")?,
            }
        }
        Ok(())
    }
}

/// What may be done with the devices of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub key: Key,
    pub access: u8,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, letters(self.access))
    }
}

/// A device list in which the first entry that covers a device says all that may be done with it. What no entry covers is denied.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Policy {
    /// Block before character devices, the specific before the general.
    entries: Vec<Entry>,
    /// The same as it was given, where that is nothing but permissions, one by one.
    as_given: Option<Vec<Entry>>,
}

impl Policy {
    /// The policy of a list in which the last matching rule decides each letter, starting from nothing allowed.
    pub fn new(rules: &[Rule]) -> Policy {
        let mut keys: BTreeSet<Key> = rules.iter().map(|r| r.key).collect();
        // Where "every minor of major 5" meets "minor 3 of every major" a third key speaks for the device that is in both.
        let crossings: Vec<Key> = keys
            .iter()
            .filter(|k| k.major.is_some() && k.minor.is_none())
            .flat_map(|m| {
                let minors = keys
                    .iter()
                    .filter(|k| k.kind == m.kind && k.major.is_none() && k.minor.is_some());
                minors.map(|n| Key {
                    minor: n.minor,
                    ..*m
                })
            })
            .collect();
        keys.extend(crossings);

        let mut entries: Vec<Entry> = keys
            .into_iter()
            .map(|key| Entry {
                key,
                access: decide(rules, key),
            })
            .collect();
        entries.sort_by_key(|e| (e.key.kind, std::cmp::Reverse(e.key.precision()), e.key));
        // An entry that says what the next one to cover it says anyway is left out; from the back, so that "next" is settled already. A
        // crossing stays: for cgroup v1, which has no order, both entries that cross there would speak for it.
        let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
        for e in entries.into_iter().rev() {
            let mut wider = kept.iter().rev().filter(|k| k.key.covers(e.key));
            let otherwise = wider.next().map_or(0, |k| k.access);
            let crossing =
                wider.next().is_some_and(|k| k.key.minor.is_some()) && e.key.precision() == 3;
            if otherwise != e.access || crossing {
                kept.push(e);
            }
        }
        kept.reverse();
        Policy {
            as_given: as_given(rules, &kept),
            entries: kept,
        }
    }

    /// The permissions in the order in which they were listed, with the letters that were listed: how people, and tools that read
    /// `devices.list` back, expect them. None for a list in which order decides.
    pub fn as_given(&self) -> Option<&[Entry]> {
        self.as_given.as_deref()
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What may be done with the devices of `key`, when no smaller key is of interest.
    #[cfg(test)]
    pub fn access(&self, key: Key) -> u8 {
        self.entries
            .iter()
            .find(|e| e.key.covers(key))
            .map_or(0, |e| e.access)
    }

    /// Whether everything is allowed, so that no control is needed at all.
    pub fn allows_everything(&self) -> bool {
        let full = |kind| Entry {
            key: Key {
                kind,
                major: None,
                minor: None,
            },
            access: access::ALL,
        };
        self.entries == [full(Kind::Block), full(Kind::Char)]
    }
}

/// The permissions after the last denial, if nothing before it is left of, and none of them needs another one to open a device: the kernel asks for
/// reading and writing in one question, which one permission must answer. Only `m` is always asked for alone.
fn as_given(rules: &[Rule], entries: &[Entry]) -> Option<Vec<Entry>> {
    let start = rules.iter().rposition(|r| !r.allow).map_or(0, |i| i + 1);
    let (before, permissions) = rules.split_at(start);
    let nothing_left = rules.iter().all(|r| decide(before, r.key) == 0);
    let in_one = |e: &Entry| {
        let asked = e.access & !access::MKNOD;
        let answers = |r: &Rule| r.key.covers(e.key) && asked & !r.access == 0;
        asked == 0 || permissions.iter().any(answers)
    };
    (nothing_left && entries.iter().all(in_one)).then(|| {
        let entry = |r: &Rule| Entry {
            key: r.key,
            access: r.access,
        };
        permissions.iter().map(entry).collect()
    })
}

/// Letter by letter, what the last rule that covers `key` says.
fn decide(rules: &[Rule], key: Key) -> u8 {
    let (mut open, mut allowed) = (access::ALL, 0);
    for rule in rules.iter().rev().filter(|r| r.key.covers(key)) {
        if rule.allow {
            allowed |= open & rule.access;
        }
        open &= !rule.access;
        if open == 0 {
            break;
        }
    }
    allowed
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A small, seeded source of numbers (xorshift64), so that a failure can be repeated.
    pub struct Dice(pub u64);

    impl Dice {
        pub fn below(&mut self, n: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % n
        }

        pub fn rule(&mut self) -> Rule {
            let kind = if self.below(2) == 0 {
                Kind::Block
            } else {
                Kind::Char
            };
            let major = Some(self.below(4) as u32).filter(|n| *n < 3);
            let minor = Some(self.below(4) as u32).filter(|n| *n < 3);
            Rule {
                key: Key { kind, major, minor },
                access: 1 + self.below(7) as u8,
                allow: self.below(2) == 0,
            }
        }

        pub fn rules(&mut self) -> Vec<Rule> {
            (0..self.below(9)).map(|_| self.rule()).collect()
        }
    }

    /// Every device that the random rules can tell apart, and one more of each.
    pub fn devices() -> impl Iterator<Item = Key> {
        [Kind::Block, Kind::Char].into_iter().flat_map(|kind| {
            (0..4).flat_map(move |major| {
                (0..4).map(move |minor| Key {
                    kind,
                    major: Some(major),
                    minor: Some(minor),
                })
            })
        })
    }

    /// The specification's sentence, taken word for word: the last rule that matches decides.
    pub fn direct(rules: &[Rule], device: Key, letter: u8) -> bool {
        rules
            .iter()
            .rev()
            .find(|r| r.key.covers(device) && r.access & letter != 0)
            .is_some_and(|r| r.allow)
    }

    #[test]
    fn says_what_the_last_matching_rule_says() {
        let mut dice = Dice(0x5eed_0001);
        for _ in 0..3_000 {
            let rules = dice.rules();
            let policy = Policy::new(&rules);
            for device in devices() {
                for letter in [access::READ, access::WRITE, access::MKNOD] {
                    assert_eq!(
                        policy.access(device) & letter != 0,
                        direct(&rules, device, letter),
                        "{device} {letter} {rules:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn is_short() {
        let all = |kind, allow| Rule {
            key: Key {
                kind,
                major: None,
                minor: None,
            },
            access: access::ALL,
            allow,
        };
        assert_eq!(Policy::new(&[all(Kind::Char, false)]).entries(), []);
        let rules = [
            all(Kind::Block, true),
            all(Kind::Char, true),
            Rule {
                key: Key {
                    kind: Kind::Char,
                    major: Some(1),
                    minor: Some(3),
                },
                access: 7,
                allow: true,
            },
        ];
        assert!(Policy::new(&rules).allows_everything());
    }
}
