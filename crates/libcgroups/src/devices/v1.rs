//! A policy as lines for `devices.deny` and `devices.allow` (kernel, cgroup-v1/devices.rst).

use super::{Entry, Policy, access};
use crate::error::{Error, Result};

/// What to write, in this order: everything is denied or allowed first, the exceptions follow.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Writes {
    /// Whether the first line goes to `devices.allow` and the exceptions to `devices.deny`; otherwise the other way round.
    pub allow_first: bool,
    /// Lines for the other file.
    pub exceptions: Vec<String>,
}

/// The kernel's list is flat: exceptions to exceptions cannot be said. A list that only ever adds to, or only ever takes from, what wider
/// entries say can be written; any other is refused, because the nearest thing that can be written allows or denies too much.
pub(crate) fn writes(policy: &Policy) -> Result<Writes> {
    if let Some(permissions) = policy.as_given().filter(|_| !policy.allows_everything()) {
        return Ok(Writes {
            allow_first: false,
            exceptions: permissions.iter().map(Entry::to_string).collect(),
        });
    }
    for allow_first in [false, true] {
        if let Some(exceptions) = exceptions(policy, allow_first) {
            return Ok(Writes {
                allow_first,
                exceptions,
            });
        }
    }
    let message = "cgroup v1 can not express this device list: it denies devices inside a wider entry that allows them, and allows others inside one that denies";
    Err(Error::refuse("/linux/resources/devices", message))
}

/// With everything denied first, an exception must allow at least what each wider one allows: the kernel takes any exception that matches.
/// With everything allowed first, it must deny at least what each wider one denies.
fn exceptions(policy: &Policy, allow_first: bool) -> Option<Vec<String>> {
    let mask = |e: &Entry| {
        if allow_first {
            access::ALL & !e.access
        } else {
            e.access
        }
    };
    if allow_first {
        // What no entry covers is denied, so that both kinds need an entry for everything.
        let everything = |e: &&Entry| e.key.major.is_none() && e.key.minor.is_none();
        if policy.entries().iter().filter(everything).count() != 2 {
            return None;
        }
    }
    let mut lines = Vec::new();
    for (i, e) in policy.entries().iter().enumerate() {
        let wider = || {
            policy.entries()[i + 1..]
                .iter()
                .filter(|w| w.key.covers(e.key))
        };
        if wider().any(|w| mask(w) & !mask(e) != 0) {
            return None;
        }
        if mask(e) != 0 {
            lines.push(
                Entry {
                    access: mask(e),
                    ..*e
                }
                .to_string(),
            );
        }
    }
    Some(lines)
}

/// What a line of `devices.list` allows beyond `wanted`, as a line for `devices.deny`; none when it is all wanted.
pub(crate) fn surplus(line: &str, wanted: &[String]) -> Option<String> {
    let (key, letters) = line.rsplit_once(' ')?;
    let kept = wanted
        .iter()
        .filter_map(|w| w.rsplit_once(' '))
        .find(|(k, _)| *k == key)
        .map_or("", |(_, l)| l);
    let rest: String = letters.chars().filter(|l| !kept.contains(*l)).collect();
    (!rest.is_empty()).then(|| format!("{key} {rest}"))
}

#[cfg(test)]
mod tests {
    use super::super::policy::tests::{Dice, devices};
    use super::super::{Key, Kind, Rule};
    use super::*;

    /// The kernel's check (security/device_cgroup.c, as its documentation describes it) on what we would write.
    fn kernel_allows(w: &Writes, device: Key, wanted: u8) -> bool {
        let mut exceptions = w.exceptions.iter().map(|line| {
            let mut words = line.split([' ', ':']);
            let kind = if words.next() == Some("b") {
                Kind::Block
            } else {
                Kind::Char
            };
            let mut number = || words.next().unwrap().parse().ok();
            let key = Key {
                kind,
                major: number(),
                minor: number(),
            };
            let mask = words
                .next()
                .unwrap()
                .chars()
                .map(|c| [access::READ, access::WRITE, access::MKNOD]["rwm".find(c).unwrap()])
                .sum::<u8>();
            (key, mask)
        });
        if w.allow_first {
            !exceptions.any(|(key, mask)| key.covers(device) && mask & wanted != 0)
        } else {
            exceptions.any(|(key, mask)| key.covers(device) && wanted & !mask == 0)
        }
    }

    #[test]
    fn the_kernel_decides_as_the_policy_or_it_is_refused() {
        let mut dice = Dice(0x5eed_0002);
        let (mut written, mut refused) = (0, 0);
        for _ in 0..3_000 {
            let policy = Policy::new(&dice.rules());
            let Ok(w) = writes(&policy) else {
                refused += 1;
                continue;
            };
            written += 1;
            for device in devices() {
                for wanted in [
                    access::READ,
                    access::WRITE,
                    access::READ | access::WRITE,
                    access::MKNOD,
                ] {
                    assert_eq!(
                        kernel_allows(&w, device, wanted),
                        wanted & !policy.access(device) == 0,
                        "{device} {wanted} {policy:?} {w:?}"
                    );
                }
            }
        }
        assert!(
            written > 1_000 && refused > 100,
            "{written} written, {refused} refused: the dice are loaded"
        );
    }

    #[test]
    fn the_default_list_is_one_denial_and_its_entries() {
        let w = writes(&super::super::policy(&[]).unwrap()).unwrap();
        assert!(!w.allow_first);
        let mut lines = w.exceptions;
        lines.sort();
        let want = [
            "b *:* m",
            "c *:* m",
            "c 10:200 rwm",
            "c 136:* rwm",
            "c 1:3 rwm",
            "c 1:5 rwm",
            "c 1:7 rwm",
            "c 1:8 rwm",
            "c 1:9 rwm",
            "c 5:0 rwm",
            "c 5:2 rwm",
        ];
        assert_eq!(lines, want);
    }

    #[test]
    fn surplus_is_what_is_not_wanted() {
        let wanted = ["c 1:3 rw".to_owned(), "b *:* m".to_owned()];
        let table = [
            ("c 1:3 rwm", Some("c 1:3 m")),
            ("c 1:3 rw", None),
            ("c 1:5 r", Some("c 1:5 r")),
            ("b *:* m", None),
        ];
        for (line, want) in table {
            assert_eq!(surplus(line, &wanted).as_deref(), want);
        }
    }

    #[test]
    fn a_hole_in_a_wider_denial_is_refused() {
        let rule = |minor, allow| Rule {
            key: Key {
                kind: Kind::Char,
                major: Some(1),
                minor,
            },
            access: 7,
            allow,
        };
        let all = Rule {
            key: Key {
                kind: Kind::Char,
                major: None,
                minor: None,
            },
            access: 7,
            allow: true,
        };
        let e = writes(&Policy::new(&[all, rule(None, false), rule(Some(3), true)])).unwrap_err();
        assert_eq!(e.field(), Some("/linux/resources/devices"));
    }
}
