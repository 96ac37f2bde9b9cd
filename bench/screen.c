/* SPDX-License-Identifier: MIT */
/*
 * screen PROGRAM [ARGUMENT...]: runs it on a terminal of 80x24, looks when the
 * first screen is complete and how soon a key is answered. Prints in
 * milliseconds: median and worst of both.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STARTS 21
#define KEYS 200
/* nothing came for so long: the drawing is complete */
#define QUIET_MS 25
#define SETTLED_MS 700
#define DEADLINE_MS 20000

struct terminal {
	int fd;
	pid_t pid;
	char raw[1 << 16];
	size_t len;
};

static double now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void fail(const char *what)
{
	(void)fprintf(stderr, "bench/screen: %s\n", what);
	exit(1);
}

static void begin(struct terminal *t, char **argv)
{
	struct winsize ws = { .ws_row = 24, .ws_col = 80 };

	t->len = 0;
	t->pid = forkpty(&t->fd, NULL, NULL, &ws);
	if (t->pid < 0)
		fail("no terminal");
	if (t->pid == 0) {
		(void)setenv("TERM", "xterm-256color", 1);
		(void)setenv("LC_ALL", "C.UTF-8", 1);
		(void)unsetenv("SSH_CONNECTION");
		(void)execv(argv[0], argv);
		_exit(127);
	}
	(void)fcntl(t->fd, F_SETFL, O_NONBLOCK);
}

static void end(struct terminal *t)
{
	(void)kill(t->pid, SIGTERM);
	(void)close(t->fd);
	(void)waitpid(t->pid, NULL, 0);
}

/* false: nothing came */
static int take(struct terminal *t, int ms)
{
	struct pollfd p = { .fd = t->fd, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, ms) <= 0)
		return 0;
	if (t->len >= sizeof(t->raw) - 4097)
		t->len = 0;
	n = read(t->fd, t->raw + t->len, 4096);
	if (n <= 0)
		fail("the program has ended");
	t->len += (size_t)n;
	return 1;
}

static void settle(struct terminal *t)
{
	while (take(t, SETTLED_MS))
		;
}

/* until these bytes have come */
static double first_screen(struct terminal *t, const char *code,
			   const char *focus)
{
	double since = now_ms();

	while (!memmem(t->raw, t->len, code, strlen(code)) ||
	       !memmem(t->raw, t->len, focus, strlen(focus))) {
		if (now_ms() - since > DEADLINE_MS)
			fail("no first screen");
		(void)take(t, 100);
	}
	return now_ms() - since;
}

/* until the last byte of the answer */
static double answer(struct terminal *t, const char *key)
{
	double since = now_ms(), last = 0;

	if (write(t->fd, key, strlen(key)) < 0)
		fail("cannot type");
	while (!last) {
		if (now_ms() - since > DEADLINE_MS)
			fail("a key is not answered");
		if (take(t, 100))
			last = now_ms();
	}
	while (take(t, QUIET_MS))
		last = now_ms();
	return last - since;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void row(const char *name, double *v, size_t n, double limit)
{
	qsort(v, n, sizeof(*v), by_size);
	(void)printf("  %-34s median %6.2f ms  worst %6.2f ms  limit %.0f ms"
		     "%s\n", name, v[n / 2], v[n - 1], limit,
		     v[n / 2] > limit ? "  MISSED" : "");
}

int main(int argc, char **argv)
{
	double start[STARTS], move[KEYS], page[KEYS];
	static struct terminal t;

	if (argc < 2)
		return 64;
	for (size_t i = 0; i < STARTS; i++) {
		begin(&t, argv + 1);
		start[i] = first_screen(&t, "[W10]", "Start checks ]");
		if (i + 1 < STARTS)
			end(&t);
	}
	settle(&t);
	for (size_t i = 0; i < KEYS; i++)
		move[i] = answer(&t, "\t");
	for (size_t i = 0; i < KEYS; i++)
		page[i] = answer(&t, i % 2 ? "<" : "?");
	end(&t);
	row("start to first screen", start, STARTS, 100);
	row("key to redraw: focus moves", move, KEYS, 16);
	row("key to redraw: help, and back", page, KEYS, 16);
	return 0;
}
