/* SPDX-License-Identifier: MIT */
/* A column of PostgreSQL keeps a value as it is, or its row is refused. */
#include "pg-store.h"

static const char *const cols[] = { "k", "v" };
static const struct store_shape shape = {
	.set = "kept", .ncol = 2, .nkey = 1, .col = cols,
};

static void add(struct store_batch *b, enum store_type type, const char *text)
{
	store_batch_clear(b, 2);
	store_batch_add(b, STORE_INT, "1", 1);
	store_batch_add(b, type, text, strlen(text));
}

/* what is there when a column of the type was given the text; NULL: nothing,
   with why in state */
static char *put(struct store *s, const char *declared, enum store_type type,
		 const char *text, char *state)
{
	_cleanup_free_ char *make = xasprintf("CREATE TABLE kept (k int "
		"PRIMARY KEY, v %s)", declared);
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch out = STORE_BATCH_INIT;
	_cleanup_error_ struct error err = ERROR_INIT;
	uint32_t row = 9, col = 9;
	int keeps, ret;

	sql(s, "DROP TABLE IF EXISTS kept");
	sql(s, make);
	add(&b, type, text);
	keeps = store_keeps(s, &shape, &b, 0, 1, &row, &col, NULL);
	assert_int_equal(store_begin(s, true, &err), 0);
	ret = store_put(s, &shape, &b, 0, 1, STORE_ERROR, &err);
	(void)snprintf(state, 6, "%s", store_sqlstate(s));
	if (ret < 0) {
		store_abort(s);
		assert_int_equal(ret, -EBADMSG);
		/* it is told before, too, but for what the server says itself */
		if (!strcmp(state, "22018")) {
			assert_int_equal(keeps, 0);
			assert_int_equal(row, 0);
			assert_int_equal(col, 1);
			assert_non_null(strstr(err.msg, "column 'v'"));
		}
		return NULL;
	}
	assert_int_equal(keeps, 1);
	assert_int_equal(store_commit(s, &err), 0);
	assert_int_equal(store_scan(s, &shape, NULL, NULL, 2, &out, &err), 1);
	return xstrndup(out.buf + out.cell[1].off, (size_t)out.cell[1].len);
}

struct value {
	const char *declared;
	enum store_type type;
	const char *text, *back; /* NULL: the same */
};

