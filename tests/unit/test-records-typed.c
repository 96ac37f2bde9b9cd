/* SPDX-License-Identifier: MIT */
/*
 * Values of SQLite compared and copied as they lie: the same verdict and the
 * same values as by way of their text, whatever their types.
 */
#include "verify-pair.h"

/* SQL; text of one is in many a case that of another of another type */
static const char *const values[] = {
	"NULL", "0", "-0.0", "'-0'", "0.0", "1", "1.0", "'1'", "'1.0'", "'01'",
	"'+1'", "-1", "'-1'", "1.5", "'1.5'", "'1.50'", "12", "'12'", "12.0",
	"1e15", "1000000000000000", "'1000000000000000'", "'1e+15'", "'1e15'",
	"999999999999999.0", "999999999999999", "'999999999999999'", "1e-5",
	"'1e-05'", "0.0001", "'0.0001'", "0.1", "'0.1'", "9223372036854775807",
	"'9223372036854775807'", "'9223372036854775808'",
	"9223372036854775808.0", "'9.223372036854776e+18'",
	"(-9223372036854775807 - 1)", "'-9223372036854775808'", "9e999",
	"'Infinity'", "-9e999", "'-Infinity'", "'NaN'", "'I'", "'-I'", "''",
	"x''", "'\\x'", "x'00ff'", "'\\x00ff'", "'\\x00FF'", "'\\x0'", "'\\'",
	"'a'", "x'61'", "char(31)", "'-'", "'.'", "'e'", "'1e'", "'-e+1'",
	"5e-324", "'5e-324'", "-1.7976931348623157e308",
	"'-1.7976931348623157e+308'", "0.30000000000000004",
	"'0.30000000000000004'", "0.3", "'2023-11-14'", "'12-3'", "'10:20'",
	"123456789.125", "'123456789.125'", "'a' || char(0) || 'b'",
	"'a' || char(0)", "'1' || char(0)", "hex(zeroblob(3000))",
	"hex(zeroblob(3000)) || 'y'", "zeroblob(6000)",
	"'\\x' || lower(hex(zeroblob(6000)))",
};
#define N ARRAY_SIZE(values)

static void make(struct store *s, const char *set)
{
	_cleanup_free_ char *drop = xasprintf("DROP TABLE IF EXISTS %s", set);
	_cleanup_free_ char *table = xasprintf("CREATE TABLE %s (k PRIMARY "
					       "KEY NOT NULL, n, s)", set);

	sql(s, drop);
	sql(s, table);
}

static void add(struct store *s, const char *set, size_t row, const char *k,
		const char *n, const char *last)
{
	_cleanup_free_ char *put = xasprintf("INSERT INTO %s VALUES (%s || "
		"'r%zu', %s, %s)", set, k, row, n, last);

	sql(s, put);
}

struct hashes {
	struct store_hashed row[N];
	uint32_t n;
};

static int take(void *ctx, const struct store_batch *keys,
		const struct store_hashed *row, _unused_ struct error *err)
{
	struct hashes *h = ctx;

	memcpy(h->row + h->n, row, keys->nrow * sizeof(*row));
	h->n += keys->nrow;
	return 0;
}

/* the same hash for the same text, and for nothing else */
static void test_hashes(void **state)
{
	_cleanup_store_ struct store *s = opened(*state, SQLITE);
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	struct hashes h = { .n = 0 };
	uint32_t same = 0;

	make(s, "old_t");
	for (size_t i = 0; i < N; i++) {
		_cleanup_free_ char *k = xasprintf("%zu", i + 100);

		add(s, "old_t", 0, k, values[i], "7");
	}
	assert_int_equal(store_scan(s, &old_shape, NULL, NULL, N, &b, NULL),
			 N);
	assert_true(store_can_hash(s, &old_shape, s, &old_shape));
	assert_int_equal(store_each_hash(s, &old_shape, take, &h, NULL), 0);
	assert_int_equal(h.n, N);
	/* keys are not the same: the other columns alone */
	make(s, "new_t");
	h.n = 0;
	for (size_t i = 0; i < N; i++) {
		sql(s, "DELETE FROM new_t");
		add(s, "new_t", 0, "'k'", values[i], "7");
		assert_int_equal(store_each_hash(s, &new_shape, take, &h,
						 NULL), 0);
	}
	for (uint32_t i = 0; i < N; i++)
		for (uint32_t k = 0; k < i; k++) {
			const struct store_cell *x = store_batch_cell(&b, i, 1);
			const struct store_cell *y = store_batch_cell(&b, k, 1);
			bool text = x->len == y->len &&
				!memcmp(b.buf + x->off, b.buf + y->off,
					(size_t)MAX(x->len, 0));

			same += text;
			if (text != (h.row[i].hash == h.row[k].hash))
				fail_msg("%s and %s", values[i], values[k]);
		}
	assert_true(same > 20);
}

