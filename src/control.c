/* SPDX-License-Identifier: MIT */
#include "control.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "control-internal.h"
#include "event.h"

struct msg *msg_new(struct json_object *o, bool progress)
{
	struct strbuf line = STRBUF_INIT;
	struct msg *m = xcalloc(1, sizeof(*m));

	json_print(o, &line);
	strbuf_addch(&line, '\n');
	m->refs = 1;
	m->progress = progress;
	m->len = line.len;
	m->text = strbuf_detach(&line);
	return m;
}

void msg_put(struct msg *m)
{
	if (!m || --m->refs)
		return;
	json_object_put(m->event);
	free(m->text);
	free(m);
}

bool msg_replaces(const struct msg *newer, const struct msg *older)
{
	return newer->progress && older->progress &&
		!strcmp(json_get_str(newer->event, "part", ""),
			json_get_str(older->event, "part", ""));
}

static void wake(struct control *c)
{
	uint64_t one = 1;
	ssize_t n;

	/* a counter that is full wakes as well */
	do
		n = write(c->wake_fd, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
}

/* --- events in --- */

static void control_event(void *self, const struct event *ev)
{
	struct control *c = self;
	bool progress = ev->type == EVENT_PROGRESS;
	struct json_object *o;
	struct msg *m, *last;
	bool nobody;

	pthread_mutex_lock(&c->mutex);
	nobody = !c->viewers;
	pthread_mutex_unlock(&c->mutex);
	/* nothing that a late joiner would be told */
	if (nobody && (progress || ev->type == EVENT_LOG))
		return;
	o = event_to_json(ev);
	m = msg_new(o, progress);
	m->event = o;
	pthread_mutex_lock(&c->mutex);
	last = c->pending_last;
	if (progress && last && msg_replaces(m, last)) {
		/* the newer one says it all */
		free(last->text);
		json_object_put(last->event);
		last->text = TAKE_PTR(m->text);
		last->event = TAKE_PTR(m->event);
		last->len = m->len;
		msg_put(TAKE_PTR(m));
	} else {
		*c->pending_tail = m;
		c->pending_tail = &m->next;
		c->pending_last = m;
	}
	pthread_mutex_unlock(&c->mutex);
	wake(c);
}

const struct reporter_ops control_reporter_ops = {
	.name = "control",
	.event = control_event,
};

/* --- messages out --- */

struct json_object *control_poll(struct control *c, int timeout_ms)
{
	struct json_object *o = NULL;
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&c->mutex);
	while (!c->inbox_n && timeout_ms > 0 &&
	       pthread_cond_timedwait(&c->cond, &c->mutex, &until) == 0)
		;
	if (c->inbox_n) {
		o = c->inbox[0];
		c->inbox_n--;
		memmove(c->inbox, c->inbox + 1,
			c->inbox_n * sizeof(*c->inbox));
	}
	pthread_mutex_unlock(&c->mutex);
	return o;
}

bool control_has_controller(struct control *c)
{
	bool has;

	pthread_mutex_lock(&c->mutex);
	has = c->has_controller;
	pthread_mutex_unlock(&c->mutex);
	return has;
}

/* --- begin and end --- */

/* a short name for a directory of any length */
static void socket_address(int dirfd, struct sockaddr_un *sa)
{
	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	(void)snprintf(sa->sun_path, sizeof(sa->sun_path),
		       "/proc/self/fd/%d/" CONTROL_NAME, dirfd);
}

static int listen_at(int state_fd)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un sa;
	int r;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* we hold the lock, so the one that is there is dead */
	r = fs_unlink(state_fd, CONTROL_NAME, 0);
	if (r < 0 && r != -ENOENT)
		return r;
	/* of the socket before it has a name: the umask is the process's */
	r = fs_chmod(fd, 0600);
	if (r < 0)
		return r;
	socket_address(state_fd, &sa);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(fd, VIEWERS_MAX) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int start_thread(struct control *c)
{
	sigset_t all, old;
	int r;

	/* signals are for the thread that began all this */
	sigfillset(&all);
	r = pthread_sigmask(SIG_SETMASK, &all, &old);
	if (r == 0)
		r = pthread_create(&c->thread, NULL, control_io, c);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}

static void control_free(struct control *c)
{
	struct msg *m, *next;
	size_t i;

	for (m = c->pending; m; m = next) {
		next = m->next;
		msg_put(m);
	}
	for (i = 0; i < c->inbox_n; i++)
		json_object_put(c->inbox[i]);
	for (i = 0; i < c->v_n; i++)
		viewer_release(&c->v[i]);
	latest_release(&c->latest);
	closep(&c->listen_fd);
	closep(&c->wake_fd);
	closep(&c->state_fd);
	pthread_cond_destroy(&c->cond);
	pthread_mutex_destroy(&c->mutex);
	free(c);
}

static struct control *control_alloc(void)
{
	struct control *c = xcalloc(1, sizeof(*c));
	pthread_condattr_t attr;

	c->listen_fd = c->wake_fd = c->state_fd = -1;
	c->pending_tail = &c->pending;
	pthread_mutex_init(&c->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->cond, &attr);
	pthread_condattr_destroy(&attr);
	return c;
}

int control_start(struct control **ret, int state_fd, struct error *err)
{
	struct control *c = control_alloc();
	int r;

	r = c->state_fd = fcntl(state_fd, F_DUPFD_CLOEXEC, 3);
	if (r < 0)
		r = -errno;
	if (r >= 0)
		r = c->listen_fd = listen_at(c->state_fd);
	if (r >= 0) {
		r = c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (r < 0)
			r = -errno;
	}
	if (r >= 0)
		r = start_thread(c);
	if (r < 0) {
		if (c->listen_fd >= 0)
			(void)fs_unlink(c->state_fd, CONTROL_NAME, 0);
		control_free(c);
		return error_errno(err, ERR_STATE, r,
				   _("cannot listen in the state directory; "
				     "the run cannot be watched"));
	}
	*ret = c;
	return 0;
}

void control_stop(struct control *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->mutex);
	c->stopping = true;
	pthread_mutex_unlock(&c->mutex);
	wake(c);
	/* wakes poll() too: with one bell alone a thread that missed it would
	   be waited for for ever */
	(void)shutdown(c->listen_fd, SHUT_RDWR);
	pthread_join(c->thread, NULL);
	/* the next engine unlinks it if we cannot */
	(void)fs_unlink(c->state_fd, CONTROL_NAME, 0);
	control_free(c);
}

/* --- the other end --- */

int control_connect(int state_fd, const char *role, struct error *err)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
	_cleanup_close_ int fd = -1;
	struct sockaddr_un sa;
	ssize_t n;
	int r;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_errno(err, ERR_IO, -errno,
				   _("cannot make a socket"));
	socket_address(state_fd, &sa);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return error_errno(err, ERR_NO_RUN, -errno,
				   _("no running upshift listens here"));
	json_set_str(o, "type", "hello");
	json_set_str(o, "role", role);
	json_print(o, &line);
	strbuf_addch(&line, '\n');
	/* a new socket has room for a line: short only if the peer is gone */
	do
		n = send(fd, line.buf, line.len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)line.len) {
		r = n < 0 && errno != EPIPE ? -errno : -ECONNREFUSED;
		return error_errno(err, ERR_NO_RUN, r,
				   _("no running upshift listens here"));
	}
	return TAKE_FD(fd);
}
