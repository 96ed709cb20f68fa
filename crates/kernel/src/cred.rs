//! Credentials: ids, groups, capabilities.
//!
//! The raw calls, not libc's: glibc's wrappers signal every thread of the process, which after clone does not exist.

use crate::Result;
use crate::sys::check;

/// setresuid(2) with all three the same.
pub fn set_uid(uid: u32) -> Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) }).map(drop)
}

/// setresgid(2) with all three the same.
pub fn set_gid(gid: u32) -> Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) }).map(drop)
}

/// setgroups(2): exactly these.
pub fn set_groups(groups: &[u32]) -> Result<()> {
    // SAFETY: groups is readable for its length.
    check(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) }).map(drop)
}

/// The effective user id.
pub fn euid() -> u32 {
    // SAFETY: always succeeds.
    unsafe { libc::geteuid() }
}

/// The effective user and group id with which this program was executed (getauxval(3)): of processes that have not changed them since.
pub fn initial_ids() -> (u32, u32) {
    // SAFETY: always succeeds.
    unsafe {
        (
            libc::getauxval(libc::AT_EUID) as u32,
            libc::getauxval(libc::AT_EGID) as u32,
        )
    }
}

/// The three capability sets of a thread as masks: bit n is capability n (capabilities(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapSets {
    /// What permission checks use.
    pub effective: u64,
    /// What may be made effective.
    pub permitted: u64,
    /// What is kept across execve together with a file's inheritable set.
    pub inheritable: u64,
}

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

const VERSION_3: u32 = 0x2008_0522;

/// capset(2) for the calling thread.
pub fn capset(sets: CapSets) -> Result<()> {
    let mut header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let half = |shift: u32| Data {
        effective: (sets.effective >> shift) as u32,
        permitted: (sets.permitted >> shift) as u32,
        inheritable: (sets.inheritable >> shift) as u32,
    };
    let data = [half(0), half(32)];
    // SAFETY: version 3 takes a header and two data elements, both live.
    check(unsafe { libc::syscall(libc::SYS_capset, &mut header, data.as_ptr()) }).map(drop)
}

/// capget(2) of the calling thread.
pub fn capget() -> Result<CapSets> {
    let mut header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let mut data = [Data::default(); 2];
    // SAFETY: version 3 fills two data elements.
    check(unsafe { libc::syscall(libc::SYS_capget, &mut header, data.as_mut_ptr()) })?;
    let join = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    Ok(CapSets {
        effective: join(data[0].effective, data[1].effective),
        permitted: join(data[0].permitted, data[1].permitted),
        inheritable: join(data[0].inheritable, data[1].inheritable),
    })
}

fn prctl(option: i32, a: u64, b: u64) -> Result<usize> {
    // SAFETY: only called below, with options whose arguments are numbers.
    check(unsafe { libc::syscall(libc::SYS_prctl, option, a, b, 0u64, 0u64) })
}

/// Drops a capability from the bounding set; EINVAL for a number that this kernel does not have.
pub fn drop_bounding(cap: u32) -> Result<()> {
    prctl(libc::PR_CAPBSET_DROP, u64::from(cap), 0).map(drop)
}

/// Whether the permitted set survives the change from uid 0 to another (`PR_SET_KEEPCAPS`).
pub fn set_keep_caps(keep: bool) -> Result<()> {
    prctl(libc::PR_SET_KEEPCAPS, u64::from(keep), 0).map(drop)
}

/// The thread's secure bits, which change what capabilities mean (capabilities(7)); 0 is how a system starts.
pub fn secure_bits() -> Result<u32> {
    prctl(libc::PR_GET_SECUREBITS, 0, 0).map(|bits| bits as u32)
}

/// Sets them; EPERM without CAP_SETPCAP, or where one that changes is locked.
pub fn set_secure_bits(bits: u32) -> Result<()> {
    prctl(libc::PR_SET_SECUREBITS, u64::from(bits), 0).map(drop)
}

/// Empties the ambient set.
pub fn clear_ambient() -> Result<()> {
    prctl(
        libc::PR_CAP_AMBIENT,
        libc::PR_CAP_AMBIENT_CLEAR_ALL as u64,
        0,
    )
    .map(drop)
}

/// Adds a capability, which must be permitted and inheritable, to the ambient set.
pub fn raise_ambient(cap: u32) -> Result<()> {
    prctl(
        libc::PR_CAP_AMBIENT,
        libc::PR_CAP_AMBIENT_RAISE as u64,
        u64::from(cap),
    )
    .map(drop)
}
