/* SPDX-License-Identifier: MIT */
/*
 * Rows of a dump beside those that are there now: which are in one alone.
 *
 * A row is known by 64 bits of its digest. They are sorted, a part of them at
 * a time (by other bits of it), so that memory does not grow with the table:
 * both sides are read once for each part. Tables whose sums are equal are read
 * once, and the dump not at all. Beside several dumps rows are compared by the
 * columns that all have.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "store-dump-internal.h"
#include "store-internal.h"

/* of one side in one part: 16 MiB of hashes, as they are spread evenly */
#define PART_ROWS 2000000u

struct hashes {
	uint64_t *v;
	size_t n, cap;
};

/* rows that are wanted, by their hashes, and where they go */
struct picking {
	const struct hashes *h;
	bool *taken;
	store_sink_fn *sink;
	void *ctx;
	struct error *err;
	int ret;
};

struct side {
	struct hashes h;
	struct picking *pick;    /* NULL: they are collected */
	uint32_t part, parts;
	struct strbuf cut;       /* a row that is not yet at its end */
	/* fields that count, by their numbers, in this order; NULL: the row */
	const uint32_t *field;
	size_t field_n;
};

/* false: it is of another part */
static bool hash_row(const struct side *g, const char *row, size_t n,
		     uint64_t *ret)
{
	struct xxh128 x = xxh128_of(row, n);
	uint32_t which;

	memcpy(&which, x.b, sizeof(which));
	memcpy(ret, x.b + 8, sizeof(*ret));
	return which % g->parts == g->part;
}

/* in the text of COPY a tab ends a field, and nothing else is one */
static bool hash_fields(const struct side *g, const char *row, size_t n,
			uint64_t *ret)
{
	_cleanup_strbuf_ struct strbuf picked = STRBUF_INIT;

	if (!g->field)
		return hash_row(g, row, n, ret);
	for (size_t i = 0; i < g->field_n; i++) {
		const char *p = row, *end = row + n - 1, *tab;

		for (uint32_t k = 0; k < g->field[i] &&
		     (tab = memchr(p, '\t', (size_t)(end - p))); k++)
			p = tab + 1;
		tab = memchr(p, '\t', (size_t)(end - p));
		if (i)
			strbuf_addch(&picked, '\t');
		strbuf_add(&picked, p, (size_t)((tab ? tab : end) - p));
	}
	strbuf_addch(&picked, '\n');
	return hash_row(g, picked.buf, picked.len, ret);
}

/* the first of those, if there are several, that nobody took */
static bool take(struct picking *p, uint64_t hash)
{
	size_t lo = 0, hi = p->h->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (p->h->v[mid] < hash)
			lo = mid + 1;
		else
			hi = mid;
	}
	while (lo < p->h->n && p->h->v[lo] == hash && p->taken[lo])
		lo++;
	if (lo >= p->h->n || p->h->v[lo] != hash)
		return false;
	p->taken[lo] = true;
	return true;
}

static void add_row(struct side *g, const char *row, size_t n)
{
	uint64_t hash;

	if (!hash_fields(g, row, n, &hash))
		return;
	if (g->pick) {
		if (g->pick->ret >= 0 && take(g->pick, hash))
			g->pick->ret = g->pick->sink(g->pick->ctx, row, n,
						     g->pick->err);
		return;
	}
	VEC_GROW(g->h.v, g->h.n, g->h.cap);
	g->h.v[g->h.n++] = hash;
}

static int on_row(void *ctx, const char *row, size_t n,
		  _unused_ struct error *err)
{
	add_row(ctx, row, n);
	return 0;
}

/* lines out of pieces of any size */
static void add_piece(struct side *g, const char *p, size_t n)
{
	const char *nl;

	while (n && (nl = memchr(p, '\n', n))) {
		size_t len = (size_t)(nl - p) + 1;

		if (g->cut.len) {
			strbuf_add(&g->cut, p, len);
			add_row(g, g->cut.buf, g->cut.len);
			strbuf_clear(&g->cut);
		} else {
			add_row(g, p, len);
		}
		p += len;
		n -= len;
	}
	strbuf_add(&g->cut, p, n);
}

static int read_then(const struct store_load *l,
		     const struct store_dump_set *then, struct side *g,
		     struct error *err)
{
	const char *p;
	ssize_t n = l->open(l->ctx, then, err);

	if (n < 0)
		return (int)n;
	while ((n = l->source(l->ctx, &p, err)) > 0)
		add_piece(g, p, (size_t)n);
	return n < 0 ? (int)n : 0;
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void sort(struct hashes *h)
{
	if (h->n)
		qsort(h->v, h->n, sizeof(*h->v), by_value);
}

/* a row that is there twice counts twice */
static void count(struct hashes *then, struct hashes *now,
		  struct store_beside *ret)
{
	size_t i = 0, k = 0;

