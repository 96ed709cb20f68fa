#!/usr/bin/env python3
"""report.py - what the tries came to: a matrix of engines and features, and the errors of broken containers.

    report.py DIRECTORY            the matrix as text; last line "N passed, N failed, N skipped"; fails if the first runtime failed
    report.py DIRECTORY MARKDOWN   the same between the marks in MARKDOWN, `<!-- NAME -->` and `<!-- /NAME -->`

DIRECTORY has results.tsv, broken.tsv, day.tsv, drop-ins.tsv and versions, as far as they were made.
"""
import os, re, sys

HERE = os.path.dirname(os.path.realpath(__file__))
SIGNS = {"pass": "+", "fail": "F", "skip": "-", None: "?"}


def rows(path, columns):
    if not os.path.exists(path):
        return []
    with open(path, errors="replace") as file:
        return [line.rstrip("\n").split("\t", columns - 1) for line in file if line.strip()]


def unique(items):
    return list(dict.fromkeys(items))


class Results:
    def __init__(self, directory):
        self.directory = directory
        lines = rows(f"{directory}/results.tsv", 6)
        self.verdicts = {(engine, runtime, feature): (verdict, why) for engine, runtime, feature, verdict, _, why in lines}
        order = ["podman", "podman-user", "docker", "ctr", "cri", "buildah", "buildah-user"]
        self.engines = sorted(unique(key[0] for key in self.verdicts), key=order.index)
        self.runtimes = sorted(unique(key[1] for key in self.verdicts), key=lambda name: (name != "teu", name))
        with open(f"{HERE}/features") as file:
            self.features = [line.split()[0] for line in file if line.strip() and not line.startswith("#")]
        self.seconds = sum(float(line[4]) for line in lines)

    def cell(self, engine, feature):
        signs = [SIGNS[self.verdicts.get((engine, runtime, feature), (None,))[0]] for runtime in self.runtimes]
        return "" if "-" in signs and set(signs) <= {"-", "?"} else " ".join(signs)

    def table(self):
        used = [feature for feature in self.features if any(self.cell(engine, feature).strip("? ") for engine in self.engines)]
        return [["feature", *self.engines]] + [[feature, *(self.cell(engine, feature) for engine in self.engines)] for feature in used]

    def with_verdict(self, verdict):
        return [(*key, why) for key, (got, why) in self.verdicts.items() if got == verdict]

    def only(self, runtime):
        """What fails with this runtime, and passes with another."""
        others = [name for name in self.runtimes if name != runtime]
        return [(engine, feature, why) for engine, name, feature, why in self.with_verdict("fail") if name == runtime
                and any(self.verdicts.get((engine, other, feature), ("",))[0] == "pass" for other in others)]


def markdown_row(cells):
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def markdown_table(table):
    return "\n".join([markdown_row(table[0]), "|" + "---|" * len(table[0]), *map(markdown_row, table[1:])])


def code(text):
    return f"`{text}`" if text else ""


