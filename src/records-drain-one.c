/* SPDX-License-Identifier: MIT */
/* Rows and deletions of one job on their way into the destination. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "records-drain-internal.h"
#include "store-sql.h"

#define TRIES 20u
#define REFUSED_MOST 10000u
#define DELETE_ROWS 1000u

/* --- stores --- */

static int pool_tick(void *ctx)
{
	const struct records_pool *p = ctx;

	return p->d->tick ? p->d->tick(p->d->ctx, p->done, p->total) < 0 : 0;
}

int records_pool_get(struct records_pool *p, const struct records_job *job,
		     bool source, struct store **ret, struct error *err)
{
	const char *url = source ? job->from_url : job->to_url;
	struct store_options o = source ? job->from_options : job->to_options;
	struct records_pooled *e;
	int r;

	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].source == source && !strcmp(p->v[i].url, url)) {
			*ret = p->v[i].s;
			return 0;
		}
	o.read_only = source && p->d->reads && o.read_only;
	o.create = false;
	o.tick = pool_tick;
	o.ctx = p;
	p->v = xrealloc(p->v, p->n + 1, sizeof(*p->v));
	e = &p->v[p->n];
	memset(e, 0, sizeof(*e));
	r = store_open(url, &o, &e->s, err);
	if (r < 0)
		return r;
	e->url = url;
	e->source = source;
	*ret = e->s;
	p->n++;
	return 0;
}

void records_pool_close(struct records_pool *p)
{
	for (size_t i = 0; i < p->n; i++) {
		store_close(p->v[i].s);
		free(p->v[i].state);
	}
	free(p->v);
	p->v = NULL;
	p->n = 0;
}

/* --- one --- */

int records_one_init(struct records_one *o, struct records_pool *p,
		     const struct records_drain *d,
		     const struct records_job *job, struct error *err)
{
	int ret;

	memset(o, 0, sizeof(*o));
	o->d = d;
	o->job = job;
	o->own = *job;
	o->own.conflict = STORE_REPLACE;
	o->run.job = &o->own;
	o->w.run = &o->run;
	o->queue = records_capture_name(job);
	strbuf_init(&o->where);
	records_pace_init(&o->w.pace, job->batch);
	o->done = &p->done;
	ret = records_pool_get(p, job, true, &o->from, err);
	if (ret == 0)
		ret = records_pool_get(p, job, false, &o->to, err);
	o->w.from = o->from;
	o->w.to = o->to;
	if (ret == 0 && job->undo)
		ret = records_undo_setup(&o->run, o->to, err);
	if (ret == 0 && job->quarantine)
		ret = records_reject_setup(&o->run, o->to, err);
	return ret < 0 ? ret : records_reject_count(o->to, job->marks,
						    &o->run.rejected, err);
}

void records_one_release(struct records_one *o)
{
	records_undo_release(&o->run);
	store_batch_release(&o->w.rows);
	free(o->w.out.cell);
	free(o->w.bad_key);
	free(o->queue);
	strbuf_release(&o->where);
	store_batch_release(&o->gone);
	strvec_release(&o->gone_keys);
	store_batch_release(&o->refused.rows);
	strvec_release(&o->refused.keys);
	strvec_release(&o->refused.why);
	strvec_release(&o->refused.state);
}

void records_one_note(struct records_one *o, const char *text)
{
	if (o->d->note)
		o->d->note(o->d->ctx, text);
}

/* --- transactions of the destination --- */

struct change {
	struct records_one *o;
	const struct store_batch *rows;
	uint32_t at, n;
	bool del;
	const char *const *keys;     /* of the source, to n of them */
	int changed;
};

/* rows that went, or are gone, are no rejects any more */
static int unreject(struct change *c, struct store *s, struct error *err)
{
	int ret = 0;

	for (uint32_t i = 0; ret >= 0 && c->o->run.rejected && c->keys &&
	     i < c->n; i++) {
		_cleanup_store_batch_ struct store_batch args =
			STORE_BATCH_INIT;

		store_batch_clear(&args, 2);
		records_add_text(&args, c->o->job->marks);
		records_add_text(&args, c->keys[i]);
		ret = store_exec(s, "DELETE FROM _upshift_reject WHERE step = "
				 "$1 AND key = $2", &args, NULL, err);
	}
	return MIN(ret, 0);
}

