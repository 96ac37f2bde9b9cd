/* SPDX-License-Identifier: MIT */
/* Stores in PostgreSQL, against a real server: rows and what is asked of
   them. */
#include "pg-store.h"

#include "store-rows.h"

static const char *const cols[] = { "a", "b", "v" };
static const struct store_shape one = {
	.set = "t", .ncol = 3, .nkey = 1, .col = cols,
};
static const struct store_shape two = {
	.set = "t", .ncol = 3, .nkey = 2, .col = cols,
};

static void test_scan(_unused_ void **state)
{
	_cleanup_store_ struct store *s = with_rows(12);
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	struct store_shape odd = one;

	assert_int_equal(store_scan(s, &one, NULL, NULL, 2, &b, NULL), 2);
	assert_batch(&b, "1 k1 v1|2 k2 v2");
	assert_int_equal(store_scan(s, &one, "[8]", "[10]", 5, &b, NULL), 2);
	assert_batch(&b, "9 k9 v9|10 k10 v10");
	assert_int_equal(store_scan(s, &two, "[8,\"k8\"]", "[9,\"k9\"]", 5, &b,
				    NULL), 1);
	assert_batch(&b, "9 k9 v9");
	odd.where = "a % 2 = 1 -- a comment";
	odd.expr = (const char *const[]) { NULL, NULL, "upper(v)" };
	assert_int_equal(store_scan(s, &odd, "[5]", NULL, 2, &b, NULL), 2);
	assert_batch(&b, "7 k7 V7|9 k9 V9");
	assert_int_equal(store_split(s, &one, "[2]", NULL, 4, &b, NULL), 2);
	assert_batch(&b, "6|10");
}

static void test_bad_keys(_unused_ void **state)
{
	_cleanup_store_ struct store *s = with_rows(3);
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	static const char *const names[] = { "v", "a" };
	struct store_shape shape = {
		.set = "t", .ncol = 2, .nkey = 1, .col = names,
	};

	sql(s, "UPDATE t SET v = 'same' WHERE a > 1");
	assert_int_equal(store_scan(s, &shape, NULL, NULL, 1, &b, NULL),
			 -EINVAL);
	sql(s, "UPDATE t SET v = NULL WHERE a = 2");
	assert_int_equal(store_scan(s, &shape, NULL, NULL, 1, &b, NULL),
			 -EINVAL);
	/* the connection goes on */
	assert_int_equal(store_scan(s, &one, NULL, NULL, 9, &b, NULL), 3);
}

/* text of every type, and the same again from where it was put */
static void test_values(_unused_ void **state)
{
	static const char *const names[] = { "k", "n", "f", "b", "j", "x",
					     "t", "ts", "c" };
	struct store_shape shape = {
		.set = "types", .ncol = 9, .nkey = 1, .col = names,
	};
	struct store_shape copy = {
		.set = "types2", .ncol = 9, .nkey = 1, .col = names,
	};
	_cleanup_store_ struct store *s = opened();
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	struct store_digest d, e;

	sql(s, "CREATE TABLE types (k int PRIMARY KEY, n numeric, f float8, "
	    "b bool, j jsonb, x bytea, t text, ts timestamptz, c char(3))");
	sql(s, "CREATE TABLE types2 (LIKE types INCLUDING ALL)");
	sql(s, "INSERT INTO types VALUES (1, 1.50, 0.1, true, '{\"a\": [1]}', "
	    "'\\x00ff', E'a\\\\b\\tc\\nd\\r\\\\N', '2026-01-02 03:04:05+02', "
	    "'x'), (2, NULL, 'NaN', false, 'null', '', '', NULL, NULL), "
	    "(3, 'NaN', 1e15, NULL, NULL, NULL, '\\N', NULL, '')");
	assert_int_equal(store_scan(s, &shape, NULL, NULL, 1, &b, NULL), 1);
	assert_batch(&b, "1 1.50 0.1 t {\"a\": [1]} \\x00ff a\\b\tc\nd\r\\N "
		     "2026-01-02 01:04:05+00 x  ");
	for (int how = STORE_ERROR; how <= STORE_REPLACE; how++) {
		sql(s, "TRUNCATE types2");
		assert_int_equal(store_scan(s, &shape, NULL, NULL, 9, &b,
					    NULL), 3);
		assert_int_equal(store_begin(s, true, NULL), 0);
		assert_int_equal(store_put(s, &copy, &b, 0, 3, how, NULL), 3);
		assert_int_equal(store_commit(s, NULL), 0);
		assert_rows(s, "SELECT count(*) FROM (TABLE types EXCEPT TABLE "
			    "types2) d", "0");
	}
	assert_int_equal(store_digest(s, &shape, NULL, NULL, &d, NULL), 0);
	assert_int_equal(store_digest(s, &copy, NULL, NULL, &e, NULL), 0);
	assert_int_equal(d.n, 3);
	assert_true(d.sum == e.sum);
	sql(s, "UPDATE types2 SET t = NULL WHERE k = 2");
	assert_int_equal(store_digest(s, &copy, NULL, NULL, &e, NULL), 0);
	assert_true(d.sum != e.sum);
}

