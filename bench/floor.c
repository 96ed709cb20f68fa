// floor - the least that the kernel asks for `run` of the default bundle: only the system calls that its config.json
// demands, in an order that waits for nothing. It is a lower bound to compare runtimes with, not a runtime: it reads no
// config.json, keeps no state, checks nothing and trusts the root filesystem.
//
//   floor ROOTFS v1|v2 net|nonet COMMAND...
//
// v1: a cgroup in each hierarchy, joined through `tasks`; v2: one cgroup, entered by clone3 itself.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define MUST(call) ((long)(call) < 0 ? die(#call) : (void)0)
#define NOTHING (MS_NOSUID | MS_NOEXEC | MS_NODEV)

static void die(const char *what) {
    dprintf(2, "floor: %s: %s\n", what, strerror(errno));
    _exit(100);
}

// ---- cgroups ----------------------------------------------------------------------------------------------------

static const char *hierarchies[] = {"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd"};
static int root_fd, join_fds[COUNT(hierarchies)], cgroup_fd;
static char id[32];

static void write_file(int dir, const char *name, const char *text) {
    int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
    MUST(fd);
    MUST(write(fd, text, strlen(text)));
    close(fd);
}

static void copy_file(int dir, const char *from, const char *to) {
    char text[256];
    int fd = openat(dir, from, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    write_file(dir, to, text);
}

static void allow_devices_v1(int dir) {
    static const char *allowed[] = {"c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm",
                                    "c 5:0 rwm", "c 136:* rwm", "c 5:2 rwm"};
    write_file(dir, "devices.deny", "a");
    int fd = openat(dir, "devices.allow", O_WRONLY | O_CLOEXEC);
    MUST(fd);
    for (size_t i = 0; i < COUNT(allowed); i++)
        MUST(write(fd, allowed[i], strlen(allowed[i])));
    close(fd);
}

// A program as short as they come: what decides is that one is loaded and attached at all.
static void allow_devices_v2(int dir) {
    struct bpf_insn program[] = {
        {.code = BPF_LDX | BPF_W | BPF_MEM, .dst_reg = 2, .src_reg = 1, .off = 4},
        {.code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 2, .off = 2, .imm = 1},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1},
        {.code = BPF_JMP | BPF_EXIT},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1},
        {.code = BPF_JMP | BPF_EXIT},
    };
    union bpf_attr load = {.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE, .insns = (uintptr_t)program,
                           .insn_cnt = COUNT(program), .license = (uintptr_t) "Apache-2.0"};
    int fd = syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);
    MUST(fd);
    union bpf_attr attach = {.target_fd = dir, .attach_bpf_fd = fd, .attach_type = BPF_CGROUP_DEVICE,
                             .attach_flags = BPF_F_ALLOW_MULTI};
    MUST(syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach));
    close(fd);
}

