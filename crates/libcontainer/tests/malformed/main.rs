//! Malformed variants of every field: each is refused while nothing has been done yet, by an error that names the field.
//!
//! Wrong types and missing fields are the decoder's, see the tests of `spec`. Here are values of the right type that cannot be: generated from the
//! list of all fields where a rule covers many of them, and one by one where only one field is like that.

#![allow(clippy::disallowed_methods, reason = "the test's own files")]

mod fields;

use libcontainer::hooks::Hooks;
use libcontainer::plan::{self, Host, Options};
use libcontainer::spec;
use serde_json::{Value, json};
use std::path::Path;

const EVERY_FIELD: &str = include_str!("../spec/data/every-field.json");
const FIELDS: &str = include_str!("../spec/data/fields.txt");

/// Fields whose text goes nowhere that a NUL byte could cut it: into the state, which is JSON; or it is compared with known names, and unknown ones
/// are passed over with a warning, as engines rely on; or it is for cgroup version 2 alone.
const ANY_TEXT: [&str; 8] = [
    "/annotations/*",
    "/process/capabilities/bounding/*",
    "/process/capabilities/effective/*",
    "/process/capabilities/inheritable/*",
    "/process/capabilities/permitted/*",
    "/process/capabilities/ambient/*",
    "/linux/seccomp/syscalls/*/names/*",
    "/linux/resources/unified/*",
];

/// The decision about a document, without doing anything.
fn decide(document: &Value) -> Result<(), String> {
    let spec = spec::decode(document.to_string().as_bytes()).map_err(|e| e.pointer)?;
    let mut host = Host::probe().expect("the host can be looked at");
    (host.euid, host.egid, host.privileged) = (0, 0, true);
    let options = Options {
        id: "malformed",
        ..Options::default()
    };
    let pointer = |e: libcontainer::Error| {
        e.pointer()
            .map_or_else(|| format!("no pointer: {e}"), str::to_owned)
    };
    let plan = plan::plan(&spec, Path::new("/bundle"), &options, &host).map_err(pointer)?;
    if let Some(hooks) = &spec.hooks {
        Hooks::new(hooks, "/bundle", &plan.annotations.hook_output).map_err(pointer)?;
    }
    Ok(())
}

/// A document with every field, which is accepted. Of `resources`, what this host has controllers for.
fn valid() -> Value {
    let mut document: Value = serde_json::from_str(EVERY_FIELD).expect("test data is JSON");
    let linux = &mut document["linux"];
    linux["namespaces"] = json!(
        ["pid", "network", "ipc", "uts", "mount", "user", "time"].map(|t| json!({"type": t}))
    );
    linux["personality"]["flags"] = json!([]);
    let resources = std::mem::replace(&mut linux["resources"], json!({}));
    for (name, part) in resources.as_object().expect("resources are an object") {
        document["linux"]["resources"][name] = part.clone();
        if let Err(pointer) = decide(&document) {
            eprintln!("skipped on this host: /linux/resources/{name} ({pointer})");
            document["linux"]["resources"]
                .as_object_mut()
                .expect("resources are an object")
                .remove(name);
        }
    }
    assert_eq!(decide(&document), Ok(()));
    document
}

/// Pointers to the values that match a pattern.
fn matching(document: &Value, pattern: &str) -> Vec<String> {
    let mut found = vec![(String::new(), document)];
    for token in pattern.split('/').skip(1) {
        found = found
            .into_iter()
            .flat_map(|(pointer, value)| below(&pointer, value, token))
            .collect();
    }
    found.into_iter().map(|(pointer, _)| pointer).collect()
}

fn below<'v>(pointer: &str, value: &'v Value, token: &str) -> Vec<(String, &'v Value)> {
    let at = |key: &str| format!("{pointer}/{}", plan::pointer(key));
    match (value, token) {
        (Value::Array(items), "*") => items
            .iter()
            .enumerate()
            .map(|(i, item)| (at(&i.to_string()), item))
            .collect(),
        (Value::Object(map), "*") => map.iter().map(|(key, item)| (at(key), item)).collect(),
        _ => value
            .get(token)
            .map(|item| (at(token), item))
            .into_iter()
            .collect(),
    }
}

fn fields() -> impl Iterator<Item = (&'static str, &'static str)> {
    FIELDS.lines().filter(|l| l.starts_with('/')).map(|l| {
        let mut words = l.split(' ');
        (words.next().expect("a path"), words.next().expect("a type"))
    })
}

fn with(document: &Value, pointer: &str, value: Value) -> Value {
    let mut changed = document.clone();
    *changed
        .pointer_mut(pointer)
        .unwrap_or_else(|| panic!("no {pointer}")) = value;
    changed
}

