/* SPDX-License-Identifier: MIT */
/* A column of SQLite keeps a value as it is, or its row is refused. */
#include "scratch.h"

#include <sqlite3.h>

#include "store-rows.h"

static const char *const cols[] = { "k", "c" };
static const struct store_shape shape = {
	.set = "t", .ncol = 2, .nkey = 1, .col = cols,
};

/* what is in c when a column declared as type was given the text; NULL: it was
   refused, and the table is empty */
static const char *put_sql(struct scratch *t, const char *table,
			   enum store_type type, const char *text, char *ret,
			   size_t n)
{
	struct store_options o = { .root_fd = t->fd, .create = true };
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch out = STORE_BATCH_INIT;
	_cleanup_store_ struct store *s = NULL;
	int r;

	assert_int_equal(store_open("sqlite:a.db", &o, &s, &t->err), 0);
	assert_int_equal(store_exec(s, "DROP TABLE IF EXISTS t", NULL, NULL,
				    &t->err), 0);
	assert_true(store_exec(s, table, NULL, NULL, &t->err) >= 0);
	store_batch_clear(&b, 2);
	store_batch_add(&b, STORE_INT, "1", 1);
	store_batch_add(&b, type, text, strlen(text));
	assert_int_equal(store_begin(s, true, &t->err), 0);
	r = store_put(s, &shape, &b, 0, 1, STORE_ERROR, &t->err);
	if (r < 0) {
		assert_int_equal(r, -EBADMSG);
		assert_string_equal(store_sqlstate(s), "22018");
		assert_non_null(strstr(t->err.msg, "column 'c'"));
		error_release(&t->err);
		store_abort(s);
		assert_rows(s, "SELECT count(*) FROM t", "0");
		return NULL;
	}
	assert_int_equal(r, 1);
	assert_int_equal(store_commit(s, &t->err), 0);
	assert_int_equal(store_exec(s, "SELECT typeof(c) || ' ' || "
		"CASE typeof(c) WHEN 'real' THEN printf('%!.17g', c) "
		"ELSE CAST(c AS TEXT) END FROM t", NULL, &out, NULL), 1);
	(void)snprintf(ret, n, "%.*s", out.cell[0].len,
		       out.buf + out.cell[0].off);
	return ret;
}

static const char *put(struct scratch *t, const char *declared,
		       enum store_type type, const char *text, char *ret,
		       size_t n)
{
	_cleanup_free_ char *table = xasprintf(
		"CREATE TABLE t (k INTEGER PRIMARY KEY, c %s)", declared);

	return put_sql(t, table, type, text, ret, n);
}

