/* SPDX-License-Identifier: MIT */
/* Scripts cut into statements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/strbuf.h"
#include "sql-later.h"
#include "sql-split.h"

#define _cleanup_list_ _cleanup_(sql_list_release)

static const char how_letter[] = { [SQL_PLAIN] = ' ', [SQL_SETTING] = 's',
				   [SQL_ALONE] = 'a' };

/* "LINE how text|..." */
static void gives(enum sql_dialect d, const char *text, const char *wanted)
{
	_cleanup_list_ struct sql_list l = SQL_LIST_INIT;
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	int line = 0;
	const char *why = sql_split(&l, d, text, strlen(text), &line);

	for (size_t i = 0; i < l.n; i++)
		strbuf_addf(&sb, "%s%d%c%s", i ? "|" : "", l.v[i].line,
			    how_letter[l.v[i].how], l.v[i].text);
	if (why)
		strbuf_addf(&sb, "!%d", line);
	assert_string_equal(sb.buf, wanted);
}

static void refuses(enum sql_dialect d, const char *text, int wanted)
{
	_cleanup_list_ struct sql_list l = SQL_LIST_INIT;
	int line = 0;

	assert_non_null(sql_split(&l, d, text, strlen(text), &line));
	assert_int_equal(line, wanted);
}

static void quotes(_unused_ void **state)
{
	gives(SQL_PG, "", "");
	gives(SQL_PG, " ;; -- nothing\n ; /* ; */", "");
	gives(SQL_PG, "a;b", "1 a|1 b");
	gives(SQL_PG, "-- a;\n\nselect ';' ;\n b /* c;", "3 select ';'!4");
	gives(SQL_PG, "a 'it''s;' \"x;\"\"y\"; b", "1 a 'it''s;' \"x;\"\"y\"|1 b");
	gives(SQL_PG, "a 'b\\'; c", "1 a 'b\\'|1 c");
	gives(SQL_PG, "a E'b\\';'; c", "1 a E'b\\';'|1 c");
	gives(SQL_PG, "a fee'b\\'; c", "1 a fee'b\\'|1 c");
	gives(SQL_PG, "a U&\"b;\"; c", "1 a U&\"b;\"|1 c");
	gives(SQL_PG, "a /* ; /* ; */ ; */ b; c", "1 a /* ; /* ; */ ; */ b|1 c");
	gives(SQL_SQLITE, "a /* ; /* ; */ b; c", "1 a /* ; /* ; */ b|1 c");
	gives(SQL_SQLITE, "a [b;'] `c;`; d", "1 a [b;'] `c;`|1 d");
	gives(SQL_SQLITE, "a /* to the end", "1 a");
	gives(SQL_PG, "a 'never", "!1");
	gives(SQL_PG, "a;\nb \"never", "1 a!2");
}

static void dollars(_unused_ void **state)
{
	gives(SQL_PG, "a $$ b; $$; c", "1 a $$ b; $$|1 c");
	gives(SQL_PG, "a $x$ b; $$ $y$ $x$; c", "1 a $x$ b; $$ $y$ $x$|1 c");
	gives(SQL_PG, "a $1 = b$c$; d", "1 a $1 = b$c$|1 d");
	gives(SQL_PG, "a $x$ never $X$", "!1");
	gives(SQL_SQLITE, "a $b; c", "1 a $b|1 c");
	gives(SQL_PG, "create table \xc3\xa4 (a); b",
	      "1 create table \xc3\xa4 (a)|1 b");
}

static void bodies(_unused_ void **state)
{
	gives(SQL_PG, "create function f() returns int begin atomic select 1;"
	      " select case when true then 2 end; end; b",
	      "1 create function f() returns int begin atomic select 1;"
	      " select case when true then 2 end; end|1 b");
	gives(SQL_PG, "Create Or Replace Procedure p() BEGIN ATOMIC a; END; b",
	      "1 Create Or Replace Procedure p() BEGIN ATOMIC a; END|1 b");
	/* no function: begin is only a name */
	gives(SQL_PG, "create table begin (a); b",
	      "1 create table begin (a)|1 b");
	gives(SQL_PG, "create rule r as on insert to t do (a; b); c",
	      "1 create rule r as on insert to t do (a; b)|1 c");
	gives(SQL_SQLITE, "create temp trigger t after insert on x begin "
	      "update y set a = case when 1 then 2 end; delete from z; end; b",
	      "1 create temp trigger t after insert on x begin "
	      "update y set a = case when 1 then 2 end; delete from z; end"
	      "|1 b");
	gives(SQL_SQLITE, "CREATE TRIGGER t BEGIN a; END", "1 CREATE TRIGGER "
	      "t BEGIN a; END");
}

