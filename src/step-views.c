/* SPDX-License-Identifier: MIT */
/*
 * The statements of legacy views. They are fixed by the plan alone, so that
 * each attempt has the same; what depends on the database is asked in DO
 * blocks.
 */
#include "step-views-internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "step-sql.h"
#include "store-sql.h"
#include "store.h"

/* --- names --- */

char *view_quoted(const char *name)
{
	struct strbuf sb = STRBUF_INIT;

	store_sql_name(&sb, name);
	return strbuf_detach(&sb);
}

char *view_quoted_set(const char *name)
{
	struct strbuf sb = STRBUF_INIT;

	store_sql_set(&sb, name);
	return strbuf_detach(&sb);
}

char *view_literal(const char *text)
{
	struct strbuf sb = STRBUF_INIT;

	store_sql_literal(&sb, text);
	return strbuf_detach(&sb);
}

void view_names_release(struct view_names *n)
{
	char **all[] = { &n->own, &n->trip, &n->seen, &n->early, &n->last,
		&n->aside, &n->lit_seen, &n->lit_aside, &n->lit_last,
		&n->lit_name, &n->lit_step, &n->schema };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		free(*all[i]);
}

void view_names(const struct views_spec *v, const struct view_spec *w,
		struct view_names *n)
{
	_cleanup_free_ char *own = xasprintf("%s_%s", v->step, w->name);
	_cleanup_free_ char *trip = xasprintf("trip_%s_%s", v->step, w->name);
	_cleanup_free_ char *early = xasprintf("%s@upshift", w->name);
	_cleanup_free_ char *aside = xasprintf("upshift_old_%s", v->step);
	const char *dot = strchr(w->name, '.');
	_cleanup_free_ char *schema = dot ? xstrndup(w->name,
					(size_t)(dot - w->name)) : NULL;
	_cleanup_free_ char *q_own = view_quoted(own), *q_trip = view_quoted(trip);

	n->own = xasprintf("_upshift.%s", q_own);
	n->trip = xasprintf("_upshift.%s", q_trip);
	n->seen = view_quoted_set(w->name);
	n->early = view_quoted_set(early);
	n->last = view_quoted(dot ? dot + 1 : w->name);
	n->aside = view_quoted(aside);
	n->lit_seen = view_literal(n->seen);
	n->lit_aside = view_literal(aside);
	n->lit_last = view_literal(dot ? dot + 1 : w->name);
	n->lit_name = view_literal(w->name);
	n->lit_step = view_literal(v->step);
	n->schema = schema ? view_literal(schema) : xstrdup("current_schema()");
}

/* --- PostgreSQL --- */

static void pg_shared(const struct views_spec *v, struct sql_list *l)
{
	step_sql_add(l, SQL_PG, "CREATE SCHEMA IF NOT EXISTS _upshift");
	if (!v->count_use)
		return;
	step_sql_add(l, SQL_PG, "CREATE TABLE IF NOT EXISTS _upshift.usage ("
		"step text, view text, op text, usr text, app text, day date, "
		"slot int, n bigint NOT NULL, "
		"PRIMARY KEY (step, view, op, usr, app, day, slot))");
	step_sql_add(l, SQL_PG, "CREATE TABLE IF NOT EXISTS _upshift.watch ("
		"step text, view text, trip text NOT NULL, deprecate date, "
		"reads bigint NOT NULL, since timestamptz NOT NULL, "
		"mirror text, base bigint NOT NULL, "
		"PRIMARY KEY (step, view))");
	/* 16 rows for each, so that writers do not wait for each other */
	step_sql_add(l, SQL_PG, "CREATE OR REPLACE FUNCTION "
		"_upshift.count_use() RETURNS trigger LANGUAGE plpgsql "
		"SECURITY DEFINER SET search_path = _upshift, pg_temp AS "
		"$upshift$ BEGIN INSERT INTO _upshift.usage AS u VALUES ("
		"TG_ARGV[0], TG_ARGV[1], TG_OP, session_user, "
		"coalesce(current_setting('application_name', true), ''), "
		"current_date, floor(random() * 16), 1) "
		"ON CONFLICT (step, view, op, usr, app, day, slot) "
		"DO UPDATE SET n = u.n + 1; RETURN NULL; END $upshift$");
	mirror_pg_shared(v, l);
}

