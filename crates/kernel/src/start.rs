//! The first instructions of the program: where `teu`'s ELF header points (its build script says so).
//!
//! Commands that enter a container run from a copy of the program that nobody can write (CVE-2019-5736), so they begin by executing that copy.
//! To start the C library and Rust only to throw both away would be a tenth of what `run` costs. This runs before either is awake: on the
//! stack that the kernel made, before relocation, without thread-local storage, and therefore without any function but its own.
//!
//! It is a shortcut and decides nothing: where it fails, or where there is no code for the architecture, the program starts as it is, and
//! makes sure of the copy then.
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use crate::exec::{begins, is_kept};
use crate::mount::SYS_OPEN_TREE_ATTR;
use core::arch::{asm, global_asm};
use core::mem::MaybeUninit;

// What the kernel hands over is on the stack and, for the sake of the dynamic linker, in one register: both are kept for the C library.
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".pushsection .text.teu_start,\"ax\",@progbits",
    ".globl teu_start",
    ".type teu_start,@function",
    "teu_start:",
    "mov rbx, rdx",
    "mov rbp, rsp",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {early}",
    "mov rsp, rbp",
    "mov rdx, rbx",
    "jmp _start",
    ".size teu_start, . - teu_start",
    ".popsection",
    early = sym run_sealed,
);
#[cfg(target_arch = "aarch64")]
global_asm!(
    ".pushsection .text.teu_start,\"ax\",@progbits",
    ".globl teu_start",
    ".type teu_start,@function",
    "teu_start:",
    "mov x19, x0",
    "mov x0, sp",
    "bl {early}",
    "mov x0, x19",
    "b _start",
    ".size teu_start, . - teu_start",
    ".popsection",
    early = sym run_sealed,
);

const AT_NULL: usize = 0;
const AT_PHDR: usize = 3;
const AT_PHNUM: usize = 5;
const AT_EXECFN: usize = 31;

/// Executes a detached read-only mount of this program's file if the command line has the name of a command that enters a container.
/// Returns where that has happened already or cannot be done. A word that only looks like such a command (`teu state run`) costs one
/// execution too many and nothing else.
///
/// # Safety
/// `stack` is what the kernel leaves at a program's start (execve(2), getauxval(3)): the count of the arguments, that many pointers and a null
/// one, the pointers of the environment and a null one, pairs of the auxiliary vector up to a null one. The pointers are to strings.
unsafe extern "C" fn run_sealed(stack: *const usize) {
    // SAFETY: each step stays within the tables that the caller vouches for, because it stops at their ends.
    unsafe {
        let argc = *stack;
        let argv = stack.add(1);
        let envp = argv.add(argc + 1);
        let (mut makes, mut joins) = (false, false);
        let mut i = 1;
        while i < argc {
            let word = *argv.add(i) as *const u8;
            makes |= begins(word, b"run\0") || begins(word, b"create\0");
            joins |= begins(word, b"exec\0");
            i += 1;
        }
        if !makes && !joins {
            return;
        }
        let mut aux = envp;
        while *aux != 0 {
            aux = aux.add(1);
        }
        aux = aux.add(1);
        let mut headers = core::ptr::null();
        let (mut header_count, mut is_copy) = (0, false);
        while *aux != AT_NULL {
            match *aux {
                AT_PHDR => headers = *aux.add(1) as *const libc::Elf64_Phdr,
                AT_PHNUM => header_count = *aux.add(1),
                // How the kernel names a program that was executed by descriptor, as the copy is.
                AT_EXECFN => is_copy = begins(*aux.add(1) as *const u8, b"/dev/fd/"),
                _ => {}
            }
            aux = aux.add(2);
        }
        if is_copy {
            let (deep, wide) = if makes { MAKING } else { JOINING };
            fetch(stack as usize - deep, deep);
            let heap = crate::arena::MEMORY.prepare(wide);
            let data = data(headers, header_count).unwrap_or(heap);
            fetch(data, heap + wide - data);
        } else {
            // Enough for all names that are kept, and for some of them twice.
            let mut kept = [const { MaybeUninit::uninit() }; KEPT];
            execute_copy(argv, kept_of(envp, &mut kept));
        }
    }
}

/// Bytes of stack and of the heap that making the default container, and executing something in it, have been seen to take.
const MAKING: (usize, usize) = (26 * 1024, 76 * 1024);
const JOINING: (usize, usize) = (16 * 1024, 36 * 1024);
/// Variables that are kept at most, the null pointer behind them included.
const KEPT: usize = 16;

