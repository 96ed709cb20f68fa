/*
 * Compiles profiles with libseccomp, for comparison. Reads from stdin, one
 * profile after the other:
 *
 *   profile DEFAULT OPTIMIZE ARCH...    decimal action, level, SCMP_ARCH tokens
 *   rule ACTION NAME COUNT [INDEX OP VALUE DATUM]...
 *   end
 *
 * and writes for each "program COUNT NANOSECONDS" and one line
 * "code jt jf k" per instruction; or "error TEXT". Some profiles keep
 * libseccomp busy for ever: after a second without an end, it writes "hung"
 * and exits.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static scmp_filter_ctx ctx;
static int failed;
static uint64_t spent, started;

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void check(const char *what, int rc)
{
	if (rc < 0 && !failed) {
		printf("error %s: %s\n", what, strerror(-rc));
		failed = 1;
	}
}

static void hung(int signal)
{
	(void)signal;
	_exit(write(STDOUT_FILENO, "hung\n", 5) != 5);
}

static void begin(char *words)
{
	uint32_t native = seccomp_arch_native(), action, level;
	int used;

	sscanf(words, "%" SCNu32 " %" SCNu32 "%n", &action, &level, &used);
	words += used;
	failed = 0;
	alarm(1);
	started = now();
	ctx = seccomp_init(action);
	/* Before the first rule: an architecture of other endianness can only
	 * be added once the native one is gone. */
	seccomp_arch_remove(ctx, native);
	for (char *word = strtok(words, " \n"); word; word = strtok(NULL, " \n")) {
		uint32_t arch = strtoul(word, NULL, 10);
		check("arch_add", seccomp_arch_add(ctx, arch));
	}
	check("attr_set", seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, level));
}

static void rule(char *words)
{
	struct scmp_arg_cmp args[6];
	uint32_t action;
	unsigned count;
	char name[64];
	int used, nr;

	sscanf(words, "%" SCNu32 " %63s %u%n", &action, name, &count, &used);
	words += used;
	for (unsigned i = 0; i < count; i++) {
		unsigned index, op;
		uint64_t value, datum;
		sscanf(words, "%u %u %" SCNu64 " %" SCNu64 "%n", &index, &op, &value, &datum, &used);
		words += used;
		args[i] = SCMP_CMP64(index, op, value, datum);
	}
	nr = seccomp_syscall_resolve_name(name);
	if (nr == __NR_SCMP_ERROR)
		return;
	check(name, seccomp_rule_add_array(ctx, action, nr, count, args));
}

static void end(void)
{
	static struct sock_filter insns[1 << 20];
	int fd = memfd_create("bpf", 0);
	ssize_t size;

	check("export_bpf", seccomp_export_bpf(ctx, fd));
	spent = now() - started;
	alarm(0);
	if (!failed) {
		size = pread(fd, insns, sizeof insns, 0);
		printf("program %zd %" PRIu64 "\n", size / sizeof *insns, spent);
		for (size_t i = 0; i < size / sizeof *insns; i++)
			printf("%u %u %u %u\n", insns[i].code, insns[i].jt, insns[i].jf, insns[i].k);
	}
	fflush(stdout);
	close(fd);
	seccomp_release(ctx);
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;

	signal(SIGALRM, hung);
	while (getline(&line, &size, stdin) > 0) {
		if (!strncmp(line, "profile ", 8))
			begin(line + 8);
		else if (!strncmp(line, "rule ", 5))
			rule(line + 5);
		else if (!strncmp(line, "end", 3))
			end();
	}
	return 0;
}
