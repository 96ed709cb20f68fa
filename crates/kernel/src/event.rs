//! Descriptors that become readable when something happens: eventfd(2) and inotify(7).

use crate::sys::{check, owned};
use crate::{Errno, Result, io};
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// A counter that the kernel adds to. Close-on-exec and non-blocking.
#[derive(Debug)]
pub struct EventFd(OwnedFd);

impl EventFd {
    /// A counter of 0.
    pub fn new() -> Result<EventFd> {
        // SAFETY: no memory is passed.
        owned(unsafe {
            libc::syscall(
                libc::SYS_eventfd2,
                0,
                libc::EFD_CLOEXEC | libc::EFD_NONBLOCK,
            )
        })
        .map(EventFd)
    }

    /// The line for cgroup v1's `cgroup.event_control` that ties this counter to an open control file.
    pub fn registration(&self, control: BorrowedFd<'_>) -> String {
        format!("{} {}", self.0.as_raw_fd(), control.as_raw_fd())
    }

    /// Sets the counter back to 0.
    pub fn take(&self) -> Result<()> {
        match io::read(self.0.as_fd(), &mut [0; 8]) {
            Err(Errno::EAGAIN) | Ok(_) => Ok(()),
            Err(e) => Err(e),
        }
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A queue of changes to files. Close-on-exec and non-blocking.
#[derive(Debug)]
pub struct Inotify(OwnedFd);

impl Inotify {
    /// A queue without watches.
    pub fn new() -> Result<Inotify> {
        // SAFETY: no memory is passed.
        owned(unsafe {
            libc::syscall(
                libc::SYS_inotify_init1,
                libc::IN_CLOEXEC | libc::IN_NONBLOCK,
            )
        })
        .map(Inotify)
    }

    /// Watches a file for modification and for its end.
    pub fn watch_modified(&self, path: &CStr) -> Result<()> {
        let mask = libc::IN_MODIFY | libc::IN_DELETE_SELF;
        // SAFETY: path is NUL-terminated.
        check(unsafe {
            libc::syscall(
                libc::SYS_inotify_add_watch,
                self.0.as_raw_fd(),
                path.as_ptr(),
                mask,
            )
        })
        .map(drop)
    }

    /// Empties the queue.
    pub fn take(&self) -> Result<()> {
        let mut buf = [0; 4096];
        loop {
            match io::read(self.0.as_fd(), &mut buf) {
                Err(Errno::EAGAIN) | Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(e) => return Err(e),
            }
        }
    }
}

impl AsFd for Inotify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
