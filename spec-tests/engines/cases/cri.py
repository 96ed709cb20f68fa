#!/usr/bin/env python3
"""cri.py - a small client of CRI, as the kubelet is one, and its cases. `cri.py CASE` runs one; the runtime is the handler $NAME.

The messages are those of k8s.io/cri-api, runtime/v1/api.proto.
"""
import json, os, re, socket, subprocess, sys, time
from urllib.parse import urlparse

sys.path.insert(0, "/opt/extras/usr/lib/python3/dist-packages")
import grpc
from protobuf import decode, encode, schema

#- exit-codes: CRI has no such codes; a container that cannot start says why
#- restart: the kubelet restarts, not CRI
#- signals: nothing is in the foreground
#- init: CRI has no such option
#- ulimits: CRI has no such option
#- tmpfs: CRI mounts no tmpfs; the kubelet does
#- healthcheck: the kubelet's; exec is what it uses
#- build: CRI builds nothing
#- buildkit: CRI builds nothing
#- hooks: CRI has no such option
#- preserve-fds: containerd hands no open files on
#- sdnotify: containerd hands no NOTIFY_SOCKET on
#- keep-groups: CRI has no such option
#- no-cgroups: containerd always has a cgroup
#- idmap: the volumes of a pod with a user namespace are; see userns
#- systemd: tried under the engines that prepare a container for it
#- cgroupfs: an option of containerd's handler; the examples are tried that way
#- exec-detach: CRI has no such call
#- kill: CRI has no such call; see stop
#- pause: CRI has no such call
#- top: CRI has no such call
#- network: see pods and ports

MESSAGES = schema("""
Empty
PodSandboxMetadata name=1 uid=2 namespace=3 attempt=4:i
PodSandboxConfig metadata=1:PodSandboxMetadata hostname=2 log_directory=3 port_mappings=5:*PortMapping labels=6:map annotations=7:map linux=8:LinuxPodSandboxConfig
PortMapping protocol=1:i container_port=2:i host_port=3:i host_ip=4
LinuxPodSandboxConfig cgroup_parent=1 security_context=2:LinuxSandboxSecurityContext sysctls=3:map
LinuxSandboxSecurityContext namespace_options=1:NamespaceOption privileged=6:i seccomp=9:SecurityProfile
NamespaceOption network=1:i pid=2:i ipc=3:i target_id=4 userns_options=5:UserNamespace
UserNamespace mode=1:i uids=2:*IDMapping gids=3:*IDMapping
IDMapping host_id=1:i container_id=2:i length=3:i
SecurityProfile profile_type=1:i localhost_ref=2
RunPodSandboxRequest config=1:PodSandboxConfig runtime_handler=2
RunPodSandboxResponse pod_sandbox_id=1
Pod pod_sandbox_id=1
PodSandboxStatusResponse status=1:PodSandboxStatus
PodSandboxStatus id=1 state=3:i network=5:PodSandboxNetworkStatus runtime_handler=9
PodSandboxNetworkStatus ip=1
ListPodSandboxResponse items=1:*PodSandbox
PodSandbox id=1
CreateContainerRequest pod_sandbox_id=1 config=2:ContainerConfig sandbox_config=3:PodSandboxConfig
ContainerConfig metadata=1:ContainerMetadata image=2:ImageSpec command=3:* args=4:* working_dir=5 envs=6:*KeyValue mounts=7:*Mount devices=8:*Device log_path=11 stdin=12:i stdin_once=13:i tty=14:i linux=15:LinuxContainerConfig
ContainerMetadata name=1 attempt=2:i
ImageSpec image=1
KeyValue key=1 value=2
Mount container_path=1 host_path=2 readonly=3:i propagation=5:i uidMappings=6:*IDMapping gidMappings=7:*IDMapping recursive_read_only=8:i
Device container_path=1 host_path=2 permissions=3
LinuxContainerConfig resources=1:LinuxContainerResources security_context=2:LinuxContainerSecurityContext
LinuxContainerResources cpu_period=1:i cpu_quota=2:i cpu_shares=3:i memory_limit_in_bytes=4:i oom_score_adj=5:i cpuset_cpus=6 unified=9:map
LinuxContainerSecurityContext capabilities=1:Capability privileged=2:i namespace_options=3:NamespaceOption run_as_user=5:Int64Value run_as_group=12:Int64Value readonly_rootfs=7:i supplemental_groups=8:*i no_new_privs=11:i masked_paths=13:* readonly_paths=14:* seccomp=15:SecurityProfile apparmor=16:SecurityProfile
Capability add_capabilities=1:* drop_capabilities=2:*
Int64Value value=1:i
UInt64Value value=1:i
Container container_id=1
StopContainerRequest container_id=1 timeout=2:i
ContainerStatusRequest container_id=1 verbose=2:i
ContainerStatusResponse status=1:ContainerStatus info=2:*MapEntry
MapEntry key=1 value=2
ContainerStatus id=1 state=3:i exit_code=7:i reason=10 message=11
UpdateContainerResourcesRequest container_id=1 linux=2:LinuxContainerResources
ExecSyncRequest container_id=1 cmd=2:* timeout=3:i
ExecSyncResponse stdout=1 stderr=2 exit_code=3:i
StreamRequest container_id=1 cmd=2:* tty=3:i stdin=4:i stdout=5:i stderr=6:i
AttachRequest container_id=1 stdin=2:i tty=3:i stdout=4:i stderr=5:i
StreamResponse url=1
ContainerStatsResponse stats=1:ContainerStats
ContainerStats cpu=2:CpuUsage memory=3:MemoryUsage
CpuUsage usage_core_nano_seconds=2:UInt64Value
MemoryUsage working_set_bytes=2:UInt64Value
""")
CREATED, RUNNING, EXITED = 0, 1, 2
POD, CONTAINER, NODE = 0, 1, 2 # NamespaceMode
DEFAULT, UNCONFINED, LOCALHOST = 0, 1, 2 # SecurityProfile.ProfileType
NAME, T = os.environ.get("NAME", "teu"), os.environ.get("T", "/var/tmp")
channel = grpc.insecure_channel("unix:///run/containerd/containerd.sock")


