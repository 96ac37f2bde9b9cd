/* SPDX-License-Identifier: MIT */
#include "inhibit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/compiler.h"
#include "base/xalloc.h"

#define WHAT "--what=sleep:idle:shutdown:handle-lid-switch"

/* The grandchild: nobody waits for it, it ends with our end of the pipe. */
static _noreturn_ void hold(const char *tool, const char *why, int fd)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct sigaction dfl;

	if (fork() != 0)
		_exit(0);
	memset(&dfl, 0, sizeof(dfl));
	dfl.sa_handler = SIG_DFL;
	for (int i = 1; i < NSIG; i++)
		(void)sigaction(i, &dfl, NULL);
	(void)setsid();
	(void)dup2(fd, STDIN_FILENO);
	(void)dup2(null, STDOUT_FILENO);
	(void)dup2(null, STDERR_FILENO);
	(void)close_range(3, ~0u, 0);
	(void)execl(tool, tool, WHAT, "--who=upshift", why, "--mode=block",
		    "cat", (char *)NULL);
	_exit(127);
}

/* until everybody else has closed the other end */
static void wait_for_end(int fd)
{
	char c;

	while (read(fd, &c, 1) < 0 && errno == EINTR)
		;
}

int inhibit_begin(const char *why)
{
	_cleanup_free_ char *tool = NULL, *reason = NULL;
	int fd[2], gate[2], status;
	pid_t pid;

	if (child_find("systemd-inhibit", -1, &tool) < 0 ||
	    pipe2(fd, O_CLOEXEC) < 0)
		return -1;
	if (pipe2(gate, O_CLOEXEC) < 0) {
		(void)close(fd[0]);
		(void)close(fd[1]);
		return -1;
	}
	reason = xasprintf("--why=%s", why);
	pid = fork();
	if (pid == 0)
		hold(tool, reason, fd[0]);
	(void)close(fd[0]);
	(void)close(gate[1]);
	/* until then it shares our locks, and could hold them longer than we */
	wait_for_end(gate[0]);
	(void)close(gate[0]);
	if (pid < 0) {
		(void)close(fd[1]);
		return -1;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return fd[1];
}

void inhibit_end(int fd)
{
	if (fd >= 0)
		(void)close(fd); /* the far end sees it and goes */
}