static void test_kept(_unused_ void **state)
{
	static const struct value all[] = {
		{ "int", STORE_INT, "7", NULL },
		{ "int", STORE_TEXT, "7", NULL },
		{ "bigint", STORE_INT, "-9223372036854775808", NULL },
		{ "numeric(10,2)", STORE_NUM, "1.5", "1.50" },
		{ "numeric(10,2)", STORE_NUM, "1.5000", "1.50" },
		{ "numeric(10,2)", STORE_INT, "12", "12.00" },
		{ "numeric(10,2)", STORE_NUM, "1e2", "100.00" },
		{ "numeric(4,-2)", STORE_INT, "12300", NULL },
		{ "numeric", STORE_NUM, "12345678901234567890.123456789012345",
		  NULL },
		{ "numeric", STORE_TEXT, "NaN", NULL },
		{ "float8", STORE_NUM, "0.1", NULL },
		{ "float8", STORE_NUM, "1.50", "1.5" },
		{ "float8", STORE_NUM, "1e+15", NULL },
		{ "float8", STORE_INT, "9007199254740992",
		  "9.007199254740992e+15" },
		{ "float8", STORE_TEXT, "-Infinity", NULL },
		{ "real", STORE_NUM, "0.1", NULL },
		{ "real", STORE_NUM, "16777216", "1.6777216e+07" },
		{ "bool", STORE_BOOL, "t", NULL },
		{ "bool", STORE_INT, "0", "f" },
		{ "bool", STORE_TEXT, "True", "t" },
		{ "varchar(3)", STORE_TEXT, "\xc3\xa4\xc3\xa4\xc3\xa4", NULL },
		{ "varchar", STORE_TEXT, "abc   ", NULL },
		{ "char(5)", STORE_TEXT, "abc", "abc  " },
		{ "char(3)", STORE_TEXT, "ab ", NULL },
		{ "text", STORE_INT, "007", NULL },
		{ "json", STORE_JSON, "{\"a\":  1.0, \"a\": 2}", NULL },
		{ "jsonb", STORE_JSON, "{\"b\":  1.0}", "{\"b\": 1.0}" },
		{ "bytea", STORE_BYTES, "\\x00ff", NULL },
		{ "bytea", STORE_TEXT, "\\x00FF", "\\x00ff" },
		{ "uuid", STORE_TEXT, "00010203-0405-0607-0809-0A0B0C0D0EFF",
		  "00010203-0405-0607-0809-0a0b0c0d0eff" },
		{ "uuid", STORE_TEXT, "000102030405060708090a0b0c0d0eff",
		  "00010203-0405-0607-0809-0a0b0c0d0eff" },
		{ "date", STORE_TEXT, "2026-01-02", NULL },
		{ "date", STORE_TEXT, "2026-01-02T00:00:00Z", "2026-01-02" },
		{ "date", STORE_TEXT, "infinity", NULL },
		{ "date", STORE_TEXT, "0044-03-15 BC", NULL },
		{ "timestamp", STORE_TEXT, "2026-01-02T10:00Z",
		  "2026-01-02 10:00:00" },
		{ "timestamp", STORE_TEXT, "2026-01-02", "2026-01-02 00:00:00" },
		{ "timestamp", STORE_TEXT, "2026-01-02 10:00:00.1234560",
		  "2026-01-02 10:00:00.123456" },
		{ "timestamp(0)", STORE_TEXT, "2026-01-02 10:00:00.0",
		  "2026-01-02 10:00:00" },
		{ "timestamptz", STORE_TEXT, "2026-01-02T00:30:00.5+01:00",
		  "2026-01-01 23:30:00.5+00" },
		{ "timestamptz", STORE_TEXT, "1969-12-31 23:59:59.999999+00",
		  NULL },
		{ "time", STORE_TEXT, "10:00:00.5", NULL },
		{ "time", STORE_TEXT, "24:00:00", NULL },
		{ "timetz", STORE_TEXT, "10:00:00+02", NULL },
		{ "interval", STORE_TEXT, "P1Y2DT0.5S", NULL },
		{ "int[]", STORE_TEXT, "{1,NULL,3}", NULL },
		{ "text[]", STORE_TEXT, "{\"a,b\",c}", NULL },
		{ "int4range", STORE_TEXT, "[1,5)", NULL },
		{ "inet", STORE_TEXT, "10.0.0.1", NULL },
		{ "mood", STORE_TEXT, "fine", NULL },
		{ "short", STORE_TEXT, "abc", NULL },
		{ "name", STORE_TEXT, "abc", NULL },
	};
	_cleanup_store_ struct store *s = opened();

	sql(s, "DROP TABLE IF EXISTS kept");
	sql(s, "DROP TYPE IF EXISTS mood");
	sql(s, "CREATE TYPE mood AS ENUM ('fine')");
	sql(s, "DROP DOMAIN IF EXISTS short");
	sql(s, "CREATE DOMAIN short AS varchar(3)");
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		const struct value *v = &all[i];
		char code[6];
		_cleanup_free_ char *back = put(s, v->declared, v->type,
						v->text, code);

		if (!back || strcmp(back, v->back ? v->back : v->text) != 0)
			fail_msg("%s '%s': '%s' (%s)", v->declared, v->text,
				 back ? back : "refused", code);
	}
}

