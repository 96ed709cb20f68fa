//! What becomes of configuration files: the fields that are known, the errors of bad ones, and
//! agreement with other tools.

#![allow(clippy::disallowed_methods, reason = "the test's own files")]

mod differential;
mod errors;
mod example;
mod fields;

use libcontainer::spec;
use serde_json::Value;

/// Every field of the specification that concerns Linux, each with a value that is not its default.
const EVERY_FIELD: &str = include_str!("data/every-field.json");
/// What runc 1.1.5 writes for `runc spec`.
const RUNC: &str = include_str!("data/runc-1.1.5.json");
/// What runc 1.1.5 writes for `runc spec --rootless`, run as root.
const RUNC_ROOTLESS: &str = include_str!("data/runc-1.1.5-rootless.json");
/// A configuration in the manner of Docker, with its filter for system calls and many variables and
/// volumes.
const DOCKER_LIKE: &str = include_str!("data/docker-like.json");

/// JSON without regard to the order of fields.
fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("test data is JSON")
}

/// What a document says after it was decoded and written again.
fn decoded_and_written(document: &Value) -> Value {
    let spec = spec::decode(document.to_string().as_bytes()).expect("the document decodes");
    serde_json::to_value(spec).expect("types are written as JSON")
}
