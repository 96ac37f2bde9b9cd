/* SPDX-License-Identifier: MIT */
/*
 * Sets of a real PostgreSQL out and back: what pg_dump says of the database is
 * the judge.
 */
#include "pg-store.h"

#include "store-dump.h"

static void sql_each(struct store *s, const char *const text[])
{
	for (; *text; text++)
		sql(s, *text);
}

#define SQL(s, ...) sql_each(s, (const char *const[]) { __VA_ARGS__, NULL })

/* what pg_dump makes of it all, but for what is random in it */
static char *pg_dump(void)
{
	_cleanup_free_ char *cmd = xasprintf("%s/pg_dump -h %s -U upshift "
		"postgres", server.bin, server.dir);
	struct strbuf sb = STRBUF_INIT;
	char line[65536];
	FILE *f = popen(cmd, "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (!strstr(line, "restrict "))
			strbuf_addstr(&sb, line);
	assert_int_equal(pclose(f), 0);
	return strbuf_detach(&sb);
}

/* --- a dump in memory --- */

struct kept {
	struct store_dump d;
	struct strbuf *rows;
	const struct strbuf *reading;
	size_t at, piece;
	/* reads before the source fails, before the server dies; 0: never */
	int fail_at, kill_at;
};

static int keep(void *ctx, const char *row, size_t n, _unused_ struct error *e)
{
	strbuf_add(ctx, row, n);
	return 0;
}

static void dump(struct store *s, const char *const names[], struct kept *k)
{
	_cleanup_strvec_ struct strvec sets = STRVEC_INIT;
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	memset(k, 0, sizeof(*k));
	for (; *names; names++)
		strvec_push(&sets, *names);
	if (store_dump_begin(s, &sets, &k->d, &err) < 0)
		fail_msg("%s", err.msg);
	k->rows = xcalloc(k->d.n, sizeof(*k->rows));
	for (size_t i = 0; i < k->d.n; i++) {
		strbuf_init(&k->rows[i]);
		if (store_dump_rows(s, &k->d.sets[i], keep, &k->rows[i],
				    &err) < 0)
			fail_msg("%s", err.msg);
		assert_int_equal(k->d.sets[i].bytes, k->rows[i].len);
	}
	assert_int_equal(store_dump_end(s, &err), 0);
	/* as if it came from the archive */
	store_dump_index(&k->d, &text);
	store_dump_release(&k->d);
	if (store_dump_parse(text.buf, text.len, &k->d, &err) < 0)
		fail_msg("%s", err.msg);
}

static void kept_release(struct kept *k)
{
	for (size_t i = 0; i < k->d.n; i++)
		strbuf_release(&k->rows[i]);
	free(k->rows);
	store_dump_release(&k->d);
}

static int open_rows(void *ctx, const struct store_dump_set *set,
		     _unused_ struct error *err)
{
	struct kept *k = ctx;

	k->reading = &k->rows[set - k->d.sets];
	k->at = 0;
	return 0;
}

static ssize_t read_rows(void *ctx, const char **p, struct error *err)
{
	struct kept *k = ctx;
	size_t n = MIN(k->reading->len - k->at, k->piece ? k->piece : 8191);

	if (k->fail_at && --k->fail_at == 0)
		return error_set(err, ERR_STORE, -EIO, "the archive is gone");
	*p = k->reading->buf + k->at;
	k->at += n;
	return (ssize_t)n;
}

static int load(struct store *s, struct kept *k, struct error *err)
{
	struct store_load l = { .dump = &k->d, .open = open_rows,
				.source = read_rows, .ctx = k };

	return store_load(s, &l, err);
}

static void must_load(struct store *s, struct kept *k)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (load(s, k, &err) < 0)
		fail_msg("%s", err.msg);
}

static void assert_dumped(const char *before)
{
	_cleanup_free_ char *now = pg_dump();

	assert_string_equal(now, before);
}

/* --- a database that has something of everything --- */

static struct store *made(void)
{
	struct store *s = opened();

