/* SPDX-License-Identifier: MIT */
/*
 * Both sides are compared as records-verify.h does, which tells the keys that
 * are not the same; then the source is read once, and the rows of those keys
 * are put; rows that it does not have are deleted.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "records-drain-internal.h"
#include "records-map.h"
#include "records-verify.h"

#define KEYS_MOST 200000u        /* of changed rows; more: all rows are put */

struct repair {
	struct records_one *one;
	struct strvec keys;
	bool all;
	bool forms;              /* keys are told as the destination has them */
	/* rows of the destination that go or become others; keys of some */
	uint64_t replaced;
	struct strvec shown;
};

#define SHOWN_MOST 20u

static void note_replaced(struct repair *r, const char *key)
{
	if (r->replaced++ < SHOWN_MOST)
		strvec_push(&r->shown, key);
}

static int on_found(void *ctx, const struct records_found *f,
		    struct error *err)
{
	struct repair *r = ctx;
	struct records_one *o = r->one;

	(void)err;
	if (f->kind == RECORDS_EXTRA || f->kind == RECORDS_DIFFERENT)
		note_replaced(r, f->key);
	if (f->kind == RECORDS_EXTRA) {
		if (!o->gone.ncol)
			store_batch_clear(&o->gone, o->job->to.nkey);
		if (store_key_cells(f->key, &o->gone) < 0)
			BUG("a key that was made here");
		strvec_push(&o->gone_keys, f->key);
	} else if (f->kind != RECORDS_EQUIVALENT && !r->all) {
		strvec_push(&r->keys, f->key);
		r->all = r->forms || r->keys.n >= KEYS_MOST;
	}
	return 0;
}

static int on_again(void *ctx, struct error *err)
{
	struct repair *r = ctx;

	(void)err;
	strvec_clear(&r->keys);
	r->all = false;
	strvec_clear(&r->shown);
	r->replaced = 0;
	store_batch_clear(&r->one->gone, r->one->job->to.nkey);
	strvec_clear(&r->one->gone_keys);
	return 0;
}

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
	const struct records_drain *d = ((struct repair *)ctx)->one->d;

	if (d->tick)
		(void)d->tick(d->ctx, done, total);
}

static bool on_cancelled(void *ctx)
{
	const struct records_drain *d = ((struct repair *)ctx)->one->d;

	return d->tick && d->tick(d->ctx, 0, 0) < 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool wanted(void *ctx, const struct records_one *o, uint32_t row,
		   const char *key)
{
	_cleanup_strbuf_ struct strbuf mine = STRBUF_INIT;
	struct repair *r = ctx;

	(void)key;
	if (r->all || row == UINT32_MAX)
		return true;
	store_key(&o->w.out, row, o->job->to.nkey, &mine);
	return bsearch(&mine.buf, r->keys.v, r->keys.n, sizeof(*r->keys.v),
		       by_text) != NULL;
}

static int compare(struct repair *r, struct error *err)
{
	struct records_one *o = r->one;
	struct records_shapes shapes;
	struct store_kinds kinds;
	struct records_verdict verdict;
	struct records_spec spec = {
		.nkey = o->job->to.nkey, .level = RECORDS_STANDARD,
		.pause_s = -1, .scratch_fd = o->d->scratch_fd,
		.found = on_found, .again = on_again,
		.progress = on_progress, .cancelled = on_cancelled, .ctx = r,
	};
	int ret = records_map_cast(&o->job->from, o->job->hidden, &o->job->to,
				   o->from, o->to, &shapes, err);

	if (ret < 0)
		return ret;
	ret = store_kinds(o->to, &shapes.to, &kinds, err);
	if (ret < 0) {
		records_shapes_release(&shapes);
		return ret;
	}
	r->forms = store_kinds_have_forms(&kinds) && !store_is_pg(o->from);
	store_kinds_release(&kinds);
	spec.old = (struct records_side) { o->from, &shapes.from,
					   shapes.hidden };
	spec.now = (struct records_side) { o->to, &shapes.to, 0 };
	ret = records_verify(&spec, &verdict, err);
	records_shapes_release(&shapes);
	return ret;
}

static int settle(struct records_one *o, struct error *err)
{
	int before = INT32_MAX, left;

	for (;;) {
		int ret = records_one_delete(o, err);

		left = ret < 0 ? ret : records_one_retry(o, err);
		if (left < 0)
			return left;
		left += ret;
		if (!left || left >= before)
			break;
		before = left;
	}
	if (o->gone.nrow)
		return error_set(err, ERR_STORE, -EBADMSG,
			_("row %s of '%s' is gone, but the destination does "
			  "not let it go"), o->gone_keys.v[0],
			o->job->from.set);
	return records_one_refuse(o, err);
}

int records_repair(const struct records_drain *d, size_t job,
		   struct records_drained *ret, struct error *err)
{
	struct records_pool pool = { .d = d };
	struct records_one one;
	struct repair r = { .one = &one };
	int n;

	memset(ret, 0, sizeof(*ret));
	if (!d->owner[job])
		return error_set(err, ERR_STORE, -EPERM,
			_("'%s' has rows from elsewhere: without 'owns' nobody "
			  "knows which of them may go"), d->job[job]->to.set);
	n = records_one_init(&one, &pool, d, d->job[job], err);
	if (n == 0)
		n = compare(&r, err);
	if (n == 0)
		qsort(r.keys.v, r.keys.n, r.keys.n ? sizeof(*r.keys.v) : 1,
		      by_text);
	if (n == 0 && r.keys.n)
		n = records_one_put(&one, wanted, &r, err);
	if (n == 0)
		n = settle(&one, err);
	ret->put = one.out.put;
	ret->deleted = one.out.deleted;
	ret->rejected = one.out.rejected;
	ret->replaced = r.replaced;
	for (size_t i = 0; n == 0 && d->replaced && i < r.shown.n; i++)
		d->replaced(d->ctx, d->job[job], r.shown.v[i]);
	strvec_release(&r.keys);
	strvec_release(&r.shown);
	records_one_release(&one);
	records_pool_close(&pool);
	return n;
}
