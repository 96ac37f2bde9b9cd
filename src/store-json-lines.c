/* SPDX-License-Identifier: MIT */
/*
 * Lines that are no records, see store_set_lines(). Such a line has its number
 * as its key, in a type that no value in a file of records has; so it is no
 * record's, and stands behind all of them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/strbuf.h"
#include "json-tree.h"
#include "store-json-internal.h"

#define NUMBER 8 /* bytes of it, the greatest first */

static struct json_store *of(struct store *s)
{
	return (struct json_store *)s;
}

/* --- keys --- */

static uint64_t number(const char *p)
{
	uint64_t n = 0;

	for (int i = 0; i < NUMBER; i++)
		n = n << 8 | (unsigned char)p[i];
	return n;
}

uint64_t store_key_line(const char *key)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	const struct store_cell *c;
	uint32_t n = 1;

	if (strncmp(key, "[[\"b", 4) != 0)
		return 0;
	/* columns of the key behind the first are empty */
	for (const char *p = key; (p = strchr(p, ',')) != NULL; p++)
		n++;
	store_batch_clear(&b, n);
	if (store_key_cells(key, &b) < 0)
		return 0;
	c = store_batch_cell(&b, 0, 0);
	return c->type == STORE_BYTES && c->len == NUMBER ?
	       number(store_batch_text(&b, c)) : 0;
}

int json_lines_bad(struct json_store *q, uint32_t nkey, struct json_entry *e)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	char text[NUMBER];

	if (!q->lines || e->src != SRC_FILE)
		return -EINVAL;
	if (q->how == STORE_LINES_SKIP)
		return 0;
	for (int i = 0; i < NUMBER; i++)
		text[i] = (char)(q->line_at >> 8 * (NUMBER - 1 - i) & 0xff);
	store_batch_clear(&b, nkey);
	for (uint32_t i = 0; i < nkey; i++)
		store_batch_add(&b, STORE_BYTES, text, i ? 0 : NUMBER);
	e->key = json_index_key(q, &b, 0, nkey);
	e->bad = true;
	return 1;
}

/* --- one line --- */

static int refuse(struct json_store *q, const char *state, uint64_t line,
		  const char *why, struct error *err)
{
	(void)snprintf(q->s.sqlstate, sizeof(q->s.sqlstate), "%s", state);
	if (!line)
		return error_set(err, ERR_STORE, -EBADMSG, "%s: %s", q->s.name,
				 why);
	return error_set(err, ERR_STORE, -EBADMSG, _("%s: line %ju: %s"),
			 q->s.name, (uintmax_t)line, why);
}

/* its row; line 0: of no file */
static int parse(struct json_store *q, const struct store_shape *shape,
		 uint64_t line, const char *p, size_t n, struct store_batch *b,
		 struct error *err)
{
	_cleanup_json_tree_ struct json_tree t;
	struct json_reader r;
	int ret;

	json_tree_init(&t);
	if (n > JSON_TREE_TEXT_MAX || json_tree_parse(&t, p, n) < 0) {
		_cleanup_error_ struct error why = ERROR_INIT;

		(void)json_tree_why(p, n, &why);
		return refuse(q, "22032", line, why.msg ? why.msg : "", err);
	}
	ret = json_reader_init(&r, q, shape, true, err);
	if (ret < 0)
		return ret;
	ret = json_reader_takes(&r, &t, JSON_ROOT);
	if (ret)
		json_reader_cells(&r, &t, JSON_ROOT, NULL, 0, shape->ncol, b);
	json_reader_release(&r);
	for (uint32_t i = 0; ret > 0 && i < shape->nkey; i++) {
		_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

		if (b->cell[b->ncell - shape->ncol + i].len >= 0)
			continue;
		store_batch_drop_row(b);
		strbuf_addf(&text, _("'%s' is NULL, which a key cannot be"),
			    shape->col[i]);
		ret = refuse(q, "23502", line, text.buf, err);
	}
	return ret;
}

struct finding {
	uint64_t line;
	const char *p;
	size_t n;
};

static int on_line(struct json_store *q, uint64_t off, uint32_t len,
		   const char *key, size_t n, void *ctx, struct error *err)
{
	struct json_entry e = { .off = off, .len = len, .src = SRC_FILE };
	struct finding *f = ctx;

	(void)key; /* of documents */
	(void)n;
	q->seen_line = q->line_at;
	q->seen_off = off;
	if (q->line_at < f->line)
		return 0;
	/* it was blank */
	if (q->line_at > f->line)
		return 1;
	f->p = json_entry_text(q, &e, err);
	f->n = len;
	return f->p ? 1 : -EIO;
}

/* p NULL: there is none, or it is blank. Valid until the next call. */
static int find(struct json_store *q, uint64_t line, struct finding *f,
		struct error *err)
{
	bool ahead = q->seen_line && q->seen_line <= line;
	int ret = 0;

	*f = (struct finding){ .line = line };
	if (q->fd[SRC_FILE] >= 0)
		ret = json_lines_from(q, SRC_FILE, ahead ? q->seen_off : 0,
				      ahead ? q->seen_line : 1, on_line, f,
				      err);
	return MIN(ret, 0);
}

int json_lines_get(struct json_store *q, const struct store_shape *shape,
		   const char *key, struct store_batch *b, struct error *err)
{
	uint64_t line = store_key_line(key);
	struct finding f;
	int ret = q->lines ? find(q, line, &f, err) : 0;

	if (ret < 0 || !q->lines || !f.p)
		return ret;
	return parse(q, shape, line, f.p, f.n, b, err);
}

int json_lines_refuse(struct json_store *q, const struct store_shape *shape,
		      const struct json_entry *e, const char *key,
		      struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	/* behind the type and the length */
	uint64_t line = number(key + 5);
	const char *p = json_entry_text(q, e, err);
	int ret;

	if (!p)
		return -EIO;
	store_batch_clear(&b, shape->ncol);
	ret = parse(q, shape, line, p, e->len, &b, err);
	return ret < 0 ? ret : error_set(err, ERR_STORE, -EIO,
		_("%s: cannot read '%s'"), q->s.name, q->path);
}

/* --- for others --- */

void json_set_lines(struct store *s, enum store_lines how)
{
	struct json_store *q = of(s);

	if (q->how != how)
		json_index_drop(q);
	q->how = how;
}

int json_line_text(struct store *s, uint64_t line, struct strbuf *out,
		   struct error *err)
{
	struct finding f;
	int ret = find(of(s), line, &f, err);

	strbuf_clear(out);
	if (ret < 0 || !f.p)
		return ret;
	strbuf_add(out, f.p, f.n);
	return 1;
}

int json_line_parse(struct store *s, const struct store_shape *shape,
		    const char *p, size_t n, struct store_batch *b,
		    struct error *err)
{
	for (size_t i = 0; i < n; i++)
		if (!memchr(" \t\r\n", p[i], 4))
			return parse(of(s), shape, 0, p, n, b, err);
	return 0;
}
