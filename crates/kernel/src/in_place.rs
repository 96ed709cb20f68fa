//! A child in the memory of its parent, as vfork(2) makes it: nothing is copied, no page has to be made again when it is written to.

use crate::process::Child;
use crate::{Errno, Result};
use std::os::fd::BorrowedFd;

/// Runs `child` in a new process that shares this one's memory, while this one waits for its end. It is born in `cgroup` if one is given.
///
/// The child must end soon, wait for nobody and allocate nothing: whatever it leaves in memory, this process finds. It must not be visible to
/// anybody who may look into it, for the memory is this one's.
///
/// # Errors
/// `ENOSYS` where there is no code for the architecture or a filter withholds clone3: use [`crate::process::clone`] then. Else those of clone3(2).
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub fn clone_in_place(cgroup: Option<BorrowedFd<'_>>, child: &dyn Fn()) -> Result<Child> {
    use crate::process::{CLONED, CloneArgs};
    use crate::sys::{known, owned};
    use std::os::fd::RawFd;

    let mut pidfd: RawFd = -1;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK;
    let args = CloneArgs { flags, cgroup }.to_kernel(&mut pidfd);
    let errno = |result: isize| Errno(-result as i32);
    // The memory is one, and this process stands still while the child lives.
    CLONED.set(true);
    // SAFETY: args is live, of the size that is passed inside, and has what the function demands; `child` outlives the call.
    let result = unsafe { clone_and_run(&args, size_of::<libc::clone_args>(), &child) };
    CLONED.set(false);
    if result < 0 {
        // SAFETY: a size of 0 is refused before the structure is looked at.
        let probe = || unsafe { libc::syscall(libc::SYS_clone3, &args, 0usize) };
        return known(Err(errno(result)), probe);
    }
    Ok(Child {
        pid: result as i32,
        pidfd: owned(pidfd.into())?,
    })
}

/// As above.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub fn clone_in_place(_cgroup: Option<BorrowedFd<'_>>, _child: &dyn Fn()) -> Result<Child> {
    Err(Errno::ENOSYS)
}

/// What the new process does. It never returns to code that the parent will run.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
unsafe extern "C" fn run(child: *const &dyn Fn()) -> ! {
    // SAFETY: `clone_in_place` passes a pointer to what it holds until this process has ended.
    unsafe { (*child)() };
    crate::process::exit(127)
}

/// # Safety
/// The arguments are valid for clone3(2) with that size, with `CLONE_VM | CLONE_VFORK` and without a stack. `child` stays where it is.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
unsafe fn clone_and_run(
    args: *const libc::clone_args,
    size: usize,
    child: *const &dyn Fn(),
) -> isize {
    let result: isize;
    // SAFETY: the child starts behind the call with this stack pointer and goes down from there, into what no frame of the parent uses, and
    // never comes back over it; the parent only goes on when it is gone, with the registers that the kernel has kept for it. What the child
    // may have changed in memory is unknown to the compiler, which assumes that of asm anyway.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "mov rdi, r12",
            "call {run}",
            "ud2",
            "2:",
            run = sym run,
            inlateout("rax") libc::SYS_clone3 as isize => result,
            in("rdi") args,
            in("rsi") size,
            in("r12") child,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!(
            "svc #0",
            "cbnz x0, 2f",
            "mov x0, x20",
            "bl {run}",
            "brk #1",
            "2:",
            run = sym run,
            in("x8") libc::SYS_clone3,
            inlateout("x0") args as isize => result,
            in("x1") size,
            in("x20") child,
            lateout("x30") _,
        );
    }
    result
}

#[cfg(all(test, not(miri), any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tests {
    use super::*;
    use crate::process::{self, Exit};
    use std::os::fd::AsFd;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    #[test]
    fn the_child_is_another_process_in_the_same_memory() {
        let seen = AtomicU32::new(0);
        let child = clone_in_place(None, &|| {
            // Not the C library's, which some versions keep.
            seen.store(process::getpid() as u32, Relaxed);
            assert!(process::is_cloned());
            process::exit(7)
        })
        .unwrap();
        assert!(!process::is_cloned());
        assert_eq!(seen.load(Relaxed), child.pid as u32);
        assert_ne!(child.pid as u32, std::process::id());
        assert_eq!(process::wait(child.pidfd.as_fd()).unwrap(), Exit::Code(7));
        let returns = clone_in_place(None, &|| {}).unwrap();
        assert_eq!(
            process::wait(returns.pidfd.as_fd()).unwrap(),
            Exit::Code(127)
        );
    }
}