static void test_kept(void **state)
{
	static const struct {
		const char *declared;
		enum store_type type;
		const char *text, *kept;
	} v[] = {
		/* text that looks like a number, of a kind that it is not */
		{ "INTEGER", STORE_TEXT, "00123", NULL },
		{ "INTEGER", STORE_TEXT, " 7", NULL },
		{ "INTEGER", STORE_TEXT, "7 ", NULL },
		{ "INTEGER", STORE_TEXT, "+7", NULL },
		{ "NUMERIC", STORE_TEXT, ".5", NULL },
		{ "REAL", STORE_TEXT, "5.", NULL },
		{ "VARINT", STORE_TEXT, "1e05x", "text 1e05x" },
		{ "INTEGER", STORE_TEXT, "12-3", "text 12-3" },
		{ "INTEGER", STORE_TEXT, "", "text " },
		{ "INTEGER", STORE_TEXT, "-", "text -" },
		{ "INTEGER", STORE_TEXT, "1e", "text 1e" },
		{ "INTEGER", STORE_TEXT, "0x10", "text 0x10" },
		{ "INTEGER", STORE_TEXT, "-42", "integer -42" },
		{ "NUMERIC", STORE_TEXT, "1.5", "real 1.5" },
		{ "DATE", STORE_TEXT, "2026-01-02", "text 2026-01-02" },
		{ "TEXT", STORE_TEXT, "00123", "text 00123" },
		{ "", STORE_TEXT, "00123", "text 00123" },
		{ "BLOB", STORE_TEXT, "00123", "text 00123" },
		/* numbers with more digits than a real one has */
		{ "NUMERIC", STORE_NUM, "12345678901234567890.12345", NULL },
		{ "REAL", STORE_NUM, "0.1234567890123456789", NULL },
		{ "NUMERIC", STORE_NUM, "1e400", NULL },
		{ "DECIMAL(9,2)", STORE_NUM, "1.50", "real 1.5" },
		{ "NUMERIC", STORE_NUM, "0.00001000", "real 1.0000000000000001e-05" },
		{ "REAL", STORE_NUM, "0.1", "real 0.10000000000000001" },
		{ "TEXT", STORE_NUM, "12345678901234567890.12345",
		  "text 12345678901234567890.12345" },
		{ "TEXT", STORE_NUM, "0.12345678901234566",
		  "text 0.12345678901234566" },
		{ "VARCHAR(20)", STORE_NUM, "1e+100", "text 1e+100" },
		{ "NUMERIC", STORE_NUM, "NaN", "text NaN" },
		/* whole numbers with more bits */
		{ "REAL", STORE_INT, "9007199254740993", NULL },
		{ "REAL", STORE_INT, "9007199254740992",
		  "real 9007199254740992.0" },
		{ "DOUBLE", STORE_INT, "-5", "real -5.0" },
		{ "BIGINT", STORE_INT, "9223372036854775807",
		  "integer 9223372036854775807" },
		{ "BIGINT", STORE_INT, "9223372036854775809", NULL },
		{ "BIGINT", STORE_INT, "9223372036854775808", NULL },
		{ "BIGINT", STORE_INT, "10000000000000000000",
		  "real 1.0e+19" },
		{ "TEXT", STORE_INT, "9223372036854775809",
		  "text 9223372036854775809" },
		/* others */
		{ "INTEGER", STORE_BOOL, "t", "integer 1" },
		{ "NUMERIC", STORE_JSON, "[1]", "text [1]" },
	};
	char got[100];

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		const char *is = put(*state, v[i].declared, v[i].type,
				     v[i].text, got, sizeof(got));

		if (!is != !v[i].kept || (is && strcmp(is, v[i].kept)))
			fail_msg("%s of %s: '%s', not '%s'", v[i].text,
				 v[i].declared, is ? is : "refused",
				 v[i].kept ? v[i].kept : "refused");
	}
}

/* where a column takes anything, and where it is a view's */
static void test_any(void **state)
{
	char got[100];

	assert_string_equal(put_sql(*state, "CREATE TABLE t (k INTEGER PRIMARY "
		"KEY, c ANY) STRICT", STORE_TEXT, "00123", got, sizeof(got)),
		"text 00123");
	assert_null(put_sql(*state, "CREATE TABLE t (k INTEGER PRIMARY KEY, "
		"c ANY)", STORE_TEXT, "00123", got, sizeof(got)));
}

/* a row whose key a table cannot have is not in it */
static void test_del(void **state)
{
	struct scratch *t = *state;
	struct store_options o = { .root_fd = t->fd, .create = true };
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_store_ struct store *s = NULL;
	static const char *const by[] = { "n" };
	const struct store_shape one = {
		.set = "u", .ncol = 1, .nkey = 1, .col = by,
	};

	assert_int_equal(store_open("sqlite:a.db", &o, &s, &t->err), 0);
	assert_int_equal(store_exec(s, "CREATE TABLE u (n NUMERIC PRIMARY KEY)",
				    NULL, NULL, &t->err), 0);
	assert_true(store_exec(s, "INSERT INTO u VALUES (7), (8)", NULL, NULL,
			       &t->err) >= 0);
	store_batch_clear(&b, 1);
	store_batch_add(&b, STORE_TEXT, "007", 3);
	store_batch_add(&b, STORE_TEXT, "8", 1);
	assert_int_equal(store_begin(s, true, &t->err), 0);
	assert_int_equal(store_del(s, &one, &b, &t->err), 1);
	assert_int_equal(store_commit(s, &t->err), 0);
	assert_rows(s, "SELECT n FROM u", "7");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_scratch(test_kept),
		with_scratch(test_any),
		with_scratch(test_del),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
