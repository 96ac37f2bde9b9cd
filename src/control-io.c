/* SPDX-License-Identifier: MIT */
/*
 * The I/O thread: one poll() over the listening socket, the engine's wake-up
 * and the connections. It sleeps without a time limit when nobody watches.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "control-internal.h"

static void count_viewers(struct control *c)
{
	bool control = false;
	int n = 0;
	size_t i;

	for (i = 0; i < c->v_n; i++) {
		control |= c->v[i].role == ROLE_CONTROL;
		n += c->v[i].role != ROLE_NONE;
	}
	pthread_mutex_lock(&c->mutex);
	c->viewers = n;
	c->has_controller = control;
	pthread_mutex_unlock(&c->mutex);
}

static void drop(struct control *c, size_t i)
{
	viewer_release(&c->v[i]);
	c->v_n--;
	memmove(c->v + i, c->v + i + 1, (c->v_n - i) * sizeof(*c->v));
	c->accept_after_ns = 0;
	count_viewers(c);
}

static bool peer_allowed(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	       (cred.uid == geteuid() || cred.uid == 0);
}

static void accept_one(struct control *c)
{
	struct viewer *v;
	int fd;

	fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		/* no descriptor left: the caller stays in the backlog, and
		   poll() would report it again and again */
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		    errno == ENOBUFS)
			c->accept_after_ns = clock_mono_ns() + ACCEPT_PAUSE_NS;
		return;
	}
	if (!peer_allowed(fd)) {
		closep(&fd);
		return;
	}
	v = &c->v[c->v_n++];
	memset(v, 0, sizeof(*v));
	v->fd = fd;
	strbuf_init(&v->in);
}

/* sends at once what the socket takes; the rest when poll() says so */
static void broadcast(struct control *c, struct msg *m)
{
	size_t i;

	for (i = c->v_n; i-- > 0;) {
		struct viewer *v = &c->v[i];

		if (v->role == ROLE_NONE || v->closing)
			continue;
		if (!viewer_queue(v, m))
			drop(c, i);
	}
	c->last_sent_ns = clock_mono_ns();
}

/* returns false when the engine has said its last word */
static bool distribute(struct control *c)
{
	struct msg *m, *next;
	uint64_t count;
	bool stopping;

	while (read(c->wake_fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
	pthread_mutex_lock(&c->mutex);
	m = c->pending;
	c->pending = NULL;
	c->pending_tail = &c->pending;
	c->pending_last = NULL;
	stopping = c->stopping;
	pthread_mutex_unlock(&c->mutex);
	for (; m; m = next) {
		next = m->next;
		latest_learn(&c->latest, m);
		broadcast(c, m);
		msg_put(m);
	}
	return !stopping;
}

static bool anybody(const struct control *c)
{
	size_t i;

	for (i = 0; i < c->v_n; i++)
		if (c->v[i].role != ROLE_NONE)
			return true;
	return false;
}

static void heartbeat(struct control *c)
{
	struct msg *m;

	if (!anybody(c) || clock_mono_ns() - c->last_sent_ns < HEARTBEAT_NS)
		return;
	m = latest_status(&c->latest);
	broadcast(c, m);
	msg_put(m);
}

static int ms_until(uint64_t when_ns)
{
	uint64_t now = clock_mono_ns();

	/* rounded up: waking just before would wake twice */
	return when_ns <= now ? 0 : (int)((when_ns - now) / 1000000 + 1);
}

static int poll_timeout(const struct control *c)
{
	int t = -1, a;

	if (anybody(c))
		t = ms_until(c->last_sent_ns + HEARTBEAT_NS);
	if (c->accept_after_ns) {
		a = ms_until(c->accept_after_ns);
		t = t < 0 ? a : MIN(t, a);
	}
	return t;
}

static void serve_viewers(struct control *c, const struct pollfd *p)
{
	size_t i;

	/* backwards: drop() moves only those that were served */
	for (i = c->v_n; i-- > 0;) {
		bool ok = true;

		if (p[i].revents & (POLLIN | POLLHUP | POLLERR))
			ok = viewer_receive(c, &c->v[i]);
		if (ok && c->v[i].q_n)
			ok = viewer_send(&c->v[i]);
		if (!ok)
			drop(c, i);
	}
	count_viewers(c);
}

/* one round; false: over */
static bool serve(struct control *c, int timeout_ms)
{
	struct pollfd p[2 + VIEWERS_MAX];
	bool go_on;
	size_t i, n;

	if (c->accept_after_ns && clock_mono_ns() >= c->accept_after_ns)
		c->accept_after_ns = 0;
	p[0] = (struct pollfd){ .fd = c->wake_fd, .events = POLLIN };
	/* a negative descriptor is passed over by poll() */
	p[1] = (struct pollfd){
		.fd = c->v_n < VIEWERS_MAX && !c->accept_after_ns ?
			c->listen_fd : -1,
		.events = POLLIN,
	};
	n = c->v_n;
	for (i = 0; i < n; i++)
		p[2 + i] = (struct pollfd){
			.fd = c->v[i].fd,
			.events = (short)(POLLIN |
					  (c->v[i].q_n ? POLLOUT : 0)),
		};
	if (poll(p, (nfds_t)(2 + n), timeout_ms) < 0)
		return errno == EINTR || errno == EAGAIN;
	serve_viewers(c, p + 2);
	/* in each round: a wake-up that was lost must not be waited for */
	go_on = distribute(c);
	if (p[1].revents & POLLIN)
		accept_one(c);
	heartbeat(c);
	return go_on;
}

static bool all_sent(const struct control *c)
{
	size_t i;

	for (i = 0; i < c->v_n; i++)
		if (c->v[i].q_n)
			return false;
	return true;
}

/* the summary reaches those who read; the others are not waited for */
static void drain(struct control *c)
{
	uint64_t until = clock_mono_ns() + DRAIN_NS;
	struct pollfd p[VIEWERS_MAX];
	size_t i;

	while (!all_sent(c) && ms_until(until) > 0) {
		for (i = 0; i < c->v_n; i++)
			p[i] = (struct pollfd){
				.fd = c->v[i].q_n ? c->v[i].fd : -1,
				.events = POLLOUT,
			};
		if (poll(p, (nfds_t)c->v_n, ms_until(until)) < 0 &&
		    errno != EINTR)
			return;
		for (i = c->v_n; i-- > 0;)
			if (p[i].revents && !viewer_send(&c->v[i]))
				drop(c, i);
	}
}

void *control_io(void *ctx)
{
	struct control *c = ctx;

	c->last_sent_ns = clock_mono_ns();
	while (serve(c, poll_timeout(c)))
		;
	drain(c);
	return NULL;
}
