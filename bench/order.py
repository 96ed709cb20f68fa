"""Makes a linker script that puts the functions which a command executes side by side.

order.py MAP HITS... : MAP is the program's link map, HITS are what stepper wrote. The script goes to standard output. A name in it that no
longer fits orders nothing and breaks nothing.
"""

import bisect
import re
import sys


def sections(link_map):
    """The pieces of code that the linker put together: address, size, what it came from, its section. Functions that are the same have one
    piece, under the name of only one of them."""
    piece = re.compile(r"\s*([0-9a-f]+)\s+[0-9a-f]+\s+([0-9a-f]+)\s+\d+\s+(\S.*):\((\.text[^)]*)\)$")
    found = (piece.match(line) for line in open(link_map))
    return sorted((int(m[1], 16), int(m[2], 16), m[3], m[4]) for m in found if m)


def executed(link_map, hits):
    """The places of what was executed, in the order of the files that have it."""
    table = sections(link_map)
    starts = [start for start, *_ in table]
    places = {}
    for name in hits:
        with open(name) as lines:
            for line in lines:
                offset = int(line, 16)
                i = bisect.bisect_right(starts, offset) - 1
                if i >= 0 and offset < table[i][0] + table[i][1]:
                    places.setdefault(place(*table[i][2:]))
    # The few instructions of the linker's own start files, which would mean all of the C library.
    places.pop("*(.text)", None)
    return places


def place(source, section):
    """How a linker script calls it. The C library's members all have a section of the same name; what we have compiled has one for each
    function, with a hash, and at times a number, that every compiler makes anew."""
    member = re.search(r"(lib\w+)[-.\d]*\.a\(([^)]+)\)$", source)
    if member:
        return f"*{member[1]}*.a:{member[2]}({section})"
    section = re.sub(r"17h[0-9a-f]{16}E.*", "17h*", section)
    section = re.sub(r"Cs[0-9A-Za-z]+_", "Cs*_", section)
    section = re.sub(r"\.\d+$", "*", section)
    return f"*({section})"


def main():
    link_map, *hits = sys.argv[1:]
    print("/* Written by scripts/order: the functions that making a container executes, side by side, so that it touches fewer pages. */")
    print("SECTIONS\n{\n  .text.first :\n  {")
    # First what `run` executes, which is traced first; what only other commands do lies behind.
    for line in executed(link_map, hits):
        print(f"    {line}")
    print("  }")
    print("  /* Nothing ever unwinds. */")
    print("  /DISCARD/ : { *(.eh_frame) *(.gcc_except_table .gcc_except_table.*) }")
    print("}\nINSERT BEFORE .text;")


main()
