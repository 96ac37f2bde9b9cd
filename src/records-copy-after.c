/* SPDX-License-Identifier: MIT */
/*
 * What follows the last row, in PostgreSQL: sequences that give a column of the
 * set its values go on behind the greatest of them (owned ones, identity, and
 * those that only a default names), and the planner learns what is there.
 * Neither ever makes a sequence smaller; both may be done again.
 */
#include <string.h>

#include "records-copy-internal.h"
#include "store-sql.h"

static const char sequences[] =
	"SELECT format('%I.%I', n.nspname, s.relname), a.attname "
	"FROM pg_class s JOIN pg_namespace n ON n.oid = s.relnamespace "
	"JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND "
	"d.objid = s.oid AND d.refclassid = 'pg_class'::regclass "
	"AND d.deptype IN ('a', 'i') JOIN pg_attribute a ON "
	"a.attrelid = d.refobjid AND a.attnum = d.refobjsubid "
	"WHERE s.relkind = 'S' AND d.refobjid = to_regclass($1) "
	"UNION SELECT format('%I.%I', n.nspname, s.relname), a.attname "
	"FROM pg_attrdef f JOIN pg_depend d ON "
	"d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND "
	"d.refclassid = 'pg_class'::regclass JOIN pg_class s ON "
	"s.oid = d.refobjid AND s.relkind = 'S' "
	"JOIN pg_namespace n ON n.oid = s.relnamespace "
	"JOIN pg_attribute a ON a.attrelid = f.adrelid AND "
	"a.attnum = f.adnum WHERE f.adrelid = to_regclass($1)";

static int set_sequence(struct store *to, const char *set, const char *seq,
			const char *column, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret;

	strbuf_addstr(&sql, "SELECT setval($1::regclass, m.v) FROM (SELECT "
		      "max(");
	store_sql_name(&sql, column);
	strbuf_addstr(&sql, ")::bigint AS v FROM ");
	store_sql_set(&sql, set);
	strbuf_addf(&sql, ") m, %s s WHERE m.v >= s.last_value", seq);
	store_batch_clear(&args, 1);
	records_add_text(&args, seq);
	ret = store_exec(to, sql.buf, &args, NULL, err);
	return MIN(ret, 0);
}

int records_finish_sequences(struct store *to, const char *set,
			     struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int n, ret = 0;

	if (!store_is_pg(to))
		return 0;
	store_sql_set(&sql, set);
	store_batch_clear(&args, 1);
	records_add_text(&args, sql.buf);
	n = store_exec(to, sequences, &args, &b, err);
	for (uint32_t i = 0; ret == 0 && n > 0 && i < b.nrow; i++) {
		_cleanup_free_ char *seq = records_cell_text(&b, i, 0);
		_cleanup_free_ char *column = records_cell_text(&b, i, 1);

		ret = set_sequence(to, set, seq, column, err);
	}
	return n < 0 ? n : ret;
}

int records_finish_set(struct store *to, const char *set, struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret = records_finish_sequences(to, set, err);

	if (ret < 0 || !store_is_pg(to))
		return ret;
	strbuf_addstr(&sql, "ANALYZE ");
	store_sql_set(&sql, set);
	ret = store_exec(to, sql.buf, NULL, NULL, err);
	return MIN(ret, 0);
}