	SQL(s, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public",
	    "DROP SCHEMA IF EXISTS \"Odd schema\" CASCADE",
	    "CREATE SCHEMA \"Odd schema\"",
	    "DROP ROLE IF EXISTS reader", "CREATE ROLE reader",
	    "CREATE TABLE texts (id serial PRIMARY KEY, title text NOT NULL "
	    "DEFAULT 'it''s', at timestamptz DEFAULT now(), CONSTRAINT "
	    "\"has a title\" CHECK (title <> ''))",
	    "CREATE TABLE chunks (id int GENERATED ALWAYS AS IDENTITY (START "
	    "WITH 5 INCREMENT BY 3) PRIMARY KEY, text_id int REFERENCES texts "
	    "ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, parent int, body "
	    "text COLLATE \"C\", raw bytea, n numeric(12,3), tags text[], "
	    "extra jsonb, size int GENERATED ALWAYS AS (length(body)) STORED)",
	    "ALTER TABLE chunks ADD CONSTRAINT self FOREIGN KEY (parent) "
	    "REFERENCES chunks ON DELETE SET NULL",
	    "CREATE INDEX chunks_body ON chunks (lower(body)) WHERE parent IS "
	    "NOT NULL",
	    "CREATE UNIQUE INDEX ON texts (title, id)",
	    "COMMENT ON TABLE chunks IS 'what ''it'' is'",
	    "COMMENT ON COLUMN chunks.body IS 'the text'",
	    "COMMENT ON CONSTRAINT self ON chunks IS 'a tree'",
	    "COMMENT ON INDEX chunks_body IS 'for looking'",
	    "GRANT SELECT ON chunks TO reader", "GRANT UPDATE (body) ON chunks "
	    "TO reader WITH GRANT OPTION",
	    "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
	    "$$ BEGIN RAISE EXCEPTION 'no'; END $$",
	    "CREATE TABLE \"Odd schema\".\"a \"\"b\"\" 'c\" (\"x y\" text, "
	    "\"select\" int UNIQUE)",
	    "CREATE TABLE logged (day date NOT NULL, what text, PRIMARY KEY "
	    "(day, what)) PARTITION BY RANGE (day)",
	    "CREATE TABLE logged_a PARTITION OF logged FOR VALUES FROM "
	    "('2026-01-01') TO ('2026-07-01')",
	    "CREATE TABLE logged_b PARTITION OF logged FOR VALUES FROM "
	    "('2026-07-01') TO ('2027-01-01') PARTITION BY HASH (what)",
	    "CREATE TABLE logged_b0 PARTITION OF logged_b FOR VALUES WITH "
	    "(MODULUS 2, REMAINDER 0)",
	    "CREATE TABLE logged_b1 PARTITION OF logged_b FOR VALUES WITH "
	    "(MODULUS 2, REMAINDER 1)",
	    "CREATE INDEX logged_what ON logged (what)",
	    "CREATE TABLE outside (id int PRIMARY KEY, chunk int REFERENCES "
	    "chunks ON DELETE CASCADE)",
	    "CREATE VIEW titles AS SELECT id, title FROM texts",
	    "INSERT INTO texts (title, at) SELECT 'text ' || i, '2026-01-01' "
	    "FROM generate_series(1, 200) i",
	    "INSERT INTO chunks (text_id, parent, body, raw, n, tags, extra) "
	    "SELECT i % 200 + 1, CASE WHEN i > 1 THEN 5 END, CASE i % 5 WHEN 0 "
	    "THEN NULL WHEN 1 THEN '' WHEN 2 THEN E'a\\\\N\\t\\n\\r' WHEN 3 "
	    "THEN U&'\\+01F600\\0301\\200F\\FEFF' ELSE 'plain' END, "
	    "decode(md5(i::text), 'hex'), i / 7.0, ARRAY['x', NULL, 'a,b'], "
	    "'{\"k\": [1, null]}' FROM generate_series(1, 1000) i",
	    "INSERT INTO \"Odd schema\".\"a \"\"b\"\" 'c\" VALUES ('1', 1), "
	    "(NULL, NULL), (NULL, NULL)",
	    "INSERT INTO logged SELECT '2026-01-01'::date + i, 'w' || i FROM "
	    "generate_series(0, 360) i",
	    "INSERT INTO outside SELECT i, 5 FROM generate_series(1, 10) i",
	    "CREATE TRIGGER no_more BEFORE INSERT OR DELETE ON chunks FOR EACH "
	    "ROW EXECUTE FUNCTION note()",
	    "CREATE TRIGGER never AFTER TRUNCATE ON chunks FOR EACH STATEMENT "
	    "EXECUTE FUNCTION note()",
	    "CREATE TRIGGER rests AFTER UPDATE ON chunks FOR EACH ROW EXECUTE "
	    "FUNCTION note()",
	    "ALTER TABLE chunks DISABLE TRIGGER rests",
	    "ALTER TABLE chunks ENABLE ALWAYS TRIGGER no_more",
	    "ALTER TABLE texts ENABLE ROW LEVEL SECURITY",
	    "CREATE POLICY seen ON texts FOR SELECT TO reader USING (id > 3)");
	return s;
}

