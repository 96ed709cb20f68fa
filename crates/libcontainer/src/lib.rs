//! Makes and runs OCI containers: decides a plan from config.json, then carries it out.
//!
//! [`create::create`] is the place to start reading; [`plan::Plan`] is what it decides, [`child::run`] what the new process does.

#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests make files of their own")
)]

pub mod child;
pub mod console;
pub mod create;
mod delegate;
pub mod delete;
pub mod error;
pub mod exec;
pub mod foreground;
pub mod hooks;
mod idmap;
pub mod lifecycle;
mod listener;
mod making;
mod net_devices;
pub mod notify;
mod pidfile;
pub mod plan;
mod proc;
pub mod program;
mod report;
pub mod resctrl;
pub mod root;
pub mod run;
pub mod seal;
mod spawn;
pub mod spec;
pub mod state;
pub mod sync;
mod time;
mod tolerate;
mod trees;
mod walk;

pub use error::{Error, Kind, Result};
pub use time::now_rfc3339;
