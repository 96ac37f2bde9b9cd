/* SPDX-License-Identifier: MIT */
/* Rows from server to server that nobody takes apart. */
#include "pg-store.h"
#include "store-rows.h"

#define COLS "k, b, i2, i4, i8, t, j, f4, f8, c, v, d, ti, ts, tz, iv, n, u, " \
	"jb, bo"
#define TYPES "(k bigint PRIMARY KEY, b bytea, i2 int2, i4 int4, i8 int8, " \
	"t text, j json, f4 float4, f8 float8, c char(5), v varchar(9), " \
	"d date, ti time, ts timestamp, tz timestamptz, iv interval, " \
	"n numeric(12, 3), u uuid, jb jsonb, bo boolean)"

static const char *const cols[] = { "k", "b", "i2", "i4", "i8", "t", "j",
	"f4", "f8", "c", "v", "d", "ti", "ts", "tz", "iv", "n", "u", "jb",
	"bo" };

static void fresh(struct store *s, const char *dest)
{
	_cleanup_free_ char *make = xasprintf("CREATE TABLE dest %s", dest);

	sql(s, "DROP TABLE IF EXISTS src, dest");
	sql(s, "CREATE TABLE src " TYPES);
	sql(s, make);
	sql(s, "INSERT INTO src SELECT i, decode(lpad(to_hex(i), 4, '0'), "
	    "'hex'), i, -i, i::int8 << 33, E'r\\\\\\t\\n\\' ' || i, "
	    "('{\"a\":  ' || i || '}')::json, i / 7.0, i / 7.0::float8, i, "
	    "left(i::text, 9), date '2000-02-28' + i, time '10:00' + i * "
	    "interval '1 us', timestamp '1999-12-31' - i * interval '1 day', "
	    "timestamptz '2038-01-19 03:14:07+05' + i * interval '1 s', "
	    "i * interval '1 month 2 days 3 us', i / 8.0, "
	    "md5(i::text)::uuid, ('[' || i || ']')::jsonb, i % 2 = 0 "
	    "FROM generate_series(1, 3000) i");
	sql(s, "INSERT INTO src (k) VALUES (0), (9223372036854775807), "
	    "(-9223372036854775808)");
	sql(s, "INSERT INTO src (k, f8, f4, n, tz, t) VALUES (-1, 'NaN', "
	    "'-Infinity', 'NaN', 'infinity', '')");
}

/* all rows in pieces; how many there were */
static int carry(struct store *from, const struct store_shape *of,
		 uint32_t hidden, struct store *to,
		 const struct store_shape *as, enum store_conflict how)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf after = STRBUF_INIT;
	_cleanup_error_ struct error err = ERROR_INIT;
	struct store_pack k;
	int n, all = 0;
	bool more = true;

	assert_true(store_pack_init(&k, from, of, hidden, to, as));
	while (more) {
		n = store_scan_packed(from, &k, of, after.len ? after.buf :
				      NULL, NULL, 700, 60000, &b, &more, &err);
		if (n < 0)
			fail_msg("%s", err.msg);
		assert_int_equal(n, b.nrow);
		assert_int_equal(b.ncol, of->nkey + 1);
		store_key(&b, b.nrow - 1, of->nkey, &after);
		assert_int_equal(store_begin(to, true, &err), 0);
		if (store_put_packed(to, &k, as, &b, 0, b.nrow / 2, how,
				     &err) < 0 ||
		    store_put_packed(to, &k, as, &b, b.nrow / 2,
				     b.nrow - b.nrow / 2, how, &err) < 0)
			fail_msg("%s", err.msg);
		assert_int_equal(store_commit(to, &err), 0);
		all += n;
	}
	store_pack_release(&k);
	return all;
}

static void assert_same(struct store *s)
{
	assert_rows(s, "SELECT count(*) FROM src", "3004");
	assert_rows(s, "SELECT count(*) FROM (SELECT src::text FROM src "
		    "EXCEPT ALL SELECT dest::text FROM dest) x", "0");
	assert_rows(s, "SELECT count(*) FROM dest", "3004");
}