/// Whether an error at `found` tells of a change at `changed`: the place itself, a part of it, or the object that it belongs to.
fn tells(found: &str, changed: &str) -> bool {
    let (owner, _) = changed.rsplit_once('/').expect("a pointer has a slash");
    // Or its neighbour, where two must agree.
    let beside = found
        .rsplit_once('/')
        .is_some_and(|(other, _)| other == owner);
    found == changed
        || found.starts_with(&format!("{changed}/"))
        || !owner.is_empty() && (found == owner || beside)
}

#[test]
fn a_nul_byte_is_refused_in_every_text() {
    let document = valid();
    let mut wrong = Vec::new();
    let mut checked = 0;
    for (pattern, _) in
        fields().filter(|(pattern, kind)| *kind == "string" && !ANY_TEXT.contains(pattern))
    {
        for pointer in matching(&document, pattern) {
            let text = document
                .pointer(&pointer)
                .and_then(Value::as_str)
                .unwrap_or_default();
            checked += 1;
            match decide(&with(&document, &pointer, json!(format!("{text}\0")))) {
                Err(found) if tells(&found, &pointer) => {}
                other => wrong.push(format!("{pointer}: {other:?}")),
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(checked > 80, "only {checked} texts");
}

#[test]
fn a_number_at_its_end_is_accepted_or_refused_at_its_field() {
    let document = valid();
    let mut wrong = Vec::new();
    for (pattern, kind) in fields() {
        let ends: &[Value] = match kind {
            "uint16" => &[json!(0), json!(u16::MAX)],
            "uint32" => &[json!(0), json!(u32::MAX)],
            "uint64" => &[json!(0), json!(u64::MAX)],
            "int32" => &[json!(i32::MIN), json!(i32::MAX)],
            "int64" => &[json!(i64::MIN), json!(i64::MAX)],
            _ => continue,
        };
        for pointer in matching(&document, pattern) {
            for end in ends {
                match decide(&with(&document, &pointer, end.clone())) {
                    Ok(()) => {}
                    Err(found) if tells(&found, &pointer) => {}
                    Err(found) => wrong.push(format!("{pointer} = {end}: {found}")),
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn a_repeated_element_is_accepted_or_refused_at_its_list() {
    /// What must be there once: two of these contradict each other.
    const ONCE: [&str; 6] = [
        "/linux/namespaces",
        "/process/rlimits",
        "/linux/uidMappings",
        "/linux/gidMappings",
        "/mounts/*/uidMappings",
        "/mounts/*/gidMappings",
    ];
    let document = valid();
    let mut wrong = Vec::new();
    for (pattern, _) in fields().filter(|(_, kind)| *kind == "array") {
        for pointer in matching(&document, pattern) {
            let mut list = document
                .pointer(&pointer)
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default();
            let Some(first) = list.first().cloned() else {
                continue;
            };
            list.push(first);
            match decide(&with(&document, &pointer, json!(list))) {
                Ok(()) if !ONCE.contains(&pattern) => {}
                Err(found) if found.starts_with(&pointer) => {}
                other => wrong.push(format!("{pointer}: {other:?}")),
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Texts that are one of a few words, or have a form: a word that is none of them is refused.
const WORDS: [&str; 26] = [
    "/ociVersion",
    "/process/cwd",
    "/process/env/*",
    "/process/rlimits/*/type",
    "/process/scheduler/policy",
    "/process/scheduler/flags/*",
    "/process/ioPriority/class",
    "/process/execCPUAffinity/initial",
    "/process/execCPUAffinity/final",
    "/hooks/prestart/*/path",
    "/hooks/createRuntime/*/path",
    "/hooks/createContainer/*/path",
    "/hooks/startContainer/*/path",
    "/hooks/poststart/*/path",
    "/hooks/poststop/*/path",
    "/linux/namespaces/*/type",
    "/linux/devices/*/path",
    "/linux/devices/*/type",
    "/linux/rootfsPropagation",
    "/linux/intelRdt/schemata/*",
    "/linux/intelRdt/l3CacheSchema",
    "/linux/memoryPolicy/mode",
    "/linux/memoryPolicy/nodes",
    "/linux/personality/domain",
    "/linux/seccomp/defaultAction",
    "/linux/seccomp/syscalls/*/args/*/op",
];

#[test]
fn a_word_that_is_none_is_refused_at_its_field() {
    let document = valid();
    for pattern in WORDS {
        let pointers = matching(&document, pattern);
        assert!(!pointers.is_empty(), "the document has no {pattern}");
        for pointer in pointers {
            assert_eq!(
                decide(&with(&document, &pointer, json!("no-such-word"))),
                Err(pointer.clone()),
                "{pointer}"
            );
        }
    }
}