/* insert: a row that nothing was made of points to nothing */
static void add_branch(struct strbuf *sb, const char *op, const char *text,
		       const struct view_spec *w)
{
	bool insert = !strcmp(op, "INSERT");

	if (!text)
		return;
	strbuf_addf(sb, "IF TG_OP = '%s' THEN\n%s\n;\nIF NOT FOUND THEN ", op,
		    text);
	if (insert) {
		_cleanup_free_ char *why = view_literal(w->name);

		strbuf_addf(sb, "RAISE EXCEPTION 'nothing was inserted by way "
			    "of %%', %s USING ERRCODE = "
			    "'foreign_key_violation'; ", why);
	} else {
		strbuf_addstr(sb, "RETURN NULL; ");
	}
	strbuf_addf(sb, "END IF;\nRETURN %s;\nEND IF;\n",
		    strcmp(op, "DELETE") ? "NEW" : "OLD");
}

void view_branches(const struct view_spec *w, struct strbuf *body,
		   struct strbuf *ops)
{
	const char *const texts[] = { w->insert, w->update, w->del };
	static const char *const names[] = { "INSERT", "UPDATE", "DELETE" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		add_branch(body, names[i], texts[i], w);
		if (texts[i])
			strbuf_addf(ops, "%s%s", ops->len ? " OR " : "",
				    names[i]);
	}
}

static void pg_writes(const struct views_spec *v, const struct view_spec *w,
		      const struct view_names *n, struct sql_list *l)
{
	_cleanup_strbuf_ struct strbuf body = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf ops = STRBUF_INIT;

	view_branches(w, &body, &ops);
	if (!ops.len)
		return;
	step_sql_add(l, SQL_PG, "CREATE FUNCTION %s() RETURNS trigger "
		"LANGUAGE plpgsql %s AS $upshift$\n#variable_conflict "
		"use_column\nBEGIN\n%sRETURN NULL;\nEND\n$upshift$", n->own,
		v->invoker ? "" : "SECURITY DEFINER SET search_path FROM "
		"CURRENT", body.buf);
	step_sql_add(l, SQL_PG, "CREATE TRIGGER upshift_write INSTEAD OF %s "
		"ON %s FOR EACH ROW EXECUTE FUNCTION %s()", ops.buf, n->early,
		n->own);
	if (v->count_use)
		step_sql_add(l, SQL_PG, "CREATE TRIGGER upshift_use AFTER %s "
			"ON %s FOR EACH STATEMENT EXECUTE FUNCTION "
			"_upshift.count_use(%s, %s)", ops.buf, n->early,
			n->lit_step, n->lit_name);
}

/* owner and grants of the table; the table goes aside */
static void pg_swap(const struct view_spec *w, const struct view_names *n,
		    struct sql_list *l)
{
	_cleanup_free_ char *early = view_literal(n->early);

	if (w->keep)
		step_sql_add(l, SQL_PG, "DO $upshift$ DECLARE t oid := "
			"to_regclass(%s); g record; BEGIN "
			"IF t IS NULL OR (SELECT relkind FROM pg_class WHERE "
			"oid = t) NOT IN ('r', 'p', 'f', 'm') THEN RETURN; "
			"END IF; "
			"EXECUTE format('LOCK TABLE %%s', t::regclass); "
			"FOR g IN SELECT a.grantee, a.privilege_type AS p "
			"FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid "
			"= t AND a.privilege_type IN ('SELECT', 'INSERT', "
			"'UPDATE', 'DELETE') AND a.grantee <> c.relowner "
			"LOOP EXECUTE format('GRANT %%s ON %%s TO %%s', g.p, "
			"%s, CASE g.grantee WHEN 0 THEN 'public' ELSE "
			"quote_ident(pg_get_userbyid(g.grantee)) END); "
			"END LOOP; "
			"CREATE SCHEMA IF NOT EXISTS %s; "
			"EXECUTE format('ALTER TABLE %%s SET SCHEMA %%I', "
			"t::regclass, %s); END $upshift$", n->lit_seen, early,
			n->aside, n->lit_aside);
	step_sql_add(l, SQL_PG, "ALTER VIEW %s RENAME TO %s", n->early,
		     n->last);
}

