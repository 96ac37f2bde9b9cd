/* SPDX-License-Identifier: MIT */
/*
 * Rows of a dump beside those that are there now: which are in one alone.
 *
 * A row is known by 64 bits of its digest. They are sorted, a part of them at
 * a time (by other bits of it), so that memory does not grow with the table:
 * both sides are read once for each part. Tables whose sums are equal are read
 * once, and the dump not at all. Beside two dumps rows are compared by the
 * columns that all three have.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "store-dump-internal.h"

/* of one side in one part: 16 MiB of hashes, as they are spread evenly */
#define PART_ROWS 2000000u

struct hashes {
	uint64_t *v;
	size_t n, cap;
};

struct side {
	struct hashes h;
	uint32_t part, parts;
	struct strbuf cut;       /* a row that is not yet at its end */
	/* fields that count, by their numbers, in this order; NULL: the row */
	const uint32_t *field;
	size_t field_n;
};

static void add_row(struct side *g, const char *row, size_t n)
{
	struct xxh128 x = xxh128_of(row, n);
	uint32_t which;
	uint64_t hash;

	memcpy(&which, x.b, sizeof(which));
	memcpy(&hash, x.b + 8, sizeof(hash));
	if (which % g->parts != g->part)
		return;
	VEC_GROW(g->h.v, g->h.n, g->h.cap);
	g->h.v[g->h.n++] = hash;
}

/* in the text of COPY a tab ends a field, and nothing else is one */
static void add_fields(struct side *g, const char *row, size_t n)
{
	_cleanup_strbuf_ struct strbuf picked = STRBUF_INIT;

	if (!g->field) {
		add_row(g, row, n);
		return;
	}
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
	add_row(g, picked.buf, picked.len);
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
			add_fields(g, g->cut.buf, g->cut.len);
			strbuf_clear(&g->cut);
		} else {
			add_fields(g, p, len);
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

int store_dump_beside(struct store *s, const struct store_load *l,
		      const struct store_dump_set *then,
		      struct store_dump_set *now, struct store_beside *ret,
		      struct error *err)
{
	bool alike = then && then->full && now->full &&
		same_columns(then, now);
	uint32_t parts;
	int r = store_dump_rows(s, now, NULL, NULL, err);

	memset(ret, 0, sizeof(*ret));
	ret->rows = now->rows;
	if (r < 0 || (alike && then->rows == now->rows &&
		      xxh128_equal(&then->sum, &now->sum)))
		return r;
	if (!alike || !then->rows || !now->rows) {
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

static int neither_part(struct store *s, const struct store_load *const l[2],
			const struct store_dump_set *const then[2],
			struct store_dump_set *now, uint32_t part,
			uint32_t parts, uint64_t *ret, struct error *err)
{
	struct side b = { .part = part, .parts = parts, .cut = STRBUF_INIT };
	int r = store_dump_rows(s, now, on_row, &b, err);

	sort(&b.h);
	for (int i = 0; r >= 0 && i < 2; i++) {
		struct side a = { .part = part, .parts = parts,
				  .cut = STRBUF_INIT };
		_cleanup_free_ uint32_t *field = NULL;

		if (!then[i] || !then[i]->rows)
			continue;
		a.field = field = fields_of(then[i], &now->columns);
		a.field_n = now->columns.n;
		r = read_then(l[i], then[i], &a, err);
		sort(&a.h);
		take_out(&a.h, &b.h);
		free(a.h.v);
		strbuf_release(&a.cut);
	}
	*ret += b.h.n;
	free(b.h.v);
	strbuf_release(&b.cut);
	return r;
}

int store_dump_neither(struct store *s, const struct store_load *const l[2],
		       const struct store_dump_set *const then[2],
		       struct store_dump_set *now, uint64_t *ret,
		       struct error *err)
{
	struct strvec all = now->columns;
	uint32_t parts;
	int r;

	*ret = 0;
	now->columns = (struct strvec)STRVEC_INIT;
	for (size_t i = 0; i < all.n; i++)
		if ((!then[0] || !then[0]->full ||
		     strvec_has(&then[0]->columns, all.v[i])) &&
		    (!then[1] || !then[1]->full ||
		     strvec_has(&then[1]->columns, all.v[i])))
			strvec_push(&now->columns, all.v[i]);
	r = store_dump_rows(s, now, NULL, NULL, err);
	parts = (uint32_t)(now->rows / PART_ROWS) + 1;
	if (!now->columns.n)
		*ret = now->rows;
	for (uint32_t i = 0; r >= 0 && now->columns.n && i < parts; i++)
		r = neither_part(s, l, then, now, i, parts, ret, err);
	strvec_release(&now->columns);
	now->columns = all;
	return r;
}