def call(method, request="Empty", response="Empty", **fields):
    stub = channel.unary_unary(f"/runtime.v1.RuntimeService/{method}", lambda value: encode(MESSAGES, request, value),
                               lambda data: decode(MESSAGES, response, data))
    try:
        return stub(fields, timeout=120)
    except grpc.RpcError as error:
        raise RuntimeError(error.details()) from None


class Pod:
    """A pod sandbox, and the containers in it; gone at the end of `with`."""

    def __init__(self, handler=NAME, **config):
        self.name = f"p{os.getpid()}-{time.monotonic_ns()}"
        namespaces = config.pop("namespaces", {"network": NODE, "pid": CONTAINER})
        linux = {"security_context": {"namespace_options": namespaces, "privileged": config.pop("privileged", 0)},
                 "cgroup_parent": config.pop("cgroup_parent", "engines.slice"), "sysctls": config.pop("sysctls", {})}
        self.namespaces = namespaces
        self.config = {"metadata": {"name": self.name, "uid": self.name, "namespace": "engines"}, "log_directory": T, "linux": linux, **config}
        self.id = call("RunPodSandbox", "RunPodSandboxRequest", "RunPodSandboxResponse", config=self.config, runtime_handler=handler)["pod_sandbox_id"]
        self.count = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        call("StopPodSandbox", "Pod", pod_sandbox_id=self.id)
        call("RemovePodSandbox", "Pod", pod_sandbox_id=self.id)

    def create(self, *command, security=None, resources=None, image="localhost/bb:latest", **config):
        self.count += 1
        log = f"c{self.count}.log"
        security = {"namespace_options": self.namespaces, **(security or {})}
        config = {"metadata": {"name": log}, "image": {"image": image}, "command": command, "log_path": log,
                  "linux": {"security_context": security, "resources": resources or {}}, **config}
        made = call("CreateContainer", "CreateContainerRequest", "Container", pod_sandbox_id=self.id, config=config, sandbox_config=self.config)
        return Box(made["container_id"], f"{T}/{log}")

    def start(self, *command, **config):
        box = self.create(*command, **config)
        call("StartContainer", "Container", container_id=box.id)
        return box

    def output(self, *command, status=0, **config):
        """Run to the end; what it wrote."""
        box = self.start(*command, **config)
        got = box.wait()
        assert got == status, f"exit status {got}, not {status}: {box.log()}"
        return box.log()

    def status(self):
        return call("PodSandboxStatus", "Pod", "PodSandboxStatusResponse", pod_sandbox_id=self.id)["status"]


