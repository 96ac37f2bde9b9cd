/* SPDX-License-Identifier: MIT */
/* The records of a file by key. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "json-text.h"
#include "json-tree.h"
#include "store-json-internal.h"

#define CHECK_EVERY 64 /* entries */

/* --- keys: type, length, bytes of each column, then 0xff --- */

size_t json_index_key(struct json_store *q, const struct store_batch *b,
		      uint32_t row, uint32_t nkey)
{
	size_t at = q->keys.len;

	for (uint32_t i = 0; i < nkey; i++) {
		const struct store_cell *c = store_batch_cell(b, row, i);
		uint32_t n = (uint32_t)c->len;

		strbuf_addch(&q->keys, (char)c->type);
		strbuf_add(&q->keys, (const char *)&n, sizeof(n));
		strbuf_add(&q->keys, b->buf + c->off, n);
	}
	strbuf_addch(&q->keys, '\xff');
	return at;
}

static int rank(uint8_t type)
{
	switch (type) {
	case STORE_BOOL: return 0;
	case STORE_INT: case STORE_NUM: return 1;
	case STORE_JSON: return 3;
	case STORE_BYTES: return 4; /* a line */
	default: return 2;
	}
}

static int column_cmp(uint8_t ta, const char *a, uint32_t an, uint8_t tb,
		      const char *b, uint32_t bn)
{
	int c = rank(ta) - rank(tb);

	if (c)
		return c;
	if (rank(ta) == 1 && json_number_valid(a, an) &&
	    json_number_valid(b, bn))
		return json_number_cmp(a, an, b, bn);
	c = memcmp(a, b, MIN(an, bn));
	return c ? c : (an > bn) - (an < bn);
}

int json_key_cmp(const char *a, const char *b)
{
	while ((unsigned char)*a != 0xff) {
		uint32_t an, bn;
		int c;

		memcpy(&an, a + 1, sizeof(an));
		memcpy(&bn, b + 1, sizeof(bn));
		c = column_cmp((uint8_t)*a, a + 5, an, (uint8_t)*b, b + 5, bn);
		if (c)
			return c;
		a += 5 + an;
		b += 5 + bn;
	}
	return 0;
}

