/* SPDX-License-Identifier: MIT */
/* What a plan says of statements, and what the statements say of themselves. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/i18n.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "effects.h"
#include "plan.h"
#include "step-sql.h"

#define LOCK_S 2

bool step_sql_target(struct plan_node *n, struct sql_target *t)
{
	int64_t retries;

	t->lock_s = LOCK_S;
	t->dialect = SQL_PG;
	(void)plan_node_duration(n, "lock_timeout", &t->lock_s);
	(void)plan_node_duration(n, "timeout", &t->timeout_s);
	if (plan_node_int(n, "retries", false, 0, 1000, &retries))
		t->tries = retries + 1;
	if (!plan_node_store(n, "store", true, &t->store))
		return false;
	t->dialect = t->store->kind == PLAN_STORE_SQLITE ? SQL_SQLITE :
		     SQL_PG;
	if (t->store->kind != PLAN_STORE_JSON &&
	    t->store->kind != PLAN_STORE_JSONL)
		return true;
	plan_node_problem(n, "store", _("'%s' is a file of records and takes "
					"no statements"), t->store->name);
	return false;
}

void step_sql_text(struct plan_node *n, const char *key, const char *text,
		   size_t len, const struct sql_target *t,
		   struct sql_list *ret)
{
	int line = 1;
	const char *why = sql_split(ret, t->dialect, text, len, &line);

	if (why)
		plan_node_problem(n, key, _("'%s', line %d: %s"), key, line,
				  _(why));
}

bool step_sql_list(struct plan_node *n, const char *key, bool required,
		   const struct sql_target *t, struct sql_list *ret)
{
	_cleanup_strvec_ struct strvec texts = STRVEC_INIT;

	if (!plan_node_list(n, key, required, &texts))
		return false;
	for (size_t i = 0; i < texts.n; i++)
		step_sql_text(n, key, texts.v[i], strlen(texts.v[i]), t, ret);
	return true;
}

void step_sql_add(struct sql_list *l, enum sql_dialect d, const char *fmt, ...)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	va_list ap;
	int line;

	va_start(ap, fmt);
	strbuf_vaddf(&sb, fmt, ap);
	va_end(ap);
	if (sql_split(l, d, sb.buf, sb.len, &line))
		BUG("a statement of ours that is none: %s", sb.buf);
}

/* --- effects --- */

/* [IF [NOT] EXISTS] [ONLY] name[.name] at the lexer, "" if there is none */
static void take_set(struct sql_lexer *l, enum sql_dialect d,
		     struct strbuf *out)
{
	struct sql_token t;

	strbuf_clear(out);
	do {
		sql_next(l, &t);
	} while (sql_is(&t, "if") || sql_is(&t, "not") ||
		 sql_is(&t, "exists") || sql_is(&t, "only") ||
		 sql_is(&t, "table") || sql_is(&t, "into") ||
		 sql_is(&t, "from"));
	for (;;) {
		_cleanup_free_ char *name = sql_name(&t, d);

		if (!name)
			return;
		strbuf_addstr(out, name);
		sql_next(l, &t);
		if (!sql_is(&t, "."))
			return;
		strbuf_addch(out, '.');
		sql_next(l, &t);
	}
}

/* does it take rows or values away? */
static bool alters_rows(const struct sql_stmt *s, enum sql_dialect d)
{
	static const char *const words[] = { "drop", "type", "rename" };
	struct sql_lexer l;
	struct sql_token t;

	sql_lex(&l, d, s->text, strlen(s->text));
	do {
		sql_next(&l, &t);
		for (size_t i = 0; i < ARRAY_SIZE(words); i++)
			if (sql_is(&t, words[i]))
				return true;
	} while (t.type != SQL_END && t.type != SQL_BAD);
	return false;
}

static void effects_of(const struct sql_target *t, const struct sql_stmt *s,
		       struct effects *out)
{
	static const char *const rows[] = { "update", "delete", "insert",
		"truncate", "merge" };
	static const char *const unknown[] = { "do", "call", "with",
		"select" };
	const char *store = t->store->name;
	_cleanup_strbuf_ struct strbuf set = STRBUF_INIT;
	struct sql_token first, second;
	struct sql_lexer l;

	sql_lex(&l, t->dialect, s->text, strlen(s->text));
	sql_next(&l, &first);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (sql_is(&first, rows[i])) {
			take_set(&l, t->dialect, &set);
			effects_add_set(out, EFFECT_CHANGE, store, set.buf);
			return;
		}
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		if (sql_is(&first, unknown[i]))
			effects_add_set(out, EFFECT_CHANGE, store, "");
	sql_next(&l, &second);
	if (sql_is(&first, "drop") && sql_is(&second, "schema"))
		effects_add_set(out, EFFECT_CHANGE, store, "");
	if (!sql_is(&second, "table"))
		return;
	take_set(&l, t->dialect, &set);
	if (sql_is(&first, "create"))
		effects_add_set(out, EFFECT_CREATE, store, set.buf);
	else if (sql_is(&first, "drop"))
		effects_add_set(out, EFFECT_REMOVE, store, set.buf);
	else if (sql_is(&first, "alter") && alters_rows(s, t->dialect))
		effects_add_set(out, EFFECT_CHANGE, store, set.buf);
}

void step_sql_effects(const struct sql_target *t, const struct sql_list *l,
		      struct effects *out)
{
	if (t->dialect == SQL_SQLITE) {
		/* the file, whatever they do to it */
		effects_add_set(out, EFFECT_CHANGE, t->store->name, "");
		return;
	}
	/* indexes, types and the like are no sets */
	effects_add_server(out, t->store->name);
	for (size_t i = 0; i < l->n; i++)
		effects_of(t, &l->v[i], out);
}
