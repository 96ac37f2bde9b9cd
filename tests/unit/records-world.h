/* SPDX-License-Identifier: MIT */
#ifndef RECORDS_WORLD_H
#define RECORDS_WORLD_H
/* Two stores and a job between them, for the tests of copies. */
#include "pg-server.h"

#include "records-copy.h"
#include "store-rows.h"

struct world {
	struct scratch *scratch;
	struct pg_server *pg;
	struct strbuf notes;
	struct records_job job;
	int hold;                /* what the tick says */
	uint64_t last;           /* rows that the tick saw */
	bool backwards;
};

static const char *const world_cols[] = { "id", "name", "v" };

static struct store *open_url(const char *url, int root_fd)
{
	struct store_options o = { .root_fd = root_fd, .create = true };
	_cleanup_error_ struct error err = ERROR_INIT;
	struct store *s = NULL;

	if (store_open(url, &o, &s, &err) < 0)
		fail_msg("%s", err.msg);
	return s;
}

static _unused_ void sql_at(struct world *w, const char *url,
			    const char *text)
{
	_cleanup_store_ struct store *s = open_url(url, w->scratch->fd);
	_cleanup_error_ struct error err = ERROR_INIT;

	if (store_exec(s, text, NULL, NULL, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
}

static _unused_ void rows_at(struct world *w, const char *url,
			     const char *query, const char *expect)
{
	_cleanup_store_ struct store *s = open_url(url, w->scratch->fd);

	assert_rows(s, query, expect);
}

static _unused_ int world_tick(void *ctx, const struct records_status *st)
{
	struct world *w = ctx;

	w->backwards = w->backwards || st->rows < w->last ||
		       st->rows > st->total;
	w->last = st->rows;
	return w->hold;
}

static _unused_ void world_note(void *ctx, const char *text)
{
	struct world *w = ctx;

	strbuf_addf(&w->notes, "%s\n", text);
}

/* n rows in "src" of from; "dst" of to is empty, and takes a row twice */
static _unused_ void world_init(struct world *w, struct scratch *s,
				struct pg_server *pg, const char *from,
				const char *to, int n)
{
	_cleanup_free_ char *rows = xasprintf("INSERT INTO src WITH RECURSIVE "
		"n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
		" SELECT i, 'name ' || i, 'v' || (i * 7) FROM n WHERE i <= %d", n, n);

	memset(w, 0, sizeof(*w));
	w->scratch = s;
	w->pg = pg;
	strbuf_init(&w->notes);
	w->job = (struct records_job) {
		.id = "t", .marks = "run/t", .from_url = from, .to_url = to,
		.from_options.root_fd = s->fd, .to_options.root_fd = s->fd,
		.to_options.create = true,
		.from = { "src", 3, 1, world_cols, NULL, NULL },
		.to = { "dst", 3, 1, world_cols, NULL, NULL },
		.conflict = STORE_ERROR, .workers = 2, .batch = 100,
		.tick = world_tick, .note = world_note, .ctx = w,
	};
	for (int i = 0; i < 2; i++) {
		const char *url = i ? to : from;

		sql_at(w, url, "DROP TABLE IF EXISTS _upshift_range");
		sql_at(w, url, "DROP TABLE IF EXISTS _upshift_reject");
		sql_at(w, url, "DROP TABLE IF EXISTS _upshift_undo_t");
		sql_at(w, url, "DROP TABLE IF EXISTS src");
		sql_at(w, url, "DROP TABLE IF EXISTS dst");
	}
	sql_at(w, from, "CREATE TABLE src (id bigint PRIMARY KEY, name text "
	       "NOT NULL, v text)");
	sql_at(w, from, rows);
	sql_at(w, to, "CREATE TABLE dst (id bigint, name text NOT NULL, "
	       "v text)");
}

static _unused_ void world_release(struct world *w)
{
	assert_false(w->backwards);
	strbuf_release(&w->notes);
}

static _unused_ void world_copy(struct world *w, struct records_result *ret)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	w->last = 0;
	if (records_copy(&w->job, ret, &err) < 0)
		fail_msg("%s", err.msg);
}

/* rows, different keys, and the sum of what was made of them */
static _unused_ void assert_copied(struct world *w, int n)
{
	_cleanup_free_ char *expect = xasprintf("%d %d 0", n, n);
	struct store_digest a, b;
	_cleanup_store_ struct store *from =
		open_url(w->job.from_url, w->scratch->fd);
	_cleanup_store_ struct store *to =
		open_url(w->job.to_url, w->scratch->fd);

	assert_rows(to, "SELECT count(*), count(DISTINCT id), count(*) - "
		    "count(v) FROM dst", expect);
	assert_int_equal(store_digest(from, &w->job.from, NULL, NULL, &a,
				      NULL), 0);
	assert_int_equal(store_digest(to, &w->job.to, NULL, NULL, &b, NULL),
			 0);
	assert_int_equal(a.n, b.n);
	assert_true(a.sum == b.sum);
}

#endif
