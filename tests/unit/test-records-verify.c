/* SPDX-License-Identifier: MIT */
/* Planted differences between two stores, all found and named. */
#include "verify-pair.h"

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void assert_told(struct told *t, const char *const *expect, size_t n)
{
	_cleanup_strbuf_ struct strbuf got = STRBUF_INIT;

	if (t->lines.n)
		qsort(t->lines.v, t->lines.n, sizeof(*t->lines.v), by_text);
	for (size_t i = 0; i < t->lines.n && i < 20; i++)
		strbuf_addf(&got, "%s\n", t->lines.v[i]);
	if (t->lines.n != n)
		fail_msg("%zu differences:\n%s", t->lines.n, got.buf);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(t->lines.v[i], expect[i]);
	strvec_clear(&t->lines);
}

static void plant(struct store *a, struct store *b)
{
	sql(b, "UPDATE new_t SET s = 'other' WHERE k = 77");
	sql(b, "UPDATE new_t SET s = NULL, n = -1 WHERE k = 2600");
	sql(b, "DELETE FROM new_t WHERE k IN (1, 1234, 5000)");
	sql(a, "DELETE FROM old_t WHERE k = 4000");
	sql(b, "INSERT INTO new_t VALUES (9999, 1, 'x')");
}

static const char *const planted[] = {
	"different [2600] n s", "different [77] s", "extra [4000]",
	"extra [9999]", "missing [1234]", "missing [1]", "missing [5000]",
};

static void levels(struct scratch *st, int old_kind, int new_kind)
{
	_cleanup_store_ struct store *a = opened(st, old_kind);
	_cleanup_store_ struct store *b = opened(st, new_kind);
	struct told t = { 0 };
	struct records_verdict r;

	fill(a, "old_t", "int", "i", 5000);
	fill(b, "new_t", "int", "i", 5000);
	for (int l = RECORDS_BASIC; l <= RECORDS_FORENSIC; l++) {
		verify(a, b, (enum records_level)l, &t, &r);
		assert_told(&t, NULL, 0);
		assert_int_equal(r.rows[0], 5000);
		assert_int_equal(r.rows[1], 5000);
		/* the server has digests, and forensic goes by the key */
		assert_int_equal(r.by_hash, old_kind == SQLITE &&
				 new_kind == SQLITE && l != RECORDS_BASIC &&
				 l != RECORDS_FORENSIC);
		assert_int_equal(r.sampled >= 90, l >= RECORDS_RIGOROUS);
	}
	plant(a, b);
	for (int l = RECORDS_STANDARD; l <= RECORDS_FORENSIC; l++) {
		memset(t.part_rows, 0, sizeof(t.part_rows));
		verify(a, b, (enum records_level)l, &t, &r);
		assert_told(&t, planted, ARRAY_SIZE(planted));
		assert_int_equal(r.n[RECORDS_MISSING], 3);
		assert_int_equal(r.n[RECORDS_EXTRA], 2);
		assert_int_equal(r.n[RECORDS_DIFFERENT], 2);
		assert_int_equal(r.settled, 0);
	}
	assert_int_equal(t.part_rows[0], 4999);
	assert_int_equal(t.part_rows[1], 4998);
	strvec_release(&t.lines);
}

static void test_sqlite(void **state)
{
	levels(*state, SQLITE, SQLITE);
}

static void test_pg_sqlite(void **state)
{
	levels(*state, PG, SQLITE);
}

static void test_pg(void **state)
{
	levels(*state, PG, PG);
}

