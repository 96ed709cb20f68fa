"""Makes a linker script that puts the functions which a command executes side by side.

order.py PROGRAM MAP HITS... : PROGRAM has its symbols, MAP is its link map, HITS are what stepper wrote. The script goes to standard output.

The names of functions carry hashes that every compiler makes anew; they become wildcards. A name that no longer fits orders nothing
and breaks nothing.
"""

import bisect
import re
import subprocess
import sys


def symbols(program):
    text = subprocess.run(["nm", "-S", "--defined-only", program], capture_output=True, text=True, check=True).stdout
    fields = (line.split() for line in text.splitlines())
    return sorted((int(f[0], 16), int(f[1], 16), f[3]) for f in fields if len(f) == 4 and f[2] in "tTiIwW")


def executed(program, hits):
    table = symbols(program)
    starts = [start for start, _, _ in table]
    names = set()
    for name in hits:
        with open(name) as lines:
            for line in lines:
                offset = int(line, 16)
                i = bisect.bisect_right(starts, offset) - 1
                if i >= 0 and offset < table[i][0] + table[i][1]:
                    names.add(table[i][2])
    return names


def rust(name):
    name = re.sub(r"17h[0-9a-f]{16}E.*", "17h*", name)
    name = re.sub(r"Cs[0-9A-Za-z]+_", "Cs*_", name)
    return f"*(.text.{name})"


def c_library(names, link_map):
    """The archive's members, and sections in them, that have the functions."""
    place = None
    for line in open(link_map):
        member = re.search(r"libc\.a\(([^)]+)\):\((\.text[^)]*)\)", line)
        if member:
            place = f"*libc.a:{member[1]}({member[2]})"
        elif ":(" in line:
            place = None
        elif place and line.split() and line.split()[-1] in names:
            yield place


def main():
    program, link_map, *hits = sys.argv[1:]
    names = executed(program, hits)
    is_rust = re.compile(r"_ZN|_R")
    lines = {rust(n) for n in names if is_rust.match(n)}
    lines |= set(c_library({n for n in names if not is_rust.match(n)}, link_map))
    print("/* Written by scripts/order: the functions that making a container executes, side by side, so that it touches fewer pages. */")
    print("SECTIONS\n{\n  .text.first :\n  {")
    for line in sorted(lines):
        print(f"    {line}")
    print("  }")
    print("  /* Nothing ever unwinds. */")
    print("  /DISCARD/ : { *(.eh_frame) *(.gcc_except_table .gcc_except_table.*) }")
    print("}\nINSERT BEFORE .text;")


main()
