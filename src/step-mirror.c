/* SPDX-License-Identifier: MIT */
/*
 * The statements of mirrors: old tables that stay, and triggers that keep them
 * and the new ones equal (step-views.h).
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/strbuf.h"
#include "base/xalloc.h"
#include "step-fence.h"
#include "step-sql.h"
#include "step-views-internal.h"

/* --- pieces --- */

/* an expression of NEW as one of OLD */
static void add_old(struct strbuf *sb, enum sql_dialect d, const char *text)
{
	const char *done = text;
	struct sql_token t, dot;
	struct sql_lexer l;

	sql_lex(&l, d, text, strlen(text));
	for (sql_next(&l, &t); t.type != SQL_END && t.type != SQL_BAD;
	     sql_next(&l, &t)) {
		struct sql_lexer ahead = l;

		sql_next(&ahead, &dot);
		if (!sql_is(&t, "new") || !sql_is(&dot, "."))
			continue;
		strbuf_add(sb, done, (size_t)(t.s - done));
		strbuf_addstr(sb, "OLD");
		done = t.s + t.n;
	}
	strbuf_addstr(sb, done);
}

/* the columns with what stands before each, a comma between two */
static void add_columns(struct strbuf *sb, const struct strvec *cols,
			const char *before)
{
	for (size_t i = 0; i < cols->n; i++) {
		_cleanup_free_ char *q = view_quoted(cols->v[i]);

		strbuf_addf(sb, "%s%s%s", i ? ", " : "", before, q);
	}
}

/* a.c = b.c for each, AND between two */
static void add_equal(struct strbuf *sb, const struct strvec *cols,
		      const char *a, const char *b, const char *op)
{
	for (size_t i = 0; i < cols->n; i++) {
		_cleanup_free_ char *q = view_quoted(cols->v[i]);

		strbuf_addf(sb, "%s%s.%s %s %s.%s", i ? " AND " : "", a, q, op,
			    b, q);
	}
}

/* the rows of t that the row (of NEW, or OLD) touches */
static void add_match(struct strbuf *sb, const struct view_source *s,
		      enum sql_dialect d, const char *t, bool old)
{
	for (size_t i = 0; i + 1 < s->match.n; i += 2) {
		_cleanup_free_ char *q = view_quoted(s->match.v[i]);

		strbuf_addf(sb, "%s%s.%s = (", i ? " AND " : "", t, q);
		if (old)
			add_old(sb, d, s->match.v[i + 1]);
		else
			strbuf_addstr(sb, s->match.v[i + 1]);
		strbuf_addch(sb, ')');
	}
}

static void add_row(struct strbuf *sb, const struct view_source *s,
		    enum sql_dialect d, bool old)
{
	for (size_t i = 0; i + 1 < s->match.n; i += 2) {
		strbuf_addstr(sb, i ? ", (" : "(");
		if (old)
			add_old(sb, d, s->match.v[i + 1]);
		else
			strbuf_addstr(sb, s->match.v[i + 1]);
		strbuf_addch(sb, ')');
	}
}

/* DO UPDATE, or DO NOTHING where all columns are the key */
static void add_conflict(struct strbuf *sb, const struct view_spec *w,
			 enum sql_dialect d, const char *l)
{
	const char *cast = d == SQL_PG ? "::text" : "";
	_cleanup_free_ char *mine = xasprintf("%s.", l);
	bool any = false;

	strbuf_addstr(sb, " ON CONFLICT (");
	add_columns(sb, &w->key, "");
	strbuf_addstr(sb, ") DO ");
	for (size_t i = 0; i < w->columns.n; i++) {
		_cleanup_free_ char *q = view_quoted(w->columns.v[i]);

		if (strvec_has(&w->key, w->columns.v[i]))
			continue;
		strbuf_addf(sb, "%s%s = excluded.%s", any ? ", " :
			    "UPDATE SET ", q, q);
		any = true;
	}
	if (!any) {
		strbuf_addstr(sb, "NOTHING");
		return;
	}
	/* a row that is written as it was is not written */
	strbuf_addf(sb, " WHERE %s(", d == SQL_PG ? "ROW" : "");
	add_columns(sb, &w->columns, mine);
	strbuf_addf(sb, ")%s IS %s %s(", cast, d == SQL_PG ? "DISTINCT FROM" :
		    "NOT", d == SQL_PG ? "ROW" : "");
	add_columns(sb, &w->columns, "excluded.");
	strbuf_addf(sb, ")%s", cast);
}

