/* SPDX-License-Identifier: MIT */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "client-internal.h"
#include "control.h"
#include "model.h"
#include "run.h"

#define REPORT_MAX (64 * 1024)
/* longest line that is taken: more is no event */
#define LINE_MAX_BYTES (4 * 1024 * 1024)
/* of a long log the end is read: states come with the plan event anyway */
#define LOG_TAIL (16 * 1024 * 1024)

struct client {
	enum client_verb verb;
	pid_t pid;                /* 0: not our child, or reaped */
	int status;               /* of waitpid() */
	bool reaped;
	int ready, report, stream;
	struct state_dir sd;
	char *root, *state_dir;
	bool read_only;
	struct strbuf in, said;
	char *refused;
	bool log_read;
};

/* an end that is closed is none any more */
static void hang_up(int *fd)
{
	closep(fd);
	*fd = -1;
}

static struct client *client_alloc(enum client_verb verb)
{
	struct client *c = xcalloc(1, sizeof(*c));

	c->verb = verb;
	c->ready = c->report = c->stream = -1;
	c->sd = (struct state_dir)STATE_DIR_INIT;
	strbuf_init(&c->in);
	strbuf_init(&c->said);
	return c;
}

void client_free(struct client *c)
{
	if (!c)
		return;
	hang_up(&c->ready);
	closep(&c->report);
	hang_up(&c->stream);
	/* one that looks has nobody to tell any more */
	if (c->pid && c->verb >= CLIENT_VERIFY) {
		(void)kill(c->pid, SIGKILL);
		while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	state_dir_release(&c->sd);
	strbuf_release(&c->in);
	strbuf_release(&c->said);
	free(c->refused);
	free(c->root);
	free(c->state_dir);
	free(c);
}

/* --- begin --- */

static int make_pipe(int *ours, int *theirs)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC) < 0)
		return -errno;
	*ours = fd[0];
	*theirs = fd[1];
	return fcntl(*ours, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

int client_spawn(struct client **ret, const struct client_spec *spec,
		 struct error *err)
{
	struct client_pipes p = { -1, -1, -1 };
	struct client *c = client_alloc(spec->verb);
	bool looks = spec->verb >= CLIENT_VERIFY;
	int r = make_pipe(&c->report, &p.report);

	if (r >= 0)
		r = looks ? make_pipe(&c->stream, &p.stream) :
			make_pipe(&c->ready, &p.ready);
	c->root = xstrdup(spec->root);
	c->state_dir = xstrdup_null(spec->o->state_dir);
	if (r >= 0) {
		c->pid = fork();
		if (c->pid < 0)
			r = -errno;
		else if (c->pid == 0)
			client_child(spec, &p);
	}
	hang_up(&p.ready);
	hang_up(&p.report);
	hang_up(&p.stream);
	if (r < 0) {
		c->pid = 0;
		client_free(c);
		return error_errno(err, ERR_IO, r,
				   _("cannot start the engine"));
	}
	*ret = c;
	return 0;
}

/* ours until it is reaped; another one's as long as its lock is held */
static bool client_is_alive(struct client *c)
{
	if (c->verb == CLIENT_ATTACHED)
		return c->sd.fd >= 0 && !c->refused &&
			state_dir_is_locked(&c->sd, NULL);
	return c->pid;
}

static int dial(struct client *c, struct error *err)
{
	int fd = control_connect(c->sd.fd, c->read_only ? "view" : "control",
				 err);

	if (fd < 0)
		return fd;
	c->stream = fd;
	return fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

int client_attach(struct client **ret, struct state_dir *sd, bool read_only,
		  struct error *err)
{
	struct client *c = client_alloc(CLIENT_ATTACHED);
	int r;

	c->root = xstrdup(sd->root);
	c->read_only = read_only;
	r = state_dir_open(&c->sd, sd->root, sd->path, true, err);
	if (r >= 0)
		r = c->sd.fd >= 0 ? dial(c, err) :
			error_set(err, ERR_NO_RUN, -ENOENT,
				  _("no running upshift listens here"));
	if (r < 0) {
		client_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

/* --- input --- */

void client_log(const struct state_dir *sd, const char *run, struct model *m)
{
	_cleanup_free_ char *name = xasprintf("runs/%s/log.jsonl", run);
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int fd;
	FILE *f;

	fd = fs_open(sd->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	f = fd >= 0 ? fdopen(fd, "r") : NULL;
	if (!f) {
		closep(&fd);
		return;
	}
	/* the first line after a jump is half of one, and no JSON */
	if (fseek(f, 0, SEEK_END) == 0 && ftell(f) > LOG_TAIL)
		(void)fseek(f, -(long)LOG_TAIL, SEEK_END);
	else
		rewind(f);
	while ((n = getline(&line, &cap, f)) > 0) {
		struct json_object *o = NULL;

		if (json_parse(line, (size_t)n, &o, NULL) >= 0)
			(void)model_event(m, o);
		json_object_put(o);
	}
	free(line);
	(void)fclose(f); /* read alone */
}

static bool take_line(struct client *c, struct model *m, const char *line,
		      size_t n, void (*other)(void *, struct json_object *),
		      void *ctx)
{
	struct json_object *o = NULL;
	const char *type;
	bool changed = false;

	if (json_parse(line, n, &o, NULL) < 0)
		return false;
	type = json_get_str(o, "type", "");
	if (!strcmp(type, "version") && c->sd.fd >= 0 && !c->log_read) {
		c->log_read = true;
		client_log(&c->sd, json_get_str(o, "run", ""), m);
		changed = true;
	}
	if (!strcmp(type, "preview") || !strcmp(type, "measure")) {
		if (other)
			other(ctx, o);
		changed = true;
	} else if (!strcmp(type, "error") && !json_get(o, "seq")) {
		/* of the socket itself: somebody else has the wheel */
		free(c->refused);
		c->refused = xstrdup(json_get_str(o, "message", ""));
		changed = true;
	} else {
		changed |= model_event(m, o);
	}
	json_object_put(o);
	return changed;
}

static bool take_lines(struct client *c, struct model *m,
		       void (*other)(void *, struct json_object *), void *ctx)
{
	bool changed = false;
	size_t at = 0;
	char *nl;

	while ((nl = memchr(c->in.buf + at, '\n', c->in.len - at))) {
		size_t n = (size_t)(nl - (c->in.buf + at));

		changed |= take_line(c, m, c->in.buf + at, n, other, ctx);
		at += n + 1;
	}
	memmove(c->in.buf, c->in.buf + at, c->in.len - at);
	strbuf_set_len(&c->in, c->in.len - at);
	if (c->in.len > LINE_MAX_BYTES)
		hang_up(&c->stream);
	return changed;
}

/* what there is; the descriptor is closed at its end */
static void drain(int *fd, struct strbuf *sb, size_t max)
{
	char buf[16384];
	size_t got = 0;
	ssize_t n;

	while (*fd >= 0 && got < 256 * 1024) {
		n = read(*fd, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n <= 0) {
			hang_up(fd);
			return;
		}
		got += (size_t)n;
		if (sb->len < max)
			strbuf_add(sb, buf, MIN((size_t)n, max - sb->len));
	}
}

/* The engine listens: its state directory is there now. */
static void take_ready(struct client *c)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	struct error err = ERROR_INIT;

	drain(&c->ready, &sb, 16);
	if (!sb.len)
		return;
	hang_up(&c->ready);
	if (state_dir_open(&c->sd, c->root, c->state_dir, true, &err) < 0 ||
	    c->sd.fd < 0 || dial(c, &err) < 0)
		strbuf_addf(&c->said, "upshift: %s\n", err.msg ? err.msg :
			    _("the engine cannot be reached"));
	error_release(&err);
}

/*
 * The line went dead and the engine did not: we were stopped for a while, and
 * it does not wait for those who do not listen. Call again; the log of the run
 * has what we missed.
 */
static void call_again(struct client *c)
{
	struct error err = ERROR_INIT;

	if (c->verb >= CLIENT_VERIFY && c->verb != CLIENT_ATTACHED)
		return;
	if (c->stream >= 0 || c->ready >= 0 || c->sd.fd < 0 || c->refused ||
	    !client_is_alive(c))
		return;
	strbuf_clear(&c->in);
	c->log_read = false;
	/* on its way out it listens no more: then it is gone soon */
	(void)dial(c, &err);
	error_release(&err);
}

static void reap(struct client *c)
{
	pid_t pid;

	if (!c->pid)
		return;
	do
		pid = waitpid(c->pid, &c->status, WNOHANG);
	while (pid < 0 && errno == EINTR);
	if (pid == 0)
		return;
	c->reaped = pid > 0;
	c->pid = 0;
}

size_t client_poll_fds(struct client *c, struct pollfd *p)
{
	const int fds[] = { c->ready, c->report, c->stream };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			p[n++] = (struct pollfd){ .fd = fds[i],
						  .events = POLLIN };
	return n;
}

bool client_io(struct client *c, struct model *m,
	       void (*other)(void *ctx, struct json_object *o), void *ctx)
{
	bool was_over = client_is_over(c), changed = false;

	drain(&c->report, &c->said, REPORT_MAX);
	if (c->ready >= 0)
		take_ready(c);
	do {
		size_t before = c->in.len;

		drain(&c->stream, &c->in, (size_t)-1);
		if (c->in.len == before)
			break;
		changed |= take_lines(c, m, other, ctx);
	} while (c->stream >= 0);
	reap(c);
	call_again(c);
	return changed || client_is_over(c) != was_over;
}

/* --- facts --- */

bool client_is_over(struct client *c)
{
	if (c->stream >= 0 || c->ready >= 0)
		return false;
	return !client_is_alive(c);
}

int client_exit(const struct client *c)
{
	return c->reaped && WIFEXITED(c->status) ? WEXITSTATUS(c->status) :
		-1;
}

int client_signal(const struct client *c)
{
	return c->reaped && WIFSIGNALED(c->status) ? WTERMSIG(c->status) : 0;
}

const char *client_report(const struct client *c)
{
	return c->said.buf;
}

enum client_verb client_verb(const struct client *c)
{
	return c->verb;
}

const char *client_refused(const struct client *c)
{
	return c->refused;
}

/* --- output --- */

/* a line of ours is short: a socket that has no room for it has no reader */
static bool say(struct client *c, struct json_object *o)
{
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
	ssize_t n;

	json_print(o, &line);
	json_object_put(o);
	strbuf_addch(&line, '\n');
	if (c->stream < 0 || c->read_only || c->verb == CLIENT_VERIFY ||
	    c->verb == CLIENT_PREVIEW || c->verb == CLIENT_MEASURE)
		return false;
	do
		n = send(c->stream, line.buf, line.len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)line.len;
}

bool client_answer(struct client *c, const char *id, const char *value)
{
	struct json_object *o = json_object_new_object();

	json_set_str(o, "type", "answer");
	json_set_str(o, "id", id);
	json_set_str(o, "value", value);
	return say(c, o);
}

bool client_command(struct client *c, const char *name)
{
	struct json_object *o = json_object_new_object();

	json_set_str(o, "type", "command");
	json_set_str(o, "name", name);
	return say(c, o);
}
