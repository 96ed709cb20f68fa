"""Measures runtimes beside each other, in one view of the cgroups, and writes what it saw as JSON.

measure.py --view v1|v2 --bin DIRECTORY --busybox PATH --out FILE [--rounds N] [--cold-rounds N] [--alive N,N] NAME=PATH...

Every round does everything once for every runtime, in an order shuffled anew, with a pause before each step: a tight
loop would hide what joining a cgroup costs, and a fixed order would give each runtime the same predecessor.
"""

import argparse
import itertools
import json
import os
import pathlib
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import bundles
from launcher import Launcher

RUN_VARIANTS = ["default", "no-network", "seccomp", "limits", "user-namespace", "fifty-mounts", "terminal"]
GAP, COLD_GAP = 0.02, 0.15
numbers = itertools.count()


class Runtime:
    """A runtime under measurement, with records of its own."""

    def __init__(self, name, path, bench):
        self.name, self.path, self.bench = name, path, bench
        self.root, self.root_in_memory = f"{bench.dir}/roots/{name}", f"{bench.memory}/{name}"
        os.makedirs(self.root)
        os.makedirs(self.root_in_memory)

    def command(self, *args, root=None, **how):
        """Runs one of its commands."""
        return self.bench.launcher.run(self.path, "--root", root or self.root, *args, **how)

    def fresh_root(self):
        """Records, and caches, that nobody used before."""
        root = f"{self.bench.dir}/roots/{next(numbers)}"
        os.makedirs(root)
        return root


