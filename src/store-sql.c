/* SPDX-License-Identifier: MIT */
/* Pieces of SQL that every dialect takes. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/strbuf.h"
#include "store-internal.h"

static void add_name(struct strbuf *sb, const char *name, size_t n)
{
	strbuf_addch(sb, '"');
	for (size_t i = 0; i < n; i++) {
		if (name[i] == '"')
			strbuf_addch(sb, '"');
		strbuf_addch(sb, name[i]);
	}
	strbuf_addch(sb, '"');
}

void store_sql_name(struct strbuf *sb, const char *name)
{
	add_name(sb, name, strlen(name));
}

bool store_sql_is_column(const char *expr, const char *name, size_t n)
{
	size_t len = strlen(expr);

	if (len == n && !memcmp(expr, name, n))
		return true;
	if (len < 2 || expr[0] != '"' || expr[len - 1] != '"')
		return false;
	for (const char *p = expr + 1, *end = expr + len - 1; p < end; p++, n--) {
		if (!n || *p != *name++)
			return false;
		/* one of its own is there twice */
		if (*p == '"' && (++p == end || *p != '"'))
			return false;
	}
	return !n;
}

void store_sql_set(struct strbuf *sb, const char *set)
{
	const char *dot = strchr(set, '.');

	if (dot) {
		add_name(sb, set, (size_t)(dot - set));
		strbuf_addch(sb, '.');
		set = dot + 1;
	}
	store_sql_name(sb, set);
}

void store_sql_literal(struct strbuf *sb, const char *text)
{
	strbuf_addch(sb, '\'');
	for (; *text; text++) {
		if (*text == '\'')
			strbuf_addch(sb, '\'');
		strbuf_addch(sb, *text);
	}
	strbuf_addch(sb, '\'');
}

void store_sql_set_literal(struct strbuf *sb, const char *set)
{
	_cleanup_strbuf_ struct strbuf quoted = STRBUF_INIT;

	store_sql_set(&quoted, set);
	store_sql_literal(sb, quoted.buf);
}

void store_sql_below(struct strbuf *sb, const char *set, const char *what,
		     const char *head, const char *tail)
{
	_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;

	store_sql_set_literal(&name, set);
	strbuf_addf(sb, "DO $upshift$ DECLARE t regclass; BEGIN FOR t IN WITH "
		    "RECURSIVE below (oid) AS (SELECT inhrelid FROM pg_inherits "
		    "WHERE inhparent = to_regclass(%s) UNION SELECT i.inhrelid "
		    "FROM pg_inherits i JOIN below b ON i.inhparent = b.oid) "
		    "SELECT c.oid FROM below JOIN pg_class c USING (oid) WHERE "
		    "c.relkind IN ('r', 'p') AND (%s) LOOP EXECUTE ", name.buf,
		    what);
	store_sql_literal(sb, head);
	strbuf_addstr(sb, " || t || ");
	store_sql_literal(sb, tail);
	strbuf_addstr(sb, "; END LOOP; END $upshift$");
}

void store_sql_names(struct strbuf *sb, const struct store_shape *shape,
		     uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		if (i > from)
			strbuf_addstr(sb, ", ");
		store_sql_name(sb, shape->col[i]);
	}
}

static void add_read(struct strbuf *sb, const struct store_shape *shape,
		     uint32_t i)
{
	if (shape->expr && shape->expr[i])
		strbuf_addf(sb, "(%s)", shape->expr[i]);
	else
		store_sql_name(sb, shape->col[i]);
}

void store_sql_reads(struct strbuf *sb, const struct store_shape *shape,
		     uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		if (i > from)
			strbuf_addstr(sb, ", ");
		add_read(sb, shape, i);
	}
}

/* whatever standard_conforming_strings says */
static void add_literal(struct strbuf *sb, const struct store_batch *b,
			const struct store_cell *c)
{
	const char *p = store_batch_text(b, c);

	strbuf_addstr(sb, p ? "E'" : "NULL");
	for (int32_t i = 0; i < c->len; i++) {
		if (p[i] == '\'' || p[i] == '\\')
			strbuf_addch(sb, p[i]);
		strbuf_addch(sb, p[i]);
	}
	if (p)
		strbuf_addch(sb, '\'');
}

/* the arguments from first, or their numbers */
static void add_bound(struct strbuf *sb, const struct store_shape *shape,
		      const char *op, uint32_t first,
		      const struct store_batch *args)
{
	strbuf_addch(sb, '(');
	store_sql_reads(sb, shape, 0, shape->nkey);
	strbuf_addf(sb, ") %s (", op);
	for (uint32_t i = 0; i < shape->nkey; i++) {
		strbuf_addstr(sb, i ? ", " : "");
		if (args)
			add_literal(sb, args, &args->cell[first - 1 + i]);
		else
			strbuf_addf(sb, "$%u", first + i);
	}
	strbuf_addch(sb, ')');
}

