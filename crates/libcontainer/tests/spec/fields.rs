//! Every field that the specification lists is known to the decoder: a wrong type in its place is
//! noticed there.

use std::collections::BTreeSet;

use libcontainer::spec;
use serde_json::{Value, json};

use super::EVERY_FIELD;

/// One line of `data/fields.txt`.
pub(crate) struct Field {
    /// JSON pointer, with `*` for any index or key.
    pub(crate) pattern: &'static str,
    kind: &'static str,
    absence: Absence,
}

impl Field {
    /// Whether this is a field, not an element, and a document without it decodes.
    pub(crate) fn may_be_absent(&self) -> bool {
        !self.pattern.ends_with('*') && self.absence != Absence::Refused
    }
}

/// What it means that a field is not there.
#[derive(Debug, PartialEq)]
enum Absence {
    /// The document is refused.
    Refused,
    /// As the specification says; `null` means the same.
    Allowed,
    /// As the specification says; but `null` is refused.
    NotNull,
}

pub(crate) fn fields() -> Vec<Field> {
    let lines = include_str!("data/fields.txt").lines();
    let fields = lines.filter(|line| line.starts_with('/')).map(|line| {
        let mut words = line.split(' ');
        let (pattern, kind) = (
            words.next().unwrap(),
            words.next().expect("a field has a type"),
        );
        let absence = match words.next() {
            None => Absence::Allowed,
            Some("required") => Absence::Refused,
            Some("not-null") => Absence::NotNull,
            Some(other) => panic!("unknown word {other}"),
        };
        Field {
            pattern,
            kind,
            absence,
        }
    });
    fields.collect()
}

/// Pointers to the values of `document` that match a pattern.
pub(crate) fn matching(document: &Value, pattern: &str) -> Vec<String> {
    let mut found = vec![(String::new(), document)];
    for token in pattern.split('/').skip(1) {
        found = found
            .into_iter()
            .flat_map(|(pointer, value)| {
                let children: Vec<(String, &Value)> = match (value, token) {
                    (Value::Array(items), "*") => items
                        .iter()
                        .enumerate()
                        .map(|(index, item)| (index.to_string(), item))
                        .collect(),
                    (Value::Object(map), "*") => {
                        map.iter().map(|(key, item)| (key.clone(), item)).collect()
                    }
                    (value, token) => value
                        .get(token)
                        .map(|item| (token.to_owned(), item))
                        .into_iter()
                        .collect(),
                };
                children
                    .into_iter()
                    .map(move |(key, item)| (format!("{pointer}/{key}"), item))
            })
            .collect();
    }
    found.into_iter().map(|(pointer, _)| pointer).collect()
}

/// Values that a field of this type must not take.
fn wrong_values(kind: &str) -> Vec<Value> {
    let (text, number, yes, array, object) =
        (json!("text"), json!(7), json!(true), json!([]), json!({}));
    let beyond = |limit: u64| json!(limit + 1);
    match kind {
        "string" => vec![number, yes, array, object],
        "boolean" => vec![text, number, array, object],
        "array" => vec![text, number, yes, object],
        "object" | "map" => vec![text, number, yes, array],
        "uint16" => vec![
            text,
            yes,
            array,
            object,
            json!(-1),
            json!(1.0),
            beyond(u16::MAX.into()),
        ],
        "uint32" => vec![
            text,
            yes,
            array,
            object,
            json!(-1),
            json!(1.0),
            beyond(u32::MAX.into()),
        ],
        "uint64" => vec![
            text,
            yes,
            array,
            object,
            json!(-1),
            json!(1.0),
            json!(18446744073709551616.0),
        ],
        "int32" => vec![
            text,
            yes,
            array,
            object,
            json!(1.0),
            beyond(i32::MAX as u64),
        ],
        "int64" => vec![
            text,
            yes,
            array,
            object,
            json!(1.0),
            beyond(i64::MAX as u64),
        ],
        other => panic!("unknown type {other}"),
    }
}

fn decode(document: &Value) -> Result<spec::Spec, spec::DecodeError> {
    spec::decode(document.to_string().as_bytes())
}

/// The document without one of its fields.
pub(crate) fn without(document: &Value, pointer: &str) -> Value {
    let mut document = document.clone();
    let (parent, key) = pointer
        .rsplit_once('/')
        .expect("the pointer of a field has a slash");
    document
        .pointer_mut(parent)
        .unwrap()
        .as_object_mut()
        .unwrap()
        .remove(key);
    document
}

