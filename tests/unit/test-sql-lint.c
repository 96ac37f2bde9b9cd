/* SPDX-License-Identifier: MIT */
/* Statements that hold others up, and their safe forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "sql-later.h"
#include "sql-lint.h"

#define _cleanup_list_ _cleanup_(sql_list_release)

/* the last statement; words NULL: it is fine */
static void says(const char *text, const char *words)
{
	_cleanup_list_ struct sql_list l = SQL_LIST_INIT;
	const char *why;
	int line;

	assert_null(sql_split(&l, SQL_PG, text, strlen(text), &line));
	why = sql_hazard(&l, l.n - 1, false);
	if (!words && why)
		fail_msg("%s: %s", text, why);
	if (words && (!why || !strstr(why, words)))
		fail_msg("%s: %s", text, why ? why : "nothing");
}

static void indexes(_unused_ void **state)
{
	says("CREATE INDEX i ON t (a)", "CONCURRENTLY");
	says("create unique index on s.t (a)", "CONCURRENTLY");
	says("CREATE INDEX CONCURRENTLY i ON t (a)", NULL);
	says("CREATE TABLE t (a int); CREATE INDEX i ON t (a)", NULL);
	says("CREATE TABLE u (a int); CREATE INDEX i ON t (a)",
	     "CONCURRENTLY");
	says("CREATE MATERIALIZED VIEW s.v AS SELECT 1 AS a; CREATE UNIQUE "
	     "INDEX i ON s.v (a)", NULL);
	says("CREATE MATERIALIZED VIEW s.v AS SELECT 1 AS a; CREATE UNIQUE "
	     "INDEX i ON s.t (a)", "CONCURRENTLY");
	says("CREATE TABLE IF NOT EXISTS S.T (a int); CREATE INDEX i ON "
	     "only s.t (a)", NULL);
}

static void columns(_unused_ void **state)
{
	says("ALTER TABLE t ADD COLUMN a int", NULL);
	says("ALTER TABLE t ADD COLUMN a int DEFAULT 0", NULL);
	says("ALTER TABLE t ADD COLUMN a timestamptz DEFAULT now()", NULL);
	says("ALTER TABLE t ADD COLUMN a uuid DEFAULT gen_random_uuid()",
	     "backfill");
	says("ALTER TABLE t ADD a bigserial", "backfill");
	says("ALTER TABLE t ADD a int GENERATED ALWAYS AS IDENTITY",
	     "backfill");
	says("ALTER TABLE t ALTER COLUMN a TYPE bigint", "new type");
	says("ALTER TABLE t ALTER COLUMN a SET DEFAULT 3", NULL);
	says("ALTER TABLE t RENAME COLUMN a TO b", "old version");
	says("ALTER TABLE t RENAME TO u", "old version");
	says("ALTER TABLE t DROP COLUMN a", "never comes back");
	says("DROP TABLE t", "never comes back");
	says("CREATE TABLE t (a int); ALTER TABLE t DROP COLUMN a", NULL);
}

static void constraints(_unused_ void **state)
{
	says("ALTER TABLE t ALTER COLUMN a SET NOT NULL", "NOT VALID");
	says("ALTER TABLE t VALIDATE CONSTRAINT c; "
	     "ALTER TABLE t ALTER a SET NOT NULL", NULL);
	says("ALTER TABLE u VALIDATE CONSTRAINT c; "
	     "ALTER TABLE t ALTER a SET NOT NULL", "NOT VALID");
	says("ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES u",
	     "both tables");
	says("ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES u "
	     "NOT VALID", NULL);
	says("ALTER TABLE t ADD COLUMN a int REFERENCES u", "both tables");
	says("ALTER TABLE t ADD CHECK (a > 0)", "NOT VALID");
	says("ALTER TABLE t ADD CHECK (a > 0) NOT VALID", NULL);
	says("ALTER TABLE t ADD UNIQUE (a)", "USING INDEX");
	says("ALTER TABLE t ADD PRIMARY KEY USING INDEX i", NULL);
}

/* the index that is there before the rows of t; NULL: none */
static void early(const char *text, const char *index)
{
	_cleanup_list_ struct sql_list l = SQL_LIST_INIT;
	_cleanup_free_ char *name = NULL;
	int line;

	assert_null(sql_split(&l, SQL_PG, text, strlen(text), &line));
	name = sql_indexes_early(&l, "s.t");
	if (!index)
		assert_null(name);
	else
		assert_string_equal(name, index);
}