void view_watch(const struct views_spec *v, const struct view_names *n,
		bool mirror, struct sql_list *l)
{
	_cleanup_free_ char *trip = view_literal(n->trip);
	_cleanup_free_ char *date = v->deprecate ? view_literal(v->deprecate) :
						   xstrdup("NULL");

	if (!mirror) {
		step_sql_add(l, SQL_PG, "INSERT INTO _upshift.watch VALUES (%s,"
			     " %s, %s, %s, 0, now(), NULL, 0)", n->lit_step,
			     n->lit_name, trip, date);
		return;
	}
	/* what this transaction has scanned is not counted yet */
	step_sql_add(l, SQL_PG, "INSERT INTO _upshift.watch SELECT %s, %s, "
		"%s, %s, 0, now(), format('%%I.%%I', n.nspname, c.relname), "
		"(SELECT sum(pg_stat_get_numscans(o) + "
		"pg_stat_get_xact_numscans(o)) FROM unnest(array(SELECT "
		"indexrelid FROM pg_index WHERE indrelid = c.oid) || c.oid) o)"
		" FROM pg_class c JOIN pg_namespace n ON n.oid = "
		"c.relnamespace WHERE c.oid = to_regclass(%s)", n->lit_step,
		n->lit_name, trip, date, n->lit_seen);
}

static void pg_view(const struct views_spec *v, const struct view_spec *w,
		    struct sql_list *l)
{
	_cleanup_view_names_ struct view_names n;
	const char *with = v->invoker ? " WITH (security_invoker = true)" : "";

	view_names(v, w, &n);
	step_sql_add(l, SQL_PG, "CREATE VIEW %s%s AS %s", n.own, with,
		     w->select);
	if (v->count_use) {
		step_sql_add(l, SQL_PG, "CREATE TABLE %s (x int)", n.trip);
		if (v->invoker)
			step_sql_add(l, SQL_PG, "GRANT SELECT ON %s TO public",
				     n.trip);
	}
	if (v->invoker)
		step_sql_add(l, SQL_PG, "GRANT USAGE ON SCHEMA _upshift TO "
			     "public");
	/* the check makes a plain view look at it for INSERT, too */
	if (v->count_use)
		step_sql_add(l, SQL_PG, "CREATE VIEW %s%s AS SELECT * FROM %s "
			"WHERE (SELECT count(*) FROM %s) = 0%s", n.early, with,
			n.own, n.trip, w->insert || w->update || w->del ? "" :
			" WITH LOCAL CHECK OPTION");
	else
		step_sql_add(l, SQL_PG, "CREATE VIEW %s%s AS SELECT * FROM %s",
			     n.early, with, n.own);
	for (size_t i = 0; i + 1 < w->defaults.n; i += 2) {
		_cleanup_free_ char *col = view_quoted(w->defaults.v[i]);

		step_sql_add(l, SQL_PG, "ALTER VIEW %s ALTER COLUMN %s SET "
			     "DEFAULT %s", n.early, col, w->defaults.v[i + 1]);
	}
	pg_writes(v, w, &n, l);
	pg_swap(w, &n, l);
	if (v->deprecate)
		step_sql_add(l, SQL_PG, "COMMENT ON VIEW %s IS 'deprecated, "
			     "until %s'", n.seen, v->deprecate);
	if (v->count_use)
		view_watch(v, &n, false, l);
}

static void pg_view_back(const struct views_spec *v, const struct view_spec *w,
			 struct sql_list *l)
{
	_cleanup_view_names_ struct view_names n;

