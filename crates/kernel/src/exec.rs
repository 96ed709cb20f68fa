//! execve(2) and the string arrays that it takes.

use crate::Errno;
use crate::Result;
use std::ffi::{CStr, CString, c_char};
use std::os::fd::{AsRawFd, BorrowedFd};

/// A NULL-terminated array of C strings, as execve takes it, built before clone so that nothing is allocated after it.
#[derive(Debug)]
pub struct StringArray {
    strings: Vec<CString>,
    /// Points into `strings`, then `spare` null slots, then the terminating null.
    pointers: Vec<*const c_char>,
}

// SAFETY: the pointers point into the heap blocks of `strings`, which move and are dropped together with them; nothing is shared mutably.
unsafe impl Send for StringArray {}
// SAFETY: as above; shared references only read.
unsafe impl Sync for StringArray {}

impl StringArray {
    /// An array of these strings, with room for `spare` more, which [`execve_with`] needs.
    pub fn new(strings: Vec<CString>, spare: usize) -> StringArray {
        let mut pointers: Vec<*const c_char> = Vec::with_capacity(strings.len() + spare + 1);
        pointers.extend(strings.iter().map(|s| s.as_ptr()));
        pointers.resize(strings.len() + spare + 1, std::ptr::null());
        StringArray { strings, pointers }
    }

    /// The strings.
    pub fn strings(&self) -> &[CString] {
        &self.strings
    }

    fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }

    /// Puts a string that lives elsewhere into the first spare slot.
    fn lend(&self, more: &CStr) {
        let slot = self.strings.len();
        assert!(slot + 1 < self.pointers.len(), "no spare slot");
        let pointers = self.pointers.as_ptr().cast_mut();
        // SAFETY: slot is inside the array, as asserted. The only caller is a process after clone, which has this memory to itself; nothing reads the slot through the
        // shared reference but execve.
        unsafe { pointers.add(slot).write_volatile(more.as_ptr()) };
    }
}

impl Clone for StringArray {
    fn clone(&self) -> StringArray {
        let spare = self.pointers.len() - 1 - self.strings.len();
        StringArray::new(self.strings.clone(), spare)
    }
}

/// execve(2). Returns only the error.
pub fn execve(path: &CStr, argv: &StringArray, envp: &StringArray) -> Errno {
    // SAFETY: path is NUL-terminated; both arrays are NULL-terminated arrays of live C strings.
    unsafe {
        libc::syscall(
            libc::SYS_execve,
            path.as_ptr(),
            argv.as_ptr(),
            envp.as_ptr(),
        )
    };
    Errno::last()
}

/// The same with one more environment string, for which `envp` has a spare slot.
///
/// # Panics
/// If it has none.
pub fn execve_with(path: &CStr, argv: &StringArray, envp: &StringArray, more: &CStr) -> Errno {
    envp.lend(more);
    execve(path, argv, envp)
}

/// execveat(2) of the file that `fd` refers to. Returns only the error.
pub fn fexecve(fd: BorrowedFd<'_>, argv: &StringArray, envp: &StringArray) -> Errno {
    let empty = c"".as_ptr();
    // SAFETY: the path is the empty C string; both arrays are NULL-terminated arrays of live C strings.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            fd.as_raw_fd(),
            empty,
            argv.as_ptr(),
            envp.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    Errno::last()
}

/// Whether this program itself reads a variable (`NAME=value`) after it has become its copy. What else the caller has is not for the container, which
/// can read the environment of its process in /proc/PID/environ until that is started.
///
/// # Safety
/// `variable` is a string that ends in a zero byte.
pub(crate) unsafe fn is_kept(variable: *const u8) -> bool {
    // One by one: a table of names would have to be relocated, and this runs before that.
    // SAFETY: as the caller says.
    unsafe {
        begins(variable, b"LISTEN_")
            || begins(variable, b"NOTIFY_SOCKET=")
            || begins(variable, b"XDG_RUNTIME_DIR=")
            || begins(variable, b"DBUS_SESSION_BUS_ADDRESS=")
            || begins(variable, b"RUN_OCI_SECCOMP_RECEIVER=")
            || begins(variable, b"USER=")
    }
}

