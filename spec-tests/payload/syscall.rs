//! The raw system call, and the numbers the payload uses. The payload makes calls that no library should
//! smooth over: what it reports is the kernel's own answer, errno included.

use std::ffi::CString;

unsafe extern "C" {
    fn syscall(number: i64, ...) -> i64;
}

/// Makes system call `number`; the error is the errno.
pub fn call(number: i64, args: &[usize]) -> Result<usize, i32> {
    let mut a = [0usize; 6];
    a[..args.len()].copy_from_slice(args);
    // SAFETY: the payload is single-threaded, and every pointer in `args` comes from a buffer or a CString that
    // the caller keeps alive across this call and that is as large as the call may write.
    let ret = unsafe { syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]) };
    if ret == -1 {
        Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
    } else {
        Ok(ret as usize)
    }
}

/// A C string for a call; an inner NUL ends the payload, since no test can mean it.
pub fn c(text: &str) -> CString {
    CString::new(text).expect("no NUL in an argument")
}

macro_rules! numbers {
    ($($name:ident $x86:literal $arm:literal)*) => {
        $(#[cfg(target_arch = "x86_64")] pub const $name: i64 = $x86;
          #[cfg(target_arch = "aarch64")] pub const $name: i64 = $arm;)*
    };
}

/// mkdir(2), which newer architectures have only as mkdirat.
#[cfg(target_arch = "x86_64")]
pub const MKDIR: i64 = 83;
#[cfg(not(target_arch = "x86_64"))]
pub const MKDIR: i64 = -2;

// name, x86_64, aarch64
numbers! {
    IOCTL 16 29
    OPENAT 257 56
    CLOSE_RANGE 436 436
    SETSID 112 157
    PTRACE 101 117
    KILL 62 129
    SETUID 105 146
    SETGID 106 144
    PERSONALITY 135 92
    CHROOT 161 51
    SETHOSTNAME 170 161
    MKNODAT 259 33
    MOUNT 165 40
    UMOUNT 166 39
    UNSHARE 272 97
    GETSID 124 156
    GETPGID 121 155
    RT_SIGPROCMASK 14 135
    RT_SIGTIMEDWAIT 128 137
    IOPRIO_GET 252 31
    GET_MEMPOLICY 239 236
    SCHED_GETATTR 315 275
    KEYCTL 250 219
    CLONE 56 220
    WAIT4 61 260
    SOCKET 41 198
    FCHMODAT 268 53
    FCHOWNAT 260 54
    MKDIRAT 258 34
    SETNS 308 268
    SECCOMP 317 277
    FCNTL 72 25
    OPEN_TREE 428 428
    MOUNT_SETATTR 442 442
}
