//! The oci-spec crate, an independent decoder of the same format, reads the same values.

use serde_json::Value;

use super::fields::{fields, matching, without};
use super::{DOCKER_LIKE, EVERY_FIELD, RUNC, RUNC_ROOTLESS, json};

/// The document without the fields that say what their absence says: null, the empty string or
/// list, false, zero. Entries of lists and maps stay, and so do objects, of which an empty one may
/// say something.
fn normalised(value: &Value) -> Value {
    const MAPS: [&str; 3] = ["annotations", "sysctl", "unified"];
    const SETS: [&str; 5] = [
        "bounding",
        "effective",
        "inheritable",
        "permitted",
        "ambient",
    ];
    match value {
        Value::Array(items) => items.iter().map(normalised).collect(),
        Value::Object(fields) => {
            let kept = fields.iter().map(|(key, value)| {
                let value = match value {
                    Value::Object(_) if MAPS.contains(&key.as_str()) => value.clone(),
                    Value::Array(names) if SETS.contains(&key.as_str()) => sorted(names),
                    other => normalised(other),
                };
                (key.clone(), value)
            });
            kept.filter(|(_, value)| !is_absence(value)).collect()
        }
        other => other.clone(),
    }
}

/// oci-spec keeps capabilities as a set and writes them in any order.
fn sorted(names: &[Value]) -> Value {
    let mut names = names.to_vec();
    names.sort_by_key(|name| name.to_string());
    Value::Array(names)
}

fn is_absence(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(yes) => !yes,
        Value::Number(number) => number.as_u64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(_) => false,
    }
}

/// Whether oci-spec takes the document; if it does, the values are the same.
fn agrees(document: &Value) -> bool {
    let Ok(theirs) = serde_json::from_str::<oci_spec::runtime::Spec>(&document.to_string()) else {
        return false;
    };
    let theirs = serde_json::to_value(theirs).unwrap();
    assert_eq!(
        normalised(&theirs),
        normalised(&super::decoded_and_written(document)),
        "{document}"
    );
    true
}

#[test]
fn oci_spec_reads_the_same_values() {
    for (name, text) in [
        ("runc", RUNC),
        ("rootless", RUNC_ROOTLESS),
        ("docker", DOCKER_LIKE),
        ("every", EVERY_FIELD),
    ] {
        assert!(agrees(&json(text)), "oci-spec refuses {name}");
    }
}

#[test]
fn oci_spec_reads_the_same_values_when_one_field_is_missing() {
    let document = json(EVERY_FIELD);
    let mut compared = 0;
    for field in fields().iter().filter(|field| field.may_be_absent()) {
        for pointer in matching(&document, field.pattern) {
            compared += usize::from(agrees(&without(&document, &pointer)));
        }
    }
    assert!(compared > 150, "oci-spec takes only {compared}");
}