static const char *const all[] = { "texts", "chunks", "logged", "late",
	"Odd schema.a \"b\" 'c", "titles", NULL };

static void test_same_again(_unused_ void **state)
{
	_cleanup_store_ struct store *s = made();
	_cleanup_free_ char *before = pg_dump();
	struct kept k;

	dump(s, all, &k);
	assert_int_equal(store_dump_find(&k.d, "chunks")->rows, 1000);
	assert_int_equal(store_dump_find(&k.d, "logged")->rows, 361);
	assert_null(store_dump_find(&k.d, "late")->full);
	must_load(s, &k);
	assert_dumped(before);
	kept_release(&k);
}

/* all that a run may have done to tables, and what it left there */
static void test_changed(_unused_ void **state)
{
	_cleanup_store_ struct store *s = made();
	_cleanup_free_ char *before = pg_dump();
	struct kept k;

	dump(s, all, &k);
	SQL(s, "ALTER TABLE chunks DISABLE TRIGGER USER",
	    "DELETE FROM chunks WHERE id > 2000",
	    "UPDATE chunks SET body = 'new' WHERE id % 2 = 0",
	    "ALTER TABLE chunks ADD COLUMN late serial, ADD COLUMN k text NOT "
	    "NULL DEFAULT 'k'", "ALTER TABLE chunks ADD UNIQUE (k, id)",
	    "CREATE INDEX late_index ON chunks (k)",
	    "COMMENT ON COLUMN chunks.k IS 'late'",
	    "DROP INDEX chunks_body", "DROP TRIGGER never ON chunks",
	    "ALTER TABLE chunks DROP CONSTRAINT self",
	    "REVOKE SELECT ON chunks FROM reader",
	    "GRANT DELETE ON texts TO reader",
	    "ALTER TABLE texts ALTER title SET DEFAULT 'b', ALTER at SET NOT "
	    "NULL, DROP CONSTRAINT \"has a title\"",
	    "DROP POLICY seen ON texts", "ALTER TABLE texts DISABLE ROW LEVEL "
	    "SECURITY", "INSERT INTO texts (title) VALUES ('more')",
	    "CREATE TABLE late (id serial PRIMARY KEY, chunk int REFERENCES "
	    "chunks, text int REFERENCES texts)",
	    "INSERT INTO late (chunk, text) VALUES (5, 1)",
	    "DELETE FROM logged WHERE day < '2026-03-01'",
	    "CREATE TABLE logged_c PARTITION OF logged FOR VALUES FROM "
	    "('2027-01-01') TO ('2028-01-01')",
	    "INSERT INTO logged VALUES ('2027-05-05', 'x')",
	    "TRUNCATE \"Odd schema\".\"a \"\"b\"\" 'c\"",
	    "CREATE OR REPLACE VIEW titles AS SELECT id, title, at FROM texts",
	    "SELECT nextval('texts_id_seq')");
	must_load(s, &k);
	assert_dumped(before);
	/* it may be run again, as after a crash */
	must_load(s, &k);
	assert_dumped(before);
	SQL(s, "DROP TABLE outside", "DROP VIEW titles",
	    "DROP TABLE texts, chunks CASCADE", "DROP TABLE logged",
	    "CREATE VIEW texts AS SELECT 1 AS one",
	    "CREATE TABLE outside (id int PRIMARY KEY, chunk int)",
	    "INSERT INTO outside SELECT i, 5 FROM generate_series(1, 10) i");
	must_load(s, &k);
	assert_dumped(before);
	kept_release(&k);
}

