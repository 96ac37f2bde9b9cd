/* SPDX-License-Identifier: MIT */
/* Rows at random, compared cell by cell although their digests are equal. */
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "records-internal.h"

#define SKIP_BYTES (4u << 20)
/* looked up on both sides at a time */
#define TOGETHER 32u

struct looking {
	struct records_pass *p;
	const struct store_batch *keys;
	uint32_t from, to;
	struct store_batch rows[2];
	bool there[2][TOGETHER];
};

static uint64_t below(const struct records_pass *p, uint64_t n)
{
	uint64_t r = p->spec->seed;

	if (!r && getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = clock_mono_ns();
	return r % n;
}

static void add_row(struct store_batch *to, const struct store_batch *b)
{
	for (uint32_t i = 0; i < to->ncol; i++) {
		const struct store_cell *c = b->nrow ?
			store_batch_cell(b, 0, i) : NULL;
		const char *t = c ? store_batch_text(b, c) : NULL;

		store_batch_add(to, c ? (enum store_type)c->type : STORE_TEXT,
				t, t ? (size_t)c->len : 0);
	}
}

/* the row behind each of the keys; of row 0 of all: the first one */
static int look_side(void *looking, int side, struct error *err)
{
	struct looking *l = looking;
	const struct records_side *s = &l->p->side[side];
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;

	store_batch_clear(&l->rows[side], l->p->ncol);
	for (uint32_t i = l->from; i < l->to; i++) {
		int n;

		if (l->keys)
			store_key(l->keys, i, l->p->nkey, &key);
		n = store_scan(s->store, s->shape, l->keys ? key.buf : NULL,
			       NULL, 1, &b, err);
		if (n < 0)
			return n;
		l->there[side][i - l->from] = n > 0;
		add_row(&l->rows[side], &b);
		l->p->out->read[side] += (uint64_t)n;
	}
	return 0;
}

static int compare_row(struct looking *l, uint32_t row, struct error *err)
{
	const struct store_batch *a = &l->rows[0], *b = &l->rows[1];
	struct records_pass *p = l->p;
	uint32_t n = 0;
	int kind;

	/* rows that are not there on both sides were told by the digests */
	if (!l->there[0][row] || !l->there[1][row] ||
	    records_key_cmp(a, row, b, row, p->nkey))
		return 0;
	p->out->sampled++;
	kind = records_row_cmp(a, row, b, row, p->ncol, p->cols, &n);
	return kind < 0 || records_bad(p->out) ||
	       p->out->n[RECORDS_EQUIVALENT] ? 0 :
		records_tell(p, (enum records_kind)kind, a, row, n, err);
}

static int look_at(struct looking *l, uint32_t from, uint32_t to,
		   struct error *err)
{
	int ret = records_cancelled(l->p, err);

	l->from = from;
	l->to = to;
	if (ret >= 0)
		ret = records_both(l->p, look_side, l, err);
	for (uint32_t row = 0; ret >= 0 && row < to - from; row++)
		ret = compare_row(l, row, err);
	return ret;
}

/* over `skip` rows of the old side; 1: key is that of the last one */
static int pass_over(struct records_pass *p, uint64_t skip, struct strbuf *key,
		     struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	while (skip) {
		bool more;
		int ret = store_scan_some(p->side[0].store, p->side[0].shape,
					  key->len ? key->buf : NULL, NULL,
					  (uint32_t)MIN(skip, 5000),
					  SKIP_BYTES, &b, &more, err);

		if (ret < 0 || !more)
			return MIN(ret, 0);
		store_key(&b, b.nrow - 1, p->nkey, key);
		skip -= b.nrow;
	}
	return 1;
}

/*
 * One row in each of many parts of the same size, the first at random: each
 * row is as likely as any other.
 */
int records_sample(struct records_pass *p, uint64_t rows, struct error *err)
{
	uint64_t every = p->out->rows[0] / MIN(rows, STORE_EXEC_ROWS) + 1;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch first = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	struct looking l = { .p = p };
	int ret = pass_over(p, below(p, every), &key, err);

	if (ret <= 0)
		return ret;
	store_batch_clear(&first, p->nkey);
	if (key.len && store_key_cells(key.buf, &first) < 0)
		BUG("a key that was made here");
	l.keys = key.len ? &first : NULL;
	ret = look_at(&l, 0, 1, err);
	if (ret >= 0)
		ret = records_cut(p, key.len ? key.buf : NULL, NULL, every, &b,
				  err);
	l.keys = &b;
	for (uint32_t i = 0; ret >= 0 && i < b.nrow; i += TOGETHER)
		ret = look_at(&l, i, MIN(i + TOGETHER, b.nrow), err);
	store_batch_release(&l.rows[0]);
	store_batch_release(&l.rows[1]);
	return ret;
}
