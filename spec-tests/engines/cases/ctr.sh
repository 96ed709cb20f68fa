# shellcheck shell=bash
# ctr - containerd's own client: one container, one shim, nothing decided by anybody else.
#- exit-codes: ctr has no such codes
#- exec-codes: ctr has no such codes
#- restart: ctr restarts nothing
#- logs: ctr keeps no logs but with a log driver; see attach
#- pods: ctr has no pods
#- userns: ctr maps ids by hand, and needs a root filesystem that has them: see idmap
#- healthcheck: ctr checks nothing
#- ports: ctr publishes nothing
#- keep-groups: ctr has no such option
#- preserve-fds: containerd hands no open files on
#- hooks: ctr has no such option
#- sdnotify: containerd hands no NOTIFY_SOCKET on
#- systemd: tried under the engines that prepare a container for it
#- build: ctr builds nothing
#- buildkit: ctr builds nothing
#- no-cgroups: containerd always has a cgroup
#- init: ctr has no such option
#- ulimits: ctr has no such option; one of the container's own is 1024 files
#- sysctl: ctr has no such option
#- healthcheck: ctr checks nothing
#- no-new-privs: every container of ctr has it; see privileged
#- stop: ctr only kills; see kill
#- update: ctr has no such command; see cri

IMAGE=localhost/bb:latest
run() { ctr run --runc-binary "$RT" "$@"; }
r() { run --rm "${OPTIONS[@]}" $IMAGE "c$RANDOM$RANDOM" "$@"; }
r_() { # OPTION... -- COMMAND...
    local OPTIONS=()
    while [ "$1" != -- ]; do OPTIONS+=("$1"); shift; done
    r "${@:2}"
}
OPTIONS=()
# The container c, in the background.
d() { run -d --null-io "${OPTIONS[@]}" $IMAGE c "$@" || fail 'run -d failed'; }
execute() { ctr task exec --exec-id "x$RANDOM$RANDOM" "$@"; }
pid_of() { ctr task ls | awk -v c="$1" '$1 == c { print $2 }'; }
state_of() { ctr task ls | awk -v c="$1" '$1 == c { print $3 }'; }
cleanup() {
    local c
    for c in $(ctr task ls -q); do ctr task rm -f "$c" >/dev/null 2>&1; done
    for c in $(ctr container ls -q); do ctr container rm "$c" >/dev/null 2>&1; done
}

