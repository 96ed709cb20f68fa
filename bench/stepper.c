/* stepper OUT COMMAND...: runs a command one instruction at a time, and writes the offsets in the program's file image that were executed,
 * its children's too. For scripts/order, which puts those functions side by side. x86_64. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define IMAGE (16u << 20)
static unsigned char executed[IMAGE];
static struct process { pid_t pid; unsigned long base, end; int ended; } processes[256];
static int count;

static struct process *find(pid_t pid)
{
    for (int i = 0; i < count; i++)
        if (processes[i].pid == pid)
            return &processes[i];
    if (count == 256)
        exit(1);
    processes[count].pid = pid;
    return &processes[count++];
}

/* The mapping of the program: of its file, or of a detached mount of it, whose path is "/". */
static void locate(struct process *p, const char *program)
{
    char name[64], line[512];
    snprintf(name, sizeof name, "/proc/%d/maps", p->pid);
    FILE *maps = fopen(name, "r");
    p->base = p->end = 0;
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long start, end;
        char path[256] = "";
        sscanf(line, "%lx-%lx %*s %*s %*s %*s %255s", &start, &end, path);
        if (strcmp(path, "/") && strcmp(path, program))
            continue;
        if (!p->base)
            p->base = start;
        p->end = end;
    }
    if (maps)
        fclose(maps);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    pid_t first = fork();
    if (first == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        execv(argv[2], argv + 2);
        _exit(127);
    }
    int status;
    waitpid(first, &status, 0);
    ptrace(PTRACE_SETOPTIONS, first, 0, PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC);
    find(first);
    ptrace(PTRACE_CONT, first, 0, 0);
    for (pid_t pid; (pid = waitpid(-1, &status, __WALL)) > 0;) {
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            find(pid)->ended = 1;
            if (pid == first)
                break;
            continue;
        }
        struct process *p = find(pid);
        int event = status >> 16, deliver = 0;
        struct user_regs_struct registers;
        if (event == PTRACE_EVENT_EXEC) {
            locate(p, argv[2]);
        } else if (event) {
            unsigned long child;
            ptrace(PTRACE_GETEVENTMSG, pid, 0, &child);
            struct process *c = find(child);
            c->base = p->base;
            c->end = p->end;
        } else if (WSTOPSIG(status) != SIGTRAP) {
            deliver = WSTOPSIG(status) == SIGSTOP ? 0 : WSTOPSIG(status);
        } else if (!ptrace(PTRACE_GETREGS, pid, 0, &registers) && registers.rip >= p->base && registers.rip < p->end &&
                   registers.rip - p->base < IMAGE) {
            executed[registers.rip - p->base] = 1;
        }
        ptrace(p->base ? PTRACE_SINGLESTEP : PTRACE_CONT, pid, 0, deliver);
    }
    /* What it has left running goes on untraced. */
    for (int i = 0; i < count; i++) {
        if (processes[i].ended)
            continue;
        kill(processes[i].pid, SIGSTOP);
        while (waitpid(processes[i].pid, &status, __WALL) > 0 && WIFSTOPPED(status) && WSTOPSIG(status) != SIGSTOP)
            ptrace(PTRACE_CONT, processes[i].pid, 0, 0);
        ptrace(PTRACE_DETACH, processes[i].pid, 0, 0);
        kill(processes[i].pid, SIGCONT);
    }
    FILE *out = fopen(argv[1], "w");
    if (!out)
        return 1;
    for (unsigned long i = 0; i < IMAGE; i++)
        if (executed[i])
            fprintf(out, "%lx\n", i);
    return fclose(out) != 0;
}
