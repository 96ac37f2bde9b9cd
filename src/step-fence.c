/* SPDX-License-Identifier: MIT */
#include "step-fence.h"

#include "base/strbuf.h"
#include "base/xalloc.h"
#include "step-sql.h"
#include "store-sql.h"

/* a statement is seen by the triggers of the table that it names alone */
static void fence_all_below(const char *table, const char *fn,
			struct sql_list *up, struct sql_list *down)
{
	_cleanup_free_ char *tail = xasprintf(" FOR EACH STATEMENT EXECUTE "
					      "FUNCTION %s()", fn);
	_cleanup_strbuf_ struct strbuf make = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf drop = STRBUF_INIT;

	store_sql_below(&make, table, "true", "CREATE TRIGGER _upshift_fence "
			"BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON ",
			tail);
	store_sql_below(&drop, table, "true", "DROP TRIGGER IF EXISTS "
			"_upshift_fence ON ", "");
	step_sql_add(up, SQL_PG, "%s", make.buf);
	step_sql_add(down, SQL_PG, "%s", drop.buf);
}

static void fence_pg(const char *step, const char *table,
		     struct sql_list *up, struct sql_list *down)
{
	_cleanup_strbuf_ struct strbuf set = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf fn = STRBUF_INIT;
	_cleanup_free_ char *name = xasprintf("_upshift_fence_%s", step);

	store_sql_name(&fn, name);
	if (!up->n) {
		step_sql_add(up, SQL_PG, "CREATE FUNCTION %s() RETURNS "
			"trigger LANGUAGE plpgsql AS $upshift$ BEGIN RAISE "
			"EXCEPTION 'the data are being moved, nothing can be "
			"written' USING ERRCODE = 'read_only_sql_transaction';"
			" END $upshift$", fn.buf);
		step_sql_add(down, SQL_PG, "DROP FUNCTION %s()", fn.buf);
	}
	store_sql_set(&set, table);
	step_sql_add(up, SQL_PG, "CREATE TRIGGER _upshift_fence BEFORE INSERT "
		"OR UPDATE OR DELETE OR TRUNCATE ON %s FOR EACH STATEMENT "
		"EXECUTE FUNCTION %s()", set.buf, fn.buf);
	step_sql_add(down, SQL_PG, "DROP TRIGGER _upshift_fence ON %s",
		     set.buf);
	fence_all_below(table, fn.buf, up, down);
}

static void fence_sqlite(const char *table, struct sql_list *up,
			 struct sql_list *down)
{
	static const char *const ops[] = { "INSERT", "UPDATE", "DELETE" };
	_cleanup_strbuf_ struct strbuf set = STRBUF_INIT;

	store_sql_set(&set, table);
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		_cleanup_free_ char *plain = xasprintf("_upshift_fence_%s_%s",
						       table, ops[i]);
		_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;

		store_sql_name(&name, plain);
		step_sql_add(up, SQL_SQLITE, "CREATE TRIGGER %s BEFORE %s ON "
			"%s BEGIN SELECT raise(ABORT, 'the data are being "
			"moved, nothing can be written'); END", name.buf,
			ops[i], set.buf);
		step_sql_add(down, SQL_SQLITE, "DROP TRIGGER %s", name.buf);
	}
}

void step_fence_add(const char *step, enum sql_dialect dialect,
		    const struct strvec *tables, struct sql_list *up,
		    struct sql_list *down)
{
	for (size_t i = 0; i < tables->n; i++)
		if (dialect == SQL_PG)
			fence_pg(step, tables->v[i], up, down);
		else
			fence_sqlite(tables->v[i], up, down);
}

void step_fence_below(const char *table, const char *how, struct sql_list *l)
{
	_cleanup_free_ char *tail = xasprintf(" %s TRIGGER _upshift_fence",
					      how);
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	store_sql_below(&sb, table, "EXISTS (SELECT FROM pg_trigger g WHERE "
			"g.tgrelid = c.oid AND g.tgname = '_upshift_fence')",
			"ALTER TABLE ", tail);
	step_sql_add(l, SQL_PG, "%s", sb.buf);
}
