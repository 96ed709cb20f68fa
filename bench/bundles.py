"""The bundles that are measured: what `runc spec` writes, and variants of it."""

import copy
import json
import os
import pathlib
import shutil
import subprocess

CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
SECCOMP = pathlib.Path(__file__).parent.parent / "crates/seccomp/tests/data/docker.json"

DEFAULT = {
    "ociVersion": "1.0.2",
    "process": {
        "terminal": False,
        "user": {"uid": 0, "gid": 0},
        "args": ["/bin/true"],
        "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
        "cwd": "/",
        "capabilities": {"bounding": CAPABILITIES, "effective": CAPABILITIES, "permitted": CAPABILITIES},
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
        "noNewPrivileges": True,
    },
    "root": {"path": "rootfs", "readonly": True},
    "hostname": "runc",
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
         "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
         "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
         "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
        {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
         "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]},
    ],
    "linux": {
        "resources": {"devices": [{"allow": False, "access": "rwm"}]},
        "namespaces": [{"type": kind} for kind in ["pid", "network", "ipc", "uts", "mount", "cgroup"]],
        "maskedPaths": ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                        "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"],
        "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    },
}


def no_network(config):
    """In the host's network namespace."""
    namespaces = config["linux"]["namespaces"]
    config["linux"]["namespaces"] = [n for n in namespaces if n["type"] != "network"]


def seccomp(config):
    """With the profile that Docker gives every container."""
    config["linux"]["seccomp"] = json.loads(SECCOMP.read_text())


def limits(config):
    """With a limit on memory, processes and CPU."""
    config["linux"]["resources"].update(
        memory={"limit": 64 << 20}, pids={"limit": 100}, cpu={"shares": 512, "quota": 50000, "period": 100000, "cpus": "0"})


def user_namespace(config):
    """Root inside is uid 100000 outside."""
    config["linux"]["namespaces"].append({"type": "user"})
    for kind in ["uidMappings", "gidMappings"]:
        config["linux"][kind] = [{"containerID": 0, "hostID": 100000, "size": 65536}]


def fifty_mounts(config):
    """With 50 read-only bind mounts, as a pod with many volumes."""
    for i in range(50):
        config["mounts"].append({"destination": f"/volumes/{i}", "type": "bind", "source": "volume",
                                 "options": ["bind", "ro", "nosuid", "nodev"]})


def terminal(config):
    """On a terminal."""
    config["process"]["terminal"] = True


def sleeper(config):
    """A container that stays."""
    config["process"]["args"] = ["/bin/sleep", "100000"]


def sleeper_seccomp(config):
    """A container that stays, with Docker's seccomp profile."""
    sleeper(config)
    seccomp(config)


VARIANTS = {"default": lambda config: None, "no-network": no_network, "seccomp": seccomp, "limits": limits,
            "user-namespace": user_namespace, "fifty-mounts": fifty_mounts, "terminal": terminal,
            "sleeper": sleeper, "sleeper-seccomp": sleeper_seccomp}


def write(directory, variant, change=None):
    """Writes one bundle; `change` edits the config further. Returns its path."""
    bundle = pathlib.Path(directory) / variant
    bundle.mkdir(parents=True, exist_ok=True)
    config = copy.deepcopy(DEFAULT)
    VARIANTS[variant](config)
    if change:
        change(config)
    config["root"]["path"] = str(pathlib.Path(directory) / "rootfs")
    for mount in config["mounts"]:
        if mount["source"] == "volume":
            mount["source"] = str(pathlib.Path(directory) / "volume")
    (bundle / "config.json").write_text(json.dumps(config))
    return str(bundle)


def rootfs(directory, busybox):
    """A root filesystem of one static busybox, and every mount point that a variant needs."""
    root = pathlib.Path(directory) / "rootfs"
    for name in ["bin", "dev", "proc", "sys", "tmp", "etc", *(f"volumes/{i}" for i in range(50))]:
        (root / name).mkdir(parents=True)
    (pathlib.Path(directory) / "volume").mkdir()
    shutil.copy(busybox, root / "bin/busybox")
    for applet in ["true", "sleep", "sh"]:
        (root / "bin" / applet).symlink_to("busybox")
    # A user namespace's root must reach it.
    subprocess.run(["chmod", "-R", "a+rX", directory], check=True)
    os.chmod(directory, 0o755)
