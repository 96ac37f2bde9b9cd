/* SPDX-License-Identifier: MIT */
#include "records-map.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "records-cast.h"
#include "records-copy-internal.h"

void records_map_release(struct records_map *m)
{
	plan_set_release(&m->from);
	plan_set_release(&m->to);
	strvec_release(&m->key);
	strvec_release(&m->col);
	strvec_release(&m->expr);
	free(m->where);
	free(m->owns);
}

static bool is_key(const struct records_map *m, const char *col)
{
	return strvec_has(&m->key, col);
}

void records_map_parse(struct plan_node *n, bool required,
		       struct records_map *ret)
{
	_cleanup_strvec_ struct strvec pairs = STRVEC_INIT;

	(void)plan_node_set(n, "from", required, 0, &ret->from);
	(void)plan_node_set(n, "to", required, 0, &ret->to);
	(void)plan_node_list(n, "key", required, &ret->key);
	(void)plan_node_string(n, "where", false, &ret->where);
	(void)plan_node_string(n, "owns", false, &ret->owns);
	(void)plan_node_pairs(n, "columns", &pairs);
	for (size_t i = 0; i + 1 < pairs.n; i += 2) {
		strvec_push(&ret->col, pairs.v[i]);
		strvec_push(&ret->expr, pairs.v[i + 1]);
	}
	for (size_t i = 0; i < ret->key.n; i++) {
		if (ret->col.n && !strvec_has(&ret->col, ret->key.v[i]))
			plan_node_problem(n, "key",
				_("'key': '%s' is not among the columns"),
				ret->key.v[i]);
		for (size_t k = 0; k < i; k++)
			if (!strcmp(ret->key.v[k], ret->key.v[i]))
				plan_node_problem(n, "key",
					_("'key': '%s' is there twice"),
					ret->key.v[i]);
	}
}

/* --- against the stores --- */

enum { COL_NAME, COL_TYPE, COL_NOT_NULL, COL_DEFAULT, COL_PRIMARY };

struct resolving {
	const struct records_map *m;
	struct records_shapes *out;
	const char *set;             /* of the source */
	struct store_batch from, to; /* columns */
	bool cast;
	/* of the two, where the other is a file; or NULL */
	const struct store_batch *pg;
	struct error *err;
};

/* expr: NULL: the column itself */
static void add(struct resolving *r, const char *col, const char *expr)
{
	strvec_push(&r->out->from_col, col);
	strvec_push(&r->out->from_expr, expr ? expr : "");
}

/* by which columns it can be read, if the key is no column of the source */
static void add_hidden(struct resolving *r)
{
	for (uint32_t place = 1; place <= r->from.nrow; place++)
		for (uint32_t i = 0; i < r->from.nrow; i++) {
			_cleanup_free_ char *name = records_cell_text(&r->from,
				i, COL_NAME);

			if (records_cell_number(&r->from, i, COL_PRIMARY) ==
			    place)
				add(r, name, NULL);
		}
	r->out->hidden = (uint32_t)r->out->from_col.n;
}

static const char *expr_of(const struct resolving *r, const char *col)
{
	for (size_t i = 0; i < r->m->col.n; i++)
		if (!strcmp(r->m->col.v[i], col))
			return r->m->expr.v[i];
	return col;
}

static int add_column(struct resolving *r, const char *col)
{
	const char *expr = expr_of(r, col);
	int from = records_cast_column(&r->from, expr);
	int to = records_cast_column(&r->to, col);
	_cleanup_free_ char *has = NULL, *wants = NULL;
	_cleanup_free_ char *name = from < 0 ? NULL :
		records_cell_text(&r->from, (uint32_t)from, COL_NAME);
	_cleanup_strbuf_ struct strbuf with = STRBUF_INIT;

	if (r->to.nrow && to < 0)
		return error_set(r->err, ERR_STORE, -ENOENT,
			_("'%s' has no column '%s'"), r->m->to.set, col);
	if (!r->m->col.n && r->from.nrow && from < 0)
		return error_set(r->err, ERR_STORE, -ENOENT,
			_("'%s' has no column '%s'"), r->set, col);
	strvec_push(&r->out->to_col, col);
	if (r->cast && to >= 0 && !is_key(r->m, col)) {
		wants = records_cell_text(&r->to, (uint32_t)to, COL_TYPE);
		has = from < 0 ? NULL :
			records_cell_text(&r->from, (uint32_t)from, COL_TYPE);
		if (from < 0)
			strbuf_addf(&with, "(%s)::%s", expr, wants);
		else if (strcmp(has, wants) != 0)
			records_cast_add(&with, name, has, wants);
	}
	if (with.len)
		add(r, col, with.buf);
	else if (from >= 0)
		add(r, name, NULL);
	else
		add(r, col, expr);
	return 0;
}

static int add_columns(struct resolving *r)
{
	const struct records_map *m = r->m;
	bool plain = true;
	int ret = 0;

	for (size_t i = 0; i < m->key.n; i++)
		plain &= records_cast_column(&r->from, expr_of(r, m->key.v[i])) >= 0;
	if (!plain)
		add_hidden(r);
	for (size_t i = 0; ret == 0 && i < m->key.n; i++)
		ret = add_column(r, m->key.v[i]);
	for (size_t i = 0; ret == 0 && i < m->col.n; i++)
		if (!is_key(m, m->col.v[i]))
			ret = add_column(r, m->col.v[i]);
	for (uint32_t i = 0; ret == 0 && !m->col.n && i < r->from.nrow; i++) {
		_cleanup_free_ char *name = records_cell_text(&r->from, i,
							      COL_NAME);

		if (!is_key(m, name))
			ret = add_column(r, name);
	}
	return ret;
}