class Bench:
    """All that a measurement needs, in one temporary directory."""

    def __init__(self, options):
        self.options = options
        self.dir = tempfile.mkdtemp(prefix="teu-bench.")
        self.memory = tempfile.mkdtemp(prefix="teu-bench.", dir="/dev/shm")
        bundles.rootfs(self.dir, options.busybox)
        self.bundle = {variant: bundles.write(self.dir, variant) for variant in bundles.VARIANTS}
        self.errors = f"{self.dir}/errors"
        self.launcher = Launcher(f"{options.bin}/launcher", self.errors)
        self.runtimes = [Runtime(*text.split("=", 1), self) for text in options.runtimes]
        self.samples = {}   # (phase, runtime) -> [Sample]
        self.notes = {}     # (phase, runtime) -> why it is missing
        self.facts = {}     # name -> {runtime: number}

    def close(self):
        """Leaves nothing."""
        for runtime in self.runtimes:
            for root in [runtime.root, runtime.root_in_memory]:
                listed = subprocess.run([runtime.path, "--root", root, "list", "-q"], capture_output=True, text=True)
                for name in listed.stdout.split():
                    subprocess.run([runtime.path, "--root", root, "delete", "--force", name], capture_output=True)
        self.launcher.close()
        shutil.rmtree(self.dir)
        shutil.rmtree(self.memory)

    def variants(self):
        """The cgroup2 view of a machine with cgroup v1 has no controllers, and so no limits."""
        skip = [] if self.has_memory_controller() else ["limits"]
        return [variant for variant in RUN_VARIANTS if variant not in skip]

    def has_memory_controller(self):
        """Whether a memory limit can be had in this view."""
        controllers = pathlib.Path("/sys/fs/cgroup/cgroup.controllers")
        return "memory" in controllers.read_text() if controllers.exists() else os.path.exists("/sys/fs/cgroup/memory")

    def last_error(self):
        """What the last failing command said."""
        lines = pathlib.Path(self.errors).read_text(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else "no message"


# ---- steps: each yields (phase, sample) --------------------------------------------------------------------------

def run(runtime, variant, phase, root=None, fresh=False):
    """`run` of one variant, with records in `root`, or where nobody used any before."""
    root = runtime.fresh_root() if fresh else root
    name = f"bench-{next(numbers)}"
    sample = runtime.command("run", "--bundle", runtime.bench.bundle[variant], name, root=root,
                             terminal=variant == "terminal")
    yield phase, sample
    if sample.code != 0:
        runtime.command("delete", "--force", name, root=root)
    if fresh:
        shutil.rmtree(root)


def life(runtime, variant, phases):
    """A container from create to delete; only `phases` are recorded, under the names they map to."""
    name, pid_file = f"bench-{next(numbers)}", f"{runtime.bench.dir}/pid"

    def step(phase, *args):
        sample = runtime.command(phase, *args)
        return [(phases[phase], sample)] if phase in phases else []

    yield from step("create", "--bundle", runtime.bench.bundle[variant], "--pid-file", pid_file, name)
    yield from step("start", name)
    yield from step("state", name)
    yield from step("exec", name, "/bin/true")
    try:
        pid = int(pathlib.Path(pid_file).read_text())
        os.unlink(pid_file)
    except (OSError, ValueError):
        return
    yield from step("kill", name, "KILL")
    if not runtime.bench.launcher.gone(pid):
        runtime.command("delete", "--force", name)
        return
    yield from step("delete", name)


def floor(bench, network, *phases):
    """The least system calls for the same `run`, which has no records wherever others have them."""
    sample = bench.launcher.run(f"{bench.options.bin}/floor", f"{bench.dir}/rootfs", bench.options.view, network, "/bin/true")
    for phase in phases:
        yield phase, sample


def empty(bench, phases):
    """The start of an empty program, the least that any command can cost."""
    sample = bench.launcher.run(f"{bench.options.bin}/empty")
    for phase in phases:
        yield phase, sample


LIFE = {phase: phase for phase in ["create", "start", "state", "exec", "kill", "delete"]}


def warm_steps(bench):
    """What a warm round consists of: (runtime's name, function that makes the step)."""
    for runtime in bench.runtimes:
        for variant in bench.variants():
            yield runtime.name, lambda r=runtime, v=variant: run(r, v, f"run, {v}")
        yield runtime.name, lambda r=runtime: run(r, "default", "run, default, state on tmpfs", root=r.root_in_memory)
        yield runtime.name, lambda r=runtime: run(r, "seccomp", "run, seccomp, first time", fresh=True)
        yield runtime.name, lambda r=runtime: life(r, "sleeper", LIFE)
        yield runtime.name, lambda r=runtime: life(r, "sleeper-seccomp", {"exec": "exec, seccomp"})
    yield "floor", lambda: floor(bench, "net", "run, default", "run, default, state on tmpfs")
    yield "floor", lambda: floor(bench, "nonet", "run, no-network")
    yield "floor", lambda: empty(bench, ["start", "state", "kill", "delete"])


def cold_steps(bench):
    """What a cold round consists of."""
    for runtime in bench.runtimes:
        yield runtime.name, lambda r=runtime: run(r, "default", "run, default, cold")
    yield "floor", lambda: floor(bench, "net", "run, default, cold")


def rounds(bench, steps, count, gap):
    """Does all steps `count` times. What fails before it ever worked is left out, with a note."""
    steps = list(steps)
    for number in range(count + 1):  # the first is to warm up, and to see what works
        random.shuffle(steps)
        for step in list(steps):
            runtime, make = step
            time.sleep(gap)
            for phase, sample in make():
                if number > 0:
                    bench.samples.setdefault((phase, runtime), []).append(sample)
                elif sample.code != 0:
                    bench.notes[phase, runtime] = bench.last_error()
                    if step in steps:
                        steps.remove(step)
        progress(f"{bench.options.view}: round {number} of {count}")


# ---- single figures ----------------------------------------------------------------------------------------------

def in_a_row(bench):
    """100 containers one after the other, without a pause: seconds. Nothing for a runtime with which one of them fails."""
    for runtime in bench.runtimes:
        start = time.monotonic()
        good = all(sample.code == 0 for _ in range(100) for _, sample in run(runtime, "default", ""))
        if good:
            bench.facts.setdefault("100 runs in a row, s", {})[runtime.name] = round(time.monotonic() - start, 3)


def created_memory(bench):
    """What a container that was created and not started holds in memory: proportional set size, KiB, median of 5."""
    for runtime in bench.runtimes:
        sizes = []
        for _ in range(5):
            name, pid_file = f"bench-{next(numbers)}", f"{bench.dir}/pid"
            runtime.command("create", "--bundle", bench.bundle["sleeper"], "--pid-file", pid_file, name)
            try:
                rollup = pathlib.Path(f"/proc/{pathlib.Path(pid_file).read_text().strip()}/smaps_rollup").read_text()
                sizes.append(next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")))
            except OSError:
                pass
            runtime.command("delete", "--force", name)
        if sizes:
            bench.facts.setdefault("memory of a created container, KiB", {})[runtime.name] = statistics.median(sizes)


def smallest_limit(bench):
    """The smallest memory limit with which /bin/true runs five times out of five, KiB."""
    if not bench.has_memory_controller():
        return

    def works(runtime, pages):
        def limit(config):
            config["linux"]["resources"]["memory"] = {"limit": pages * 4096}
        bundle = bundles.write(f"{bench.dir}", "default", limit)
        for _ in range(5):
            name = f"bench-{next(numbers)}"
            if runtime.command("run", "--bundle", bundle, name).code != 0:
                runtime.command("delete", "--force", name)
                return False
        return True

    for runtime in bench.runtimes:
        low, high = 0, 4096
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if works(runtime, middle) else (middle, high)
        bench.facts.setdefault("smallest memory limit, KiB", {})[runtime.name] = high * 4
    bench.bundle["default"] = bundles.write(bench.dir, "default")


def syscalls(bench):
    """System calls of a command and everything it starts, the fewest of three; nothing for a command that fails. Not of `create`:
    strace would wait for the container, which stays."""
    def count(what, name, *command):
        output = f"{bench.dir}/strace"
        ended = subprocess.run(["strace", "-f", "-qq", "-c", "-U", "calls,name", "-o", output, *command], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=False)
        lines = [line.split() for line in pathlib.Path(output).read_text().splitlines()]
        for line in lines:
            if line and line[-1] == "total" and ended.returncode == 0:
                fewest = bench.facts.setdefault(f"system calls of {what}", {})
                fewest[name] = min(int(line[0]), fewest.get(name, int(line[0])))

    def all_of(runtime):
        call = [runtime.path, "--root", runtime.root]
        for variant in ["default", "no-network", "seccomp"]:
            count(f"run, {variant}", runtime.name, *call, "run", "--bundle", bench.bundle[variant], f"bench-{next(numbers)}")
        name, pid_file = f"bench-{next(numbers)}", pathlib.Path(f"{bench.dir}/pid")
        if runtime.command("create", "--bundle", bench.bundle["sleeper"], "--pid-file", str(pid_file), name).code != 0:
            return
        count("start", runtime.name, *call, "start", name)
        count("state", runtime.name, *call, "state", name)
        count("exec", runtime.name, *call, "exec", name, "/bin/true")
        count("kill", runtime.name, *call, "kill", name, "KILL")
        bench.launcher.gone(int(pid_file.read_text()))
        pid_file.unlink()
        count("delete", runtime.name, *call, "delete", name)
        runtime.command("delete", "--force", name)

    if not shutil.which("strace"):
        return
    for _ in range(3):
        for runtime in bench.runtimes:
            all_of(runtime)
        count("run, default", "floor", f"{bench.options.bin}/floor", f"{bench.dir}/rootfs", bench.options.view, "net", "/bin/true")
        count("state", "floor", f"{bench.options.bin}/empty")


def alive(bench, total):
    """`total` containers alive at once: how the first and last hundred start, and what listing them all costs. Medians of
    three passes: where a hypervisor takes a processor away for a moment, two of a hundred starts tell more of it than of
    the runtime."""
    passes = {runtime.name: [] for runtime in bench.runtimes}
    for _ in range(3):
        for runtime in bench.runtimes:
            facts = alive_once(bench, runtime, total)
            if facts:
                passes[runtime.name].append(facts)
                progress(f"{bench.options.view}: {total} alive, {runtime.name}")
    for name, found in passes.items():
        for what in found[0] if found else []:
            value = statistics.median(facts[what] for facts in found)
            bench.facts.setdefault(f"{total} alive: {what}", {})[name] = round(value, 2)


def alive_once(bench, runtime, total):
    """One pass; None if the runtime cannot have that many."""
    if (f"{total} alive", runtime.name) in bench.notes:
        return None
    names = [f"bench-{next(numbers)}" for _ in range(total)]
    walls = []
    for name in names:
        sample = runtime.command("run", "--detach", "--bundle", bench.bundle["sleeper"], name)
        if sample.code != 0:
            bench.notes[f"{total} alive", runtime.name] = f"{len(walls)} containers, then: {bench.last_error()}"
            break
        walls.append(sample.wall / 1000)
    lists = [runtime.command("list", deadline_ms=60000) for _ in range(5)]
    for name in names:
        runtime.command("delete", "--force", name)
    if len(walls) < total:
        return None
    first, last = walls[:100], walls[-100:]
    listing = {"list, CPU ms": statistics.median(sample.cpu for sample in lists) / 1000}
    if total < 200:
        return {"start, median ms": statistics.median(walls), "start, 99th percentile ms": sorted(walls)[-2], **listing}
    return {"start of the first hundred, median ms": statistics.median(first),
            "start of the last hundred, median ms": statistics.median(last),
            "start of the first hundred, 99th percentile ms": sorted(first)[-2],
            "start of the last hundred, 99th percentile ms": sorted(last)[-2],
            "99th percentile, last hundred by first": sorted(last)[-2] / sorted(first)[-2], **listing}


# ---- the program -------------------------------------------------------------------------------------------------

def progress(text):
    """One line that overwrites itself on a terminal."""
    print(f"\r{text}\033[K", end="" if sys.stderr.isatty() else "\n", file=sys.stderr, flush=True)


def parse():
    """The command line."""
    parser = argparse.ArgumentParser()
    for name in ["view", "bin", "busybox", "out"]:
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--cold-rounds", type=int, default=30)
    parser.add_argument("--alive", default="100", help="numbers of containers, comma-separated")
    parser.add_argument("runtimes", nargs="+")
    return parser.parse_args()


def main():
    """Measures everything and writes the result."""
    for number in [signal.SIGINT, signal.SIGQUIT]:  # ignored by a shell's background jobs, and a runtime resets what is
        signal.signal(number, signal.SIG_DFL)
    bench = Bench(parse())
    options = bench.options
    try:
        rounds(bench, warm_steps(bench), options.rounds, GAP)
        rounds(bench, cold_steps(bench), options.cold_rounds, COLD_GAP)
        in_a_row(bench)
        created_memory(bench)
        smallest_limit(bench)
        syscalls(bench)
        for total in filter(None, options.alive.split(",")):
            alive(bench, int(total))
        for runtime in bench.runtimes:
            bench.facts.setdefault("binary, KiB", {})[runtime.name] = os.path.getsize(runtime.path) // 1024
    finally:
        bench.close()
    result = {
        "view": options.view,
        "runtimes": [runtime.name for runtime in bench.runtimes],
        "samples": [[phase, name, samples] for (phase, name), samples in bench.samples.items()],
        "notes": [[phase, name, note] for (phase, name), note in bench.notes.items()],
        "facts": bench.facts,
    }
    pathlib.Path(options.out).write_text(json.dumps(result))


main()
