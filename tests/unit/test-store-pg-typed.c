/* SPDX-License-Identifier: MIT */
/* Cells that go as values: the rows are those that their texts would make. */
#include "pg-store.h"
#include "store-rows.h"

/* as many as it takes for a COPY */
#define ROWS 60

static void make(struct store *s, const char *type)
{
	static const char *const sets[] = { "texts", "typed" };

	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		_cleanup_free_ char *drop = xasprintf(
			"DROP TABLE IF EXISTS %s", sets[i]);
		_cleanup_free_ char *create = xasprintf("CREATE TABLE %s (k "
			"bigint PRIMARY KEY, v %s, q text DEFAULT "
			"current_query())", sets[i], type);

		sql(s, drop);
		sql(s, create);
	}
}

/* the values in turn; -errno, with state set */
static int put(struct store *s, const char *set, bool typed,
	       const char *const *v, size_t n, enum store_conflict how,
	       char *state)
{
	static const char *const cols[] = { "k", "v" };
	/* types may make others of these texts, the same of each either way */
	static const bool loose[] = { true, true };
	const struct store_shape shape = {
		.set = set, .ncol = 2, .nkey = 1, .col = cols, .loose = loose,
	};
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_error_ struct error err = ERROR_INIT;
	int ret;

	store_batch_clear(&b, 2);
	for (int i = 0; i < ROWS; i++) {
		char k[16];
		const char *p = v[(size_t)i % n];

		(void)snprintf(k, sizeof(k), "%d", i);
		store_batch_add(&b, STORE_INT, k, strlen(k));
		store_batch_add(&b, STORE_TEXT, p, p ? strlen(p) : 0);
	}
	if (typed)
		store_put_typed(s, &shape);
	assert_int_equal(store_begin(s, true, &err), 0);
	ret = store_put(s, &shape, &b, 0, ROWS, how, &err);
	(void)snprintf(state, 6, "%s", store_sqlstate(s));
	if (ret < 0)
		store_abort(s);
	else
		assert_int_equal(store_commit(s, &err), 0);
	return ret;
}

/* both ways; how many rows went as values */
static int both(const char *type, const char *const *v, size_t n)
{
	_cleanup_store_ struct store *a = opened();
	_cleanup_store_ struct store *b = opened();
	_cleanup_store_batch_ struct store_batch out = STORE_BATCH_INIT;
	_cleanup_error_ struct error err = ERROR_INIT;
	char one[6], other[6];
	int ret;

	make(a, type);
	ret = put(a, "texts", false, v, n, STORE_ERROR, one);
	if (put(b, "typed", true, v, n, STORE_ERROR, other) != ret ||
	    strcmp(one, other) != 0)
		fail_msg("%s '%s': %s, %s", type, *v, one, other);
	assert_true(store_exec(a, "SELECT count(*) FROM (SELECT k, v FROM "
		"texts) a FULL JOIN (SELECT k, v FROM typed) b USING (k) "
		"WHERE (a *= b) IS NOT TRUE", NULL, &out, &err) == 1);
	if (store_batch_int(&out, 0, 0))
		fail_msg("%s '%s': other rows", type, *v);
	assert_true(store_exec(a, "SELECT count(*) FROM typed WHERE q LIKE "
		"'%FORMAT binary%'", NULL, &out, &err) == 1);
	return (int)store_batch_int(&out, 0, 0);
}

#define LIST(...) { __VA_ARGS__ }
struct values {
	const char *type;
	const char *v[16];       /* NULL behind them goes too, in test_values */
};

static size_t count(const char *const *v)
{
	size_t n = 0;

	while (v[n])
		n++;
	return n;
}

