/* SPDX-License-Identifier: MIT */
#ifndef VERIFY_PAIR_H
#define VERIFY_PAIR_H
/*
 * verify-pair - two tables, old_t and new_t, and what a comparison tells of
 * them; for groups with pg-group.h
 */
#include "pg-group.h"

#include "records-verify.h"
#include "store-internal.h"
#include "store.h"

enum { SQLITE, PG };

static const char *const cols[] = { "k", "n", "s" };
static const struct store_shape old_shape = {
	.set = "old_t", .ncol = 3, .nkey = 1, .col = cols,
};
static const struct store_shape new_shape = {
	.set = "new_t", .ncol = 3, .nkey = 1, .col = cols,
};

struct told {
	struct strvec lines;
	struct store *mend;      /* at the first question to stop behind it */
	const char *mend_sql;
	bool armed;
	uint64_t parts, part_rows[2];
};

static void sql(struct store *s, const char *text)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (store_exec(s, text, NULL, NULL, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
}

static struct store *opened(struct scratch *t, int kind)
{
	struct store_options o = { .root_fd = t->fd, .create = true };
	struct store *s = NULL;

	if (kind == PG && !has_server)
		skip();
	if (store_open(kind == PG ? server.url : "sqlite:db", &o, &s,
		       &t->err) < 0)
		fail_msg("%s", t->err.msg);
	return s;
}

#define SERIES "WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 " \
	"FROM g WHERE i < %d) "

/* n rows; key: an expression of i */
static void fill(struct store *s, const char *set, const char *type,
		 const char *key, int n)
{
	_cleanup_free_ char *drop = xasprintf("DROP TABLE IF EXISTS %s", set);
	_cleanup_free_ char *make = xasprintf("CREATE TABLE %s (k %s PRIMARY "
		"KEY, n numeric, s text)", set, type);
	_cleanup_free_ char *rows = xasprintf("INSERT INTO %s " SERIES
		"SELECT %s, i, 'v' || i FROM g", set, n, key);

	sql(s, drop);
	sql(s, make);
	if (n)
		sql(s, rows);
}

static int found(void *ctx, const struct records_found *f,
		 _unused_ struct error *err)
{
	struct told *t = ctx;
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	strbuf_addf(&sb, "%s %s", records_kind_name(f->kind), f->key);
	for (uint32_t i = 0; i < f->ncol; i++)
		strbuf_addf(&sb, " %s", cols[f->col[i]]);
	strvec_push(&t->lines, sb.buf);
	return 0;
}

static int again(void *ctx, _unused_ struct error *err)
{
	strvec_clear(&((struct told *)ctx)->lines);
	return 0;
}

static int audit(void *ctx, const struct records_part *part,
		 _unused_ struct error *err)
{
	struct told *t = ctx;

	t->parts++;
	t->part_rows[0] += part->rows[0];
	t->part_rows[1] += part->rows[1];
	return 0;
}

static void verify(struct store *a, struct store *b, enum records_level level,
		   struct told *t, struct records_verdict *r)
{
	const struct records_spec spec = {
		.old = { a, &old_shape, 0 }, .now = { b, &new_shape, 0 },
		.level = level, .segment = 500, .sample = 100, .seed = 7,
		.pause_s = 0.001, .scratch_fd = AT_FDCWD, .found = found,
		.again = again, .ctx = t,
		.audit = level == RECORDS_FORENSIC ? audit : NULL,
	};
	_cleanup_error_ struct error err = ERROR_INIT;

	if (records_verify(&spec, r, &err) < 0)
		fail_msg("%s", err.msg);
}

#endif
