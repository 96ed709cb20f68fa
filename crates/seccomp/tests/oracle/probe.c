/*
 * Makes one system call and reports what became of it.
 *
 *   probe call NUMBER [ARG]...     exit status: its errno, 0 for success
 *   probe int80 NUMBER [ARG]...    the same through the i386 interface
 *   probe trap NUMBER              prints "number architecture" of the SIGSYS
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void trapped(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	printf("%d %x\n", info->si_syscall, info->si_arch);
	fflush(stdout);
	_exit(0);
}

static long int80(long number, const long *args)
{
#ifdef __x86_64__
	long ret;
	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "a"(number), "b"(args[0]), "c"(args[1]), "d"(args[2])
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)ret;
#else
	(void)number;
	(void)args;
	return -ENOSYS;
#endif
}

int main(int argc, char **argv)
{
	long args[6] = { 0 }, number, ret;

	if (argc < 3)
		return 255;
	number = strtol(argv[2], NULL, 0);
	for (int i = 3; i < argc && i < 9; i++)
		args[i - 3] = strtol(argv[i], NULL, 0);
	if (!strcmp(argv[1], "int80")) {
		ret = int80(number, args);
		return ret < 0 ? -ret : 0;
	}
	if (!strcmp(argv[1], "trap")) {
		struct sigaction action = { .sa_sigaction = trapped, .sa_flags = SA_SIGINFO };
		sigaction(SIGSYS, &action, NULL);
	}
	errno = 0;
	ret = syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]);
	return ret < 0 ? errno : 0;
}
