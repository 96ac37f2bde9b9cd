/* SPDX-License-Identifier: MIT */
/* The order of work: count, digest by segment, cut, read, look again. */
#include "records-verify.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/i18n.h"
#include "records-internal.h"

#define SEGMENT_ROWS 20000u
#define SAMPLE_ROWS 10000u
#define PAUSE_S 5.0
/* parts of a segment that differs; fewer rows than this are not cut */
#define CUTS 16u
#define CUT_ROWS 256u
/* how many are looked at before it is said that most differ */
#define JUDGED 4u
#define NAP_MS 100
#define SPLIT_TRIES 6
/* of a table whose digest is asked for in one piece */
#define WHOLE_ROWS 4000000u

const char *records_level_name(enum records_level level)
{
	static const char *const names[] = {
		"basic", "standard", "rigorous", "forensic",
	};

	return names[level];
}

const char *records_kind_name(enum records_kind kind)
{
	static const char *const names[] = {
		"missing", "different", "extra", "equivalent",
	};

	return names[kind];
}

uint64_t records_bad(const struct records_verdict *r)
{
	return r->n[RECORDS_MISSING] + r->n[RECORDS_DIFFERENT] +
		r->n[RECORDS_EXTRA];
}

void records_progress(struct records_pass *p, uint64_t rows)
{
	if (!pthread_equal(pthread_self(), p->caller))
		return;
	p->done += rows;
	if (p->spec->progress)
		p->spec->progress(p->spec->ctx, MIN(p->done, p->total),
				  p->total);
}

int records_cancelled(struct records_pass *p, struct error *err)
{
	if (!p->spec->cancelled ||
	    !pthread_equal(pthread_self(), p->caller) ||
	    !p->spec->cancelled(p->spec->ctx))
		return 0;
	return error_set(err, ERR_CANCELLED, -ECANCELED,
			 _("the comparison was stopped"));
}

/* --- differences --- */

static int tell(struct records_pass *p, const struct records_held *d,
		struct error *err)
{
	struct records_found f = { .kind = d->kind, .key = d->key,
				   .col = d->col, .ncol = d->ncol };

	return p->spec->found(p->spec->ctx, &f, err);
}

static void drop_held(struct records_pass *p)
{
	for (size_t i = 0; i < p->nheld; i++) {
		free(p->held[i].key);
		free(p->held[i].col);
	}
	p->nheld = 0;
}

/* there will be no second look: what was held is told now */
static int tell_held(struct records_pass *p, struct error *err)
{
	int ret = 0;

	p->hold = false;
	for (size_t i = 0; ret >= 0 && i < p->nheld; i++)
		ret = tell(p, &p->held[i], err);
	drop_held(p);
	return ret;
}

static int hold(struct records_pass *p, const struct records_held *d,
		struct error *err)
{
	struct records_held *h;

	if (p->nheld >= RECORDS_HELD_MAX) {
		int ret = tell_held(p, err);

		return ret < 0 ? ret : tell(p, d, err);
	}
	VEC_GROW(p->held, p->nheld, p->heldcap);
	h = &p->held[p->nheld++];
	*h = *d;
	h->key = xstrdup(d->key);
	h->col = xcalloc(MAX(d->ncol, 1u), sizeof(*h->col));
	for (uint32_t i = 0; i < d->ncol; i++)
		h->col[i] = d->col[i];
	return 0;
}

int records_tell(struct records_pass *p, enum records_kind kind,
		 const struct store_batch *b, uint32_t row, uint32_t ncol,
		 struct error *err)
{
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	struct records_held d = { .kind = kind, .col = p->cols, .ncol = ncol };

	/* they were told the first time, and do not settle */
	if (p->second && kind == RECORDS_EQUIVALENT)
		return 0;
	p->out->n[kind]++;
	store_key(b, row, p->nkey, &key);
	d.key = key.buf;
	if (p->hold && kind != RECORDS_EQUIVALENT)
		return hold(p, &d, err);
	return tell(p, &d, err);
}

/* --- segments --- */

/* stores that cannot cut: their keys are read */
static int cut_by_scan(struct records_pass *p, const char *lo, const char *hi,
		       uint64_t every, struct store_batch *ret,
		       struct error *err)
{
	struct store_shape shape = *p->side[0].shape;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	uint32_t limit = (uint32_t)MIN(every, SEGMENT_ROWS);
	uint64_t n = 0;
	int got;

