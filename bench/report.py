"""Turns what measure.py wrote into a table (Markdown) and a plot (SVG): report.py OUT-DIRECTORY FILE.json..."""

import json
import pathlib
import statistics
import sys
from html import escape

TITLES = {"v1": "cgroup v1", "v2": "cgroup v2", "host": "the machine's own cgroups"}
ORDER = ["run, default", "run, default, state on tmpfs", "run, no-network", "run, seccomp", "run, seccomp, first time",
         "run, limits", "run, user-namespace", "run, fifty-mounts", "run, terminal", "run, default, cold", "create", "start",
         "state", "exec", "exec, seccomp", "kill", "delete"]
COLOURS = {"teu": "#0b6e4f", "floor": "#9aa0a6"}
OTHER_COLOURS = ["#c8553d", "#e0a458", "#3d5a80", "#7b5ea7", "#5c946e"]


def percentile(values, share):
    """The nearest-rank percentile."""
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


class Cell:
    """All samples of one phase on one runtime; what failed or hung is counted, not averaged."""

    def __init__(self, samples):
        good = [sample for sample in samples if sample[3] == 0]
        self.hangs = sum(sample[3] == -1 for sample in samples)
        self.failures = len(samples) - len(good) - self.hangs
        self.rss = max((sample[2] for sample in good), default=0)
        self.wall = [sample[0] / 1000 for sample in good]
        self.cpu = [sample[1] / 1000 for sample in good]

    def text(self):
        """Medians, with the spread below."""
        if not self.wall:
            return "failed"
        bad = "".join(f", {n} {word}" for n, word in [(self.failures, "failed"), (self.hangs, "hung")] if n)
        spread = f"{percentile(self.wall, .1):.1f}–{percentile(self.wall, .9):.1f}"
        return f"**{statistics.median(self.wall):.1f}** / {statistics.median(self.cpu):.1f} ({spread}{bad})"


def cells(result):
    """(phase, runtime) -> Cell."""
    return {(phase, name): Cell(samples) for phase, name, samples in result["samples"]}


def table(header, rows):
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def phase_table(result):
    """Phases down, runtimes across."""
    found, names = cells(result), [*result["runtimes"], "floor"]
    rows = []
    for phase in ORDER:
        row = [found[phase, name].text() if (phase, name) in found else "" for name in names]
        if any(row):
            rows.append([phase, *row])
    rss = [f"{found['run, default', name].rss / 1024:.1f}" if ("run, default", name) in found else "" for name in names]
    rows.append(["peak memory of `run`, MiB", *rss])
    return table(["ms: **wall** / CPU (p10–p90 of wall)", *names], rows)


def fact_table(result):
    """Single figures."""
    names = [*result["runtimes"], "floor"]
    rows = [[what, *(f"{values[name]:g}" if name in values else "" for name in names)] for what, values in result["facts"].items()]
    return table(["", *names], rows)


def colours(names):
    """A colour for each runtime."""
    rest = iter(OTHER_COLOURS * 3)
    return {name: COLOURS.get(name) or next(rest) for name in names}


def plot(result):
    """Horizontal bars: median CPU time of each phase on each runtime, a line from p10 to p90."""
    found, names = cells(result), [*result["runtimes"], "floor"]
    phases = [phase for phase in ORDER if any((phase, name) in found for name in names)]
    colour = colours(names)
    left, bar, gap, width = 190, 11, 14, 860
    longest = max(percentile(cell.cpu, .9) for cell in found.values() if cell.cpu)
    scale = (width - left - 70) / longest
    parts, y = [], 62
    for phase in phases:
        present = [name for name in names if (phase, name) in found and found[phase, name].cpu]
        parts.append(f'<text x="{left - 10}" y="{y + len(present) * bar / 2 + 4}" text-anchor="end">{escape(phase)}</text>')
        for name in present:
            cpu = found[phase, name].cpu
            median, low, high = statistics.median(cpu), percentile(cpu, .1), percentile(cpu, .9)
            middle = y + bar / 2 - 1
            parts.append(f'<rect x="{left}" y="{y}" width="{median * scale:.1f}" height="{bar - 2}" fill="{colour[name]}"/>')
            parts.append(f'<path d="M{left + low * scale:.1f} {middle}H{left + high * scale:.1f}" stroke="#222"/>')
            parts.append(f'<text x="{left + high * scale + 5:.1f}" y="{y + bar - 3}" font-size="9" fill="#555">{median:.1f}</text>')
            y += bar
        y += gap
    legend, x = [], left
    for name in names:
        legend.append(f'<rect x="{x}" y="36" width="10" height="10" fill="{colour[name]}"/>'
                      f'<text x="{x + 15}" y="45">{escape(name)}</text>')
        x += 40 + 8 * len(name)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" font-family="sans-serif" font-size="12">'
            f'<rect width="100%" height="100%" fill="#fff"/>'
            f'<text x="{left}" y="22" font-size="15">CPU time per command, ms ({escape(TITLES[result["view"]])}): median, and p10 to p90</text>'
            + "".join(legend) + "".join(parts) + "</svg>\n")


def main():
    """Writes performance.md and one plot for each view."""
    out, results = pathlib.Path(sys.argv[1]), [json.loads(pathlib.Path(path).read_text()) for path in sys.argv[2:]]
    text = ["# Performance, measured\n"]
    for result in results:
        view = result["view"]
        (out / f"performance-{view}.svg").write_text(plot(result))
        text += [f"## {TITLES[view]}\n", f"![CPU time per command](performance-{view}.svg)\n", phase_table(result), fact_table(result)]
        text += [f"- {name}, {phase}: {note}" for phase, name, note in result["notes"]]
    (out / "performance.md").write_text("\n".join(text) + "\n")


main()
