//! What the C library would bring with it, and need not.
//!
//! In a static program one function of C brings all that it may ever call. glibc says what is wrong with its heap by printf, which knows the words of
//! errors, in the language of the user, for which it converts between character sets, which it loads as plugins: a fifth of the program. sysconf(3) and
//! the words of errors lead to the same. These functions stand in for them; the linker takes the program's own before it looks into the library.
//!
//! They come with the C library's start ([`crate::c_start`]), under the same condition: names inside glibc are a matter of its version. A version
//! that keeps one of these functions in one file with another that is needed does not link: the linker then finds it twice.
#![cfg(all(lean_start, target_arch = "x86_64"))]

use crate::arena::Global;
use core::ffi::{c_char, c_int, c_long, c_void};
use core::ptr::null_mut;
use std::alloc::{GlobalAlloc, Layout};

/// Says what went wrong inside the C library, and aborts.
///
/// # Safety
/// `expression` is a C string.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn __assert_fail(expression: *const c_char) -> ! {
    for text in [c"C library: ".as_ptr(), expression, c"\n".as_ptr()] {
        // SAFETY: each is a C string.
        unsafe { libc::write(2, text.cast(), libc::strlen(text)) };
    }
    // SAFETY: it does not return.
    unsafe { libc::abort() }
}

/// The text of an error number as [`std::io::Error`] asks for it (strerror_r(3), the variant of POSIX).
///
/// # Safety
/// `text` has room for `size` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn __xpg_strerror_r(number: c_int, text: *mut c_char, size: usize) -> c_int {
    let Some(last) = size.checked_sub(1) else {
        return libc::ERANGE;
    };
    let words = crate::Errno(number).text().unwrap_or("unknown error");
    // SAFETY: no more than there is room for, the zero byte at the end included.
    unsafe {
        text.cast::<u8>()
            .copy_from_nonoverlapping(words.as_ptr(), words.len().min(last));
        text.add(words.len().min(last)).write(0);
    }
    0
}

/// The same as the C library itself asks for it (the variant of GNU).
///
/// # Safety
/// As above.
#[unsafe(no_mangle)]
unsafe extern "C" fn __strerror_r(number: c_int, text: *mut c_char, size: usize) -> *mut c_char {
    // SAFETY: the caller's promise.
    unsafe { __xpg_strerror_r(number, text, size) };
    text
}

/// A limit or a size of the system (sysconf(3)), of those that are asked for here: realpath(3) wants the number of symbolic links to follow, and has one
/// of its own where it is not told.
#[unsafe(no_mangle)]
extern "C" fn __sysconf(name: c_int) -> c_long {
    match name {
        // SAFETY: it reads what the kernel left at the program's start.
        libc::_SC_PAGESIZE => unsafe { libc::getauxval(libc::AT_PAGESZ) as c_long },
        _ => -1,
    }
}

/// As above.
#[unsafe(no_mangle)]
extern "C" fn sysconf(name: c_int) -> c_long {
    __sysconf(name)
}

/// Which characters are letters, digits and so on, in the language of the user: prepared by the C library's start for functions of which none is left.
#[unsafe(no_mangle)]
extern "C" fn __ctype_init() {}

/// What stands before each piece of memory that C asks for: its size, which C does not tell when it gives it back. As large as the strictest alignment of C's
/// types.
const HEAD: usize = 16;

fn with_head(size: usize) -> Option<Layout> {
    Layout::from_size_align(size.checked_add(HEAD)?, HEAD).ok()
}

/// The piece that begins with its head at `start`. Null stays null, with the error that C expects.
///
/// # Safety
/// `start` is null or has room for a head and `size` bytes, and is aligned for the head.
unsafe fn behind_head(start: *mut u8, size: usize) -> *mut c_void {
    if start.is_null() {
        // SAFETY: it gives the address of this thread's own.
        unsafe { libc::__errno_location().write(libc::ENOMEM) };
        return null_mut();
    }
    // SAFETY: the caller's promise.
    unsafe {
        start.cast::<usize>().write(size);
        start.add(HEAD).cast()
    }
}

/// Where a piece begins, and with which layout it was allocated.
///
/// # Safety
/// `piece` is one that [`behind_head`] gave.
unsafe fn head_of(piece: *mut c_void) -> (*mut u8, Layout) {
    // SAFETY: so its size stands before it, and the layout was one already.
    unsafe {
        let start = piece.cast::<u8>().sub(HEAD);
        let size = start.cast::<usize>().read();
        (start, Layout::from_size_align_unchecked(size + HEAD, HEAD))
    }
}

/// Memory for C (malloc(3)), from the program's own allocator.
#[unsafe(no_mangle)]
extern "C" fn malloc(size: usize) -> *mut c_void {
    // SAFETY: the layout is not empty, and it has room for the head.
    let start = with_head(size).map_or(null_mut(), |layout| unsafe { Global.alloc(layout) });
    // SAFETY: as just allocated.
    unsafe { behind_head(start, size) }
}

/// The same, zeroed.
#[unsafe(no_mangle)]
extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    let size = count.saturating_mul(size);
    let start =
        // SAFETY: as above.
        with_head(size).map_or(null_mut(), |layout| unsafe { Global.alloc_zeroed(layout) });
    // SAFETY: as just allocated.
    unsafe { behind_head(start, size) }
}

/// Gives it back, and leaves `errno` alone (free(3)).
///
/// # Safety
/// `piece` is null, or of [`malloc`], [`calloc`] or [`realloc`] and not given back yet.
#[unsafe(no_mangle)]
unsafe extern "C" fn free(piece: *mut c_void) {
    if !piece.is_null() {
        // SAFETY: the caller's promise, and the layout that it was allocated with.
        unsafe {
            let errno = libc::__errno_location().read();
            let (start, layout) = head_of(piece);
            Global.dealloc(start, layout);
            libc::__errno_location().write(errno);
        }
    }
}

/// Gives it another size, maybe elsewhere.
///
/// # Safety
/// As for [`free`].
#[unsafe(no_mangle)]
unsafe extern "C" fn realloc(piece: *mut c_void, size: usize) -> *mut c_void {
    if piece.is_null() {
        return malloc(size);
    }
    // SAFETY: the caller's promise; the new size fits a layout.
    unsafe {
        let (start, layout) = head_of(piece);
        let moved =
            with_head(size).map_or(null_mut(), |new| Global.realloc(start, layout, new.size()));
        behind_head(moved, size)
    }
}