static void add_where(struct strbuf *sb, const struct store_shape *shape,
		      const char *after, const char *until,
		      const struct store_batch *args)
{
	const char *glue = " WHERE ";

	if (shape->where) {
		/* a newline, as it may end in a comment */
		strbuf_addf(sb, "%s(%s\n)", glue, shape->where);
		glue = " AND ";
	}
	if (after) {
		strbuf_addstr(sb, glue);
		add_bound(sb, shape, after == until ? "=" : ">", 1, args);
		glue = " AND ";
	}
	if (until && until != after) {
		strbuf_addstr(sb, glue);
		add_bound(sb, shape, "<=", after ? shape->nkey + 1 : 1, args);
	}
}

void store_sql_where(struct strbuf *sb, const struct store_shape *shape,
		     const char *after, const char *until)
{
	add_where(sb, shape, after, until, NULL);
}

int store_sql_range(const struct store *s, const struct store_shape *shape,
		    const char *after, const char *until,
		    struct store_batch *args, struct error *err)
{
	const char *const keys[] = { after, until };

	store_batch_clear(args, shape->nkey);
	for (int i = 0; i < (after == until ? 1 : 2); i++)
		if (keys[i] && store_key_cells(keys[i], args) < 0)
			return error_set(err, ERR_STORE, -EINVAL,
				_("%s: '%s' is no key of '%s'"),
				store_name(s), keys[i], shape->set);
	args->ncol = (uint32_t)args->ncell;
	args->nrow = 1;
	return 0;
}

static void add_scan(struct strbuf *sb, const struct store_shape *shape,
		     const char *after, const char *until,
		     const struct store_batch *args)
{
	strbuf_addstr(sb, "SELECT ");
	store_sql_reads(sb, shape, 0, shape->ncol);
	strbuf_addstr(sb, " FROM ");
	store_sql_set(sb, shape->set);
	add_where(sb, shape, after, until, args);
	strbuf_addstr(sb, " ORDER BY ");
	for (uint32_t i = 0; i < shape->nkey; i++) {
		strbuf_addstr(sb, i ? ", " : "");
		store_sql_reads(sb, shape, i, i + 1);
	}
}

void store_sql_scan(struct strbuf *sb, const struct store_shape *shape,
		    const char *after, const char *until, uint32_t limit)
{
	add_scan(sb, shape, after, until, NULL);
	strbuf_addf(sb, " LIMIT %u", limit);
}

void store_sql_scan_literal(struct strbuf *sb,
			    const struct store_shape *shape,
			    const char *after, const char *until,
			    uint32_t limit, const struct store_batch *args)
{
	add_scan(sb, shape, after, until, args);
	strbuf_addf(sb, " LIMIT %u", limit);
}

void store_sql_conflict(struct strbuf *sb, const struct store_shape *shape,
			enum store_conflict how)
{
	if (how == STORE_ERROR)
		return;
	strbuf_addstr(sb, " ON CONFLICT (");
	store_sql_names(sb, shape, 0, shape->nkey);
	if (how == STORE_SKIP || shape->nkey == shape->ncol) {
		strbuf_addstr(sb, ") DO NOTHING");
		return;
	}
	strbuf_addstr(sb, ") DO UPDATE SET ");
	for (uint32_t i = shape->nkey; i < shape->ncol; i++) {
		if (i > shape->nkey)
			strbuf_addstr(sb, ", ");
		store_sql_name(sb, shape->col[i]);
		strbuf_addstr(sb, " = excluded.");
		store_sql_name(sb, shape->col[i]);
	}
}

#define RANGES "_upshift_range"

static void add_text(struct store_batch *b, const char *text)
{
	store_batch_add(b, STORE_TEXT, text, text ? strlen(text) : 0);
}

static void add_int(struct store_batch *b, uint64_t v)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%" PRIu64, v);

	store_batch_add(b, STORE_INT, text, (size_t)n);
}