/* unequal text, equal value */
static void test_equivalent(void **state)
{
	_cleanup_store_ struct store *a = opened(*state, PG);
	_cleanup_store_ struct store *b = opened(*state, SQLITE);
	static const char *const expect[] = {
		"different [4] n", "equivalent [2] n", "equivalent [3] s",
	};
	struct told t = { 0 };
	struct records_verdict r;

	fill(a, "old_t", "int", "i", 0);
	fill(b, "new_t", "int", "i", 0);
	sql(a, "ALTER TABLE old_t ALTER s TYPE json USING s::json");
	sql(a, "INSERT INTO old_t VALUES (1, 1, '{}'), (2, 1.50, '{}'), "
	    "(3, 1, '{\"a\": [1, 2.0]}'), (4, 7.1, '{ }')");
	sql(b, "INSERT INTO new_t VALUES (1, 1, '{}'), (2, 1.5, '{}'), "
	    "(3, 1, '{\"a\":[1,2]}'), (4, 7.2, '{}')");
	verify(a, b, RECORDS_STANDARD, &t, &r);
	assert_told(&t, expect, ARRAY_SIZE(expect));
	assert_int_equal(r.n[RECORDS_EQUIVALENT], 2);
	assert_int_equal(records_bad(&r), 1);
	/* told once, although there is a second look */
	verify(a, b, RECORDS_RIGOROUS, &t, &r);
	assert_told(&t, expect, ARRAY_SIZE(expect));
	assert_int_equal(r.n[RECORDS_EQUIVALENT], 2);
	strvec_release(&t.lines);
}

/* upper case behind lower case, or before: two collations */
static void test_collations(void **state)
{
	_cleanup_store_ struct store *a = opened(*state, SQLITE);
	_cleanup_store_ struct store *b = opened(*state, SQLITE);
	static const char *const expect[] = {
		"different [\"B2000\"] s", "extra [\"new\"]",
		"missing [\"a7\"]",
	};
	struct told t = { 0 };
	struct records_verdict r;

	fill(a, "old_t", "text", "substr('aB', 1 + i % 2000 / 1000, 1) || i",
	     3000);
	fill(b, "new_t", "text COLLATE NOCASE",
	     "substr('aB', 1 + i % 2000 / 1000, 1) || i", 3000);
	verify(a, b, RECORDS_STANDARD, &t, &r);
	assert_told(&t, NULL, 0);
	sql(b, "DELETE FROM new_t WHERE k = 'a7'");
	sql(b, "INSERT INTO new_t VALUES ('new', 1, 'x')");
	sql(b, "UPDATE new_t SET s = 'y' WHERE n = 1999");
	sql(b, "UPDATE new_t SET k = 'B2000' WHERE n = 1999");
	sql(a, "UPDATE old_t SET k = 'B2000' WHERE n = 1999");
	for (int l = RECORDS_STANDARD; l <= RECORDS_FORENSIC; l++) {
		verify(a, b, (enum records_level)l, &t, &r);
		assert_true(r.by_hash);
		assert_told(&t, expect, ARRAY_SIZE(expect));
		assert_int_equal(records_bad(&r), 3);
	}
	assert_int_equal(r.settled, 0);
	strvec_release(&t.lines);
}

/* a source that is read by its own key, while the record's is an expression */
static void test_hidden(void **state)
{
	_cleanup_store_ struct store *a = opened(*state, SQLITE);
	_cleanup_store_ struct store *b = opened(*state, SQLITE);
	static const char *const by_key[] = { "k", "k", "n", "s" };
	static const char *const expr[] = { NULL, "'id-' || (9000 - k)", NULL,
					    NULL };
	const struct store_shape shape = {
		.set = "old_t", .ncol = 4, .nkey = 1, .col = by_key,
		.expr = expr,
	};
	static const char *const expect[] = {
		"different [\"id-8990\"] s", "extra [\"id-x\"]",
		"missing [\"id-8000\"]",
	};
	struct told t = { 0 };
	struct records_verdict r;
	struct records_spec spec = {
		.old = { a, &shape, 1 }, .now = { b, &new_shape, 0 },
		.nkey = 1, .scratch_fd = AT_FDCWD, .found = found,
		.again = again, .ctx = &t, .pause_s = 0.001, .sample = 50,
	};
	_cleanup_error_ struct error err = ERROR_INIT;

	fill(a, "old_t", "int", "i", 3000);
	fill(b, "new_t", "text", "'id-' || (9000 - i)", 3000);
	sql(b, "UPDATE new_t SET s = 'x' WHERE k = 'id-8990'");
	sql(b, "UPDATE new_t SET k = 'id-x' WHERE k = 'id-8000'");
	for (int l = RECORDS_STANDARD; l <= RECORDS_FORENSIC; l++) {
		spec.level = (enum records_level)l;
		if (records_verify(&spec, &r, &err) < 0)
			fail_msg("%s", err.msg);
		assert_told(&t, expect, ARRAY_SIZE(expect));
	}
	strvec_release(&t.lines);
}

