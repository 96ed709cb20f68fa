//! Processes: clone3, pidfds, namespaces, signals, waiting.

use crate::sys::{check, known, owned};
use crate::{Errno, Result};
use std::cell::Cell;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

pub use libc::{
    CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER,
    CLONE_NEWUTS, CLONE_PARENT,
};
/// A new time namespace (time_namespaces(7)); only clone3 and unshare take it.
pub const CLONE_NEWTIME: i32 = 0x80;

/// linux/magic.h.
const PID_FS_MAGIC: i64 = 0x5049_4446;

/// What a new process shares and where it is born.
#[derive(Clone, Copy, Debug, Default)]
pub struct CloneArgs<'a> {
    /// `CLONE_NEW*` bits and `CLONE_PARENT`.
    pub flags: i32,
    /// The cgroup v2 directory to be born in (`CLONE_INTO_CGROUP`, kernel 5.7).
    pub cgroup: Option<BorrowedFd<'a>>,
}

impl CloneArgs<'_> {
    /// For clone3(2), with a pidfd that goes where `pidfd` points.
    pub(crate) fn to_kernel(self, pidfd: *mut RawFd) -> libc::clone_args {
        const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
        // SAFETY: clone_args is plain integers, for which zero is a valid value.
        let mut raw: libc::clone_args = unsafe { std::mem::zeroed() };
        raw.flags = self.flags as u32 as u64 | libc::CLONE_PIDFD as u64;
        raw.pidfd = pidfd as u64;
        // With CLONE_PARENT the signal is inherited, and giving one is an error (clone(2)).
        if self.flags & CLONE_PARENT == 0 {
            raw.exit_signal = libc::SIGCHLD as u64;
        }
        if let Some(cgroup) = self.cgroup {
            raw.flags |= CLONE_INTO_CGROUP;
            raw.cgroup = cgroup.as_raw_fd() as u64;
        }
        raw
    }
}

/// A child process and the descriptor that keeps naming it, whatever becomes of its number.
#[derive(Debug)]
pub struct Child {
    /// The number, as the caller's pid namespace sees it.
    pub pid: i32,
    /// The pidfd (pidfd_open(2)).
    pub pidfd: OwnedFd,
}

thread_local! {
    pub(crate) static CLONED: Cell<bool> = const { Cell::new(false) };
}

/// Whether this process was made by [`clone`] or [`crate::in_place::clone_in_place`].
pub fn is_cloned() -> bool {
    CLONED.get()
}

/// clone3(2) without shared memory, like fork: `child` runs in the new process, which exits with 127 if it returns. The parent gets the child.
///
/// Where a seccomp filter withholds clone3, because it cannot look into its argument, the older clone(2) does the same.
///
/// `child` starts with a copy of this thread only. Another thread may have held the allocator's lock at that moment, so when this process is
/// threaded `child` must neither allocate nor take locks.
pub fn clone(args: CloneArgs<'_>, child: impl FnOnce()) -> Result<Child> {
    let mut pidfd: RawFd = -1;
    let raw = args.to_kernel(&mut pidfd);
    // SAFETY: raw is a live clone_args of the size passed, or the size is 0, which is refused at once. CLONE_VM is not among the flags that callers can set
    // through the constants above, so the child runs on its own copy of this stack and memory, as after fork.
    let clone3 = |size: usize| unsafe { libc::syscall(libc::SYS_clone3, &raw, size) };
    let result = match known(check(clone3(size_of::<libc::clone_args>())), || clone3(0)) {
        Err(Errno::ENOSYS) => match args.cgroup {
            None => clone2(args.flags, &mut pidfd),
            Some(cgroup) => clone_by_way_of(cgroup, args.flags, &mut pidfd),
        },
        other => other,
    };
    match result? {
        0 => {
            CLONED.set(true);
            child();
            exit(127)
        }
        pid => {
            // SAFETY: the kernel stored a new descriptor in pidfd, owned by nobody else.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Child {
                pid: pid as i32,
                pidfd,
            })
        }
    }
}

/// clone(2), whose flags share their lowest byte with the signal.
fn clone2(flags: i32, pidfd: &mut RawFd) -> Result<usize> {
    if flags & 0xff != 0 {
        return Err(Errno::ENOSYS);
    }
    let flags = flags as u32 as u64 | libc::CLONE_PIDFD as u64 | libc::SIGCHLD as u64;
    let null = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: no CLONE_VM, as in `clone`, so a null stack means a copy of this one. The third argument is where CLONE_PIDFD puts the descriptor; the last
    // two, whose order differs between architectures, are not used without their flags.
    check(unsafe { libc::syscall(libc::SYS_clone, flags, null, pidfd, null, null) })
}