#[test]
fn nothing_is_lost_between_decoding_and_writing() {
    let document = super::json(EVERY_FIELD);
    assert_eq!(super::decoded_and_written(&document), document);
}

#[test]
fn a_zero_that_is_given_is_not_absence() {
    let document = json!({
        "ociVersion": "1.3.0",
        "process": {
            "user": { "uid": 0, "gid": 0, "umask": 0 }, "cwd": "", "oomScoreAdj": 0, "capabilities": {},
            "ioPriority": { "class": "", "priority": 0 }, "rlimits": [{ "type": "", "hard": 0, "soft": 0 }],
        },
        "hooks": { "poststop": [{ "path": "", "timeout": 0 }] },
        "linux": {
            "devices": [{ "path": "", "type": "", "major": 0, "minor": 0, "fileMode": 0, "uid": 0, "gid": 0 }],
            "netDevices": { "eth0": {} },
            "timeOffsets": { "boottime": {} },
            "resources": {
                "pids": { "limit": 0 }, "memory": { "limit": 0, "disableOOMKiller": false }, "cpu": { "quota": 0, "idle": 0 },
                "network": { "classID": 0 }, "blockIO": { "weight": 0 },
            },
        },
    });
    assert_eq!(super::decoded_and_written(&document), document);
}

#[test]
fn every_field_has_its_type() {
    let document = super::json(EVERY_FIELD);
    let mut checked = 0;
    for field in fields() {
        let pointers = matching(&document, field.pattern);
        assert!(
            !pointers.is_empty(),
            "every-field.json has no {}",
            field.pattern
        );
        for pointer in pointers {
            for wrong in wrong_values(field.kind) {
                let mut bad = document.clone();
                *bad.pointer_mut(&pointer).unwrap() = wrong.clone();
                let error = decode(&bad).expect_err(&format!("{pointer} = {wrong} decoded"));
                assert_eq!(error.pointer, pointer, "{wrong}: {error}");
                checked += 1;
            }
        }
    }
    assert!(checked > 1000, "only {checked} cases");
}

#[test]
fn null_is_absence_and_absence_is_refused_only_where_required() {
    let document = super::json(EVERY_FIELD);
    for field in fields()
        .iter()
        .filter(|field| !field.pattern.ends_with('*'))
    {
        for pointer in matching(&document, field.pattern) {
            let mut null = document.clone();
            *null.pointer_mut(&pointer).unwrap() = Value::Null;
            match (
                decode(&null),
                decode(&without(&document, &pointer)),
                &field.absence,
            ) {
                (Ok(null), Ok(absent), Absence::Allowed) => assert_eq!(null, absent, "{pointer}"),
                (Err(null), Ok(_), Absence::NotNull) => assert_eq!(null.pointer, pointer, "{null}"),
                (Err(null), Err(absent), Absence::Refused) => {
                    assert_eq!(null.pointer, pointer, "{null}");
                    assert_eq!(absent.pointer, pointer, "{absent}");
                    assert_eq!(absent.message, "required, but missing");
                }
                (null, absent, expected) => {
                    panic!(
                        "{pointer}: {expected:?}, but null gives {:?}, absence {:?}",
                        null.err(),
                        absent.err()
                    )
                }
            }
        }
    }
}

#[test]
fn no_field_is_missing_from_the_list() {
    let known: BTreeSet<String> = fields()
        .iter()
        .map(|field| field.pattern.to_owned())
        .collect();
    let mut unlisted = patterns(&super::json(EVERY_FIELD), "", &known);
    unlisted.retain(|pattern| !known.contains(pattern));
    assert_eq!(unlisted, Vec::<String>::new());
}

/// The patterns of all values below `value`: indices of arrays and keys of the maps that are known
/// as such become `*`.
fn patterns(value: &Value, pattern: &str, known: &BTreeSet<String>) -> Vec<String> {
    let children: Vec<(&str, &Value)> = match value {
        Value::Array(items) => items.iter().map(|item| ("*", item)).collect(),
        Value::Object(map) if known.contains(&format!("{pattern}/*")) => {
            map.values().map(|item| ("*", item)).collect()
        }
        Value::Object(map) => map.iter().map(|(key, item)| (key.as_str(), item)).collect(),
        _ => Vec::new(),
    };
    let mut found = Vec::new();
    for (key, child) in children {
        let pattern = format!("{pattern}/{key}");
        found.extend(patterns(child, &pattern, known));
        found.push(pattern);
    }
    found
}