/* every type, its ends, and NULL */
static void test_types(_unused_ void **state)
{
	const struct store_shape of = {
		.set = "src", .ncol = ARRAY_SIZE(cols), .nkey = 1, .col = cols,
	};
	struct store_shape to = of;
	_cleanup_store_ struct store *a = opened();
	_cleanup_store_ struct store *b = opened();

	to.set = "dest";
	fresh(a, TYPES);
	assert_int_equal(carry(a, &of, 0, b, &to, STORE_ERROR), 3004);
	assert_same(a);
	/* the same again, over what is there */
	sql(a, "UPDATE dest SET t = 'other', n = 1 WHERE k % 3 = 0");
	sql(a, "DELETE FROM dest WHERE k % 3 = 1");
	assert_int_equal(carry(a, &of, 0, b, &to, STORE_REPLACE), 3004);
	assert_same(a);
	sql(a, "DELETE FROM dest WHERE k % 3 = 1");
	assert_int_equal(carry(a, &of, 0, b, &to, STORE_SKIP), 3004);
	assert_same(a);
}

/* keys of each type come out as a scan of cells has them */
static void test_keys(_unused_ void **state)
{
	static const char *const keys[] = { "i2", "i4", "i8", "t", "v", "u" };
	_cleanup_store_ struct store *a = opened();
	_cleanup_store_ struct store *b = opened();

	fresh(a, TYPES);
	sql(a, "DELETE FROM src WHERE u IS NULL");
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		_cleanup_store_batch_ struct store_batch p = STORE_BATCH_INIT;
		_cleanup_store_batch_ struct store_batch q = STORE_BATCH_INIT;
		const char *two[] = { keys[i], "k" };
		const struct store_shape of = {
			.set = "src", .ncol = 2, .nkey = 1, .col = two,
		};
		struct store_shape to = of;
		struct store_pack k;
		bool more;

		to.set = "dest";
		assert_true(store_pack_init(&k, a, &of, 0, b, &to));
		assert_int_equal(store_scan_packed(a, &k, &of, NULL, NULL,
			5000, 1u << 20, &p, &more, NULL), 3000);
		assert_false(more);
		assert_int_equal(store_scan(a, &of, NULL, NULL, 5000, &q,
					    NULL), 3000);
		for (uint32_t row = 0; row < 3000; row++) {
			_cleanup_strbuf_ struct strbuf x = STRBUF_INIT;
			_cleanup_strbuf_ struct strbuf y = STRBUF_INIT;

			store_key(&p, row, 1, &x);
			store_key(&q, row, 1, &y);
			assert_string_equal(x.buf, y.buf);
		}
		store_pack_release(&k);
	}
}

/* read by a key that is not written; expressions; a condition */
static void test_hidden(_unused_ void **state)
{
	static const char *const from[] = { "rid", "id", "t" };
	static const char *const expr[] = { "k", "5000 - k", "upper(t)" };
	const struct store_shape of = {
		.set = "src", .ncol = 3, .nkey = 1, .col = from, .expr = expr,
		.where = "k BETWEEN 1 AND 3000 -- all",
	};
	const struct store_shape to = {
		.set = "dest", .ncol = 2, .nkey = 1, .col = from + 1,
	};
	_cleanup_store_ struct store *a = opened();
	_cleanup_store_ struct store *b = opened();

	fresh(a, "(id bigint PRIMARY KEY, t text)");
	assert_int_equal(carry(a, &of, 1, b, &to, STORE_ERROR), 3000);
	assert_rows(a, "SELECT count(*), min(id), max(id), count(*) FILTER "
		    "(WHERE t = (SELECT upper(s.t) FROM src s WHERE s.k = "
		    "5000 - id)) FROM dest", "3000 2000 4999 3000");
}