def matrix_section(results):
    with_code = [results.table()[0]] + [[row[0], *map(code, row[1:])] for row in results.table()[1:]]
    out = []
    if os.path.exists(f"{results.directory}/versions"):
        out += [open(f"{results.directory}/versions").read().strip(), ""]
    untried = ", `?` not tried" if any("?" in cell for row in results.table()[1:] for cell in row[1:]) else ""
    out += [f"Each cell has a sign for {', '.join(results.runtimes)}, in this order: `+` passed, `F` failed, `-` skipped for the reason "
            f"below{untried}. An empty cell: the engine has nothing of the kind, or it has another name for it.", "",
            markdown_table(with_code), ""]
    counts = [["runtime", "passed", "failed", "skipped"]]
    for runtime in results.runtimes:
        counts.append([runtime, *(str(sum(1 for line in results.with_verdict(verdict) if line[1] == runtime)) for verdict in SIGNS if verdict)])
    out += [markdown_table(counts), ""]
    failed = [[engine, runtime, feature, why] for engine, runtime, feature, why in results.with_verdict("fail")]
    out += ["Failed:", "", markdown_table([["engine", "runtime", "feature", "why"], *failed]), ""] if failed else ["Nothing failed.", ""]
    if len(results.runtimes) > 1:
        own = results.only(results.runtimes[0])
        out += [f"What only {results.runtimes[0]} fails: " + ("; ".join(f"{engine} {feature}" for engine, feature, _ in own) or "nothing") + ".", ""]
    reasons = {}
    for engine, _, feature, why in results.with_verdict("skip"):
        if why and not why.startswith("buildah has no such"):
            reasons.setdefault((engine, why), [])
            if feature not in reasons[engine, why]:
                reasons[engine, why].append(feature)
    out += ["Skipped, and why:", "", markdown_table([["engine", "feature", "why"]] + [[engine, ", ".join(names), why] for (engine, why), names in reasons.items()])]
    return "\n".join(out)


def broken_section(directory):
    names = dict(line.strip().split(" ", 1) for line in open(f"{HERE}/broken.names"))
    lines = rows(f"{directory}/broken.tsv", 5)
    out = []
    for number, name in names.items():
        mine = [line for line in lines if line[0] == number]
        if mine:
            out += [f"**{name}**", "", markdown_table([["engine", "runtime", "status", "the user sees"]] +
                    [[engine, runtime, status, f"`{text.strip().replace('`', chr(39))}`"] for _, engine, runtime, status, text in mine]), ""]
    return "\n".join(out).strip()


def day_section(directory):
    lines = rows(f"{directory}/day.tsv", 4)
    return markdown_table([["engine", "runtime", "verdict", "what happened"], *lines]) if lines else "Not run."


def drop_ins_section(directory):
    lines = sorted(rows(f"{directory}/drop-ins.tsv", 3), key=lambda line: line[0])
    return markdown_table([["file", "verdict", "what was done"], *lines]) if lines else "Not run."


def replace(path, name, text):
    with open(path) as file:
        whole = file.read()
    new = re.sub(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", lambda found: f"{found[1]}\n{text}\n\n{found[2]}", whole, flags=re.S)
    with open(path, "w") as file:
        file.write(new)


def main():
    results = Results(sys.argv[1])
    if len(sys.argv) > 2:
        replace(sys.argv[2], "matrix", matrix_section(results))
        replace(sys.argv[2], "broken", broken_section(sys.argv[1]))
        replace(sys.argv[2], "drop-ins", drop_ins_section(sys.argv[1]))
        replace(sys.argv[2], "day", day_section(sys.argv[1]))
        return 0
    table = results.table()
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    print(f"(each cell: {' '.join(results.runtimes)}; + passed, F failed, - skipped, ? not tried; {results.seconds:.0f} s)")
    for engine, runtime, feature, why in results.with_verdict("fail"):
        print(f"failed: {engine} {runtime} {feature}: {why}")
    for engine, feature, why in results.only(results.runtimes[0]):
        print(f"only {results.runtimes[0]} fails: {engine} {feature}: {why}")
    day = rows(f"{sys.argv[1]}/day.tsv", 4) + [["", "", line[1]] for line in rows(f"{sys.argv[1]}/drop-ins.tsv", 3)]
    for line in rows(f"{sys.argv[1]}/day.tsv", 4) + rows(f"{sys.argv[1]}/drop-ins.tsv", 3):
        print(": ".join(line))
    passed, failed, skipped = (len(results.with_verdict(verdict)) + sum(1 for line in day if line[2] == verdict) for verdict in ("pass", "fail", "skip"))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    own = [line for line in results.with_verdict("fail") if line[1] == results.runtimes[0]]
    return 1 if own or not passed or any(line[2] == "fail" for line in day) else 0


if __name__ == "__main__":
    sys.exit(main())