size_t json_index_seek(const struct json_store *q,
		       const struct json_entries *in, const char *key,
		       bool after)
{
	size_t lo = 0, hi = in->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = json_key_cmp(q->keys.buf + in->v[mid].key, key);

		if (after ? c <= 0 : c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct json_entry *json_index_find(const struct json_store *q,
				   const struct json_entries *in,
				   const char *key)
{
	size_t i = json_index_seek(q, in, key, false);

	return i < in->n &&
	       !json_key_cmp(q->keys.buf + in->v[i].key, key) ? &in->v[i] :
	       NULL;
}

void json_index_pend(struct json_store *q, const struct json_entry *e)
{
	size_t i = json_index_seek(q, &q->pending, q->keys.buf + e->key, false);
	struct json_entries *p = &q->pending;

	if (i < p->n && !json_key_cmp(q->keys.buf + p->v[i].key,
				      q->keys.buf + e->key)) {
		p->v[i] = *e;
		return;
	}
	VEC_GROW(p->v, p->n, p->cap);
	memmove(&p->v[i + 1], &p->v[i], (p->n - i) * sizeof(*p->v));
	p->v[i] = *e;
	p->n++;
}

/* what is pending stands behind all else, as where rows come in order */
static bool is_behind(const struct json_store *q)
{
	const struct json_entries *in = &q->index;

	return !in->n || !q->pending.n ||
	       json_key_cmp(q->keys.buf + in->v[in->n - 1].key,
			    q->keys.buf + q->pending.v[0].key) < 0;
}

static void append(struct json_store *q, enum json_src src, uint64_t from)
{
	for (size_t k = 0; k < q->pending.n; k++) {
		struct json_entry e = q->pending.v[k];

		if (e.gone && !q->nrun)
			continue;
		e.src = (uint8_t)src;
		e.off += from;
		VEC_GROW(q->index.v, q->index.n, q->index.cap);
		q->index.v[q->index.n++] = e;
	}
	q->pending.n = 0;
}

/* both are sorted: one pass */
static void merge(struct json_store *q, enum json_src src, uint64_t from)
{
	struct json_entries all = { 0 };
	size_t i = 0, k = 0;

	all.cap = q->index.n + q->pending.n;
	all.v = xcalloc(MAX(all.cap, 1u), sizeof(*all.v));
	while (i < q->index.n || k < q->pending.n) {
		int c = i == q->index.n ? 1 : k == q->pending.n ? -1 :
			json_key_cmp(q->keys.buf + q->index.v[i].key,
				     q->keys.buf + q->pending.v[k].key);
		struct json_entry e;

		if (c < 0) {
			all.v[all.n++] = q->index.v[i++];
			continue;
		}
		i += c == 0;
		e = q->pending.v[k++];
		if (e.gone && !q->nrun)
			continue;
		e.src = (uint8_t)src;
		e.off += from;
		all.v[all.n++] = e;
	}
	free(q->index.v);
	q->index = all;
	q->pending.n = 0;
}

int json_index_merge(struct json_store *q, enum json_src src, uint64_t from,
		     struct error *err)
{
	if (is_behind(q))
		append(q, src, from);
	else
		merge(q, src, from);
	return json_index_spill(q, err);
}

void json_index_drop(struct json_store *q)
{
	free(q->sign);
	q->sign = NULL;
	strbuf_clear(&q->keys);
	q->index.n = q->pending.n = 0;
	while (q->nrun)
		json_run_release(&q->run[--q->nrun]);
}

/* --- all of it --- */

struct building {
	struct json_reader *r;
	struct json_tree t;
	struct store_batch row;
	enum json_src src;
};

static int no_key(const struct json_store *q, const struct building *b,
		  struct error *err)
{
	for (uint32_t i = 0; i < b->r->shape->nkey; i++)
		if (b->row.cell[i].len < 0)
			return error_set(err, ERR_STORE, -EINVAL,
				_("%s: '%s' has a row without a key, '%s' is "
				  "NULL"), q->s.name, q->path,
				b->r->shape->col[i]);
	return 0;
}

/* the key of a part's line that takes a record away */
static bool take_gone(struct json_store *q, struct building *b,
		      struct json_entry *e)
{
	uint32_t i = json_member(&b->t, JSON_ROOT, "@gone", 5);
	_cleanup_free_ char *key = NULL;
	size_t n;
	const char *p;

	if (!i || q->lines || b->src != SRC_PART)
		return false;
	p = json_raw(&b->t, i, &n);
	key = xstrndup(p, n);
	store_batch_clear(&b->row, b->r->shape->nkey);
	if (store_key_cells(key, &b->row) < 0)
		return false;
	e->key = json_index_key(q, &b->row, 0, b->r->shape->nkey);
	e->gone = true;
	return true;
}

/* its key; 0: the condition leaves it out */
static int find_key(struct json_store *q, struct building *b,
		    struct json_entry *e, struct error *err)
{
	_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;
	uint32_t node;
	int ret = json_entry_parse(q, e, &b->t, &node, &name, err);
	bool named = ret > 0;

	if (ret < 0)
		return ret;
	if (take_gone(q, b, e))
		return 1;
	if (!json_reader_takes(b->r, &b->t, node))
		return 0;
	store_batch_clear(&b->row, b->r->shape->nkey);
	json_reader_cells(b->r, &b->t, node, named ? name.buf : NULL,
			  name.len, b->r->shape->nkey, &b->row);
	ret = no_key(q, b, err);
	if (ret < 0)
		return ret;
	e->key = json_index_key(q, &b->row, 0, b->r->shape->nkey);
	return 1;
}

static int entry_cmp(const void *a, const void *b, void *ctx)
{
	const struct json_entry *x = a, *y = b;
	const struct json_store *q = ctx;
	int c = json_key_cmp(q->keys.buf + x->key, q->keys.buf + y->key);

	if (c)
		return c;
	if (x->src != y->src)
		return x->src - y->src;
	return (x->off > y->off) - (x->off < y->off);
}

/* of one key the last counts; in a document there is but one */
static int settle(struct json_store *q, bool keep_gone, struct error *err)
{
	struct json_entries *in = &q->index;
	size_t kept = 0;

	if (in->n)
		qsort_r(in->v, in->n, sizeof(*in->v), entry_cmp, q);
	for (size_t i = 0; i < in->n; i++) {
		bool same = i + 1 < in->n &&
			!json_key_cmp(q->keys.buf + in->v[i].key,
				      q->keys.buf + in->v[i + 1].key);

		if (same && !q->lines && in->v[i + 1].src == SRC_FILE)
			return error_set(err, ERR_STORE, -EINVAL,
				_("%s: '%s' has the same key twice"),
				q->s.name, q->path);
		if (!same && (keep_gone || !in->v[i].gone))
			in->v[kept++] = in->v[i];
	}
	in->n = kept;
	return 0;
}

static int make_room(struct json_store *q, struct error *err)
{
	int ret;

	if (q->index.n * sizeof(*q->index.v) + q->keys.len < q->room)
		return 0;
	ret = settle(q, true, err);
	return ret < 0 ? ret : json_index_spill(q, err);
}

static int add_element(struct json_store *q, uint64_t off, uint32_t len,
		       const char *key, size_t n, void *ctx, struct error *err)
{
	struct building *b = ctx;
	struct json_entry e = { .off = off, .len = len,
				.src = (uint8_t)b->src };
	_cleanup_error_ struct error why = ERROR_INIT;
	int ret;

	if (key) {
		e.back = (uint32_t)(off - q->key_at);
		e.name_len = (uint32_t)n;
	}
	ret = find_key(q, b, &e, &why);
	if (ret == -EINVAL && q->how != STORE_LINES_STRICT)
		ret = json_lines_bad(q, b->r->shape->nkey, &e);
	if (ret < 0)
		error_move(err, &why);
	if (ret <= 0)
		return ret;
	VEC_GROW(q->index.v, q->index.n, q->index.cap);
	q->index.v[q->index.n++] = e;
	return q->index.n % CHECK_EVERY ? 0 : make_room(q, err);
}

/* what an index is for: keys, where they come from, the condition */
static char *sign_of(const struct store_shape *shape, bool exprs)
{
	struct strbuf sb = STRBUF_INIT;

	strbuf_addstr(&sb, shape->set);
	for (uint32_t i = 0; i < shape->nkey; i++) {
		const char *e = exprs && shape->expr ? shape->expr[i] : NULL;

		strbuf_addf(&sb, "\x1f%s", e ? e : shape->col[i]);
	}
	strbuf_addf(&sb, "\x1e%s", exprs && shape->where ? shape->where : "");
	return strbuf_detach(&sb);
}

static int build(struct json_store *q, struct building *b, struct error *err)
{
	int ret = json_each_element(q, add_element, b, err);

	if (ret == 0 && q->fd[SRC_PART] >= 0) {
		b->src = SRC_PART;
		ret = json_each_line(q, SRC_PART, add_element, b, err);
	}
	if (ret == 0)
		ret = settle(q, q->nrun > 0, err);
	return ret < 0 || !q->nrun ? ret : json_index_unite(q, err);
}

int json_index(struct json_store *q, const struct store_shape *shape,
	       bool exprs, struct error *err)
{
	_cleanup_free_ char *sign = sign_of(shape, exprs);
	struct building b = { .src = SRC_FILE };
	struct json_reader r;
	int ret;

	if (q->sign && !strcmp(q->sign, sign))
		return 0;
	if (*shape->set)
		return error_set(err, ERR_STORE, -EINVAL,
				 _("%s: a file has no table '%s'"), q->s.name,
				 shape->set);
	if (q->pending.n)
		return error_set(err, ERR_STORE, -EINVAL,
			_("%s: a transaction on a file has one key"),
			q->s.name);
	json_index_drop(q);
	ret = json_reader_init(&r, q, shape, exprs, err);
	if (ret < 0)
		return ret;
	b.r = &r;
	json_tree_init(&b.t);
	ret = build(q, &b, err);
	json_tree_release(&b.t);
	store_batch_release(&b.row);
	json_reader_release(&r);
	if (ret < 0)
		json_index_drop(q);
	if (ret < 0)
		return ret;
	q->sign = TAKE_PTR(sign);
	q->keys_before = q->keys.len;
	strvec_clear(&q->key);
	for (uint32_t i = 0; i < shape->nkey; i++)
		strvec_push(&q->key, shape->col[i]);
	return 0;
}