	sort(then);
	sort(now);
	while (i < then->n && k < now->n)
		if (then->v[i] == now->v[k]) {
			i++;
			k++;
		} else if (then->v[i] < now->v[k]) {
			ret->then++;
			i++;
		} else {
			ret->now++;
			k++;
		}
	ret->then += then->n - i;
	ret->now += now->n - k;
}

static int one_part(struct store *s, const struct store_load *l,
		    const struct store_dump_set *then,
		    struct store_dump_set *now, uint32_t part, uint32_t parts,
		    struct store_beside *ret, struct error *err)
{
	struct side a = { .part = part, .parts = parts, .cut = STRBUF_INIT };
	struct side b = a;
	int r = read_then(l, then, &a, err);

	if (r >= 0)
		r = store_dump_rows(s, now, on_row, &b, err);
	if (r >= 0)
		count(&a.h, &b.h, ret);
	free(a.h.v);
	free(b.h.v);
	strbuf_release(&a.cut);
	return r;
}

/* the columns of then alone, in its order; false: some are gone */
static bool same_columns(const struct store_dump_set *then,
			 struct store_dump_set *now)
{
	for (size_t i = 0; i < then->columns.n; i++)
		if (!strvec_has(&now->columns, then->columns.v[i]))
			return false;
	strvec_clear(&now->columns);
	strvec_copy(&now->columns, &then->columns);
	return true;
}

/* where there is nothing to compare them with */
static int count_rows(struct store *s, struct store_dump_set *set,
		      struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_free_ char *sql = xasprintf("SELECT count(*) FROM %s",
					     set->full ? set->full : "");
	int ret;

	set->rows = 0;
	if (!store_dump_has_rows(set))
		return 0;
	ret = store_exec(s, sql, NULL, &b, err);
	if (ret > 0)
		set->rows = (uint64_t)store_batch_int(&b, 0, 0);
	return MIN(ret, 0);
}

int store_dump_beside(struct store *s, const struct store_load *l,
		      const struct store_dump_set *then,
		      struct store_dump_set *now, struct store_beside *ret,
		      struct error *err)
{
	bool alike = then && then->full && now->full &&
		same_columns(then, now);
	bool none = !alike || !then->rows;
	uint32_t parts;
	int r = none ? count_rows(s, now, err) :
		store_dump_rows(s, now, NULL, NULL, err);

	memset(ret, 0, sizeof(*ret));
	ret->rows = now->rows;
	if (r < 0 || (!none && then->rows == now->rows &&
		      xxh128_equal(&then->sum, &now->sum)))
		return r;
	if (none || !now->rows) {
		ret->then = then ? then->rows : 0;
		ret->now = now->rows;
		return 0;
	}
	parts = (uint32_t)(MAX(then->rows, now->rows) / PART_ROWS) + 1;
	for (uint32_t i = 0; r >= 0 && i < parts; i++)
		r = one_part(s, l, then, now, i, parts, ret, err);
	return r;
}

/* --- beside two --- */

static uint32_t *fields_of(const struct store_dump_set *then,
			   const struct strvec *columns)
{
	uint32_t *ret = xcalloc(columns->n + 1, sizeof(*ret));

	for (size_t i = 0; i < columns->n; i++)
		for (uint32_t k = 0; k < then->columns.n; k++)
			if (!strcmp(then->columns.v[k], columns->v[i]))
				ret[i] = k;
	return ret;
}

/* what of now a has as well is taken out of it */
static void take_out(const struct hashes *a, struct hashes *now)
{
	size_t i = 0, n = 0;

	for (size_t k = 0; k < now->n; k++) {
		while (i < a->n && a->v[i] < now->v[k])
			i++;
		if (i < a->n && a->v[i] == now->v[k])
			i++;
		else
			now->v[n++] = now->v[k];
	}
	now->n = n;
}

/* --- in none of several --- */

static bool is_there(const struct store_dump_set *then)
{
	return then && then->full && store_dump_has_rows(then);
}

static bool is_same(const struct store_dump_set *a,
		    const struct store_dump_set *b)
{
	if (a->rows != b->rows || !xxh128_equal(&a->sum, &b->sum) ||
	    a->columns.n != b->columns.n)
		return false;
	for (size_t i = 0; i < a->columns.n; i++)
		if (strcmp(a->columns.v[i], b->columns.v[i]) != 0)
			return false;
	return true;
}

/* those of one side by the columns that count; picked, or collected */
static int read_side(const struct store_dump_one *one,
		     const struct strvec *columns, struct side *g,
		     struct error *err)
{
	_cleanup_free_ uint32_t *field = fields_of(one->set, columns);
	int ret;

	g->field = field;
	g->field_n = columns->n;
	ret = one->s ? store_dump_rows(one->s, one->set, on_row, g, err) :
	      read_then(one->l, one->set, g, err);
	g->field = NULL;
	strbuf_release(&g->cut);
	return ret;
}

static int left_part(const struct store_dump_one *from,
		     const struct store_dump_one *known, size_t n,
		     const struct strvec *columns, struct side part,
		     struct picking *pick, struct error *err)
{
	struct side mine = part;
	int ret = read_side(from, columns, &mine, err);

