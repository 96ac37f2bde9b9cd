/* SPDX-License-Identifier: MIT */
/*
 * One connection: its queue, and what it says. All of it in the I/O thread,
 * and nothing here waits.
 */
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "control-internal.h"

void viewer_release(struct viewer *v)
{
	size_t i;

	for (i = 0; i < v->q_n; i++)
		msg_put(v->q[i]);
	free(v->q);
	strbuf_release(&v->in);
	closep(&v->fd);
	memset(v, 0, sizeof(*v));
	v->fd = -1;
}

/* takes q[i] out */
static void unqueue(struct viewer *v, size_t i)
{
	v->q_bytes -= v->q[i]->len;
	msg_put(v->q[i]);
	v->q_n--;
	memmove(v->q + i, v->q + i + 1, (v->q_n - i) * sizeof(*v->q));
}

/* first that may be taken out: a line that is half sent has to be finished */
static size_t first_free(const struct viewer *v)
{
	return v->sent ? 1 : 0;
}

bool viewer_queue(struct viewer *v, struct msg *m)
{
	size_t i;

	if (v->q_n > first_free(v) && msg_replaces(m, v->q[v->q_n - 1]))
		unqueue(v, v->q_n - 1);
	if (v->q_bytes + m->len > QUEUE_MAX)
		for (i = v->q_n; i-- > first_free(v);)
			if (v->q[i]->progress)
				unqueue(v, i);
	if (v->q_bytes + m->len > QUEUE_MAX)
		return m->progress; /* that one alone may be missed */
	VEC_GROW(v->q, v->q_n, v->q_cap);
	m->refs++;
	v->q[v->q_n++] = m;
	v->q_bytes += m->len;
	return true;
}

bool viewer_send(struct viewer *v)
{
	bool gone = false;
	size_t done = 0;
	ssize_t n;

	while (done < v->q_n) {
		struct msg *m = v->q[done];

		n = send(v->fd, m->text + v->sent, m->len - v->sent,
			 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			gone = errno != EAGAIN && errno != EWOULDBLOCK;
			break;
		}
		v->sent += (size_t)n;
		if (v->sent < m->len)
			continue;
		v->sent = 0;
		v->q_bytes -= m->len;
		msg_put(m);
		done++;
	}
	v->q_n -= done;
	if (done && v->q_n)
		memmove(v->q, v->q + done, v->q_n * sizeof(*v->q));
	return !gone && !(v->closing && !v->q_n);
}

/* --- what it says --- */

static bool say_error(struct viewer *v, enum err_code code, const char *text)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	struct msg *m;
	bool ok;

	json_set_str(o, "type", "error");
	json_set_str(o, "code", error_code_name(code));
	json_set_str(o, "message", text);
	m = msg_new(o, false);
	ok = viewer_queue(v, m);
	msg_put(m);
	return ok;
}

/* version, plan and where it stands; events follow */
static bool introduce(struct control *c, struct viewer *v)
{
	struct msg *status = latest_status(&c->latest);
	bool ok = true;

	if (c->latest.version)
		ok = viewer_queue(v, c->latest.version);
	if (ok && c->latest.plan)
		ok = viewer_queue(v, c->latest.plan);
	if (ok)
		ok = viewer_queue(v, status);
	msg_put(status);
	return ok;
}

static struct viewer *controller_of(struct control *c)
{
	for (size_t i = 0; i < c->v_n; i++)
		if (c->v[i].role == ROLE_CONTROL)
			return &c->v[i];
	return NULL;
}

/*
 * One that hung up holds the control no more, though its end of file was not
 * read yet: who closes a window and opens another one must not be refused.
 * What it said last still counts.
 */
static void free_control(struct control *c)
{
	struct viewer *v = controller_of(c);
	struct pollfd p = { .fd = v ? v->fd : -1, .events = POLLRDHUP };

	if (!v || poll(&p, 1, 0) != 1)
		return;
	/* at the end of what it sent, or of what can be taken */
	for (int i = 0; i < INBOX_MAX && viewer_receive(c, v); i++)
		;
	v->role = ROLE_NONE;
	v->closing = true;
	pthread_mutex_lock(&c->mutex);
	c->has_controller = false;
	c->viewers--;
	pthread_mutex_unlock(&c->mutex);
}

