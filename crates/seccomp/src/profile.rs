//! The profile as a `config.json` writes it: the object `linux.seccomp`.

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Action, Arch, Error, Flag, Operator};

/// The object `linux.seccomp` (runtime-spec, config-linux.md, "Seccomp").
///
/// Unknown fields are ignored; `null` and, for `defaultAction`, the empty
/// string stand for an absent field, because Go writes them so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Profile {
    /// What becomes of a call that no rule matches.
    #[serde(deserialize_with = "action_or_empty")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_action: Option<Action>,
    /// The errno of a default ERRNO or the message of a default TRACE; EPERM if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_errno_ret: Option<u32>,
    /// The interfaces to filter, besides the machine's own.
    #[serde(deserialize_with = "null_as_default")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub architectures: Vec<Arch>,
    /// Absent means SPEC_ALLOW; an empty list means no flag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flags: Option<Vec<Flag>>,
    /// The socket that the listener of NOTIFY is sent to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener_path: Option<String>,
    /// Opaque text that goes with the listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener_metadata: Option<String>,
    /// The rules.
    #[serde(deserialize_with = "null_as_default")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub syscalls: Vec<Syscall>,
}

/// One entry of `syscalls`: an action for calls of some names and arguments.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Syscall {
    /// Names of system calls; those that an architecture lacks are skipped there.
    #[serde(default, deserialize_with = "null_as_default")]
    pub names: Vec<String>,
    /// What becomes of a call that matches.
    pub action: Action,
    /// The errno of ERRNO or the message of TRACE; EPERM if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno_ret: Option<u32>,
    /// Conditions that must all hold; but if any two name the same argument,
    /// one that holds is enough.
    #[serde(default, deserialize_with = "null_as_default")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Arg>,
}

/// A condition on one argument of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Arg {
    /// Which argument: 0 to 5.
    pub index: u32,
    /// What it is compared with; the mask if `op` is MASKED_EQ.
    #[serde(default)]
    pub value: u64,
    /// What the masked argument is compared with if `op` is MASKED_EQ; else unused.
    #[serde(default)]
    pub value_two: u64,
    /// How it is compared.
    pub op: Operator,
}

impl Profile {
    /// Reads a profile from the text of its JSON object.
    ///
    /// # Errors
    /// Text that is not JSON, a field of the wrong type, or a name that the
    /// specification does not have; the error names the field.
    pub fn from_json(text: &[u8]) -> Result<Self, Error> {
        let mut json = serde_json::Deserializer::from_slice(text);
        let profile: Self = serde_path_to_error::deserialize(&mut json)
            .map_err(|error| Error::new(pointer(error.path()), error.inner().to_string()))?;
        json.end()
            .map_err(|error| Error::new("", error.to_string()))?;
        Ok(profile)
    }
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter().fold(String::new(), |pointer, segment| {
        let step = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            Segment::Enum { .. } | Segment::Unknown => return pointer,
        };
        pointer + "/" + &step
    })
}

fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

fn action_or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Action>, D::Error> {
    use serde::de::{Error, Unexpected};
    match Option::<String>::deserialize(deserializer)?.as_deref() {
        None | Some("") => Ok(None),
        Some(name) => Action::from_name(name).map(Some).ok_or_else(|| {
            D::Error::invalid_value(
                Unexpected::Str(name),
                &"a seccomp action such as SCMP_ACT_KILL",
            )
        }),
    }
}