/* may be run again, and by two at once */
static int make_range(struct store *s, const struct store_mark *m,
		      struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch cols = STORE_BATCH_INIT;
	int ret = store_columns(s, RANGES, &cols, err);

	if (ret == 0)
		ret = s->ops->exec(s, "CREATE TABLE IF NOT EXISTS " RANGES
			" (step text, part int, lo text, hi text, "
			"pos text NOT NULL, nrows bigint, nbatch int, "
			"done int, PRIMARY KEY (step, part))", NULL, NULL,
			err);
	/* of two at once one may be told that the table is there */
	if (ret < 0 && store_columns(s, RANGES, &cols, NULL) <= 0)
		return ret;
	store_batch_clear(&args, 5);
	add_text(&args, m->step);
	add_int(&args, (uint64_t)m->part);
	add_text(&args, m->lo);
	add_text(&args, m->hi);
	add_text(&args, m->pos);
	ret = s->ops->exec(s, "INSERT INTO " RANGES " (step, part, lo, hi, "
		"pos, nrows, nbatch, done) VALUES ($1, $2, $3, $4, $5, 0, 0, "
		"0) ON CONFLICT (step, part) DO NOTHING", &args, NULL, err);
	return MIN(ret, 0);
}

int store_sql_mark(struct store *s, const struct store_mark *m,
		   const char *old, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	int ret;

	if (!old)
		return make_range(s, m, err);
	store_batch_clear(&args, 6);
	add_text(&args, m->pos);
	add_int(&args, m->rows);
	add_int(&args, m->done);
	add_text(&args, m->step);
	add_int(&args, (uint64_t)m->part);
	add_text(&args, old);
	ret = s->ops->exec(s, "UPDATE " RANGES " SET pos = $1, "
		"nrows = nrows + $2, nbatch = nbatch + 1, done = $3 "
		"WHERE step = $4 AND part = $5 AND pos = $6", &args, NULL,
		err);
	if (ret < 0)
		return ret;
	if (ret != 1)
		return error_set(err, ERR_STORE, -ESTALE,
			_("%s: somebody else went on with part %d of '%s'"),
			store_name(s), m->part, m->step);
	return 0;
}

int store_sql_marks(struct store *s, const char *step, struct store_batch *b,
		    struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	int ret = store_columns(s, RANGES, b, err);

	store_batch_clear(b, 7);
	if (ret <= 0)
		return ret;
	store_batch_clear(&args, 1);
	add_text(&args, step);
	return s->ops->exec(s, "SELECT part, lo, hi, pos, nrows, nbatch, done "
		"FROM " RANGES " WHERE step = $1 ORDER BY part", &args, b,
		err);
}

int store_sql_nth(struct store *s, const struct store_shape *shape,
		  const char *after, const char *until, uint64_t n,
		  struct store_batch *b, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	struct store_shape keys = *shape;
	int ret = store_sql_range(s, shape, after, until, &args, err);

	keys.ncol = keys.nkey;
	if (ret < 0)
		return ret;
	add_scan(&sql, &keys, after, until, NULL);
	strbuf_addf(&sql, " LIMIT 1 OFFSET %" PRIu64, n - 1);
	store_batch_clear(b, keys.nkey);
	ret = s->ops->exec(s, sql.buf, &args, b, err);
	return ret > 0 && store_check_key(s, &keys, b, err) < 0 ? -EINVAL :
	       ret;
}

/* the `every`-th row behind the last such row: to skip rows of an index is much
   less work than to number all of them */
int store_sql_split(struct store *s, const struct store_shape *shape,
		    const char *lo, const char *hi, uint64_t every,
		    struct store_batch *b, struct error *err)
{
	_cleanup_store_batch_ struct store_batch row = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;

	for (;;) {
		int ret = store_sql_nth(s, shape, key.len ? key.buf : lo, hi,
					every, &row, err);

		if (ret <= 0)
			return ret < 0 ? ret : (int)b->nrow;
		for (uint32_t i = 0; i < shape->nkey; i++) {
			const struct store_cell *c =
				store_batch_cell(&row, 0, i);

			store_batch_add(b, (enum store_type)c->type,
					store_batch_text(&row, c),
					(size_t)c->len);
		}
		store_key(&row, 0, shape->nkey, &key);
	}
}

int store_sql_count(struct store *s, const struct store_shape *shape,
		    uint64_t *ret, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	char text[24] = "0";
	int r;

	strbuf_addstr(&sql, "SELECT count(*) FROM ");
	store_sql_set(&sql, shape->set);
	store_sql_where(&sql, shape, NULL, NULL);
	r = s->ops->exec(s, sql.buf, NULL, &b, err);
	if (r < 0)
		return r;
	if (b.nrow == 1 && b.cell[0].len > 0)
		(void)snprintf(text, sizeof(text), "%.*s", b.cell[0].len,
			       b.buf + b.cell[0].off);
	*ret = strtoull(text, NULL, 10);
	return 0;
}
