// launcher - starts commands for the benchmark and says what each cost.
//
// It is small and static because a command inherits its parent's weight: fork copies page tables, and the kernel
// carries the peak memory of the process that called execve over to the program executed. So: vfork, and little memory.
//
// Requests on standard input:
//   run DEADLINE-MS BYTES\n  and BYTES bytes of NUL-terminated arguments      stdio on /dev/null, stderr appended to argv[1]
//   tty DEADLINE-MS BYTES\n  the same, stdio on a terminal of its own
//   gone PID DEADLINE-MS\n                                                    waits until a process is gone
// Replies: "wall-ns user-us system-us peak-KiB status\n", status = exit code, 128 + signal, or -1 for a hang; for `gone`, 0 or -1.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char *environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", NULL};
static int null_fd, error_fd;

static long long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void read_all(char *to, size_t size) {
    while (size > 0) {
        ssize_t n = read(0, to, size);
        if (n <= 0)
            exit(0);
        to += n;
        size -= n;
    }
}

static int read_line(char *line, size_t size) {
    for (size_t i = 0; i + 1 < size; i++) {
        if (read(0, &line[i], 1) != 1)
            return 0;
        if (line[i] == '\n') {
            line[i] = 0;
            return 1;
        }
    }
    return 0;
}

// Containers that outlive their runtime's command become our children.
static void reap_orphans(void) {
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

// Waits for the process's end or the deadline, and keeps its terminal flowing meanwhile.
static int wait_until(int pidfd, int terminal, long long deadline_ns) {
    char waste[4096];
    for (;;) {
        long long left = (deadline_ns - now_ns()) / 1000000;
        if (left <= 0)
            return 0;
        struct pollfd p[2] = {{.fd = pidfd, .events = POLLIN}, {.fd = terminal, .events = POLLIN}};
        if (poll(p, terminal < 0 ? 1 : 2, left) < 0 && errno != EINTR)
            fail("poll");
        if (p[0].revents)
            return 1;
        if (terminal >= 0 && p[1].revents && read(terminal, waste, sizeof waste) < 0 && errno == EIO)
            terminal = -1; // nobody holds the other end any more
    }
}

// A function of its own: the child borrows the parent's stack, and must not change what the parent goes on with.
__attribute__((noinline)) static pid_t start(char **argv, int in, int error, int on_terminal) {
    pid_t pid = vfork();
    if (pid == 0) {
        setsid();
        if (on_terminal)
            ioctl(in, TIOCSCTTY, 0);
        dup2(in, 0);
        dup2(in, 1);
        dup2(error, 2);
        execve(argv[0], argv, environment);
        _exit(127);
    }
    if (pid < 0)
        fail("vfork");
    return pid;
}

static void run(char **argv, long deadline_ms, int on_terminal) {
    int master = -1, slave = -1;
    if (on_terminal) {
        if ((master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0 || grantpt(master) || unlockpt(master) ||
            (slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0)
            fail("pseudoterminal");
    }
    long long started = now_ns();
    pid_t pid = start(argv, on_terminal ? slave : null_fd, on_terminal ? slave : error_fd, on_terminal);
    if (slave >= 0)
        close(slave);
    int pidfd = syscall(SYS_pidfd_open, pid, 0);
    int hung = !wait_until(pidfd, master, started + deadline_ms * 1000000LL);
    if (hung)
        kill(-pid, SIGKILL);
    int status;
    struct rusage used;
    if (wait4(pid, &status, 0, &used) != pid)
        fail("wait4");
    long long end = now_ns();
    close(pidfd);
    if (master >= 0)
        close(master);
    reap_orphans();
    int code = hung ? -1 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    printf("%lld %lld %lld %ld %d\n", end - started, used.ru_utime.tv_sec * 1000000LL + used.ru_utime.tv_usec,
           used.ru_stime.tv_sec * 1000000LL + used.ru_stime.tv_usec, used.ru_maxrss, code);
    fflush(stdout);
}

static void gone(pid_t pid, long deadline_ms) {
    long long deadline = now_ns() + deadline_ms * 1000000LL;
    int there;
    while (reap_orphans(), (there = kill(pid, 0) == 0) && now_ns() < deadline)
        usleep(200);
    printf("%d\n", there ? -1 : 0);
    fflush(stdout);
}

int main(int argc, char **argv) {
    static char text[65536], *args[512];
    char line[128];
    long a, b;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    error_fd = open(argc > 1 ? argv[1] : "/dev/null", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    while (read_line(line, sizeof line)) {
        if (sscanf(line, "gone %ld %ld", &a, &b) == 2) {
            gone(a, b);
        } else if (sscanf(line, "%*s %ld %ld", &a, &b) == 2 && b < (long)sizeof text) {
            read_all(text, b);
            int n = 0;
            for (char *p = text; p < text + b && n < 511; p += strlen(p) + 1)
                args[n++] = p;
            args[n] = NULL;
            run(args, a, line[0] == 't');
        } else {
            fprintf(stderr, "launcher: what is \"%s\"?\n", line);
            return 1;
        }
    }
}