	sort(&mine.h);
	for (size_t i = 0; ret >= 0 && mine.h.n && i < n; i++) {
		struct side a = part;

		if (!is_there(known[i].set) || !known[i].set->rows)
			continue;
		ret = read_side(&known[i], columns, &a, err);
		sort(&a.h);
		take_out(&a.h, &mine.h);
		free(a.h.v);
	}
	if (ret >= 0 && mine.h.n) {
		struct side g = part;

		g.pick = pick;
		pick->h = &mine.h;
		pick->taken = xcalloc(mine.h.n, sizeof(*pick->taken));
		ret = read_side(from, columns, &g, err);
		free(pick->taken);
	}
	free(mine.h.v);
	return ret < 0 ? ret : pick->ret;
}

int store_dump_left(const struct store_dump_one *from,
		    const struct store_dump_one *known, size_t n,
		    store_sink_fn *sink, void *ctx, struct error *err)
{
	_cleanup_strvec_ struct strvec columns = STRVEC_INIT;
	struct picking pick = { .sink = sink, .ctx = ctx, .err = err };
	struct side part = { .cut = STRBUF_INIT };
	int ret = 0;

	for (size_t i = 0; i < n; i++)
		if (is_there(known[i].set) && is_same(known[i].set, from->set))
			return 0;
	for (size_t i = 0; i < from->set->columns.n; i++) {
		const char *name = from->set->columns.v[i];
		bool all = true;

		for (size_t k = 0; all && k < n; k++)
			all = !is_there(known[k].set) ||
			      strvec_has(&known[k].set->columns, name);
		if (all)
			strvec_push(&columns, name);
	}
	if (!columns.n) {
		n = 0;
		strvec_copy(&columns, &from->set->columns);
	}
	part.parts = (uint32_t)(from->set->rows / PART_ROWS) + 1;
	for (; ret >= 0 && from->set->rows && part.part < part.parts;
	     part.part++)
		ret = left_part(from, known, n, &columns, part, &pick, err);
	return ret;
}

/* --- and of how many of these the key is taken --- */

struct keyed {
	const uint32_t *field;
	size_t field_n;
	struct hashes keys;      /* 0 fields: none */
	uint64_t n;
};

static int on_other(void *ctx, const char *row, size_t n,
		    _unused_ struct error *err)
{
	struct keyed *k = ctx;
	const struct side g = { .parts = 1, .field = k->field,
				.field_n = k->field_n };

	k->n++;
	if (!k->field_n)
		return 0;
	VEC_GROW(k->keys.v, k->keys.n, k->keys.cap);
	(void)hash_fields(&g, row, n, &k->keys.v[k->keys.n++]);
	return 0;
}

/* one of the keys came along */
static int on_key(void *ctx, _unused_ const char *row,
		  _unused_ size_t n, _unused_ struct error *err)
{
	uint64_t *taken = ctx;

	++*taken;
	return 0;
}

static int primary_key(struct store *s, const char *full, struct strvec *ret,
		       struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int r = store_exec_text(s, "SELECT a.attname FROM pg_catalog.pg_index i "
		"JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND "
		"a.attnum = ANY (i.indkey) WHERE i.indisprimary AND "
		"i.indrelid = $1::regclass", &full, 1, &b, err);

	for (uint32_t i = 0; r >= 0 && i < b.nrow; i++) {
		const struct store_cell *c = store_batch_cell(&b, i, 0);
		_cleanup_free_ char *name = xstrndup(store_batch_text(&b, c),
						     (size_t)c->len);

		strvec_push(ret, name);
	}
	return MIN(r, 0);
}

static bool has_all(const struct store_dump_set *s, const struct strvec *key)
{
	for (size_t i = 0; i < key->n; i++)
		if (!strvec_has(&s->columns, key->v[i]))
			return false;
	return key->n;
}

int store_dump_others(const struct store_dump_one *now,
		      const struct store_dump_one *known, size_t n,
		      uint64_t *others, uint64_t *taken, struct error *err)
{
	_cleanup_strvec_ struct strvec key = STRVEC_INIT;
	_cleanup_free_ uint32_t *field = NULL;
	struct keyed k = { .n = 0 };
	int ret = primary_key(now->s, now->set->full, &key, err);

	k.field = field = fields_of(now->set, &key);
	if (is_there(known->set) && has_all(now->set, &key) &&
	    has_all(known->set, &key))
		k.field_n = key.n;
	if (ret >= 0)
		ret = store_dump_left(now, known, n, on_other, &k, err);
	*others = k.n;
	*taken = 0;
	if (ret >= 0 && k.keys.n) {
		struct side g = { .parts = 1, .cut = STRBUF_INIT };
		struct picking pick = { .h = &k.keys, .sink = on_key,
					.ctx = taken };

		sort(&k.keys);
		pick.taken = xcalloc(k.keys.n, sizeof(*pick.taken));
		g.pick = &pick;
		ret = read_side(known, &key, &g, err);
		free(pick.taken);
	}
	free(k.keys.v);
	return ret;
}
