//! The names that a profile is written with: one table per kind.

use serde::de::{self, Deserialize, Deserializer, Unexpected};
use serde::{Serialize, Serializer};

/// Declares an enum whose values are spelled as the specification spells them.
macro_rules! names {
    ($(#[$meta:meta])* $kind:ident, $what:literal { $($(#[$doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $kind { $($(#[$doc])* $variant,)* }

        impl $kind {
            /// Every value, in the order of the specification.
            pub const ALL: &'static [$kind] = &[$($kind::$variant,)*];

            /// The name that the specification gives it.
            pub const fn name(self) -> &'static str {
                match self { $($kind::$variant => $name,)* }
            }

            /// The value of that name; `None` when the specification has no such name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some($kind::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for $kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl Serialize for $kind {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Name;
                impl de::Visitor<'_> for Name {
                    type Value = $kind;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(concat!("a ", $what, " such as ", names!(@first $($name)*)))
                    }
                    fn visit_str<E: de::Error>(self, name: &str) -> Result<$kind, E> {
                        $kind::from_name(name)
                            .ok_or_else(|| E::invalid_value(Unexpected::Str(name), &self))
                    }
                }
                deserializer.deserialize_str(Name)
            }
        }
    };
    (@first $first:literal $($rest:literal)*) => { $first };
}

names! {
    /// What the kernel does with a call (`action`, `defaultAction`; seccomp(2)).
    Action, "seccomp action" {
        /// Kill the calling thread; an older name of [`Action::KillThread`].
        Kill = "SCMP_ACT_KILL",
        /// Kill the whole process as by an uncatchable SIGSYS.
        KillProcess = "SCMP_ACT_KILL_PROCESS",
        /// Kill the calling thread.
        KillThread = "SCMP_ACT_KILL_THREAD",
        /// Send a catchable SIGSYS.
        Trap = "SCMP_ACT_TRAP",
        /// Fail the call with `errnoRet`.
        Errno = "SCMP_ACT_ERRNO",
        /// Notify a tracer with `errnoRet` as its message; ENOSYS without one.
        Trace = "SCMP_ACT_TRACE",
        /// Let the call through.
        Allow = "SCMP_ACT_ALLOW",
        /// Let the call through and log it.
        Log = "SCMP_ACT_LOG",
        /// Ask the process that holds the listener (seccomp_unotify(2)).
        Notify = "SCMP_ACT_NOTIFY",
    }
}

names! {
    /// How an argument is compared (`op`), always as unsigned 64-bit numbers.
    Operator, "seccomp operator" {
        /// argument != value
        Ne = "SCMP_CMP_NE",
        /// argument < value
        Lt = "SCMP_CMP_LT",
        /// argument <= value
        Le = "SCMP_CMP_LE",
        /// argument == value
        Eq = "SCMP_CMP_EQ",
        /// argument >= value
        Ge = "SCMP_CMP_GE",
        /// argument > value
        Gt = "SCMP_CMP_GT",
        /// argument & value == valueTwo
        MaskedEq = "SCMP_CMP_MASKED_EQ",
    }
}

names! {
    /// A system call interface (`architectures`). One kernel may serve several.
    Arch, "seccomp architecture" {
        /// i386
        X86 = "SCMP_ARCH_X86",
        /// x86-64 with 64-bit pointers
        X86_64 = "SCMP_ARCH_X86_64",
        /// x86-64 with 32-bit pointers
        X32 = "SCMP_ARCH_X32",
        /// 32-bit ARM, EABI
        Arm = "SCMP_ARCH_ARM",
        /// 64-bit ARM
        Aarch64 = "SCMP_ARCH_AARCH64",
        /// 64-bit LoongArch
        Loongarch64 = "SCMP_ARCH_LOONGARCH64",
        /// Motorola 68000
        M68k = "SCMP_ARCH_M68K",
        /// MIPS o32, big endian
        Mips = "SCMP_ARCH_MIPS",
        /// MIPS n64, big endian
        Mips64 = "SCMP_ARCH_MIPS64",
        /// MIPS n32, big endian
        Mips64n32 = "SCMP_ARCH_MIPS64N32",
        /// MIPS o32, little endian
        Mipsel = "SCMP_ARCH_MIPSEL",
        /// MIPS n64, little endian
        Mipsel64 = "SCMP_ARCH_MIPSEL64",
        /// MIPS n32, little endian
        Mipsel64n32 = "SCMP_ARCH_MIPSEL64N32",
        /// 32-bit PA-RISC
        Parisc = "SCMP_ARCH_PARISC",
        /// 64-bit PA-RISC
        Parisc64 = "SCMP_ARCH_PARISC64",
        /// 32-bit PowerPC
        Ppc = "SCMP_ARCH_PPC",
        /// 64-bit PowerPC, big endian
        Ppc64 = "SCMP_ARCH_PPC64",
        /// 64-bit PowerPC, little endian
        Ppc64le = "SCMP_ARCH_PPC64LE",
        /// 64-bit RISC-V
        Riscv64 = "SCMP_ARCH_RISCV64",
        /// 31-bit s390
        S390 = "SCMP_ARCH_S390",
        /// 64-bit s390
        S390x = "SCMP_ARCH_S390X",
        /// SuperH, little endian
        Sh = "SCMP_ARCH_SH",
        /// SuperH, big endian
        Sheb = "SCMP_ARCH_SHEB",
    }
}

names! {
    /// How the filter is installed (`flags`; seccomp(2)).
    Flag, "seccomp flag" {
        /// Give the filter to every thread of the process.
        Tsync = "SECCOMP_FILTER_FLAG_TSYNC",
        /// Log every action but ALLOW.
        Log = "SECCOMP_FILTER_FLAG_LOG",
        /// Do not switch on the Speculative Store Bypass mitigation.
        SpecAllow = "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        /// A notified call that waits for its answer yields to fatal signals only.
        WaitKillableRecv = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
    }
}
