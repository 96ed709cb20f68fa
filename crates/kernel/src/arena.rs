//! Memory for a program that lives for milliseconds.
//!
//! Almost all that a command allocates it needs until its end. An allocator that looks for a place for each piece, and tidies up behind each,
//! touches pages all over the heap; behind a fork, each of them is a page to copy. This one hands out a piece of the program's own zeroed memory
//! behind the other, takes back only the last, and leaves what does not fit, and the commands that live for long, to an allocator that
//! tidies up.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes in the arena. Untouched pages of it cost nothing.
const SIZE: usize = 256 * 1024;

/// Bytes that are asked of the kernel in one call, instead of one fault for each page.
const CHUNK: usize = 8 * 1024;

/// What tidies up. It is not the C library's, because that brings a fifth of the program with it ([`crate::c_library`]). Miri watches its own.
#[cfg(not(miri))]
use dlmalloc::GlobalDlmalloc as System;
#[cfg(miri)]
use std::alloc::System;

#[repr(C, align(4096))]
struct Memory(MaybeUninit<[u8; SIZE]>);

/// The program's arena, for [`Global`].
pub(crate) static MEMORY: Arena = Arena::new();

/// The global allocator: the first [`SIZE`] bytes in a row, the rest from [`System`].
pub struct Global;

// SAFETY: an Arena is one.
unsafe impl GlobalAlloc for Global {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on, here and below.
        unsafe { MEMORY.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { MEMORY.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe { MEMORY.realloc(pointer, layout, size) }
    }
}

/// Memory in a row.
pub(crate) struct Arena {
    memory: UnsafeCell<Memory>,
    used: AtomicUsize,
    present: AtomicUsize,
}

// SAFETY: the memory is only reached through pieces, and `used` gives each piece to one caller.
unsafe impl Sync for Arena {}

impl Arena {
    /// An arena of which nothing is used yet.
    const fn new() -> Arena {
        Arena {
            memory: UnsafeCell::new(Memory(MaybeUninit::uninit())),
            used: AtomicUsize::new(0),
            present: AtomicUsize::new(0),
        }
    }

    fn base(&self) -> *mut u8 {
        self.memory.get().cast()
    }

    /// Takes the first `length` bytes, whole pages, for present, and tells where they are. For the program's first instructions, which then have
    /// them made.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    #[inline(always)]
    pub(crate) fn prepare(&self, length: usize) -> usize {
        self.present.store(length, Relaxed);
        self.memory.get() as usize
    }

    /// Where in the arena a pointer points to.
    fn offset(&self, pointer: *mut u8) -> Option<usize> {
        let offset = pointer.addr().wrapping_sub(self.base().addr());
        (offset < SIZE).then_some(offset)
    }

    /// The next piece of that layout.
    fn take(&self, layout: Layout) -> Option<*mut u8> {
        let mut used = self.used.load(Relaxed);
        loop {
            let free = self.base().addr() + used;
            let start = used + (free.next_multiple_of(layout.align()) - free);
            let end = start
                .checked_add(layout.size())
                .filter(|end| *end <= SIZE)?;
            match self.used.compare_exchange_weak(used, end, Relaxed, Relaxed) {
                Ok(_) => {
                    self.fetch(end);
                    // SAFETY: `start` is within the arena.
                    return Some(unsafe { self.base().add(start) });
                }
                Err(now) => used = now,
            }
        }
    }

    /// Has the pages up to `end` made at once. Kernels before 5.14 do not know how; then they come one by one.
    fn fetch(&self, end: usize) {
        let present = self.present.load(Relaxed);
        // Miri has no such call, and its pages are there.
        if end > present && !cfg!(miri) {
            let next = end.next_multiple_of(CHUNK);
            self.present.store(next, Relaxed);
            // SAFETY: the range lies in the arena and begins at a page; its content stays what it is.
            unsafe {
                libc::madvise(
                    self.base().add(present).cast(),
                    next - present,
                    libc::MADV_POPULATE_WRITE,
                );
            }
        }
    }