static int do_delete(struct change *c, struct store *s, struct error *err)
{
	struct store_batch part = { .ncol = c->rows->ncol, .nrow = c->n,
		.buf = c->rows->buf, .n = c->rows->n,
		.cell = &c->rows->cell[(size_t)c->at * c->rows->ncol],
		.ncell = (size_t)c->n * c->rows->ncol };
	int ret = 0;

	c->o->w.out.ncell = 0;
	if (c->o->run.undo)
		ret = records_undo_gone(&c->o->w, &part, false, err);
	if (ret >= 0)
		ret = store_del(s, &c->o->own.to, &part, err);
	c->changed = ret;
	if (ret >= 0 && c->o->run.undo)
		ret = records_undo_gone(&c->o->w, &part, true, err);
	return ret;
}

static int do_change(void *ctx, struct store *s, struct error *err)
{
	struct change *c = ctx;
	struct records_one *o = c->o;
	int ret = records_may_commit(o->job, s, err);

	if (ret < 0)
		return ret;
	if (c->del) {
		ret = do_delete(c, s, err);
	} else {
		struct store_batch saved = o->w.out;

		o->w.out = *c->rows;
		if (o->run.undo)
			ret = records_undo_before(&o->w, c->at, c->n, err);
		if (ret >= 0)
			ret = store_put(s, &o->own.to, c->rows, c->at, c->n,
					STORE_REPLACE, err);
		if (ret >= 0)
			c->changed = (int)c->n;
		if (ret >= 0 && o->run.undo)
			ret = records_undo_after(&o->w, c->at, c->n, err);
		o->w.out = saved;
	}
	return ret < 0 ? ret : unreject(c, s, err);
}

static int refuse_row(struct records_one *o, const struct store_batch *rows,
		      uint32_t row, const char *key, const struct error *why,
		      struct error *err)
{
	struct records_refused *r = &o->refused;

	if (r->keys.n >= REFUSED_MOST)
		return error_set(err, ERR_STORE, -EBADMSG,
			_("row %s of '%s': %s"), key, o->job->from.set,
			why->msg ? why->msg : "");
	if (!r->rows.ncol)
		store_batch_clear(&r->rows, o->job->to.ncol);
	for (uint32_t i = 0; i < o->job->to.ncol; i++) {
		const struct store_cell *c =
			rows ? store_batch_cell(rows, row, i) : NULL;
		const char *p = c ? store_batch_text(rows, c) : NULL;

		store_batch_add(&r->rows, c ? (enum store_type)c->type :
				STORE_TEXT, p, p ? (size_t)c->len : 0);
	}
	strvec_push(&r->keys, key);
	/* an empty one: the source cannot give it */
	strvec_push(&r->state, rows ? store_sqlstate(o->to) : "-");
	strvec_push(&r->why, why->msg ? why->msg : "");
	return 0;
}

/* Halves of it where something is refused, so that each of the others goes;
   refused: what is to be done with one that does not. */
typedef int refused_fn(struct change *c, const struct error *why,
		       struct error *err);
static int change(struct change *c, uint64_t *count, refused_fn *refused,
		  struct error *err)
{
	uint32_t end = c->at + c->n, step = c->n;

	while (c->at < end) {
		_cleanup_error_ struct error why = ERROR_INIT;
		int ret;

		c->n = MIN(step, end - c->at);
		c->changed = 0;
		ret = store_transact(c->o->to, do_change, c, TRIES, &why);
		if (store_class(ret) == STORE_CLASS_BADROW && !c->del &&
		    c->o->make_room) {
			int room = c->o->make_room(c->o->room_ctx, err);

			if (room < 0)
				return room;
			if (room)
				continue;
		}
		if (ret < 0 && c->n > 1 &&
		    (store_class(ret) == STORE_CLASS_BADROW ||
		     store_class(ret) == STORE_CLASS_SHRINK ||
		     store_class(ret) == STORE_CLASS_RETRY)) {
			step = c->n / 2;
			continue;
		}
		if (store_class(ret) == STORE_CLASS_BADROW) {
			ret = refused(c, &why, err);
		} else if (ret < 0) {
			error_move(err, &why);
			return ret;
		} else {
			*count += (uint64_t)c->changed;
		}
		if (ret < 0)
			return ret;
		c->at += c->n;
		if (c->keys)
			c->keys += c->n;
		step = MAX(step, 1u) * 2;
	}
	return 0;
}