/* What is one column must not look like two others. */
static void test_columns(void **state)
{
	static const char *const rows[][2] = {
		{ "'a' || char(31)", "'b'" }, { "'a'", "char(31) || 'b'" },
		{ "NULL", "'a'" }, { "char(30)", "'a'" }, { "'a'", "NULL" },
		{ "1", "23" }, { "12", "3" }, { "''", "'a'" }, { "'a'", "''" },
		{ "NULL", "NULL" }, { "''", "''" },
	};
	_cleanup_store_ struct store *s = opened(*state, SQLITE);
	struct hashes h = { .n = 0 };

	make(s, "new_t");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		sql(s, "DELETE FROM new_t");
		add(s, "new_t", 0, "'k'", rows[i][0], rows[i][1]);
		assert_int_equal(store_each_hash(s, &new_shape, take, &h,
						 NULL), 0);
		for (size_t k = 0; k < i; k++)
			assert_true(h.row[i].hash != h.row[k].hash);
	}
}

/* a store that has text alone */
struct plain {
	struct store s;
	struct store *inner;
};

static int plain_scan(struct store *s, const struct store_shape *shape,
		      const char *after, const char *until, uint32_t limit,
		      struct store_batch *b, struct error *err)
{
	struct store *inner = ((struct plain *)s)->inner;

	return inner->ops->scan(inner, shape, after, until, limit, b, err);
}

static int plain_begin(_unused_ struct store *s, _unused_ bool write,
		       _unused_ struct error *err)
{
	return 0;
}

static void plain_abort(_unused_ struct store *s)
{
}

static const struct store_ops plain_ops = {
	.begin = plain_begin, .abort = plain_abort, .scan = plain_scan,
};

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void same_verdict(struct store *a, struct store *b,
			 enum records_level level)
{
	struct plain pa = { { .ops = &plain_ops, .name = a->name }, a };
	struct plain pb = { { .ops = &plain_ops, .name = b->name }, b };
	struct told typed = { 0 }, text = { 0 };
	struct records_verdict r, w;

	verify(a, b, level, &typed, &r);
	verify(&pa.s, &pb.s, level, &text, &w);
	assert_memory_equal(r.n, w.n, sizeof(r.n));
	assert_memory_equal(r.rows, w.rows, sizeof(r.rows));
	assert_int_equal(typed.lines.n, text.lines.n);
	qsort(typed.lines.v, typed.lines.n, sizeof(char *), by_text);
	qsort(text.lines.v, text.lines.n, sizeof(char *), by_text);
	for (size_t i = 0; i < text.lines.n; i++)
		assert_string_equal(typed.lines.v[i], text.lines.v[i]);
	strvec_release(&typed.lines);
	strvec_release(&text.lines);
}

static void test_every_pair(void **state)
{
	_cleanup_store_ struct store *a = opened(*state, SQLITE);
	_cleanup_store_ struct store *b = opened(*state, SQLITE);
	struct told t = { 0 };
	struct records_verdict r;

	make(a, "old_t");
	make(b, "new_t");
	sql(a, "BEGIN");
	for (size_t i = 0; i < N * N; i++) {
		add(a, "old_t", i, "''", values[i / N], "1");
		add(a, "new_t", i, "''", values[i % N], "1.0");
	}
	sql(a, "COMMIT");
	same_verdict(a, b, RECORDS_STANDARD);
	same_verdict(a, b, RECORDS_RIGOROUS);
	verify(a, b, RECORDS_STANDARD, &t, &r);
	assert_true(r.by_hash);
	assert_true(r.n[RECORDS_DIFFERENT] > N * N / 2);
	/* 1.0 is told as 1 is; '1.0' and 1 are equivalent */
	assert_true(r.n[RECORDS_EQUIVALENT] > 0);
	assert_int_equal(r.n[RECORDS_MISSING] + r.n[RECORDS_EXTRA], 0);
	strvec_release(&t.lines);
}

