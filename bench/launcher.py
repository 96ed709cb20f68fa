"""What one command costs, as the launcher (launcher.c) saw it."""

import subprocess
from typing import NamedTuple


class Sample(NamedTuple):
    """One command: microseconds, KiB, and its exit code (128 + signal; -1 when it hung and was killed)."""
    wall: float
    cpu: float
    rss: int
    code: int


class Launcher:
    """The launcher's process. It outlives the commands and is parent to what they leave."""

    def __init__(self, program, errors):
        self.process = subprocess.Popen([program, errors], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def _ask(self, request):
        self.process.stdin.write(request)
        self.process.stdin.flush()
        return self.process.stdout.readline().split()

    def run(self, *args, terminal=False, deadline_ms=5000):
        """Runs a command to its end."""
        text = b"".join(str(arg).encode() + b"\0" for arg in args)
        kind = "tty" if terminal else "run"
        wall, user, system, rss, code = map(int, self._ask(f"{kind} {deadline_ms} {len(text)}\n".encode() + text))
        return Sample(wall / 1000, user + system, rss, code)

    def gone(self, pid, deadline_ms=5000):
        """Waits until a process is gone; False when it stays."""
        return self._ask(f"gone {pid} {deadline_ms}\n".encode()) == [b"0"]

    def close(self):
        """Ends the launcher."""
        self.process.stdin.close()
        self.process.wait()
