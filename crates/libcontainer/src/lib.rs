//! Makes and runs OCI containers: decides a plan from config.json, then carries it out.

pub mod child;
pub mod error;
pub mod hooks;
pub mod plan;
pub mod root;
pub mod spec;
pub mod sync;

pub use error::{Error, Kind, Result};