static void test_values(_unused_ void **state)
{
	static const struct values all[] = {
		{ "bool", LIST("t", "f", "1", "0") },
		{ "bytea", LIST("\\x", "\\x00ff7f80", "\\xABcd") },
		{ "int2", LIST("0", "-1", "32767", "-32768") },
		{ "int4", LIST("0", "7", "2147483647", "-2147483648") },
		{ "int8", LIST("0", "-10", "9223372036854775807",
			       "-9223372036854775808") },
		{ "text", LIST("", "\xc3\xa4\xf0\x9f\x8e\x89", "a\tb\\n\r\n",
			       "\\N", "NULL", " x ", "\\.") },
		{ "json", LIST("{\"a\":  1, \"a\": 2}", "null", "\"\\u00e4\"") },
		{ "jsonb", LIST("{\"b\":  1, \"a\": 2.50}", "[]", "1e2") },
		{ "float8", LIST("0", "-0", "1.5", "0.1", "-12345.6789",
				 "1e+15", "0.0001", "1e-05", "5",
				 "1.7976931348623157e+308",
				 "2.2250738585072014e-308") },
		{ "char(5)", LIST("", "ab", "abcde", "abcde    ", "  b") },
		{ "varchar(5)", LIST("", "ab", "abcde", "abcde    ", "  b") },
		{ "date", LIST("2000-01-01", "1999-12-31", "2024-02-29",
			       "1900-03-01", "1000-01-01", "9999-12-31") },
		{ "timestamp", LIST("2023-11-14 22:13:20",
				    "1969-12-31T23:59:59.999999",
				    "2000-01-01 00:00:00.5",
				    "2000-02-29 23:59:59.000001",
				    "2000-01-01", "1999-12-31 10:00",
				    "1999-12-31 10:00:00.1000000Z") },
		{ "timestamp(3)", LIST("2023-11-14 22:13:20.123456",
				       "1999-12-31 23:59:59.9996") },
		{ "timestamptz", LIST("2023-11-14 22:13:20+00",
				      "2023-11-14 22:13:20",
				      "2023-11-14T22:13:20.25Z",
				      "1999-12-31 23:59:59-03:30",
				      "2000-01-01 00:00:00+14:00",
				      "2023-11-14 22:13:20-00:30",
				      "1000-01-01 00:00:00+05") },
		{ "uuid", LIST("00010203-0405-0607-0809-0a0b0c0d0eff",
			       "00010203-0405-0607-0809-0A0B0C0D0EFF") },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (both(all[i].type, all[i].v, count(all[i].v) + 1) != ROWS)
			fail_msg("%s went as text", all[i].type);
}

/* fine or not, but not beyond doubt: what the server makes of the text */
static void test_texts(_unused_ void **state)
{
	static const struct values all[] = {
		{ "bool", LIST("yes", "TRUE", "2", "") },
		{ "bytea", LIST("abc", "\\xabc", "\\x0g", "\\x00 01") },
		{ "int2", LIST("32768", "-32769", "1.0") },
		{ "int8", LIST(" 5", "+5", "007", "-0", "1e3", "", "0x10",
			       "9223372036854775808") },
		{ "float8", LIST("NaN", "Infinity", "-Infinity", "1.50",
				 "1e400", "5e-324", "1e5", " 1", "") },
		{ "float4", LIST("0.1", "16777217") },
		{ "numeric(6,2)", LIST("1.505", "NaN", "12345") },
		{ "date", LIST("2000-1-1", "20000101", "infinity",
			       "2023-02-29", "2023-13-01", "0044-03-15 BC",
			       "0999-01-01", "2000-01-01 10:00:00") },
		{ "timestamp", LIST("2000-01-01 24:00:00",
				    "2000-01-01 23:59:60",
				    "2000-01-01 10:00:00.1234567",
				    "epoch",
				    "2000-01-01 10:00:00+05",
				    "2000-01-01 10:00:00.") },
		{ "timestamptz", LIST("2000-01-01 10:00:00 Europe/Berlin",
				      "2000-01-01 10:00:00+0530",
				      "2000-01-01 10:00:00+15:59:59",
				      "2000-01-01 10:00:00z",
				      "-infinity", "now at noon") },
		{ "uuid", LIST("000102030405060708090a0b0c0d0eff",
			       "{00010203-0405-0607-0809-0a0b0c0d0eff}",
			       "00010203-0405-0607-0809-0a0b0c0d0ef", "x") },
		{ "time", LIST("10:00:00") },
		{ "int4[]", LIST("{1,2}") },
		{ "point", LIST("(1,2)") },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		for (size_t j = 0; all[i].v[j]; j++)
			if (both(all[i].type, all[i].v + j, 1))
				fail_msg("%s '%s' went as a value",
					 all[i].type, all[i].v[j]);
}

/* the server says so, for the same reason */
static void test_refused(_unused_ void **state)
{
	static const struct values all[] = {
		{ "text", LIST("\xc3", "\xed\xa0\x80") },
		{ "varchar(3)", LIST("abcd") },
		{ "json", LIST("{", "") },
		{ "jsonb", LIST("[1", "\"\\u0000\"") },
		{ "int4 CHECK (v > 5)", LIST("5") },
		{ "int4 NOT NULL UNIQUE", LIST("7") },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		for (size_t j = 0; all[i].v[j]; j++)
			assert_int_equal(both(all[i].type, all[i].v + j, 1),
					 0);
}

/* some rows as values, others behind them as text, in one transaction */
static void test_mixed(_unused_ void **state)
{
	const char *v[ROWS];

	for (int i = 0; i < ROWS; i++)
		v[i] = i < 40 ? "2000-01-01" : "20000102";
	assert_int_equal(both("date", v, ROWS), 40);
}

/* over what is there, through the table in between */
static void test_replace(_unused_ void **state)
{
	static const char *const first[] = { "1", "2", "3" };
	static const char *const then[] = { "-4", NULL };
	_cleanup_store_ struct store *s = opened();
	char why[6];

	make(s, "int8");
	assert_int_equal(put(s, "typed", true, first, 3, STORE_ERROR, why),
			 ROWS);
	assert_int_equal(put(s, "typed", true, then, 2, STORE_REPLACE, why),
			 ROWS);
	assert_rows(s, "SELECT count(*), sum(v) FROM typed", "60 -120");
	assert_int_equal(put(s, "typed", true, first, 3, STORE_SKIP, why), 0);
	assert_rows(s, "SELECT count(*), sum(v) FROM typed", "60 -120");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_mixed),
		cmocka_unit_test(test_replace),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
