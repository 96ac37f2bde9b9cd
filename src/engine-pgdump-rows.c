/* SPDX-License-Identifier: MIT */
/*
 * The rows in a dump: what pg_restore prints as a script, without the script.
 * It runs beside us, and waits where we do not read.
 *
 *	COPY public.t (a, b) FROM stdin;
 *	1	x
 *	\.
 */
#include "engine-pgdump.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/child.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/thread.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "store-dump.h"

#define PIECE (256u * 1024u)
#define POLL_MS 100
#define SAID_MAX 512

struct pgdump_rows {
	struct step_ctx *c;
	char *full;              /* of the set, or NULL */
	pthread_t thread;
	bool runs;
	int fd;                  /* its output */
	int input;
	struct strvec argv;
	struct strbuf buf;       /* what was read, from `at` on unused */
	size_t at;
	bool inside, eof;
	char *of;
	/* the thread's until it is joined */
	int output;
	struct child_result res;
	struct strbuf said;
	struct error err;
	int ret;
	atomic_bool stop;
};

static bool stopped(void *ctx)
{
	const struct pgdump_rows *r = ctx;

	return atomic_load(&r->stop);
}

static void on_line(void *ctx, _unused_ enum child_stream s, const char *line,
		    size_t len)
{
	struct pgdump_rows *r = ctx;

	if (r->said.len + len < SAID_MAX)
		strbuf_addf(&r->said, "%s%.*s", r->said.len ? "\n" : "",
			    (int)len, line);
}

static const struct child_ops rows_ops = {
	.on_line = on_line, .cancelled = stopped,
};

static void *run(void *ctx)
{
	struct pgdump_rows *r = ctx;
	const struct child_spec spec = {
		.argv = &r->argv, .dir_fd = r->c->e->sd->root_fd,
		.lock_fd = -1, .input_fd = r->input, .output_fd = r->output,
		.ops = &rows_ops, .ctx = r,
	};

	r->ret = child_run(&spec, &r->res, &r->err);
	(void)close(TAKE_FD(r->output)); /* now the reader sees its end */
	return NULL;
}

int pgdump_rows_open(struct step_ctx *c, int fd,
		     const struct store_dump_set *set,
		     struct pgdump_rows **ret, struct error *err)
{
	static const char *const args[] = { "pg_restore", "--data-only",
					    "--file=-" };
	struct pgdump_rows *r;
	int p[2], rc;

	if (lseek(fd, 0, SEEK_SET) < 0 || pipe2(p, O_CLOEXEC) < 0)
		return error_errno(err, ERR_BACKUP, -errno,
				   _("cannot read the dump"));
	r = xcalloc(1, sizeof(*r));
	r->c = c;
	r->full = set ? xstrdup(set->full) : NULL;
	r->input = fd;
	r->fd = p[0];
	r->output = p[1];
	for (size_t i = 0; i < ARRAY_SIZE(args); i++)
		strvec_push(&r->argv, args[i]);
	rc = thread_create(&r->thread, run, r);
	if (rc < 0) {
		(void)close(TAKE_FD(r->output)); /* nobody wrote */
		pgdump_rows_close(r);
		return error_errno(err, ERR_BACKUP, rc,
				   _("cannot start a thread"));
	}
	r->runs = true;
	*ret = r;
	return 0;
}

void pgdump_rows_close(struct pgdump_rows *r)
{
	if (!r)
		return;
	atomic_store(&r->stop, true);
	closep(&r->fd);
	if (r->runs)
		(void)pthread_join(r->thread, NULL); /* it is ours */
	strvec_release(&r->argv);
	strbuf_release(&r->buf);
	strbuf_release(&r->said);
	error_release(&r->err);
	free(r->full);
	free(r->of);
	free(r);
}

const char *pgdump_rows_of(const struct pgdump_rows *r)
{
	return r->of;
}

/* the program is over: was it content? */
static int finish(struct pgdump_rows *r, struct error *err)
{
	if (r->runs)
		(void)pthread_join(r->thread, NULL); /* it is ours */
	r->runs = false;
	if (r->ret < 0) {
		error_move(err, &r->err);
		return r->ret;
	}
	if (!r->res.exit_status && !r->inside)
		return 0;
	error_set(err, ERR_BACKUP_DAMAGED, -EIO,
		  _("'%s' cannot read the dump of the database"),
		  r->argv.v[0]);
	if (r->said.len)
		error_hint(err, "%s", r->said.buf);
	return -EIO;
}

/* 1: there is more; 0: the end */
static int fill(struct pgdump_rows *r, struct error *err)
{
	struct pollfd p = { .fd = r->fd, .events = POLLIN };
	ssize_t n;

	if (r->at) {
		memmove(r->buf.buf, r->buf.buf + r->at, r->buf.len - r->at);
		strbuf_set_len(&r->buf, r->buf.len - r->at);
		r->at = 0;
	}
	while (poll(&p, 1, POLL_MS) == 0)
		if (step_cancelled(r->c))
			return error_set(err, ERR_CANCELLED, -ECANCELED,
					 _("stopped by the user"));
	strbuf_grow(&r->buf, PIECE);
	do {
		n = read(r->fd, r->buf.buf + r->buf.len, PIECE);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_errno(err, ERR_BACKUP, -errno,
				   _("cannot read the dump"));
	strbuf_set_len(&r->buf, r->buf.len + (size_t)n);
	r->eof = n == 0;
	return n > 0;
}

/* the next whole line, with its newline; NULL: it is not all there */
static char *line(struct pgdump_rows *r, size_t *n)
{
	char *p = r->buf.buf + r->at;
	char *nl = memchr(p, '\n', r->buf.len - r->at);

	if (!nl)
		return NULL;
	*n = (size_t)(nl - p) + 1;
	return p;
}

/* "COPY public.t (a, b) FROM stdin;" */
static void take_head(struct pgdump_rows *r, const char *p, size_t n)
{
	static const char head[] = "COPY ", tail[] = " FROM stdin;\n";
	size_t h = strlen(head), t = strlen(tail), full;

	if (n < h + t || memcmp(p, head, h) || memcmp(p + n - t, tail, t))
		return;
	free(r->of);
	r->of = xstrndup(p + h, n - h - t);
	full = r->full ? strlen(r->full) : 0;
	r->inside = true;
	if (full && (strncmp(r->of, r->full, full) || r->of[full] != ' '))
		r->of[0] = '\0';
}

static bool is_end(const char *p, size_t n)
{
	return n == 3 && !memcmp(p, "\\.\n", 3);
}

/* as many rows as lie there; 0: none, and what was there is used up */
static size_t take(struct pgdump_rows *r, const char **ret)
{
	size_t from = r->at, n = 0;
	const char *p;

	while ((p = line(r, &n))) {
		bool was = r->inside, end = was && is_end(p, n);

		r->at += n;
		if (was && !end && *r->of)
			continue;
		if (end)
			r->inside = false;
		else if (!was)
			take_head(r, p, n);
		/* rows up to here */
		if (r->at - n > from) {
			*ret = r->buf.buf + from;
			return r->at - n - from;
		}
		from = r->at;
	}
	*ret = r->buf.buf + from;
	return r->at - from;
}

ssize_t pgdump_rows_next(struct pgdump_rows *r, const char **p,
			 struct error *err)
{
	for (;;) {
		size_t n = r->eof ? 0 : take(r, p);
		int ret;

		if (n)
			return (ssize_t)n;
		if (r->eof)
			return 0;
		ret = fill(r, err);
		if (ret == 0)
			ret = finish(r, err);
		if (ret < 0)
			return ret;
	}
}