static void add(struct store_batch *b, enum store_type type, const char *text)
{
	store_batch_add(b, type, text, text ? strlen(text) : 0);
}

static void test_put(_unused_ void **state)
{
	_cleanup_store_ struct store *s = with_rows(2);
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	store_batch_clear(&b, 3);
	add(&b, STORE_INT, "2");
	add(&b, STORE_TEXT, "new");
	add(&b, STORE_TEXT, NULL);
	add(&b, STORE_INT, "3");
	add(&b, STORE_TEXT, "x");
	add(&b, STORE_TEXT, "");
	assert_int_equal(store_begin(s, true, NULL), 0);
	assert_int_equal(store_put(s, &one, &b, 0, 2, STORE_ERROR, NULL),
			 -EBADMSG);
	assert_string_equal(store_sqlstate(s), "23505");
	/* nobody commits what failed */
	assert_int_equal(store_commit(s, NULL), -EIO);
	store_abort(s);
	assert_int_equal(store_begin(s, true, NULL), 0);
	assert_int_equal(store_put(s, &one, &b, 0, 2, STORE_SKIP, NULL), 1);
	assert_int_equal(store_put(s, &one, &b, 0, 1, STORE_REPLACE, NULL), 1);
	assert_int_equal(store_commit(s, NULL), 0);
	assert_rows(s, "SELECT * FROM t ORDER BY a", "1 k1 v1|2 new ~|3 x ");
	assert_int_equal(store_begin(s, true, NULL), 0);
	assert_int_equal(store_del(s, &one, &b, NULL), 2);
	store_abort(s);
	assert_rows(s, "SELECT count(*) FROM t", "3");
	/* a zero byte cannot be had in a text here, by either way */
	store_batch_clear(&b, 3);
	add(&b, STORE_INT, "9");
	store_batch_add(&b, STORE_TEXT, "a\0b", 3);
	add(&b, STORE_TEXT, "v");
	for (int how = STORE_ERROR; how <= STORE_REPLACE; how++) {
		assert_int_equal(store_begin(s, true, NULL), 0);
		assert_int_equal(store_put(s, &one, &b, 0, 1, how, NULL),
				 -EBADMSG);
		store_abort(s);
	}
	assert_rows(s, "SELECT count(*) FROM t", "3");
}

/* more than a statement has parameters for, and than a socket holds */
static void test_many(_unused_ void **state)
{
	_cleanup_store_ struct store *s = with_rows(25000);
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	struct store_digest d, e;

	sql(s, "UPDATE t SET v = repeat('long ', 40) || a");
	assert_int_equal(store_digest(s, &one, NULL, NULL, &d, NULL), 0);
	assert_int_equal(store_scan(s, &one, NULL, NULL, 30000, &b, NULL),
			 25000);
	sql(s, "DELETE FROM t");
	assert_int_equal(store_begin(s, true, NULL), 0);
	assert_int_equal(store_put(s, &one, &b, 0, 20000, STORE_ERROR, NULL),
			 20000);
	assert_int_equal(store_put(s, &one, &b, 15000, 10000, STORE_REPLACE,
				   NULL), 10000);
	assert_int_equal(store_commit(s, NULL), 0);
	assert_int_equal(store_digest(s, &one, NULL, NULL, &e, NULL), 0);
	assert_int_equal(e.n, 25000);
	assert_true(d.sum == e.sum);
}