/* numbers as text sort as text */
static void test_text_and_number(void **state)
{
	_cleanup_store_ struct store *a = opened(*state, SQLITE);
	_cleanup_store_ struct store *b = opened(*state, SQLITE);
	static const char *const expect[] = { "missing [20]" };
	struct told t = { 0 };
	struct records_verdict r;

	fill(a, "old_t", "int", "i", 2000);
	fill(b, "new_t", "text", "i", 2000);
	sql(b, "DELETE FROM new_t WHERE k = '20'");
	verify(a, b, RECORDS_STANDARD, &t, &r);
	assert_true(r.by_hash);
	assert_told(&t, expect, 1);
	strvec_release(&t.lines);
}

/* --- differences that settle --- */

static bool mend(void *ctx)
{
	struct told *t = ctx;

	/* the question that comes with the pause: nothing is open then */
	if (t->armed && !t->mend->in_tx) {
		t->armed = false;
		sql(t->mend, t->mend_sql);
	}
	return false;
}

static void settle(struct store *a, struct store *b, struct store *w,
		   struct told *t, struct records_verdict *r)
{
	struct records_spec spec = {
		.old = { a, &old_shape, 0 }, .now = { b, &new_shape, 0 },
		.level = RECORDS_RIGOROUS, .segment = 500, .sample = 100,
		.pause_s = 0.001, .scratch_fd = AT_FDCWD, .found = found,
		.again = again, .ctx = t, .cancelled = mend,
	};
	_cleanup_error_ struct error err = ERROR_INIT;

	(void)w;
	t->mend = b;
	t->armed = true;
	if (records_verify(&spec, r, &err) < 0)
		fail_msg("%s", err.msg);
	assert_false(t->armed);
}

static void test_settled(void **state)
{
	_cleanup_store_ struct store *a = opened(*state, SQLITE);
	_cleanup_store_ struct store *b = opened(*state, SQLITE);
	static const char *const expect[] = {
		"different [901] s", "missing [900]",
	};
	struct told t = { 0 };
	struct records_verdict r;

	t.mend_sql = "INSERT INTO new_t VALUES (10, 10, 'v10')";
	fill(a, "old_t", "int", "i", 3000);
	fill(b, "new_t", "int", "i", 3000);
	sql(b, "DELETE FROM new_t WHERE k IN (10, 900)");
	sql(b, "UPDATE new_t SET s = '' WHERE k = 901");
	settle(a, b, b, &t, &r);
	assert_told(&t, expect, ARRAY_SIZE(expect));
	assert_int_equal(r.settled, 1);
	/* the same where there is no order */
	fill(b, "new_t", "text", "i", 3000);
	sql(b, "DELETE FROM new_t WHERE k IN ('10', '900')");
	sql(b, "UPDATE new_t SET s = '' WHERE k = '901'");
	settle(a, b, b, &t, &r);
	assert_true(r.by_hash);
	assert_told(&t, expect, ARRAY_SIZE(expect));
	assert_int_equal(r.settled, 1);
	strvec_release(&t.lines);
}

