/* SPDX-License-Identifier: MIT */
/*
 * What a server can do, tried out: a name or a version says little about the
 * engines that speak the protocol. Whatever a probe makes is rolled back, and
 * dropped where the server does not take it back.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "store-pg-internal.h"

#define PROBES_MAX 6

/* in a session that may not write nothing is made, not even for a moment */
#define MAKES (STORE_CAP_COPY | STORE_CAP_TX_DDL | STORE_CAP_TEMP_TABLE | \
	       STORE_CAP_TRIGGER | STORE_CAP_INSTEAD_OF)

struct probe {
	enum store_cap cap;
	/* %s: a name that nobody else has */
	const char *sql[PROBES_MAX];
};

static const struct probe probes[] = {
	{ STORE_CAP_TEMP_TABLE, {
		"CREATE TEMP TABLE t%s (k int PRIMARY KEY, v text)",
		"INSERT INTO t%s VALUES (1, 'x')" } },
	{ STORE_CAP_COPY, {
		"CREATE TABLE c%s (k int PRIMARY KEY, v text)",
		"COPY c%s (k, v) FROM STDIN",
		"INSERT INTO c%s SELECT k + 1, v FROM c%s" } },
	{ STORE_CAP_TRIGGER, {
		"CREATE TABLE r%s (k int PRIMARY KEY, v text)",
		"CREATE FUNCTION f%s() RETURNS trigger LANGUAGE plpgsql AS "
			"'BEGIN NEW.v := ''seen''; RETURN NEW; END'",
		"CREATE TRIGGER g%s BEFORE INSERT ON r%s FOR EACH ROW "
			"EXECUTE FUNCTION f%s()",
		"INSERT INTO r%s VALUES (1, 'x')",
		"SELECT 1 / count(*) FROM r%s WHERE v = 'seen'" } },
	{ STORE_CAP_INSTEAD_OF, {
		"CREATE TABLE i%s (k int PRIMARY KEY, v text)",
		"CREATE VIEW w%s AS SELECT k, v FROM i%s",
		"CREATE FUNCTION h%s() RETURNS trigger LANGUAGE plpgsql AS "
			"'BEGIN RETURN NEW; END'",
		"CREATE TRIGGER j%s INSTEAD OF INSERT ON w%s FOR EACH ROW "
			"EXECUTE FUNCTION h%s()",
		"INSERT INTO w%s VALUES (1, 'x')" } },
	{ STORE_CAP_TX_DDL, {
		"CREATE TABLE d%s (k int PRIMARY KEY)" } },
};

static int run(struct pg_store *p, const char *sql)
{
	return pg_run(p, sql, NULL, NULL, 1, NULL, NULL);
}

/* each %s becomes the name */
static void fill(struct strbuf *out, const char *sql, const char *name)
{
	const char *at;

	strbuf_clear(out);
	while ((at = strstr(sql, "%s"))) {
		strbuf_add(out, sql, (size_t)(at - sql));
		strbuf_addf(out, "_upshift_probe_%s", name);
		sql = at + 2;
	}
	strbuf_addstr(out, sql);
}

static int copy_one(struct pg_store *p, const char *sql)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	store_batch_clear(&b, 2);
	store_batch_add(&b, STORE_INT, "1", 1);
	store_batch_add(&b, STORE_TEXT, "x", 1);
	return pg_copy_in(p, sql, &b, 0, 1, NULL);
}

/* DDL that stayed behind a rollback */
static void sweep(struct pg_store *p, const char *name)
{
	static const char *const drops[] = {
		"DROP VIEW IF EXISTS w%s", "DROP TABLE IF EXISTS i%s",
		"DROP TABLE IF EXISTS r%s", "DROP TABLE IF EXISTS c%s",
		"DROP TABLE IF EXISTS d%s", "DROP FUNCTION IF EXISTS f%s()",
		"DROP FUNCTION IF EXISTS h%s()",
	};
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(drops); i++) {
		fill(&sql, drops[i], name);
		(void)run(p, sql.buf); /* what is not there is fine */
	}
}

static bool is_gone(struct pg_store *p, const char *name)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;

	fill(&sql, "SELECT 1 FROM d%s", name);
	return run(p, sql.buf) < 0 && !p->dead &&
	       !strcmp(p->s.sqlstate, "42P01");
}

/* true: all of it went through */
static bool try(struct pg_store *p, const struct probe *probe,
		const char *name)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	bool ok = run(p, "BEGIN") >= 0;

	for (size_t i = 0; ok && probe->sql[i]; i++) {
		fill(&sql, probe->sql[i], name);
		ok = (str_starts(sql.buf, "COPY ") ? copy_one(p, sql.buf) :
		      run(p, sql.buf)) >= 0;
	}
	if (!p->dead)
		(void)run(p, "ROLLBACK"); /* a failure ends the connection */
	return ok;
}

/* the text that a digest is made of, as store_row_digest() makes it */
static void add_row_text(struct strbuf *sb, const struct store_shape *shape)
{
	strbuf_addstr(sb, "concat_ws(E'\\x1f'");
	for (uint32_t i = 0; i < shape->ncol; i++) {
		strbuf_addstr(sb, ", CASE WHEN ");
		store_sql_reads(sb, shape, i, i + 1);
		/* concat() makes the text as the wire does; a cast does not */
		strbuf_addstr(sb, " IS NULL THEN E'\\x1e' ELSE concat(");
		store_sql_reads(sb, shape, i, i + 1);
		strbuf_addstr(sb, ") END");
	}
	strbuf_addch(sb, ')');
}

