# shellcheck shell=bash
# docker - dockerd, its containerd and the shim; rootful.
#- pods: Docker has no pods
#- keep-groups: Docker has no such option
#- preserve-fds: Docker's daemon hands no open files on
#- hooks: Docker has no option for OCI hooks
#- idmap: Docker has no idmapped volumes
#- sdnotify: Docker hands no NOTIFY_SOCKET on
#- no-cgroups: Docker always makes a cgroup
#- cgroupfs: needs a daemon of its own; the examples are tried that way
#- userns: --userns-remap is an option of the daemon

run() { docker run --runtime "$NAME" "$@"; }
r() { run --rm --network none "$@"; }
d() { run -d --network none --name box "$@" >/dev/null || fail 'run -d failed'; }
cleanup() {
    [ -n "$(ls /var/lib/docker/containers)" ] || return 0
    local all
    all=$(docker ps -aq)
    # shellcheck disable=SC2086
    [ -z "$all" ] || docker rm -f $all >/dev/null
    docker volume prune -af >/dev/null
}
inspect() { docker inspect -f "$2" "$1"; }

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
    same "$(docker wait box)" 3
}
t_tty() { has "$(r -t bb sh -c 'tty; stty size; test -t 0 && test -t 1 && test -t 2 && echo three')" /dev/pts/0 three; }
t_exec() {
    d bb sleep 100
    same "$(docker exec -e A=b -w /tmp -u 7:8 box sh -c 'echo $A $PWD $(id -u) $(id -g); exit 5'; echo $?)" $'b /tmp 7 8\n5'
    same "$(echo typed | docker exec -i box cat)" typed
}
t_exec-codes() {
    d bb sleep 100
    code 127 docker exec box nope
    code 127 docker exec box /nope
    code 126 docker exec box /etc
    code 126 docker exec box /etc/passwd
}
t_exec-tty() {
    d bb sleep 100
    has "$(script -qec "stty rows 30 cols 90; docker exec -it box sh -c 'sleep 1; tty; stty size'" /dev/null </dev/null)" /dev/pts/ '30 90'
}
t_exec-detach() {
    d bb sleep 100
    docker exec -d box sh -c 'echo done >/tmp/x' >/dev/null
    until_true 20 docker exec box test -s /tmp/x
}
t_attach() {
    run -di --network none --name box bb sh -c 'read x; echo got $x' >/dev/null
    # The client leaves at the end of its input, and may be gone before the answer comes: the input stays open.
    mkfifo "$T/in"
    docker attach box <"$T/in" >"$T/got" 2>&1 &
    exec 3>"$T/in"
    echo word >&3
    until_true 30 grep -qx 'got word' "$T/got"
    exec 3>&-
}
t_logs() {
    d bb sh -c 'echo out; echo err >&2'
    docker wait box >/dev/null
    same "$(docker logs box 2>/dev/null)" out
    same "$(docker logs box 2>&1 >/dev/null)" err
}
t_signals() {
    run --rm --network none --name box bb sh -c 'trap "exit 9" TERM; while :; do sleep .1; done' &
    until_true 20 docker exec box true
    kill -TERM $!
    wait $!
    same $? 9
}
t_stop() {
    d bb sh -c 'trap "exit 4" TERM; while :; do sleep .1; done'
    sleep 1
    docker stop -t 20 box >/dev/null
    same "$(inspect box '{{.State.ExitCode}}')" 4
}
t_kill() {
    d bb sleep 100
    docker stop -t 1 box >/dev/null 2>&1
    same "$(inspect box '{{.State.ExitCode}}')" 137
    docker start box >/dev/null
    docker kill -s USR1 box >/dev/null || fail 'kill USR1'
    docker kill box >/dev/null
    same "$(docker wait box)" 137
    code 1 docker kill box
    has "$(cat "$T/out")" 'is not running'
}
t_restart() {
    d --restart=on-failure:2 bb sh -c 'exit 3'
    restarted() { [ "$(inspect box '{{.RestartCount}} {{.State.Status}}')" = '2 exited' ]; }
    until_true 60 restarted
    run -d --network none --name other bb sleep 100 >/dev/null
    local first
    first=$(inspect other '{{.State.Pid}}')
    docker restart -t 0 other >/dev/null || fail restart
    [ "$first" != "$(inspect other '{{.State.Pid}}')" ] || fail 'the same process'
}
t_top() {
    d bb sleep 100
    has "$(docker top box -o pid,args)" 'sleep 100'
}
t_stats() {
    d bb sleep 100
    same "$(docker stats --no-stream --format '{{.PIDs}}' box)" 1
}
t_inspect() {
    d bb sleep 100
    same "$(inspect box '{{.State.Status}} {{.HostConfig.Runtime}}')" "running $NAME"
    [ -d "/proc/$(inspect box '{{.State.Pid}}')" ] || fail 'no such pid'
    has "$(docker info 2>/dev/null)" "$NAME"
}
t_pause() {
    d bb sleep 100
    docker pause box >/dev/null || fail pause
    same "$(inspect box '{{.State.Status}}')" paused
    ! docker exec box true 2>/dev/null || fail 'exec into a paused container'
    docker unpause box >/dev/null || fail unpause
    docker exec box true || fail 'exec after unpause'
}
t_limits() {
    same "$(r -m 64m --cpus .5 --pids-limit 33 --cpuset-cpus 0 --memory-reservation 32m bb \
        sh -c 'cd /sys/fs/cgroup; echo $(cat memory.max cpu.max pids.max cpuset.cpus memory.low)')" '67108864 50000 100000 33 0 33554432'
}
t_update() {
    d -m 64m bb sleep 100
    docker update -m 96m --memory-swap -1 --cpus .5 --pids-limit 50 box >/dev/null || fail update
    same "$(docker exec box sh -c 'cd /sys/fs/cgroup; echo $(cat memory.max cpu.max pids.max)')" '100663296 50000 100000 50'
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
    r --mount "type=bind,src=$T/v,dst=/v,ro,bind-recursive=readonly,bind-propagation=rprivate" bb test -e /v/written || fail 'recursively read-only'
}
t_propagation() {
    mkdir "$T/v"
    mount -t tmpfs t "$T/v" && mount --make-shared "$T/v" && mkdir "$T/v/m"
    d -v "$T/v:/v:rslave" bb sleep 100
    mount -t tmpfs later "$T/v/m"
    has "$(docker exec box mount)" 'later on /v/m'
    docker rm -f box >/dev/null
    umount -R "$T/v"
}
t_tmpfs() {
    same "$(r --tmpfs /t:size=1m,mode=700 --shm-size 2m bb sh -c 'stat -c %a /t; df -k /t /dev/shm | awk "NR>1{print \$2}"')" $'700\n1024\n2048'
}
t_user() {
    has "$(r -u 7:8 --group-add 9 bb id)" uid=7 gid=8 9
    same "$(r -u 7:8 --tmpfs /tmp:mode=1777 bb sh -c 'touch /tmp/x; stat -c %u:%g /tmp/x')" 7:8
}
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
    same "$(r bb cat /proc/self/attr/current)" 'docker-default (enforce)'
    same "$(r --security-opt apparmor=unconfined bb cat /proc/self/attr/current)" unconfined
    same "$(r --security-opt apparmor=test-deny bb cat /proc/self/attr/current)" 'test-deny (enforce)'
}
t_privileged() {
    same "$(r --privileged bb sh -c 'grep CapEff /proc/self/status; test -w /proc/sysrq-trigger && echo open; test -b /dev/vda && echo devices')" \
        "CapEff:	$(status CapEff </proc/1/status)"$'\nopen\ndevices'
    has "$(r --privileged bb mount)" ' on /sys/fs/cgroup type cgroup2 (rw'
}
t_read-only() {
    code 1 r --read-only bb touch /x
    has "$(cat "$T/out")" 'Read-only file system'
}
t_masked() {
    same "$(r bb sh -c 'cat /proc/kcore /proc/keys | wc -c; ls /proc/scsi 2>/dev/null | wc -l')" $'0\n0'
    code 1 r bb sh -c 'echo 1 >/proc/sys/kernel/panic'
    r --security-opt systempaths=unconfined bb test -w /proc/sysrq-trigger || fail 'systempaths=unconfined'
}
t_ulimits() { same "$(r --ulimit nofile=100:200 --ulimit core=0 bb sh -c 'ulimit -n; ulimit -Hn; ulimit -c')" $'100\n200\n0'; }
t_sysctl() { same "$(r --sysctl kernel.shm_rmid_forced=1 --sysctl net.ipv4.ip_default_ttl=33 bb cat /proc/sys/kernel/shm_rmid_forced /proc/sys/net/ipv4/ip_default_ttl)" $'1\n33'; }
t_devices() {
    same "$(r --device /dev/fuse:/dev/f bb sh -c 'test -c /dev/f && echo yes; test -e /dev/fuse || echo no')" $'yes\nno'
    code 1 r --device /dev/vda:/dev/d:w bb head -c1 /dev/d
    r --device /dev/vda:/dev/d:r bb head -c1 /dev/d >/dev/null || fail 'cannot read'
    r --device-cgroup-rule 'c 10:229 rw' bb sh -c 'mknod /dev/f c 10 229 && exec 3<>/dev/f' || fail rule
}
t_init() { has "$(r --init bb cat /proc/1/comm)" init; }
t_host-namespaces() {
    local names='pid ipc uts net cgroup'
    # shellcheck disable=SC2016
    same "$(run --rm --pid host --ipc host --uts host --network host --cgroupns host bb sh -c "for n in $names; do readlink /proc/self/ns/\$n; done")" \
        "$(for n in $names; do readlink "/proc/1/ns/$n"; done)"
}
t_join-namespaces() {
    d --ipc shareable bb sleep 100
    # shellcheck disable=SC2016
    local names='for n in pid ipc net; do readlink /proc/self/ns/$n; done'
    same "$(run --rm --pid container:box --ipc container:box --network container:box bb sh -c "$names; pidof sleep")" "$(docker exec box sh -c "$names"; echo 1)"
}
t_healthcheck() {
    d --health-cmd 'test -e /tmp/well' --health-interval 1s --health-retries 1 --tmpfs /tmp bb sleep 100
    until_true 30 sh -c "docker inspect -f '{{.State.Health.Status}}' box | grep -x unhealthy"
    docker exec box touch /tmp/well
    until_true 30 sh -c "docker inspect -f '{{.State.Health.Status}}' box | grep -x healthy"
}
t_network() {
    docker network create net1 >/dev/null
    run -d --name box --network net1 bb httpd -f -p 80 >/dev/null || fail 'run in a network'
    same "$(run --rm --network net1 bb wget -qO- http://box/etc/passwd | head -c4)" root
    docker rm -f box >/dev/null
    docker network rm net1 >/dev/null
}
t_ports() {
    run -d --name box -p 127.0.0.1:18080:80 bb httpd -f -p 80 >/dev/null || fail 'run -p'
    until_true 20 curl -sf http://127.0.0.1:18080/etc/passwd
}
t_systemd() {
    d --privileged --cgroupns private --tmpfs /run --tmpfs /tmp --stop-signal RTMIN+3 debian /sbin/init
    up() { [[ $(docker exec box systemctl is-system-running) == @(running|degraded) ]]; }
    until_true 200 up
    docker exec box systemctl start systemd-tmpfiles-clean || fail 'no unit can be started inside'
    docker stop -t 60 box >/dev/null
    # With CAP_SYS_BOOT it halts, and init of a PID namespace that halts ends by SIGINT (reboot(2)).
    same "$(inspect box '{{.State.ExitCode}}')" 130
}
dockerfile() {
    cat >"$T/Dockerfile" <<'END'
FROM bb
RUN echo built >/file && id -u >/uid && mkdir /own && chown 5:5 /own
USER 5
RUN touch /own/x
CMD cat /file
END
}
# The old builder's containers have the default runtime.
t_build() {
    dockerfile
    default_runtime
    DOCKER_BUILDKIT=0 docker build -q --network none -t built "$T" >"$T/out" 2>&1 || fail "$(tail -n 2 "$T/out")"
    same "$(r built)" built
    docker rmi -f built >/dev/null
}
t_buildkit() {
    dockerfile
    docker buildx version >/dev/null 2>&1 || skip 'no docker-buildx here'
    sed -i 's/^RUN touch.*/RUN --mount=type=tmpfs,target=\/t --mount=type=cache,target=\/c,uid=5 touch \/own\/x \/c\/x/' "$T/Dockerfile"
    DOCKER_BUILDKIT=1 docker build --no-cache --network none -t built "$T" >"$T/out" 2>&1 || fail "$(tail -n 4 "$T/out")"
    same "$(r built)" built
    DOCKER_BUILDKIT=1 docker build --network none - <<<$'FROM bb\nRUN exit 9' >"$T/out" 2>&1
    has "$(cat "$T/out")" 'exit code: 9'
    docker rmi -f built >/dev/null
}
t_systemd-cgroup() {
    d -m 64m bb sleep 100
    has "$(cgroup_of "$(inspect box '{{.State.Pid}}')")" .scope
    same "$(cat "$(cgroup_of "$(inspect box '{{.State.Pid}}')")/memory.max")" 67108864
}
t_oom() {
    code 137 run --network none --name box -m 16m bb sh -c 'tail /dev/zero; exit 137'
    same "$(inspect box '{{.State.OOMKilled}}')" true
}
t_fifty() {
    seq 50 | xargs -P 4 -I% docker run --runtime "$NAME" -d --network none --name n% bb sleep 3000 >/dev/null || fail 'not all started'
    same "$(docker ps -q | wc -l)" 50
    same "$(docker exec n17 echo in)" in
    # shellcheck disable=SC2046
    docker rm -f $(docker ps -aq) >/dev/null || fail 'not all removed'
}
t_nothing-left() {
    cleanup
    same "$(ls /run/docker/runtime-runc/moby 2>/dev/null)" ''
    same "$(find /sys/fs/cgroup -type d -name 'docker-*.scope' | head -n 3)" ''
    same "$(ls /run/containerd/io.containerd.runtime.v2.task/moby 2>/dev/null)" ''
    same "$(pgrep -fc 'containerd-shim.*-namespace moby')" 0
}

# The runtime under test becomes the default one, and BuildKit's.
default_runtime() {
    [ "$(docker info -f '{{.DefaultRuntime}}')" = "$NAME" ] || prepare
}
prepare() {
    mkdir -p /etc/docker /etc/systemd/system/docker.service.d
    jq --arg name "$NAME" '.runtimes.crun = {"path": "/usr/bin/crun"} | ."default-runtime" = $name' /src/examples/daemon.json >/etc/docker/daemon.json
    printf '%s\n' '[Service]' "Environment=DOCKER_BUILDKIT_RUNC_COMMAND=$RT" >/etc/systemd/system/docker.service.d/buildkit.conf
    systemctl daemon-reload
    systemctl restart docker
}
