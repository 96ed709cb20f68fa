# shellcheck shell=bash
# buildah - as root and, as buildah-user, as an ordinary user: RUN steps, and `buildah run` in a working container.
#- others: buildah has no such option or command

b() { buildah "$@"; }
cleanup() { buildah rm -a >/dev/null 2>&1; :; }
# The working container, and a program in it.
from() { b from --name work localhost/bb >/dev/null || fail from; }
r() { b run --runtime "$RT" --isolation oci --network none "${OPTIONS[@]}" work -- "$@"; }
OPTIONS=()
build() { b build --runtime "$RT" --isolation oci --network none "$@" "$T" >"$T/out" 2>&1; }

t_run() { from; same "$(r echo hello world)" 'hello world'; }
t_stdin() { from; same "$(echo typed | r cat)" typed; }
t_exit-status() { from; code 7 r sh -c 'exit 7'; }
t_exit-codes() { from; ! r nope >"$T/out" 2>&1 || fail 'a missing program ran'; has "$(cat "$T/out")" nope; }
t_environment() { from; OPTIONS=(--env A=b --workingdir /tmp --hostname box); same "$(r sh -c 'echo $A $PWD $(hostname)')" 'b /tmp box'; }
t_tty() { from; has "$(script -qec "buildah run --runtime $RT --isolation oci -t work -- tty" /dev/null </dev/null)" /dev/; }
t_volumes() { from; mkdir "$T/v"; OPTIONS=(-v "$T/v:/v"); r touch /v/x || fail run; [ -e "$T/v/x" ] || fail 'not written'; }
t_tmpfs() { from; OPTIONS=(--mount type=tmpfs,dst=/t,tmpfs-size=1m); has "$(r mount)" 'on /t type tmpfs'; }
t_user() { from; OPTIONS=(--user 7:8); has "$(r id)" uid=7 gid=8; }
t_caps() { from; OPTIONS=(--cap-add CAP_SYS_ADMIN); [ $((0x$(r cat /proc/self/status | status CapEff) & 0x200000)) != 0 ] || fail 'not added'; }
t_limits() {
    # The cgroup of an ordinary user's login belongs to root; that of a unit of the user's own does not.
    local scope=()
    [ "$(id -u)" = 0 ] || scope=(systemd-run --user --scope -q)
    printf '%s\n' 'FROM localhost/bb' 'RUN test $(cat /sys/fs/cgroup/memory.max) = 67108864' >"$T/Containerfile"
    "${scope[@]}" buildah build --runtime "$RT" --isolation oci --network none -m 64m "$T" >"$T/out" 2>&1 || fail "$(tail -n 2 "$T/out")"
}
t_ulimits() {
    printf '%s\n' 'FROM localhost/bb' 'RUN test $(ulimit -n) = 100' >"$T/Containerfile"
    build --ulimit nofile=100:200 || fail "$(tail -n 2 "$T/out")"
}
t_seccomp() { from; same "$(r cat /proc/self/status | status Seccomp)" 2; }
t_build() {
    cat >"$T/Containerfile" <<'END'
FROM localhost/bb
RUN echo built >/file && mkdir /own && chown 5:5 /own
USER 5
RUN touch /own/x
RUN --mount=type=tmpfs,dst=/t --mount=type=cache,dst=/c,uid=5 touch /c/x
END
    build -t built || fail "$(tail -n 2 "$T/out")"
    printf '%s\n' 'FROM built' 'RUN exit 9' >"$T/Containerfile"
    code 9 build
    buildah rmi built >/dev/null 2>&1
}
t_nothing-left() {
    cleanup
    local state=${XDG_RUNTIME_DIR:-/run}
    [ "$(id -u)" != 0 ] || state=/run
    same "$(ls "$state/$NAME" 2>/dev/null)" ''
    same "$(find /sys/fs/cgroup -type d -name 'buildah*' | head -n 3)" ''
}
