//! System call names and numbers of every architecture, packed by `build.rs`.

use crate::Arch;

include!(concat!(env!("OUT_DIR"), "/tables.rs"));

const ABSENT: u16 = 0xffff;
/// `__X32_SYSCALL_BIT` (asm/unistd.h): x32 shares its architecture value with
/// x86-64, this bit of the number tells them apart.
pub(crate) const X32_BIT: u32 = 0x4000_0000;

/// How many of the next names are looked at before the whole table is searched.
const NEAR: usize = 4;

/// A name that some architecture knows, as an index into the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name(u16);

impl Name {
    /// Finds a name; `None` when no architecture has such a call.
    pub fn find(name: &str) -> Option<Self> {
        let initial = usize::from(*name.as_bytes().first()?);
        let mut low = usize::from(*INITIALS.get(initial)?);
        let mut high = usize::from(*INITIALS.get(initial + 1)?);
        while low < high {
            let middle = usize::midpoint(low, high);
            match text(middle).cmp(name) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Some(Self(middle as u16)),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// The same where names come in alphabetical order, as they mostly do: what is looked for is one of the next few.
    pub fn find_after(last: Option<Self>, name: &str) -> Option<Self> {
        if let Some(Self(last)) = last {
            let next = usize::from(last) + 1;
            let near = next..(next + NEAR).min(STARTS.len() - 1);
            if let Some(found) = near.into_iter().find(|&at| text(at) == name) {
                return Some(Self(found as u16));
            }
        }
        Self::find(name)
    }

    /// The number of the call on `arch`; `None` when it lacks the call.
    pub fn number(self, arch: Arch) -> Option<u32> {
        let number = column(arch)[usize::from(self.0)];
        if number == ABSENT {
            return None;
        }
        Some(match arch {
            Arch::X32 => u32::from(number) | X32_BIT,
            Arch::Arm if number >= 0xf000 => 0xf_0000 | u32::from(number & 0xfff),
            _ => u32::from(number),
        })
    }
}

/// The name of call `number` on `arch`; `None` when the tables lack it.
pub fn name(arch: Arch, number: u32) -> Option<&'static str> {
    (0..STARTS.len() - 1)
        .find(|&index| Name(index as u16).number(arch) == Some(number))
        .map(text)
}

/// The number of the call `name` on `arch`, bit 30 included for x32; `None`
/// when that architecture lacks the call.
pub fn number(arch: Arch, name: &str) -> Option<u32> {
    Name::find(name)?.number(arch)
}

fn text(index: usize) -> &'static str {
    &NAMES[usize::from(STARTS[index])..usize::from(STARTS[index + 1])]
}

fn column(arch: Arch) -> &'static [u16] {
    match arch {
        Arch::X86 => &X86,
        Arch::X86_64 => &X86_64,
        Arch::X32 => &X32,
        Arch::Arm => &ARM,
        Arch::Aarch64 => &AARCH64,
        Arch::Loongarch64 => &LOONGARCH64,
        Arch::M68k => &M68K,
        Arch::Mips | Arch::Mipsel => &MIPS,
        Arch::Mips64 | Arch::Mipsel64 => &MIPS64,
        Arch::Mips64n32 | Arch::Mipsel64n32 => &MIPS64N32,
        Arch::Parisc => &PARISC,
        Arch::Parisc64 => &PARISC64,
        Arch::Ppc => &PPC,
        Arch::Ppc64 | Arch::Ppc64le => &PPC64,
        Arch::Riscv64 => &RISCV64,
        Arch::S390 => &S390,
        Arch::S390x => &S390X,
        Arch::Sh | Arch::Sheb => &SH,
    }
}