class Box:
    """A container."""

    def __init__(self, id, log):
        self.id, self.log_path = id, log

    def status(self):
        return call("ContainerStatus", "ContainerStatusRequest", "ContainerStatusResponse", container_id=self.id)["status"]

    def pid(self):
        answer = call("ContainerStatus", "ContainerStatusRequest", "ContainerStatusResponse", container_id=self.id, verbose=1)
        return json.loads(answer["info"][0]["value"])["pid"]

    def wait(self, seconds=60):
        until(lambda: self.status().get("state") == EXITED, seconds)
        return self.status().get("exit_code", 0)

    def log(self, stream=None):
        """Lines of the log: TIME STREAM F|P TEXT."""
        time.sleep(.3)
        lines = [line.split(" ", 3) for line in open(self.log_path).read().splitlines()]
        return "\n".join(line[3].rstrip("\r") for line in lines if stream in (None, line[1]))

    def exec(self, *command):
        answer = call("ExecSync", "ExecSyncRequest", "ExecSyncResponse", container_id=self.id, cmd=command, timeout=60)
        return answer.get("exit_code", 0), answer.get("stdout", "").strip(), answer.get("stderr", "").strip()

    def stop(self, timeout):
        call("StopContainer", "StopContainerRequest", container_id=self.id, timeout=timeout)


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(.3)


def same(got, wanted):
    assert got == wanted, f"got {got!r}, not {wanted!r}"


def refused(words, action, *args, **named):
    try:
        action(*args, **named)
    except RuntimeError as error:
        assert any(word in str(error) for word in words), str(error)
        return
    assert False, "not refused"


def stream(url, send=b""):
    """What a terminal shows: a WebSocket with the kubelet's channels, 0 stdin, 1 stdout, 2 stderr, 3 the end."""
    url = urlparse(url)
    peer = socket.create_connection((url.hostname, url.port))
    peer.settimeout(30)
    peer.sendall((f"GET {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n").encode())
    file = peer.makefile("rb")
    answer = file.readline()
    assert b" 101 " in answer, answer
    while file.readline().strip():
        pass
    if send:
        data = b"\0" + send
        peer.sendall(bytes([0x82, 0x80 | len(data)]) + b"\0\0\0\0" + data)
    shown = b""
    while True:
        head = file.read(2)
        if len(head) < 2 or head[0] & 15 == 8:
            return shown.decode()
        length = head[1] & 127
        if length == 126:
            length = int.from_bytes(file.read(2), "big")
        data = file.read(length)
        if data[:1] in b"\1\2" and head[0] & 15 < 3:
            shown += data[1:]


def t_run():
    with Pod() as pod:
        same(pod.output("echo", "hello world"), "hello world")
        same(pod.status()["runtime_handler"], NAME)


def t_stdin():
    with Pod() as pod:
        box = pod.start("sh", "-c", "read x; echo got $x", stdin=1, stdin_once=1)
        url = call("Attach", "AttachRequest", "StreamResponse", container_id=box.id, stdin=1, stdout=1)["url"]
        assert "got typed" in stream(url, b"typed\n"), "nothing came back"


def t_exit_status():
    with Pod() as pod:
        pod.output("sh", "-c", "exit 7", status=7)
        refused(["no such file", "executable file not found"], pod.start, "nope")
        refused(["permission denied", "is a directory"], pod.start, "/etc")


def t_environment():
    with Pod(hostname="box", namespaces={"network": POD}) as pod:
        same(pod.output("sh", "-c", "echo $A $PWD $(hostname)", envs=[{"key": "A", "value": "b"}], working_dir="/tmp"), "b /tmp box")


