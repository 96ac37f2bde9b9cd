/* SPDX-License-Identifier: MIT */
/*
 * schema - are the tables of a database what the plan expects? (check)
 *
 * store; tables: a list of groups with name, columns (as in CREATE TABLE:
 * "id bigint NOT NULL"; the type may be left out), key (columns of the primary
 * key, in order) and exact (true: no further columns). Each drift is named.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "steps.h"
#include "store.h"

struct column {
	char *name, *type;       /* type "": any */
	bool not_null;
};

struct table {
	char *name;
	struct column *col;
	size_t col_n;
	struct strvec key;
	bool exact;
};

struct schema_check {
	const struct plan_store *store;
	struct table *tables;
	size_t n;
};

static char *lowered(const char *p, size_t n)
{
	char *s;

	while (n && p[n - 1] == ' ')
		n--;
	s = xstrndup(p, n);
	for (char *c = s; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return s;
}

/* NAME or "NAME", then the type, then NOT NULL; false: no name */
static bool parse_column(const char *text, struct column *c)
{
	static const char not_null[] = "not null";
	_cleanup_free_ char *rest = NULL;
	size_t n;

	text += strspn(text, " ");
	n = *text == '"' ? strcspn(text + 1, "\"") : strcspn(text, " ");
	if (!n || (*text == '"' && text[n + 1] != '"'))
		return false;
	c->name = xstrndup(text + (*text == '"'), n);
	text += n + (*text == '"' ? 2 : 0);
	text += strspn(text, " ");
	rest = lowered(text, strlen(text));
	n = strlen(rest);
	if (n >= strlen(not_null) &&
	    !strcmp(rest + n - strlen(not_null), not_null)) {
		c->not_null = true;
		n -= strlen(not_null);
	}
	c->type = lowered(rest, n);
	return true;
}

static void parse_table(struct plan_node *n, struct table *t)
{
	_cleanup_strvec_ struct strvec cols = STRVEC_INIT;

	(void)plan_node_string(n, "name", true, &t->name);
	(void)plan_node_list(n, "columns", false, &cols);
	(void)plan_node_list(n, "key", false, &t->key);
	(void)plan_node_bool(n, "exact", &t->exact);
	t->col = xcalloc(cols.n ? cols.n : 1, sizeof(*t->col));
	for (size_t i = 0; i < cols.n; i++) {
		if (parse_column(cols.v[i], &t->col[t->col_n]))
			t->col_n++;
		else
			plan_node_problem(n, "columns",
				_("'%s' is no column (\"NAME TYPE NOT "
				  "NULL\")"), cols.v[i]);
	}
}

static int schema_parse(struct step *s, struct plan_node *n)
{
	struct schema_check *m = xcalloc(1, sizeof(*m));

	s->priv = m;
	(void)plan_node_store(n, "store", true, &m->store);
	m->n = plan_node_count(n, "tables");
	if (!m->n)
		plan_node_problem(n, NULL, _("'tables' is missing"));
	m->tables = xcalloc(m->n ? m->n : 1, sizeof(*m->tables));
	for (size_t i = 0; i < m->n; i++)
		parse_table(plan_node_child(n, "tables", i), &m->tables[i]);
	return plan_node_failed(n) ? -EINVAL : 0;
}

/* --- what is there --- */

static bool cell_is(const struct store_batch *b, uint32_t row, uint32_t col,
		    const char *text)
{
	const struct store_cell *c = store_batch_cell(b, row, col);

	return c->len >= 0 && (size_t)c->len == strlen(text) &&
	       !memcmp(b->buf + c->off, text, (size_t)c->len);
}

static char *cell(const struct store_batch *b, uint32_t row, uint32_t col)
{
	const struct store_cell *c = store_batch_cell(b, row, col);

	return xstrndup(c->len < 0 ? "" : b->buf + c->off,
			c->len < 0 ? 0 : (size_t)c->len);
}

static int find(const struct store_batch *b, const char *name)
{
	for (uint32_t i = 0; i < b->nrow; i++)
		if (cell_is(b, i, 0, name))
			return (int)i;
	return -1;
}

static void drift(struct check_result *r, char *text)
{
	strvec_take(&r->details, text);
}

static void look_at_column(const struct table *t, const struct column *c,
			   const struct store_batch *b, struct check_result *r)
{
	int at = find(b, c->name);
	_cleanup_free_ char *type = NULL, *have = NULL;

	if (at < 0) {
		drift(r, xasprintf(_("%s.%s is missing"), t->name, c->name));
		return;
	}
	have = cell(b, (uint32_t)at, 1);
	type = lowered(have, strlen(have));
	if (*c->type && strcmp(c->type, type) != 0)
		drift(r, xasprintf(_("%s.%s is of type %s, not %s"), t->name,
				   c->name, type, c->type));
	/* a column of the key may be said to be so by that alone */
	if (c->not_null && !cell_is(b, (uint32_t)at, 2, "t") &&
	    cell_is(b, (uint32_t)at, 4, "0"))
		drift(r, xasprintf(_("%s.%s may be NULL"), t->name, c->name));
}

static void look_at_key(const struct table *t, const struct store_batch *b,
			struct check_result *r)
{
	size_t n = 0;
	bool same = true;

	for (uint32_t i = 0; i < b->nrow; i++)
		n += !cell_is(b, i, 4, "0");
	for (size_t i = 0; i < t->key.n; i++) {
		int at = find(b, t->key.v[i]);

		same = same && at >= 0 &&
		       store_batch_int(b, (uint32_t)at, 4) == (int64_t)i + 1;
	}
	if (t->key.n && (!same || n != t->key.n))
		drift(r, xasprintf(_("%s has another primary key"), t->name));
}

static void look_at_rest(const struct table *t, const struct store_batch *b,
			 struct check_result *r)
{
	for (uint32_t i = 0; t->exact && i < b->nrow; i++) {
		bool known = false;
		_cleanup_free_ char *name = NULL;

		for (size_t k = 0; k < t->col_n; k++)
			known = known || cell_is(b, i, 0, t->col[k].name);
		if (known)
			continue;
		name = cell(b, i, 0);
		drift(r, xasprintf(_("%s.%s is not expected"), t->name, name));
	}
}

static int schema_check(const struct step *s, struct step_ctx *ctx,
			struct check_result *r, struct error *err)
{
	const struct schema_check *m = s->priv;
	_cleanup_store_ struct store *st = NULL;
	int ret = step_store(ctx, m->store->name, true, &st, err);

	for (size_t i = 0; ret >= 0 && i < m->n; i++) {
		_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
		const struct table *t = &m->tables[i];

		ret = store_columns(st, t->name, &b, err);
		if (ret == 0)
			drift(r, xasprintf(_("%s is missing"), t->name));
		if (ret <= 0)
			continue;
		for (size_t k = 0; k < t->col_n; k++)
			look_at_column(t, &t->col[k], &b, r);
		look_at_key(t, &b, r);
		look_at_rest(t, &b, r);
	}
	if (ret < 0)
		return ret;
	if (r->details.n)
		check_result_set(r, CHECK_FAIL, _("'%s' is not as expected: "
			"%s"), m->store->name, r->details.v[0]);
	else
		check_result_set(r, CHECK_OK, _("'%s' is as expected"),
				 m->store->name);
	return 0;
}

static void schema_release(struct step *s)
{
	struct schema_check *m = s->priv;

	for (size_t i = 0; i < m->n; i++) {
		struct table *t = &m->tables[i];

		for (size_t k = 0; k < t->col_n; k++) {
			free(t->col[k].name);
			free(t->col[k].type);
		}
		free(t->col);
		free(t->name);
		strvec_release(&t->key);
	}
	free(m->tables);
	free(m);
}

const struct step_ops check_schema_ops = {
	.name = "schema",
	.flags = STEP_IS_CHECK,
	.parse = schema_parse,
	.check = schema_check,
	.release = schema_release,
};