	view_names(v, w, &n);
	/* run from the last to the first */
	if (w->keep)
		step_sql_add(l, SQL_PG, "DO $upshift$ BEGIN IF to_regclass("
			"%s || '.' || quote_ident(%s)) IS NOT NULL THEN "
			"EXECUTE format('ALTER TABLE %%I.%%I SET SCHEMA %%I', "
			"%s, %s, %s); END IF; END $upshift$", n.lit_aside,
			n.lit_last, n.lit_aside, n.lit_last, n.schema);
	if (w->insert || w->update || w->del)
		step_sql_add(l, SQL_PG, "DROP FUNCTION %s()", n.own);
	if (v->count_use)
		step_sql_add(l, SQL_PG, "DROP TABLE %s", n.trip);
	step_sql_add(l, SQL_PG, "DROP VIEW %s", n.own);
	step_sql_add(l, SQL_PG, "DROP VIEW %s", n.seen);
	/* where it was cut short before it had its name */
	step_sql_add(l, SQL_PG, "DROP VIEW IF EXISTS %s", n.early);
}

static void pg_shared_back(const struct views_spec *v, struct sql_list *l)
{
	_cleanup_free_ char *step = view_literal(v->step);
	_cleanup_free_ char *aside = xasprintf("upshift_old_%s", v->step);
	_cleanup_free_ char *q = view_quoted(aside);
	_cleanup_free_ char *lit_aside = view_literal(aside);
	_cleanup_strbuf_ struct strbuf names = STRBUF_INIT;

	for (size_t i = 0; i < v->n; i++) {
		_cleanup_free_ char *name = view_literal(v->v[i].name);

		strbuf_addf(&names, "%s%s", i ? ", " : "", name);
	}
	/* what other steps still have in it stays */
	step_sql_add(l, SQL_PG, "DO $upshift$ BEGIN "
		"IF NOT EXISTS (SELECT FROM pg_class WHERE relnamespace = "
		"'_upshift'::regnamespace) AND NOT EXISTS (SELECT FROM pg_proc "
		"WHERE pronamespace = '_upshift'::regnamespace) THEN "
		"DROP SCHEMA _upshift; END IF; END $upshift$");
	if (v->count_use) {
		/* it may be there in part */
		step_sql_add(l, SQL_PG, "DO $upshift$ BEGIN "
			"IF to_regclass('_upshift.watch') IS NOT NULL THEN "
			"IF EXISTS (SELECT FROM _upshift.watch) THEN RETURN; "
			"END IF; END IF; "
			"DROP TABLE IF EXISTS _upshift.watch, _upshift.usage; "
			"DROP FUNCTION IF EXISTS _upshift.count_use(); "
			"END $upshift$");
		/* a step of another plan may have the same id */
		step_sql_add(l, SQL_PG, "DELETE FROM _upshift.usage WHERE "
			     "step = %s AND view IN (%s)", step, names.buf);
		step_sql_add(l, SQL_PG, "DELETE FROM _upshift.watch WHERE "
			     "step = %s AND view IN (%s)", step, names.buf);
	}
	mirror_pg_shared_back(v, l);
	step_sql_add(l, SQL_PG, "DO $upshift$ BEGIN IF NOT EXISTS (SELECT FROM "
		"pg_class WHERE relnamespace = to_regnamespace(%s)) THEN "
		"DROP SCHEMA IF EXISTS %s; END IF; END $upshift$", lit_aside, q);
}

/* --- SQLite --- */

/* NEW.column, or its default */
static void with_defaults(const char *text, const struct strvec *defaults,
			  struct strbuf *out)
{
	const char *done = text;
	struct sql_token t, dot, col;
	struct sql_lexer l;

	sql_lex(&l, SQL_SQLITE, text, strlen(text));
	for (sql_next(&l, &t); t.type != SQL_END && t.type != SQL_BAD;
	     sql_next(&l, &t)) {
		struct sql_lexer ahead = l;
		_cleanup_free_ char *name = NULL;

		if (!sql_is(&t, "new"))
			continue;
		sql_next(&ahead, &dot);
		sql_next(&ahead, &col);
		name = sql_is(&dot, ".") ? sql_name(&col, SQL_SQLITE) : NULL;
		for (size_t i = 0; name && i + 1 < defaults->n; i += 2) {
			if (strcasecmp(name, defaults->v[i]))
				continue;
			strbuf_add(out, done, (size_t)(t.s - done));
			strbuf_addf(out, "coalesce(%.*s, %s)",
				    (int)(col.s + col.n - t.s), t.s,
				    defaults->v[i + 1]);
			done = col.s + col.n;
			l = ahead;
			break;
		}
	}
	strbuf_addstr(out, done);
}