def t_detach():
    with Pod() as pod:
        box = pod.start("sh", "-c", "sleep 1; exit 3")
        same(box.wait(), 3)


def t_tty():
    with Pod() as pod:
        assert "/dev/pts/0" in pod.output("sh", "-c", "tty; sleep 1", tty=1)


def t_exec():
    with Pod() as pod:
        box = pod.start("sleep", "100", working_dir="/tmp")
        same(box.exec("sh", "-c", "echo $PWD; echo err >&2; exit 5"), (5, "/tmp", "err"))


def t_exec_codes():
    with Pod() as pod:
        box = pod.start("sleep", "100")
        refused(["no such file", "executable file not found"], box.exec, "nope")
        refused(["permission denied", "is a directory"], box.exec, "/etc")


def t_exec_tty():
    with Pod() as pod:
        box = pod.start("sleep", "100")
        url = call("Exec", "StreamRequest", "StreamResponse", container_id=box.id, cmd=["tty"], tty=1, stdin=1, stdout=1)["url"]
        assert "/dev/pts/" in stream(url)


def t_attach():
    with Pod() as pod:
        box = pod.start("sh", "-c", "read x; echo got $x", stdin=1, stdin_once=1, tty=1)
        url = call("Attach", "AttachRequest", "StreamResponse", container_id=box.id, stdin=1, stdout=1, tty=1)["url"]
        assert "got word" in stream(url, b"word\n")


def t_logs():
    with Pod() as pod:
        box = pod.start("sh", "-c", "echo out; echo err >&2")
        box.wait()
        same((box.log("stdout"), box.log("stderr")), ("out", "err"))


def t_stop():
    with Pod() as pod:
        box = pod.start("sh", "-c", 'trap "exit 4" TERM; while :; do sleep .1; done')
        time.sleep(1)
        box.stop(20)
        same(box.wait(), 4)
        box = pod.start("sleep", "100")
        box.stop(1)
        same(box.wait(), 137)
        box.stop(1)


def t_stats():
    with Pod() as pod:
        box = pod.start("sleep", "100")
        stats = call("ContainerStats", "Container", "ContainerStatsResponse", container_id=box.id)["stats"]
        assert stats["cpu"]["usage_core_nano_seconds"]["value"] > 0 and stats["memory"]["working_set_bytes"]["value"] > 0


def t_inspect():
    with Pod() as pod:
        box = pod.start("sleep", "100")
        same(box.status()["state"], RUNNING)
        assert os.path.isdir(f"/proc/{box.pid()}")


LIMITS = ["sh", "-c", "cd /sys/fs/cgroup; echo $(cat memory.max cpu.max)"]


def t_limits():
    with Pod() as pod:
        same(pod.output(*LIMITS, resources={"memory_limit_in_bytes": 64 << 20, "cpu_quota": 50000, "cpu_period": 100000}), "67108864 50000 100000")


def t_update():
    with Pod() as pod:
        box = pod.start("sleep", "100", resources={"memory_limit_in_bytes": 64 << 20})
        call("UpdateContainerResources", "UpdateContainerResourcesRequest", container_id=box.id,
             linux={"memory_limit_in_bytes": 96 << 20, "cpu_quota": 50000, "cpu_period": 100000})
        same(box.exec(*LIMITS)[1], "100663296 50000 100000")


def t_volumes():
    os.mkdir(f"{T}/v")
    with Pod() as pod:
        pod.output("touch", "/v/written", mounts=[{"container_path": "/v", "host_path": f"{T}/v"}])
        assert os.path.exists(f"{T}/v/written")
        mount = {"container_path": "/v", "host_path": f"{T}/v", "readonly": 1}
        assert "Read-only" in pod.output("touch", "/v/x", status=1, mounts=[mount])
        assert "Read-only" in pod.output("touch", "/v/x", status=1, mounts=[{**mount, "recursive_read_only": 1}])


