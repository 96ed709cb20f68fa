//! A black-box conformance suite for OCI runtimes.
fn main() {}