/* "another front end controls this run (acme, process 4121)" */
static bool say_taken(struct control *c, struct viewer *v)
{
	struct viewer *other = controller_of(c);
	struct ucred cred = { 0 };
	socklen_t len = sizeof(cred);
	_cleanup_free_ char *text = NULL;
	struct passwd pw, *found = NULL;
	char buf[1024];

	v->closing = true;
	if (!other || getsockopt(other->fd, SOL_SOCKET, SO_PEERCRED, &cred,
				 &len) < 0)
		return say_error(v, ERR_LOCKED,
				 _("another front end controls this run"));
	/* the engine's own thread asks for names too */
	if (getpwuid_r(cred.uid, &pw, buf, sizeof(buf), &found) != 0)
		found = NULL;
	text = xasprintf(_("another front end controls this run (%s, process "
			   "%d)"), found ? pw.pw_name : "?", (int)cred.pid);
	return say_error(v, ERR_LOCKED, text);
}

static bool take_hello(struct control *c, struct viewer *v,
		       struct json_object *o)
{
	bool control = !strcmp(json_get_str(o, "role", ""), "control");
	bool taken = false;

	if (v->role != ROLE_NONE)
		return say_error(v, ERR_USAGE, _("hello was said already"));
	if (control)
		free_control(c);
	pthread_mutex_lock(&c->mutex);
	taken = control && c->has_controller;
	if (control)
		c->has_controller = true;
	/* before the peer hears anything: from then on it misses nothing */
	if (!taken)
		c->viewers++;
	pthread_mutex_unlock(&c->mutex);
	if (taken)
		return say_taken(c, v);
	v->role = control ? ROLE_CONTROL : ROLE_VIEW;
	return introduce(c, v);
}

/* answers and commands are the engine's; the controller's alone */
static bool take_message(struct control *c, struct viewer *v,
			 struct json_object *o)
{
	bool full;

	if (v->role != ROLE_CONTROL)
		return say_error(v, ERR_LOCKED,
				 _("only the controlling front end may say "
				   "this"));
	pthread_mutex_lock(&c->mutex);
	full = c->inbox_n == INBOX_MAX;
	if (!full) {
		c->inbox[c->inbox_n++] = json_object_get(o);
		pthread_cond_signal(&c->cond);
	}
	pthread_mutex_unlock(&c->mutex);
	return full ? say_error(v, ERR_USAGE, _("too many messages")) : true;
}

static bool take_line(struct control *c, struct viewer *v, const char *line,
		      size_t len)
{
	_cleanup_json_ struct json_object *o = NULL;
	const char *type;

	if (v->closing)
		return true;
	if (json_parse(line, len, &o, NULL) < 0 ||
	    !json_object_is_type(o, json_type_object))
		return say_error(v, ERR_USAGE, _("this is no JSON object"));
	type = json_get_str(o, "type", "");
	if (!strcmp(type, "hello"))
		return take_hello(c, v, o);
	if (!strcmp(type, "answer") || !strcmp(type, "command"))
		return take_message(c, v, o);
	return say_error(v, ERR_USAGE, _("this is no known message"));
}

bool viewer_receive(struct control *c, struct viewer *v)
{
	char buf[4096];
	size_t start = 0;
	char *nl;
	ssize_t n;

	n = recv(v->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	if (n == 0)
		return false;
	strbuf_add(&v->in, buf, (size_t)n);
	while ((nl = memchr(v->in.buf + start, '\n', v->in.len - start))) {
		size_t end = (size_t)(nl - v->in.buf);

		if (!take_line(c, v, v->in.buf + start, end - start))
			return false;
		start = end + 1;
	}
	memmove(v->in.buf, v->in.buf + start, v->in.len - start);
	strbuf_set_len(&v->in, v->in.len - start);
	return v->in.len <= LINE_IN_MAX;
}
