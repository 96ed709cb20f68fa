//! The C library's start, without what it asks the processor.
//!
//! glibc's own `__libc_start_main` executes CPUID some twenty to fifty times, to choose between variants of memcpy and to learn the sizes of caches.
//! Under a hypervisor each is a way out of the virtual machine and back, 2 to 10 µs: together up to four fifths of what it costs to start a static program, and
//! more than all else that `teu state` does. Here is the same start without it. As if the processor had no features, the variants that every
//! x86-64 processor can execute are chosen, and the caches have the sizes that glibc takes for granted until it knows better.
//!
//! What only the start writes is made read-only afterwards, as glibc does (`-z relro`, ld(1)).
//!
//! Left out as well, for nothing here needs it: the tunables of `GLIBC_TUNABLES`, what dlopen and threads need, functions that run at exit (a command ends
//! by `_exit`), and pointers into the vDSO (a clock then costs a system call).
//!
//! It calls functions inside glibc, so `scripts/build` asks for it (`--cfg lean_start`) for the versions that it was tried with. With another
//! version that has something else in the file of its `__libc_start_main`, the program cannot be linked: the linker then finds two of them.
#![cfg(all(lean_start, target_arch = "x86_64"))]

use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::ffi::{c_char, c_int, c_long, c_void};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

// rcrt1.o's `_start` calls this with main in rdi, argc in esi, argv in rdx, and the end of the stack on the stack. Until the program is relocated
// nothing may be reached through the global offset table, hence no Rust: only addresses relative to the instruction.
global_asm!(
    ".pushsection .text.__libc_start_main,\"ax\",@progbits",
    ".globl __libc_start_main",
    ".hidden __libc_start_main",
    ".type __libc_start_main,@function",
    "__libc_start_main:",
    "mov rbx, rdi",
    "movsxd rbp, esi",
    "mov r12, rdx",
    "mov rax, [rsp + 8]",
    "mov [rip + __libc_stack_end], rax",
    "lea r13, [rdx + 8*rbp + 8]",
    "mov [rip + __environ], r13",
    "mov rdi, r13",
    // The auxiliary vector lies behind the null pointer that ends the environment.
    "2: add rdi, 8",
    "cmp qword ptr [rdi - 8], 0",
    "jne 2b",
    "and rsp, -16",
    "call _dl_aux_init",
    "call _dl_relocate_static_pie",
    "mov rdi, rbx",
    "mov rsi, rbp",
    "mov rdx, r12",
    "mov rcx, r13",
    "call {started}",
    "ud2",
    ".size __libc_start_main, . - __libc_start_main",
    ".popsection",
    started = sym relocated,
);

/// What glibc keeps in the file of its `__libc_start_main`, for memcpy and its like. The values are those that it starts with, or takes for a
/// processor that tells nothing; of them the variants in use look at the first two.
macro_rules! cache_facts {
    ($($name:ident: $type:ty = $value:expr;)*) => {$(
        #[unsafe(no_mangle)]
        static $name: $type = $value;
    )*};
}
cache_facts! {
    // Bytes from which on a copy goes past the caches: three quarters of the shared one.
    __x86_shared_non_temporal_threshold: c_long = 0xc0000;
    __x86_memset_non_temporal_threshold: c_long = 0xc0000;
    __x86_rep_movsb_threshold: c_long = 2048;
    __x86_rep_movsb_stop_threshold: c_long = 0xc0000;
    __x86_rep_stosb_threshold: c_long = 2048;
    __x86_data_cache_size: c_long = 32 * 1024;
    __x86_data_cache_size_half: c_long = 16 * 1024;
    __x86_shared_cache_size: c_long = 1024 * 1024;
    __x86_shared_cache_size_half: c_long = 512 * 1024;
    __x86_string_control: c_int = 0;
    // Bytes that a lazily bound function of a shared object saves; there are none.
    _dl_x86_features_tlsdesc_state_size: c_long = 0;
}

type Main = unsafe extern "C" fn(c_int, *const *const c_char, *const *const c_char) -> c_int;
type Initializer = unsafe extern "C" fn(c_int, *const *const c_char, *const *const c_char);

