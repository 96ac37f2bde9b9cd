/* SPDX-License-Identifier: MIT */
/*
 * The conversation with a server.
 * Source: https://www.postgresql.org/docs/15/libpq-async.html,
 * /libpq-copy.html, /errcodes-appendix.html
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/i18n.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "store-pg-internal.h"

#define SLICE_MS 50
/* what a server may take to say that it timed out */
#define GRACE_MS 5000
#define COPY_CHUNK 65536

/* until the socket is ready, or the clock says stop; false: given up */
static bool wait_for(struct pg_store *p, short events)
{
	struct pollfd fd = { .fd = PQsocket(p->c), .events = events };
	int n;

	do {
		if (fd.fd < 0 || store_clock_stop(&p->clock)) {
			p->dead = true;
			return false;
		}
		if (store_clock_looks(&p->clock))
			pg_held_look(p);
		n = poll(&fd, 1, SLICE_MS);
	} while (n == 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		p->dead = true;
	return n > 0;
}

static bool flushed(struct pg_store *p)
{
	int n;

	while ((n = PQflush(p->c)) == 1)
		/* it may not read on before we take what it said */
		if (!wait_for(p, POLLIN | POLLOUT) || !PQconsumeInput(p->c))
			return false;
	return n == 0;
}

/* the next result; false: given up. *r NULL behind the last */
static bool next_result(struct pg_store *p, PGresult **r)
{
	while (PQisBusy(p->c))
		if (!wait_for(p, POLLIN) || !PQconsumeInput(p->c))
			return false;
	*r = PQgetResult(p->c);
	return true;
}

static enum store_type type_of(Oid oid)
{
	switch (oid) {
	case 20: case 21: case 23: case 26: return STORE_INT;
	case 700: case 701: case 1700: return STORE_NUM;
	case 16: return STORE_BOOL;
	case 114: case 3802: return STORE_JSON;
	case 17: return STORE_BYTES;
	default: return STORE_TEXT;
	}
}

static void add_row(struct store_batch *b, const PGresult *r)
{
	for (int i = 0; i < PQnfields(r); i++)
		store_batch_add(b, type_of(PQftype(r, i)),
				PQgetisnull(r, 0, i) ? NULL :
				PQgetvalue(r, 0, i),
				(size_t)PQgetlength(r, 0, i));
}

struct taking {
	const struct store_shape *shape;
	uint32_t limit;
	struct store_batch *b;
	uint32_t rows;
	int changed;
	uint32_t *type, ntype;   /* of the columns, if there are so many */
	int *mod;                /* what is said behind them, or NULL */
};

static int take(struct pg_store *p, struct taking *t, const PGresult *r,
		struct error *err)
{
	int ret;

	switch (PQresultStatus(r)) {
	case PGRES_SINGLE_TUPLE:
		if (++t->rows > t->limit)
			return error_set(err, ERR_STORE, -E2BIG,
				_("%s: a statement gave more than %u rows"),
				p->s.name, t->limit);
		if (!t->b)
			return 0;
		if (!t->shape && t->rows == 1)
			store_batch_clear(t->b, (uint32_t)PQnfields(r));
		if (t->shape && p->s.cut)
			return 0; /* of what is on its way */
		add_row(t->b, r);
		if (!t->shape)
			return 0;
		ret = store_check_key(&p->s, t->shape, t->b, err);
		if (ret == 0)
			(void)store_scan_full(&p->s, t->b);
		return ret;
	case PGRES_TUPLES_OK:
		t->changed = -1;
		for (uint32_t i = 0; i < t->ntype; i++)
			t->type[i] = PQftype(r, (int)i);
		for (uint32_t i = 0; t->mod && i < t->ntype; i++)
			t->mod[i] = PQfmod(r, (int)i);
		return 0;
	case PGRES_COMMAND_OK:
		t->changed = atoi(PQcmdTuples((PGresult *)r));
		/* COMMIT of a transaction that had failed */
		if (!strcmp(PQcmdStatus((PGresult *)r), "ROLLBACK"))
			t->changed = -2;
		return 0;
	case PGRES_EMPTY_QUERY:
		return error_set(err, ERR_STORE, -EINVAL,
				 _("%s: an empty statement"), p->s.name);
	case PGRES_FATAL_ERROR:
		return pg_failed(p, r, err);
	default:
		p->dead = true; /* COPY without an end */
		return error_set(err, ERR_STORE, -EINVAL,
			_("%s: a statement that cannot be had here"),
			p->s.name);
	}
}

/* all results; the first failure counts, and the rest is read for order */
static int take_all(struct pg_store *p, struct taking *t, struct error *err)
{
	PGresult *r;
	int ret = 0;

	for (;;) {
		if (!next_result(p, &r))
			return ret < 0 ? ret : pg_failed(p, NULL, err);
		if (!r)
			break;
		if (ret == 0)
			ret = take(p, t, r, err);
		PQclear(r);
		if (p->dead)
			return ret;
	}
	store_clock_held(&p->clock, NULL);
	return ret;
}

static int gone(struct pg_store *p, struct error *err)
{
	return error_set(err, ERR_STORE, -ECONNRESET,
			 _("%s: the connection was lost"), p->s.name);
}

static int bad_zero(struct pg_store *p, struct error *err)
{
	(void)snprintf(p->s.sqlstate, sizeof(p->s.sqlstate), "22021");
	return error_set(err, ERR_STORE, -EBADMSG,
		_("%s: a text with a zero byte cannot be stored"), p->s.name);
}

static int send_sql(struct pg_store *p, const char *sql,
		    const struct store_batch *args, struct error *err)
{
	_cleanup_strvec_ struct strvec v = STRVEC_INIT;
	uint32_t n = args ? args->ncol * args->nrow : 0;
	int sent;

	if (p->dead)
		return gone(p, err);
	for (uint32_t i = 0; i < n; i++) {
		const struct store_cell *c = &args->cell[i];
		const char *text = store_batch_text(args, c);

		if (text && memchr(text, 0, (size_t)c->len))
			return bad_zero(p, err);
		strvec_take(&v, text ? xstrndup(text, (size_t)c->len) : NULL);
	}
	store_clock_start(&p->clock, p->statement_ms + GRACE_MS);
	if (p->conninfo && p->pid > 0)
		store_clock_watch(&p->clock);
	sent = PQsendQueryParams(p->c, sql, (int)n, NULL,
				 (const char *const *)v.v, NULL, NULL, 0);
	if (!sent || !flushed(p))
		return pg_failed(p, NULL, err);
	return 0;
}

int pg_run(struct pg_store *p, const char *sql, const struct store_batch *args,
	   const struct store_shape *shape, uint32_t limit,
	   struct store_batch *b, struct error *err)
{
	struct taking t = { .shape = shape, .limit = limit, .b = b };
	int ret = send_sql(p, sql, args, err);

	if (ret < 0)
		return ret;
	(void)PQsetSingleRowMode(p->c); /* a result in one piece is fine */
	ret = take_all(p, &t, err);
	if (ret < 0)
		return ret;
	if (t.changed == -2 && !str_starts(sql, "ROLLBACK"))
		return error_set(err, ERR_STORE, -EIO,
			_("%s: the transaction had failed and was rolled back"),
			p->s.name);
	return t.changed < 0 ? (int)t.rows : t.changed;
}

int pg_types(struct pg_store *p, const char *sql, uint32_t *type, int *mod,
	     uint32_t n, struct error *err)
{
	struct taking t = { .type = type, .mod = mod, .ntype = n };
	int ret = send_sql(p, sql, NULL, err);

	ret = ret < 0 ? ret : take_all(p, &t, err);
	return MIN(ret, 0);
}

static bool send_copy(struct pg_store *p, const char *text, size_t len)
{
	int n;

	while ((n = PQputCopyData(p->c, text, (int)len)) == 0)
		if (!wait_for(p, POLLIN | POLLOUT) || !PQconsumeInput(p->c))
			return false;
	return n == 1 && flushed(p);
}

/* what is too long to be had twice goes in pieces */
static int add_copy_cell(struct pg_store *p, struct strbuf *sb,
			 const struct store_batch *b,
			 const struct store_cell *c)
{
	const char *text = store_batch_text(b, c);

	if (!text) {
		strbuf_addstr(sb, "\\N");
		return 0;
	}
	for (int32_t i = 0; i < c->len; i++) {
		if (sb->len >= COPY_CHUNK) {
			if (!send_copy(p, sb->buf, sb->len))
				return -ECONNRESET;
			strbuf_clear(sb);
		}
		switch (text[i]) {
		case '\0': return -EBADMSG;
		case '\\': strbuf_addstr(sb, "\\\\"); break;
		case '\n': strbuf_addstr(sb, "\\n"); break;
		case '\r': strbuf_addstr(sb, "\\r"); break;
		case '\t': strbuf_addstr(sb, "\\t"); break;
		default: strbuf_addch(sb, text[i]);
		}
	}
	return 0;
}

/* rows up to the first that cannot be sent; its errno, or 0 */
static int copy_rows(struct pg_store *p, const struct store_batch *b,
		     uint32_t from, uint32_t to)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	int ret;

	for (uint32_t row = from; row < to; row++) {
		for (uint32_t i = 0; i < b->ncol; i++) {
			if (i)
				strbuf_addch(&sb, '\t');
			ret = add_copy_cell(p, &sb, b,
					    store_batch_cell(b, row, i));
			if (ret < 0)
				return ret;
		}
		strbuf_addch(&sb, '\n');
		if (sb.len >= COPY_CHUNK || row + 1 == to) {
			if (!send_copy(p, sb.buf, sb.len))
				return -ECONNRESET;
			strbuf_clear(&sb);
		}
	}
	return 0;
}

