/* SPDX-License-Identifier: MIT */
/* Views of a plan: what the groups say, and what cannot be. */
#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "plan.h"
#include "sql-select.h"
#include "step-sql.h"
#include "step-views.h"
#include "store-sql.h"

/* PostgreSQL cuts names behind 63 bytes */
#define NAMES_MAX 57

/* one statement, or several where more is fine; *text is as it was written */
static void parse_sql(struct plan_node *n, const char *key, bool required,
		      bool several, enum sql_dialect d, char **text)
{
	_cleanup_(sql_list_release) struct sql_list l = SQL_LIST_INIT;
	const char *why;
	int line = 1;

	if (!plan_node_string(n, key, required, text))
		return;
	why = sql_split(&l, d, *text, strlen(*text), &line);
	if (why)
		plan_node_problem(n, key, "'%s': %s", key, _(why));
	else if (!l.n || (l.n > 1 && !several))
		plan_node_problem(n, key, _("'%s' must be one statement"),
				  key);
	else if (l.n == 1) {
		/* a semicolon would end more than that */
		free(*text);
		*text = xstrdup(l.v[0].text);
	}
}

/* the table that the query is of, where it is only one */
static void guess_source(struct plan_node *n, const struct sql_select *q,
			 struct view_spec *w)
{
	w->source = xcalloc(1, sizeof(*w->source));
	w->source_n = 1;
	for (size_t k = 0; k < w->key.n; k++)
		for (size_t i = 0; i < q->names.n; i++) {
			_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

			if (strcmp(w->key.v[k], q->names.v[i]) ||
			    !*q->from.v[i])
				continue;
			strbuf_addstr(&sb, "NEW.");
			store_sql_name(&sb, q->from.v[i]);
			strvec_push(&w->source->match, w->key.v[k]);
			strvec_push(&w->source->match, sb.buf);
		}
	if (!q->table || w->source->match.n != w->key.n * 2)
		plan_node_problem(n, "select", _("'sources' is missing: 'select'"
				  " does not tell which rows of which table "
				  "change a row of '%s'"), w->name);
	else
		w->source->table = xstrdup(q->table);
}

static void parse_sources(struct plan_node *n, const struct sql_select *q,
			  struct view_spec *w)
{
	if (!plan_node_has(n, "sources")) {
		if (w->mirror)
			guess_source(n, q, w);
		return;
	}
	w->source_n = plan_node_count(n, "sources");
	w->source = xcalloc(w->source_n + 1, sizeof(*w->source));
	for (size_t i = 0; i < w->source_n; i++) {
		struct plan_node *one = plan_node_child(n, "sources", i);
		struct view_source *s = &w->source[i];

		(void)plan_node_string(one, "table", true, &s->table);
		(void)plan_node_pairs(one, "match", &s->match);
		if (!s->match.n)
			plan_node_problem(one, "match", _("'%s' is missing"),
					  "match");
		for (size_t k = 0; k < s->match.n; k += 2)
			if (!strvec_has(&w->columns, s->match.v[k]))
				plan_node_problem(one, "match",
					_("'%s' is no column of 'select'"),
					s->match.v[k]);
	}
}

/* read for a view as well, so that one word of a plan turns it into a mirror */
static void parse_mirror(struct plan_node *n, const struct views_spec *spec,
			 struct view_spec *w)
{
	_cleanup_sql_select_ struct sql_select q = SQL_SELECT_INIT;
	bool keyed = plan_node_list(n, "key", w->mirror, &w->key);
	const char *why = w->select ? sql_select_read(&q, spec->dialect,
						      w->select) : NULL;

	if (why)
		plan_node_problem(n, "select", "'%s': %s", "select", _(why));
	strvec_copy(&w->columns, &q.names);
	for (size_t i = 0; !why && w->select && i < w->key.n; i++)
		if (!strvec_has(&w->columns, w->key.v[i]))
			plan_node_problem(n, "key", _("'%s' is no column of "
					  "'select'"), w->key.v[i]);
	if (!why && keyed && w->select && w->name)
		parse_sources(n, &q, w);
}

/* what SQLite says to clients who insert through a view is not what they need
   (no last_insert_rowid(), no upsert): a mirror unless the plan knows better */
static bool is_mirror(struct plan_node *n, const struct views_spec *spec,
		      const struct view_spec *w)
{
	static const char *const modes[] = { "view", "mirror", NULL };
	int mode = spec->dialect == SQL_SQLITE && (w->insert || w->update ||
						   w->del);

	(void)plan_node_word(n, "mode", false, modes, &mode);
	return mode;
}

static void parse_view(struct plan_node *n, const struct views_spec *spec,
		       struct view_spec *w)
{
	w->keep = true;
	(void)plan_node_bool(n, "keep", &w->keep);
	(void)plan_node_pairs(n, "defaults", &w->defaults);
	parse_sql(n, "select", true, false, spec->dialect, &w->select);
	parse_sql(n, "insert", false, true, spec->dialect, &w->insert);
	parse_sql(n, "update", false, true, spec->dialect, &w->update);
	parse_sql(n, "delete", false, true, spec->dialect, &w->del);
	(void)plan_node_string(n, "name", true, &w->name);
	w->mirror = is_mirror(n, spec, w);
	if (w->mirror || plan_node_has(n, "key") || plan_node_has(n, "sources"))
		parse_mirror(n, spec, w);
	if (w->name && (!*w->name || strlen(w->name) + strlen(spec->step) > NAMES_MAX))
		plan_node_problem(n, "name", _("the name of the view and that "
				  "of the step are too long together"));
}

static bool is_date(const char *s)
{
	static const char form[] = "dddd-dd-dd";

	if (strlen(s) != strlen(form))
		return false;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == '-' ? s[i] != '-' : s[i] < '0' || s[i] > '9')
			return false;
	return true;
}

void step_views_parse(struct plan_node *n, struct views_spec *v)
{
	v->count_use = v->dialect == SQL_PG;
	if (plan_node_bool(n, "count_use", &v->count_use) && v->count_use &&
	    v->dialect == SQL_SQLITE)
		plan_node_problem(n, "count_use",
				  _("SQLite cannot count who reads"));
	(void)plan_node_bool(n, "security_invoker", &v->invoker);
	if (plan_node_string(n, "deprecate", false, &v->deprecate) &&
	    !is_date(v->deprecate))
		plan_node_problem(n, "deprecate", _("a date is written "
						    "\"2026-06-30\""));
	v->n = plan_node_count(n, "views");
	v->v = xcalloc(v->n + 1, sizeof(*v->v));
	for (size_t i = 0; i < v->n; i++)
		parse_view(plan_node_child(n, "views", i), v, &v->v[i]);
	if (!v->n)
		plan_node_problem(n, "views", _("'%s' is missing"), "views");
}

void step_views_release(struct views_spec *v)
{
	for (size_t i = 0; i < v->n; i++) {
		struct view_spec *w = &v->v[i];

		free(w->name);
		free(w->select);
		free(w->insert);
		free(w->update);
		free(w->del);
		strvec_release(&w->defaults);
		strvec_release(&w->columns);
		strvec_release(&w->key);
		for (size_t k = 0; k < w->source_n; k++) {
			free(w->source[k].table);
			strvec_release(&w->source[k].match);
		}
		free(w->source);
	}
	free(v->v);
	free(v->deprecate);
	v->v = NULL;
	v->n = 0;
}