/* INSERT INTO n (..) SELECT .. FROM view WHERE */
static void add_insert(struct strbuf *sb, const struct view_spec *w,
		       const char *n, const char *view)
{
	strbuf_addf(sb, "INSERT INTO %s (", n);
	add_columns(sb, &w->columns, "");
	strbuf_addstr(sb, ") SELECT ");
	add_columns(sb, &w->columns, "upshift_v.");
	strbuf_addf(sb, " FROM %s AS upshift_v WHERE ", view);
}

/* what the rows are that the view has no more, of t */
static void add_gone(struct strbuf *sb, const struct view_spec *w,
		     const char *t, const char *view)
{
	strbuf_addf(sb, "NOT EXISTS (SELECT 1 FROM %s AS upshift_v WHERE ",
		    view);
	add_equal(sb, &w->key, "upshift_v", t, "=");
	strbuf_addch(sb, ')');
}

/* the mirror as the view has it, for the rows that one row touches */
static void add_sync(struct strbuf *sb, const struct view_spec *w,
		     const struct view_source *s, enum sql_dialect d,
		     const char *n, const char *view, bool old)
{
	strbuf_addf(sb, "DELETE FROM %s WHERE ", n);
	add_match(sb, s, d, n, old);
	strbuf_addstr(sb, " AND ");
	add_gone(sb, w, n, view);
	strbuf_addstr(sb, ";\n");
	add_insert(sb, w, n, view);
	add_match(sb, s, d, "upshift_v", old);
	add_conflict(sb, w, d, n);
	strbuf_addstr(sb, ";\n");
}

/* --- PostgreSQL --- */

#define WORKING "current_setting('upshift.mirror', true)"

static bool has_mirror(const struct views_spec *v)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->v[i].mirror)
			return true;
	return false;
}

/* ARRAY['"t"', ...] of the mirrors, or of what counts their scans */
static void add_mirrors(struct strbuf *sb, const struct views_spec *v,
			bool trips)
{
	bool any = false;

	strbuf_addstr(sb, "ARRAY[");
	for (size_t i = 0; i < v->n; i++) {
		_cleanup_view_names_ struct view_names n = { .own = NULL };
		_cleanup_free_ char *trip = NULL;

		if (!v->v[i].mirror)
			continue;
		view_names(v, &v->v[i], &n);
		trip = view_literal(n.trip);
		strbuf_addf(sb, "%s%s", any ? ", " : "", trips ? trip :
			    n.lit_seen);
		any = true;
	}
	strbuf_addch(sb, ']');
}

static char *scans_name(const struct views_spec *v)
{
	_cleanup_free_ char *plain = xasprintf("scans_%s", v->step);
	_cleanup_free_ char *q = view_quoted(plain);

	return xasprintf("_upshift.%s", q);
}

/*
 * scans(NULL): how often this transaction scanned each mirror so far. Given
 * that, as many scans of the empty table of each as there were more since.
 */
void mirror_pg_shared(const struct views_spec *v, struct sql_list *l)
{
	_cleanup_strbuf_ struct strbuf of = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf trips = STRBUF_INIT;
	_cleanup_free_ char *name = scans_name(v);

	if (!v->count_use || !has_mirror(v))
		return;
	add_mirrors(&of, v, false);
	add_mirrors(&trips, v, true);
	step_sql_add(l, SQL_PG, "CREATE FUNCTION %s(since bigint[]) RETURNS "
		"bigint[] LANGUAGE plpgsql AS $upshift$\n"
		"DECLARE\nmirrors text[] := %s;\ntrips text[] := %s;\n"
		"n bigint;\nall_n bigint[];\n"
		"BEGIN\nFOR i IN 1 .. array_length(mirrors, 1) LOOP\n"
		"n := (SELECT coalesce(sum(pg_stat_get_xact_numscans(o)), 0) "
		"FROM unnest(array(SELECT indexrelid FROM pg_index "
		"WHERE indrelid = to_regclass(mirrors[i])) || "
		"to_regclass(mirrors[i])::oid) o);\n"
		"FOR k IN 1 .. coalesce(n - since[i], 0) LOOP\n"
		"EXECUTE 'SELECT FROM ' || trips[i];\n"
		"END LOOP;\nall_n[i] := n;\nEND LOOP;\nRETURN all_n;\n"
		"END\n$upshift$", name,
		of.buf, trips.buf);
}

