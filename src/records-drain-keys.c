/* SPDX-License-Identifier: MIT */
/* The keys of one queue, and the rows that they stand for now. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "records-drain-internal.h"
#include "store-sql.h"

#define KEYS_AT_ONCE 5000u       /* out of the queue */
#define ROWS_AT_ONCE 1000u       /* in one statement */

/* --- keys --- */

/* "upshift_k0", ... as a shape of the queue */
struct queue_shape {
	struct store_shape shape;
	struct strvec names;
};

static void queue_shape(struct queue_shape *q, const struct records_one *o)
{
	memset(q, 0, sizeof(*q));
	for (uint32_t i = 0; i < o->job->from.nkey; i++)
		strvec_pushf(&q->names, "upshift_k%u", i);
	q->shape.set = o->queue;
	q->shape.ncol = q->shape.nkey = o->job->from.nkey;
	q->shape.col = (const char *const *)q->names.v;
}

/* distinct keys behind `after`, in order */
static int read_keys(struct records_one *o, const char *after,
		     struct store_batch *b, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	uint32_t nkey = o->job->from.nkey;
	struct queue_shape q;
	int ret;

	queue_shape(&q, o);
	strbuf_addstr(&sql, "SELECT DISTINCT ");
	store_sql_names(&sql, &q.shape, 0, nkey);
	strbuf_addstr(&sql, " FROM ");
	store_sql_name(&sql, o->queue);
	strbuf_addstr(&sql, store_is_pg(o->from) ? " WHERE NOT upshift_all" :
		      " WHERE upshift_all = 0");
	store_batch_clear(&args, nkey);
	if (after) {
		(void)store_key_cells(after, &args);
		strbuf_addstr(&sql, " AND (");
		store_sql_names(&sql, &q.shape, 0, nkey);
		for (uint32_t i = 0; i < nkey; i++)
			strbuf_addf(&sql, "%s$%u", i ? ", " : ") > (", i + 1);
		strbuf_addch(&sql, ')');
	}
	strbuf_addstr(&sql, " ORDER BY ");
	store_sql_names(&sql, &q.shape, 0, nkey);
	strbuf_addf(&sql, " LIMIT %u", KEYS_AT_ONCE);
	ret = store_exec(o->from, sql.buf, after ? &args : NULL, b, err);
	strvec_release(&q.names);
	return ret;
}

void records_add_literal(struct strbuf *sql, const struct store *s,
			const struct store_batch *b, uint32_t row,
			uint32_t col)
{
	const struct store_cell *c = store_batch_cell(b, row, col);
	const char *p = store_batch_text(b, c);

	if (!p) {
		strbuf_addstr(sql, "NULL");
		return;
	}
	if (!store_is_pg(s) && (c->type == STORE_INT || c->type == STORE_NUM)) {
		strbuf_add(sql, p, (size_t)c->len);
		return;
	}
	if (!store_is_pg(s) && c->type == STORE_BYTES && c->len >= 2) {
		strbuf_addch(sql, 'x');
		p += 2;
	}
	strbuf_addch(sql, '\'');
	for (const char *end = b->buf + c->off + c->len; p < end; p++) {
		if (*p == '\'')
			strbuf_addch(sql, '\'');
		strbuf_addch(sql, *p);
	}
	strbuf_addch(sql, '\'');
}

void records_add_in(struct strbuf *sql, const struct store *s,
		    const struct store_shape *shape, uint32_t nkey,
		    const struct store_batch *b, uint32_t first,
		    uint32_t from, uint32_t n)
{
	strbuf_addch(sql, '(');
	for (uint32_t i = 0; i < nkey; i++) {
		strbuf_addstr(sql, i ? ", " : "");
		if (shape->expr && shape->expr[first + i])
			strbuf_addf(sql, "(%s\n)", shape->expr[first + i]);
		else
			store_sql_name(sql, shape->col[first + i]);
	}
	strbuf_addstr(sql, nkey > 1 && !store_is_pg(s) ? ") IN (VALUES " :
		      ") IN (");
	for (uint32_t row = from; row < from + n; row++) {
		strbuf_addstr(sql, row > from ? ", " : "");
		strbuf_addstr(sql, nkey > 1 ? "(" : "");
		for (uint32_t i = 0; i < nkey; i++) {
			strbuf_addstr(sql, i ? ", " : "");
			records_add_literal(sql, s, b, row, i);
		}
		strbuf_addstr(sql, nkey > 1 ? ")" : "");
	}
	strbuf_addch(sql, ')');
}

/* the rows of keys from .. from + n, as the plan selects them; literal keys,
   so that planners know how many they are */
