/* SPDX-License-Identifier: MIT */
#include "store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "json-text.h"
#include "json-tree.h"
#include "store-internal.h"

/* bytes of texts that a batch keeps for the next rows */
#define KEPT (32u << 20)

void store_batch_release(struct store_batch *b)
{
	free(b->buf);
	free(b->cell);
	memset(b, 0, sizeof(*b));
}

void store_batch_clear(struct store_batch *b, uint32_t ncol)
{
	/* one huge row does not stay for ever */
	if (b->cap > KEPT) {
		free(b->buf);
		b->buf = NULL;
		b->cap = 0;
	}
	b->n = 0;
	b->ncell = 0;
	b->nrow = 0;
	b->ncol = ncol;
}

static void make_room(struct store_batch *b, size_t n)
{
	if (b->n + n <= b->cap && b->buf)
		return;
	b->cap = MAX(b->cap * 2, b->n + n + 4096);
	b->buf = xrealloc(b->buf, b->cap, 1);
}

/* the next cell, of n bytes, which the caller writes; NULL: none */
static char *add_cell(struct store_batch *b, enum store_type type, bool null,
		      size_t n)
{
	struct store_cell *c;

	if (n > INT32_MAX)
		BUG("a cell of %zu bytes", n);
	make_room(b, n);
	VEC_GROW(b->cell, b->ncell, b->cellcap);
	c = &b->cell[b->ncell++];
	c->off = b->n;
	c->len = null ? -1 : (int32_t)n;
	c->type = (uint8_t)type;
	if (b->ncol && b->ncell % b->ncol == 0)
		b->nrow++;
	if (null || !n)
		return NULL;
	b->n += n;
	return b->buf + c->off;
}

void store_batch_add(struct store_batch *b, enum store_type type,
		     const char *p, size_t n)
{
	char *to = add_cell(b, type, !p, n);

	if (to)
		memcpy(to, p, n);
}

char *store_batch_room(struct store_batch *b, enum store_type type, size_t n)
{
	return add_cell(b, type, false, n);
}

void store_batch_add_bytes(struct store_batch *b, const void *p, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *from = p;
	char *to = add_cell(b, STORE_BYTES, false, 2 + 2 * n);

	*to++ = '\\';
	*to++ = 'x';
	for (size_t i = 0; i < n; i++) {
		*to++ = hex[from[i] >> 4];
		*to++ = hex[from[i] & 15];
	}
}

void store_batch_show(const struct store_batch *b, uint32_t from,
		      struct store_batch *out)
{
	out->buf = b->buf;
	out->n = b->n;
	out->ncell = 0;
	out->nrow = b->nrow;
	out->ncol = b->ncol - from;
	for (uint32_t row = 0; row < b->nrow; row++)
		for (uint32_t i = from; i < b->ncol; i++) {
			VEC_GROW(out->cell, out->ncell, out->cellcap);
			out->cell[out->ncell++] = *store_batch_cell(b, row, i);
		}
}

void store_batch_set(struct store_batch *b, uint32_t row, uint32_t col,
		     const char *p, size_t n)
{
	struct store_cell *c = &b->cell[(size_t)row * b->ncol + col];

	if (n > (size_t)c->len || c->len < 0) {
		make_room(b, n);
		c->off = b->n;
		b->n += n;
	}
	memcpy(b->buf + c->off, p, n);
	c->len = (int32_t)n;
}

void store_batch_drop_row(struct store_batch *b)
{
	b->nrow--;
	b->ncell = (size_t)b->nrow * b->ncol;
	b->n = b->cell[b->ncell].off;
}

int64_t store_batch_int(const struct store_batch *b, uint32_t row,
			uint32_t col)
{
	const struct store_cell *c = store_batch_cell(b, row, col);
	char text[24] = "";

	if (c->len > 0 && (size_t)c->len < sizeof(text))
		memcpy(text, b->buf + c->off, (size_t)c->len);
	return strtoll(text, NULL, 10);
}