#define MADE "CREATE TABLE s.t (a int PRIMARY KEY); "
static void indexes_early(_unused_ void **state)
{
	early(MADE "CREATE INDEX i ON s.t (a)", "i");
	early(MADE "CREATE INDEX IF NOT EXISTS \"I\" ON ONLY S.T (a)", "I");
	early(MADE "CREATE INDEX CONCURRENTLY i ON s.t (a)", "i");
	early(MADE "CREATE INDEX ON s.t (a)", "ON s.t");
	early(MADE "CREATE UNIQUE INDEX i ON s.t (a)", NULL);
	early(MADE "CREATE INDEX i ON s.u (a)", NULL);
	early("CREATE INDEX i ON s.t (a)", NULL);
	early("CREATE TABLE s.u (a int); CREATE INDEX i ON s.u (a)", NULL);
}

static void others(_unused_ void **state)
{
	says("UPDATE t SET a = 1", NULL);
	says("SELECT 'ALTER TABLE t RENAME TO u'", NULL);
	says("CREATE VIEW v AS SELECT 1", NULL);
}

/* words NULL: it is fine */
static void range(enum sql_dialect d, const char *sql, size_t n,
		  const char *words)
{
	const char *why = sql_range_fault(d, sql, n);

	if (!words != !why || (why && !strstr(why, words)))
		fail_msg("%s: %s", sql, why ? why : "nothing");
}

/* a beginning that is NULL in the first batch, an end, and both */
static void ranges(_unused_ void **state)
{
	for (enum sql_dialect d = SQL_PG; d <= SQL_SQLITE; d++) {
		range(d, "UPDATE t SET a = 1 WHERE ($1 IS NULL OR id > $1) "
		      "AND id <= $2", 1, NULL);
		range(d, "UPDATE t SET a = 1 WHERE id > coalesce($1, 0) AND "
		      "id <= $2", 1, NULL);
		range(d, "UPDATE t SET a = 1 WHERE id > $1 AND id <= $2", 1,
		      "NULL in the first");
		range(d, "UPDATE t SET a = '$1 IS NULL' WHERE id > $1 AND "
		      "id <= $2", 1, "NULL in the first");
		range(d, "UPDATE t SET a = a + 1 WHERE id <= $2", 1,
		      "where a batch begins");
		range(d, "UPDATE t SET a = a + 1 WHERE $1 IS NULL OR id > $1",
		      1, "where a batch ends");
		range(d, "UPDATE t SET a = a + 1", 1, "names no keys");
		range(d, "UPDATE t SET a = 1 WHERE ($1 IS NULL OR (a, b) > "
		      "($1, $2)) AND (a, b) <= ($3, $4)", 2, NULL);
		range(d, "UPDATE t SET a = 1 WHERE (a, b) > ($1, $2)", 2,
		      "where a batch ends");
	}
	range(SQL_PG, "UPDATE t SET a = 1 WHERE ($1::varchar(9) IS NULL OR id "
	      "> $1) AND id <= $2", 1, NULL);
	range(SQL_PG, "UPDATE t SET a = 1 WHERE id > $1::bigint AND id <= "
	      "$2::bigint", 1, "NULL in the first");
	range(SQL_SQLITE, "UPDATE t SET a = 1 WHERE (?1 IS NULL OR id > ?1) "
	      "AND id <= ?2", 1, NULL);
	range(SQL_SQLITE, "UPDATE t SET a = 1 WHERE id > ? AND id <= ?", 1,
	      NULL);
	range(SQL_PG, "UPDATE t SET a = 'without an end", 1, NULL);
}

static void confirmed(_unused_ void **state)
{
	_cleanup_list_ struct sql_list l = SQL_LIST_INIT;
	const char *text = "DROP TABLE t; ALTER TABLE u DROP COLUMN a";
	int line;

	assert_null(sql_split(&l, SQL_PG, text, strlen(text), &line));
	assert_null(sql_hazard(&l, 0, true));
	assert_null(sql_hazard(&l, 1, true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(indexes),
		cmocka_unit_test(columns),
		cmocka_unit_test(constraints),
		cmocka_unit_test(indexes_early),
		cmocka_unit_test(others),
		cmocka_unit_test(ranges),
		cmocka_unit_test(confirmed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