t_run() { same "$(r echo hello world)" 'hello world'; }
t_stdin() { same "$(echo typed | r head -n 1)" typed; }
t_exit-status() { code 7 r sh -c 'exit 7'; }
t_environment() { same "$(r_ --env A=b --cwd /tmp --hostname box -- sh -c 'echo $A $PWD $(hostname)')" 'b /tmp box'; }
t_detach() {
    d sleep 3
    same "$(state_of c)" RUNNING
    until_true 20 sh -c 'ctr task ls | grep -q STOPPED'
    ctr task rm c >/dev/null 2>&1 || fail 'task rm'
}
t_tty() { has "$(script -qec "stty rows 30 cols 90; ctr run --rm -t --runc-binary $RT $IMAGE c sh -c 'sleep 1; tty; stty size'" /dev/null </dev/null)" /dev/pts/0 '30 90'; }
t_exec() {
    d sleep 100
    same "$(execute --cwd /tmp --user 7:8 c sh -c 'echo $PWD $(id -u) $(id -g); exit 5'; echo $?)" $'/tmp 7 8\n5'
    same "$(echo typed | execute c head -n 1)" typed
    ! execute c nope >"$T/out" 2>&1 || fail 'a missing program ran'
    has "$(cat "$T/out")" 'executable file'
}
t_exec-tty() {
    d sleep 100
    has "$(script -qec "ctr task exec -t --exec-id y c sh -c 'sleep 1; tty'" /dev/null </dev/null)" /dev/pts/
}
t_exec-detach() {
    d sleep 100
    execute -d c sh -c 'echo done >/tmp/x'
    until_true 20 ctr task exec --exec-id "t$RANDOM" c test -s /tmp/x
}
t_attach() {
    run -d --log-uri "file://$T/log" $IMAGE c sh -c 'echo out; echo err >&2' || fail 'run -d'
    until_true 20 grep -q err "$T/log"
    has "$(cat "$T/log")" out
}
t_signals() {
    run --rm $IMAGE c sh -c 'trap "exit 9" TERM; while :; do sleep .1; done' &
    until_true 20 ctr task exec --exec-id s c true
    kill -TERM $!
    wait $!
    same $? 9
}
t_kill() {
    run $IMAGE c sleep 100 &
    until_true 20 sh -c 'ctr task ls | grep -q RUNNING'
    ctr task kill -s USR1 c || fail 'kill USR1'
    ctr task kill -a -s KILL c || fail 'kill --all KILL'
    wait $!
    same $? 137
    ! ctr task kill -s KILL c >"$T/out" 2>&1 || fail 'killed twice'
    has "$(cat "$T/out")" 'not found'
}
t_top() {
    d sh -c 'sleep 100 & sleep 100'
    until_true 20 sh -c '[ $(ctr task ps c | wc -l) = 3 ]'
}
t_stats() {
    d sleep 100
    has "$(ctr task metrics c)" memory cpu pids.current
}
t_inspect() {
    d sleep 100
    same "$(state_of c)" RUNNING
    has "$(ctr container info c)" io.containerd.runc.v2
    [ -d "/proc/$(pid_of c)" ] || fail 'no such pid'
}
t_pause() {
    d sleep 100
    ctr task pause c || fail pause
    same "$(state_of c)" PAUSED
    ctr task resume c || fail resume
    same "$(state_of c)" RUNNING
    execute c true || fail 'exec after resume'
}
t_limits() {
    OPTIONS=(--memory-limit 67108864 --cpus .5 --cpuset-cpus 0)
    d sleep 100
    # ctr mounts no cgroup file system in the container.
    cd "$(cgroup_of "$(pid_of c)")" || fail 'no cgroup'
    same "$(echo $(cat memory.max cpu.max cpuset.cpus))" '67108864 50000 100000 0'
}
t_volumes() {
    mkdir "$T/v"
    r_ --mount "type=bind,src=$T/v,dst=/v,options=rbind:rw" -- touch /v/written || fail 'bind mount'
    [ -e "$T/v/written" ] || fail 'not written'
    code 1 r_ --mount "type=bind,src=$T/v,dst=/v,options=rbind:ro" -- touch /v/x
    has "$(cat "$T/out")" 'Read-only file system'
}
t_propagation() {
    mkdir "$T/v"
    mount -t tmpfs t "$T/v" && mount --make-shared "$T/v" && mkdir "$T/v/m"
    OPTIONS=(--mount "type=bind,src=$T/v,dst=/v,options=rbind:rslave:rw")
    d sleep 100
    mount -t tmpfs later "$T/v/m"
    has "$(execute c mount)" 'later on /v/m'
    cleanup
    umount -R "$T/v"
}
t_idmap() {
    same "$(r_ --uidmap 0:100000:65536 --gidmap 0:100000:65536 -- sh -c 'id -u; awk "{print \$2}" /proc/self/uid_map')" $'0\n100000'
}
t_tmpfs() { same "$(r_ --mount 'type=tmpfs,src=tmpfs,dst=/t,options=size=1m:mode=700' -- stat -c %a /t)" 700; }
t_user() { has "$(r_ --user 7:8 -- id)" uid=7 gid=8; }
t_caps() {
    same "$(r_ --cap-drop CAP_CHOWN -- cat /proc/self/status | status CapEff)" 00000000a80425fa
    same "$(r_ --cap-add CAP_SYS_ADMIN -- cat /proc/self/status | status CapEff)" 00000000a82425fb
}
t_seccomp() {
    same "$(r_ --seccomp -- cat /proc/self/status | status Seccomp)" 2
    same "$(r cat /proc/self/status | status Seccomp)" 0
    code 1 r_ --seccomp --seccomp-profile "$T/no-mkdir.json" -- mkdir /x
    has "$(cat "$T/out")" 'Operation not permitted'
}
t_apparmor() {
    same "$(r_ --apparmor-profile test-deny -- cat /proc/self/attr/current)" 'test-deny (enforce)'
    has "$(r_ --apparmor-default-profile ctr-default -- cat /proc/self/attr/current)" ctr-default
}
t_privileged() {
    same "$(r_ --privileged --allow-new-privs -- sh -c 'grep CapEff /proc/self/status; grep NoNew /proc/self/status; test -w /proc/sysrq-trigger && echo open; test -b /dev/vda && echo devices')" \
        "CapEff:	$(status CapEff </proc/1/status)"$'\nNoNewPrivs:\t0\nopen\ndevices'
}
t_read-only() {
    code 1 r_ --read-only -- touch /x
    has "$(cat "$T/out")" 'Read-only file system'
}
t_masked() {
    same "$(r sh -c 'cat /proc/kcore /proc/keys | wc -c; ls /proc/scsi 2>/dev/null | wc -l')" $'0\n0'
    code 1 r sh -c 'echo 1 >/proc/sys/kernel/panic'
}
t_devices() { same "$(r_ --device /dev/fuse -- sh -c 'exec 3<>/dev/fuse && echo yes')" yes; }
t_host-namespaces() { same "$(r_ --net-host -- readlink /proc/self/ns/net)" "$(readlink /proc/1/ns/net)"; }
t_join-namespaces() {
    d sleep 100
    local pid
    pid=$(pid_of c)
    same "$(r_ --with-ns "pid:/proc/$pid/ns/pid" --with-ns "network:/proc/$pid/ns/net" --with-ns "ipc:/proc/$pid/ns/ipc" -- \
        sh -c 'readlink /proc/self/ns/pid; readlink /proc/self/ns/net; readlink /proc/self/ns/ipc')" \
        "$(for n in pid net ipc; do readlink "/proc/$pid/ns/$n"; done)"
}
t_network() {
    has "$(r_ --cni -- ip -o addr)" 'eth0'
}
t_cgroupfs() {
    d sleep 100
    has "$(cgroup_of "$(pid_of c)")" /default/c
}
t_systemd-cgroup() {
    OPTIONS=(--runc-systemd-cgroup --cgroup system.slice:ctr:c --memory-limit 67108864)
    d sleep 100
    has "$(cgroup_of "$(pid_of c)")" system.slice/ctr-c.scope
    same "$(cat /sys/fs/cgroup/system.slice/ctr-c.scope/memory.max)" 67108864
    execute c true || fail exec
    ctr task rm -f c >/dev/null 2>&1
    [ ! -e /sys/fs/cgroup/system.slice/ctr-c.scope ] || fail 'the unit stays'
}
t_oom() {
    ctr events >"$T/events" &
    local events=$!
    sleep 2
    code 137 r_ --memory-limit 16777216 -- tail /dev/zero
    kill $events
    has "$(cat "$T/events")" /tasks/oom
}
t_fifty() {
    seq 50 | xargs -P 4 -I% ctr run --runc-binary "$RT" -d --null-io $IMAGE n% sleep 3000 || fail 'not all started'
    same "$(ctr task ls | grep -c RUNNING)" 50
    same "$(execute n17 echo in)" in
    seq 50 | xargs -P 4 -I% ctr task rm -f n% >/dev/null 2>&1
    same "$(ctr task ls -q)" ''
}
t_nothing-left() {
    cleanup
    same "$(ls /run/containerd/runc/default 2>/dev/null)" ''
    same "$(ls /run/containerd/io.containerd.runtime.v2.task/default 2>/dev/null)" ''
    same "$(find /sys/fs/cgroup/default -mindepth 1 -type d 2>/dev/null | head -n 3)" ''
    same "$(pgrep -fc 'containerd-shim.*-namespace default')" 0
}