void mirror_pg_shared_back(const struct views_spec *v, struct sql_list *l)
{
	_cleanup_free_ char *name = scans_name(v);

	if (v->count_use && has_mirror(v))
		step_sql_add(l, SQL_PG, "DROP FUNCTION %s(bigint[])", name);
}

/* the table, unless it is there */
static void pg_make(const struct view_spec *w, const struct view_names *n,
		    struct sql_list *l)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	strbuf_addf(&sb, "DO $upshift$ BEGIN IF to_regclass(%s) IS NULL THEN\n"
		    "CREATE TABLE %s AS SELECT * FROM %s;\n"
		    "ALTER TABLE %s ADD PRIMARY KEY (", n->lit_seen, n->seen,
		    n->own, n->seen);
	add_columns(&sb, &w->key, "");
	strbuf_addstr(&sb, ");\n");
	for (size_t i = 0; i + 1 < w->defaults.n; i += 2) {
		_cleanup_free_ char *q = view_quoted(w->defaults.v[i]);

		strbuf_addf(&sb, "ALTER TABLE %s ALTER COLUMN %s SET DEFAULT "
			    "%s;\n", n->seen, q, w->defaults.v[i + 1]);
	}
	strbuf_addf(&sb, "COMMENT ON VIEW %s IS 'made';\nEND IF; END "
		    "$upshift$", n->own);
	step_sql_add(l, SQL_PG, "%s", sb.buf);
}

/* nobody writes from here on, also where a cutover left its fence */
static void pg_lock(const struct view_spec *w, const struct view_names *n,
		    struct sql_list *l)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	strbuf_addf(&sb, "LOCK TABLE %s", n->seen);
	for (size_t i = 0; i < w->source_n; i++) {
		_cleanup_free_ char *q = view_quoted_set(w->source[i].table);

		strbuf_addf(&sb, ", %s", q);
	}
	step_sql_add(l, SQL_PG, "%s IN SHARE ROW EXCLUSIVE MODE", sb.buf);
	step_sql_add(l, SQL_PG, "DO $upshift$ BEGIN IF EXISTS (SELECT FROM "
		"pg_trigger WHERE tgrelid = to_regclass(%s) AND tgname = "
		"'_upshift_fence') THEN ALTER TABLE %s DISABLE TRIGGER "
		"_upshift_fence; END IF; END $upshift$", n->lit_seen, n->seen);
	step_fence_below(w->name, "DISABLE", l);
}

/* the key must be one, the columns must be there, the rows must be equal */
static void pg_compare(const struct view_spec *w, const struct view_names *n,
		       struct sql_list *l)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	strbuf_addstr(&sb, "EXPLAIN ");
	add_insert(&sb, w, n->seen, n->own);
	strbuf_addstr(&sb, "false");
	add_conflict(&sb, w, SQL_PG, n->seen);
	step_sql_add(l, SQL_PG, "%s", sb.buf);

	strbuf_clear(&sb);
	strbuf_addf(&sb, "DO $upshift$ DECLARE mine text; its text; n bigint; "
		"BEGIN SELECT string_agg(format('upshift_l.%%I', attname), "
		"', ' ORDER BY attnum), string_agg(format('upshift_v.%%I::%%s'"
		", attname, format_type(atttypid, atttypmod)), ', ' ORDER BY "
		"attnum) INTO mine, its FROM pg_attribute WHERE attrelid = "
		"to_regclass(%s) AND attname IN (", n->lit_seen);
	for (size_t i = 0; i < w->columns.n; i++) {
		_cleanup_free_ char *lit = view_literal(w->columns.v[i]);

		strbuf_addf(&sb, "%s%s", i ? ", " : "", lit);
	}
	strbuf_addstr(&sb, "); EXECUTE format($u$SELECT count(*) FROM ");
	strbuf_addf(&sb, "%s AS upshift_l FULL JOIN %s AS upshift_v ON ",
		    n->seen, n->own);
	add_equal(&sb, &w->key, "upshift_l", "upshift_v", "=");
	strbuf_addf(&sb, " WHERE ROW(%%s)::text IS DISTINCT FROM "
		"ROW(%%s)::text$u$, mine, its) INTO n; IF n > 0 THEN "
		"RAISE EXCEPTION '%% rows of %% are not what the new tables "
		"say', n, %s; END IF; END $upshift$", n->lit_name);
	step_sql_add(l, SQL_PG, "%s", sb.buf);
}

#define DEFINER "SECURITY DEFINER SET search_path FROM CURRENT"

/* UPDATE comes before the foreign keys' own triggers (by name), so that a key
   that changes has changed when those who refer to it follow */
