/* SPDX-License-Identifier: MIT */
/* Planted differences between two stores, all found and named. */
#include "pg-group.h"

#include "records-verify.h"
#include "store-internal.h"
#include "store.h"

enum { SQLITE, PG };

static const char *const cols[] = { "k", "n", "s" };
static const struct store_shape old_shape = { "old_t", 3, 1, cols, NULL,
					      NULL };
static const struct store_shape new_shape = { "new_t", 3, 1, cols, NULL,
					      NULL };

struct told {
	struct strvec lines;
	struct store *mend;      /* at the first question to stop behind it */
	const char *mend_sql;
	bool armed;
	uint64_t parts, part_rows[2];
};

static void sql(struct store *s, const char *text)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (store_exec(s, text, NULL, NULL, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
}

static struct store *opened(struct scratch *t, int kind)
{
	struct store_options o = { .root_fd = t->fd, .create = true };
	struct store *s = NULL;

	if (kind == PG && !has_server)
		skip();
	if (store_open(kind == PG ? server.url : "sqlite:db", &o, &s,
		       &t->err) < 0)
		fail_msg("%s", t->err.msg);
	return s;
}

#define SERIES "WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 " \
	"FROM g WHERE i < %d) "

/* n rows; key: an expression of i */
static void fill(struct store *s, const char *set, const char *type,
		 const char *key, int n)
{
	_cleanup_free_ char *drop = xasprintf("DROP TABLE IF EXISTS %s", set);
	_cleanup_free_ char *make = xasprintf("CREATE TABLE %s (k %s PRIMARY "
		"KEY, n numeric, s text)", set, type);
	_cleanup_free_ char *rows = xasprintf("INSERT INTO %s " SERIES
		"SELECT %s, i, 'v' || i FROM g", set, n, key);

	sql(s, drop);
	sql(s, make);
	if (n)
		sql(s, rows);
}

static int found(void *ctx, const struct records_found *f,
		 _unused_ struct error *err)
{
	struct told *t = ctx;
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	strbuf_addf(&sb, "%s %s", records_kind_name(f->kind), f->key);
	for (uint32_t i = 0; i < f->ncol; i++)
		strbuf_addf(&sb, " %s", cols[f->col[i]]);
	strvec_push(&t->lines, sb.buf);
	return 0;
}

static int again(void *ctx, _unused_ struct error *err)
{
	strvec_clear(&((struct told *)ctx)->lines);
	return 0;
}

static int audit(void *ctx, const struct records_part *part,
		 _unused_ struct error *err)
{
	struct told *t = ctx;

	t->parts++;
	t->part_rows[0] += part->rows[0];
	t->part_rows[1] += part->rows[1];
	return 0;
}

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

static void verify(struct store *a, struct store *b, enum records_level level,
		   struct told *t, struct records_verdict *r)
{
	const struct records_spec spec = {
		.old = { a, &old_shape, 0 }, .now = { b, &new_shape, 0 },
		.level = level, .segment = 500, .sample = 100, .seed = 7,
		.pause_s = 0.001, .scratch_fd = AT_FDCWD, .found = found,
		.again = again, .ctx = t,
		.audit = level == RECORDS_FORENSIC ? audit : NULL,
	};
	_cleanup_error_ struct error err = ERROR_INIT;

	if (records_verify(&spec, r, &err) < 0)
		fail_msg("%s", err.msg);
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
	const struct store_shape shape = { "old_t", 4, 1, by_key, expr, NULL };
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

/* --- how much is read --- */

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
	const struct store_shape shape = { "old_t", 3, 1, by_n, NULL, NULL };
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
		T(test_hidden), T(test_text_and_number), T(test_wholly_different),
		T(test_half_missing),
		T(test_few_differences), T(test_settled),
		T(test_aside), T(test_no_key), T(test_twice),
	};

	return cmocka_run_group_tests(tests, pg_group_setup,
				      pg_group_teardown);
}
