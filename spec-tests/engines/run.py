#!/usr/bin/env python3
"""run.py - try every feature of one engine with one runtime, inside the test machine.

    run.py --results FILE --engine ENGINE --runtime NAME=PATH [--only FEATURE,...] [--skip FEATURE,...]

A case is a bash function of cases/ENGINE.sh, in a session of its own and with a deadline. Each verdict is a line of FILE,
written at once: ENGINE, RUNTIME, FEATURE, verdict, seconds, why. What FILE has already is not tried again.
"""
import argparse, os, re, shutil, signal, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.realpath(__file__))
# An engine and the file with its cases.
FILES = {"podman": "podman", "podman-user": "podman", "docker": "docker", "ctr": "ctr", "cri": "cri",
         "buildah": "buildah", "buildah-user": "buildah"}


def features():
    with open(f"{HERE}/features") as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                name, seconds, _ = line.split(maxsplit=2)
                yield name, int(seconds)


def absent(path):
    """What an engine does not have: lines '#- FEATURE: reason' in the file with its cases."""
    with open(path) as file:
        return dict(re.findall(r"^#- ([a-z-]+): (.*)$", file.read(), re.M))


def one_line(text):
    lines = [line.strip() for line in text.replace("\t", " ").replace("\r", "").splitlines() if line.strip()]
    return " / ".join(lines[-2:])[:400]


def bash(path, words, env, seconds):
    """Run `words` after sourcing the cases; (exit status or None at the deadline, output)."""
    script = f". {HERE}/cases/lib.sh; . {path}; {words}"
    with tempfile.TemporaryFile() as output:
        case = subprocess.Popen(["bash", "-c", script], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                start_new_session=True, env=env)
        try:
            status = case.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(case.pid, signal.SIGKILL)
            case.wait()
            status = None
        output.seek(0)
        return status, output.read().decode(errors="replace")


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--results", required=True)
    args.add_argument("--engine", required=True, choices=FILES)
    args.add_argument("--runtime", required=True)
    args.add_argument("--only", default="")
    args.add_argument("--skip", default="")
    args = args.parse_args()
    name, path = args.runtime.split("=", 1)
    cases = f"{HERE}/cases/{FILES[args.engine]}.sh"
    python = args.engine == "cri" # its cases are functions of cri.py
    tables = f"{HERE}/cases/cri.py" if python else cases
    missing, only = absent(tables), set(filter(None, args.only.split(",")))
    with open(tables) as file:
        found = re.findall(r"^(?:def )?t_([a-z_-]+)\(\)", file.read(), re.M)
    written = {name.replace("_", "-") for name in found}
    done = set()
    if os.path.exists(args.results):
        with open(args.results) as file:
            done = {tuple(line.split("\t")[:3]) for line in file}

    def verdict(feature, what, seconds, why):
        line = "\t".join([args.engine, name, feature, what, f"{seconds:.1f}", why])
        with open(args.results, "a") as file:
            file.write(line + "\n")
        print({"pass": "ok", "fail": "not ok", "skip": "ok"}[what], "-", f"{args.engine} {name} {feature}",
              f"({seconds:.1f} s)", {"skip": "# SKIP " + why, "fail": "# " + why}.get(what, ""), flush=True)

    def run(words, seconds):
        directory = tempfile.mkdtemp(prefix="engines.", dir="/var/tmp")
        env = dict(os.environ, NAME=name, RT=path, T=directory, ENGINE=args.engine)
        try:
            return bash(cases, words, env, seconds)
        finally:
            subprocess.run(["umount", "-qR", f"{directory}/v"], stderr=subprocess.DEVNULL) # where cases mount
            shutil.rmtree(directory, ignore_errors=True)

    prepared = False
    for feature, seconds in features():
        if (args.engine, name, feature) in done or (only and feature not in only) or feature in args.skip.split(","):
            continue
        if feature not in written:
            verdict(feature, "skip", 0, missing.get(feature, missing.get("others", "no such feature")))
            continue
        if not prepared:
            run("declare -F prepare >/dev/null && prepare", 120)
            run("cleanup", 120)
            prepared = True
        started = time.monotonic()
        status, output = run(f"cri t_{feature}" if python else f"t_{feature}", seconds)
        spent = time.monotonic() - started
        what = {0: "pass", 77: "skip"}.get(status, "fail")
        why = one_line(output) if status is not None else f"not done after {seconds} s: {one_line(output)}"
        if what == "fail" and status is not None and not why:
            why = f"exit status {status}"
        verdict(feature, what, spent, "" if what == "pass" else why)
        run("cleanup", 180)


if __name__ == "__main__":
    sys.exit(main())
