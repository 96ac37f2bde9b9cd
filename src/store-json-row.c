/* SPDX-License-Identifier: MIT */
/*
 * Elements as rows: a column is a member of the element, "@key" the name that
 * the element has in its object, "@value" the element byte for byte. An
 * expression is a JSON path into the element, the first of what it selects.
 */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "json-path.h"
#include "json-text.h"
#include "json-tree.h"
#include "store-json-internal.h"

int json_reader_init(struct json_reader *r, const struct json_store *q,
		     const struct store_shape *shape, bool exprs,
		     struct error *err)
{
	int ret = 0;

	memset(r, 0, sizeof(*r));
	r->shape = shape;
	r->path = xcalloc(shape->ncol, sizeof(struct json_path *));
	for (uint32_t i = 0; ret == 0 && exprs && shape->expr &&
	     i < shape->ncol; i++) {
		const char *e = shape->expr[i];
		_cleanup_free_ char *path = NULL;

		if (!e || *e == '@')
			continue;
		path = *e == '$' ? xstrdup(e) : xasprintf("$.%s", e);
		ret = json_path_parse(path, &r->path[i], err);
	}
	if (ret == 0 && exprs && shape->where)
		ret = json_filter_parse(shape->where, &r->where, err);
	if (ret < 0) {
		error_prefix(err, "%s", q->s.name);
		json_reader_release(r);
	}
	return ret;
}

void json_reader_release(struct json_reader *r)
{
	for (uint32_t i = 0; r->path && i < r->shape->ncol; i++)
		json_path_free(r->path[i]);
	free(r->path);
	json_filter_free(r->where);
	memset(r, 0, sizeof(*r));
}

bool json_reader_takes(const struct json_reader *r, const struct json_tree *t,
		       uint32_t node)
{
	return !r->where || json_filter_test(r->where, t, node);
}

static void add_value(const struct json_tree *t, uint32_t i,
		      struct store_batch *b)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	size_t n;
	const char *p = json_raw(t, i, &n);

	switch (json_type_of(t, i)) {
	case JSON_T_NULL:
		store_batch_add(b, STORE_TEXT, NULL, 0);
		break;
	case JSON_T_TRUE:
	case JSON_T_FALSE:
		store_batch_add(b, STORE_BOOL, p, 1);
		break;
	case JSON_T_NUMBER:
		store_batch_add(b, memchr(p, '.', n) || memchr(p, 'e', n) ||
				memchr(p, 'E', n) ? STORE_NUM : STORE_INT, p,
				n);
		break;
	case JSON_T_STRING:
		/* as it lies, where nothing in it stands for another */
		if (!memchr(p, '\\', n)) {
			store_batch_add(b, STORE_TEXT, p + 1, n - 2);
			break;
		}
		json_text_decode(p, n, &text);
		store_batch_add(b, STORE_TEXT, text.buf, text.len);
		break;
	default:
		store_batch_add(b, STORE_JSON, p, n);
	}
}

static void add_cell(const struct json_reader *r, uint32_t col,
		     const struct json_tree *t, uint32_t node,
		     const char *name, size_t n, struct store_batch *b)
{
	const char *what = r->shape->expr && r->shape->expr[col] &&
			   *r->shape->expr[col] == '@' ?
			   r->shape->expr[col] : r->shape->col[col];
	struct json_nodes found = { 0 };
	uint32_t i = 0;

	if (r->path[col]) {
		json_path_select(r->path[col], t, node, &found);
		i = found.n ? found.v[0] : 0;
		json_nodes_release(&found);
	} else if (!strcmp(what, "@key")) {
		store_batch_add(b, STORE_TEXT, name, n);
		return;
	} else if (!strcmp(what, "@value")) {
		const char *p = json_raw(t, node, &n);

		store_batch_add(b, STORE_JSON, p, n);
		return;
	} else if (json_type_of(t, node) == JSON_T_OBJECT) {
		i = json_member(t, node, what, strlen(what));
	}
	if (i && json_type_of(t, i) != JSON_T_NULL && r->shape->json &&
	    r->shape->json[col]) {
		const char *p = json_raw(t, i, &n);

		store_batch_add(b, STORE_JSON, p, n);
	} else if (i) {
		add_value(t, i, b);
	} else {
		store_batch_add(b, STORE_TEXT, NULL, 0);
	}
}

void json_reader_cells(const struct json_reader *r, const struct json_tree *t,
		       uint32_t node, const char *name, size_t n,
		       uint32_t to, struct store_batch *b)
{
	for (uint32_t i = 0; i < to; i++)
		add_cell(r, i, t, node, name, n, b);
}