/// clone(2) has no `CLONE_INTO_CGROUP`: a process that lives for a moment enters the cgroup and makes the child there, as its sibling. It shares the descriptor
/// table, so the child's pidfd is the caller's too.
fn clone_by_way_of(cgroup: BorrowedFd<'_>, flags: i32, pidfd: &mut RawFd) -> Result<usize> {
    let (read_end, write_end) = crate::io::pipe()?;
    let mut own_pidfd: RawFd = -1;
    if clone2(libc::CLONE_FILES, &mut own_pidfd)? == 0 {
        let path = c"cgroup.procs";
        let made = crate::file::openat(cgroup, path, libc::O_WRONLY, 0)
            .and_then(|procs| crate::io::write_all(procs.as_fd(), b"0"))
            .and_then(|()| clone2(flags | CLONE_PARENT, pidfd));
        if made == Ok(0) {
            return made;
        }
        let answer = made.map_or_else(|errno| -errno.0, |pid| pid as i32);
        let mut message = [0; 8];
        message[..4].copy_from_slice(&answer.to_ne_bytes());
        message[4..].copy_from_slice(&pidfd.to_ne_bytes());
        let _ = crate::io::write_all(write_end.as_fd(), &message);
        exit(0)
    }
    // SAFETY: the kernel stored a new descriptor there, owned by nobody else.
    wait(unsafe { OwnedFd::from_raw_fd(own_pidfd) }.as_fd())?;
    drop(write_end);
    let mut message = [0; 8];
    if crate::io::read(read_end.as_fd(), &mut message)? < message.len() {
        return Err(Errno::EIO);
    }
    let number = |at: usize| i32::from_ne_bytes([0, 1, 2, 3].map(|i| message[at + i]));
    *pidfd = number(4);
    match number(0) {
        pid @ 1.. => Ok(pid as usize),
        errno => Err(Errno(-errno)),
    }
}

/// Lets go of the memory that the program's own code and constants are in; what is touched again comes back from the file (madvise(2),
/// `MADV_DONTNEED`). For a process that waits, maybe for long. A failure loses nothing.
pub fn release_text() {
    // The linker's own names for where the program begins, and where its code ends (man 3 end).
    unsafe extern "C" {
        static __ehdr_start: u8;
        static etext: u8;
    }
    const PAGE: usize = 4096;
    let (start, end) = (&raw const __ehdr_start, &raw const etext);
    let length = (end as usize - start as usize) & !(PAGE - 1);
    // SAFETY: between the two lie only read-only mappings of the program's file that nothing has written to: position-independent code has
    // no relocations there.
    unsafe {
        libc::madvise(start.cast_mut().cast(), length, libc::MADV_DONTNEED);
    }
}

/// Ends the process at once: no destructors, no flushing (exit_group(2)).
pub fn exit(code: i32) -> ! {
    // SAFETY: does not return.
    unsafe { libc::_exit(code) }
}

/// pidfd_open(2).
pub fn pidfd_open(pid: i32) -> Result<OwnedFd> {
    // SAFETY: no memory is passed.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })
}

/// The inode of a pidfd, if it is another one for every process since boot (pidfs, kernel 6.9) and not one for all pidfds.
pub fn pidfd_inode(pidfd: BorrowedFd<'_>) -> Result<Option<u64>> {
    #[allow(clippy::unnecessary_cast)] // the type of f_type differs between architectures
    let is_pidfs = |st: libc::statfs| st.f_type as i64 == PID_FS_MAGIC;
    // Where a filter withholds the question, the answer is no.
    if !crate::file::fstatfs(pidfd).is_ok_and(is_pidfs) {
        return Ok(None);
    }
    Ok(Some(crate::file::fstat(pidfd)?.st_ino))
}

/// pidfd_send_signal(2). Signal 0 only asks whether the process is there.
pub fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> Result<()> {
    let info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo means an ordinary kill.
    check(unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            info,
            0,
        )
    })
    .map(drop)
}

/// kill(2). A negative pid names a process group.
pub fn kill(pid: i32, signal: i32) -> Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::syscall(libc::SYS_kill, pid, signal) }).map(drop)
}