/* rows that a constraint refuses now, rows behind the back of others */
static void test_refused(_unused_ void **state)
{
	_cleanup_store_ struct store *s = made();
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *before = NULL;
	const char *const one[] = { "chunks", NULL };
	struct kept k;

	dump(s, one, &k);
	/* outside refers to a row that the dump does not have */
	SQL(s, "ALTER TABLE chunks DISABLE TRIGGER USER",
	    "INSERT INTO chunks (text_id) VALUES (1)",
	    "INSERT INTO outside SELECT 99, max(id) FROM chunks");
	before = pg_dump();
	assert_true(load(s, &k, &err) < 0);
	assert_non_null(strstr(err.msg, "outside"));
	assert_dumped(before);
	error_release(&err);
	/* another view stands on a column that is of another type now */
	SQL(s, "DELETE FROM outside WHERE id = 99",
	    "ALTER TABLE chunks ALTER n TYPE float8",
	    "CREATE VIEW sums AS SELECT sum(n) FROM chunks");
	must_load(s, &k);
	SQL(s, "SELECT * FROM sums");
	/* the archive ends in the middle */
	SQL(s, "DROP VIEW sums");
	free(before);
	before = pg_dump();
	k.fail_at = 3;
	k.piece = 7;
	assert_int_equal(load(s, &k, &err), -EIO);
	assert_non_null(strstr(err.msg, "the archive is gone"));
	assert_dumped(before);
	/* and it has fewer rows than it says */
	k.fail_at = 0;
	error_release(&err);
	strbuf_set_len(&k.rows[0], (size_t)(strchr(k.rows[0].buf, '\n') + 1 -
					    k.rows[0].buf));
	assert_true(load(s, &k, &err) < 0);
	assert_dumped(before);
	kept_release(&k);
}

/* somebody writes to a table while it is dumped, between two sets */
static void test_one_snapshot(_unused_ void **state)
{
	_cleanup_store_ struct store *s = made();
	_cleanup_store_ struct store *other = opened();
	_cleanup_strvec_ struct strvec sets = STRVEC_INIT;
	struct store_dump d = STORE_DUMP_INIT;

	strvec_push(&sets, "texts");
	strvec_push(&sets, "outside");
	assert_int_equal(store_dump_begin(s, &sets, &d, NULL), 0);
	SQL(other, "DELETE FROM outside",
	    "INSERT INTO texts (title) VALUES ('more')");
	assert_int_equal(store_dump_rows(s, store_dump_find(&d, "outside"),
					 NULL, NULL, NULL), 0);
	assert_int_equal(store_dump_find(&d, "outside")->rows, 10);
	assert_int_equal(store_dump_rows(s, store_dump_find(&d, "texts"),
					 NULL, NULL, NULL), 0);
	assert_int_equal(store_dump_find(&d, "texts")->rows, 200);
	assert_int_equal(store_dump_end(s, NULL), 0);
	store_dump_release(&d);
}

/* "" is all but ours; the script makes the same schema */
static void test_everything(_unused_ void **state)
{
	_cleanup_store_ struct store *s = made();
	_cleanup_strbuf_ struct strbuf script = STRBUF_INIT;
	const char *const names[] = { "", NULL };
	struct kept k;

	SQL(s, "CREATE TABLE _upshift_x (a int)");
	dump(s, names, &k);
	assert_int_equal(k.d.n, 6);
	assert_null(store_dump_find(&k.d, "public._upshift_x"));
	store_dump_sql(&k.d, &script);
	assert_non_null(strstr(script.buf, "ADD CONSTRAINT self FOREIGN KEY"));
	SQL(s, "DROP TABLE _upshift_x");
	{
		_cleanup_free_ char *before = pg_dump();

		SQL(s, "DROP VIEW titles", "DROP TABLE outside, chunks, texts, "
		    "logged", "DROP TABLE \"Odd schema\".\"a \"\"b\"\" 'c\"");
		must_load(s, &k);
		assert_dumped(before);
	}
	kept_release(&k);
}

/* the sum tells what a row more, less or twice is, in whatever order */
static void test_sums(_unused_ void **state)
{
	_cleanup_store_ struct store *s = opened();
	const char *const names[] = { "a", "b", NULL };
	struct kept k;

	SQL(s, "DROP TABLE IF EXISTS a, b", "CREATE TABLE a (v int)",
	    "CREATE TABLE b (v int)",
	    "INSERT INTO a SELECT i FROM generate_series(1, 1000) i",
	    "INSERT INTO b SELECT i FROM generate_series(1000, 1, -1) i");
	dump(s, names, &k);
	assert_true(xxh128_equal(&k.d.sets[0].sum, &k.d.sets[1].sum));
	kept_release(&k);
	SQL(s, "INSERT INTO a VALUES (5), (5)", "INSERT INTO b VALUES (6), (6)");
	dump(s, names, &k);
	assert_false(xxh128_equal(&k.d.sets[0].sum, &k.d.sets[1].sum));
	assert_int_equal(k.d.sets[0].rows, 1002);
	kept_release(&k);
	SQL(s, "DROP TABLE a, b");
}