/* --- rows as elements --- */

static bool is_json(const char *p, size_t n)
{
	_cleanup_json_tree_ struct json_tree t;

	json_tree_init(&t);
	return json_tree_parse(&t, p, n) == 0;
}

/* it may have been laid out; in its strings there is no end of a line */
static void add_line(const char *p, size_t n, struct strbuf *out)
{
	size_t at = out->len;

	strbuf_add(out, p, n);
	for (; at < out->len; at++)
		if (out->buf[at] == '\n' || out->buf[at] == '\r')
			out->buf[at] = ' ';
}

/* the null of JSON would be none of the column */
int json_row_lost(const struct store_shape *shape, const struct store_batch *b,
		  uint32_t row)
{
	for (uint32_t i = 0; i < shape->ncol; i++) {
		const struct store_cell *c = store_batch_cell(b, row, i);
		const char *p = store_batch_text(b, c);
		size_t n = p ? (size_t)c->len : 0;

		while (n && strchr(" \t\r\n", p[n - 1]))
			n--;
		while (n && strchr(" \t\r\n", *p))
			p++, n--;
		if (c->type == STORE_JSON && n == 4 && !memcmp(p, "null", 4))
			return (int)i;
	}
	return -1;
}

static void add_json(const struct store_batch *b, const struct store_cell *c,
		     struct strbuf *out)
{
	const char *p = store_batch_text(b, c);
	size_t n = p ? (size_t)c->len : 0;

	if (!p)
		strbuf_addstr(out, "null");
	else if (c->type == STORE_BOOL)
		strbuf_addstr(out, n && *p == 't' ? "true" : "false");
	else if ((c->type == STORE_INT || c->type == STORE_NUM) &&
		 json_number_valid(p, n))
		strbuf_add(out, p, n);
	else if (c->type == STORE_JSON && is_json(p, n))
		add_line(p, n, out);
	else
		json_text_encode(p, n, out);
}

static int column_of(const struct store_shape *shape, const char *name,
		     size_t n)
{
	for (uint32_t i = 0; i < shape->ncol; i++)
		if (strlen(shape->col[i]) == n &&
		    !memcmp(shape->col[i], name, n))
			return (int)i;
	return -1;
}

const struct store_cell *json_row_name(const struct store_shape *shape,
				       const struct store_batch *b,
				       uint32_t row)
{
	int i = column_of(shape, "@key", strlen("@key"));

	return i < 0 ? NULL : store_batch_cell(b, row, (uint32_t)i);
}

static void glue(struct strbuf *out)
{
	if (out->buf[out->len - 1] != '{')
		strbuf_addstr(out, ", ");
}

/* members that the shape does not know stay, in their place */
static void add_old(const struct store_shape *shape,
		    const struct store_batch *b, uint32_t row,
		    const struct json_tree *old, uint32_t node, bool *done,
		    struct strbuf *out)
{
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;

	for (uint32_t i = json_child(old, node); i; i = json_next(old, i)) {
		size_t kn, n;
		const char *k = json_key(old, i, &kn);
		const char *p = json_raw(old, i, &n);
		int col;

		strbuf_clear(&key);
		json_text_decode(k, kn, &key);
		col = column_of(shape, key.buf, key.len);
		glue(out);
		strbuf_add(out, k, kn);
		strbuf_addstr(out, ": ");
		if (col < 0) {
			strbuf_add(out, p, n);
			continue;
		}
		done[col] = true;
		add_json(b, store_batch_cell(b, row, (uint32_t)col), out);
	}
}

void json_row_text(const struct store_shape *shape,
		   const struct store_batch *b, uint32_t row,
		   const struct json_tree *old, uint32_t node,
		   struct strbuf *out)
{
	_cleanup_free_ bool *done = xcalloc(shape->ncol, sizeof(*done));
	int whole = column_of(shape, "@value", strlen("@value"));

	if (whole >= 0) {
		add_json(b, store_batch_cell(b, row, (uint32_t)whole), out);
		return;
	}
	strbuf_addch(out, '{');
	if (old && json_type_of(old, node) == JSON_T_OBJECT)
		add_old(shape, b, row, old, node, done, out);
	for (uint32_t i = 0; i < shape->ncol; i++) {
		if (done[i] || !strcmp(shape->col[i], "@key"))
			continue;
		glue(out);
		json_text_encode(shape->col[i], strlen(shape->col[i]), out);
		strbuf_addstr(out, ": ");
		add_json(b, store_batch_cell(b, row, i), out);
	}
	strbuf_addch(out, '}');
}
