//! `process.capabilities`: names to masks.

use crate::spec::Capabilities;
use std::fmt;
use std::str::FromStr;

/// The five sets: bit n is capability n (capabilities(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Masks {
    /// What can ever be gained.
    pub bounding: u64,
    /// What permission checks use.
    pub effective: u64,
    /// What may be made effective.
    pub permitted: u64,
    /// What execve keeps together with the file's.
    pub inheritable: u64,
    /// What execve keeps for an ordinary program.
    pub ambient: u64,
}

impl fmt::Display for Masks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Masks {
            bounding,
            effective,
            permitted,
            inheritable,
            ambient,
        } = self;
        write!(
            f,
            "bounding {bounding:#x}, effective {effective:#x}, permitted {permitted:#x}, inheritable {inheritable:#x}, ambient {ambient:#x}"
        )
    }
}

/// The bit of a capability name, with or without `CAP_`, in any case.
pub fn bit(name: &str) -> Option<u64> {
    let upper = name.to_ascii_uppercase();
    let full = if upper.starts_with("CAP_") {
        upper
    } else {
        format!("CAP_{upper}")
    };
    caps::Capability::from_str(&full).ok().map(|c| c.bitmask())
}

/// Turns the five lists into masks. Names that this build does not know are left out, each with a warning, as are ambient
/// capabilities that the kernel would refuse.
pub fn masks(lists: &Capabilities, warnings: &mut Vec<String>) -> Masks {
    let mut mask = |set: &str, list: &[String]| {
        list.iter().fold(0, |mask, name| match bit(name) {
            Some(bit) => mask | bit,
            None => {
                warnings.push(format!(
                    "unknown capability \"{name}\" in /process/capabilities/{set}, ignoring"
                ));
                mask
            }
        })
    };
    let mut masks = Masks {
        bounding: mask("bounding", &lists.bounding),
        effective: mask("effective", &lists.effective),
        permitted: mask("permitted", &lists.permitted),
        inheritable: mask("inheritable", &lists.inheritable),
        ambient: mask("ambient", &lists.ambient),
    };
    let possible = masks.permitted & masks.inheritable;
    for name in names(masks.ambient & !possible) {
        warnings.push(format!("can't raise ambient capability {name}: it must be permitted and inheritable too, ignoring"));
    }
    masks.ambient &= possible;
    masks
}

/// A set with something that the kernel refuses beside the others, and why (capset(2)): its name in the configuration and the sentence.
pub fn contradiction(masks: &Masks) -> Option<(&'static str, String)> {
    let pairs = [
        ("effective", masks.effective & !masks.permitted, "permitted"),
        (
            "inheritable",
            masks.inheritable & !masks.bounding,
            "in the bounding set",
        ),
    ];
    pairs.into_iter().find_map(|(set, excess, lacks)| {
        let name = names(excess).into_iter().next()?;
        Some((set, format!("{name} cannot be {set}: it is not {lacks}")))
    })
}

/// Takes away what this process does not have to give. Without a user namespace of its own the container cannot have more than its runtime.
pub fn clip(masks: &mut Masks, available: u64, warnings: &mut Vec<String>) {
    let sets = [
        &mut masks.effective,
        &mut masks.permitted,
        &mut masks.inheritable,
        &mut masks.ambient,
    ];
    let lacking = sets.iter().fold(0, |all, set| all | **set) & !available;
    for name in names(lacking) {
        warnings.push(format!(
            "the runtime does not have {name} itself and cannot give it to the container, ignoring"
        ));
    }
    for set in sets {
        *set &= available;
    }
}

/// The names in a mask.
pub fn names(mask: u64) -> Vec<String> {
    // Most often there is nothing to name, and the crate's set of all is made anew each time.
    if mask == 0 {
        return Vec::new();
    }
    caps::all()
        .into_iter()
        .filter(|c| mask & c.bitmask() != 0)
        .map(|c| c.to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_bits_and_unknown_ones_warnings() {
        let list = |names: &[&str]| names.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let lists = Capabilities {
            bounding: list(&["CAP_CHOWN", "cap_kill", "NET_ADMIN", "CAP_TIME_TRAVEL"]),
            permitted: list(&["CAP_CHOWN", "CAP_KILL"]),
            inheritable: list(&["CAP_CHOWN"]),
            ambient: list(&["CAP_CHOWN", "CAP_KILL"]),
            ..Capabilities::default()
        };
        let mut warnings = Vec::new();
        let masks = masks(&lists, &mut warnings);
        assert_eq!(masks.bounding, 1 | 1 << 5 | 1 << 12);
        assert_eq!(
            (masks.permitted, masks.ambient, masks.effective),
            (1 | 1 << 5, 1, 0)
        );
        assert_eq!(warnings.len(), 2);
        assert!(warnings[0].contains("CAP_TIME_TRAVEL") && warnings[1].contains("CAP_KILL"));
        assert_eq!(names(1 << 5), ["CAP_KILL"]);
        let mut clipped = masks;
        clip(&mut clipped, 1, &mut warnings);
        assert_eq!((clipped.permitted, clipped.bounding), (1, masks.bounding));
        assert!(warnings[2].contains("CAP_KILL"));
    }
}