/// pidfd_getfd(2): a duplicate of descriptor `number` of another process.
pub fn pidfd_getfd(pidfd: BorrowedFd<'_>, number: RawFd) -> Result<OwnedFd> {
    // SAFETY: no memory is passed.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0) })
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this exit code.
    Code(i32),
    /// Killed by this signal.
    Signal(i32),
}

impl Exit {
    /// The shell's single number: the code, or 128 + the signal.
    pub fn status(self) -> i32 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
        }
    }
}

/// Waits for a child of ours to end and reaps it (waitid(2), `P_PIDFD`).
pub fn wait(pidfd: BorrowedFd<'_>) -> Result<Exit> {
    loop {
        match waitid(libc::P_PIDFD, pidfd.as_raw_fd() as u32, libc::WEXITED) {
            Ok(Some((_, exit))) => return Ok(exit),
            Ok(None) | Err(Errno::EINTR) => {}
            Err(e) => return Err(e),
        }
    }
}

fn waitid(kind: libc::idtype_t, id: u32, options: i32) -> Result<Option<(i32, Exit)>> {
    // SAFETY: siginfo_t is plain data, for which zero is a valid value.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let usage = std::ptr::null_mut::<libc::rusage>();
    // __WALL: a child that a stage process made with CLONE_PARENT counts too.
    // SAFETY: info is writable; a null rusage is allowed.
    check(unsafe {
        libc::syscall(
            libc::SYS_waitid,
            kind,
            id,
            &mut info,
            options | libc::__WALL,
            usage,
        )
    })?;
    // SAFETY: waitid filled info as for SIGCHLD, or left it zero when WNOHANG found nothing.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    if pid == 0 {
        return Ok(None);
    }
    let exit = if info.si_code == libc::CLD_EXITED {
        Exit::Code(status)
    } else {
        Exit::Signal(status)
    };
    Ok(Some((pid, exit)))
}

/// setns(2): `fd` is a namespace file or a pidfd; `kinds` are `CLONE_NEW*` bits.
pub fn setns(fd: BorrowedFd<'_>, kinds: i32) -> Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::syscall(libc::SYS_setns, fd.as_raw_fd(), kinds) }).map(drop)
}

/// unshare(2).
pub fn unshare(kinds: i32) -> Result<()> {
    // SAFETY: no memory is passed, and only namespaces are unshared.
    check(unsafe { libc::syscall(libc::SYS_unshare, kinds) }).map(drop)
}

/// The calling process' number in its own pid namespace.
pub fn getpid() -> i32 {
    // SAFETY: always succeeds.
    unsafe { libc::syscall(libc::SYS_getpid) as i32 }
}

/// setsid(2).
pub fn setsid() -> Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::syscall(libc::SYS_setsid) }).map(drop)
}

/// setpgid(0, 0): the caller leads a process group of its own.
pub fn lead_group() -> Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::syscall(libc::SYS_setpgid, 0, 0) }).map(drop)
}

/// umask(2); the old mask.
pub fn umask(mask: u32) -> u32 {
    // SAFETY: always succeeds.
    unsafe { libc::syscall(libc::SYS_umask, mask) as u32 }
}

/// A prctl(2) that takes up to two numbers.
fn prctl(option: i32, a: u64, b: u64) -> Result<usize> {
    // SAFETY: only called below, with options whose arguments are numbers.
    check(unsafe { libc::syscall(libc::SYS_prctl, option, a, b, 0u64, 0u64) })
}

/// Whether others may trace this process and look into its /proc files (`PR_SET_DUMPABLE`).
pub fn set_dumpable(dumpable: bool) -> Result<()> {
    prctl(libc::PR_SET_DUMPABLE, u64::from(dumpable), 0).map(drop)
}

/// The signal that this process gets when its parent thread ends (`PR_SET_PDEATHSIG`); 0 for none.
pub fn set_parent_death_signal(signal: i32) -> Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, signal as u64, 0).map(drop)
}

/// Makes orphaned descendants children of this process (`PR_SET_CHILD_SUBREAPER`).
pub fn set_subreaper(on: bool) -> Result<()> {
    prctl(libc::PR_SET_CHILD_SUBREAPER, u64::from(on), 0).map(drop)
}

/// `PR_SET_NO_NEW_PRIVS`: from now on no execve gains privileges.
pub fn set_no_new_privs() -> Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0).map(drop)
}

/// sethostname(2) in the current UTS namespace.
pub fn set_hostname(name: &[u8]) -> Result<()> {
    // SAFETY: name is readable for its length.
    check(unsafe { libc::syscall(libc::SYS_sethostname, name.as_ptr(), name.len()) }).map(drop)
}