static void pg_forward(const struct views_spec *v, const struct view_spec *w,
		       const struct view_names *n, struct sql_list *l)
{
	static const char *const head[] = {
		"upshift_write AFTER INSERT OR DELETE",
		"\"A_upshift_write\" AFTER UPDATE",
	};
	_cleanup_strbuf_ struct strbuf body = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf ops = STRBUF_INIT;

	view_branches(w, &body, &ops);
	step_sql_add(l, SQL_PG, "CREATE FUNCTION %s() RETURNS trigger "
		"LANGUAGE plpgsql %s AS $upshift$\n#variable_conflict "
		"use_column\nBEGIN\nIF TG_OP = 'TRUNCATE' THEN\nDELETE FROM "
		"%s;\nRETURN NULL;\nEND IF;\n%sRAISE EXCEPTION '%% is not "
		"possible by way of %%', TG_OP, %s USING ERRCODE = "
		"'object_not_in_prerequisite_state';\nEND\n$upshift$", n->own,
		v->invoker ? "" : DEFINER, n->seen, body.buf, n->lit_name);
	for (size_t i = 0; i < ARRAY_SIZE(head); i++)
		step_sql_add(l, SQL_PG, "CREATE TRIGGER %s ON %s FOR EACH ROW "
			"WHEN (" WORKING " IS DISTINCT FROM 'on') EXECUTE "
			"FUNCTION %s()", head[i], n->seen, n->own);
	step_sql_add(l, SQL_PG, "CREATE TRIGGER upshift_truncate BEFORE "
		"TRUNCATE ON %s FOR EACH STATEMENT WHEN (" WORKING
		" IS DISTINCT FROM 'on') EXECUTE FUNCTION %s()", n->seen,
		n->own);
	if (v->count_use)
		step_sql_add(l, SQL_PG, "CREATE TRIGGER upshift_use AFTER "
			"INSERT OR UPDATE OR DELETE ON %s FOR EACH STATEMENT "
			"WHEN (" WORKING " IS DISTINCT FROM 'on') EXECUTE "
			"FUNCTION _upshift.count_use(%s, %s)", n->seen,
			n->lit_step, n->lit_name);
}

/* one of NEW, or of OLD, and only where it can touch anything */
static void add_pg_sync(struct strbuf *sb, const struct view_spec *w,
			const struct view_source *s,
			const struct view_names *n, bool old)
{
	strbuf_addf(sb, "IF TG_OP <> '%s'", old ? "INSERT" : "DELETE");
	if (old) {
		strbuf_addstr(sb, " AND (TG_OP = 'DELETE' OR ROW(");
		add_row(sb, s, SQL_PG, true);
		strbuf_addstr(sb, ") IS DISTINCT FROM ROW(");
		add_row(sb, s, SQL_PG, false);
		strbuf_addstr(sb, "))");
	}
	strbuf_addstr(sb, " THEN\nIF ROW(");
	add_row(sb, s, SQL_PG, old);
	strbuf_addstr(sb, ") IS NOT NULL THEN\n");
	add_sync(sb, w, s, SQL_PG, n->seen, n->own, old);
	strbuf_addstr(sb, "END IF;\nEND IF;\n");
}

static char *source_name(const struct views_spec *v, const struct view_spec *w,
			 size_t i, const char *more)
{
	_cleanup_free_ char *plain = xasprintf("%s_%s/%zu%s", v->step, w->name,
					       i + 1, more);

	return view_quoted(plain);
}

/* always with our rights: who writes to a new table may know nothing of the
   old one */
static void pg_source(const struct views_spec *v, const struct view_spec *w,
		      const struct view_names *n, size_t i,
		      struct sql_list *l)
{
	const struct view_source *s = &w->source[i];
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	_cleanup_free_ char *name = source_name(v, w, i, "");
	_cleanup_free_ char *name_t = source_name(v, w, i, "t");
	_cleanup_free_ char *table = view_quoted_set(s->table);
	_cleanup_free_ char *scans = scans_name(v);