	shape.ncol = p->nkey;
	store_batch_clear(ret, p->nkey);
	do {
		got = store_scan(p->side[0].store, &shape,
				 key.len ? key.buf : lo, hi, limit, &b, err);
		if (got <= 0)
			return got;
		store_key(&b, b.nrow - 1, p->nkey, &key);
		n += (uint64_t)got;
		if (n >= every) {
			n = 0;
			if (store_key_cells(key.buf, ret) < 0)
				BUG("a key that was made here");
		}
	} while ((uint32_t)got == limit);
	return 0;
}

int records_cut(struct records_pass *p, const char *lo, const char *hi,
		uint64_t every, struct store_batch *ret, struct error *err)
{
	for (int i = 0;; i++) {
		_cleanup_error_ struct error now = ERROR_INIT;
		int r = store_split(p->side[0].store, p->side[0].shape, lo, hi,
				    every, ret, &now);

		if (r == -EOPNOTSUPP)
			return cut_by_scan(p, lo, hi, every, ret, err);
		/* more parts than one answer holds */
		if (r != -E2BIG || i == SPLIT_TRIES) {
			if (r < 0 && err)
				error_move(err, &now);
			return MIN(r, 0);
		}
		every *= 4;
	}
}

struct digesting {
	struct records_pass *p;
	const char *lo, *hi;
	struct store_digest *d;
};

static int digest_side(void *digesting, int side, struct error *err)
{
	struct digesting *g = digesting;
	const struct records_side *s = &g->p->side[side];

	return store_digest(s->store, s->shape, g->lo, g->hi, &g->d[side],
			    err);
}

static int digest(struct records_pass *p, const char *lo, const char *hi,
		  struct store_digest d[2], struct error *err)
{
	struct digesting g = { p, lo, hi, d };
	int ret = records_cancelled(p, err);

	if (ret >= 0)
		ret = records_both(p, digest_side, &g, err);
	for (int i = 0; ret >= 0 && i < 2; i++)
		p->out->read[i] += d[i].n;
	p->out->digests++;
	return ret;
}

static bool equal(const struct store_digest d[2])
{
	return d[0].n == d[1].n && d[0].sum == d[1].sum;
}

/* how many of the parts so far differ: is it worth to cut? */
struct judge {
	uint32_t seen, differ;
};

static bool most(const struct judge *j)
{
	return j->seen >= JUDGED && j->differ * 2 >= j->seen;
}

/* the ends of parts, one behind the other; the last is that of the whole */
struct ends {
	struct store_batch b;
	uint32_t i;
	struct strbuf lo, hi;
	const char *from, *until, *last;
};

static void ends_release(struct ends *e)
{
	store_batch_release(&e->b);
	strbuf_release(&e->lo);
	strbuf_release(&e->hi);
}
#define _cleanup_ends_ _cleanup_(ends_release)

static int ends_make(struct ends *e, struct records_pass *p, const char *lo,
		     const char *hi, uint64_t every, struct error *err)
{
	memset(e, 0, sizeof(*e));
	strbuf_init(&e->lo);
	strbuf_init(&e->hi);
	e->until = lo;
	e->last = hi;
	return records_cut(p, lo, hi, every, &e->b, err);
}

static bool ends_next(struct ends *e)
{
	if (e->i > e->b.nrow)
		return false;
	if (e->i) {
		strbuf_clear(&e->lo);
		strbuf_add(&e->lo, e->hi.buf, e->hi.len);
		e->from = e->lo.buf;
	} else {
		e->from = e->until;
	}
	if (e->i < e->b.nrow) {
		store_key(&e->b, e->i, e->b.ncol, &e->hi);
		e->until = e->hi.buf;
	} else {
		e->until = e->last;
	}
	e->i++;
	return true;
}

/* a segment of n rows that differs */
static int recut(struct records_pass *p, const char *lo, const char *hi,
		 uint64_t n, struct error *err)
{
	_cleanup_ends_ struct ends e = { .i = 1 };
	struct judge j = { 0 };
	struct store_digest d[2];
	int ret;

	if (n <= CUT_ROWS)
		return records_merge(p, lo, hi, err);
	ret = ends_make(&e, p, lo, hi, (n + CUTS - 1) / CUTS, err);
	while (ret >= 0 && ends_next(&e)) {
		if (most(&j))
			return records_merge(p, e.from, hi, err);
		ret = digest(p, e.from, e.until, d, err);
		j.seen++;
		if (ret < 0 || equal(d))
			continue;
		j.differ++;
		ret = records_merge(p, e.from, e.until, err);
	}
	return ret;
}

