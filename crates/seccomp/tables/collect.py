#!/usr/bin/env python3
"""Collects system call numbers into syscalls.tsv, one line per name.

    collect.py RAW_SYS HEADERS > syscalls.tsv

RAW_SYS is the unpacked crate linux-raw-sys (constants generated from the
kernel's headers). HEADERS is a directory into which Debian's packages
linux-libc-dev-{mips64,hppa,s390x,sh4}-cross were unpacked, for the
architectures that the crate lacks. libseccomp.so.2 gives the names by which
profiles know a call when these differ from the header's; when it is not
installed they are left out.

A number is a fact of the kernel's interface: it never changes, calls are only
added. Since Linux 5.1 new calls have one number (plus the base of the
interface) everywhere, which brings the older headers up to date here.
"""
import ctypes, ctypes.util, re, sys
from pathlib import Path

raw, headers = Path(sys.argv[1]), Path(sys.argv[2])

# column: (source, base that is taken off to get the unified number, libseccomp token)
def crate(name): return ('crate', raw / 'src' / name / 'general.rs')
def header(path): return ('header', headers / 'usr' / path)

ARCHS = {
    'x86':         (crate('x86'), 0, 0x40000003),
    'x86_64':      (crate('x86_64'), 0, 0xC000003E),
    'x32':         (crate('x32'), 0, 0x4000003E),
    'arm':         (crate('arm'), 0, 0x40000028),
    'aarch64':     (crate('aarch64'), 0, 0xC00000B7),
    'loongarch64': (crate('loongarch64'), 0, 0xC0000102),
    'm68k':        (crate('m68k'), 0, 0x00000004),
    'mips':        (crate('mips'), 4000, 0x00000008),
    'mips64':      (crate('mips64'), 5000, 0x80000008),
    'mips64n32':   (header('mips64-linux-gnuabi64/include/asm/unistd_n32.h'), 6000, 0xA0000008),
    'parisc':      (header('hppa-linux-gnu/include/asm/unistd_32.h'), 0, 0x0000000F),
    'parisc64':    (header('hppa-linux-gnu/include/asm/unistd_64.h'), 0, 0x8000000F),
    'ppc':         (crate('powerpc'), 0, 0x00000014),
    'ppc64':       (crate('powerpc64'), 0, 0x80000015),
    'riscv64':     (crate('riscv64'), 0, 0xC00000F3),
    's390':        (header('s390x-linux-gnu/include/asm/unistd_32.h'), 0, 0x00000016),
    's390x':       (crate('s390x'), 0, 0x80000016),
    'sh':          (header('sh4-linux-gnu/include/asm/unistd_32.h'), 0, 0x4000002A),
}
NOT_CALLS = re.compile(r"^(syscalls|arch_specific_syscall|Linux|\w+_Linux|\w+_syscalls|\w*SYSCALL_BASE|SYSCALL_MASK|(reserved|unused)\d+)$")
# Private calls of ARM (asm/unistd.h: __ARM_NR_*), which headers spell otherwise.
ARM_PRIVATE = {'breakpoint': 0xF0001, 'cacheflush': 0xF0002, 'usr26': 0xF0003,
               'usr32': 0xF0004, 'set_tls': 0xF0005, 'get_tls': 0xF0006}
# Numbers from here on are the same everywhere.
UNIFIED = 451

def read(kind, path, base):
    text, found = path.read_text(), {}
    if kind == 'crate':
        for name, number in re.findall(r'pub const __NR_(\w+): u32 = (\d+);', text):
            found[name] = int(number) & ~0x40000000
    else:
        for name, number in re.findall(r'#define __NR_(\w+)\s+\(?(?:__NR_Linux \+ |__X32_SYSCALL_BIT \+ )?(\d+)\)?\s*$', text, re.M):
            found[name] = int(number) + (base if int(number) < base else 0)
    return {n: v for n, v in found.items() if not NOT_CALLS.match(n)}

tables = {arch: read(*source, base) for arch, (source, base, _) in ARCHS.items()}
tables['arm'].update(ARM_PRIVATE)
newest = {n: v for n, v in tables['aarch64'].items() if v >= UNIFIED}
for arch, (source, base, _) in ARCHS.items():
    if source[0] == 'header':
        for name, number in newest.items():
            tables[arch].setdefault(name, number + base)

library = ctypes.util.find_library('seccomp')
if library:
    lib = ctypes.CDLL(library)
    lib.seccomp_syscall_resolve_num_arch.restype = ctypes.c_void_p
    lib.seccomp_syscall_resolve_name_arch.argtypes = [ctypes.c_uint32, ctypes.c_char_p]
    names = {n for t in tables.values() for n in t}
    for arch, (_, base, token) in ARCHS.items():
        for number in range(base, base + 600):
            name = lib.seccomp_syscall_resolve_num_arch(token, number | (0x40000000 if arch == 'x32' else 0))
            if name:
                names.add(ctypes.string_at(name).decode())
    for arch, (_, base, token) in ARCHS.items():
        for name in sorted(names):
            number = lib.seccomp_syscall_resolve_name_arch(token, name.encode())
            if number < 0:
                continue
            number &= ~0x40000000
            have = tables[arch].get(name)
            if have is None:
                print(f'{arch}: {name} = {number} only in libseccomp', file=sys.stderr)
                tables[arch][name] = number
            elif have != number:
                print(f'{arch}: {name} = {have}, libseccomp says {number}', file=sys.stderr)

names = sorted({n for t in tables.values() for n in t})
print('# System call numbers; "-" where an architecture lacks the call. x32 without its bit 30.')
print('# Written by collect.py; sorted by name.')
print('\t'.join(['name', *ARCHS]))
for name in names:
    print('\t'.join([name, *(str(tables[a].get(name, '-')) for a in ARCHS)]))
