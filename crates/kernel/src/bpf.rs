//! bpf(2), as far as device control of cgroup v2 needs it.

use crate::sys::{check, owned};
use crate::{Errno, Result};
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// One eBPF instruction (`struct bpf_insn`).
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Insn {
    /// Operation code.
    pub code: u8,
    registers: u8,
    /// Offset of a load or a jump.
    pub off: i16,
    /// Constant operand.
    pub imm: i32,
}

impl Insn {
    /// An instruction with the given destination and source register.
    pub const fn new(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> Insn {
        // Two bit fields share one byte; their order follows the byte order of the machine.
        let registers = if cfg!(target_endian = "little") {
            src << 4 | dst
        } else {
            dst << 4 | src
        };
        Insn {
            code,
            registers,
            off,
            imm,
        }
    }

    /// The destination register.
    pub const fn dst(self) -> u8 {
        if cfg!(target_endian = "little") {
            self.registers & 15
        } else {
            self.registers >> 4
        }
    }

    /// The source register.
    pub const fn src(self) -> u8 {
        if cfg!(target_endian = "little") {
            self.registers >> 4
        } else {
            self.registers & 15
        }
    }
}

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_DETACH: libc::c_int = 9;
const PROG_GET_FD_BY_ID: libc::c_int = 13;
const OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const PROG_QUERY: libc::c_int = 16;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
const F_ALLOW_MULTI: u32 = 2;
const F_REPLACE: u32 = 4;

/// `union bpf_attr` of `BPF_PROG_LOAD`, as far as the name.
#[repr(C)]
struct Load {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    name: [u8; 16],
}

/// `union bpf_attr` of `BPF_PROG_ATTACH` and `BPF_PROG_DETACH`.
#[repr(C)]
struct Attach {
    target_fd: u32,
    prog_fd: u32,
    attach_type: u32,
    flags: u32,
    replace_fd: u32,
}

/// `union bpf_attr` of `BPF_PROG_QUERY`, as far as the count.
#[repr(C)]
struct Query {
    target_fd: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    padding: u32,
}

/// `union bpf_attr` of `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
struct GetInfo {
    fd: u32,
    len: u32,
    info: u64,
}

fn bpf<T>(command: libc::c_int, attr: &mut T) -> libc::c_long {
    // SAFETY: attr is one of the structures above, which lay out the part of `union bpf_attr` that `command` uses, and its size is passed.
    unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attr),
            size_of::<T>(),
        )
    }
}

/// Loads a program of type `BPF_PROG_TYPE_CGROUP_DEVICE`. `name`: letters, digits, `_` and `.`, padded with NUL.
///
/// EPERM without CAP_BPF or CAP_SYS_ADMIN in the initial user namespace; before kernel 5.11 also when RLIMIT_MEMLOCK is too small.
pub fn load_device_program(code: &[Insn], name: [u8; 16]) -> Result<OwnedFd> {
    let mut attr = Load {
        prog_type: PROG_TYPE_CGROUP_DEVICE,
        insn_cnt: code.len() as u32,
        insns: code.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buf: 0,
        kern_version: 0,
        prog_flags: 0,
        name,
    };
    // The kernel answers EAGAIN when a signal interrupts the verifier.
    for _ in 0..4 {
        match owned(bpf(PROG_LOAD, &mut attr)) {
            Err(Errno::EAGAIN) => {}
            other => return other,
        }
    }
    owned(bpf(PROG_LOAD, &mut attr))
}

/// Attaches a device program to a cgroup beside those that are there (every one must allow an access). With `replace` it takes the place of
/// that program in one step (kernel 5.6).
pub fn attach_device_program(
    cgroup: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    replace: Option<BorrowedFd<'_>>,
) -> Result<()> {
    let mut attr = Attach {
        target_fd: cgroup.as_raw_fd() as u32,
        prog_fd: program.as_raw_fd() as u32,
        attach_type: ATTACH_CGROUP_DEVICE,
        flags: F_ALLOW_MULTI | if replace.is_some() { F_REPLACE } else { 0 },
        replace_fd: replace.map_or(0, |r| r.as_raw_fd() as u32),
    };
    check(bpf(PROG_ATTACH, &mut attr)).map(drop)
}

/// Detaches a device program from a cgroup.
pub fn detach_device_program(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<()> {
    let mut attr = Attach {
        target_fd: cgroup.as_raw_fd() as u32,
        prog_fd: program.as_raw_fd() as u32,
        attach_type: ATTACH_CGROUP_DEVICE,
        flags: 0,
        replace_fd: 0,
    };
    check(bpf(PROG_DETACH, &mut attr)).map(drop)
}

/// Fills `ids` with the ids of the device programs that are attached to this very cgroup and returns how many they are. ENOSPC when `ids`
/// is too short (the kernel allows 64).
pub fn query_device_programs(cgroup: BorrowedFd<'_>, ids: &mut [u32]) -> Result<usize> {
    let mut attr = Query {
        target_fd: cgroup.as_raw_fd() as u32,
        attach_type: ATTACH_CGROUP_DEVICE,
        query_flags: 0,
        attach_flags: 0,
        ids: ids.as_mut_ptr() as u64,
        count: ids.len() as u32,
        padding: 0,
    };
    check(bpf(PROG_QUERY, &mut attr))?;
    Ok((attr.count as usize).min(ids.len()))
}

/// A descriptor of the program with this id. Needs CAP_SYS_ADMIN.
pub fn program_by_id(id: u32) -> Result<OwnedFd> {
    let mut attr = [id, 0, 0];
    owned(bpf(PROG_GET_FD_BY_ID, &mut attr))
}

/// The name that a program was loaded with, padded with NUL.
pub fn program_name(program: BorrowedFd<'_>) -> Result<[u8; 16]> {
    // `struct bpf_prog_info` as far as the name, which follows 64 bytes of numbers.
    let mut info = [0u8; 80];
    let mut attr = GetInfo {
        fd: program.as_raw_fd() as u32,
        len: info.len() as u32,
        info: info.as_mut_ptr() as u64,
    };
    check(bpf(OBJ_GET_INFO_BY_FD, &mut attr))?;
    let mut name = [0; 16];
    name.copy_from_slice(&info[64..]);
    Ok(name)
}