static void kinds(_unused_ void **state)
{
	gives(SQL_PG, "analyze; vacuum t; analyse t", "1aanalyze|1avacuum t|"
	      "1aanalyse t");
	gives(SQL_PG, "alter table a.b validate constraint c; "
	      "alter type t add value 'x'; alter type t add attribute value i",
	      "1aalter table a.b validate constraint c|"
	      "1aalter type t add value 'x'|"
	      "1 alter type t add attribute value i");
	gives(SQL_PG, "drop index concurrently i; drop index i",
	      "1adrop index concurrently i|1 drop index i");
	gives(SQL_PG, "reindex table concurrently t; reindex table t",
	      "1areindex table concurrently t|1 reindex table t");
	gives(SQL_PG, "set a = b; set local a = b; reset a",
	      "1sset a = b|1 set local a = b|1sreset a");
	gives(SQL_SQLITE, "vacuum; pragma user_version = 3; "
	      "pragma journal_mode = wal; analyze",
	      "1avacuum|1spragma user_version = 3|"
	      "1apragma journal_mode = wal|1 analyze");
}

static void concurrent(_unused_ void **state)
{
	_cleanup_list_ struct sql_list l = SQL_LIST_INIT;
	const char *text = "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS Ab "
		"ON ONLY s.\"T\"\"x\" (a); create index concurrently \"I\" on "
		"t (a)";
	int line;

	assert_null(sql_split(&l, SQL_PG, text, strlen(text), &line));
	assert_int_equal(l.n, 2);
	assert_int_equal(l.v[0].how, SQL_ALONE);
	assert_string_equal(l.v[0].index, "ab");
	assert_string_equal(l.v[0].schema, "s");
	assert_string_equal(l.v[0].table, "T\"x");
	assert_true(l.v[0].if_not_exists);
	assert_string_equal(l.v[1].index, "I");
	assert_null(l.v[1].schema);
	assert_string_equal(l.v[1].table, "t");
	assert_false(l.v[1].if_not_exists);
	refuses(SQL_PG, "create index concurrently on t (a)", 1);
	refuses(SQL_PG, "create index concurrently if not exists on t (a)", 1);
}

static void not_here(_unused_ void **state)
{
	refuses(SQL_PG, "a;\nBEGIN; b", 2);
	refuses(SQL_PG, "a;\n\n commit", 3);
	refuses(SQL_PG, "rollback to x", 1);
	refuses(SQL_PG, "prepare transaction 'x'", 1);
	refuses(SQL_PG, "a;\n\\connect x", 2);
	refuses(SQL_PG, "copy t (a, b) from stdin", 1);
	refuses(SQL_SQLITE, "savepoint a", 1);
	refuses(SQL_SQLITE, "pragma foreign_keys = off", 1);
	refuses(SQL_SQLITE, "attach 'x' as y", 1);
	gives(SQL_PG, "prepare x as select 1", "1 prepare x as select 1");
}

/* without the member for the first range, and only where that is the same */
static void later(_unused_ void **state)
{
	static const struct {
		const char *sql, *want;
	} t[] = {
		{ "UPDATE t SET a = 1 WHERE ($1 IS NULL OR id > $1) AND id <= $2",
		  "UPDATE t SET a = 1 WHERE ( id > $1) AND id <= $2" },
		{ "DELETE FROM t WHERE x AND (?1 is null or (a, b) > (?1, ?2))",
		  "DELETE FROM t WHERE x AND ( (a, b) > (?1, ?2))" },
		{ "SELECT ($1 IS NULL OR 5)", NULL },
		{ "SELECT 1 WHERE $1 IS NULL OR id > $1", NULL },
		{ "SELECT 1 WHERE (a OR $1 IS NULL OR id > $1)", NULL },
		{ "SELECT 1 WHERE ($1 IS NULL OR 5) = 5", NULL },
		{ "SELECT 1 WHERE ($1 IS NULL AND id > $1)", NULL },
		{ "SELECT 1 WHERE a BETWEEN 1 AND ($1 IS NULL OR 5)", NULL },
		{ "SELECT 1 WHERE ($1 IS NOT NULL OR id > $1)", NULL },
		{ "SELECT ' WHERE ($1 IS NULL OR id > $1)'", NULL },
		{ "SELECT 1 /* WHERE ($1 IS NULL OR a) */", NULL },
		{ "SELECT 'open WHERE ($1 IS NULL OR a)", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

		sql_later(SQL_SQLITE, t[i].sql, &sb);
		assert_string_equal(sb.buf, t[i].want ? t[i].want : t[i].sql);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quotes),
		cmocka_unit_test(dollars),
		cmocka_unit_test(bodies),
		cmocka_unit_test(kinds),
		cmocka_unit_test(concurrent),
		cmocka_unit_test(not_here),
		cmocka_unit_test(later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