/* until the server stands at COPY; else what it said, or a bug */
static int begin_copy(struct pg_store *p, const char *sql, ExecStatusType want,
		      struct error *err)
{
	struct taking t = { .limit = 0 };
	PGresult *r = NULL;
	int ret = send_sql(p, sql, NULL, err);

	if (ret < 0)
		return ret;
	if (!next_result(p, &r))
		return pg_failed(p, NULL, err);
	if (PQresultStatus(r) != want) {
		ret = take(p, &t, r, err);
		(void)take_all(p, &t, NULL);
		if (ret >= 0)
			BUG("a statement that is no COPY");
	}
	PQclear(r);
	return MIN(ret, 0);
}

/* nothing but the end of the connection stops a COPY */
static int give_up(struct pg_store *p, struct error *err)
{
	p->dead = true;
	return pg_failed(p, NULL, err);
}

/* why: the server is to drop it all */
static bool end_copy(struct pg_store *p, const char *why)
{
	int n;

	while ((n = PQputCopyEnd(p->c, why)) == 0)
		if (!wait_for(p, POLLIN | POLLOUT) || !PQconsumeInput(p->c))
			return false;
	return n == 1 && flushed(p);
}

int pg_copy_in(struct pg_store *p, const char *sql,
	       const struct store_batch *b, uint32_t from, uint32_t n,
	       struct error *err)
{
	struct taking t = { .limit = 0 };
	int ret = begin_copy(p, sql, PGRES_COPY_IN, err), sent;

