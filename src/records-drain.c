/* SPDX-License-Identifier: MIT */
/*
 * One pass: a state of each source is begun, the queues are read in it and the
 * rows of their keys, and all of it goes to the destinations; then what that
 * state saw leaves the queues. Cut short anywhere, it is done again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "records-drain-internal.h"
#include "store-sql.h"

#define KEYS_AT_ONCE 5000u       /* out of the queue */
#define ROWS_AT_ONCE 1000u       /* in one statement */
#define TRIES 12u
#define END_TRIES 20u
#define PATIENCE_S 120.0

static bool is_pg(const struct store *s)
{
	return !strcmp(store_scheme(s), "pg");
}

/* --- the state of a source --- */

static struct records_pooled *pooled(struct records_pool *p,
				     const struct store *s)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].s == s)
			return &p->v[i];
	BUG("a store that is not in the pool");
}

static int see(struct records_pool *p, struct records_one *o,
	       struct error *err)
{
	struct records_pooled *e = pooled(p, o->from);
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int ret;

	if (e->state)
		return 0;
	ret = store_begin(e->s, false, err);
	if (ret == 0)
		ret = store_exec(e->s, is_pg(e->s) ?
				 "SELECT txid_current_snapshot()" :
				 "SELECT 1 FROM sqlite_schema LIMIT 1", NULL,
				 &b, err);
	if (ret >= 0)
		e->state = b.nrow ? records_cell_text(&b, 0, 0) : xstrdup("");
	return MIN(ret, 0);
}

