/* SPDX-License-Identifier: MIT */
/* The rows of a range, a batch at a time, with a look at their order. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "records-internal.h"

#define ROWS_FIRST 256
#define ROWS_MAX 5000
#define BATCH_BYTES (4u << 20)

static int key_cells(const char *key, uint32_t nkey, struct store_batch *b)
{
	store_batch_clear(b, nkey);
	return key ? store_key_cells(key, b) : 0;
}

int records_cursor_open(struct records_cursor *c, struct records_pass *p,
			int side, const char *lo, const char *hi,
			struct error *err)
{
	memset(c, 0, sizeof(*c));
	strbuf_init(&c->last);
	c->p = p;
	c->side = side;
	c->lo = lo;
	c->hi = hi;
	c->limit = ROWS_FIRST;
	if (key_cells(lo, p->nkey, &c->before) < 0 ||
	    key_cells(hi, p->nkey, &c->hi_cells) < 0)
		return error_set(err, ERR_STORE, -EINVAL,
				 _("'%s' is no key"), lo ? lo : hi);
	return 0;
}

void records_cursor_release(struct records_cursor *c)
{
	store_batch_release(&c->b);
	store_batch_release(&c->raw);
	store_batch_release(&c->before);
	store_batch_release(&c->hi_cells);
	strbuf_release(&c->last);
}

static void copy_key(struct records_cursor *c, uint32_t row)
{
	store_batch_clear(&c->before, c->p->nkey);
	for (uint32_t i = 0; i < c->p->nkey; i++) {
		const struct store_cell *x = store_batch_cell(&c->b, row, i);
		const char *t = store_batch_text(&c->b, x);

		store_batch_add(&c->before, (enum store_type)x->type, t,
				t ? (size_t)x->len : 0);
	}
}

/* each key behind the one before it, and none behind the end */
static bool in_order(const struct records_cursor *c)
{
	uint32_t n = c->p->nkey;

	if (!c->b.nrow)
		return true;
	for (uint32_t i = 0; i < c->b.nrow; i++)
		if (!records_key_sort(&c->b, i, n, c->p->sort))
			return false;
	if (c->before.nrow &&
	    records_key_cmp(&c->before, 0, &c->b, 0, n) >= 0)
		return false;
	for (uint32_t i = 1; i < c->b.nrow; i++)
		if (records_key_cmp(&c->b, i - 1, &c->b, i, n) >= 0)
			return false;
	return !c->hi_cells.nrow ||
		records_key_cmp(&c->b, c->b.nrow - 1, &c->hi_cells, 0, n) <= 0;
}

static bool is_empty(const struct records_cursor *c)
{
	return c->at >= c->b.nrow && !c->end;
}

/* in whatever thread */
static int fetch(struct records_cursor *c, struct error *err)
{
	const struct records_side *s = &c->p->side[c->side];
	bool more;
	int n;

	if (c->b.nrow) {
		copy_key(c, c->b.nrow - 1);
		store_key(s->hidden ? &c->raw : &c->b, c->b.nrow - 1,
			  s->shape->nkey, &c->last);
	}
	n = store_scan_some(s->store, s->shape,
			    c->last.len ? c->last.buf : c->lo, c->hi, c->limit,
			    BATCH_BYTES, s->hidden ? &c->raw : &c->b, &more,
			    err);
	if (n < 0)
		return n;
	if (s->hidden)
		records_unhide(&c->raw, s->hidden, &c->b);
	c->p->out->read[c->side] += (uint64_t)n;
	c->end = !more;
	c->at = 0;
	c->fresh = true;
	/* wide rows come in fewer at a time */
	if (c->b.n > BATCH_BYTES)
		c->limit = MAX(c->limit / 2, 1u);
	else if (c->b.n < BATCH_BYTES / 4)
		c->limit = MIN(c->limit * 4, ROWS_MAX);
	return 0;
}

static int fetch_side(void *cursors, int side, struct error *err)
{
	struct records_cursor *c = cursors;

	return fetch(&c[side], err);
}

int records_cursors_fill(struct records_cursor c[2], struct error *err)
{
	bool a = is_empty(&c[0]), b = is_empty(&c[1]);
	int ret;

	while (a || b) {
		ret = records_cancelled(c->p, err);
		if (ret >= 0)
			ret = a && b ? records_both(c->p, fetch_side, c, err) :
			      fetch(&c[a ? 0 : 1], err);
		if (ret < 0)
			return ret;
		for (int i = 0; i < 2; i++) {
			if (c[i].fresh && !in_order(&c[i]))
				return RECORDS_DISORDER;
			c[i].fresh = false;
		}
		a = is_empty(&c[0]);
		b = is_empty(&c[1]);
	}
	return 0;
}

bool records_cursor_row(const struct records_cursor *c)
{
	return c->at < c->b.nrow;
}

const char *records_cursor_before(struct records_cursor *c,
				  struct strbuf *out)
{
	if (c->at > 0 && c->at <= c->b.nrow) {
		store_key(&c->b, c->at - 1, c->p->nkey, out);
		return out->buf;
	}
	return c->last.len ? c->last.buf : c->lo;
}