/* rows that do not fit into memory are put aside */
static void test_aside(void **state)
{
	_cleanup_store_ struct store *a = opened(*state, SQLITE);
	_cleanup_store_ struct store *b = opened(*state, SQLITE);
	struct told t = { 0 };
	struct records_verdict r;

	fill(a, "old_t", "int", "i", 12000);
	fill(b, "new_t", "text", "i", 12000);
	sql(a, "UPDATE old_t SET s = s || hex(zeroblob(600))");
	sql(b, "UPDATE new_t SET s = s || hex(zeroblob(600)) || 'x'");
	sql(b, "DELETE FROM new_t WHERE k = '77'");
	verify(a, b, RECORDS_STANDARD, &t, &r);
	assert_true(r.by_hash);
	assert_int_equal(r.n[RECORDS_DIFFERENT], 11999);
	assert_int_equal(r.n[RECORDS_MISSING], 1);
	assert_int_equal(t.lines.n, 12000);
	strvec_release(&t.lines);
}

/* a key that is there twice, or NULL, is no key */
static void test_no_key(void **state)
{
	_cleanup_store_ struct store *a = opened(*state, SQLITE);
	struct records_verdict r;
	struct told t = { 0 };
	const char *const by_n[] = { "n", "k", "s" };
	const struct store_shape shape = {
		.set = "old_t", .ncol = 3, .nkey = 1, .col = by_n,
	};
	const struct records_spec spec = {
		.old = { a, &shape, 0 }, .now = { a, &shape, 0 },
		.level = RECORDS_STANDARD, .found = found, .ctx = &t,
	};
	_cleanup_error_ struct error err = ERROR_INIT;

	fill(a, "old_t", "int", "i", 10);
	sql(a, "UPDATE old_t SET n = 3 WHERE k = 4");
	assert_true(records_verify(&spec, &r, &err) < 0);
	assert_non_null(strstr(err.msg, "twice"));
}

/* the server's digests of wrong rows that are there twice do not take each
   other out */
static void test_twice(void **state)
{
	_cleanup_store_ struct store *a = opened(*state, PG);
	_cleanup_store_ struct store *b = opened(*state, PG);
	struct told t = { 0 };
	const struct records_spec spec = {
		.old = { a, &old_shape, 0 }, .now = { b, &new_shape, 0 },
		.level = RECORDS_STANDARD, .found = found, .again = again,
		.ctx = &t, .scratch_fd = AT_FDCWD,
	};
	_cleanup_error_ struct error err = ERROR_INIT;
	struct records_verdict r;

	fill(a, "old_t", "int", "i", 1000);
	fill(b, "new_t", "int", "i", 1000);
	sql(a, "ALTER TABLE old_t DROP CONSTRAINT old_t_pkey");
	sql(b, "ALTER TABLE new_t DROP CONSTRAINT new_t_pkey");
	sql(a, "INSERT INTO old_t SELECT 2000, 1, 'x' FROM generate_series(1, "
	    "2)");
	sql(b, "INSERT INTO new_t SELECT 3000, 2, 'y' FROM generate_series(1, "
	    "2)");
	assert_true(store_can(a, STORE_CAP_DIGEST));
	assert_true(records_verify(&spec, &r, &err) < 0 ||
		    records_bad(&r) > 0);
	/* what is there as often on both sides is the same; a reading that was
	   cut short took the connections along */
	store_close(a);
	store_close(b);
	a = opened(*state, PG);
	b = opened(*state, PG);
	sql(b, "DELETE FROM new_t WHERE k = 3000");
	sql(b, "INSERT INTO new_t SELECT 2000, 1, 'x' FROM generate_series(1, "
	    "2)");
	strvec_clear(&t.lines);
	verify(a, b, RECORDS_STANDARD, &t, &r);
	assert_told(&t, NULL, 0);
	strvec_release(&t.lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_sqlite), T(test_pg_sqlite), T(test_pg),
		T(test_equivalent), T(test_collations),
		T(test_hidden), T(test_text_and_number), T(test_settled),
		T(test_aside), T(test_no_key), T(test_twice),
	};

	return cmocka_run_group_tests(tests, pg_group_setup,
				      pg_group_teardown);
}