/* of SQLite: the number of the last entry */
static int last_entry(struct records_one *o, uint64_t *ret, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_free_ char *sql = xasprintf("SELECT coalesce(max(upshift_tx), "
					     "0) FROM \"%s\"", o->queue);
	int r = store_exec(o->from, sql, NULL, &b, err);

	if (r > 0)
		*ret = records_cell_number(&b, 0, 0);
	return MIN(r, 0);
}

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
	strbuf_addstr(&sql, is_pg(o->from) ? " WHERE NOT upshift_all" :
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

static void add_literal(struct strbuf *sql, const struct store *s,
			const struct store_batch *b, uint32_t row,
			uint32_t col)
{
	const struct store_cell *c = store_batch_cell(b, row, col);
	const char *p = store_batch_text(b, c);

	if (!p) {
		strbuf_addstr(sql, "NULL");
		return;
	}
	if (!is_pg(s) && (c->type == STORE_INT || c->type == STORE_NUM)) {
		strbuf_add(sql, p, (size_t)c->len);
		return;
	}
	if (!is_pg(s) && c->type == STORE_BYTES && c->len >= 2) {
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
	strbuf_addstr(&o->where, nkey > 1 && !is_pg(o->from) ?
		      ") IN (VALUES " : ") IN (");
	for (uint32_t row = from; row < from + n; row++) {
		strbuf_addstr(&o->where, row > from ? ", " : "");
		strbuf_addstr(&o->where, nkey > 1 ? "(" : "");
		for (uint32_t i = 0; i < nkey; i++) {
			strbuf_addstr(&o->where, i ? ", " : "");
			add_literal(&o->where, o->from, keys, row, i);
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
	strbuf_addstr(&sql, f->nkey > 1 && !is_pg(o->from) ?
		      ") IN (VALUES " : ") IN (");
	for (uint32_t row = from; row < from + n; row++) {
		strbuf_addstr(&sql, row > from ? ", " : "");
		strbuf_addstr(&sql, f->nkey > 1 ? "(" : "");
		for (uint32_t i = 0; i < f->nkey; i++) {
			strbuf_addstr(&sql, i ? ", " : "");
			add_literal(&sql, o->from, keys, row, i);
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
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	struct found f = { .there = NULL };
	int ret;

	for (uint32_t row = from; row < from + n; row++) {
		store_key(keys, row, o->job->from.nkey, &key);
		strvec_push(&f.keys, key.buf);
	}
	qsort(f.keys.v, f.keys.n, sizeof(*f.keys.v), by_text);
	f.there = xcalloc(n, sizeof(*f.there));
	narrow(o, keys, from, n);
	ret = records_one_put(o, mark_found, &f, err);
	if (ret == 0)
		ret = gone(o, keys, from, n, &f, err);
	strvec_release(&f.keys);
	free(f.there);
	return ret;
}

static int was_emptied(struct records_one *o, struct error *err)
{
	_cleanup_free_ char *sql = xasprintf("SELECT 1 FROM \"%s\" WHERE "
		"upshift_all%s LIMIT 1", o->queue, is_pg(o->from) ? "" :
		" <> 0");
	int ret = store_exec(o->from, sql, NULL, NULL, err);

	return MIN(ret, 1);
}

static int rows_of(struct records_one *o, struct error *err)
{
	_cleanup_store_batch_ struct store_batch keys = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf last = STRBUF_INIT;
	int got, ret = 0;

	do {
		got = read_keys(o, last.len ? last.buf : NULL, &keys, err);
		for (uint32_t at = 0; got > 0 && ret == 0 && at < keys.nrow;
		     at += ROWS_AT_ONCE) {
			uint32_t n = MIN(ROWS_AT_ONCE, keys.nrow - at);

			ret = some_keys(o, &keys, at, n, err);
			*o->done += n;
		}
		if (got > 0)
			store_key(&keys, keys.nrow - 1, o->job->from.nkey,
				  &last);
	} while (ret == 0 && got == KEYS_AT_ONCE);
	return got < 0 ? got : ret;
}

/* --- the pass --- */

struct pass {
	const struct records_drain *d;
	struct records_pool pool;
	struct records_one *one;
	size_t n;
	bool *emptied;
	uint64_t *last;              /* of SQLite */
};

/* keys of rejected rows go into the queue again */
static int queue_rejects(struct records_one *o, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int ret;

	if (!o->d->rejects || !o->run.rejected)
		return 0;
	store_batch_clear(&args, 1);
	records_add_text(&args, o->job->marks);
	ret = store_exec(o->to, "SELECT key FROM _upshift_reject WHERE step = "
			 "$1 LIMIT 10000", &args, &b, err);
	for (uint32_t row = 0; ret >= 0 && row < b.nrow; row++) {
		_cleanup_free_ char *key = records_cell_text(&b, row, 0);

		ret = records_capture_add(o->job, o->from, key, err);
	}
	return MIN(ret, 0);
}

static int begin(struct pass *p, struct error *err)
{
	int ret = 0;

	p->one = xcalloc(p->d->n, sizeof(*p->one));
	p->emptied = xcalloc(p->d->n, sizeof(*p->emptied));
	p->last = xcalloc(p->d->n, sizeof(*p->last));
	for (; ret == 0 && p->n < p->d->n; p->n++) {
		ret = records_one_init(&p->one[p->n], &p->pool, p->d,
				       p->d->job[p->n], err);
		if (ret == 0)
			ret = queue_rejects(&p->one[p->n], err);
	}
	for (size_t i = 0; ret == 0 && i < p->n; i++) {
		struct records_one *o = &p->one[i];

		ret = see(&p->pool, o, err);
		if (ret == 0)
			ret = records_capture_count(o->job, o->from,
						    &o->out.entries, err);
		if (ret == 0 && o->out.entries)
			ret = was_emptied(o, err);
		p->emptied[i] = ret > 0;
		ret = MIN(ret, 0);
		if (ret == 0 && !is_pg(o->from))
			ret = last_entry(o, &p->last[i], err);
		p->pool.total += o->out.entries;
	}
	for (size_t i = 0; i < p->n; i++)
		p->one[i].total = p->pool.total;
	return ret;
}

/* refused rows and deletions again, as long as it helps */
static int settle(struct pass *p, struct error *err)
{
	uint64_t before = UINT64_MAX;

	for (;;) {
		uint64_t left = 0;
		int ret = 0;

		for (size_t i = p->n; ret >= 0 && i-- > 0;) {
			ret = records_one_delete(&p->one[i], err);
			left += ret > 0 ? (uint64_t)ret : 0;
		}
		for (size_t i = 0; ret >= 0 && i < p->n; i++) {
			ret = records_one_retry(&p->one[i], err);
			left += ret > 0 ? (uint64_t)ret : 0;
		}
		if (ret < 0 || !left)
			return MIN(ret, 0);
		if (left >= before)
			return 0;
		before = left;
	}
}

static int refuse(struct pass *p, struct error *err)
{
	for (size_t i = 0; i < p->n; i++) {
		struct records_one *o = &p->one[i];
		int ret = records_one_refuse(o, err);

		if (ret < 0)
			return ret;
		if (o->gone.nrow)
			return error_set(err, ERR_STORE, -EBADMSG,
				_("row %s of '%s' is gone, but the "
				  "destination does not let it go"),
				o->gone_keys.v[0], o->job->from.set);
	}
	return 0;
}

struct leaving {
	struct pass *p;
	size_t i;
};

static int leave(void *ctx, struct store *s, struct error *err)
{
	const struct leaving *l = ctx;
	const struct records_one *o = &l->p->one[l->i];
	_cleanup_free_ char *sql = NULL;
	int ret = 0;

	/* what others add meanwhile is no conflict */
	if (is_pg(s)) {
		ret = store_exec(s, "SET TRANSACTION ISOLATION LEVEL READ "
				 "COMMITTED", NULL, NULL, err);
		sql = xasprintf("DELETE FROM \"%s\" WHERE "
			"txid_visible_in_snapshot(upshift_tx, '%s')",
			o->queue, pooled(&l->p->pool, s)->state);
	} else {
		sql = xasprintf("DELETE FROM \"%s\" WHERE upshift_tx <= "
				"%" PRIu64, o->queue, l->p->last[l->i]);
	}
	if (ret >= 0)
		ret = store_exec(s, sql, NULL, NULL, err);
	return MIN(ret, 0);
}

static int end(struct pass *p, struct error *err)
{
	int ret = 0;

	for (size_t i = 0; i < p->pool.n; i++)
		store_abort(p->pool.v[i].s);
	for (size_t i = 0; ret == 0 && i < p->n; i++) {
		struct leaving l = { .p = p, .i = i };

		if (p->one[i].out.entries)
			ret = store_transact(p->one[i].from, leave, &l,
					     END_TRIES, err);
	}
	return ret;
}

static void release(struct pass *p)
{
	for (size_t i = 0; i < p->pool.n; i++)
		store_abort(p->pool.v[i].s);
	for (size_t i = 0; i < p->n; i++)
		records_one_release(&p->one[i]);
	free(p->one);
	free(p->emptied);
	free(p->last);
	records_pool_close(&p->pool);
}

static int one_pass(const struct records_drain *d,
		    struct records_drained *ret, struct error *err)
{
	struct pass p = { .d = d, .pool = { .d = d } };
	int r = begin(&p, err);

	for (size_t i = 0; r == 0 && i < p.n; i++) {
		struct records_drained sum = { .entries = 0 };

		if (p.emptied[i]) {
			r = records_repair(d, i, &sum, err);
			p.one[i].out.put += sum.put;
			p.one[i].out.deleted += sum.deleted;
		} else if (p.one[i].out.entries) {
			r = rows_of(&p.one[i], err);
		}
	}
	if (r == 0)
		r = settle(&p, err);
	if (r == 0)
		r = refuse(&p, err);
	if (r == 0)
		r = end(&p, err);
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < p.n; i++) {
		ret->entries += p.one[i].out.entries;
		ret->put += p.one[i].out.put;
		ret->deleted += p.one[i].out.deleted;
		ret->rejected += p.one[i].out.rejected;
	}
	release(&p);
	return r;
}

/* a wait that the caller can end */
static int wait_ms(const struct records_drain *d, unsigned int ms)
{
	const struct timespec slice = { .tv_nsec = 20000000 };
	uint64_t start = clock_mono_ns();

	while (clock_since(start) * 1000 < ms) {
		int ret = d->tick ? d->tick(d->ctx, 0, 0) : 0;

		if (ret < 0)
			return ret;
		(void)nanosleep(&slice, NULL);
	}
	return 0;
}

int records_drain(const struct records_drain *d, struct records_drained *ret,
		  struct error *err)
{
	uint64_t start = clock_mono_ns();

	for (unsigned int n = 0;; n++) {
		_cleanup_error_ struct error why = ERROR_INIT;
		int r = one_pass(d, ret, &why);

		if (r == 0)
			return 0;
		if ((store_class(r) != STORE_CLASS_RECONNECT &&
		     store_class(r) != STORE_CLASS_RETRY) ||
		    n + 1 >= TRIES || clock_since(start) > PATIENCE_S) {
			error_move(err, &why);
			return r;
		}
		if (d->note)
			d->note(d->ctx, why.msg);
		if (wait_ms(d, store_delay_ms(MIN(n, 6))) < 0)
			return error_set(err, ERR_CANCELLED, -ECANCELED,
					 _("cancelled"));
	}
}