/// Whether a string starts with these bytes, without a function of the C library, which may not be awake yet.
///
/// # Safety
/// `word` is a string that ends in a zero byte.
pub(crate) unsafe fn begins(word: *const u8, with: &[u8]) -> bool {
    let mut i = 0;
    while i < with.len() {
        // SAFETY: everything before was equal to a byte of `with`, of which only the last may be zero; so the string has not ended yet.
        if unsafe { *word.add(i) } != with[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// This process' environment as C strings.
///
/// # Errors
/// `EINVAL` if a variable holds a NUL byte, which the kernel does not produce.
pub fn own_environment() -> Result<Vec<CString>> {
    use std::os::unix::ffi::OsStringExt;
    std::env::vars_os()
        .map(|(mut variable, value)| {
            variable.push("=");
            variable.push(value);
            CString::new(variable.into_vec()).map_err(|_| Errno::EINVAL)
        })
        .collect()
}

/// This process' arguments, and of its environment what the program itself reads, as C strings: for running the same command line again.
///
/// # Errors
/// `EINVAL` if one holds a NUL byte, which the kernel does not produce.
pub fn own_arguments() -> Result<(StringArray, StringArray)> {
    use std::os::unix::ffi::OsStringExt;
    let c = |s: std::ffi::OsString| CString::new(s.into_vec()).map_err(|_| Errno::EINVAL);
    let argv = std::env::args_os().map(c).collect::<Result<Vec<_>>>()?;
    let mut envp = own_environment()?;
    // SAFETY: it ends in a zero byte.
    envp.retain(|v| unsafe { is_kept(v.as_ptr().cast()) });
    Ok((StringArray::new(argv, 0), StringArray::new(envp, 0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would read.
    fn read(array: &StringArray) -> Vec<String> {
        let mut found = Vec::new();
        for i in 0.. {
            // SAFETY: the array ends with a null pointer, where this ends; all before point to live C strings.
            let pointer = unsafe { *array.as_ptr().add(i) };
            if pointer.is_null() {
                break;
            }
            // SAFETY: as above.
            found.push(
                unsafe { CStr::from_ptr(pointer) }
                    .to_string_lossy()
                    .into_owned(),
            );
        }
        found
    }

    #[test]
    fn only_variables_that_the_program_reads_are_kept() {
        let kept = |v: &CStr| {
            // SAFETY: it ends in a zero byte.
            unsafe { is_kept(v.as_ptr().cast()) }
        };
        for name in [c"LISTEN_FDS=1", c"USER=", c"XDG_RUNTIME_DIR=/run/user/0"] {
            assert!(kept(name), "{name:?}");
        }
        for name in [
            c"",
            c"USER",
            c"USERNAME=x",
            c"LISTEN",
            c"SECRET=1",
            c"PATH=/bin",
        ] {
            assert!(!kept(name), "{name:?}");
        }
    }

    #[test]
    fn the_array_holds_its_strings_wherever_it_is_moved() {
        let strings = |all: &[&str]| {
            all.iter()
                .map(|s| CString::new(*s).unwrap())
                .collect::<Vec<_>>()
        };
        assert!(read(&StringArray::new(Vec::new(), 0)).is_empty());
        let array = Box::new(StringArray::new(strings(&["a", "", "c d"]), 1));
        let moved = *array;
        let copy = moved.clone();
        drop(moved);
        assert_eq!(read(&copy), ["a", "", "c d"]);
        copy.lend(c"HOME=/");
        assert_eq!(read(&copy), ["a", "", "c d", "HOME=/"]);
    }

    #[test]
    #[should_panic(expected = "no spare slot")]
    fn without_a_spare_slot_nothing_is_lent() {
        StringArray::new(vec![c"a".into()], 0).lend(c"b");
    }
}