static void test_marks(_unused_ void **state)
{
	_cleanup_store_ struct store *s = with_rows(1);
	_cleanup_store_ struct store *rival = opened();
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	struct store_mark m = { .step = "copy", .part = 1, .lo = "[1]",
				.pos = "" };

	assert_int_equal(store_marks(s, "copy", &b, NULL), 0);
	assert_int_equal(store_mark(s, &m, NULL, NULL), 0);
	assert_int_equal(store_mark(rival, &m, NULL, NULL), 0);
	m.pos = "[5]";
	m.rows = 4;
	m.done = true;
	assert_int_equal(store_begin(s, true, NULL), 0);
	assert_int_equal(store_mark(s, &m, "", NULL), 0);
	/* the rival waits for the row, and not for ever */
	assert_int_equal(store_begin(rival, true, NULL), 0);
	assert_int_equal(store_mark(rival, &m, "", NULL), -EAGAIN);
	assert_string_equal(store_sqlstate(rival), "55P03");
	store_abort(rival);
	assert_int_equal(store_commit(s, NULL), 0);
	assert_int_equal(store_begin(rival, true, NULL), 0);
	assert_int_equal(store_mark(rival, &m, "", NULL), -ESTALE);
	store_abort(rival);
	assert_int_equal(store_marks(rival, "copy", &b, NULL), 1);
	assert_batch(&b, "1 [1] ~ [5] 4 1 1");
}

static void test_columns(_unused_ void **state)
{
	_cleanup_store_ struct store *s = opened();
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	sql(s, "CREATE TABLE \"C\" (v text DEFAULT 'x', k2 int, k1 varchar(9), "
	    "g int GENERATED ALWAYS AS (k2 + 1) STORED, PRIMARY KEY (k1, k2))");
	assert_int_equal(store_columns(s, "C", &b, NULL), 3);
	assert_batch(&b, "v text f 'x'::text 0|k2 integer t ~ 2|"
		     "k1 character varying(9) t ~ 1");
	assert_int_equal(store_columns(s, "public.C", &b, NULL), 3);
	assert_int_equal(store_columns(s, "c", &b, NULL), 0);
}

static void test_exec(_unused_ void **state)
{
	_cleanup_store_ struct store *s = with_rows(5);
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_error_ struct error err = ERROR_INIT;

	assert_int_equal(sql(s, "UPDATE t SET v = 'n' WHERE a > 3"), 2);
	assert_int_equal(store_exec(s, "SELECT 1; SELECT 2", NULL, &b, NULL),
			 -EINVAL);
	assert_int_equal(store_exec(s, "", NULL, &b, NULL), -EINVAL);
	assert_int_equal(store_exec(s, "SELECT * FROM nothing", NULL, &b,
				    &err), -EINVAL);
	assert_string_equal(store_sqlstate(s), "42P01");
	assert_non_null(strstr(err.msg, "\"nothing\" does not exist"));
	assert_int_equal(store_exec(s, "SELECT generate_series(1, 10001)", NULL,
				    &b, NULL), -E2BIG);
	assert_rows(s, "SELECT 1", "1");
	assert_int_equal(store_exec(s, "COPY t TO STDOUT", NULL, NULL, NULL),
			 -EINVAL);
	assert_int_equal(store_exec(s, "SELECT 1", NULL, NULL, NULL),
			 -ECONNRESET);
}

static const enum store_cap all_caps[] = {
	STORE_CAP_SQL, STORE_CAP_COPY, STORE_CAP_TX_DDL, STORE_CAP_TEMP_TABLE,
	STORE_CAP_TRIGGER, STORE_CAP_INSTEAD_OF, STORE_CAP_DIGEST,
	STORE_CAP_BINARY,
};

static struct store *opened_without(const char *caps)
{
	struct store *s;

	setenv("UPSHIFT_TEST_STORE_CAPS", caps, 1);
	s = opened();
	unsetenv("UPSHIFT_TEST_STORE_CAPS");
	return s;
}

