//! `main` as the C library calls it, without the preparations of Rust's own: a handler that says when the stack overflows, which takes
//! eleven system calls and three pages of each command.

use std::ffi::{CStr, OsStr, OsString, c_char, c_int};
use std::os::unix::ffi::OsStrExt;

/// Makes a function `fn(Vec<OsString>) -> i32` the program's `main`: it gets the arguments and gives the exit status.
///
/// For a crate with `#![no_main]`.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        #[unsafe(no_mangle)]
        extern "C" fn main(
            count: ::std::ffi::c_int,
            arguments: *const *const ::std::ffi::c_char,
        ) -> ::std::ffi::c_int {
            // SAFETY: this is the function that the C library calls, with what the kernel left.
            $main(unsafe { $crate::entry::begin(count, arguments) })
        }
    };
}

/// What a program needs before anything else: standard input, output and error that are open, so that no file of ours ever gets one of their
/// numbers, errors instead of a death by `SIGPIPE`, and children that can be waited for, though the caller ignores `SIGCHLD` (waitid(2), ECHILD). Gives back
/// the arguments.
///
/// # Safety
/// `arguments` are `count` pointers to C strings that stay as they are.
#[must_use]
pub unsafe fn begin(count: c_int, arguments: *const *const c_char) -> Vec<OsString> {
    open_standard_files();
    // SAFETY: neither ignoring a signal nor its default action runs code of ours.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
    }
    (0..count.max(0) as usize)
        .map(|i| {
            // SAFETY: the caller vouches for that many strings.
            let argument = unsafe { CStr::from_ptr(*arguments.add(i)) };
            OsStr::from_bytes(argument.to_bytes()).to_owned()
        })
        .collect()
}

fn open_standard_files() {
    let mut files = [0, 1, 2].map(|fd| libc::pollfd {
        fd,
        events: 0,
        revents: 0,
    });
    // SAFETY: the array is live and of the length passed.
    let looked = unsafe { libc::poll(files.as_mut_ptr(), 3, 0) };
    if looked == 0 {
        return;
    }
    for file in files {
        // Where poll fails, each is asked for by itself.
        // SAFETY: no memory is passed but a constant string.
        unsafe {
            let closed = if looked > 0 {
                file.revents & libc::POLLNVAL != 0
            } else {
                libc::fcntl(file.fd, libc::F_GETFD) < 0
            };
            // The lowest number that is free is the one.
            if closed && libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) != file.fd {
                libc::abort();
            }
        }
    }
}
