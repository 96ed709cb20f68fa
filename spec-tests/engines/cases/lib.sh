# shellcheck shell=bash
# lib.sh - what the cases share. A case is a function t_NAME; it passes when it returns 0. $NAME is the name of the
# runtime, $RT its path, $T an empty directory of its own that goes with it.
set -uo pipefail

fail() { echo "$*"; exit 1; }
skip() { echo "$*"; exit 77; }

# same GOT WANT
same() { [ "$1" = "$2" ] || fail "got '$1', not '$2'"; }

# has TEXT PART...
has() {
    local part
    for part in "${@:2}"; do [[ $1 == *"$part"* ]] || fail "no '$part' in '$1'"; done
}

# code WANTED COMMAND...: its exit status
code() {
    local got=0
    "${@:2}" >"$T/out" 2>&1 </dev/null || got=$?
    [ $got = "$1" ] || fail "exit status $got, not $1, of ${*:2}: $(tail -n 2 "$T/out")"
}

# until_true SECONDS COMMAND...: try again until it succeeds
until_true() {
    local end=$((SECONDS + $1))
    until "${@:2}" >"$T/out" 2>&1 </dev/null; do
        [ $SECONDS -lt $end ] || fail "not within $1 s: ${*:2}: $(tail -n 2 "$T/out")"
        sleep .2
    done
}

# The cgroup of a process, on cgroup v2.
cgroup_of() { echo "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$1/cgroup")"; }

status() { awk -v key="$1:" '$1 == key { print $2 }'; } # FIELD of /proc/PID/status on stdin

# A seccomp profile that allows everything but mkdir.
cat >"$T/no-mkdir.json" <<'END'
{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
 "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}
END
