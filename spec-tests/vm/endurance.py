#!/usr/bin/env python3
"""endurance.py - many containers made and taken away again, inside the test machine, and what is left of them.

    endurance.py cycles TEU COUNT [--systemd-cgroup]    create and delete, COUNT times
    endurance.py reload TEU COUNT                       COUNT runs while systemd is reloaded and executed anew, again and again

As root or as an ordinary user whose cgroup is delegated. One line for each, "ok" or "not ok"; the exit status tells whether all went well.
"""
import ctypes, json, os, pathlib, shutil, statistics, subprocess, sys, tempfile, threading, time

CGROUPS = pathlib.Path("/sys/fs/cgroup")
BPF, NEXT_PROGRAM = 321, 11  # bpf(2) on x86-64, BPF_PROG_GET_NEXT_ID
# What a container with the default rules may do with devices, and what not: /dev/kmsg is there, made by itself.
DEVICES = "head -c1 /dev/zero >/dev/null && mknod /tmp/kmsg c 1 11 && ! head -c1 /tmp/kmsg 2>/dev/null; e=$?; rm -f /tmp/kmsg; exit $e"


def programs():
    """How many BPF programs the kernel has; none that an ordinary user may count."""
    count, attr = 0, (ctypes.c_uint32 * 4)()
    while ctypes.CDLL(None).syscall(BPF, NEXT_PROGRAM, attr, 16) == 0:
        count, attr[0] = count + 1, attr[1]
    return count


def units():
    """Scopes and slices that the manager knows, failed ones too."""
    user = ["--user"] if os.getuid() else []
    text = subprocess.run(["systemctl", *user, "list-units", "--all", "--plain", "--no-legend", "*endurance-*"],
                          capture_output=True, text=True, check=True).stdout
    return len(text.split("\n")) - 1


def cgroups():
    """Cgroups that are named after containers of this program."""
    return sum(1 for _ in CGROUPS.rglob("*endurance-*"))


def processes():
    """Processes that have the name of a container in their command line, as those that wait for their start, or are in its cgroup."""
    def about(process):
        try:
            return any("endurance-" in (process / name).read_text(errors="replace") for name in ["cmdline", "cgroup"])
        except OSError:  # it has ended meanwhile
            return False
    return sum(about(process) for process in pathlib.Path("/proc").glob("[0-9]*"))


def left():
    return {"cgroups": cgroups(), "units": units(), "programs": programs(), "processes": processes()}


class Bundle:
    """A bundle of the machine's small image, and the records of its containers."""

    def __init__(self, teu, *options):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="endurance.", dir="/var/tmp"))
        self.call = [teu, "--root", str(self.dir / "state"), *options]
        (self.dir / "rootfs").mkdir()
        subprocess.run(["tar", "-C", self.dir / "rootfs", "--no-same-owner", "--exclude=dev/*", "-xf", "/bb.tar"], check=True)
        spec = [teu, "spec", "--bundle", self.dir] + (["--rootless"] if os.getuid() else [])
        subprocess.run(spec, check=True)
        self.file = self.dir / "config.json"
        self.config = json.loads(self.file.read_text())
        self.config["process"].update(terminal=False, args=["/bin/sleep", "1000"])
        self.config["root"]["readonly"] = False
        for kind in self.config["process"].get("capabilities", {}):
            self.config["process"]["capabilities"][kind].append("CAP_MKNOD")
        self.write()

    def write(self):
        self.file.write_text(json.dumps(self.config))

    def teu(self, *arguments):
        """Runs a command; its error text, or nothing. A file takes it: a container keeps a pipe open."""
        with tempfile.TemporaryFile("w+") as said:
            code = subprocess.run([*self.call, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, timeout=300).returncode
            said.seek(0)
            return "" if code == 0 else f"{arguments[0]}: exit status {code}: {said.read().strip()}"

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def cycles(teu, count, *options):
    bundle, before, errors, times = Bundle(teu, *options), left(), [], []
    for n in range(count):
        started, name = time.monotonic(), f"endurance-{n}"
        error = bundle.teu("create", "--bundle", str(bundle.dir), name) or bundle.teu("delete", "--force", name)
        times.append(time.monotonic() - started)
        if error:
            errors.append(error)
            bundle.teu("delete", "--force", name)
    after, listed = settled(before), subprocess.run([*bundle.call, "list", "-q"], capture_output=True, text=True).stdout
    bundle.remove()
    note = f"{count} containers created and deleted in {sum(times):.0f} s, {statistics.median(times):.2f} s each, at most {max(times):.2f}"
    return verdict(note, errors, before, after, listed)


def reload(teu, count):
    """What systemd does to units while it is told to forget and learn everything anew."""
    bundle, before, errors, rounds = Bundle(teu, "--systemd-cgroup"), left(), [], [0]
    ended = threading.Event()

    def disturb():
        while not ended.is_set():
            subprocess.run(["systemctl", "daemon-reload"], stderr=subprocess.DEVNULL)
            subprocess.run(["systemctl", "daemon-reexec"], stderr=subprocess.DEVNULL)
            rounds[0] += 1

    keeper = "endurance-keeper"
    errors += filter(None, [bundle.teu("run", "--detach", "--bundle", str(bundle.dir), keeper)])
    thread = threading.Thread(target=disturb)
    thread.start()
    bundle.config["process"]["args"] = ["/bin/sh", "-c", DEVICES]
    bundle.write()
    for n in range(count):
        errors += filter(None, [bundle.teu("run", "--bundle", str(bundle.dir), f"endurance-{n}")])
        # Its devices have to stay as they are through all that happens to its unit.
        errors += filter(None, [bundle.teu("exec", keeper, "/bin/sh", "-c", DEVICES)])
    ended.set()
    thread.join()
    errors += filter(None, [bundle.teu("exec", keeper, "/bin/sh", "-c", DEVICES), bundle.teu("delete", "--force", keeper)])
    after = settled(before)
    bundle.remove()
    return verdict(f"{count} containers run, and as many programs in one that stays, during {rounds[0]} times daemon-reload and daemon-reexec", errors, before, after, "")


def settled(before):
    """What is left once systemd has had the time to notice, in at most half a minute."""
    for _ in range(60):
        after = left()
        if all(after[kind] <= before[kind] for kind in before):
            break
        time.sleep(0.5)
    return after


def verdict(note, errors, before, after, listed):
    more = {kind: after[kind] - before[kind] for kind in before if after[kind] > before[kind]}
    good = not errors and not more and not listed
    print("ok" if good else "not ok", "-", note + f"; {len(errors)} failed, left: {more or listed or 'nothing'}")
    for error in errors[:5]:
        print("#", error)
    return good


def main():
    what, teu, count, *options = sys.argv[1:]
    good = {"cycles": cycles, "reload": reload}[what](teu, int(count), *options)
    sys.exit(0 if good else 1)


main()
