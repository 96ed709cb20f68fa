"""What commands cost, counted without a clock, beside what bench/budget.txt allows.

budget.py TEU BUSYBOX [--write]: system calls (strace) of each command, and instructions (valgrind) of those that only compute. A count
that has grown by more than 2 % fails. What other kernels or other compilers make differ is only compared on a machine like the one that the
figures are of, as budget.txt names it, and else skipped. The last line is "N passed, N failed, N skipped".
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import bundles

ALLOWED = pathlib.Path(__file__).with_name("budget.txt")
TOLERANCE = 1.02
ID = f"budget-{os.getpid()}"
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def quiet(*command):
    subprocess.run(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   timeout=60, check=False)


def read(path):
    try:
        return pathlib.Path(path).read_text().strip()
    except OSError:
        return ""


def machine():
    """What the counts depend on, beside the code: of system calls, and of instructions."""
    release = ".".join(os.uname().release.split(".")[:2])
    controllers = read("/sys/fs/cgroup/cgroup.controllers") or "none"
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=False).stdout.split()[1:2]
    return {
        "calls": f"Linux {release}, LSMs {read('/sys/kernel/security/lsm') or 'unknown'}, cgroup controllers {controllers}",
        "instructions": f"rustc {' '.join(rustc)}, {os.confstr('CS_GNU_LIBC_VERSION')}, {'AVX2' if ' avx2 ' in read('/proc/cpuinfo') else 'no AVX2'}",
    }


class Counting:
    def __init__(self, teu, work):
        self.teu, self.work, self.state = teu, work, f"{work}/state"
        self.bundle = {variant: bundles.write(work, variant) for variant in ["default", "sleeper"]}

    def call(self, *arguments):
        quiet(self.teu, "--root", self.state, *arguments)

    def prepare(self, status):
        """A container as the command that is counted wants to find it."""
        if status == "absent":
            return
        self.call("create", "--bundle", self.bundle["sleeper"], ID)
        if status in ["running", "stopped"]:
            self.call("start", ID)
        if status == "stopped":
            self.call("kill", ID, "KILL")
            time.sleep(0.2)

    def calls(self, status, *arguments, follow=True):
        """System calls of a command and of all that it starts; the fewest of five. A container that stays would keep strace waiting."""
        trace = f"{self.work}/trace"
        totals = []
        for _ in range(5):
            self.prepare(status)
            quiet("strace", *(["-f"] if follow else []), "-qq", "-c", "-U", "calls,name", "-o", trace, self.teu, "--root", self.state, *arguments)
            self.call("delete", "--force", ID)
            lines = [line.split() for line in pathlib.Path(trace).read_text().splitlines()]
            totals += [int(line[0]) for line in lines if line and line[-1] == "total"]
        return min(totals)

    def instructions(self, *arguments):
        """Instructions outside the kernel, of a command that executes nothing else."""
        result = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", self.teu, *arguments], env=ENVIRONMENT,
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
        return int(re.search(r"Collected : (\d+)", result.stderr)[1])

    def all(self):
        default, sleeper = self.bundle["default"], self.bundle["sleeper"]
        yield "calls run", self.calls("absent", "run", "--bundle", default, ID)
        yield "calls create", self.calls("absent", "create", "--bundle", sleeper, ID, follow=False)
        yield "calls start", self.calls("created", "start", ID)
        yield "calls state", self.calls("running", "state", ID)
        yield "calls exec", self.calls("running", "exec", ID, "/bin/true")
        yield "calls kill", self.calls("running", "kill", ID, "KILL")
        yield "calls delete", self.calls("stopped", "delete", ID)
        if shutil.which("valgrind"):
            yield "instructions plan", self.instructions("--root", self.state, "explain", "--bundle", default, ID)
            yield "instructions seccomp", self.instructions("seccomp", "compile", str(bundles.SECCOMP))


def main():
    teu, busybox = os.path.abspath(sys.argv[1]), sys.argv[2]
    allowed, counted_on, here = {}, {}, machine()
    if ALLOWED.exists():
        for line in ALLOWED.read_text().splitlines():
            name, colon, text = line.partition(": ")
            if colon:
                counted_on[name] = text
            else:
                name, _, number = line.rpartition(" ")
                allowed[name] = int(number)
    with tempfile.TemporaryDirectory() as work:
        bundles.rootfs(work, busybox)
        counted = dict(Counting(teu, work).all())
    if "--write" in sys.argv:
        ALLOWED.write_text("".join([f"{kind}: {text}\n" for kind, text in here.items()] + [f"{name} {number}\n" for name, number in counted.items()]))
        allowed, counted_on = counted, here
    passed = failed = 0
    for name, number in counted.items():
        kind = name.split()[0]
        if counted_on.get(kind) != here[kind]:
            print(f"skip   {name:22} {number:8}, allowed {allowed.get(name, 0)} with {counted_on.get(kind)}; here {here[kind]}")
            continue
        fits = number <= allowed.get(name, 0) * TOLERANCE
        passed, failed = passed + fits, failed + (not fits)
        print(f"{'ok    ' if fits else 'not ok'} {name:22} {number:8}, allowed {allowed.get(name, 0)}")
    for name in allowed.keys() - counted.keys():
        print(f"skip   {name}: valgrind is not installed")
    print(f"{passed} passed, {failed} failed, {len(allowed.keys() | counted.keys()) - passed - failed} skipped")
    sys.exit(failed != 0)


main()