/* ["b6162"]: the letter of the type, and hex of the text */
static void add_tagged(struct strbuf *out, char tag, const char *p, size_t n)
{
	strbuf_addf(out, "[\"%c", tag);
	for (size_t i = 0; i < n; i++)
		strbuf_addf(out, "%02x", (unsigned char)p[i]);
	strbuf_addstr(out, "\"]");
}

static const char tags[] = "tinfjb"; /* as enum store_type; f: true, false */

static void add_key_cell(struct strbuf *out, const struct store_cell *c,
			 const char *p)
{
	size_t n = c->len < 0 ? 0 : (size_t)c->len;

	if (!p)
		strbuf_addstr(out, "null");
	else if (c->type == STORE_TEXT && utf8_valid(p, n) && !memchr(p, 0, n))
		json_text_encode(p, n, out);
	else if ((c->type == STORE_INT || c->type == STORE_NUM) &&
		 json_number_valid(p, n))
		strbuf_add(out, p, n);
	else if (c->type == STORE_BOOL && n == 1)
		strbuf_addstr(out, *p == 't' ? "true" : "false");
	else
		add_tagged(out, tags[c->type], p, n);
}

void store_key(const struct store_batch *b, uint32_t row, uint32_t nkey,
	       struct strbuf *out)
{
	strbuf_clear(out);
	for (uint32_t i = 0; i < nkey; i++) {
		const struct store_cell *c = store_batch_cell(b, row, i);

		strbuf_addch(out, i ? ',' : '[');
		add_key_cell(out, c, store_batch_text(b, c));
	}
	strbuf_addch(out, ']');
}

static int tagged_cell(const struct json_tree *t, uint32_t node,
		       struct store_batch *b)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf bytes = STRBUF_INIT;
	uint32_t i = json_child(t, node);
	const char *tag;

	if (!i || json_type_of(t, i) != JSON_T_STRING)
		return -EINVAL;
	strbuf_addstr(&bytes, "\\x");
	json_text_decode(json_at(t, t->v[i].begin),
			 t->v[i].end - t->v[i].begin, &text);
	tag = text.len && text.buf[0] ? strchr(tags, text.buf[0]) : NULL;
	if (!tag)
		return -EINVAL;
	strbuf_add(&bytes, text.buf + 1, text.len - 1);
	strbuf_clear(&text);
	if (store_bytes_parse(bytes.buf, bytes.len, &text) < 0)
		return -EINVAL;
	store_batch_add(b, (enum store_type)(tag - tags), text.buf, text.len);
	return 0;
}

static int key_cell(const struct json_tree *t, uint32_t i,
		    struct store_batch *b)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	const char *p = json_at(t, t->v[i].begin);
	size_t n = t->v[i].end - t->v[i].begin;

	switch (json_type_of(t, i)) {
	case JSON_T_STRING:
		json_text_decode(p, n, &text);
		store_batch_add(b, STORE_TEXT, text.buf, text.len);
		return 0;
	case JSON_T_NUMBER:
		store_batch_add(b, memchr(p, '.', n) || memchr(p, 'e', n) ?
				STORE_NUM : STORE_INT, p, n);
		return 0;
	case JSON_T_TRUE:
	case JSON_T_FALSE:
		store_batch_add(b, STORE_BOOL, p, 1);
		return 0;
	case JSON_T_ARRAY:
		return tagged_cell(t, i, b);
	default:
		return -EINVAL;
	}
}

int store_key_cells(const char *key, struct store_batch *b)
{
	_cleanup_json_tree_ struct json_tree t;
	int ret = 0;

	json_tree_init(&t);
	if (json_tree_parse(&t, key, strlen(key)) < 0 ||
	    json_type_of(&t, JSON_ROOT) != JSON_T_ARRAY ||
	    json_count(&t, JSON_ROOT) != b->ncol)
		return -EINVAL;
	for (uint32_t i = json_child(&t, JSON_ROOT); i && ret == 0;
	     i = json_next(&t, i))
		ret = key_cell(&t, i, b);
	return ret;
}