static void sqlite_trigger(const struct view_spec *w, const char *op,
			   const char *text, struct sql_list *l)
{
	_cleanup_free_ char *view = view_quoted(w->name);
	_cleanup_free_ char *plain = xasprintf("upshift_%s_%s", w->name, op);
	_cleanup_free_ char *name = view_quoted(plain);
	_cleanup_strbuf_ struct strbuf body = STRBUF_INIT;

	if (!text)
		return;
	if (!strcmp(op, "insert"))
		with_defaults(text, &w->defaults, &body);
	else
		strbuf_addstr(&body, text);
	step_sql_add(l, SQL_SQLITE, "CREATE TRIGGER %s INSTEAD OF %s ON %s "
		     "BEGIN %s\n; END", name, op, view, body.buf);
}

static void sqlite_view(const struct view_spec *w, struct sql_list *l)
{
	_cleanup_free_ char *view = view_quoted(w->name);
	_cleanup_free_ char *old = xasprintf("upshift_old_%s", w->name);
	_cleanup_free_ char *aside = view_quoted(old);

	if (w->keep)
		step_sql_add(l, SQL_SQLITE, "ALTER TABLE %s RENAME TO %s",
			     view, aside);
	step_sql_add(l, SQL_SQLITE, "CREATE VIEW %s AS %s", view, w->select);
	sqlite_trigger(w, "insert", w->insert, l);
	sqlite_trigger(w, "update", w->update, l);
	sqlite_trigger(w, "delete", w->del, l);
}

/* run from the last to the first */
static void sqlite_back(const struct view_spec *w, struct sql_list *l)
{
	static const char *const ops[] = { "INSERT", "UPDATE", "DELETE" };
	_cleanup_free_ char *plain = xasprintf("upshift_%s%s", w->mirror ? "" :
					       "old_", w->name);
	_cleanup_free_ char *made = view_quoted(plain);
	_cleanup_free_ char *seen = view_quoted(w->name);

	if (!w->mirror) {
		if (w->keep)
			step_sql_add(l, SQL_SQLITE, "ALTER TABLE %s RENAME TO "
				     "%s", made, seen);
		step_sql_add(l, SQL_SQLITE, "DROP VIEW %s", seen);
		return;
	}
	step_sql_add(l, SQL_SQLITE, "DROP VIEW %s", made);
	for (size_t i = 0; i <= w->source_n; i++)
		for (size_t k = 0; k < ARRAY_SIZE(ops); k++) {
			_cleanup_free_ char *number = i ? xasprintf("_%zu", i) :
							  xstrdup("");
			_cleanup_free_ char *t = xasprintf("upshift_%s%s_%s",
						w->name, number, ops[k]);
			_cleanup_free_ char *q = view_quoted(t);

			step_sql_add(l, SQL_SQLITE, "DROP TRIGGER %s", q);
		}
}

/* --- both --- */

void step_views_up(const struct views_spec *v, struct sql_list *ret)
{
	if (v->dialect == SQL_PG)
		pg_shared(v, ret);
	else
		/* what names the old table goes on to name the view */
		step_sql_add(ret, SQL_SQLITE,
			     "PRAGMA legacy_alter_table = ON");
	for (size_t i = 0; i < v->n; i++) {
		const struct view_spec *w = &v->v[i];

		if (v->dialect == SQL_PG)
			(w->mirror ? mirror_pg : pg_view)(v, w, ret);
		else
			(w->mirror ? mirror_sqlite : sqlite_view)(w, ret);
	}
}

void step_views_down(const struct views_spec *v, struct sql_list *ret)
{
	if (v->dialect == SQL_PG)
		pg_shared_back(v, ret);
	for (size_t i = 0; i < v->n; i++)
		if (v->dialect != SQL_PG)
			sqlite_back(&v->v[i], ret);
		else
			(v->v[i].mirror ? mirror_pg_back : pg_view_back)(v,
							&v->v[i], ret);
	if (v->dialect != SQL_PG)
		step_sql_add(ret, SQL_SQLITE,
			     "PRAGMA legacy_alter_table = ON");
}