	strbuf_addf(&sb, "CREATE FUNCTION _upshift.%s() RETURNS trigger "
		"LANGUAGE plpgsql " DEFINER " SET upshift.mirror = 'on' AS "
		"$upshift$\n#variable_conflict use_column\n", name);
	if (v->count_use)
		strbuf_addf(&sb, "DECLARE\nupshift_scans bigint[] := "
			    "%s(NULL);\n", scans);
	strbuf_addf(&sb, "BEGIN\nIF TG_OP = 'TRUNCATE' THEN\nDELETE FROM %s "
		    "WHERE ", n->seen);
	add_gone(&sb, w, n->seen, n->own);
	strbuf_addstr(&sb, ";\nELSE\n");
	add_pg_sync(&sb, w, s, n, true);
	add_pg_sync(&sb, w, s, n, false);
	strbuf_addstr(&sb, "END IF;\n");
	if (v->count_use)
		strbuf_addf(&sb, "PERFORM %s(upshift_scans);\n", scans);
	strbuf_addstr(&sb, "RETURN NULL;\nEND\n$upshift$");
	step_sql_add(l, SQL_PG, "%s", sb.buf);
	step_sql_add(l, SQL_PG, "CREATE TRIGGER %s AFTER INSERT OR UPDATE OR "
		"DELETE ON %s FOR EACH ROW EXECUTE FUNCTION _upshift.%s()",
		name, table, name);
	step_sql_add(l, SQL_PG, "CREATE TRIGGER %s AFTER TRUNCATE ON %s FOR "
		"EACH STATEMENT EXECUTE FUNCTION _upshift.%s()", name_t, table,
		name);
}

void mirror_pg(const struct views_spec *v, const struct view_spec *w,
	       struct sql_list *l)
{
	_cleanup_view_names_ struct view_names n;
	const char *with = v->invoker ? " WITH (security_invoker = true)" : "";

	view_names(v, w, &n);
	step_sql_add(l, SQL_PG, "CREATE VIEW %s%s AS %s", n.own, with,
		     w->select);
	if (v->count_use)
		step_sql_add(l, SQL_PG, "CREATE TABLE %s (x int)", n.trip);
	pg_make(w, &n, l);
	pg_lock(w, &n, l);
	pg_compare(w, &n, l);
	pg_forward(v, w, &n, l);
	for (size_t i = 0; i < w->source_n; i++)
		pg_source(v, w, &n, i, l);
	if (v->count_use)
		view_watch(v, &n, true, l);
}

void mirror_pg_back(const struct views_spec *v, const struct view_spec *w,
		    struct sql_list *l)
{
	_cleanup_view_names_ struct view_names n;
	_cleanup_free_ char *lit = NULL;

	view_names(v, w, &n);
	lit = view_literal(n.own);
	/* run from the last to the first */
	step_sql_add(l, SQL_PG, "DROP VIEW %s", n.own);
	if (v->count_use)
		step_sql_add(l, SQL_PG, "DROP TABLE %s", n.trip);
	step_sql_add(l, SQL_PG, "DO $upshift$ BEGIN IF obj_description("
		"%s::regclass, 'pg_class') = 'made' THEN DROP TABLE %s; "
		"ELSIF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = "
		"to_regclass(%s) AND tgname = '_upshift_fence') THEN ALTER TABLE %s ENABLE TRIGGER"
		" _upshift_fence; END IF; END $upshift$", lit, n.seen,
		n.lit_seen, n.seen);
	step_fence_below(w->name, "ENABLE", l);
	if (v->count_use)
		step_sql_add(l, SQL_PG, "DROP TRIGGER upshift_use ON %s",
			     n.seen);
	for (size_t i = 0; i < w->source_n; i++) {
		_cleanup_free_ char *name = source_name(v, w, i, "");

		step_sql_add(l, SQL_PG, "DROP FUNCTION _upshift.%s() CASCADE",
			     name);
	}
	step_sql_add(l, SQL_PG, "DROP FUNCTION %s() CASCADE", n.own);
}

/* --- SQLite --- */

static const char *const ops[] = { "INSERT", "UPDATE", "DELETE" };

/* the row of the mirror is what the view has, or (DELETE) is in the view */
static void add_known(struct strbuf *sb, const struct view_spec *w,
		      const char *view, bool del)
{
	strbuf_addf(sb, "EXISTS (SELECT 1 FROM %s AS upshift_v WHERE ", view);
	add_equal(sb, &w->key, "upshift_v", del ? "OLD" : "NEW", "=");
	if (!del) {
		strbuf_addstr(sb, " AND ");
		add_equal(sb, &w->columns, "upshift_v", "NEW", "IS");
	}
	strbuf_addch(sb, ')');
}