unsafe extern "C" {
    fn __libc_setup_tls();
    fn __libc_early_init(initial: bool);
    static _dl_random: *const [usize; 2];
    static __init_array_start: [Initializer; 0];
    static __init_array_end: [Initializer; 0];
}

/// Memory for thread-local storage, which glibc would ask the kernel for: two calls, and in each process a mapping with page tables of its own.
#[repr(C, align(64))]
struct Early(UnsafeCell<[u8; EARLY]>);
// SAFETY: `_dl_early_allocate` gives each piece to one caller.
unsafe impl Sync for Early {}
static EARLY_MEMORY: Early = Early(UnsafeCell::new([0; EARLY]));
const EARLY: usize = 8192;
static EARLY_USED: AtomicUsize = AtomicUsize::new(0);

/// Zeroed memory that is never given back. Null where there is no more, which ends the program.
#[unsafe(no_mangle)]
extern "C" fn _dl_early_allocate(size: usize) -> *mut c_void {
    let start = EARLY_USED.fetch_add(size.next_multiple_of(64), Relaxed);
    if start + size > EARLY {
        return core::ptr::null_mut();
    }
    // SAFETY: within the memory, as just seen.
    unsafe { EARLY_MEMORY.0.get().cast::<c_void>().byte_add(start) }
}

/// Makes read-only what only the start writes (elf(5), `PT_GNU_RELRO`): the tables by which functions are called, which whoever can write
/// somewhere would write first. glibc does it in a part of its start that is left out here.
fn protect_relocated() {
    const PAGE: usize = 4096;
    // The linker's own name for the program's first byte, the ELF header.
    unsafe extern "C" {
        static __ehdr_start: libc::Elf64_Ehdr;
    }
    let base = &raw const __ehdr_start;
    // SAFETY: the linker puts the header and the table that it tells of into the program's first segment, which is readable.
    let headers = unsafe {
        let table = base.byte_add((*base).e_phoff as usize);
        core::slice::from_raw_parts(table.cast::<libc::Elf64_Phdr>(), (*base).e_phnum.into())
    };
    for header in headers.iter().filter(|h| h.p_type == libc::PT_GNU_RELRO) {
        let start = base as usize + header.p_vaddr as usize;
        let (first, end) = (
            start & !(PAGE - 1),
            (start + header.p_memsz as usize) & !(PAGE - 1),
        );
        // SAFETY: nothing writes to these pages once the program is relocated and glibc is initialised: that is what the segment means.
        if unsafe { libc::mprotect(first as *mut c_void, end - first, libc::PROT_READ) } != 0 {
            // SAFETY: it is a C string.
            unsafe {
                crate::c_library::__assert_fail(c"mprotect of what the start has written".as_ptr())
            }
        }
    }
}

/// The rest, in a program that is relocated.
///
/// # Safety
/// To be called once, as the only thread, by `__libc_start_main`, with what the kernel left.
unsafe extern "C" fn relocated(
    main: Main,
    argc: usize,
    argv: *const *const c_char,
    envp: *const *const c_char,
) -> ! {
    // SAFETY: the order is that of glibc: first thread-local storage, where the canary of the stack (fs:0x28) and what C's saved pointers are
    // mixed with (fs:0x30) are kept; `_dl_random` points to the 16 bytes that the kernel gives each program (getauxval(3), AT_RANDOM). No function
    // that calls another one of C was entered before the canary was set, or is left afterwards. The array is between two symbols of the linker.
    unsafe {
        __libc_setup_tls();
        let [canary, guard] = _dl_random.read_unaligned();
        asm!("mov fs:[0x28], {}", in(reg) canary & !0xff, options(nostack, preserves_flags));
        asm!("mov fs:[0x30], {}", in(reg) guard, options(nostack, preserves_flags));
        __libc_early_init(true);
        protect_relocated();
        let argc = argc as c_int;
        let (mut next, end) = (
            (&raw const __init_array_start).cast::<Initializer>(),
            (&raw const __init_array_end).cast::<Initializer>(),
        );
        while next < end {
            (*next)(argc, argv, envp);
            next = next.add(1);
        }
        crate::process::exit(main(argc, argv, envp))
    }
}
