/* SPDX-License-Identifier: MIT */
/*
 * spend COMMAND [ARG...]: what a command takes: seconds, seconds of processor
 * time, peak memory in MiB, its status, seconds of processor time outside of
 * the kernel. A small process that starts another
 * one: the peak of a large one would be counted for its child.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double of(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

int main(int argc, char **argv)
{
	double from = seconds();
	struct rusage ru;
	int status;
	pid_t pid;

	if (argc < 2)
		return 64;
	pid = fork();
	if (!pid) {
		/* what the command says is not ours */
		if (dup2(STDERR_FILENO, STDOUT_FILENO) >= 0)
			(void)execvp(argv[1], argv + 1);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &ru) < 0)
		return 1;
	(void)printf("%.4f %.4f %ld %d %.4f\n", seconds() - from,
		     of(&ru.ru_utime) + of(&ru.ru_stime), ru.ru_maxrss / 1024,
		     status, of(&ru.ru_utime));
	return 0;
}