static void test_caps(_unused_ void **state)
{
	struct store_options o = { .root_fd = AT_FDCWD, .read_only = true };
	_cleanup_store_ struct store *s = opened();

	for (size_t i = 0; i < ARRAY_SIZE(all_caps); i++)
		if (!store_can(s, all_caps[i]))
			fail_msg("not %s", store_cap_name(all_caps[i]));
	assert_false(store_can(s, STORE_CAP_SERIALIZABLE));
	assert_int_equal(sql(s, "SELECT relname FROM pg_class WHERE relname "
		"LIKE '%upshift_probe%' UNION ALL SELECT proname FROM pg_proc "
		"WHERE proname LIKE '%upshift_probe%'"), 0);
	store_close(TAKE_PTR(s));
	for (size_t i = 0; i < ARRAY_SIZE(all_caps); i++) {
		_cleanup_free_ char *off = xasprintf("-none,-%s",
			store_cap_name(all_caps[i]));

		s = opened_without(off);
		for (size_t k = 0; k < ARRAY_SIZE(all_caps); k++)
			assert_int_equal(store_can(s, all_caps[k]), k != i);
		store_close(TAKE_PTR(s));
	}
	/* what may not write tries nothing */
	assert_int_equal(store_open(server.url, &o, &s, NULL), 0);
	assert_true(store_can(s, STORE_CAP_TX_DDL));
	assert_true(store_can(s, STORE_CAP_DIGEST));
}

/* a role that may make nothing: the probes say so, and puts go another way */
static void test_no_rights(_unused_ void **state)
{
	_cleanup_store_ struct store *s = with_rows(3);
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	sql(s, "CREATE ROLE poor LOGIN");
	sql(s, "GRANT SELECT, INSERT, UPDATE ON t TO poor");
	sql(s, "REVOKE CREATE ON SCHEMA public FROM PUBLIC");
	sql(s, "REVOKE TEMP ON DATABASE postgres FROM PUBLIC");
	sql(s, "SET ROLE poor");
	assert_false(store_can(s, STORE_CAP_TEMP_TABLE));
	assert_false(store_can(s, STORE_CAP_TX_DDL));
	assert_true(store_can(s, STORE_CAP_DIGEST));
	store_batch_clear(&b, 3);
	for (int i = 1; i <= 200; i++) {
		_cleanup_free_ char *text = xasprintf("%d", i);

		add(&b, STORE_INT, text);
		add(&b, STORE_TEXT, "b");
		add(&b, STORE_TEXT, "w");
	}
	assert_int_equal(store_begin(s, true, NULL), 0);
	assert_int_equal(store_put(s, &one, &b, 0, 200, STORE_REPLACE, NULL),
			 200);
	assert_int_equal(store_commit(s, NULL), 0);
	assert_rows(s, "SELECT count(*), min(v) FROM t", "200 w");
	sql(s, "RESET ROLE");
}

/* every way to put gives the same, whatever the server cannot */
static void test_put_ways(_unused_ void **state)
{
	static const char *const off[] = { "", "-temp-table", "-copy",
					   "-copy,-temp-table" };
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(off); i++) {
		struct store *s = with_rows(300);

		assert_int_equal(store_scan(s, &one, NULL, NULL, 300, &b,
					    NULL), 300);
		store_close(s);
		s = opened_without(off[i]);
		sql(s, "DELETE FROM t WHERE a > 200");
		sql(s, "UPDATE t SET v = 'old' WHERE a <= 100");
		assert_int_equal(store_begin(s, true, NULL), 0);
		assert_int_equal(store_put(s, &one, &b, 0, 300, STORE_SKIP,
					   NULL), 100);
		/* twice in a transaction, and after one that failed */
		assert_int_equal(store_put(s, &one, &b, 0, 150, STORE_REPLACE,
					   NULL), 150);
		assert_int_equal(store_put(s, &one, &b, 0, 300, STORE_ERROR,
					   NULL), -EBADMSG);
		store_abort(s);
		assert_int_equal(store_begin(s, true, NULL), 0);
		assert_int_equal(store_put(s, &one, &b, 0, 100, STORE_REPLACE,
					   NULL), 100);
		assert_int_equal(store_put(s, &one, &b, 200, 100, STORE_ERROR,
					   NULL), 100);
		assert_int_equal(store_commit(s, NULL), 0);
		assert_rows(s, "SELECT count(*), count(*) FILTER (WHERE v = "
			    "'v' || a) FROM t", "300 300");
		store_close(s);
	}
}