static int refused_put(struct change *c, const struct error *why,
		       struct error *err)
{
	return refuse_row(c->o, c->rows, c->at, c->keys[0], why, err);
}

static int put_rows(struct records_one *o, const struct store_batch *rows,
		    uint32_t n, const struct strvec *keys, struct error *err)
{
	struct change c = { .o = o, .rows = rows, .n = n,
			    .keys = (const char *const *)keys->v };

	return n ? change(&c, &o->out.put, refused_put, err) : 0;
}

/* --- rows --- */

/* those of w->out that are wanted, with their keys */
static uint32_t choose(struct records_one *o, records_wanted_fn *wanted,
		       void *ctx, struct strvec *keys)
{
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	struct store_batch *out = &o->w.out;
	uint32_t n = 0;

	for (uint32_t row = 0; row < out->nrow; row++) {
		store_key(&o->w.rows, row, o->job->from.nkey, &key);
		if (wanted && !wanted(ctx, o, row, key.buf))
			continue;
		if (n != row)
			memcpy(&out->cell[(size_t)n * out->ncol],
			       &out->cell[(size_t)row * out->ncol],
			       out->ncol * sizeof(*out->cell));
		strvec_push(keys, key.buf);
		n++;
	}
	out->nrow = n;
	out->ncell = (size_t)n * out->ncol;
	return n;
}

static int tell(struct records_one *o, struct error *err)
{
	int ret = o->d->tick ?
		o->d->tick(o->d->ctx, *o->done, o->total) : 0;

	return ret >= 0 ? 0 : error_set(err, ERR_CANCELLED, ret,
					_("cancelled"));
}

static int page(struct records_one *o, struct strbuf *pos,
		records_wanted_fn *wanted, void *ctx, struct error *err)
{
	_cleanup_strvec_ struct strvec keys = STRVEC_INIT;
	_cleanup_error_ struct error why = ERROR_INIT;
	uint64_t start = clock_mono_ns();
	int ret = records_read(&o->w, &why);
	uint32_t n;

	if (ret < 0 && o->w.bad_key) {
		strbuf_clear(pos);
		strbuf_addstr(pos, o->w.bad_key);
		o->w.more = true;
		if (wanted && !wanted(ctx, o, UINT32_MAX, pos->buf))
			return 0;
		return refuse_row(o, NULL, 0, pos->buf, &why, err);
	}
	if (ret < 0) {
		if (store_class(ret) == STORE_CLASS_SHRINK &&
		    records_pace_next(&o->w.pace) > 1) {
			records_pace_halve(&o->w.pace,
					   records_pace_next(&o->w.pace));
			o->w.more = true;
			return 0;
		}
		error_move(err, &why);
		return ret;
	}
	if (!ret)
		return 0;
	records_project(&o->w);
	store_key(&o->w.rows, o->w.rows.nrow - 1, o->job->from.nkey, pos);
	n = choose(o, wanted, ctx, &keys);
	ret = put_rows(o, &o->w.out, n, &keys, err);
	if (ret == 0)
		records_pace_add(&o->w.pace, o->w.rows.nrow, o->w.rows.n,
				 clock_since(start));
	return ret < 0 ? ret : tell(o, err);
}

int records_one_put(struct records_one *o, records_wanted_fn *wanted,
		    void *ctx, struct error *err)
{
	_cleanup_strbuf_ struct strbuf pos = STRBUF_INIT;
	struct records_range part = { .part = 0 };
	int ret = 0;

	o->w.part = &part;
	o->w.more = true;
	while (ret == 0 && o->w.more) {
		part.pos = pos.len ? pos.buf : (char[]) { "" };
		ret = page(o, &pos, wanted, ctx, err);
	}
	o->w.part = NULL;
	return ret;
}

/* --- deletions --- */

static int refused_delete(struct change *c, const struct error *why,
			  struct error *err)
{
	struct records_one *o = c->o;
	char *key;

	(void)why;
	(void)err;
	/* compacted towards the front, where nobody looks any more */
	memmove(&o->gone.cell[(size_t)o->w.lost * o->gone.ncol],
		&o->gone.cell[(size_t)c->at * o->gone.ncol],
		o->gone.ncol * sizeof(*o->gone.cell));
	key = o->gone_keys.v[o->w.lost];
	o->gone_keys.v[o->w.lost] = o->gone_keys.v[c->at];
	o->gone_keys.v[c->at] = key;
	o->w.lost++;
	return 0;
}

