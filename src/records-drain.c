/* SPDX-License-Identifier: MIT */
/*
 * One pass: a state of each source is begun, the queues are read in it and the
 * rows of their keys, and all of it goes to the destinations; then what that
 * state saw leaves the queues. Cut short anywhere, it is done again.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "records-drain-internal.h"

#define TRIES 12u
#define END_TRIES 20u
#define PATIENCE_S 120.0

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
		ret = store_exec(e->s, store_is_pg(e->s) ?
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

static int was_emptied(struct records_one *o, struct error *err)
{
	_cleanup_free_ char *sql = xasprintf("SELECT 1 FROM \"%s\" WHERE "
		"upshift_all%s LIMIT 1", o->queue, store_is_pg(o->from) ? "" :
		" <> 0");
	int ret = store_exec(o->from, sql, NULL, NULL, err);

	return MIN(ret, 1);
}

/* --- the pass --- */

struct pass {
	const struct records_drain *d;
	struct records_pool pool;
	struct records_one *one;
	size_t n;
	bool *emptied;
	uint64_t *last;              /* of SQLite */
	bool roomy;                  /* what is gone was deleted first */
};

/*
 * A row is refused: as a rule it has what was another's, which is gone or has
 * moved. To find each such row by halves would take many transactions, so the
 * deletions come first for once.
 */
static int make_room(void *ctx, struct error *err)
{
	struct pass *p = ctx;

	if (p->roomy)
		return 0;
	p->roomy = true;
	for (size_t i = p->n; i-- > 0;) {
		struct records_one *o = &p->one[i];
		struct store_batch out = o->w.out;
		int ret;

		if (p->emptied[i] || !o->out.entries)
			continue;
		ret = records_one_gone(o, err);
		if (ret == 0)
			ret = records_one_delete(o, err);
		o->w.out = out;
		if (ret < 0)
			return ret;
	}
	return 1;
}

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
		p->one[p->n].make_room = make_room;
		p->one[p->n].room_ctx = p;
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
		if (ret == 0 && !store_is_pg(o->from))
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

	/* nobody else can add anything, and what we added counts as well */
	if (store_is_within(s)) {
		sql = xasprintf("DELETE FROM \"%s\"", o->queue);
	/* what others add meanwhile is no conflict */
	} else if (store_is_pg(s)) {
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
			r = records_one_rows(&p.one[i], err);
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

static int is_stopped(void *ctx)
{
	const struct records_drain *d = ctx;

	return d->tick && d->tick(d->ctx, 0, 0) < 0;
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
		if (d->once || (store_class(r) != STORE_CLASS_RECONNECT &&
		     store_class(r) != STORE_CLASS_RETRY) ||
		    n + 1 >= TRIES || clock_since(start) > PATIENCE_S) {
			error_move(err, &why);
			return r;
		}
		if (d->note)
			d->note(d->ctx, why.msg);
		if (!clock_wait(store_delay_ms(MIN(n, 6)), is_stopped,
				(void *)(uintptr_t)d))
			return error_set(err, ERR_CANCELLED, -ECANCELED,
					 _("cancelled"));
	}
}

int records_drain_end(const struct records_drain *d, struct error *err)
{
	struct records_pool pool = { .d = d };
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < d->n; i++) {
		struct store *to;

		ret = records_pool_get(&pool, d->job[i], false, &to, err);
		if (ret == 0)
			ret = records_finish_sequences(to, d->job[i]->to.set,
						       err);
	}
	records_pool_close(&pool);
	return ret;
}
