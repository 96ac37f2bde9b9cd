/* SPDX-License-Identifier: MIT */
#include "tui/wakeup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/compiler.h"
#include "tui/terminal.h"

#define EXIT_STOPPED 6

static const struct {
	int sig;
	unsigned int wake;
} table[] = {
	{ SIGWINCH, WAKE_RESIZE },
	{ SIGINT, WAKE_STOP },
	{ SIGTERM, WAKE_LEAVE },
	{ SIGHUP, WAKE_LEAVE },
	{ SIGTSTP, WAKE_SUSPEND },
	{ SIGCONT, WAKE_CONTINUE },
};

static const int fatal[] = {
	SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGQUIT, SIGSYS,
};

static int pipe_fds[2] = { -1, -1 };
static struct sigaction before[ARRAY_SIZE(table)];
static struct sigaction before_fatal[ARRAY_SIZE(fatal)];

/* asked to leave, and not yet seen by wakeup_take() */
static volatile sig_atomic_t leaving;

static void on_signal(int sig)
{
	int saved = errno;
	char c = (char)sig;

	if (sig == SIGTERM || sig == SIGHUP) {
		/*
		 * Asked twice: the first one waits behind a terminal that
		 * takes no more (^S, a dead line). What it has not taken is
		 * thrown away; the engine is another process.
		 */
		if (leaving) {
			(void)tcflush(STDOUT_FILENO, TCOFLUSH);
			terminal_emergency();
			_exit(EXIT_STOPPED);
		}
		leaving = 1;
	}
	/* full: there is enough in it to wake up */
	if (write(pipe_fds[1], &c, 1) < 0)
		errno = saved;
	errno = saved;
}

/* SA_RESETHAND: comes back to the default when it is raised again */
static void on_fatal(int sig)
{
	terminal_emergency();
	(void)raise(sig);
}

int wakeup_open(void)
{
	struct sigaction sa;

	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	memset(&sa, 0, sizeof(sa));
	(void)sigemptyset(&sa.sa_mask);
	sa.sa_handler = on_signal;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		(void)sigaction(table[i].sig, &sa, &before[i]);
	sa.sa_handler = on_fatal;
	sa.sa_flags = (int)SA_RESETHAND;
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		(void)sigaction(fatal[i], &sa, &before_fatal[i]);
	return 0;
}

void wakeup_close(void)
{
	if (pipe_fds[0] < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		(void)sigaction(table[i].sig, &before[i], NULL);
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		(void)sigaction(fatal[i], &before_fatal[i], NULL);
	closep(&pipe_fds[0]);
	closep(&pipe_fds[1]);
	pipe_fds[0] = pipe_fds[1] = -1;
}

int wakeup_fd(void)
{
	return pipe_fds[0];
}

unsigned int wakeup_take(void)
{
	unsigned int wake = 0;
	char c;

	leaving = 0;

	while (read(pipe_fds[0], &c, 1) == 1)
		for (size_t i = 0; i < ARRAY_SIZE(table); i++)
			if (table[i].sig == c)
				wake |= table[i].wake;
	return wake;
}