	if (ret < 0)
		return ret;
	ret = copy_rows(p, b, from, from + n);
	if (ret == -ECONNRESET || !end_copy(p, ret ? "zero byte" : NULL))
		return pg_failed(p, NULL, err);
	sent = take_all(p, &t, ret ? NULL : err);
	if (ret && !p->dead)
		return bad_zero(p, err);
	return sent < 0 ? sent : t.changed;
}

/* it may take as long as it likes, if only it goes on */
static bool wind_up(struct pg_store *p, size_t *behind, size_t n)
{
	*behind += n;
	if (*behind < COPY_CHUNK)
		return true;
	*behind = 0;
	if (store_clock_stop(&p->clock))
		return false;
	p->clock.deadline = clock_mono_ns() +
		(uint64_t)(p->statement_ms + GRACE_MS) * 1000000;
	return true;
}

int pg_copy_stream(struct store *s, const char *sql, store_source_fn *source,
		   void *ctx, struct error *err)
{
	struct pg_store *p = (struct pg_store *)s;
	struct taking t = { .limit = 0 };
	int ret = begin_copy(p, sql, PGRES_COPY_IN, err);
	size_t behind = 0;
	const char *text;
	ssize_t n = 0;

	if (ret < 0)
		return ret;
	while ((n = source(ctx, &text, err)) > 0)
		if (!wind_up(p, &behind, (size_t)n) ||
		    !send_copy(p, text, (size_t)n))
			return give_up(p, err);
	if (!end_copy(p, n < 0 ? "the source failed" : NULL))
		return n < 0 ? (int)n : give_up(p, err);
	ret = take_all(p, &t, n < 0 ? NULL : err);
	return n < 0 ? (int)n : ret < 0 ? ret : t.changed;
}

