/* SPDX-License-Identifier: MIT */
/*
 * Lines from standard input. A signal handler may only note that a signal
 * came and wake up poll(); what it means is decided in the loop. The terminal
 * attributes are kept here because die() and the handlers' owner need them
 * with no struct at hand.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <termios.h>

#include "base/json.h"
#include "base/xalloc.h"
#include "plain-internal.h"

static const int caught[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };

static struct {
	volatile sig_atomic_t interrupt, leave, suspend;
	int wake[2];
	bool quiet;                  /* echo is off, saved is valid */
	struct termios saved;
	struct sigaction old[ARRAY_SIZE(caught)];
	bool replaced[ARRAY_SIZE(caught)];
} sigs = { .wake = { -1, -1 } };

static void on_signal(int sig)
{
	int saved = errno;

	if (sig == SIGINT)
		sigs.interrupt = 1;
	else if (sig == SIGTSTP)
		sigs.suspend = 1;
	else
		sigs.leave = 1;
	/* a full pipe wakes up as well */
	if (write(sigs.wake[1], "", 1) < 0)
		errno = saved;
	errno = saved;
}

static void restore_echo(void)
{
	if (!sigs.quiet)
		return;
	sigs.quiet = false;
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &sigs.saved);
}

/* which: index of caught. ^Z is ours only while echo is off */
static void catch_signal(size_t which)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	(void)sigemptyset(&sa.sa_mask);
	sa.sa_handler = on_signal;
	(void)sigaction(caught[which], NULL, &sigs.old[which]);
	/* nohup, and jobs in the background */
	if (sigs.old[which].sa_handler == SIG_IGN)
		return;
	sigs.replaced[which] = sigaction(caught[which], &sa, NULL) == 0;
}

static void release_signal(size_t which)
{
	if (sigs.replaced[which])
		(void)sigaction(caught[which], &sigs.old[which], NULL);
	sigs.replaced[which] = false;
}

void plain_in_open(struct plain_in *in)
{
	memset(in, 0, sizeof(*in));
	in->tty = isatty(STDIN_FILENO) != 0;
	sigs.interrupt = sigs.leave = sigs.suspend = 0;
	if (pipe2(sigs.wake, O_CLOEXEC | O_NONBLOCK) < 0)
		die("pipe2: %s", strerror(errno));
	for (size_t i = 0; i + 1 < ARRAY_SIZE(caught); i++)
		catch_signal(i);
	die_set_hook(restore_echo);
}

void plain_in_close(struct plain_in *in)
{
	plain_in_echo(in, true);
	die_set_hook(NULL);
	for (size_t i = 0; i < ARRAY_SIZE(caught); i++)
		release_signal(i);
	closep(&sigs.wake[0]);
	closep(&sigs.wake[1]);
	sigs.wake[0] = sigs.wake[1] = -1;
	explicit_bzero(in->buf, sizeof(in->buf));
	in->len = 0;
}

void plain_in_echo(struct plain_in *in, bool on)
{
	struct termios t;

	if (!in->tty || on == !sigs.quiet)
		return;
	if (on) {
		restore_echo();
		release_signal(ARRAY_SIZE(caught) - 1);
		return;
	}
	if (tcgetattr(STDIN_FILENO, &t) < 0)
		return;
	sigs.saved = t;
	sigs.quiet = true;
	catch_signal(ARRAY_SIZE(caught) - 1);
	t.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK);
	t.c_lflag |= ECHONL;
	/* flushes: nothing typed ahead becomes a secret */
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &t);
}

void plain_in_suspend(struct plain_in *in)
{
	bool quiet = sigs.quiet;

	plain_in_echo(in, true);
	/* the default action is in force again */
	(void)raise(SIGTSTP);
	if (quiet)
		plain_in_echo(in, false);
}

void plain_in_discard(struct plain_in *in)
{
	if (!in->tty)
		return;
	(void)tcflush(STDIN_FILENO, TCIFLUSH);
	explicit_bzero(in->buf, sizeof(in->buf));
	in->len = 0;
	in->overlong = false;
}

int plain_in_signal_fd(void)
{
	return sigs.wake[0];
}

unsigned int plain_in_signals(void)
{
	unsigned int ret = 0;
	char drain[16];

	while (read(sigs.wake[0], drain, sizeof(drain)) > 0)
		;
	if (sigs.interrupt) {
		sigs.interrupt = 0;
		ret |= PLAIN_INTERRUPT;
	}
	if (sigs.leave) {
		sigs.leave = 0;
		ret |= PLAIN_LEAVE;
	}
	if (sigs.suspend) {
		sigs.suspend = 0;
		ret |= PLAIN_SUSPEND;
	}
	return ret;
}

bool plain_in_ready(const struct plain_in *in)
{
	return in->end || memchr(in->buf, '\n', in->len);
}

static void take_bytes(struct plain_in *in)
{
	ssize_t n = read(STDIN_FILENO, in->buf + in->len,
			 sizeof(in->buf) - in->len);

	if (n > 0)
		in->len += (size_t)n;
	else if (n == 0 || (errno != EINTR && errno != EAGAIN))
		in->end = true;
}

enum plain_read plain_in_line(struct plain_in *in, bool readable,
			      char line[PLAIN_LINE_MAX])
{
	enum plain_read ret = PLAIN_LINE;
	size_t len, used;
	char *nl = memchr(in->buf, '\n', in->len);

	if (!nl && readable && !in->end) {
		take_bytes(in);
		nl = memchr(in->buf, '\n', in->len);
	}
	if (!nl && in->len == sizeof(in->buf)) {
		/* the start goes, the rest follows it until a newline */
		in->overlong = true;
		in->len = 0;
	}
	if (!nl)
		return in->end ? PLAIN_END : PLAIN_NO_LINE;
	len = (size_t)(nl - in->buf);
	used = len + 1;
	if (len && in->buf[len - 1] == '\r')
		len--;
	memcpy(line, in->buf, len);
	line[len] = '\0';
	if (in->overlong || strlen(line) != len || !utf8_valid(line, len))
		ret = PLAIN_BAD_LINE;
	in->overlong = false;
	in->len -= used;
	memmove(in->buf, in->buf + used, in->len);
	explicit_bzero(in->buf + in->len, sizeof(in->buf) - in->len);
	return ret;
}