/* One digest of it all, if a statement can do that in good time: most tables
   are as they should be. 1: they are. */
static int same_whole(struct records_pass *p, struct error *err)
{
	struct store_digest d[2];
	int ret;

	if (MAX(p->out->rows[0], p->out->rows[1]) > WHOLE_ROWS)
		return 0;
	ret = digest(p, NULL, NULL, d, err);
	if (ret < 0 || !equal(d))
		return ret;
	records_progress(p, d[0].n);
	return 1;
}

static int by_ranges(struct records_pass *p, struct error *err)
{
	uint32_t every = p->spec->segment ? p->spec->segment : SEGMENT_ROWS;
	_cleanup_ends_ struct ends e = { .i = 1 };
	struct judge j = { 0 };
	struct store_digest d[2];
	int ret;

	if (p->all || !p->out->rows[0] || !p->out->rows[1])
		return records_merge(p, NULL, NULL, err);
	ret = same_whole(p, err);
	if (ret)
		return MIN(ret, 0);
	ret = ends_make(&e, p, NULL, NULL, every, err);
	while (ret >= 0 && ends_next(&e)) {
		uint64_t done = p->done;

		if (most(&j))
			return records_merge(p, e.from, NULL, err);
		ret = digest(p, e.from, e.until, d, err);
		j.seen++;
		if (ret >= 0 && !equal(d)) {
			j.differ++;
			ret = !d[0].n || !d[1].n ?
				records_merge(p, e.from, e.until, err) :
				recut(p, e.from, e.until,
				      MAX(d[0].n, d[1].n), err);
		}
		p->done = done;
		records_progress(p, d[0].n);
	}
	return ret;
}

/* --- the whole --- */

static int count_side(void *pass, int side, struct error *err)
{
	struct records_pass *p = pass;

	return store_count(p->side[side].store, p->side[side].shape,
			   &p->out->rows[side], err);
}

/* To count a file is to read it, which the comparison does in any case. */
static int count(struct records_pass *p, struct error *err)
{
	bool must = p->spec->level == RECORDS_BASIC || p->ranges;
	int ret;

	if (!must && !(store_can(p->side[0].store, STORE_CAP_SQL) &&
		       store_can(p->side[1].store, STORE_CAP_SQL)))
		return 0;
	ret = records_both(p, count_side, p, err);
	p->total = p->out->rows[0];
	/* nothing to compare with: a reading for the rows is enough */
	if (!p->disorder && (!p->out->rows[0] || !p->out->rows[1]))
		p->ranges = true;
	return ret;
}

int records_anew(struct records_pass *p, struct error *err)
{
	drop_held(p);
	memset(p->out->n, 0, sizeof(p->out->n));
	memset(p->part_rows, 0, sizeof(p->part_rows));
	memset(p->part_digest, 0, sizeof(p->part_digest));
	p->done = 0;
	p->disorder = true;
	p->hold = !p->second && p->spec->level >= RECORDS_RIGOROUS &&
		p->spec->pause_s >= 0;
	p->second = false;
	p->out->sampled = 0;
	return p->spec->again ? p->spec->again(p->spec->ctx, err) : 0;
}

static int spans_again(struct records_pass *p, struct error *err)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < p->nspan; i++)
		ret = records_merge(p, p->span[i].lo, p->span[i].hi, err);
	return ret;
}

static int compare(struct records_pass *p, struct error *err)
{
	uint64_t sampled = p->spec->sample ? p->spec->sample : SAMPLE_ROWS;
	bool some = p->spec->level == RECORDS_RIGOROUS;
	int ret = 0;

	if (p->second ? !p->out->by_hash : p->ranges) {
		ret = p->second ? spans_again(p, err) : by_ranges(p, err);
		if (ret >= 0 && some && !p->second && !p->all)
			ret = records_sample(p, sampled, err);
		if (ret != RECORDS_DISORDER)
			return ret;
		ret = records_anew(p, err);
		if (ret < 0)
			return ret;
	}
	return records_by_hash(p, some && !p->second ? sampled : 0, err);
}

/* one state of each side */
static int in_one_state(struct records_pass *p,
			int (*fn)(struct records_pass *p, struct error *err),
			struct error *err)
{
	int ret = store_begin(p->side[0].store, false, err);