int records_one_delete(struct records_one *o, struct error *err)
{
	uint32_t n = o->gone.nrow;
	int ret = 0;

	o->w.lost = 0; /* here: deletions that were refused */
	for (uint32_t at = 0; ret == 0 && at < n; at += DELETE_ROWS) {
		struct change c = { .o = o, .rows = &o->gone, .at = at,
			.n = MIN(DELETE_ROWS, n - at), .del = true,
			.keys = (const char *const *)&o->gone_keys.v[at] };

		ret = change(&c, &o->out.deleted, refused_delete, err);
		if (ret == 0)
			ret = tell(o, err);
	}
	if (ret < 0)
		return ret;
	o->gone.nrow = o->w.lost;
	o->gone.ncell = (size_t)o->w.lost * o->gone.ncol;
	while (o->gone_keys.n > o->w.lost) {
		free(o->gone_keys.v[--o->gone_keys.n]);
		o->gone_keys.v[o->gone_keys.n] = NULL;
	}
	return (int)o->gone.nrow;
}

/* --- what was refused --- */

int records_one_retry(struct records_one *o, struct error *err)
{
	struct records_refused old = o->refused;
	int ret = 0;

	memset(&o->refused, 0, sizeof(o->refused));
	for (uint32_t row = 0; ret == 0 && row < old.keys.n; row++) {
		struct change c = { .o = o, .rows = &old.rows, .at = row,
			.n = 1, .keys = (const char *const *)&old.keys.v[row] };
		const struct error why = { .msg = old.why.v[row] };

		if (!strcmp(old.state.v[row], "-"))
			ret = refuse_row(o, NULL, 0, old.keys.v[row], &why,
					 err);
		else
			ret = change(&c, &o->out.put, refused_put, err);
	}
	store_batch_release(&old.rows);
	strvec_release(&old.keys);
	strvec_release(&old.why);
	strvec_release(&old.state);
	return ret < 0 ? ret : (int)o->refused.keys.n;
}

struct aside {
	struct records_one *o;
	uint32_t row;
};

static int put_aside(void *ctx, struct store *s, struct error *err)
{
	struct aside *a = ctx;
	struct records_refused *r = &a->o->refused;
	const struct error why = { .msg = r->why.v[a->row] };
	struct change c = { .o = a->o, .n = 1,
			    .keys = (const char *const *)&r->keys.v[a->row] };
	struct store_batch out = a->o->w.out, rows = a->o->w.rows;
	char *bad = a->o->w.bad_key;
	int ret = records_may_commit(a->o->job, s, err);

	a->o->run.rejected++; /* so that the old entry is looked for */
	if (ret >= 0)
		ret = unreject(&c, s, err);
	a->o->run.rejected--;
	a->o->w.bad_key = r->keys.v[a->row];
	if (ret >= 0)
		ret = records_reject(&a->o->w, -1, r->state.v[a->row][0] == '-' ?
				     "" : r->state.v[a->row], &why, err);
	a->o->w.bad_key = bad;
	a->o->w.out = out;
	a->o->w.rows = rows;
	return ret;
}

int records_one_refuse(struct records_one *o, struct error *err)
{
	struct records_refused *r = &o->refused;

	for (uint32_t row = 0; row < r->keys.n; row++) {
		struct aside a = { .o = o, .row = row };
		uint64_t now = 0;
		int ret;

		if (!o->job->quarantine) {
			(void)error_set(err, ERR_STORE, -EBADMSG, "%s",
					r->why.v[row]);
			error_prefix(err, _("row %s of '%s'"), r->keys.v[row],
				     o->job->from.set);
			return -EBADMSG;
		}
		ret = store_transact(o->to, put_aside, &a, TRIES, err);
		if (ret == 0)
			ret = records_reject_count(o->to, o->job->marks, &now,
						   err);
		if (ret < 0)
			return ret;
		o->run.rejected = now;
		o->out.rejected++;
		if (now > o->job->max_bad)
			return error_set(err, ERR_STORE, -EBADMSG,
				ngettext("more than %ju row is bad",
					 "more than %ju rows are bad",
					 o->job->max_bad),
				(uintmax_t)o->job->max_bad);
	}
	return 0;
}
