//! The one door to the kernel: typed wrappers of the system calls that std and nix lack, and the only unsafe code of the runtime.
//!
//! Functions take borrowed descriptors and `&CStr`, and return [`Result`] with an [`Errno`]. None takes a lock, and those that do not return owned
//! memory allocate nothing, so they can be called between clone and exec. Descriptors that a function makes are close-on-exec from birth.

#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests make files of their own")
)]

pub mod arena;
pub mod bpf;
mod c_library;
mod c_start;
pub mod cred;
pub mod entry;
mod errno;
pub mod event;
pub mod exec;
pub mod file;
pub mod in_place;
pub mod io;
pub mod keyring;
pub mod mount;
pub mod net;
pub mod netlink;
pub mod process;
pub mod sched;
pub mod seccomp;
pub mod socket;
mod start;
mod sys;
pub mod tty;
pub mod xattr;

pub use errno::{Errno, Result};