static void sqlite_forward(const struct view_spec *w, const char *view,
			   struct sql_list *l)
{
	const char *const texts[] = { w->insert, w->update, w->del };
	_cleanup_free_ char *table = view_quoted(w->name);

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_free_ char *plain = xasprintf("upshift_%s_%s",
						       w->name, ops[i]);
		_cleanup_free_ char *name = view_quoted(plain);
		_cleanup_strbuf_ struct strbuf known = STRBUF_INIT;
		_cleanup_free_ char *why = xasprintf(texts[i] ?
			"nothing was inserted by way of %s" :
			"%2$s is not possible by way of %1$s", w->name,
			ops[i]);
		_cleanup_free_ char *lit = view_literal(why);
		_cleanup_free_ char *raise = xasprintf("SELECT RAISE(ABORT, "
			"%s)%s;", lit, texts[i] ? " WHERE changes() = 0" : "");

		add_known(&known, w, view, i == 2);
		step_sql_add(l, SQL_SQLITE, "CREATE TRIGGER %s AFTER %s ON %s "
			"WHEN %s%s BEGIN %s\n; %s END", name, ops[i], table,
			i == 2 ? "" : "NOT ", known.buf, texts[i] ? texts[i] :
			"SELECT 1", !texts[i] || !i ? raise : "");
	}
}

static void sqlite_source(const struct view_spec *w, const char *view,
			  size_t i, struct sql_list *l)
{
	const struct view_source *s = &w->source[i];
	_cleanup_free_ char *table = view_quoted(w->name);
	_cleanup_free_ char *on = view_quoted(s->table);

	for (size_t k = 0; k < ARRAY_SIZE(ops); k++) {
		_cleanup_free_ char *plain = xasprintf("upshift_%s_%zu_%s",
						       w->name, i + 1, ops[k]);
		_cleanup_free_ char *name = view_quoted(plain);
		_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

		if (k > 0)
			add_sync(&sb, w, s, SQL_SQLITE, table, view, true);
		if (k < 2)
			add_sync(&sb, w, s, SQL_SQLITE, table, view, false);
		step_sql_add(l, SQL_SQLITE, "CREATE TRIGGER %s AFTER %s ON %s "
			     "BEGIN %s END", name, ops[k], on, sb.buf);
	}
}

/* the same as pg_compare(); a CHECK that does not hold is the only way to
   fail without a trigger */
static void sqlite_compare(const struct view_spec *w, const char *view,
			   struct sql_list *l)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	_cleanup_free_ char *table = view_quoted(w->name);
	_cleanup_free_ char *plain = xasprintf("the rows of %s are not what "
		"the new tables say", w->name);
	_cleanup_free_ char *why = view_quoted(plain);

	strbuf_addstr(&sb, "EXPLAIN ");
	add_insert(&sb, w, table, view);
	strbuf_addstr(&sb, "0");
	add_conflict(&sb, w, SQL_SQLITE, table);
	step_sql_add(l, SQL_SQLITE, "%s", sb.buf);

	step_sql_add(l, SQL_SQLITE, "CREATE TEMP TABLE upshift_compare (n "
		     "CONSTRAINT %s CHECK (n = 0))", why);
	strbuf_clear(&sb);
	add_equal(&sb, &w->key, "upshift_v", table, "=");
	strbuf_addstr(&sb, " AND ");
	add_equal(&sb, &w->columns, "upshift_v", table, "IS");
	step_sql_add(l, SQL_SQLITE, "INSERT INTO upshift_compare SELECT "
		"(SELECT count(*) FROM %s WHERE NOT EXISTS (SELECT 1 FROM %s "
		"AS upshift_v WHERE %s)) + abs((SELECT count(*) FROM %s) - "
		"(SELECT count(*) FROM %s))", table, view, sb.buf, table,
		view);
	step_sql_add(l, SQL_SQLITE, "DROP TABLE upshift_compare");
}

void mirror_sqlite(const struct view_spec *w, struct sql_list *l)
{
	_cleanup_free_ char *plain = xasprintf("upshift_%s", w->name);
	_cleanup_free_ char *view = view_quoted(plain);

	step_sql_add(l, SQL_SQLITE, "CREATE VIEW %s AS %s", view, w->select);
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		_cleanup_free_ char *fence = xasprintf("_upshift_fence_%s_%s",
						       w->name, ops[i]);
		_cleanup_free_ char *q = view_quoted(fence);

		step_sql_add(l, SQL_SQLITE, "DROP TRIGGER IF EXISTS %s", q);
	}
	sqlite_compare(w, view, l);
	sqlite_forward(w, view, l);
	for (size_t i = 0; i < w->source_n; i++)
		sqlite_source(w, view, i, l);
}