/* other types, keys that we do not know, servers that do not do it */
static void test_not(_unused_ void **state)
{
	static const char *const two[] = { "k", "i4" };
	static const char *const date[] = { "d", "k" };
	struct store_shape of = {
		.set = "src", .ncol = 2, .nkey = 1, .col = two,
	};
	struct store_shape to = of;
	struct store_pack k;
	_cleanup_store_ struct store *a = opened();
	_cleanup_store_ struct store *c = NULL;
	static const char *const off[] = { "-binary", "-copy",
					   "-temp-table" };

	to.set = "dest";
	fresh(a, "(k bigint, i4 bigint, d date)");
	assert_false(store_pack_init(&k, a, &of, 0, a, &to));
	store_pack_release(&k);
	of.col = to.col = date;
	assert_false(store_pack_init(&k, a, &of, 0, a, &to));
	store_pack_release(&k);
	fresh(a, TYPES);
	of.col = to.col = two;
	for (size_t i = 0; i < ARRAY_SIZE(off); i++) {
		setenv("UPSHIFT_TEST_STORE_CAPS", off[i], 1);
		c = opened();
		unsetenv("UPSHIFT_TEST_STORE_CAPS");
		assert_false(store_pack_init(&k, a, &of, 0, c, &to));
		store_pack_release(&k);
		store_close(TAKE_PTR(c));
	}
	assert_true(store_pack_init(&k, a, &of, 0, a, &to));
	store_pack_release(&k);
}

/* bytes of one type are never taken for those of another */
static void test_altered(_unused_ void **state)
{
	static const char *const two[] = { "k", "i8" };
	const struct store_shape of = {
		.set = "src", .ncol = 2, .nkey = 1, .col = two,
	};
	struct store_shape to = of;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_store_ struct store *a = opened();
	_cleanup_store_ struct store *c = opened();
	struct store_pack k;
	bool more;

	to.set = "dest";
	fresh(a, TYPES);
	assert_true(store_pack_init(&k, a, &of, 0, c, &to));
	sql(a, "ALTER TABLE src ALTER i8 TYPE float8");
	assert_int_equal(store_scan_packed(a, &k, &of, "[0]", NULL, 10,
					   1u << 20, &b, &more, NULL), 10);
	sql(a, "ALTER TABLE dest ALTER i8 TYPE float8");
	assert_int_equal(store_begin(c, true, NULL), 0);
	assert_int_equal(store_class(store_put_packed(c, &k, &to, &b, 0, 10,
			STORE_ERROR, NULL)), STORE_CLASS_BADROW);
	store_abort(c);
	sql(a, "ALTER TABLE dest ALTER i8 TYPE bigint");
	assert_int_equal(store_begin(c, true, NULL), 0);
	assert_int_equal(store_put_packed(c, &k, &to, &b, 0, 10, STORE_ERROR,
					  NULL), 10);
	assert_int_equal(store_commit(c, NULL), 0);
	assert_rows(a, "SELECT count(*) FROM dest WHERE i8 = k << 33", "10");
	store_pack_release(&k);
}

/* a row that cannot be computed, and one without a key */
static void test_bad(_unused_ void **state)
{
	static const char *const two[] = { "k", "i4" };
	static const char *const expr[] = { NULL, "(1 / (i4 + 800))::int4" };
	static const char *const free_key[] = { "i4", "k" };
	struct store_shape of = {
		.set = "src", .ncol = 2, .nkey = 1, .col = two, .expr = expr,
	};
	struct store_shape to = {
		.set = "dest", .ncol = 2, .nkey = 1, .col = two,
	};
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_store_ struct store *a = opened();
	struct store_pack k;
	bool more;

	fresh(a, TYPES);
	assert_true(store_pack_init(&k, a, &of, 0, a, &to));
	assert_int_equal(store_class(store_scan_packed(a, &k, &of, "[1]", NULL,
			3000, 1u << 24, &b, &more, NULL)), STORE_CLASS_BADROW);
	assert_string_equal(store_sqlstate(a), "22012");
	/* the connection lives on */
	assert_int_equal(store_scan_packed(a, &k, &of, "[1]", NULL, 3, 1u << 24,
					   &b, &more, NULL), 3);
	store_pack_release(&k);
	of.expr = NULL;
	of.col = to.col = free_key;
	assert_true(store_pack_init(&k, a, &of, 0, a, &to));
	assert_true(store_scan_packed(a, &k, &of, NULL, NULL, 10, 1u << 24, &b,
				      &more, &err) < 0);
	assert_non_null(strstr(err.msg, "'i4' is NULL"));
	store_pack_release(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_hidden),
		cmocka_unit_test(test_not),
		cmocka_unit_test(test_altered),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