def t_propagation():
    os.makedirs(f"{T}/v")
    subprocess.run(["sh", "-ec", f"mount -t tmpfs t {T}/v; mount --make-shared {T}/v; mkdir {T}/v/m"], check=True)
    with Pod() as pod:
        box = pod.start("sleep", "100", mounts=[{"container_path": "/v", "host_path": f"{T}/v", "propagation": 1}])
        subprocess.run(["mount", "-t", "tmpfs", "later", f"{T}/v/m"], check=True)
        assert "later on /v/m" in box.exec("mount")[1]


def t_user():
    with Pod() as pod:
        out = pod.output("id", security={"run_as_user": {"value": 7}, "run_as_group": {"value": 8}, "supplemental_groups": [9]})
        assert all(part in out for part in ("uid=7", "gid=8", "9")), out


def field(pod, name, **security):
    return re.search(rf"^{name}:\s*(\S+)", pod.output("cat", "/proc/self/status", security=security), re.M)[1]


def t_caps():
    with Pod() as pod:
        same(field(pod, "CapEff", capabilities={"drop_capabilities": ["ALL"]}), "0" * 16)
        same(field(pod, "CapEff", capabilities={"drop_capabilities": ["ALL"], "add_capabilities": ["NET_RAW"]}), "0000000000002000")


def t_no_new_privs():
    with Pod() as pod:
        same(field(pod, "NoNewPrivs", no_new_privs=1), "1")