static void narrow(struct records_one *o, const struct store_batch *keys,
		   uint32_t from, uint32_t n)
{
	uint32_t nkey = o->job->from.nkey;

	strbuf_clear(&o->where);
	if (o->job->from.where)
		strbuf_addf(&o->where, "(%s\n) AND ", o->job->from.where);
	strbuf_addch(&o->where, '(');
	for (uint32_t i = 0; i < nkey; i++) {
		strbuf_addstr(&o->where, i ? ", " : "");
		store_sql_name(&o->where, records_capture_key(o->job, i));
	}
	strbuf_addstr(&o->where, nkey > 1 && !store_is_pg(o->from) ?
		      ") IN (VALUES " : ") IN (");
	for (uint32_t row = from; row < from + n; row++) {
		strbuf_addstr(&o->where, row > from ? ", " : "");
		strbuf_addstr(&o->where, nkey > 1 ? "(" : "");
		for (uint32_t i = 0; i < nkey; i++) {
			strbuf_addstr(&o->where, i ? ", " : "");
			records_add_literal(&o->where, o->from, keys, row, i);
		}
		strbuf_addstr(&o->where, nkey > 1 ? ")" : "");
	}
	strbuf_addch(&o->where, ')');
	o->own.from.where = o->where.buf;
}

/* --- keys whose rows are gone --- */

/* keys of one part, sorted by their text; '\0' in front of those found */
struct found {
	struct strvec keys;
	bool *there;
};

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void found_init(struct found *f, const struct records_one *o,
		       const struct store_batch *keys, uint32_t from,
		       uint32_t n)
{
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;

	memset(f, 0, sizeof(*f));
	for (uint32_t row = from; row < from + n; row++) {
		store_key(keys, row, o->job->from.nkey, &key);
		strvec_push(&f->keys, key.buf);
	}
	qsort(f->keys.v, f->keys.n, sizeof(*f->keys.v), by_text);
	f->there = xcalloc(n, sizeof(*f->there));
}

static void found_release(struct found *f)
{
	strvec_release(&f->keys);
	free(f->there);
}

static ssize_t find(const struct found *f, const char *key)
{
	char **at = bsearch(&key, f->keys.v, f->keys.n, sizeof(*f->keys.v),
			    by_text);

	return at ? at - f->keys.v : -1;
}

static bool mark_found(void *ctx, _unused_ const struct records_one *o,
		       _unused_ uint32_t row, const char *key)
{
	struct found *f = ctx;
	ssize_t at = find(f, key);

	if (at >= 0)
		f->there[at] = true;
	return true;
}

static void take_gone(struct records_one *o, const struct store_batch *b,
		      uint32_t row, uint32_t col, const char *key)
{
	uint32_t nkey = o->job->to.nkey;

	if (!o->gone.ncol)
		store_batch_clear(&o->gone, nkey);
	for (uint32_t i = 0; i < nkey; i++) {
		const struct store_cell *c = store_batch_cell(b, row, col + i);
		const char *p = store_batch_text(b, c);

		store_batch_add(&o->gone, c->type, p, p ? (size_t)c->len : 0);
	}
	strvec_push(&o->gone_keys, key);
}

/* what the key of the destination is for keys of the source without a row */
static int compute(struct records_one *o, const struct store_batch *keys,
		   uint32_t from, uint32_t n, struct store_batch *b,
		   struct error *err)
{
	const struct store_shape *f = &o->job->from;
	const char *dot = strchr(f->set, '.');
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	struct queue_shape q;
	int ret;

	queue_shape(&q, o);
	strbuf_addstr(&sql, "SELECT ");
	for (uint32_t i = 0; i < f->nkey; i++) {
		strbuf_addstr(&sql, i ? ", " : "");
		store_sql_name(&sql, records_capture_key(o->job, i));
	}
	for (uint32_t i = 0; i < o->job->to.nkey; i++) {
		uint32_t col = o->job->hidden + i;

		if (f->expr && f->expr[col]) {
			strbuf_addf(&sql, ", (%s)", f->expr[col]);
			continue;
		}
		strbuf_addstr(&sql, ", ");
		store_sql_name(&sql, f->col[col]);
	}
	strbuf_addstr(&sql, " FROM (SELECT DISTINCT ");
	for (uint32_t i = 0; i < f->nkey; i++) {
		strbuf_addf(&sql, "%supshift_k%u AS ", i ? ", " : "", i);
		store_sql_name(&sql, records_capture_key(o->job, i));
	}
	strbuf_addstr(&sql, " FROM ");
	store_sql_name(&sql, o->queue);
	strbuf_addstr(&sql, " WHERE (");
	store_sql_names(&sql, &q.shape, 0, f->nkey);
	strbuf_addstr(&sql, f->nkey > 1 && !store_is_pg(o->from) ?
		      ") IN (VALUES " : ") IN (");
	for (uint32_t row = from; row < from + n; row++) {
		strbuf_addstr(&sql, row > from ? ", " : "");
		strbuf_addstr(&sql, f->nkey > 1 ? "(" : "");
		for (uint32_t i = 0; i < f->nkey; i++) {
			strbuf_addstr(&sql, i ? ", " : "");
			records_add_literal(&sql, o->from, keys, row, i);
		}
		strbuf_addstr(&sql, f->nkey > 1 ? ")" : "");
	}
	strbuf_addstr(&sql, ")) AS ");
	store_sql_name(&sql, dot ? dot + 1 : f->set);
	ret = store_exec(o->from, sql.buf, NULL, b, err);
	strvec_release(&q.names);
	return ret;
}

