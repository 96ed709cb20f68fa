//! Makes and runs OCI containers: decides a plan from config.json, then carries it out.

pub mod spec;