static void test_lost(_unused_ void **state)
{
	static const struct value all[] = {
		{ "int", STORE_TEXT, "007", NULL },
		{ "int", STORE_TEXT, " 7", NULL },
		{ "int", STORE_TEXT, "+7", NULL },
		{ "numeric(10,2)", STORE_NUM, "1.505", NULL },
		{ "numeric(10,2)", STORE_NUM, "1e-3", NULL },
		{ "numeric(4,-2)", STORE_INT, "12345", NULL },
		{ "numeric", STORE_TEXT, "007.50", NULL },
		{ "float8", STORE_NUM, "0.10000000000000000555", NULL },
		{ "float8", STORE_INT, "9007199254740993", NULL },
		{ "float8", STORE_NUM, "1234567890123456789012345", NULL },
		{ "real", STORE_NUM, "0.123456789", NULL },
		{ "real", STORE_INT, "16777217", NULL },
		{ "bool", STORE_TEXT, "yes", NULL },
		{ "bool", STORE_TEXT, "off", NULL },
		{ "varchar(3)", STORE_TEXT, "abc   ", NULL },
		{ "char(3)", STORE_TEXT, "abc   ", NULL },
		{ "char(5)", STORE_TEXT, "abc ", NULL },
		{ "jsonb", STORE_JSON, "{\"a\": {\"b\": 1, \"\\u0062\": 2}}",
		  NULL },
		{ "bytea", STORE_TEXT, "abc", NULL },
		{ "text", STORE_BYTES, "\\x616263", NULL },
		{ "date", STORE_TEXT, "2026-01-02 10:00:00", NULL },
		{ "date", STORE_TEXT, "Jan 2 2026", NULL },
		{ "timestamp", STORE_TEXT, "2026-01-02 10:00:00+05", NULL },
		{ "timestamp", STORE_TEXT, "2026-01-02 10:00:00.1234567", NULL },
		{ "timestamp", STORE_TEXT, "now", NULL },
		{ "timestamp(3)", STORE_TEXT, "2026-01-02 10:00:00.1234", NULL },
		{ "timestamptz", STORE_TEXT, "2026-01-02 10:00:00 CET", NULL },
		{ "time(0)", STORE_TEXT, "10:00:00.5", NULL },
		{ "interval", STORE_TEXT, "PT0.0000001S", NULL },
		{ "name", STORE_TEXT, "a123456789a123456789a123456789a123456789"
		  "a123456789a123456789a123456789", NULL },
		{ "\"char\"", STORE_TEXT, "abc", NULL },
		{ "rounded", STORE_NUM, "1.505", NULL },
	};
	_cleanup_store_ struct store *s = opened();

	sql(s, "DROP TABLE IF EXISTS kept");
	sql(s, "DROP DOMAIN IF EXISTS rounded");
	sql(s, "CREATE DOMAIN rounded AS numeric(10,2)");
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		const struct value *v = &all[i];
		char code[6];
		_cleanup_free_ char *back = put(s, v->declared, v->type,
						v->text, code);

		if (back || strcmp(code, "22018") != 0)
			fail_msg("%s '%s': '%s' (%s)", v->declared, v->text,
				 back ? back : "refused", code);
	}
}

/* for its own reasons */
static void test_refused(_unused_ void **state)
{
	static const struct value all[] = {
		{ "int", STORE_TEXT, "abc", "22P02" },
		{ "int", STORE_NUM, "1.5", "22P02" },
		{ "smallint", STORE_INT, "40000", "22003" },
		{ "numeric(4,2)", STORE_INT, "100", "22003" },
		{ "float8", STORE_NUM, "1e400", "22003" },
		{ "varchar(3)", STORE_TEXT, "abcd", "22001" },
		{ "char(3)", STORE_TEXT, "abcd", "22001" },
		{ "jsonb", STORE_TEXT, "{", "22P02" },
		{ "uuid", STORE_TEXT, "x", "22P02" },
		{ "date", STORE_TEXT, "2026-02-30", "22008" },
	};
	_cleanup_store_ struct store *s = opened();

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		const struct value *v = &all[i];
		char code[6];
		_cleanup_free_ char *back = put(s, v->declared, v->type,
						v->text, code);

		if (back || strcmp(code, v->back) != 0)
			fail_msg("%s '%s': '%s' (%s)", v->declared, v->text,
				 back ? back : "refused", code);
	}
}

/* many rows, and more of them that the server is asked for than go at once */
static void test_many(_unused_ void **state)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_store_ struct store *s = opened();
	static const bool loose[] = { false, true };
	struct store_shape as = shape;
	uint32_t row, col;

	sql(s, "DROP TABLE IF EXISTS kept");
	sql(s, "CREATE TABLE kept (k int PRIMARY KEY, v int[])");
	store_batch_clear(&b, 2);
	for (int i = 0; i < 1700; i++) {
		char k[16], v[32];

		(void)snprintf(k, sizeof(k), "%d", i);
		(void)snprintf(v, sizeof(v), i == 1234 || i == 1500 ?
			       "{%d, 1}" : "{%d,1}", i);
		store_batch_add(&b, STORE_INT, k, strlen(k));
		store_batch_add(&b, STORE_TEXT, v, strlen(v));
	}
	assert_int_equal(store_keeps(s, &shape, &b, 0, 1700, &row, &col, &err),
			 0);
	assert_int_equal(row, 1234);
	assert_int_equal(col, 1);
	assert_int_equal(store_keeps(s, &shape, &b, 1235, 265, &row, &col,
				     &err), 1);
	as.loose = loose;
	assert_int_equal(store_keeps(s, &as, &b, 0, 1700, &row, &col, &err), 1);
	assert_int_equal(store_begin(s, true, &err), 0);
	assert_int_equal(store_put(s, &as, &b, 0, 1700, STORE_ERROR, &err),
			 1700);
	assert_int_equal(store_commit(s, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