/* A column that was text becomes one of numbers: nothing is read twice. */
static void test_other_types(void **state)
{
	_cleanup_store_ struct store *a = opened(*state, SQLITE);
	_cleanup_store_ struct store *b = opened(*state, SQLITE);
	struct told t = { 0 };
	struct records_verdict r;

	fill(a, "old_t", "int", "i", 5000);
	make(b, "new_t");
	sql(b, "INSERT INTO new_t SELECT CAST(k AS TEXT), n * 1.0, s "
	    "FROM old_t");
	sql(b, "UPDATE new_t SET n = CAST(k AS TEXT) WHERE k > '3'");
	verify(a, b, RECORDS_STANDARD, &t, &r);
	assert_int_equal(records_bad(&r) + r.n[RECORDS_EQUIVALENT], 0);
	assert_int_equal(r.read[0] + r.read[1], 10000);
	sql(b, "UPDATE new_t SET n = n + 0.5 WHERE k = '77'");
	sql(b, "DELETE FROM new_t WHERE k = '78'");
	same_verdict(a, b, RECORDS_STANDARD);
	verify(a, b, RECORDS_STANDARD, &t, &r);
	assert_int_equal(r.n[RECORDS_DIFFERENT], 1);
	assert_int_equal(r.n[RECORDS_MISSING], 1);
	assert_int_equal(r.n[RECORDS_EXTRA], 0);
	strvec_release(&t.lines);
}

static uint64_t number(struct store *s, const char *text)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_error_ struct error err = ERROR_INIT;

	if (store_exec(s, text, NULL, &b, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return (uint64_t)store_batch_int(&b, 0, 0);
}

static const char *const hidden_cols[] = { "h", "k", "n", "s" };
static const char *const hidden_expr[] = { "k || 'h'", NULL, NULL, NULL };
static const struct store_shape hiding = {
	.set = "old_t", .ncol = 4, .nkey = 1, .col = hidden_cols,
	.expr = hidden_expr,
};

/* row i of old_t; what store_put() said */
static int carry(struct store *s, const char *set, size_t i, bool hidden,
		 bool packed)
{
	const struct store_shape *of = hidden ? &hiding : &old_shape;
	const struct store_shape as = {
		.set = set, .ncol = 3, .nkey = 1, .col = cols,
	};
	_cleanup_free_ char *where = xasprintf("k = 'r%zu'", i);
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	struct store_shape one = *of;
	struct store_pack k;
	bool more;
	int ret;

	one.where = where;
	assert_true(store_pack_init(&k, s, &one, hidden, s, &as));
	ret = packed ? store_scan_packed(s, &k, &one, NULL, NULL, 9, 9000, &b,
					 &more, NULL) :
		store_scan_some(s, &one, NULL, NULL, 9, 9000, &b, &more, NULL);
	assert_int_equal(ret, 1);
	assert_int_equal(store_begin(s, true, NULL), 0);
	ret = packed ? store_put_packed(s, &k, &as, &b, 0, 1, STORE_ERROR,
					NULL) :
		store_put(s, &as, &b, 0, 1, STORE_ERROR, NULL);
	if (ret < 0)
		store_abort(s);
	else
		assert_int_equal(store_commit(s, NULL), 0);
	store_pack_release(&k);
	return ret;
}

/* into columns of all kinds; those that would not keep a value refuse it */
static void test_packed(void **state)
{
	static const char *const types[] = { "INTEGER", "REAL", "TEXT", "BLOB",
		"NUMERIC", "" };
	_cleanup_store_ struct store *s = opened(*state, SQLITE);
	uint64_t refused = 0;

	make(s, "old_t");
	for (size_t i = 0; i < N; i++)
		add(s, "old_t", i, "''", values[i], values[N - 1 - i]);
	for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
		for (int i = 0; i < 3; i++) {
			_cleanup_free_ char *table = xasprintf("CREATE TABLE "
				"%c%zu (k PRIMARY KEY, n %s, s)", "tpq"[i], t,
				types[t]);

			sql(s, table);
		}
		for (size_t i = 0; i < N; i++) {
			_cleanup_free_ char *a = xasprintf("t%zu", t);
			_cleanup_free_ char *b = xasprintf("p%zu", t);
			_cleanup_free_ char *c = xasprintf("q%zu", t);
			int ret = carry(s, a, i, false, false);

			refused += ret < 0;
			if (ret != carry(s, b, i, false, true) ||
			    ret != carry(s, c, i, true, true))
				fail_msg("%s to '%s'", values[i], types[t]);
		}
		for (int i = 1; i < 3; i++) {
			_cleanup_free_ char *diff = xasprintf("SELECT count(*) "
				"FROM (SELECT k, typeof(n), quote(n), "
				"typeof(s), quote(s) FROM t%zu EXCEPT SELECT "
				"k, typeof(n), quote(n), typeof(s), quote(s) "
				"FROM %c%zu)", t, "tpq"[i], t);

			assert_int_equal(number(s, diff), 0);
		}
	}
	assert_int_equal(number(s, "SELECT count(*) FROM t5"), N);
	assert_true(refused > 0 && refused < 3 * N);
}

