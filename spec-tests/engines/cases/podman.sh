# shellcheck shell=bash
# podman - as root and, as podman-user, as an ordinary user.
#- buildkit: podman builds with buildah

p() { podman --runtime "$NAME" "$@"; }
r() { p run --rm --network none "$@"; }
# The container c, in the background.
d() { p run -d --network none --name c "$@" >/dev/null || fail 'run -d failed'; }
cleanup() { [ -n "$(podman ps -aq)$(podman pod ls -q)$(podman volume ls -q)" ] || return 0; podman rm -fa -t0 >/dev/null; podman pod rm -fa >/dev/null; podman volume rm -fa >/dev/null; }
root() { [ "$(id -u)" = 0 ]; }
inspect() { podman inspect -f "$2" "$1"; }

t_run() { same "$(r bb echo hello world)" 'hello world'; }
t_stdin() { same "$(echo typed | r -i bb cat)" typed; }
t_exit-status() { code 7 r bb sh -c 'exit 7'; }
t_exit-codes() {
    code 125 r --nope bb true
    code 126 r bb /etc
    code 126 r bb /etc/passwd
    code 127 r bb nope
    code 127 r bb /nope
}
t_environment() { same "$(r -e A=b -w /tmp -h box bb sh -c 'echo $A $PWD $(hostname)')" 'b /tmp box'; }
t_detach() {
    d bb sh -c 'sleep 1; exit 3'
    same "$(p wait c)" 3
}
t_tty() { has "$(r -t bb sh -c 'tty; stty size; test -t 0 && test -t 1 && test -t 2 && echo three')" /dev/pts/0 three; }
t_exec() {
    d bb sleep 100
    same "$(p exec -e A=b -w /tmp -u 7:8 c sh -c 'echo $A $PWD $(id -u) $(id -g); exit 5'; echo $?)" $'b /tmp 7 8\n5'
    same "$(echo typed | p exec -i c cat)" typed
}
t_exec-codes() {
    d bb sleep 100
    code 127 p exec c nope
    code 127 p exec c /nope
    code 126 p exec c /etc
    code 126 p exec c /etc/passwd
}
t_exec-tty() {
    d bb sleep 100
    has "$(p exec -t c tty)" /dev/pts/
    # podman tells the size when the program runs already.
    has "$(script -qec "stty rows 30 cols 90; podman --runtime $NAME exec -it c sh -c 'sleep 1; stty size'" /dev/null </dev/null)" '30 90'
}
t_exec-detach() {
    d bb sleep 100
    p exec -d c sh -c 'echo done >/tmp/x' >/dev/null
    until_true 20 p exec c test -s /tmp/x
}
t_attach() {
    p run -di --network none --name c bb sh -c 'read x; echo got $x' >/dev/null
    same "$(echo word | p attach c)" 'got word'
}
t_logs() {
    d bb sh -c 'echo out; echo err >&2'
    p wait c >/dev/null
    same "$(p logs c 2>/dev/null)" out
    same "$(p logs c 2>&1 >/dev/null)" err
}
t_signals() {
    p run --rm --network none --name c bb sh -c 'trap "exit 9" TERM; while :; do sleep .1; done' &
    until_true 20 p exec c true
    kill -TERM $!
    wait $!
    same $? 9
}
t_stop() {
    d bb sh -c 'trap "exit 4" TERM; while :; do sleep .1; done'
    sleep 1
    p stop -t 20 c >/dev/null
    same "$(inspect c '{{.State.ExitCode}}')" 4
}
t_kill() {
    d bb sleep 100
    p stop -t 1 c >/dev/null 2>&1
    same "$(inspect c '{{.State.ExitCode}}')" 137
    p start c >/dev/null
    p kill -s USR1 c >/dev/null || fail 'kill USR1'
    p kill c >/dev/null
    same "$(p wait c)" 137
    code 125 p kill c
}
t_restart() {
    d --restart=on-failure:2 bb sh -c 'exit 3'
    restarted() { [ "$(inspect c '{{.RestartCount}} {{.State.Status}}')" = '2 exited' ]; }
    until_true 60 restarted
    p run -d --network none --name k bb sleep 100 >/dev/null
    local first
    first=$(inspect k '{{.State.Pid}}')
    p restart -t 0 k >/dev/null || fail restart
    [ "$first" != "$(inspect k '{{.State.Pid}}')" ] || fail 'the same process'
}
t_top() {
    d bb sleep 100
    has "$(p top c pid args)" 'sleep 100'
}
t_stats() {
    d bb sleep 100
    same "$(p stats --no-stream --format '{{.PIDs}}' c)" 1
}
t_inspect() {
    d bb sleep 100
    same "$(inspect c '{{.State.Status}} {{.OCIRuntime}}')" "running $NAME"
    [ -d "/proc/$(inspect c '{{.State.Pid}}')" ] || fail 'no such pid'
}
t_pause() {
    d bb sleep 100
    p pause c >/dev/null || fail pause
    same "$(inspect c '{{.State.Status}}')" paused
    ! p exec c true 2>/dev/null || fail 'exec into a paused container'
    p unpause c >/dev/null || fail unpause
    p exec c true || fail 'exec after unpause'
}
t_limits() {
    same "$(r -m 64m --cpus .5 --pids-limit 33 --cpuset-cpus 0 --memory-reservation 32m bb \
        sh -c 'cd /sys/fs/cgroup; echo $(cat memory.max cpu.max pids.max cpuset.cpus memory.low)')" '67108864 50000 100000 33 0 33554432'
}
t_update() {
    d -m 64m bb sleep 100
    p update -m 96m --cpus .5 --pids-limit 50 c >/dev/null || fail update
    same "$(p exec c sh -c 'cd /sys/fs/cgroup; echo $(cat memory.max cpu.max pids.max)')" '100663296 50000 100000 50'
}
t_volumes() {
    mkdir "$T/v"
    r -v "$T/v:/v" bb touch /v/written || fail 'bind mount'
    [ -e "$T/v/written" ] || fail 'not written'
    code 1 r -v "$T/v:/v:ro" bb touch /v/x
    has "$(cat "$T/out")" 'Read-only file system'
    r -v "$T/v/written:/deep/down/file" bb test -f /deep/down/file || fail 'bind mount of a file'
    r -v named:/etc bb touch /etc/kept || fail 'named volume'
    r -v named:/v bb sh -c 'test -e /v/kept && test -e /v/passwd' || fail 'the volume does not keep'
}
t_propagation() {
    root || skip 'an ordinary user cannot mount on the host'
    mkdir -p "$T/v/m"
    mount -t tmpfs t "$T/v" && mount --make-shared "$T/v" && mkdir "$T/v/m"
    d -v "$T/v:/v:rslave" bb sleep 100
    mount -t tmpfs later "$T/v/m"
    has "$(p exec c mount)" 'later on /v/m'
    podman rm -f -t0 c >/dev/null
    umount -R "$T/v"
}
t_idmap() {
    root || skip 'an ordinary user cannot make idmapped mounts'
    mkdir "$T/v"
    same "$(r --uidmap 0:100000:1000 --gidmap 0:100000:1000 -v "$T/v:/v:idmap" bb stat -c %u:%g /v)" 0:0
}
t_tmpfs() {
    same "$(r --tmpfs /t:size=1m,mode=700 --shm-size 2m bb sh -c 'stat -c %a /t; df -k /t /dev/shm | awk "NR>1{print \$2}"')" $'700\n1024\n2048'
}
t_user() {
    has "$(r -u 7:8 --group-add 9 bb id)" uid=7 gid=8 9
    same "$(r -u 7:8 --tmpfs /tmp:mode=1777 bb sh -c 'touch /tmp/x; stat -c %u:%g /tmp/x')" 7:8
}
t_keep-groups() { has "$(r --group-add keep-groups bb id)" uid=0; }
t_caps() {
    same "$(r --cap-drop all bb cat /proc/self/status | status CapEff)" 0000000000000000
    same "$(r --cap-drop all --cap-add net_raw bb cat /proc/self/status | status CapEff)" 0000000000002000
}
t_no-new-privs() { same "$(r --security-opt no-new-privileges bb cat /proc/self/status | status NoNewPrivs)" 1; }
t_seccomp() {
    same "$(r bb cat /proc/self/status | status Seccomp)" 2
    same "$(r --security-opt seccomp=unconfined bb cat /proc/self/status | status Seccomp)" 0
    code 1 r --security-opt "seccomp=$T/no-mkdir.json" bb mkdir /x
    has "$(cat "$T/out")" 'Operation not permitted'
}
t_apparmor() {
    root || skip 'podman sets no AppArmor profile for an ordinary user'
    has "$(r bb cat /proc/self/attr/current)" 'containers-default'
    same "$(r --security-opt apparmor=unconfined bb cat /proc/self/attr/current)" unconfined
    same "$(r --security-opt apparmor=test-deny bb cat /proc/self/attr/current)" 'test-deny (enforce)'
}
t_privileged() {
    same "$(r --privileged bb sh -c 'grep CapEff /proc/self/status; test -w /proc/sysrq-trigger && echo open; test -e /dev/fuse && echo devices')" \
        "CapEff:	$(root && cat /proc/1/status | status CapEff || echo 000001ffffffffff)"$'\nopen\ndevices'
}
t_read-only() {
    code 1 r --read-only bb touch /x
    has "$(cat "$T/out")" 'Read-only file system'
    r --read-only bb touch /tmp/x || fail '/tmp is writable all the same'
}
t_masked() {
    same "$(r bb sh -c 'cat /proc/kcore /proc/keys | wc -c; ls /proc/scsi 2>/dev/null | wc -l')" $'0\n0'
    code 1 r bb sh -c 'echo 1 >/proc/sys/kernel/panic'
    r --security-opt unmask=ALL bb sh -c 'test $(head -c1 /proc/timer_list | wc -c) = 1 || exit 0' || fail unmask
}
t_ulimits() { same "$(r --ulimit nofile=100:200 --ulimit core=0 bb sh -c 'ulimit -n; ulimit -Hn; ulimit -c')" $'100\n200\n0'; }
t_sysctl() { same "$(r --sysctl kernel.shm_rmid_forced=1 --sysctl net.ipv4.ip_default_ttl=33 bb cat /proc/sys/kernel/shm_rmid_forced /proc/sys/net/ipv4/ip_default_ttl)" $'1\n33'; }
t_devices() {
    same "$(r --device /dev/fuse:/dev/f bb sh -c 'test -c /dev/f && echo yes; test -e /dev/fuse || echo no')" $'yes\nno'
    root || return 0
    code 1 r --device /dev/vda:/dev/d:w bb head -c1 /dev/d
    r --device /dev/vda:/dev/d:r bb head -c1 /dev/d >/dev/null || fail 'cannot read'
    r --device-cgroup-rule 'c 10:229 rw' --cap-add mknod bb sh -c 'mknod /dev/f c 10 229 && exec 3<>/dev/f' || fail rule
}
t_init() { same "$(r --init bb cat /proc/1/comm)" podman-init; }
t_preserve-fds() {
    echo content >"$T/file"
    same "$(r --preserve-fds 1 bb sh -c 'cat <&3' 3<"$T/file")" content
    d bb sleep 100
    same "$(p exec --preserve-fds 1 c sh -c 'cat <&3' 3<"$T/file")" content
}
t_hooks() {
    mkdir "$T/hooks"
    cat >"$T/hook" <<END
#!/bin/sh
cat >$T/\$1
END
    chmod +x "$T/hook"
    for stage in createRuntime createContainer poststart poststop; do
        echo '{"version": "1.0.0", "hook": {"path": "'"$T"/hook'", "args": ["hook", "'$stage'"]}, "when": {"always": true}, "stages": ["'$stage'"]}' \
            >"$T/hooks/$stage.json"
    done
    podman --runtime "$NAME" --hooks-dir "$T/hooks" run --rm --network none bb true || fail 'run with hooks'
    for stage in createRuntime createContainer poststart poststop; do
        has "$(cat "$T/$stage")" '"status"'
    done
}
t_host-namespaces() {
    local names='pid ipc uts net cgroup' host inside
    host=$(for n in $names; do readlink "/proc/self/ns/$n"; done)
    inside=$(p run --rm --pid host --ipc host --uts host --network host --cgroupns host bb \
        sh -c "for n in $names; do readlink /proc/self/ns/\$n; done")
    same "$inside" "$host"
}
t_join-namespaces() {
    d bb sleep 100
    local names='for n in pid ipc net; do readlink /proc/self/ns/$n; done'
    same "$(p run --rm --pid container:c --ipc container:c --network container:c bb sh -c "$names; pidof sleep")" "$(p exec c sh -c "$names"; echo 1)"
    root || return 0
    ip netns add engines
    same "$(p run --rm --network ns:/run/netns/engines bb readlink /proc/self/ns/net)" "$(ip netns exec engines readlink /proc/self/ns/net)"
    ip netns del engines
}
t_pods() {
    p pod create --name pod --network none --share pid,net,ipc,uts --hostname podhost >/dev/null || fail 'pod create'
    p run -d --pod pod --name a bb sh -c 'echo x >/dev/shm/x; exec httpd -f -p 127.0.0.1:80' >/dev/null || fail 'run in pod'
    same "$(p run --rm --pod pod bb sh -c 'ip link set lo up; pidof httpd >/dev/null && hostname; cat /dev/shm/x; wget -qO- http://127.0.0.1/etc/passwd | head -c4')" \
        $'podhost\nx\nroot'
    p pod stop -t 0 pod >/dev/null || fail 'pod stop'
    p pod start pod >/dev/null || fail 'pod start'
    same "$(inspect a '{{.State.Status}}')" running
    p pod pause pod >/dev/null || fail 'pod pause'
    p pod unpause pod >/dev/null || fail 'pod unpause'
    p pod rm -f -t 0 pod >/dev/null || fail 'pod rm'
}
t_userns() {
    if ! root; then
        same "$(r --userns keep-id bb id -u)" "$(id -u)"
        has "$(r --userns keep-id:uid=77,gid=78 bb id)" uid=77 gid=78
    fi
    same "$(r --userns auto:size=1000 bb awk '{print $1, $3}' /proc/self/uid_map)" '0 1000'
    same "$(r --userns nomap bb id -u 2>/dev/null || echo 0)" 0
}
t_healthcheck() {
    d --health-cmd 'test -e /tmp/well' --health-interval 1s --health-retries 1 bb sleep 100
    code 1 p healthcheck run c
    p exec c touch /tmp/well
    code 0 p healthcheck run c
    until_true 20 sh -c "podman inspect -f '{{.State.Health.Status}}' c | grep -x healthy"
}
t_network() {
    p network exists net1 || p network create net1 >/dev/null
    p run -d --name c --network net1 bb httpd -f -p 80 >/dev/null || fail 'run in a network'
    same "$(p run --rm --network net1 bb wget -qO- http://c/etc/passwd | head -c4)" root
    podman rm -f -t0 c >/dev/null
    p network rm net1 >/dev/null
}
t_ports() {
    p run -d --name c -p 127.0.0.1:18080:80 bb httpd -f -p 80 >/dev/null || fail 'run -p'
    until_true 20 curl -sf http://127.0.0.1:18080/etc/passwd
}
t_sdnotify() {
    local unit=engines-notify scope=()
    root || scope=(--user)
    systemd-run "${scope[@]}" -qG --unit $unit -p Type=notify -p NotifyAccess=all -p TimeoutStartSec=40 podman --runtime "$NAME" run --rm --name c \
        --network none --sdnotify container -v /usr/bin/python3:/usr/bin/python3 -v /usr/lib:/usr/lib -v /usr/lib:/lib -v /lib64:/lib64 bb \
        python3 -c 'import os, socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(os.environ["NOTIFY_SOCKET"])
s.send(b"READY=1")
time.sleep(100)' || fail "$(journalctl "${scope[@]/#--user/--user-unit=$unit}" -q -n 3 -o cat -u $unit)"
    same "$(systemctl "${scope[@]}" is-active $unit)" active
    p rm -f -t0 c >/dev/null
    systemctl "${scope[@]}" stop $unit 2>/dev/null || :
}
t_systemd() {
    p run -d --network none --name c --systemd always --stop-signal RTMIN+3 debian /sbin/init >/dev/null || fail 'run systemd'
    up() { [[ $(p exec c systemctl is-system-running) == @(running|degraded) ]]; }
    until_true 150 up
    has "$(p exec c systemctl list-units --failed --no-legend --plain; echo none)" none
    p exec c systemctl start systemd-tmpfiles-clean || fail 'no unit can be started inside'
    p stop -t 60 c >/dev/null
    same "$(inspect c '{{.State.ExitCode}}')" 0
}
t_build() {
    cat >"$T/Containerfile" <<'END'
FROM localhost/bb
RUN echo built >/file && id -u >/uid && mkdir /own && chown 5:5 /own
USER 5
RUN touch /own/x
RUN --mount=type=tmpfs,dst=/t --mount=type=cache,dst=/c,uid=5 touch /c/x
CMD cat /file
END
    p build -q --network none -t built "$T" >"$T/out" 2>&1 || fail "$(tail -n 2 "$T/out")"
    same "$(r built)" built
    same "$(p build --network none - <<<$'FROM localhost/bb\nRUN exit 9' >/dev/null 2>&1; echo $?)" 9
    podman rmi -f built >/dev/null 2>&1
}
t_cgroupfs() {
    if root; then
        has "$(p --cgroup-manager cgroupfs run --rm --network none -m 64m --cgroupns host bb cat /proc/self/cgroup)" libpod
    else
        p --cgroup-manager cgroupfs run --rm --network none bb true
    fi
}
t_systemd-cgroup() {
    p run -d --network none --name c -m 64m bb sleep 100 >/dev/null
    has "$(cgroup_of "$(inspect c '{{.State.Pid}}')")" .scope
    same "$(cat "$(cgroup_of "$(inspect c '{{.State.Pid}}')")/memory.max" 2>/dev/null || p exec c cat /sys/fs/cgroup/memory.max)" 67108864
}
t_no-cgroups() {
    p run -d --network none --name c --cgroups disabled bb sleep 100 >/dev/null || fail 'run --cgroups=disabled'
    same "$(p exec c echo in)" in
    p stop -t 0 c >/dev/null || fail stop
}
t_oom() {
    # conmon may miss the event where the program is in the cgroup that has the limit itself (docs/engines.md).
    local try
    for try in 1 2 3; do
        code 137 p run --network none --name c -m 16m bb sh -c 'tail /dev/zero; exit 137'
        [ "$(inspect c '{{.State.OOMKilled}}')" != true ] || return 0
        [ "$try" = 3 ] || p rm -f c >/dev/null
    done
    fail 'OOMKilled is false, three times'
}
t_fifty() {
    seq 50 | xargs -P 4 -I% podman --runtime "$NAME" run -d --network none --name n% bb sleep 3000 >/dev/null || fail 'not all started'
    same "$(p ps -q | wc -l)" 50
    same "$(p exec n17 echo in)" in
    # podman gives a killed program five seconds to be gone, in which a busy machine may not get to it.
    until_true 300 podman stop -at 0
    podman rm -a >/dev/null || fail 'not all removed'
}
t_nothing-left() {
    cleanup
    local state=${XDG_RUNTIME_DIR:-/run}
    root && state=/run
    same "$(ls "$state/$NAME" 2>/dev/null)" ''
    same "$(find /sys/fs/cgroup -type d \( -name 'libpod-*' -o -name 'crun-*' \) -user "$(id -u)" ! -name 'libpod-conmon*' | head -n 3)" ''
    same "$(pgrep -u "$(id -u)" -x conmon | wc -l)" 0
    same "$(systemctl $(root || echo --user) --state=failed --no-legend --plain list-units 'libpod-*' | head -n 2)" ''
}