/// The variables that the copy needs, which the container can read in /proc/PID/environ until it is started. What else the caller has
/// is none of its business.
///
/// # Safety
/// `envp` is a table of pointers to strings that ends in a null pointer.
unsafe fn kept_of(envp: *const usize, kept: &mut [MaybeUninit<usize>; KEPT]) -> *const usize {
    let (mut from, mut to) = (envp, 0);
    // SAFETY: within the table, which ends in a null pointer.
    while to < KEPT - 1 && unsafe { *from } != 0 {
        // SAFETY: as above; each points to a string.
        unsafe {
            if is_kept(*from as *const u8) {
                kept[to].write(*from);
                to += 1;
            }
            from = from.add(1);
        }
    }
    kept[to].write(0);
    kept.as_ptr().cast()
}

const PAGE: usize = 4096;

/// Where the program's data begins, which relocation is about to touch page by page. Behind it, without a gap, are its zeros, and the heap.
///
/// # Safety
/// `headers` are the program's, `count` of them, or null.
unsafe fn data(headers: *const libc::Elf64_Phdr, count: usize) -> Option<usize> {
    let (mut base, mut i) = (0, 0);
    while !headers.is_null() && i < count {
        // SAFETY: within the table.
        let header = unsafe { &*headers.add(i) };
        if header.p_type == libc::PT_PHDR {
            base = headers as usize - header.p_vaddr as usize;
        } else if header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W != 0 {
            return Some(base + header.p_vaddr as usize);
        }
        i += 1;
    }
    None
}

/// Has the pages of a range made at once instead of one fault for each; where they cannot be, that is no loss (kernels before 5.14).
fn fetch(start: usize, length: usize) {
    let first = start & !(PAGE - 1);
    let length = (start + length - first).next_multiple_of(PAGE);
    // SAFETY: madvise(2) with this advice changes no content, and refuses what is not mapped.
    unsafe {
        call(
            libc::SYS_madvise,
            [first, length, libc::MADV_POPULATE_WRITE as usize, 0, 0],
        );
    }
}

/// # Safety
/// Both are tables of pointers to strings that end in a null pointer.
unsafe fn execute_copy(argv: *const usize, envp: *const usize) {
    // struct mount_attr (mount_setattr(2)): attr_set, attr_clr, propagation, userns_fd.
    let read_only: [u64; 4] = [libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID, 0, 0, 0];
    let (exe, empty) = (c"/proc/self/exe".as_ptr() as usize, c"".as_ptr() as usize);
    let here = libc::AT_FDCWD as usize;
    let itself = libc::AT_EMPTY_PATH as usize;
    let clone = (libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC) as usize;
    let attributes = (&raw const read_only) as usize;
    let size = size_of_val(&read_only);
    // SAFETY: the pointers are to strings that end in a zero byte, to a structure of the stated size, and to the tables that the caller
    // vouches for. The descriptor is new, so closing it closes nothing of anybody else.
    unsafe {
        let mut tree = call(SYS_OPEN_TREE_ATTR, [here, exe, clone, attributes, size]);
        let mut read_only = tree >= 0;
        if !read_only {
            tree = call(libc::SYS_open_tree, [here, exe, clone, 0, 0]);
            if tree < 0 {
                return;
            }
            let change = [tree as usize, empty, itself, attributes, size];
            read_only = call(libc::SYS_mount_setattr, change) == 0;
        }
        if read_only {
            let program = [tree as usize, empty, argv as usize, envp as usize, itself];
            call(libc::SYS_execveat, program);
        }
        call(libc::SYS_close, [tree as usize, 0, 0, 0, 0]);
    }
}

/// A system call by the instruction itself: the C library's `syscall` keeps the error number in storage that does not exist yet.
///
/// # Safety
/// As the system call demands.
#[inline(always)]
unsafe fn call(number: libc::c_long, arguments: [usize; 5]) -> isize {
    let result: isize;
    let [a, b, c, d, e] = arguments;
    // SAFETY: the registers are those of syscall(2), and the call's own demands are the caller's.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => result, in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e,
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("svc #0", in("x8") number, inlateout("x0") a as isize => result, in("x1") b, in("x2") c, in("x3") d, in("x4") e,
            options(nostack));
    }
    result
}