/* a row that is refused, and one without a key */
static void test_packed_refused(void **state)
{
	_cleanup_store_ struct store *s = opened(*state, SQLITE);
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	struct store_pack k;
	bool more;

	fill(s, "old_t", "int", "i", 10);
	fill(s, "new_t", "int CHECK (k <> 7)", "i", 0);
	assert_true(store_pack_init(&k, s, &old_shape, 0, s, &new_shape));
	assert_int_equal(store_scan_packed(s, &k, &old_shape, NULL, NULL, 100,
					   1000000, &b, &more, NULL), 10);
	assert_false(more);
	assert_int_equal(store_begin(s, true, NULL), 0);
	assert_int_equal(store_class(store_put_packed(s, &k, &new_shape, &b, 0,
			10, STORE_ERROR, NULL)), STORE_CLASS_BADROW);
	assert_string_equal(store_sqlstate(s), "23514");
	store_abort(s);
	sql(s, "INSERT INTO old_t VALUES (NULL, 1, 'x')");
	assert_true(store_scan_packed(s, &k, &old_shape, NULL, NULL, 100,
				      1000000, &b, &more, NULL) < 0);
	store_pack_release(&k);
}

/* keys that are whole numbers on one side and real ones on the other */
static void test_number_keys(void **state)
{
	static const char *const keys[][2] = {
		{ "0", "-0.0" }, { "7", "7.0" }, { "-100", "-1e2" },
		{ "999999999999999", "999999999999999.0" },
		{ "1000000000000000", "1e15" },
		{ "-12345678901234500", "-12345678901234500.0" },
		{ "9007199254740992", "9007199254740992.0" },
		{ "0.00001", "1e-5" }, { "1.5", "1.50" },
		{ "1e17", "'100000000000000000'" }, { "8", "'8'" },
		{ "1e300", "1e300" }, { "0.25", "'0.25'" },
	};
	enum { COUNT = ARRAY_SIZE(keys) };
	_cleanup_store_ struct store *a = opened(*state, SQLITE);
	_cleanup_store_ struct store *b = opened(*state, SQLITE);
	struct told t = { 0 };
	struct records_verdict r;

	make(a, "old_t");
	make(b, "new_t");
	for (size_t i = 0; i < COUNT; i++) {
		_cleanup_free_ char *one = xasprintf("INSERT INTO old_t VALUES "
			"(%s, 1, 'x')", keys[i][0]);
		_cleanup_free_ char *other = xasprintf("INSERT INTO new_t "
			"VALUES (%s, 1, 'x')", keys[i][1]);

		sql(a, one);
		sql(b, other);
	}
	same_verdict(a, b, RECORDS_STANDARD);
	same_verdict(a, b, RECORDS_FORENSIC);
	verify(a, b, RECORDS_STANDARD, &t, &r);
	assert_true(r.by_hash);
	assert_int_equal(r.n[RECORDS_MISSING] + r.n[RECORDS_EXTRA] +
			 r.n[RECORDS_DIFFERENT], 0);
	/* near is not the same */
	sql(a, "UPDATE old_t SET k = k + 1 WHERE k = 9007199254740992");
	verify(a, b, RECORDS_STANDARD, &t, &r);
	assert_int_equal(r.n[RECORDS_MISSING], 1);
	assert_int_equal(r.n[RECORDS_EXTRA], 1);
	strvec_release(&t.lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_hashes), T(test_columns), T(test_every_pair),
		T(test_other_types), T(test_packed), T(test_packed_refused),
		T(test_number_keys),
	};

	return cmocka_run_group_tests(tests, pg_group_setup,
				      pg_group_teardown);
}