/// setdomainname(2) in the current UTS namespace.
pub fn set_domainname(name: &[u8]) -> Result<()> {
    // SAFETY: name is readable for its length.
    check(unsafe { libc::syscall(libc::SYS_setdomainname, name.as_ptr(), name.len()) }).map(drop)
}

/// A soft and a hard limit (getrlimit(2)); `u64::MAX` is infinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is enforced.
    pub soft: u64,
    /// How far the soft limit may be raised.
    pub hard: u64,
}

/// prlimit(2): the limit that `pid` (0: the caller) had, after setting `new` if given.
pub fn prlimit(pid: i32, resource: u32, new: Option<Limit>) -> Result<Limit> {
    let new = new.map(|l| libc::rlimit64 {
        rlim_cur: l.soft,
        rlim_max: l.hard,
    });
    let new_ptr = new.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let mut old = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: new_ptr is null or points to a live rlimit64; old is writable.
    check(unsafe { libc::syscall(libc::SYS_prlimit64, pid, resource, new_ptr, &mut old) })?;
    Ok(Limit {
        soft: old.rlim_cur,
        hard: old.rlim_max,
    })
}

/// Sets the calling thread's mask of blocked signals; the old mask.
pub fn set_signal_mask(mask: SignalSet) -> Result<SignalSet> {
    let mut old = SignalSet::empty();
    // SAFETY: both sets are 8 bytes, the size passed and the size of the kernel's sigset_t.
    check(unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &mask.0,
            &mut old.0,
            size_of::<u64>(),
        )
    })?;
    Ok(old)
}

/// A set of signals as the kernel keeps it: bit n-1 is signal n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalSet(pub u64);

impl SignalSet {
    /// No signal.
    pub fn empty() -> SignalSet {
        SignalSet(0)
    }
    /// Every signal.
    pub fn all() -> SignalSet {
        SignalSet(!0)
    }
}

/// signalfd4(2) for the signals in `mask`, which must be blocked; close-on-exec, non-blocking.
pub fn signalfd(mask: SignalSet) -> Result<OwnedFd> {
    let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
    // SAFETY: the set is 8 bytes, the size passed.
    owned(unsafe { libc::syscall(libc::SYS_signalfd4, -1, &mask.0, size_of::<u64>(), flags) })
}

/// The number of the next signal of a signalfd; `None` when there is none.
pub fn next_signal(fd: BorrowedFd<'_>) -> Result<Option<i32>> {
    let mut buf = [0u8; size_of::<libc::signalfd_siginfo>()];
    match crate::io::read(fd, &mut buf) {
        // ssi_signo is the first field, a u32.
        Ok(_) => Ok(Some(
            u32::from_ne_bytes([buf[0], buf[1], buf[2], buf[3]]) as i32
        )),
        Err(Errno::EAGAIN) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Sets the signals that are in `mask` (bit n - 1 is signal n) back to their default action, but for the two that are the C library's own. execve resets
/// handlers by itself, but what is ignored stays ignored (signal(7)).
pub fn default_signals(mut mask: u64) {
    while mask != 0 {
        let n = mask.trailing_zeros() as i32;
        // SAFETY: installs the default action. SIGKILL and SIGSTOP cannot be ignored; for them, and for those of the C library, the call fails.
        unsafe { libc::signal(n + 1, libc::SIG_DFL) };
        mask &= mask - 1;
    }
}

/// Which kind of namespace a file is, as its `CLONE_NEW*` flag (ioctl_ns(2), `NS_GET_NSTYPE`). ENOTTY for other files.
pub fn namespace_kind(fd: BorrowedFd<'_>) -> Result<i32> {
    const NS_GET_NSTYPE: libc::c_ulong = 0xb703;
    // SAFETY: takes no argument.
    check(unsafe { libc::syscall(libc::SYS_ioctl, fd.as_raw_fd(), NS_GET_NSTYPE) })
        .map(|n| n as i32)
}

/// The number of one ended child, whichever, which stays to be reaped.
pub fn peek_any() -> Result<Option<i32>> {
    Ok(waitid(
        libc::P_ALL,
        0,
        libc::WEXITED | libc::WNOHANG | libc::WNOWAIT,
    )?
    .map(|(pid, _)| pid))
}

/// Reaps an ended child by its number.
pub fn reap(pid: i32) -> Result<()> {
    waitid(libc::P_PID, pid as u32, libc::WEXITED | libc::WNOHANG).map(drop)
}