static void make_cgroups(int version) {
    char path[64];
    MUST(root_fd = open("/sys/fs/cgroup", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (version == 2) {
        MUST(mkdirat(root_fd, id, 0755));
        MUST(cgroup_fd = openat(root_fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        allow_devices_v2(cgroup_fd);
        return;
    }
    for (size_t i = 0; i < COUNT(hierarchies); i++) {
        snprintf(path, sizeof path, "%s/%s", hierarchies[i], id);
        MUST(mkdirat(root_fd, path, 0755));
        int dir = openat(root_fd, path, O_PATH | O_CLOEXEC);
        MUST(dir);
        if (!strcmp(hierarchies[i], "cpuset")) {
            copy_file(dir, "../cpuset.cpus", "cpuset.cpus");
            copy_file(dir, "../cpuset.mems", "cpuset.mems");
        } else if (!strcmp(hierarchies[i], "devices")) {
            allow_devices_v1(dir);
        }
        MUST(join_fds[i] = openat(dir, "tasks", O_WRONLY | O_CLOEXEC));
        close(dir);
    }
}

// The last process has been waited for, yet its cgroup may be busy for a moment more.
static void remove_cgroup(const char *path) {
    for (int tries = 0; unlinkat(root_fd, path, AT_REMOVEDIR) < 0; tries++) {
        if (errno != EBUSY || tries > 2000)
            die(path);
        usleep(50);
    }
}

static void remove_cgroups(int version) {
    char path[64];
    if (version == 2)
        return remove_cgroup(id);
    for (size_t i = 0; i < COUNT(hierarchies); i++) {
        snprintf(path, sizeof path, "%s/%s", hierarchies[i], id);
        remove_cgroup(path);
    }
}

// ---- the container ----------------------------------------------------------------------------------------------

static void make_devices(void) {
    static const struct { const char *name; int major, minor; } devices[] = {
        {"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
    static const char *links[][2] = {{"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"},
                                     {"/proc/self/fd/2", "stderr"}, {"pts/ptmx", "ptmx"}, {"/proc/kcore", "core"}};
    umask(0);
    for (size_t i = 0; i < COUNT(devices); i++)
        MUST(mknod(devices[i].name, S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor)));
    umask(022);
    for (size_t i = 0; i < COUNT(links); i++)
        MUST(symlink(links[i][0], links[i][1]));
}

static void mount_cgroups(int version) {
    char path[64];
    if (version == 2) {
        MUST(mount("cgroup", "sys/fs/cgroup", "cgroup2", NOTHING | MS_RDONLY | MS_RELATIME, NULL));
        return;
    }
    MUST(mount("tmpfs", "sys/fs/cgroup", "tmpfs", NOTHING | MS_RELATIME, "mode=755"));
    for (size_t i = 0; i < COUNT(hierarchies); i++) {
        snprintf(path, sizeof path, "sys/fs/cgroup/%s", hierarchies[i]);
        MUST(mkdir(path, 0755));
        MUST(mount("cgroup", path, "cgroup", NOTHING | MS_RDONLY | MS_RELATIME,
                   strcmp(hierarchies[i], "systemd") ? hierarchies[i] : "none,name=systemd"));
    }
    MUST(mount(NULL, "sys/fs/cgroup", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | NOTHING | MS_RELATIME, NULL));
}

static void mount_all(const char *rootfs, int version) {
    MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    MUST(mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL));
    MUST(mount(NULL, rootfs, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
    MUST(chdir(rootfs));
    MUST(mount("proc", "proc", "proc", 0, NULL));
    MUST(mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k"));
    MUST(chdir("dev"));
    MUST(mkdir("pts", 0755));
    MUST(mkdir("shm", 0755));
    MUST(mkdir("mqueue", 0755));
    MUST(mount("devpts", "pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"));
    MUST(mount("shm", "shm", "tmpfs", NOTHING, "mode=1777,size=65536k"));
    MUST(mount("mqueue", "mqueue", "mqueue", NOTHING, NULL));
    make_devices();
    MUST(chdir(".."));
    MUST(mount("sysfs", "sys", "sysfs", NOTHING | MS_RDONLY, NULL));
    mount_cgroups(version);
    MUST(syscall(SYS_pivot_root, ".", "."));
    MUST(umount2(".", MNT_DETACH));
    MUST(chdir("/"));
}

static void hide_paths(void) {
    static const char *readonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
    static const char *masked[] = {"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                                   "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"};
    const char *first = NULL; // the directory that is masked first serves for all others
    for (size_t i = 0; i < COUNT(readonly); i++) {
        if (mount(readonly[i], readonly[i], NULL, MS_BIND | MS_REC, NULL) == 0)
            MUST(mount(NULL, readonly[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
        else if (errno != ENOENT)
            die(readonly[i]);
    }
    for (size_t i = 0; i < COUNT(masked); i++) {
        if (mount("/dev/null", masked[i], NULL, MS_BIND, NULL) == 0 || errno == ENOENT)
            continue;
        if (errno != ENOTDIR)
            die(masked[i]);
        if (first)
            MUST(mount(first, masked[i], NULL, MS_BIND, NULL));
        else
            MUST(mount("tmpfs", first = masked[i], "tmpfs", MS_RDONLY, "nr_blocks=1,nr_inodes=1"));
    }
}

static void give_up_rights(void) {
    const unsigned kept = 1u << CAP_AUDIT_WRITE | 1u << CAP_KILL | 1u << CAP_NET_BIND_SERVICE;
    struct rlimit files = {1024, 1024};
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[2] = {{kept, kept, 0}, {0, 0, 0}};
    MUST(setrlimit(RLIMIT_NOFILE, &files));
    for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
        if (cap > 31 || !(kept & 1u << cap))
            MUST(prctl(PR_CAPBSET_DROP, cap, 0, 0, 0));
    MUST(syscall(SYS_setgroups, 0, NULL));
    MUST(setresgid(0, 0, 0));
    MUST(setresuid(0, 0, 0));
    MUST(syscall(SYS_capset, &header, sets));
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

static void loopback_up(void) {
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    MUST(ioctl(fd, SIOCSIFFLAGS, &request));
    close(fd);
}

static void become_container(const char *rootfs, int version, int network, char **argv) {
    static char *environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm", NULL};
    if (version == 1) {
        for (size_t i = 0; i < COUNT(hierarchies); i++)
            MUST(write(join_fds[i], "0", 1));
        MUST(unshare(CLONE_NEWCGROUP));
    }
    if (network)
        loopback_up();
    MUST(syscall(SYS_keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, "floor"));
    mount_all(rootfs, version);
    hide_paths();
    MUST(sethostname("runc", 4));
    give_up_rights();
    MUST(syscall(SYS_close_range, 3, ~0u, 4 /* CLOSE_RANGE_CLOEXEC */));
    execve(argv[0], argv, environment);
    die(argv[0]);
}

int main(int argc, char **argv) {
    if (argc < 5) {
        dprintf(2, "usage: floor ROOTFS v1|v2 net|nonet COMMAND...\n");
        return 2;
    }
    int version = argv[2][1] - '0', network = !strcmp(argv[3], "net"), status;
    snprintf(id, sizeof id, "floor-%d", getpid());
    make_cgroups(version);
    struct clone_args clone = {
        .flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC, .exit_signal = SIGCHLD};
    if (network)
        clone.flags |= CLONE_NEWNET;
    if (version == 2) {
        clone.flags |= CLONE_NEWCGROUP | CLONE_INTO_CGROUP;
        clone.cgroup = cgroup_fd;
    }
    pid_t pid = syscall(SYS_clone3, &clone, sizeof clone);
    MUST(pid);
    if (pid == 0)
        become_container(argv[1], version, network, argv + 4);
    while (waitpid(pid, &status, 0) < 0)
        ;
    remove_cgroups(version);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