/* the server's digest is the one that is made here of the same rows */
static void test_digest_ways(_unused_ void **state)
{
	static const char *const names[] = { "k", "b", "c", "n", "f", "j",
					     "x", "t", "ts", "i" };
	struct store_shape shape = {
		.set = "d", .ncol = 10, .nkey = 1, .col = names,
	};
	struct store_digest d, e, part;
	struct store *s = opened();

	sql(s, "DROP TABLE IF EXISTS d");
	sql(s, "CREATE TABLE d (k int PRIMARY KEY, b bool, c char(4), n "
	    "numeric, f float8, j jsonb, x bytea, t text, ts timestamptz, i "
	    "interval)");
	sql(s, "INSERT INTO d SELECT i, i % 2 = 0, 'c' || i % 7, i * 1.10, "
	    "i / 3.0, jsonb_build_object('a', i), '\\x00ff', CASE WHEN i % 5 "
	    "= 0 THEN NULL ELSE E'\\u00e4 \\t\\n' || i END, '2026-01-01'"
	    "::timestamptz + i * interval '1 minute', i * interval '1 hour' "
	    "FROM generate_series(1, 500) i");
	assert_true(store_can(s, STORE_CAP_DIGEST));
	assert_int_equal(store_digest(s, &shape, NULL, NULL, &d, NULL), 0);
	assert_int_equal(store_digest(s, &shape, "[10]", "[20]", &part, NULL),
			 0);
	assert_int_equal(d.n, 500);
	assert_int_equal(part.n, 10);
	assert_int_equal(store_digest(s, &shape, "[1000]", NULL, &e, NULL), 0);
	assert_true(e.n == 0 && e.sum == 0);
	store_close(s);
	s = opened_without("-digest");
	assert_int_equal(store_digest(s, &shape, NULL, NULL, &e, NULL), 0);
	assert_true(d.n == e.n && d.sum == e.sum);
	assert_int_equal(store_digest(s, &shape, "[10]", "[20]", &e, NULL), 0);
	assert_true(part.n == e.n && part.sum == e.sum);
	store_close(s);
}

/* rows that are there twice do not take each other out */
static void test_digest_twice(_unused_ void **state)
{
	static const char *const names[] = { "k", "v" };
	struct store_shape p = {
		.set = "p", .ncol = 2, .nkey = 1, .col = names,
	};
	struct store_shape q = {
		.set = "q", .ncol = 2, .nkey = 1, .col = names,
	};
	struct store_digest d, e;
	struct store *s = opened();

	sql(s, "DROP TABLE IF EXISTS p, q");
	sql(s, "CREATE TABLE p (k int, v text)");
	sql(s, "CREATE TABLE q (k int, v text)");
	sql(s, "INSERT INTO p VALUES (1, 'a'), (2, 'x'), (2, 'x')");
	sql(s, "INSERT INTO q VALUES (1, 'a'), (3, 'y'), (3, 'y')");
	assert_int_equal(store_digest(s, &p, NULL, NULL, &d, NULL), 0);
	assert_int_equal(store_digest(s, &q, NULL, NULL, &e, NULL), 0);
	assert_true(d.n == 3 && e.n == 3 && d.sum != e.sum);
	/* a row there four times is not there twice; so many add up the same */
	sql(s, "TRUNCATE p, q");
	sql(s, "INSERT INTO p SELECT 7, 'z' FROM generate_series(1, 4000)");
	sql(s, "INSERT INTO q SELECT 7, 'z' FROM generate_series(1, 4000)");
	assert_int_equal(store_digest(s, &p, NULL, NULL, &d, NULL), 0);
	assert_int_equal(store_digest(s, &q, NULL, NULL, &e, NULL), 0);
	assert_true(d.n == 4000 && d.sum == e.sum && d.sum != 0);
	sql(s, "DROP TABLE p, q");
	store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_bad_keys),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_put),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_exec),
		cmocka_unit_test(test_caps),
		cmocka_unit_test(test_no_rights),
		cmocka_unit_test(test_put_ways),
		cmocka_unit_test(test_digest_ways),
		cmocka_unit_test(test_digest_twice),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
