/* SPDX-License-Identifier: MIT */
/* Rows in any order, and digests of them. */
#include <string.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "store-internal.h"

#define ROWS 5000
#define BYTES (4u << 20)

static bool is_key(const struct store_shape *shape, const struct store_batch *b,
		   const struct store_cell *name)
{
	for (uint32_t i = 0; i < shape->nkey; i++)
		if (!(shape->expr && shape->expr[i]) &&
		    strlen(shape->col[i]) == (size_t)name->len &&
		    !memcmp(shape->col[i], b->buf + name->off,
			    (size_t)name->len))
			return true;
	return false;
}

bool store_key_is_primary(struct store *s, const struct store_shape *shape)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	bool any = false;

	if (store_columns(s, shape->set, &b, NULL) <= 0)
		return false;
	for (uint32_t row = 0; row < b.nrow; row++) {
		if (!store_batch_int(&b, row, 4))
			continue;
		if (!is_key(shape, &b, store_batch_cell(&b, row, 0)))
			return false;
		any = true;
	}
	return any;
}

static int each_by_scan(struct store *s, const struct store_shape *shape,
			store_rows_fn *fn, void *ctx, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	bool more;
	int n;

	do {
		n = store_scan_some(s, shape, key.len ? key.buf : NULL, NULL,
				    ROWS, BYTES, &b, &more, err);
		if (n > 0) {
			store_key(&b, b.nrow - 1, shape->nkey, &key);
			n = fn(ctx, &b, err);
		}
	} while (n >= 0 && more);
	return MIN(n, 0);
}

int store_each(struct store *s, const struct store_shape *shape,
	       store_rows_fn *fn, void *ctx, struct error *err)
{
	store_check_shape(shape);
	s->sqlstate[0] = '\0';
	return s->ops->each && store_key_is_primary(s, shape) ?
		s->ops->each(s, shape, fn, ctx, err) :
		each_by_scan(s, shape, fn, ctx, err);
}

bool store_can_hash(struct store *a, const struct store_shape *of_a,
		    struct store *b, const struct store_shape *of_b)
{
	return a->ops->each_hash && a->ops->each_hash == b->ops->each_hash &&
	       store_key_is_primary(a, of_a) && store_key_is_primary(b, of_b);
}

int store_each_hash(struct store *s, const struct store_shape *shape,
		    store_hashes_fn *fn, void *ctx, struct error *err)
{
	store_check_shape(shape);
	s->sqlstate[0] = '\0';
	return s->ops->each_hash(s, shape, fn, ctx, err);
}

void store_row_text(const struct store_batch *b, uint32_t row,
		    struct strbuf *text)
{
	strbuf_clear(text);
	for (uint32_t i = 0; i < b->ncol; i++) {
		const struct store_cell *c = store_batch_cell(b, row, i);

		if (i)
			strbuf_addch(text, '\x1f');
		if (c->len < 0)
			strbuf_addch(text, '\x1e');
		else
			strbuf_add(text, b->buf + c->off, (size_t)c->len);
	}
}

uint64_t store_row_digest(const struct store_batch *b, uint32_t row,
			  struct strbuf *text)
{
	store_row_text(b, row, text);
	return store_md5_half(text->buf, text->len);
}

int store_digest_by_scan(struct store *s, const struct store_shape *shape,
			 const char *lo, const char *hi,
			 struct store_digest *ret, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	bool more;
	int n;

	do {
		n = store_scan_some(s, shape, key.len ? key.buf : lo, hi,
				    ROWS, BYTES, &b, &more, err);
		if (n < 0)
			return n;
		for (uint32_t row = 0; row < b.nrow; row++)
			ret->sum += store_row_digest(&b, row, &text);
		ret->n += (uint64_t)n;
		if (n)
			store_key(&b, b.nrow - 1, shape->nkey, &key);
	} while (more);
	return 0;
}

struct digesting {
	struct store_digest *d;
	struct strbuf text;
};

static int add_rows(void *digesting, const struct store_batch *b,
		    struct error *err)
{
	struct digesting *g = digesting;

	(void)err;
	for (uint32_t row = 0; row < b->nrow; row++)
		g->d->sum += store_row_digest(b, row, &g->text);
	g->d->n += b->nrow;
	return 0;
}

static int digest_all(struct store *s, const struct store_shape *shape,
		      struct store_digest *ret, struct error *err)
{
	struct digesting g = { .d = ret, .text = STRBUF_INIT };
	int r = store_each(s, shape, add_rows, &g, err);

	strbuf_release(&g.text);
	return r;
}

int store_digest(struct store *s, const struct store_shape *shape,
		 const char *lo, const char *hi, struct store_digest *ret,
		 struct error *err)
{
	store_check_shape(shape);
	s->sqlstate[0] = '\0';
	memset(ret, 0, sizeof(*ret));
	if (s->ops->digest)
		return s->ops->digest(s, shape, lo, hi, ret, err);
	if (!lo && !hi)
		return digest_all(s, shape, ret, err);
	return store_digest_by_scan(s, shape, lo, hi, ret, err);
}