static int gone(struct records_one *o, const struct store_batch *keys,
		uint32_t from, uint32_t n, const struct found *f,
		struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	uint32_t nkey = o->job->from.nkey;
	bool any = false;
	int ret;

	for (size_t i = 0; i < f->keys.n; i++)
		any = any || !f->there[i];
	if (!any)
		return 0;
	if (o->job->hidden) {
		ret = compute(o, keys, from, n, &b, err);
		if (ret < 0)
			return ret;
	}
	for (uint32_t i = 0; i < (o->job->hidden ? b.nrow : n); i++) {
		const struct store_batch *src = o->job->hidden ? &b : keys;
		uint32_t row = o->job->hidden ? i : from + i;
		ssize_t at;

		store_key(src, row, nkey, &key);
		at = find(f, key.buf);
		if (at >= 0 && !f->there[at])
			take_gone(o, src, row, o->job->hidden ? nkey : 0,
				  key.buf);
	}
	return 0;
}

/* --- rows of one queue --- */

static int some_keys(struct records_one *o, const struct store_batch *keys,
		     uint32_t from, uint32_t n, struct error *err)
{
	struct found f;
	int ret;

	found_init(&f, o, keys, from, n);
	narrow(o, keys, from, n);
	ret = records_one_put(o, mark_found, &f, err);
	if (ret == 0 && !o->all_gone)
		ret = gone(o, keys, from, n, &f, err);
	found_release(&f);
	*o->done += n;
	return ret;
}

/* keys from .. from + n */
typedef int keys_fn(struct records_one *o, const struct store_batch *keys,
		    uint32_t from, uint32_t n, struct error *err);

static int each_keys(struct records_one *o, keys_fn *fn, struct error *err)
{
	_cleanup_store_batch_ struct store_batch keys = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf last = STRBUF_INIT;
	int got, ret = 0;

	do {
		got = read_keys(o, last.len ? last.buf : NULL, &keys, err);
		for (uint32_t at = 0; got > 0 && ret == 0 && at < keys.nrow;
		     at += ROWS_AT_ONCE)
			ret = fn(o, &keys, at, MIN(ROWS_AT_ONCE,
						   keys.nrow - at), err);
		if (got > 0)
			store_key(&keys, keys.nrow - 1, o->job->from.nkey,
				  &last);
	} while (ret == 0 && got == KEYS_AT_ONCE);
	return got < 0 ? got : ret;
}

int records_one_rows(struct records_one *o, struct error *err)
{
	return each_keys(o, some_keys, err);
}

static int some_gone(struct records_one *o, const struct store_batch *keys,
		     uint32_t from, uint32_t n, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	struct found f;
	int ret;

	found_init(&f, o, keys, from, n);
	narrow(o, keys, from, n);
	ret = store_scan_keys(o->from, &o->own.from, NULL, NULL, n, &b, err);
	for (uint32_t row = 0; ret >= 0 && row < b.nrow; row++) {
		store_key(&b, row, o->job->from.nkey, &key);
		(void)mark_found(&f, o, row, key.buf);
	}
	if (ret >= 0)
		ret = gone(o, keys, from, n, &f, err);
	found_release(&f);
	return ret;
}

int records_one_gone(struct records_one *o, struct error *err)
{
	/* of the rows that are just on their way */
	struct strbuf where = o->where;
	int ret;

	strbuf_init(&o->where);
	store_batch_clear(&o->gone, o->job->to.nkey);
	strvec_clear(&o->gone_keys);
	ret = each_keys(o, some_gone, err);
	o->all_gone = ret == 0;
	strbuf_release(&o->where);
	o->where = where;
	o->own.from.where = where.buf;
	return ret;
}
