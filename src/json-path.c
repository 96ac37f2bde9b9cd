/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/strbuf.h"
#include "base/xalloc.h"
#include "json-path-internal.h"
#include "json-text.h"

/* --- ownership --- */

void json_nodes_release(struct json_nodes *n)
{
	free(n->v);
	memset(n, 0, sizeof(*n));
}

void json_path_free(struct json_path *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++) {
		for (size_t k = 0; k < p->v[i].n; k++) {
			free(p->v[i].v[k].name);
			path_expr_free(p->v[i].v[k].filter);
		}
		free(p->v[i].v);
	}
	free(p->v);
	free(p);
}

static void operand_release(struct operand *o)
{
	json_path_free(o->path);
	if (o->text)
		json_tree_release(&o->literal);
	free(o->text);
}

void path_expr_free(struct path_expr *e)
{
	if (!e)
		return;
	path_expr_free(e->a);
	path_expr_free(e->b);
	operand_release(&e->left);
	operand_release(&e->right);
	free(e);
}

void json_filter_free(struct json_filter *f)
{
	if (!f)
		return;
	path_expr_free(f->expr);
	free(f);
}

/* --- following --- */

struct walk {
	const struct json_tree *t;
	uint32_t root;           /* what $ means */
};

static bool holds(const struct walk *w, const struct path_expr *e,
		  uint32_t node);

static void add(struct json_nodes *out, uint32_t node)
{
	VEC_GROW(out->v, out->n, out->cap);
	out->v[out->n++] = node;
}

/* the element of an index that may count from the end; 0: none */
static uint32_t element(const struct json_tree *t, uint32_t node, int64_t at)
{
	if (at < 0)
		at += (int64_t)json_count(t, node);
	return at < 0 ? 0 : json_element(t, node, (uint64_t)at);
}

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
	return v < low ? low : v > high ? high : v;
}

/* section 2.3.4.2.2 of the RFC */
static void slice(const struct json_tree *t, uint32_t node,
		  const struct selector *s, struct json_nodes *out)
{
	int64_t n = (int64_t)json_count(t, node), from, to;

	if (!s->step)
		return;
	from = !s->has_start ? (s->step > 0 ? 0 : n - 1) :
		s->start < 0 ? s->start + n : s->start;
	to = !s->has_end ? (s->step > 0 ? n : -1) :
		s->end < 0 ? s->end + n : s->end;
	if (s->step > 0) {
		uint32_t c = 0;
		int64_t at = 0;

		from = clamp(from, 0, n);
		to = clamp(to, 0, n);
		for (c = json_child(t, node); c && at < to;
		     c = json_next(t, c), at++)
			if (at >= from && (at - from) % s->step == 0)
				add(out, c);
		return;
	}
	from = clamp(from, -1, n - 1);
	to = s->has_end ? clamp(to, -1, n - 1) : -1;
	for (; from > to; from += s->step)
		add(out, json_element(t, node, (uint64_t)from));
}

static void apply(const struct walk *w, const struct selector *s,
		  uint32_t node, struct json_nodes *out)
{
	enum json_node_type type = json_type_of(w->t, node);
	uint32_t c;

	switch (s->type) {
	case SELECT_NAME:
		if (type != JSON_T_OBJECT)
			return;
		for (c = json_child(w->t, node); c; c = json_next(w->t, c))
			if (json_key_is(w->t, c, s->name, s->len))
				add(out, c);
		return;
	case SELECT_INDEX:
		c = type == JSON_T_ARRAY ? element(w->t, node, s->start) : 0;
		if (c)
			add(out, c);
		return;
	case SELECT_SLICE:
		if (type == JSON_T_ARRAY)
			slice(w->t, node, s, out);
		return;
	case SELECT_ALL:
	case SELECT_FILTER:
		if (type < JSON_T_ARRAY)
			return;
		for (c = json_child(w->t, node); c; c = json_next(w->t, c))
			if (s->type == SELECT_ALL || holds(w, s->filter, c))
				add(out, c);
	}
}

static void apply_all(const struct walk *w, const struct segment *g,
		      uint32_t node, struct json_nodes *out)
{
	for (size_t i = 0; i < g->n; i++)
		apply(w, &g->v[i], node, out);
	if (!g->descend || json_type_of(w->t, node) < JSON_T_ARRAY)
		return;
	for (uint32_t c = json_child(w->t, node); c; c = json_next(w->t, c))
		apply_all(w, g, c, out);
}

/* segments from first on, for node */
static void follow(const struct walk *w, const struct json_path *p,
		   size_t first, uint32_t node, struct json_nodes *out)
{
	_cleanup_json_nodes_ struct json_nodes now = { 0 };

	if (first == p->n) {
		add(out, node);
		return;
	}
	/* the last one straight into the answer */
	if (first + 1 == p->n) {
		apply_all(w, &p->v[first], node, out);
		return;
	}
	apply_all(w, &p->v[first], node, &now);
	for (size_t i = 0; i < now.n; i++)
		follow(w, p, first + 1, now.v[i], out);
}

void json_path_select(const struct json_path *p, const struct json_tree *t,
		      uint32_t root, struct json_nodes *out)
{
	struct walk w = { .t = t, .root = root };

	follow(&w, p, 0, root, out);
}

/* --- filters --- */

