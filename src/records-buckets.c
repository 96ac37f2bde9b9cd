/* SPDX-License-Identifier: MIT */
/*
 * The first reading of rows in whatever order: a count and a sum for each of
 * many buckets, which are chosen by a hash of the key. Sums, as rows that are
 * there twice would take each other out of an exclusive or.
 */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "records-internal.h"

uint32_t records_bucket_of(const void *key, size_t n)
{
	struct xxh128 h = xxh128_of(key, n);

	return ((uint32_t)h.b[0] << 8 | h.b[1]) % RECORDS_BUCKETS;
}

struct reading {
	struct records_pass *p;
	int side;
	records_row_fn *fn;
	void *ctx;
	struct store_batch shown;
	struct strbuf key;
};

void records_unhide(const struct store_batch *raw, uint32_t hidden,
		    struct store_batch *b)
{
	store_batch_clear(b, raw->ncol - hidden);
	for (uint32_t row = 0; row < raw->nrow; row++)
		for (uint32_t i = hidden; i < raw->ncol; i++) {
			const struct store_cell *x =
				store_batch_cell(raw, row, i);
			const char *t = store_batch_text(raw, x);

			store_batch_add(b, (enum store_type)x->type, t,
					t ? (size_t)x->len : 0);
		}
}

static int some_rows(void *reading, const struct store_batch *b,
		     struct error *err)
{
	struct reading *r = reading;
	uint32_t hidden = r->p->side[r->side].hidden;
	const struct store_kinds *kinds = &r->p->kinds;
	bool forms = r->side == 0 && kinds->read_as;
	int ret = records_cancelled(r->p, err);

	if (hidden || forms) {
		records_unhide(b, hidden, &r->shown);
		b = &r->shown;
	}
	if (forms)
		kinds->read_as(kinds, &r->shown);
	for (uint32_t row = 0; ret >= 0 && row < b->nrow; row++) {
		strbuf_clear(&r->key);
		records_key_text(b, row, r->p->nkey, &r->key);
		ret = r->fn(r->ctx, r->side, b, row,
			    records_bucket_of(r->key.buf, r->key.len), err);
	}
	r->p->out->read[r->side] += b->nrow;
	if (r->side == 0)
		records_progress(r->p, b->nrow);
	return ret;
}

int records_each(struct records_pass *p, int side, records_row_fn *fn,
		 void *ctx, struct error *err)
{
	struct reading r = { .p = p, .side = side, .fn = fn, .ctx = ctx,
			     .key = STRBUF_INIT };
	int ret = store_each(p->side[side].store, p->side[side].shape,
			     some_rows, &r, err);

	store_batch_release(&r.shown);
	strbuf_release(&r.key);
	return ret;
}

/* hashes that the store makes */
struct one_side {
	struct records_pass *p;
	int side;
	struct strbuf key;
};

struct summing {
	struct records_pass *p;
	struct strbuf text[2];
};

static int add_row(void *summing, int side, const struct store_batch *b,
		   uint32_t row, uint32_t bucket, struct error *err)
{
	struct summing *s = summing;
	struct strbuf *text = &s->text[side];
	struct records_bucket *k = &s->p->bucket[side][bucket];
	struct xxh128 h;
	uint64_t sum;

	(void)err;
	store_row_text(b, row, text);
	h = xxh128_of(text->buf, text->len);
	memcpy(&sum, h.b, sizeof(sum));
	k->n++;
	k->sum += sum;
	k->bytes += text->len + sizeof(struct store_cell) * (uint64_t)b->ncol;
	if (s->p->spec->audit) {
		s->p->part_rows[side]++;
		s->p->part_digest[side] += store_row_digest(b, row, text);
	}
	return 0;
}

static int add_hashes(void *one, const struct store_batch *keys,
		      const struct store_hashed *row, struct error *err)
{
	struct one_side *o = one;
	struct records_pass *p = o->p;
	int ret = records_cancelled(p, err);

	for (uint32_t i = 0; i < keys->nrow; i++) {
		struct records_bucket *k;

		strbuf_clear(&o->key);
		records_key_text(keys, i, p->nkey, &o->key);
		k = &p->bucket[o->side][records_bucket_of(o->key.buf,
							  o->key.len)];
		k->n++;
		k->sum += row[i].hash;
		k->bytes += row[i].bytes +
			sizeof(struct store_cell) * (uint64_t)p->ncol;
	}
	p->out->read[o->side] += keys->nrow;
	if (o->side == 0)
		records_progress(p, keys->nrow);
	return ret;
}

static int hash_side(void *pass, int side, struct error *err)
{
	struct records_pass *p = pass;
	struct one_side o = { .p = p, .side = side, .key = STRBUF_INIT };
	int ret = store_each_hash(p->side[side].store, p->side[side].shape,
				  add_hashes, &o, err);

	strbuf_release(&o.key);
	return ret;
}

/* an audit wants digests that others can make, too */
static bool can_hash(const struct records_pass *p)
{
	const struct records_side *a = &p->side[0], *b = &p->side[1];

	return !p->spec->audit && !a->hidden && !b->hidden &&
	       a->shape->nkey == p->nkey && b->shape->nkey == p->nkey &&
	       store_can_hash(a->store, a->shape, b->store, b->shape);
}

static int sum_side(void *summing, int side, struct error *err)
{
	struct summing *s = summing;

	return records_each(s->p, side, add_row, s, err);
}

int records_sum_buckets(struct records_pass *p, struct error *err)
{
	struct summing s = { .p = p, .text = { STRBUF_INIT, STRBUF_INIT } };
	int ret;

	for (int side = 0; side < 2; side++) {
		free(p->bucket[side]);
		p->bucket[side] = xcalloc(RECORDS_BUCKETS,
					  sizeof(*p->bucket[side]));
	}
	ret = can_hash(p) ? records_both(p, hash_side, p, err) :
	      records_both(p, sum_side, &s, err);
	for (int side = 0; side < 2; side++) {
		strbuf_release(&s.text[side]);
		p->out->rows[side] = 0;
		for (uint32_t i = 0; i < RECORDS_BUCKETS; i++)
			p->out->rows[side] += p->bucket[side][i].n;
	}
	p->out->digests++;
	return ret;
}