static void make_shapes(struct records_shapes *s, const struct resolving *r)
{
	const struct records_map *m = r->m;

	s->expr = xcalloc(s->from_expr.n + 1, sizeof(*s->expr));
	for (size_t i = 0; i < s->from_expr.n; i++)
		s->expr[i] = *s->from_expr.v[i] ? s->from_expr.v[i] : NULL;
	s->json = xcalloc(s->from_expr.n + 1, sizeof(*s->json));
	for (uint32_t i = 0; r->pg && i < s->to_col.n; i++) {
		const char *col = s->to_col.v[i];
		_cleanup_free_ char *type = records_cast_type(r->pg,
			r->pg == &r->to ? col : expr_of(r, col));

		s->json[s->hidden + i] = type && records_cast_is_json(type);
	}
	s->from = (struct store_shape){
		.set = r->set, .json = s->json, .ncol = (uint32_t)s->from_col.n,
		.nkey = s->hidden ? s->hidden : (uint32_t)m->key.n,
		.col = (const char *const *)s->from_col.v, .expr = s->expr,
		.where = m->where,
	};
	s->to = (struct store_shape){
		.set = m->to.set, .ncol = (uint32_t)s->to_col.n,
		.nkey = (uint32_t)m->key.n,
		.col = (const char *const *)s->to_col.v, .where = m->owns,
		.json = s->json + s->hidden,
	};
}

static int columns(struct store *s, const char *set, struct store_batch *b,
		   struct error *err)
{
	int ret = store_columns(s, set, b, err);

	if (ret == 0)
		return error_set(err, ERR_STORE, -ENOENT,
				 _("%s: there is no '%s'"), store_name(s),
				 set);
	return MIN(ret, 0);
}

static bool both_pg(const struct store *a, const struct store *b)
{
	return store_is_pg(a) && store_is_pg(b);
}

/* how a column is read as what it is in dst */
static const char *cast_to(struct records_shapes *ret,
			   const struct store_batch *src,
			   const struct store_batch *dst, const char *col,
			   const char *expr)
{
	int at = records_cast_column(src, expr ? expr : col);
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	_cleanup_free_ char *wants = records_cast_type(dst, col), *has = NULL;
	_cleanup_free_ char *name = NULL;

	if (!wants || (at < 0 && !expr))
		return expr;
	if (at >= 0) {
		has = records_cell_text(src, (uint32_t)at, COL_TYPE);
		name = records_cell_text(src, (uint32_t)at, COL_NAME);
		records_cast_add(&sql, name, has, wants);
	} else {
		strbuf_addf(&sql, "(%s\n)::%s", expr, wants);
	}
	strvec_push(&ret->from_expr, sql.buf);
	return ret->from_expr.v[ret->from_expr.n - 1];
}

int records_map_cast(const struct store_shape *from, uint32_t hidden,
		     const struct store_shape *to, struct store *from_store,
		     struct store *to_store, struct records_shapes *ret,
		     struct error *err)
{
	_cleanup_store_batch_ struct store_batch src = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch dst = STORE_BATCH_INIT;
	bool cast = both_pg(from_store, to_store);
	int n = cast ? columns(to_store, to->set, &dst, err) : 0;

	if (cast && n == 0)
		n = columns(from_store, from->set, &src, err);
	memset(ret, 0, sizeof(*ret));
	if (n < 0)
		return n;
	ret->from = *from;
	ret->to = *to;
	ret->hidden = hidden;
	ret->expr = xcalloc(from->ncol + 1, sizeof(*ret->expr));
	for (uint32_t i = 0; i < from->ncol; i++) {
		const char *expr = from->expr ? from->expr[i] : NULL;

		/* kept in from_expr, which grows no more than this */
		ret->expr[i] = i < hidden + to->nkey ? expr :
			cast_to(ret, &src, &dst, from->col[i], expr);
	}
	ret->from.expr = ret->expr;
	return 0;
}

int records_map_resolve(const struct records_map *m, struct store *from,
			struct store *to, struct records_shapes *ret,
			struct error *err)
{
	struct resolving r = { .m = m, .out = ret, .err = err,
			       .set = m->from.set };
	int n;

	memset(ret, 0, sizeof(*ret));
	r.cast = both_pg(from, to);
	if (store_is_pg(to) && !store_can(from, STORE_CAP_SQL))
		r.pg = &r.to;
	else if (store_is_pg(from) && !store_can(to, STORE_CAP_SQL))
		r.pg = &r.from;
	n = columns(from, r.set, &r.from, err);
	if (n == 0)
		n = columns(to, m->to.set, &r.to, err);
	if (n == 0)
		n = add_columns(&r);
	if (n == 0)
		make_shapes(ret, &r);
	store_batch_release(&r.from);
	store_batch_release(&r.to);
	if (n < 0)
		records_shapes_release(ret);
	return n;
}

void records_shapes_release(struct records_shapes *s)
{
	strvec_release(&s->from_col);
	strvec_release(&s->from_expr);
	strvec_release(&s->to_col);
	free(s->expr);
	free(s->json);
	memset(s, 0, sizeof(*s));
}