	if (ret >= 0 && p->side[1].store != p->side[0].store)
		ret = store_begin(p->side[1].store, false, err);
	if (ret >= 0)
		ret = fn(p, err);
	store_abort(p->side[0].store);
	store_abort(p->side[1].store);
	return ret;
}

static int first_look(struct records_pass *p, struct error *err)
{
	uint64_t sampled = p->spec->sample ? p->spec->sample : SAMPLE_ROWS;
	int ret;

	p->all = p->spec->level == RECORDS_FORENSIC;
	p->ranges = !p->disorder && (p->all || p->server);
	ret = count(p, err);
	if (ret < 0 || p->spec->level == RECORDS_BASIC)
		return ret;
	/* few rows are soon read; no sample is as good as all */
	if (p->ranges && p->spec->level == RECORDS_RIGOROUS &&
	    p->out->rows[0] <= sampled)
		p->all = true;
	if (p->all)
		p->out->sampled = p->out->rows[0];
	return compare(p, err);
}

static int pause_before(struct records_pass *p, struct error *err)
{
	double pause = p->spec->pause_s > 0 ? p->spec->pause_s : PAUSE_S;
	uint64_t begun = clock_mono_ns();
	int ret;

	do {
		const struct timespec nap = { .tv_nsec = NAP_MS * 1000000 };

		ret = records_cancelled(p, err);
		(void)nanosleep(&nap, NULL);
	} while (ret >= 0 && clock_since(begun) < pause);
	return ret;
}

static int second_look(struct records_pass *p, struct error *err)
{
	uint64_t before = p->nheld;
	uint64_t equivalent = p->out->n[RECORDS_EQUIVALENT];
	int ret = pause_before(p, err);

	drop_held(p);
	p->hold = false;
	p->second = true;
	p->all = false;
	for (int i = 0; i < RECORDS_EQUIVALENT; i++)
		p->out->n[i] = 0;
	if (ret >= 0)
		ret = in_one_state(p, compare, err);
	if (p->second)
		p->out->n[RECORDS_EQUIVALENT] = equivalent;
	if (ret >= 0 && records_bad(p->out) < before)
		p->out->settled = before - records_bad(p->out);
	return ret;
}

static void release(struct records_pass *p)
{
	drop_held(p);
	free(p->held);
	for (size_t i = 0; i < p->nspan; i++) {
		free(p->span[i].lo);
		free(p->span[i].hi);
	}
	free(p->span);
	free(p->hot);
	free(p->bucket[0]);
	free(p->bucket[1]);
	free(p->sort);
	free(p->cols);
	store_kinds_release(&p->kinds);
}

/* Times with T and Z, UUIDs in capitals: their digests are others, and so may be
   the order of the keys. */
static int know_forms(struct records_pass *p, struct error *err)
{
	const struct records_side *s = p->side;
	int ret;

	if (s[1].hidden)
		return 0;
	ret = store_kinds(s[1].store, s[1].shape, &p->kinds, err);
	if (store_kinds_have_forms(&p->kinds) && !store_is_pg(s[0].store))
		p->disorder = true;
	else
		store_kinds_release(&p->kinds);
	return ret;
}

int records_verify(const struct records_spec *spec,
		   struct records_verdict *ret, struct error *err)
{
	struct records_pass p = { .spec = spec, .out = ret };
	int r;

	memset(ret, 0, sizeof(*ret));
	p.side[0] = spec->old;
	p.side[1] = spec->now;
	p.ncol = spec->old.shape->ncol - spec->old.hidden;
	p.nkey = spec->nkey ? spec->nkey : spec->old.shape->nkey;
	if (spec->now.shape->ncol - spec->now.hidden != p.ncol ||
	    p.nkey > p.ncol)
		BUG("two shapes that are not the same");
	p.caller = pthread_self();
	p.disorder = spec->old.hidden || spec->now.hidden;
	/* both: inside of a transaction it is too late to try */
	p.server = store_can(spec->old.store, STORE_CAP_DIGEST) |
		store_can(spec->now.store, STORE_CAP_DIGEST);
	p.cols = xcalloc(p.ncol, sizeof(*p.cols));
	p.sort = xcalloc(p.nkey, 1);
	p.hold = spec->level >= RECORDS_RIGOROUS && spec->pause_s >= 0;
	r = know_forms(&p, err);
	if (r >= 0)
		r = in_one_state(&p, first_look, err);
	if (r >= 0 && p.nheld)
		r = second_look(&p, err);
	if (r >= 0)
		r = tell_held(&p, err);
	release(&p);
	return MIN(r, 0);
}