/* one value at most; 0: none */
static uint32_t single(const struct walk *w, const struct json_path *p,
		       uint32_t node)
{
	if (!p->relative)
		node = w->root;
	for (size_t i = 0; node && i < p->n; i++) {
		const struct selector *s = &p->v[i].v[0];

		if (s->type == SELECT_NAME)
			node = json_member(w->t, node, s->name, s->len);
		else
			node = json_type_of(w->t, node) == JSON_T_ARRAY ?
				element(w->t, node, s->start) : 0;
	}
	return node;
}

struct side {
	const struct json_tree *t;
	uint32_t node;
};

static struct side side_of(const struct walk *w, const struct operand *o,
			   uint32_t node)
{
	if (!o->path)
		return (struct side) { &o->literal, JSON_ROOT };
	return (struct side) { w->t, single(w, o->path, node) };
}

static bool equal(const struct side *a, const struct side *b)
{
	if (!a->node || !b->node)
		return a->node == b->node;
	return json_equal(a->t, a->node, b->t, b->node);
}

static bool less(const struct side *a, const struct side *b)
{
	_cleanup_strbuf_ struct strbuf x = STRBUF_INIT, y = STRBUF_INIT;
	enum json_node_type type;
	const char *p, *q;
	size_t n, m;
	int c;

	if (!a->node || !b->node)
		return false;
	type = json_type_of(a->t, a->node);
	if (type != json_type_of(b->t, b->node))
		return false;
	if (type == JSON_T_NUMBER) {
		p = json_raw(a->t, a->node, &n);
		q = json_raw(b->t, b->node, &m);
		return json_number_cmp(p, n, q, m) < 0;
	}
	if (type != JSON_T_STRING)
		return false;
	json_string(a->t, a->node, &x);
	json_string(b->t, b->node, &y);
	c = memcmp(x.buf, y.buf, MIN(x.len, y.len));
	return c < 0 || (!c && x.len < y.len);
}

static bool compares(const struct walk *w, const struct path_expr *e,
		     uint32_t node)
{
	struct side a = side_of(w, &e->left, node);
	struct side b = side_of(w, &e->right, node);

	switch (e->type) {
	case EXPR_EQ:
		return equal(&a, &b);
	case EXPR_NE:
		return !equal(&a, &b);
	case EXPR_LT:
		return less(&a, &b);
	case EXPR_GT:
		return less(&b, &a);
	case EXPR_LE:
		return less(&a, &b) || equal(&a, &b);
	default:
		return less(&b, &a) || equal(&a, &b);
	}
}

static bool exists(const struct walk *w, const struct json_path *p,
		   uint32_t node)
{
	_cleanup_json_nodes_ struct json_nodes found = { 0 };

	follow(w, p, 0, p->relative ? node : w->root, &found);
	return found.n;
}

static bool holds(const struct walk *w, const struct path_expr *e,
		  uint32_t node)
{
	switch (e->type) {
	case EXPR_OR:
		return holds(w, e->a, node) || holds(w, e->b, node);
	case EXPR_AND:
		return holds(w, e->a, node) && holds(w, e->b, node);
	case EXPR_NOT:
		return !holds(w, e->a, node);
	case EXPR_EXISTS:
		return exists(w, e->left.path, node);
	default:
		return compares(w, e, node);
	}
}

bool json_filter_test(const struct json_filter *f, const struct json_tree *t,
		      uint32_t node)
{
	struct walk w = { .t = t, .root = node };

	return holds(&w, f->expr, node);
}

/* --- element by element --- */

bool path_expr_absolute(const struct path_expr *e)
{
	return e && (path_expr_absolute(e->a) || path_expr_absolute(e->b) ||
		     path_absolute(e->left.path) ||
		     path_absolute(e->right.path));
}

/* of a path in a filter */
bool path_absolute(const struct json_path *p)
{
	if (!p)
		return false;
	if (!p->relative)
		return true;
	for (size_t i = 0; i < p->n; i++)
		for (size_t k = 0; k < p->v[i].n; k++)
			if (path_expr_absolute(p->v[i].v[k].filter))
				return true;
	return false;
}

/* the segment that takes the elements, or p->n */
static size_t stream_segment(const struct json_path *p)
{
	size_t i = 0;

	while (i < p->n && !p->v[i].descend && p->v[i].n == 1 &&
	       p->v[i].v[0].type == SELECT_NAME &&
	       !memchr(p->v[i].v[0].name, '\0', p->v[i].v[0].len))
		i++;
	if (i == p->n || p->v[i].descend || p->v[i].n != 1 ||
	    p->v[i].v[0].type < SELECT_ALL)
		return p->n;
	return i;
}

bool json_path_streams(const struct json_path *p, struct strvec *names)
{
	size_t at = stream_segment(p);

	if (at == p->n)
		return false;
	for (size_t i = at; i < p->n; i++)
		for (size_t k = 0; k < p->v[i].n; k++)
			if (path_expr_absolute(p->v[i].v[k].filter))
				return false;
	for (size_t i = 0; names && i < at; i++)
		strvec_push(names, p->v[i].v[0].name);
	return true;
}

void json_path_select_element(const struct json_path *p,
			      const struct json_tree *t, uint32_t elem,
			      struct json_nodes *out)
{
	size_t at = stream_segment(p);
	const struct selector *s = &p->v[at].v[0];
	struct walk w = { .t = t, .root = elem };

	if (s->type == SELECT_FILTER && !holds(&w, s->filter, elem))
		return;
	follow(&w, p, at + 1, elem, out);
}
