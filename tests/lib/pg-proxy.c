/* SPDX-License-Identifier: MIT */
/*
 * pg-proxy DIR UPSTREAM TRIGGER MANNER EVERY TIMES
 *
 * Stands between libpq and a server, both on Unix sockets: listens as
 * DIR/.s.PGSQL.5432 and passes on to UPSTREAM/.s.PGSQL.5432. At each EVERY-th
 * of what TRIGGER names, over all connections, and TIMES times at most, it does
 * what MANNER says:
 *
 *	commit	a COMMIT		before	   cut; it is not passed on
 *	statement any statement		race	   passed on, and cut at once
 *					swallow	   passed on; cut when the server
 *						   has answered
 *					turns	   these three in turn
 *					stall	   passed on; nothing comes back,
 *						   and nothing is cut
 *	copy	data of a COPY IN	cut	   in the middle of it
 *	row	a row of a result	stall	   there nothing goes on
 *		or of a COPY OUT
 *
 * Each time a line with the manner is added to DIR/cuts. "ready" on the output
 * when it listens. Ends with its parent.
 * Source: https://www.postgresql.org/docs/15/protocol-message-formats.html
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CHUNK 65536

/* one direction */
struct half {
	int from, to;
	char *buf;
	size_t n, cap;
	bool client, started;
};

enum state { PASS, SWALLOW, STALL };

static struct {
	atomic_long seen, cuts;
} *shared;

static const char *dir, *trigger, *manner;
static long every, times;
static enum state state;
static bool race;

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static void send_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = send(fd, p, n, MSG_NOSIGNAL);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			exit(0);
		p += w;
		n -= (size_t)w;
	}
}

static uint32_t number(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 |
		(uint32_t)u[2] << 8 | u[3];
}

/* NULL: not now */
static const char *due(void)
{
	static const char *const turns[] = { "before", "race", "swallow" };
	char path[4096], line[32];
	const char *how = manner;
	long n;
	int fd;

	if (++shared->seen % every)
		return NULL;
	n = shared->cuts++;
	if (n >= times)
		return NULL;
	if (!strcmp(how, "turns"))
		how = turns[n % 3];
	(void)snprintf(path, sizeof(path), "%s/cuts", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	n = snprintf(line, sizeof(line), "%s\n", how);
	check(fd >= 0 && write(fd, line, (size_t)n) == n, path);
	close(fd);
	return how;
}

static bool triggers(const struct half *h, const char *msg, size_t len)
{
	if (!h->client)
		return (*msg == 'D' || *msg == 'd') &&
			!strcmp(trigger, "row");
	if (*msg == 'd')
		return !strcmp(trigger, "copy");
	/* Parse: the name of the statement, then the statement */
	if (*msg != 'P')
		return false;
	if (!strcmp(trigger, "statement"))
		return true;
	return !strcmp(trigger, "commit") && len > 6 &&
		!strcmp(msg + 5 + strlen(msg + 5) + 1, "COMMIT");
}

static void message(struct half *h, const char *msg, size_t len)
{
	const char *how = triggers(h, msg, len) ? due() : NULL;

	if (how && !strcmp(how, "before"))
		exit(0);
	if (how && !strcmp(how, "race"))
		race = true;
	if (how && !strcmp(how, "swallow"))
		state = SWALLOW;
	if (how && !strcmp(how, "cut")) {
		send_all(h->to, msg, len / 2);
		exit(0);
	}
	if (how && !strcmp(how, "stall")) {
		if (*msg != 'P')
			len /= 2;
		state = STALL;
	}
	if (state == SWALLOW && !h->client) {
		if (*msg == 'Z')
			exit(0);
		return;
	}
	if (state == STALL && !h->client && !how)
		return;
	send_all(h->to, msg, len);
	if (race && h->client && *msg == 'S')
		exit(0);
}

/* of the first message, or 0 */
static size_t length(const struct half *h)
{
	size_t head = h->client && !h->started ? 0 : 1, len;

	if (h->n < head + 4)
		return 0;
	len = number(h->buf + head) + head;
	return h->n < len ? 0 : len;
}

static void transfer(struct half *h)
{
	size_t len;
	ssize_t n;

	if (h->cap - h->n < CHUNK) {
		h->cap = 2 * h->cap + CHUNK;
		h->buf = realloc(h->buf, h->cap);
		check(h->buf, "realloc");
	}
	n = read(h->from, h->buf + h->n, CHUNK);
	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0)
		exit(0);
	h->n += (size_t)n;
	while ((len = length(h)) != 0) {
		if (h->client && !h->started)
			send_all(h->to, h->buf, len);
		else
			message(h, h->buf, len);
		h->started = true;
		h->n -= len;
		memmove(h->buf, h->buf + len, h->n);
	}
}

static int at_path(const char *where, bool listening)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), ret;

	ret = snprintf(a.sun_path, sizeof(a.sun_path), "%s/.s.PGSQL.5432",
		       where);
	check(fd >= 0 && ret > 0 && (size_t)ret < sizeof(a.sun_path), where);
	if (listening)
		(void)unlink(a.sun_path);
	ret = listening ? bind(fd, (struct sockaddr *)&a, sizeof(a)) :
	      connect(fd, (struct sockaddr *)&a, sizeof(a));
	if (!listening && ret < 0)
		exit(0); /* the server is away, as without us */
	check(ret == 0 && (!listening || listen(fd, 64) == 0), where);
	return fd;
}

static void serve(int client, const char *upstream)
{
	int server = at_path(upstream, false);
	struct half h[2] = {
		{ .from = client, .to = server, .client = true },
		{ .from = server, .to = client },
	};

	for (;;) {
		struct pollfd fd[2] = { { client, POLLIN, 0 },
					{ server, POLLIN, 0 } };

		/* nobody reads on: only the end of the client is of interest */
		if (state == STALL) {
			fd[1].fd = -1;
			fd[0].events = POLLRDHUP;
		}
		if (poll(fd, 2, -1) < 0)
			continue;
		if (state == STALL)
			exit(0);
		for (int i = 0; i < 2; i++)
			if (fd[i].revents && state != STALL)
				transfer(&h[i]);
	}
}

static void guard(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		exit(1);
}

int main(int argc, char **argv)
{
	pid_t self;
	int fd;

	if (argc != 7)
		return 64;
	guard(getppid());
	dir = argv[1];
	trigger = argv[3];
	manner = argv[4];
	every = atol(argv[5]);
	times = atol(argv[6]);
	if (every <= 0)
		return 64;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(shared != MAP_FAILED, "mmap");
	(void)signal(SIGCHLD, SIG_IGN);
	fd = at_path(dir, true);
	check(puts("ready") >= 0 && fflush(stdout) == 0, "ready");
	self = getpid();
	for (;;) {
		int c = accept(fd, NULL, NULL);

		if (c < 0)
			continue;
		switch (fork()) {
		case -1:
			break;
		case 0:
			guard(self);
			serve(c, argv[2]);
			break;
		default:
			break;
		}
		close(c);
	}
}
