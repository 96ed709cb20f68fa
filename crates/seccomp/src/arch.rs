//! What distinguishes one system call interface from another.

use crate::Arch;
use crate::table::Name;

/// The machine that will run the filter, named by its own interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target(pub Arch);

impl Target {
    /// The machine that this code is built for.
    pub const fn native() -> Self {
        Self(NATIVE)
    }

    /// Whether a kernel of this machine may see calls of `arch`.
    pub fn serves(self, arch: Arch) -> bool {
        self.0.family() == arch.family()
    }
}

macro_rules! native {
    ($($condition:meta => $arch:ident,)*) => {
        $(#[cfg($condition)] const NATIVE: Arch = Arch::$arch;)*
        #[cfg(not(any($($condition),*)))]
        compile_error!("runtime-spec names no seccomp architecture for this target");
    };
}

native! {
    target_arch = "x86" => X86,
    all(target_arch = "x86_64", target_pointer_width = "64") => X86_64,
    all(target_arch = "x86_64", target_pointer_width = "32") => X32,
    target_arch = "arm" => Arm,
    all(target_arch = "aarch64", target_endian = "little") => Aarch64,
    target_arch = "loongarch64" => Loongarch64,
    target_arch = "m68k" => M68k,
    all(target_arch = "mips", target_endian = "big") => Mips,
    all(target_arch = "mips", target_endian = "little") => Mipsel,
    all(target_arch = "mips64", target_endian = "big") => Mips64,
    all(target_arch = "mips64", target_endian = "little") => Mipsel64,
    all(target_arch = "powerpc", target_endian = "big") => Ppc,
    all(target_arch = "powerpc64", target_endian = "big") => Ppc64,
    all(target_arch = "powerpc64", target_endian = "little") => Ppc64le,
    target_arch = "riscv64" => Riscv64,
    target_arch = "s390x" => S390x,
}

impl Arch {
    /// `AUDIT_ARCH_*` (linux/audit.h): what the filter finds in
    /// `seccomp_data.arch`. X32 shares the value of X86_64.
    pub const fn audit(self) -> u32 {
        match self {
            Arch::X86 => 0x4000_0003,
            Arch::X86_64 | Arch::X32 => 0xc000_003e,
            Arch::Arm => 0x4000_0028,
            Arch::Aarch64 => 0xc000_00b7,
            Arch::Loongarch64 => 0xc000_0102,
            Arch::M68k => 0x0000_0004,
            Arch::Mips => 0x0000_0008,
            Arch::Mips64 => 0x8000_0008,
            Arch::Mips64n32 => 0xa000_0008,
            Arch::Mipsel => 0x4000_0008,
            Arch::Mipsel64 => 0xc000_0008,
            Arch::Mipsel64n32 => 0xe000_0008,
            Arch::Parisc => 0x0000_000f,
            Arch::Parisc64 => 0x8000_000f,
            Arch::Ppc => 0x0000_0014,
            Arch::Ppc64 => 0x8000_0015,
            Arch::Ppc64le => 0xc000_0015,
            Arch::Riscv64 => 0xc000_00f3,
            Arch::S390 => 0x0000_0016,
            Arch::S390x => 0x8000_0016,
            Arch::Sh => 0x4000_002a,
            Arch::Sheb => 0x0000_002a,
        }
    }

    /// Whether the high half of a 64-bit argument comes first in memory.
    /// `__AUDIT_ARCH_LE` is bit 30 of the audit value.
    pub const fn is_big_endian(self) -> bool {
        self.audit() & 0x4000_0000 == 0
    }

    /// Whether registers are 32 bits wide. libseccomp counts x32 and n32 among
    /// these and compares the low half of an argument only; so do we.
    pub const fn is_32_bit(self) -> bool {
        // __AUDIT_ARCH_64BIT is bit 31, __AUDIT_ARCH_CONVENTION_MIPS64_N32 bit 29.
        self.audit() & 0x8000_0000 == 0
            || self.audit() & 0x2000_0000 != 0
            || matches!(self, Arch::X32)
    }

    /// One member stands for all interfaces that one kernel may serve.
    const fn family(self) -> u32 {
        (match self {
            Arch::X86 | Arch::X86_64 | Arch::X32 => Arch::X86_64,
            Arch::Arm | Arch::Aarch64 => Arch::Aarch64,
            Arch::Mips | Arch::Mips64 | Arch::Mips64n32 => Arch::Mips64,
            Arch::Mipsel | Arch::Mipsel64 | Arch::Mipsel64n32 => Arch::Mipsel64,
            Arch::Parisc | Arch::Parisc64 => Arch::Parisc64,
            Arch::Ppc | Arch::Ppc64 => Arch::Ppc64,
            Arch::S390 | Arch::S390x => Arch::S390x,
            alone => alone,
        })
        .audit()
    }

    /// The older way to make this call, on interfaces that bundle the socket
    /// calls into socketcall(2) and those of System V IPC into ipc(2): the
    /// bundling call and the value of its first argument.
    pub(crate) fn bundled(self, name: &str) -> Option<(u32, u8)> {
        let bundles = matches!(
            self,
            Arch::X86
                | Arch::M68k
                | Arch::Mips
                | Arch::Mipsel
                | Arch::Ppc
                | Arch::Ppc64
                | Arch::Ppc64le
                | Arch::S390
                | Arch::S390x
                | Arch::Sh
                | Arch::Sheb
        );
        if !bundles {
            return None;
        }
        let (call, selector) = selector(name)?;
        Some((Name::find(call)?.number(self)?, selector))
    }
}

/// `SYS_*` (linux/net.h) and the calls of linux/ipc.h.
fn selector(name: &str) -> Option<(&'static str, u8)> {
    Some(match name {
        "socket" => ("socketcall", 1),
        "bind" => ("socketcall", 2),
        "connect" => ("socketcall", 3),
        "listen" => ("socketcall", 4),
        "accept" => ("socketcall", 5),
        "getsockname" => ("socketcall", 6),
        "getpeername" => ("socketcall", 7),
        "socketpair" => ("socketcall", 8),
        "send" => ("socketcall", 9),
        "recv" => ("socketcall", 10),
        "sendto" => ("socketcall", 11),
        "recvfrom" => ("socketcall", 12),
        "shutdown" => ("socketcall", 13),
        "setsockopt" => ("socketcall", 14),
        "getsockopt" => ("socketcall", 15),
        "sendmsg" => ("socketcall", 16),
        "recvmsg" => ("socketcall", 17),
        "accept4" => ("socketcall", 18),
        "recvmmsg" => ("socketcall", 19),
        "sendmmsg" => ("socketcall", 20),
        "semop" => ("ipc", 1),
        "semget" => ("ipc", 2),
        "semctl" => ("ipc", 3),
        "semtimedop" => ("ipc", 4),
        "msgsnd" => ("ipc", 11),
        "msgrcv" => ("ipc", 12),
        "msgget" => ("ipc", 13),
        "msgctl" => ("ipc", 14),
        "shmat" => ("ipc", 21),
        "shmdt" => ("ipc", 22),
        "shmget" => ("ipc", 23),
        "shmctl" => ("ipc", 24),
        _ => return None,
    })
}
