/* SPDX-License-Identifier: MIT */
#include "sql-grants.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/xalloc.h"
#include "effects.h"
#include "plan.h"
#include "sql-split.h"
#include "step.h"
#include "store-sql.h"

void sql_grants_release(struct sql_grants *g)
{
	for (size_t i = 0; i < g->n; i++) {
		free(g->v[i].right);
		free(g->v[i].set);
	}
	free(g->v);
	memset(g, 0, sizeof(*g));
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool has(const struct sql_grants *g, const struct plan_store *st,
		const char *right, const char *set)
{
	for (size_t i = 0; i < g->n; i++)
		if (!strcmp(g->v[i].store->url, st->url) &&
		    !strcmp(g->v[i].right, right) && same(g->v[i].set, set))
			return true;
	return false;
}

static void add(struct sql_grants *g, const struct plan_store *st,
		const char *right, const char *set)
{
	if (!st || st->kind != PLAN_STORE_PG || has(g, st, right, set))
		return;
	VEC_GROW(g->v, g->n, g->cap);
	g->v[g->n++] = (struct sql_grant){
		st, xstrdup(right), xstrdup_null(set),
	};
}

void sql_grants_table(struct sql_grants *g, const struct plan_store *st,
		      const char *rights, const char *set)
{
	while (*rights) {
		size_t n = strcspn(rights, " ");
		_cleanup_free_ char *one = xstrndup(rights, n);

		add(g, st, one, set);
		rights += n + strspn(rights + n, " ");
	}
}

void sql_grants_ours(struct sql_grants *g, const struct plan_store *st)
{
	add(g, st, "CREATE", "public");
	add(g, st, "TEMPORARY", NULL);
}

/* --- statements --- */

struct look {
	struct sql_grants *g;
	const struct plan_store *st;
	struct sql_lexer lex;
	struct sql_token t;      /* the one that is looked at */
	struct strvec ctes;
};

static void next(struct look *k)
{
	sql_next(&k->lex, &k->t);
}

static bool word(const struct look *k, const char *w)
{
	return k->t.type == SQL_WORD && sql_is(&k->t, w);
}

static bool other(const struct look *k, char c)
{
	return k->t.type == SQL_OTHER && k->t.n == 1 && *k->t.s == c;
}

/* [SCHEMA.]NAME, behind words that may stand before it; NULL: there is none */
static char *name(struct look *k)
{
	_cleanup_free_ char *first = NULL, *second = NULL;

	while (word(k, "only") || word(k, "if") || word(k, "not") ||
	       word(k, "exists") || word(k, "concurrently") ||
	       word(k, "lateral") || word(k, "table"))
		next(k);
	first = sql_name(&k->t, SQL_PG);
	if (!first || word(k, "select") || word(k, "values"))
		return NULL;
	next(k);
	if (!other(k, '.'))
		return TAKE_PTR(first);
	next(k);
	second = sql_name(&k->t, SQL_PG);
	if (!second)
		return NULL;
	next(k);
	return xasprintf("%s.%s", first, second);
}

static void table(struct look *k, const char *rights)
{
	_cleanup_free_ char *set = name(k);

	/* a function, or what stands above it */
	if (set && !(other(k, '(') && !strncmp(rights, "SELECT", 7)) &&
	    !strvec_has(&k->ctes, set))
		sql_grants_table(k->g, k->st, rights, set);
}

/* FROM a, b AS c, f(x) d */
static void from(struct look *k)
{
	for (;;) {
		next(k);
		if (other(k, '('))
			return;
		table(k, "SELECT");
		if (word(k, "as"))
			next(k);
		if ((k->t.type == SQL_WORD || k->t.type == SQL_NAME) &&
		    !word(k, "join") && !word(k, "where") && !word(k, "left"))
			next(k);
		if (!other(k, ','))
			return;
	}
}

static char *schema_of(const char *set)
{
	const char *dot = strchr(set, '.');

	return dot ? xstrndup(set, (size_t)(dot - set)) : xstrdup("public");
}

/* what CREATE makes, behind the word for it */
static void create(struct look *k)
{
	bool index = false, trigger = false;

	for (next(k); k->t.type == SQL_WORD; next(k)) {
		_cleanup_free_ char *set = NULL, *schema = NULL;

		index |= word(k, "index");
		trigger |= word(k, "trigger");
		if ((index || trigger) && word(k, "on")) {
			next(k);
			table(k, index ? "OWN" : "TRIGGER");
			return;
		}
		if (word(k, "schema")) {
			next(k);
			set = name(k);
			add(k->g, k->st, "CREATE", NULL);
			add(k->g, k->st, "SCHEMA", set);
			return;
		}
		if (!word(k, "table") && !word(k, "view") &&
		    !word(k, "sequence") && !word(k, "function") &&
		    !word(k, "type"))
			continue;
		next(k);
		set = name(k);
		if (!set)
			return;
		schema = schema_of(set);
		add(k->g, k->st, "CREATE", schema);
		add(k->g, k->st, "MADE", set);
		return;
	}
	/* CREATE INDEX "quoted" ON */
	while ((index || trigger) && k->t.type != SQL_END && !word(k, "on"))
		next(k);
	if (word(k, "on")) {
		next(k);
		table(k, index ? "OWN" : "TRIGGER");
	}
}

/* in front of SET: does NAME FROM CURRENT follow? that reads no table */
static bool from_current(const struct look *k)
{
	struct look ahead = *k;

	next(&ahead);
	for (next(&ahead); other(&ahead, '.'); next(&ahead))
		next(&ahead);
	if (!word(&ahead, "from"))
		return false;
	next(&ahead);
	return word(&ahead, "current");
}

/* at a word that may begin something; goes on behind it */
static void one_word(struct look *k, const struct sql_token *before)
{
	bool start = !before->s || before->type == SQL_OTHER;

	if (word(k, "with") || word(k, "recursive")) {
		next(k);
		if (!word(k, "recursive") && sql_name(&k->t, SQL_PG))
			strvec_take(&k->ctes, sql_name(&k->t, SQL_PG));
	} else if ((word(k, "from") && !sql_is(before, "distinct")) ||
		   word(k, "join")) {
		if (sql_is(before, "delete")) {
			next(k);
			table(k, "SELECT DELETE");
		} else {
			from(k);
		}
	} else if (word(k, "into") && sql_is(before, "insert")) {
		next(k);
		table(k, "INSERT");
	} else if (word(k, "update") && start) {
		next(k);
		table(k, "SELECT UPDATE");
	} else if (word(k, "truncate") && start) {
		next(k);
		table(k, "TRUNCATE");
	} else if (word(k, "references")) {
		next(k);
		table(k, "REFERENCES");
	} else if (word(k, "table") && (sql_is(before, "alter") ||
					sql_is(before, "drop"))) {
		next(k);
		table(k, "OWN");
	} else if (word(k, "create") && start) {
		create(k);
	} else if (word(k, "set") && from_current(k)) {
		while (!word(k, "current"))
			next(k);
	} else {
		next(k);
	}
}

/* `x AS (` names a query, wherever it stands */
static void find_ctes(struct look *k, const char *sql)
{
	struct sql_token was = { 0 }, as = { 0 };

	sql_lex(&k->lex, SQL_PG, sql, strlen(sql));
	for (next(k); k->t.type != SQL_END && k->t.type != SQL_BAD; next(k)) {
		char *n = other(k, '(') && as.s && sql_is(&as, "as") && was.s ?
			sql_name(&was, SQL_PG) : NULL;

		if (n)
			strvec_take(&k->ctes, n);
		was = as;
		as = k->t;
	}
}

void sql_grants_text(struct sql_grants *g, const struct plan_store *st,
		     const char *sql)
{
	struct look k = { .g = g, .st = st };
	struct sql_token before = { 0 };

	if (!st || st->kind != PLAN_STORE_PG || !sql)
		return;
	find_ctes(&k, sql);
	sql_lex(&k.lex, SQL_PG, sql, strlen(sql));
	next(&k);
	while (k.t.type != SQL_END && k.t.type != SQL_BAD) {
		struct sql_token at = k.t;

		if (at.type == SQL_WORD)
			one_word(&k, &before);
		else
			next(&k);
		before = at;
	}
	strvec_release(&k.ctes);
}

void sql_grants_list(struct sql_grants *g, const struct plan_store *st,
		     const struct sql_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		sql_grants_text(g, st, l->v[i].text);
}

void sql_grants_read(struct sql_grants *g, const struct plan_set *set)
{
	if (!set->store)
		return;
	if (set->query)
		sql_grants_text(g, set->store, set->set);
	else if (set->set && *set->set)
		sql_grants_table(g, set->store, "SELECT", set->set);
}

/* --- as a script --- */

/* made by the plan, so its own; ours, made by whoever runs */
static bool is_own(const struct sql_grants *g, const struct sql_grant *x)
{
	_cleanup_free_ char *schema = x->set ? schema_of(x->set) : NULL;

	if (!x->set)
		return false;
	if (!strcmp(x->right, "CREATE"))
		return has(g, x->store, "SCHEMA", x->set);
	return has(g, x->store, "MADE", x->set) ||
		has(g, x->store, "SCHEMA", schema) ||
		strstr(x->set, "_upshift_");
}

static void usage(const struct sql_grant *x, struct strvec *done,
		  struct strbuf *out)
{
	_cleanup_free_ char *schema = schema_of(x->set);
	_cleanup_strbuf_ struct strbuf q = STRBUF_INIT;

	if (strvec_has(done, schema))
		return;
	strvec_push(done, schema);
	store_sql_name(&q, schema);
	strbuf_addf(out, "GRANT USAGE ON SCHEMA %s TO :\"role\";\n", q.buf);
}

/* all rights on the set of the first that names it */
static void on_table(const struct sql_grants *g, size_t at, struct strbuf *out)
{
	_cleanup_strbuf_ struct strbuf rights = STRBUF_INIT, q = STRBUF_INIT;
	const struct sql_grant *x = &g->v[at];

	for (size_t i = 0; i < g->n; i++) {
		const struct sql_grant *y = &g->v[i];

		if (strcmp(y->store->url, x->store->url) ||
		    !same(y->set, x->set) || !strcmp(y->right, "OWN"))
			continue;
		if (i < at)
			return;
		strbuf_addf(&rights, "%s%s", rights.len ? ", " : "", y->right);
	}
	store_sql_set(&q, x->set);
	strbuf_addf(out, "GRANT %s ON %s TO :\"role\";\n", rights.buf, q.buf);
}

static bool is_of_table(const struct sql_grant *x)
{
	return x->set && strcmp(x->right, "CREATE") != 0;
}

/* of the database as a whole, for pg_dump; its tables are in no text of ours */
#define DUMP "DUMP"
static const char dump_grants[] =
	"-- pg_dump reads all tables and sequences\n"
	"SELECT format(g, nspname, :'role') FROM pg_namespace, unnest(ARRAY[\n"
	"  'GRANT USAGE ON SCHEMA %I TO %I',\n"
	"  'GRANT SELECT ON ALL TABLES IN SCHEMA %I TO %I',\n"
	"  'GRANT SELECT ON ALL SEQUENCES IN SCHEMA %I TO %I']) g\n"
	"  WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' "
	"\\gexec\n";

static void one_grant(const struct sql_grants *g, size_t i,
		      struct strvec *schemas, struct strbuf *out)
{
	const struct sql_grant *x = &g->v[i];
	_cleanup_strbuf_ struct strbuf q = STRBUF_INIT;

	if (!strcmp(x->right, "MADE") || !strcmp(x->right, "SCHEMA") ||
	    is_own(g, x))
		return;
	if (!strcmp(x->right, DUMP)) {
		strbuf_addstr(out, dump_grants);
	} else if (!strcmp(x->right, "ALL")) {
		strbuf_addstr(out, "-- the backup reads all tables\n"
			      "GRANT pg_read_all_data TO :\"role\";\n");
	} else if (!x->set) {
		strbuf_addf(out, "GRANT %s ON DATABASE :\"DBNAME\" TO "
			    ":\"role\";\n", x->right);
	} else if (!strcmp(x->right, "CREATE")) {
		store_sql_name(&q, x->set);
		strbuf_addf(out, "GRANT USAGE, CREATE ON SCHEMA %s TO "
			    ":\"role\";\n", q.buf);
		strvec_push(schemas, x->set);
	} else if (!strcmp(x->right, "OWN")) {
		store_sql_set(&q, x->set);
		strbuf_addf(out, "-- must own %s, or be a member of its "
			    "owner\n", q.buf);
	} else {
		usage(x, schemas, out);
		on_table(g, i, out);
	}
}

static void of_steps(struct step *const *v, size_t n, struct sql_grants *g)
{
	for (size_t i = 0; i < n; i++)
		if (v[i]->ops->grants)
			v[i]->ops->grants(v[i], g);
}

static void saved(const struct plan *p, const struct plan_store *st,
		  const char *set, struct sql_grants *g)
{
	if (p->pg_dump)
		add(g, st, DUMP, NULL);
	else if (*set)
		add(g, st, "SELECT", set);
	else
		add(g, st, "ALL", NULL);
}

/* What steps change is saved before; "" is all that there is. */
static void of_backup(const struct plan *p, const struct step *s,
		      struct sql_grants *g)
{
	_cleanup_effects_ struct effects e = EFFECTS_INIT;

	if (!s->ops->effects || s->ops->effects(s, NULL, &e, NULL) < 0)
		return;
	for (size_t i = 0; i < e.set_n; i++)
		for (size_t k = 0; k < p->store_n; k++) {
			const struct plan_store *st = &p->stores[k];

			if (e.sets[i].type == EFFECT_READ ||
			    strcmp(st->name, e.sets[i].store))
				continue;
			saved(p, st, e.sets[i].set, g);
		}
}

static void of_backup_sets(const struct plan *p, struct sql_grants *g)
{
	for (size_t i = 0; i < p->backup_sets.n; i++) {
		const char *text = p->backup_sets.v[i];
		size_t len = strcspn(text, ":");
		_cleanup_free_ char *name = xstrndup(text, len);

		saved(p, plan_find_store(p, name),
		      text + len + (text[len] == ':'), g);
	}
}

void sql_grants_plan(const struct plan *p, struct strbuf *out)
{
	struct sql_grants g = SQL_GRANTS_INIT;
	struct strvec seen = STRVEC_INIT;

	of_steps(p->steps, p->step_n, &g);
	of_steps(p->checks, p->check_n, &g);
	of_steps(p->verify, p->verify_n, &g);
	for (size_t i = 0; i < p->step_n; i++)
		of_backup(p, p->steps[i], &g);
	of_backup_sets(p, &g);
	for (size_t i = 0; i < g.n; i++) {
		const struct plan_store *st = g.v[i].store;
		struct strvec schemas = STRVEC_INIT;

		if (strvec_has(&seen, st->url))
			continue;
		strvec_push(&seen, st->url);
		strbuf_addf(out, "-- store %s: psql -v role=NAME -d DATABASE\n",
			    st->name);
		/* of the database and its schemas, then of tables */
		for (int tables = 0; tables < 2; tables++)
			for (size_t k = i; k < g.n; k++)
				if (!strcmp(g.v[k].store->url, st->url) &&
				    is_of_table(&g.v[k]) == (bool)tables)
					one_grant(&g, k, &schemas, out);
		strvec_release(&schemas);
	}
	sql_grants_release(&g);
	strvec_release(&seen);
}