    /// Gives the piece at `start` a new end if it is the last.
    fn resize_last(&self, start: usize, old: usize, new: usize) -> bool {
        start.checked_add(new).is_some_and(|end| {
            end <= SIZE
                && self
                    .used
                    .compare_exchange(start + old, end, Relaxed, Relaxed)
                    .is_ok()
        })
    }
}

// SAFETY: pieces are aligned as demanded, lie in the arena, and do not overlap, because `used` only goes back over a piece that its owner
// gives back. Pointers from elsewhere are the system's, which got the same layout.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match self.take(layout) {
            Some(piece) => piece,
            // SAFETY: the caller's promise about the layout is passed on.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        match self.offset(pointer) {
            Some(start) => {
                self.resize_last(start, layout.size(), 0);
            }
            // SAFETY: it is not of the arena, so it came from the system, with this layout.
            None => unsafe { System.dealloc(pointer, layout) },
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(start) = self.offset(pointer) else {
            // SAFETY: as in `dealloc`.
            return unsafe { System.realloc(pointer, layout, size) };
        };
        if self.resize_last(start, layout.size(), size) {
            self.fetch(start + size);
            return pointer;
        }
        if size <= layout.size() {
            return pointer;
        }
        // SAFETY: the caller vouches for the size with this alignment, and for as many bytes at `pointer` as `layout` says, of which not more
        // are copied than the new piece, another one, has.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                new.copy_from_nonoverlapping(pointer, layout.size());
            }
            new
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn pieces_are_aligned_apart_and_kept() {
        let arena = Box::new(Arena::new());
        // SAFETY: every piece is used within its layout and given back with the same.
        unsafe {
            let (a, b) = (arena.alloc(layout(3, 1)), arena.alloc(layout(64, 64)));
            a.write_bytes(1, 3);
            b.write_bytes(2, 64);
            assert_eq!(b.addr() % 64, 0);
            // Not the last: it moves, with its content.
            let moved = arena.realloc(a, layout(3, 1), 10);
            assert_ne!(moved, a);
            assert_eq!(std::slice::from_raw_parts(moved, 3), [1; 3]);
            // The last: it grows where it is, and its place is used again.
            assert_eq!(arena.realloc(moved, layout(10, 1), 500), moved);
            arena.dealloc(moved, layout(500, 1));
            assert_eq!(arena.alloc(layout(1, 1)), moved);
            assert_eq!(std::slice::from_raw_parts(b, 64), [2; 64]);
        }
    }

    #[test]
    fn zeroed_means_zeroed_in_used_memory_too() {
        let arena = Box::new(Arena::new());
        // SAFETY: as above.
        unsafe {
            let a = arena.alloc(layout(100, 8));
            a.write_bytes(7, 100);
            arena.dealloc(a, layout(100, 8));
            let b = arena.alloc_zeroed(layout(100, 8));
            assert_eq!(a, b);
            assert_eq!(std::slice::from_raw_parts(b, 100), [0; 100]);
        }
    }

    #[test]
    fn what_does_not_fit_comes_from_the_system() {
        let arena = Box::new(Arena::new());
        // SAFETY: as above.
        unsafe {
            let large = arena.alloc(layout(SIZE + 1, 8));
            assert!(arena.offset(large).is_none());
            let small = arena.alloc(layout(8, 8));
            assert!(arena.offset(small).is_some());
            small.write_bytes(9, 8);
            let grown = arena.realloc(small, layout(8, 8), 2 * SIZE);
            assert!(arena.offset(grown).is_none());
            assert_eq!(std::slice::from_raw_parts(grown, 8), [9; 8]);
            arena.dealloc(grown, layout(2 * SIZE, 8));
            arena.dealloc(large, layout(SIZE + 1, 8));
        }
    }
}
