/* SPDX-License-Identifier: MIT */
/* How much a comparison reads: equal tables once, others not three times. */
#include "verify-pair.h"

struct counting {
	struct store s;
	struct store *inner;
	uint64_t rows, digests;
};

static int count_scan(struct store *s, const struct store_shape *shape,
		      const char *after, const char *until, uint32_t limit,
		      struct store_batch *b, struct error *err)
{
	struct counting *c = (struct counting *)s;
	int n = c->inner->ops->scan(c->inner, shape, after, until, limit, b,
				    err);

	c->rows += n > 0 ? (uint64_t)n : 0;
	return n;
}

static int count_exec(struct store *s, const char *text,
		      const struct store_batch *args, struct store_batch *b,
		      struct error *err)
{
	struct counting *c = (struct counting *)s;

	return c->inner->ops->exec(c->inner, text, args, b, err);
}

static int count_begin(_unused_ struct store *s, _unused_ bool write,
		       _unused_ struct error *err)
{
	return 0;
}

static void count_abort(_unused_ struct store *s)
{
}

static const struct store_ops counting_ops = {
	.caps = STORE_CAP_SQL, .begin = count_begin, .abort = count_abort,
	.scan = count_scan, .exec = count_exec, .split = store_sql_split,
};
static int count_digest(struct store *s, const struct store_shape *shape,
			const char *lo, const char *hi,
			struct store_digest *ret, struct error *err)
{
	struct counting *c = (struct counting *)s;
	int r = store_digest(c->inner, shape, lo, hi, ret, err);

	c->rows += ret->n;
	c->digests++;
	return r;
}

/* as a server that makes digests of its own */
static const struct store_ops server_ops = {
	.caps = STORE_CAP_SQL | STORE_CAP_DIGEST, .begin = count_begin,
	.abort = count_abort, .scan = count_scan, .exec = count_exec,
	.split = store_sql_split, .digest = count_digest,
};
/* as a file: nothing but reading */
static const struct store_ops file_ops = {
	.begin = count_begin, .abort = count_abort, .scan = count_scan,
};

/* at most n times the rows of both sides; slack: a row more in each batch */
static void read_at_most(struct store *a, struct store *b,
			 const struct store_ops *ops, enum records_level level,
			 double n, struct told *t, struct records_verdict *r)
{
	struct counting ca = { .s = { .ops = ops, .name = a->name },
			       .inner = a };
	struct counting cb = { .s = { .ops = ops, .name = b->name },
			       .inner = b };
	double rows;

	verify(&ca.s, &cb.s, level, t, r);
	rows = (double)(ca.rows + cb.rows);
	if (rows > n * (double)(r->rows[0] + r->rows[1]) + 200)
		fail_msg("%.0f rows read of %llu", rows,
			 (unsigned long long)(r->rows[0] + r->rows[1]));
}

static void test_wholly_different(void **state)
{
	_cleanup_store_ struct store *a = opened(*state, SQLITE);
	_cleanup_store_ struct store *b = opened(*state, SQLITE);
	struct told t = { 0 };
	struct records_verdict r;
	int sizes[] = { 400, 3000, 20000 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		fill(a, "old_t", "int", "i", sizes[i]);
		fill(b, "new_t", "int", "i", sizes[i]);
		sql(b, "UPDATE new_t SET s = s || 'x'");
		read_at_most(a, b, &counting_ops, RECORDS_STANDARD,
			     2, &t, &r);
		assert_int_equal(r.n[RECORDS_DIFFERENT], sizes[i]);
		/* no key in common */
		sql(b, "UPDATE new_t SET k = k + 1000000");
		read_at_most(a, b, &counting_ops, RECORDS_STANDARD, 2, &t, &r);
		assert_int_equal(r.n[RECORDS_MISSING], sizes[i]);
		assert_int_equal(r.n[RECORDS_EXTRA], sizes[i]);
		read_at_most(a, b, &file_ops, RECORDS_STANDARD, 2, &t, &r);
		assert_int_equal(r.n[RECORDS_EXTRA], sizes[i]);
		read_at_most(a, b, &server_ops, RECORDS_STANDARD, 3, &t, &r);
		assert_int_equal(r.n[RECORDS_MISSING], sizes[i]);
		/* every row, once (the others make no second look) */
		read_at_most(a, b, &counting_ops, RECORDS_FORENSIC, 2.1, &t,
			     &r);
		sql(b, "DELETE FROM new_t");
		read_at_most(a, b, &counting_ops, RECORDS_STANDARD, 1.1, &t,
			     &r);
		assert_int_equal(r.n[RECORDS_MISSING], sizes[i]);
		strvec_clear(&t.lines);
	}
	strvec_release(&t.lines);
}

static void test_half_missing(void **state)
{
	_cleanup_store_ struct store *a = opened(*state, SQLITE);
	_cleanup_store_ struct store *b = opened(*state, SQLITE);
	const struct store_ops *ops[] = { &counting_ops, &server_ops,
					  &file_ops };
	const char *const halves[] = { "k > 10000", "k <= 10000",
				       "k % 2 = 0" };
	struct told t = { 0 };
	struct records_verdict r;

	fill(a, "old_t", "int", "i", 20000);
	for (size_t i = 0; i < ARRAY_SIZE(halves); i++) {
		_cleanup_free_ char *del = xasprintf("DELETE FROM new_t WHERE "
						     "%s", halves[i]);

		fill(b, "new_t", "int", "i", 20000);
		sql(b, del);
		for (size_t k = 0; k < ARRAY_SIZE(ops); k++) {
			read_at_most(a, b, ops[k], RECORDS_STANDARD, 3, &t,
				     &r);
			assert_int_equal(r.n[RECORDS_MISSING], 10000);
			assert_int_equal(records_bad(&r), 10000);
			strvec_clear(&t.lines);
		}
	}
	strvec_release(&t.lines);
}

static void test_few_differences(void **state)
{
	_cleanup_store_ struct store *a = opened(*state, SQLITE);
	_cleanup_store_ struct store *b = opened(*state, SQLITE);
	struct told t = { 0 };
	struct records_verdict r;

	fill(a, "old_t", "int", "i", 20000);
	fill(b, "new_t", "int", "i", 20000);
	sql(b, "UPDATE new_t SET s = 'x' WHERE k = 15000");
	/* once for the sums, once for the rows of a bucket */
	read_at_most(a, b, &counting_ops, RECORDS_STANDARD, 2, &t, &r);
	assert_int_equal(t.lines.n, 1);
	strvec_clear(&t.lines);
	/* a digest of all, those of its parts, and few rows */
	read_at_most(a, b, &server_ops, RECORDS_STANDARD, 2.2, &t, &r);
	assert_int_equal(t.lines.n, 1);
	assert_true(r.digests <= 60);
	strvec_release(&t.lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_wholly_different), T(test_half_missing),
		T(test_few_differences),
	};

	return cmocka_run_group_tests(tests, pg_group_setup,
				      pg_group_teardown);
}