int pg_copy_out(struct store *s, const char *sql, store_sink_fn *sink,
		void *ctx, struct error *err)
{
	struct pg_store *p = (struct pg_store *)s;
	struct taking t = { .limit = 0 };
	int ret = begin_copy(p, sql, PGRES_COPY_OUT, err), n;
	size_t behind = 0;
	char *row;

	while (ret >= 0 && (n = PQgetCopyData(p->c, &row, 1)) != -1) {
		if (n == 0 && wait_for(p, POLLIN) && PQconsumeInput(p->c))
			continue;
		if (n <= 0)
			return give_up(p, err);
		ret = wind_up(p, &behind, (size_t)n) ?
			sink(ctx, row, (size_t)n, err) : give_up(p, err);
		PQfreemem(row);
		if (ret < 0)
			p->dead = true;
	}
	return ret < 0 ? ret : MIN(take_all(p, &t, err), 0);
}

/* in the clear only where nobody is on the way: sockets */
static bool is_safe(PGconn *c)
{
	PQconninfoOption *v = PQconninfo(c);
	bool full = false, local = true;

	for (PQconninfoOption *i = v; i && i->keyword; i++) {
		const char *val = i->val;

		if (!val || !*val)
			continue;
		if (!strcmp(i->keyword, "sslmode"))
			full = !strcmp(val, "verify-full");
		if (!strcmp(i->keyword, "hostaddr"))
			local = false;
		if (!strcmp(i->keyword, "host"))
			for (const char *h = val; h; h = strchr(h, ',')) {
				h += *h == ',';
				local = local && (*h == '/' || *h == '@');
			}
	}
	PQconninfoFree(v);
	return full || local;
}

static int poll_connection(struct pg_store *p)
{
	PostgresPollingStatusType st = PGRES_POLLING_WRITING;

	while (st != PGRES_POLLING_OK) {
		if (st == PGRES_POLLING_FAILED ||
		    !wait_for(p, st == PGRES_POLLING_READING ? POLLIN :
			      POLLOUT))
			return -ECONNRESET;
		st = PQconnectPoll(p->c);
	}
	return PQsetnonblocking(p->c, 1) ? -ECONNRESET : 0;
}

/* libpq would print what the server remarks */
static void hush(_unused_ void *ctx, _unused_ const char *text)
{
}

static int start(struct pg_store *p, const char *conninfo,
		 struct error *err)
{
	/* the later ones win, so the plan's stand before what must be */
	const char *const keys[] = { "fallback_application_name",
		"keepalives_idle", "keepalives_interval", "keepalives_count",
		"tcp_user_timeout", "dbname", "client_encoding", NULL };
	const char *const values[] = { "upshift", "10", "5", "3", "30000",
		conninfo, "UTF8", NULL };
	int ret = pg_lib_load(err);
	PQconninfoOption *v;

	if (ret < 0)
		return ret;
	v = PQconninfoParse(conninfo, NULL);
	/* libpq's reason would quote what may be a password */
	if (!v)
		return error_set(err, ERR_PLAN_VALUE, -EINVAL,
			_("behind 'pg:' there is neither a URI nor a list of "
			  "KEYWORD=VALUE"));
	PQconninfoFree(v);
	p->c = PQconnectStartParams(keys, values, 1);
	if (!p->c)
		die("out of memory");
	(void)PQsetNoticeProcessor(p->c, hush, NULL);
	free(p->s.name);
	p->s.name = xasprintf("pg:%s/%s", PQhost(p->c) ? PQhost(p->c) : "",
			      PQdb(p->c) ? PQdb(p->c) : "");
	return 0;
}

int pg_connect(struct pg_store *p, const char *conninfo,
	       const struct store_options *o, struct error *err)
{
	int ret = start(p, conninfo, err);

	if (ret < 0)
		return ret;
	/* nothing was sent so far */
	if (PQstatus(p->c) != CONNECTION_BAD && !o->allow_plaintext &&
	    !is_safe(p->c)) {
		p->dead = true;
		return error_set(err, ERR_PLAN_VALUE, -EINVAL,
			_("%s: over the network it takes sslmode=verify-full"),
			p->s.name);
	}
	store_clock_start(&p->clock, o->connect_ms ? o->connect_ms :
			  STORE_CONNECT_MS);
	if (PQstatus(p->c) == CONNECTION_BAD || poll_connection(p) < 0)
		return pg_failed(p, NULL, err);
	return 0;
}