static ssize_t killing(void *ctx, const char **p, struct error *err)
{
	struct kept *k = ctx;

	if (k->kill_at && --k->kill_at == 0)
		pg_stop(&server, SIGQUIT);
	return read_rows(ctx, p, err);
}

/* the server dies in the middle of a load, and comes back */
static void test_crash(_unused_ void **state)
{
	_cleanup_store_ struct store *s = made();
	_cleanup_free_ char *before = pg_dump();
	struct kept k;
	struct store_load l = { .dump = &k.d, .open = open_rows,
				.source = killing, .ctx = &k };

	dump(s, all, &k);
	SQL(s, "DELETE FROM logged", "UPDATE texts SET title = title || '!'");
	k.kill_at = 20;
	k.piece = 997;
	assert_int_equal(store_load(s, &l, NULL), -ECONNRESET);
	pg_start(&server);
	store_close(TAKE_PTR(s));
	s = opened();
	assert_int_equal(store_exec(s, "SELECT FROM logged", NULL, NULL, NULL),
			 0);
	assert_int_equal(store_exec(s, "SELECT FROM texts WHERE title LIKE "
				    "'%!'", NULL, NULL, NULL), 200);
	must_load(s, &k);
	assert_dumped(before);
	kept_release(&k);
}

static int count_only(void *ctx, _unused_ const char *row, size_t n,
		      _unused_ struct error *err)
{
	*(size_t *)ctx += n;
	return 0;
}

static long peak_kb(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	long kb = 0;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "VmHWM:", 6))
			kb = atol(line + 6);
	if (f)
		fclose(f);
	return kb;
}

static void test_memory(_unused_ void **state)
{
	_cleanup_store_ struct store *s = opened();
	_cleanup_strvec_ struct strvec sets = STRVEC_INIT;
	struct store_dump d = STORE_DUMP_INIT;
	size_t bytes = 0;
	long before = peak_kb();

	SQL(s, "DROP TABLE IF EXISTS big", "CREATE UNLOGGED TABLE big (v text)",
	    "INSERT INTO big SELECT repeat(md5(i::text), 3000) FROM "
	    "generate_series(1, 1000) i");
	strvec_push(&sets, "big");
	assert_int_equal(store_dump_begin(s, &sets, &d, NULL), 0);
	assert_int_equal(store_dump_rows(s, &d.sets[0], count_only, &bytes,
					 NULL), 0);
	assert_int_equal(store_dump_end(s, NULL), 0);
	assert_int_equal(bytes, 1000 * (96000 + 1));
	assert_true(peak_kb() - before < 16384);
	store_dump_release(&d);
	SQL(s, "DROP TABLE big");
}

static void test_odd(_unused_ void **state)
{
	_cleanup_store_ struct store *s = opened();
	_cleanup_strvec_ struct strvec sets = STRVEC_INIT;
	_cleanup_error_ struct error err = ERROR_INIT;
	struct store_dump d = STORE_DUMP_INIT;
	static const char *const bad[] = { "", "{\"type\":\"dump\"}\n",
		"{\"type\":\"dump\",\"format\":1}\n",
		"{\"type\":\"dump\",\"format\":1}\n{\"type\":\"end\",\"sets\":"
		"1}\n", "{\"type\":\"dump\",\"format\":1}\n{\"type\":\"end\","
		"\"sets\":0}\nmore\n" };

	SQL(s, "CREATE SEQUENCE IF NOT EXISTS alone");
	strvec_push(&sets, "alone");
	assert_int_equal(store_dump_begin(s, &sets, &d, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "'alone' is neither"));
	SQL(s, "DROP SEQUENCE alone");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(store_dump_parse(bad[i], strlen(bad[i]), &d,
						  NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_again),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_one_snapshot),
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_crash),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_odd),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
