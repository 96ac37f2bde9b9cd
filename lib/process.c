/* SPDX-License-Identifier: MIT */
/*
 * By posix_spawn(), which is safe in a program with threads. The child's own
 * signals are the default ones, with none blocked; those of the host stay.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "upshift-internal.h"

#define ERR_MAX (64u * 1024u)
/* a line that is longer than this is none of ours */
#define LINE_MAX_BYTES (64u * 1024u * 1024u)

extern char **environ;

struct job {
	int out, err;
	pid_t pid;
	struct upshift_internal_text line;
	int failed;
};

int upshift_internal_add(struct upshift_internal_text *t, const char *s,
			 size_t len)
{
	if (t->len + len + 1 > t->cap) {
		size_t cap = (t->len + len + 1) * 2;
		char *buf = realloc(t->buf, cap);

		if (!buf)
			return -ENOMEM;
		t->buf = buf;
		t->cap = cap;
	}
	memcpy(t->buf + t->len, s, len);
	t->len += len;
	t->buf[t->len] = '\0';
	return 0;
}

/* both ends above the standard ones, which the host may have closed */
static int make_pipe(int fd[2])
{
	if (pipe2(fd, O_CLOEXEC) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		int up = fd[i] > STDERR_FILENO ? fd[i] :
			fcntl(fd[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

		if (up < 0) {
			int ret = -errno;

			(void)close(fd[0]);
			(void)close(fd[1]);
			return ret;
		}
		if (up != fd[i])
			(void)close(fd[i]);
		fd[i] = up;
	}
	return 0;
}

static int set_up(posix_spawn_file_actions_t *fa, posix_spawnattr_t *at,
		  int out, int err)
{
	sigset_t none, all;
	int ret;

	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	(void)sigdelset(&all, SIGKILL);
	(void)sigdelset(&all, SIGSTOP);
	ret = posix_spawn_file_actions_addopen(fa, STDIN_FILENO, "/dev/null",
					       O_RDONLY, 0);
	if (!ret)
		ret = posix_spawn_file_actions_adddup2(fa, out, STDOUT_FILENO);
	if (!ret)
		ret = posix_spawn_file_actions_adddup2(fa, err, STDERR_FILENO);
	if (!ret)
		ret = posix_spawn_file_actions_addclosefrom_np(fa, 3);
	if (!ret)
		ret = posix_spawnattr_setsigmask(at, &none);
	if (!ret)
		ret = posix_spawnattr_setsigdefault(at, &all);
	if (!ret)
		ret = posix_spawnattr_setflags(at, POSIX_SPAWN_SETSIGMASK |
					       POSIX_SPAWN_SETSIGDEF);
	return ret;
}

static int start(struct job *j, const char *const *argv, int out, int err)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	int ret = posix_spawn_file_actions_init(&fa);

	if (ret)
		return -ret;
	ret = posix_spawnattr_init(&at);
	if (!ret) {
		ret = set_up(&fa, &at, out, err);
		if (!ret)
			ret = posix_spawnp(&j->pid, argv[0], &fa, &at,
					   (char *const *)(uintptr_t)argv,
					   environ);
		(void)posix_spawnattr_destroy(&at);
	}
	(void)posix_spawn_file_actions_destroy(&fa);
	return -ret;
}

static void stop(struct job *j, int why)
{
	/* only once: the second signal would not wait for the step */
	if (!j->failed)
		(void)kill(j->pid, SIGTERM);
	j->failed = why;
}

static void take_lines(struct job *j, const char *s, size_t n,
		       upshift_internal_line_fn *line_fn, void *ctx)
{
	while (n && j->failed >= 0) {
		const char *nl = memchr(s, '\n', n);
		size_t len = nl ? (size_t)(nl - s) : n;
		int ret = j->line.len + len > LINE_MAX_BYTES ? -EMSGSIZE :
			upshift_internal_add(&j->line, s, len);

		if (ret >= 0 && nl) {
			ret = line_fn(ctx, j->line.buf);
			j->line.len = 0;
		}
		if (ret)
			stop(j, ret);
		s += len + (nl ? 1 : 0);
		n -= len + (nl ? 1 : 0);
	}
}

/* the end of what it said counts, not the beginning */
static void take_error(struct upshift_internal_text *err, const char *s,
		       size_t n)
{
	if (err->len + n > ERR_MAX) {
		size_t drop = err->len + n - ERR_MAX;

		drop = drop > err->len ? err->len : drop;
		if (drop)
			memmove(err->buf, err->buf + drop, err->len - drop);
		err->len -= drop;
	}
	/* without memory for the words the status still tells */
	(void)upshift_internal_add(err, s, n);
}

static void read_all(struct job *j, upshift_internal_line_fn *line_fn,
		     void *ctx, struct upshift_internal_text *err)
{
	struct pollfd p[2] = { { .fd = j->out, .events = POLLIN },
			       { .fd = j->err, .events = POLLIN } };
	char buf[16384];

	while (p[0].fd >= 0 || p[1].fd >= 0) {
		if (poll(p, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			break;
		}
		for (int i = 0; i < 2; i++) {
			ssize_t n;

			if (p[i].fd < 0 || !p[i].revents)
				continue;
			n = read(p[i].fd, buf, sizeof(buf));
			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0)
				p[i].fd = -1;
			else if (i == 0)
				take_lines(j, buf, (size_t)n, line_fn, ctx);
			else
				take_error(err, buf, (size_t)n);
		}
	}
}

static int wait_for(pid_t pid)
{
	int st;

	while (waitpid(pid, &st, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
}

int upshift_internal_spawn(const char *const *argv,
			   upshift_internal_line_fn *line_fn, void *ctx,
			   struct upshift_internal_text *err, int *status)
{
	struct job j = { .pid = -1 };
	int out[2], e[2], ret;

	*status = -1;
	ret = make_pipe(out);
	if (ret < 0)
		return ret;
	ret = make_pipe(e);
	if (ret < 0) {
		(void)close(out[0]);
		(void)close(out[1]);
		return ret;
	}
	j.out = out[0];
	j.err = e[0];
	ret = start(&j, argv, out[1], e[1]);
	(void)close(out[1]);
	(void)close(e[1]);
	if (ret >= 0) {
		read_all(&j, line_fn, ctx, err);
		*status = wait_for(j.pid);
		ret = j.failed < 0 ? j.failed : 0;
	}
	(void)close(out[0]);
	(void)close(e[0]);
	free(j.line.buf);
	return ret;
}
