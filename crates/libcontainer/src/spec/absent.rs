//! Absence, as Go's encoder writes it.
//!
//! A nil slice, map or pointer is written as `null`, an unset string as `""`, unless its field is
//! marked `omitempty`.

use serde::{Deserialize, Deserializer};

/// `null` stands for the type's empty value.
pub(super) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// `null` and `""` stand for no string.
pub(super) fn non_empty<'de, D>(deserializer: D) -> Result<Option<String>, D::Error>
where
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.filter(|text: &String| !text.is_empty()))
}

/// Whether a value is the one that stands for absence, and so is not written.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