static void add_digest(struct strbuf *sb, const struct store_shape *shape)
{
	strbuf_addstr(sb, "SELECT count(*), sum(('x' || left(md5(");
	add_row_text(sb, shape);
	strbuf_addstr(sb, "), 16))::bit(64)::bigint)::text FROM ");
}

/* a whole number of any length, modulo 2^64; NULL, the sum of no rows, is 0 */
static bool take_sum(const struct store_batch *b, uint64_t *ret)
{
	const struct store_cell *c = store_batch_cell(b, 0, 1);
	const char *p = store_batch_text(b, c), *end = p ? p + c->len : p;
	bool minus = p < end && *p == '-';
	uint64_t n = 0;

	for (p += minus; p < end; p++) {
		if (*p < '0' || *p > '9')
			return false;
		n = n * 10 + (uint64_t)(*p - '0');
	}
	*ret = minus ? -n : n;
	return true;
}

static int take_digest(const struct store_batch *b, struct store_digest *ret)
{
	if (b->nrow != 1 || b->ncol != 2 || !take_sum(b, &ret->sum))
		return -EIO;
	ret->n = (uint64_t)store_batch_int(b, 0, 0);
	return 0;
}

/* rows whose digest is known here: does the server find the same? */
static bool same_digest(struct pg_store *p)
{
	static const char *const cols[] = { "k", "v", "b", "n" };
	static const struct store_shape shape = {
		.set = "", .ncol = 4, .nkey = 1, .col = cols,
	};
	_cleanup_store_batch_ struct store_batch rows = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT, text = STRBUF_INIT;
	struct store_digest got = { 0 };
	uint64_t sum;

	add_digest(&sql, &shape);
	strbuf_addstr(&sql, "(VALUES (1, U&'\\00e4 \\2603', true, NULL), "
		      "(2, '', false, 'x '::char(3)), "
		      "(2, '', false, 'x '::char(3)), "
		      "(2, '', false, 'x '::char(3))) t (k, v, b, n)");
	store_batch_clear(&rows, 4);
	store_batch_add(&rows, STORE_INT, "1", 1);
	store_batch_add(&rows, STORE_TEXT, "\xc3\xa4 \xe2\x98\x83", 6);
	store_batch_add(&rows, STORE_BOOL, "t", 1);
	store_batch_add(&rows, STORE_TEXT, NULL, 0);
	store_batch_add(&rows, STORE_INT, "2", 1);
	store_batch_add(&rows, STORE_TEXT, "", 0);
	store_batch_add(&rows, STORE_BOOL, "f", 1);
	store_batch_add(&rows, STORE_TEXT, "x  ", 3);
	/* the second is there three times: where sums are no sums, it shows */
	sum = store_row_digest(&rows, 0, &text) +
	      3 * store_row_digest(&rows, 1, &text);
	return pg_run(p, sql.buf, NULL, NULL, 1, &b, NULL) >= 0 &&
	       take_digest(&b, &got) == 0 && got.n == 4 && got.sum == sum;
}

static bool is_serializable(struct pg_store *p)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	return pg_run(p, "SHOW default_transaction_isolation", NULL, NULL, 1,
		      &b, NULL) >= 0 && b.nrow == 1 &&
	       b.cell[0].len == (int32_t)strlen("serializable") &&
	       !memcmp(b.buf + b.cell[0].off, "serializable",
		       strlen("serializable"));
}

bool pg_probe(struct store *s, enum store_cap cap)
{
	struct pg_store *p = (struct pg_store *)s;
	char name[48];
	bool ok;

	if (cap == STORE_CAP_SQL)
		return true;
	if (cap == STORE_CAP_DIGEST)
		return same_digest(p);
	if (cap == STORE_CAP_SERIALIZABLE)
		return is_serializable(p);
	if (cap == STORE_CAP_BINARY)
		return pg_binary(p);
	if (p->read_only && (cap & MAKES))
		return true;
	(void)snprintf(name, sizeof(name), "%ld_%d", (long)getpid(),
		       PQbackendPID(p->c));
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
		if (probes[i].cap != cap)
			continue;
		ok = try(p, &probes[i], name);
		if (cap == STORE_CAP_TX_DDL)
			ok = ok && is_gone(p, name);
		if (!p->dead && cap != STORE_CAP_TEMP_TABLE &&
		    !(cap == STORE_CAP_TX_DDL ? ok :
		      store_can(s, STORE_CAP_TX_DDL)))
			sweep(p, name);
		return ok;
	}
	return false;
}

int pg_digest(struct store *s, const struct store_shape *shape,
	      const char *lo, const char *hi, struct store_digest *ret,
	      struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int r;

	if (!store_can(s, STORE_CAP_DIGEST))
		return store_digest_by_scan(s, shape, lo, hi, ret, err);
	r = store_sql_range(s, shape, lo, hi, &args, err);
	if (r < 0)
		return r;
	add_digest(&sql, shape);
	store_sql_set(&sql, shape->set);
	store_sql_where(&sql, shape, lo, hi);
	r = pg_run((struct pg_store *)s, sql.buf, &args, NULL, 1, &b, err);
	return r < 0 ? r : take_digest(&b, ret);
}