def t_seccomp():
    with Pod() as pod:
        same(field(pod, "Seccomp", seccomp={"profile_type": DEFAULT}), "2")
        same(field(pod, "Seccomp", seccomp={"profile_type": UNCONFINED}), "0")
        profile = {"profile_type": LOCALHOST, "localhost_ref": f"{T}/no-mkdir.json"}
        with open(profile["localhost_ref"], "w") as file:
            json.dump({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
                       "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}, file)
        assert "not permitted" in pod.output("mkdir", "/x", status=1, security={"seccomp": profile})


def t_apparmor():
    with Pod() as pod:
        def label(**profile):
            return pod.output("cat", "/proc/self/attr/current", security={"apparmor": profile})
        same(label(profile_type=DEFAULT), "cri-containerd.apparmor.d (enforce)")
        same(label(profile_type=UNCONFINED), "unconfined")
        same(label(profile_type=LOCALHOST, localhost_ref="test-deny"), "test-deny (enforce)")


def t_privileged():
    with Pod(privileged=1) as pod:
        out = pod.output("sh", "-c", "grep CapEff /proc/self/status; test -w /proc/sysrq-trigger && echo open; test -b /dev/vda && echo devices", security={"privileged": 1})
        all_of_them = re.search(r"CapEff:\s*(\S+)", open("/proc/1/status").read())[1]
        same(out, f"CapEff:\t{all_of_them}\nopen\ndevices")


def t_read_only():
    with Pod() as pod:
        assert "Read-only" in pod.output("touch", "/x", status=1, security={"readonly_rootfs": 1})


def t_masked():
    with Pod() as pod:
        masks = {"masked_paths": ["/proc/kcore", "/proc/keys", "/proc/scsi"], "readonly_paths": ["/proc/sys"]}
        same(pod.output("sh", "-c", "cat /proc/kcore /proc/keys 2>/dev/null | wc -c", security=masks), "0")
        pod.output("sh", "-c", "echo 1 >/proc/sys/kernel/panic", status=1, security=masks)


def t_sysctl():
    with Pod(sysctls={"kernel.shm_rmid_forced": "1", "net.ipv4.ip_default_ttl": "33"}, namespaces={"network": POD}) as pod:
        same(pod.output("cat", "/proc/sys/kernel/shm_rmid_forced", "/proc/sys/net/ipv4/ip_default_ttl"), "1\n33")


def t_devices():
    with Pod() as pod:
        same(pod.output("sh", "-c", "exec 3<>/dev/f && echo yes", devices=[{"container_path": "/dev/f", "host_path": "/dev/fuse", "permissions": "rw"}]), "yes")


NAMES = "for n in pid ipc net; do readlink /proc/self/ns/$n; done"


def t_host_namespaces():
    with Pod(namespaces={"network": NODE, "pid": NODE, "ipc": NODE}) as pod:
        same(pod.output("sh", "-c", NAMES).split(), [os.readlink(f"/proc/1/ns/{n}") for n in ("pid", "ipc", "net")])


def t_join_namespaces():
    with Pod(namespaces={"network": POD, "pid": POD}) as pod:
        box = pod.start("sleep", "100")
        same(pod.output("sh", "-c", NAMES), box.exec("sh", "-c", NAMES)[1])


def t_pods():
    with Pod(namespaces={"network": POD, "pid": POD}, hostname="podhost") as pod:
        pod.start("sh", "-c", "exec httpd -f -p 80")
        out = pod.output("sh", "-c", "hostname; sleep 1; wget -qO- http://127.0.0.1/etc/passwd | head -c4; echo; pidof httpd >/dev/null && echo seen")
        same(out, "podhost\nroot\nseen")


def t_userns():
    maps = [{"host_id": 300000, "container_id": 0, "length": 65536}]
    os.mkdir(f"{T}/v")
    os.chown(f"{T}/v", 5, 5)
    with Pod(namespaces={"network": POD, "userns_options": {"mode": POD, "uids": maps, "gids": maps}}) as pod:
        same(pod.output("awk", "{print $1, $2}", "/proc/self/uid_map"), "0 300000")
        same(pod.output("stat", "-c", "%u", "/v", mounts=[{"container_path": "/v", "host_path": f"{T}/v", "uidMappings": maps, "gidMappings": maps}]), "5")


def t_ports():
    with Pod(namespaces={"network": POD}, port_mappings=[{"container_port": 80, "host_port": 18080}]) as pod:
        pod.start("httpd", "-f", "-p", "80")
        ip = pod.status()["network"]["ip"]
        until(lambda: subprocess.run(["curl", "-sf", "-m3", f"http://{ip}:80/etc/passwd"], stdout=-3).returncode == 0, 20)
        until(lambda: subprocess.run(["curl", "-sf", "-m3", "http://10.0.2.15:18080/etc/passwd"], stdout=-3).returncode == 0, 20)


def t_systemd_cgroup():
    with Pod() as pod:
        box = pod.start("sleep", "100", resources={"memory_limit_in_bytes": 64 << 20})
        path = open(f"/proc/{box.pid()}/cgroup").read().strip().split("::")[1]
        same(path, f"/engines.slice/cri-containerd-{box.id}.scope")
        same(open(f"/sys/fs/cgroup{path}/memory.max").read().strip(), str(64 << 20))


def t_oom():
    with Pod() as pod:
        box = pod.start("sh", "-c", "tail /dev/zero", resources={"memory_limit_in_bytes": 16 << 20})
        same(box.wait(), 137)
        until(lambda: box.status().get("reason") == "OOMKilled", 10)


def t_fifty():
    with Pod() as pod:
        boxes = [pod.start("sleep", "3000") for _ in range(50)]
        assert all(box.status()["state"] == RUNNING for box in boxes)
        same(boxes[17].exec("echo", "in")[1], "in")


def t_nothing_left():
    cleanup()
    same(os.path.isdir("/run/containerd/runc/k8s.io") and os.listdir("/run/containerd/runc/k8s.io") or [], [])
    same(subprocess.run("find /sys/fs/cgroup -name 'cri-containerd-*' -type d", shell=True, capture_output=True, text=True).stdout, "")
    # No shell, whose own command line would match.
    shims = ["pgrep", "-fc", "containerd-shim.*-namespace k8s.io"]
    until(lambda: subprocess.run(shims, capture_output=True, text=True).stdout == "0\n", 10)


def cleanup():
    for pod in call("ListPodSandbox", "Empty", "ListPodSandboxResponse").get("items", []):
        call("StopPodSandbox", "Pod", pod_sandbox_id=pod["id"])
        call("RemovePodSandbox", "Pod", pod_sandbox_id=pod["id"])


if __name__ == "__main__":
    try:
        globals()[sys.argv[1].replace("-", "_")]()
    except (AssertionError, RuntimeError, OSError) as error:
        sys.exit(str(error) or f"line {error.__traceback__.tb_next.tb_lineno}: not so")
