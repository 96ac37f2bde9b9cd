/* SPDX-License-Identifier: MIT */
/* Copies between stores, where nothing goes wrong or rows are bad. */
#include "records-world.h"

#include <sys/resource.h>

#include "records-pace.h"
#include "store-internal.h"

static struct pg_server server;
static bool has_server;

#define A "sqlite:a.db"
#define B "sqlite:b.db"

static void copies(void **state, const char *from, const char *to,
		   unsigned int workers, int n)
{
	struct records_result r;
	struct records_state st;
	struct world w;

	world_init(&w, *state, &server, from, to, n);
	w.job.workers = workers;
	world_copy(&w, &r);
	assert_copied(&w, n);
	assert_int_equal(r.rows, n);
	{
		_cleanup_store_ struct store *s = open_url(to, w.scratch->fd);

		assert_int_equal(records_copy_state(&w.job, s, &st, NULL), 0);
		assert_true(st.complete);
		assert_int_equal(st.rows, n);
	}
	/* and once more: nothing */
	world_copy(&w, &r);
	assert_copied(&w, n);
	world_release(&w);
}

static void test_sqlite(void **state)
{
	copies(state, A, B, 1, 2345);
	copies(state, A, B, 3, 2345);
	copies(state, A, A, 2, 777);
	copies(state, A, B, 2, 0);
	copies(state, A, B, 2, 1);
	copies(state, A, B, 1, 100);
}

static void test_pg(void **state)
{
	if (!has_server)
		skip();
	copies(state, server.url, server.url, 1, 2345);
	copies(state, server.url, server.url, 3, 2345);
	copies(state, server.url, B, 2, 2345);
	copies(state, A, server.url, 2, 2345);
	copies(state, A, server.url, 2, 0);
}

static void mapped(void **state, const char *from, const char *to)
{
	static const char *const cols[] = { "id", "name", "v" };
	static const char *const expr[] = { NULL, "upper(name)", "id % 3" };
	struct records_result r;
	struct world w;

	world_init(&w, *state, &server, from, to, 500);
	w.job.from = (struct store_shape) {
		.set = "src", .ncol = 3, .nkey = 1, .col = cols, .expr = expr,
		.where = "id % 2 = 0",
	};
	w.job.batch = 0;
	world_copy(&w, &r);
	rows_at(&w, to, "SELECT count(*), min(id), max(name) FROM dst",
		"250 2 NAME 98");
	rows_at(&w, to, "SELECT * FROM dst WHERE id = 8", "8 NAME 8 2");
	world_release(&w);
}

static void test_mapped(void **state)
{
	mapped(state, A, B);
	if (has_server)
		mapped(state, server.url, B);
}

/* the rows are read by another key than they are written by */
static void test_hidden(void **state)
{
	static const char *const cols[] = { "rid", "id", "name", "v" };
	static const char *const expr[] = { "id", "1000 - id", NULL, NULL };
	struct records_result r;
	struct world w;

	world_init(&w, *state, NULL, A, B, 250);
	sql_at(&w, B, "CREATE UNIQUE INDEX dst_id ON dst (id)");
	w.job.from = (struct store_shape) {
		.set = "src", .ncol = 4, .nkey = 1, .col = cols, .expr = expr,
	};
	w.job.hidden = 1;
	w.job.conflict = STORE_REPLACE;
	world_copy(&w, &r);
	rows_at(&w, B, "SELECT count(*), min(id), max(id) FROM dst",
		"250 750 999");
	rows_at(&w, B, "SELECT * FROM dst WHERE id = 998", "998 name 2 v14");
	world_release(&w);
}

static void conflicts(void **state, const char *to)
{
	struct records_result r;
	struct world w;
	_cleanup_error_ struct error err = ERROR_INIT;

	world_init(&w, *state, &server, A, to, 300);
	sql_at(&w, to, "CREATE UNIQUE INDEX dst_id ON dst (id)");
	sql_at(&w, to, "INSERT INTO dst VALUES (150, 'old', 'old')");
	assert_int_equal(records_copy(&w.job, &r, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "row [150] of 'src'"));
	w.job.marks = "run/skip";
	sql_at(&w, to, "DELETE FROM dst WHERE id <> 150");
	w.job.conflict = STORE_SKIP;
	world_copy(&w, &r);
	rows_at(&w, to, "SELECT count(*) FROM dst", "300");
	rows_at(&w, to, "SELECT v FROM dst WHERE id = 150", "old");
	w.job.marks = "run/replace";
	w.job.conflict = STORE_REPLACE;
	world_copy(&w, &r);
	assert_copied(&w, 300);
	world_release(&w);
}

static void test_conflicts(void **state)
{
	conflicts(state, B);
	if (has_server)
		conflicts(state, server.url);
}

/* eleven of many, some of them beside each other */
static void poisoned(void **state, const char *from, const char *to, int n)
{
	struct records_result r;
	struct world w;
	_cleanup_error_ struct error err = ERROR_INIT;

	world_init(&w, *state, &server, from, to, n);
	sql_at(&w, to, "DROP TABLE dst");
	sql_at(&w, to, "CREATE TABLE dst (id bigint, name text, v text "
	       "CHECK (v <> 'bad'))");
	sql_at(&w, from, "UPDATE src SET v = 'bad' WHERE id IN (1, 2, 3, 77, "
	       "500, 501, 999, 1000, 1001, 1777, 2000)");
	w.job.batch = 400;
	w.job.quarantine = true;
	w.job.max_bad = 10;
	assert_int_equal(records_copy(&w.job, &r, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "more than 10 rows are bad"));
	w.job.max_bad = 11;
	world_copy(&w, &r);
	assert_int_equal(r.rejected, 11);
	assert_int_equal(r.rows, n);
	rows_at(&w, to, "SELECT count(*), count(DISTINCT id) FROM dst",
		n == 2000 ? "1989 1989" : "2989 2989");
	rows_at(&w, to, "SELECT count(*) FROM _upshift_reject WHERE step = "
		"'run/t' AND sqlstate = '23514'", "11");
	rows_at(&w, to, "SELECT record FROM _upshift_reject WHERE key = "
		"'[77]'", "{\"id\":77,\"name\":\"name 77\",\"v\":\"bad\"}");
	world_release(&w);
}

static void test_poisoned(void **state)
{
	poisoned(state, A, B, 2000);
	poisoned(state, A, B, 3000);
	if (has_server) {
		poisoned(state, server.url, server.url, 3000);
		poisoned(state, A, server.url, 3000);
	}
}

/* what the source itself cannot give */
static void test_unreadable(void **state)
{
	static const char *const expr[] = { NULL, NULL, "v::int" };
	struct records_result r;
	struct world w;
	_cleanup_error_ struct error err = ERROR_INIT;

	if (!has_server)
		skip();
	world_init(&w, *state, &server, server.url, B, 1000);
	w.job.from.expr = expr;
	sql_at(&w, server.url, "UPDATE src SET v = id");
	sql_at(&w, server.url, "UPDATE src SET v = 'x' WHERE id IN (1, 2, 300, "
	       "1000)");
	assert_int_equal(records_copy(&w.job, &r, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "row ["));
	w.job.quarantine = true;
	w.job.max_bad = 4;
	world_copy(&w, &r);
	assert_int_equal(r.rejected, 4);
	rows_at(&w, B, "SELECT count(*), sum(v) FROM dst", "996 499197");
	rows_at(&w, B, "SELECT key, sqlstate FROM _upshift_reject ORDER BY "
		"length(key), key", "[1] 22P02|[2] 22P02|[300] 22P02|"
		"[1000] 22P02");
	world_release(&w);
}

static void test_undo(void **state)
{
	struct records_undone u;
	struct records_result r;
	struct world w;

	if (!has_server)
		skip();
	world_init(&w, *state, &server, A, server.url, 5000);
	sql_at(&w, server.url, "CREATE UNIQUE INDEX dst_id ON dst (id)");
	sql_at(&w, server.url, "INSERT INTO dst SELECT i, 'old', 'o' || i FROM "
	       "generate_series(1, 9000, 3) i");
	sql_at(&w, server.url, "DROP TABLE IF EXISTS dst_was");
	sql_at(&w, server.url, "CREATE TABLE dst_was AS TABLE dst");
	w.job.conflict = STORE_REPLACE;
	w.job.undo = true;
	world_copy(&w, &r);
	rows_at(&w, server.url, "SELECT count(*) FROM dst WHERE name = 'old'",
		"1333");
	/* by others: one that was, one that came, one deleted of each, one
	   new */
	sql_at(&w, server.url, "UPDATE dst SET v = 'new' WHERE id IN (4, 5)");
	sql_at(&w, server.url, "DELETE FROM dst WHERE id IN (7, 8)");
	sql_at(&w, server.url, "INSERT INTO dst VALUES (-1, 'new', 'new')");
	assert_int_equal(records_copy_undo(&w.job, &u, NULL), 0);
	assert_int_equal(u.kept, 3);
	assert_int_equal(u.deleted, 5000 - 1667 - 2);
	assert_int_equal(u.restored, 1667 - 2);
	{
		_cleanup_free_ char *keys = joined(&u.keys);

		assert_string_equal(keys, "[4] [5] [7]");
	}
	records_undone_release(&u);
	rows_at(&w, server.url, "SELECT * FROM (TABLE dst EXCEPT TABLE "
		"dst_was) d ORDER BY 1", "-1 new new|4 name 4 new|5 name 5 new");
	rows_at(&w, server.url, "SELECT id FROM (TABLE dst_was EXCEPT TABLE "
		"dst) d ORDER BY 1", "4|7");
	rows_at(&w, server.url, "SELECT count(*) FROM _upshift_range", "0");
	/* again: nothing; and it can be done once more */
	assert_int_equal(records_copy_undo(&w.job, &u, NULL), 0);
	assert_int_equal(u.kept + u.deleted + u.restored, 0);
	records_undone_release(&u);
	w.job.conflict = STORE_SKIP;
	world_copy(&w, &r);
	rows_at(&w, server.url, "SELECT v FROM dst WHERE id = 10", "o10");
	assert_int_equal(records_copy_undo(&w.job, &u, NULL), 0);
	assert_int_equal(u.kept, 0);
	records_undone_release(&u);
	rows_at(&w, server.url, "SELECT count(*) FROM (TABLE dst EXCEPT TABLE "
		"dst_was) d", "3");
	world_release(&w);
}

/* a set that was empty needs no undo table */
static void test_undo_empty(void **state)
{
	struct records_undone u;
	struct records_result r;
	struct world w;

	if (!has_server)
		skip();
	world_init(&w, *state, &server, A, server.url, 3000);
	sql_at(&w, A, "UPDATE src SET v = NULL WHERE id = 9");
	world_copy(&w, &r);
	sql_at(&w, server.url, "UPDATE dst SET v = 'new' WHERE id = 4");
	sql_at(&w, server.url, "INSERT INTO dst VALUES (-1, 'new', 'new')");
	assert_int_equal(records_copy_undo(&w.job, &u, NULL), 0);
	assert_int_equal(u.deleted, 2999);
	assert_int_equal(u.kept, 2);
	records_undone_release(&u);
	rows_at(&w, server.url, "SELECT * FROM dst ORDER BY id",
		"-1 new new|4 name 4 new");
	world_release(&w);
}

static void test_sequences(void **state)
{
	struct records_result r;
	struct world w;

	if (!has_server)
		skip();
	world_init(&w, *state, &server, A, server.url, 50);
	sql_at(&w, server.url, "DROP TABLE dst");
	sql_at(&w, server.url, "DROP SEQUENCE IF EXISTS orphan");
	sql_at(&w, server.url, "CREATE SEQUENCE orphan");
	sql_at(&w, server.url, "CREATE TABLE dst (id bigint DEFAULT "
	       "nextval('orphan'), name text, v text, s serial, "
	       "i int GENERATED BY DEFAULT AS IDENTITY)");
	world_copy(&w, &r);
	rows_at(&w, server.url, "SELECT nextval('orphan'), "
		"nextval('dst_s_seq'), nextval('dst_i_seq')", "51 51 51");
	sql_at(&w, server.url, "DELETE FROM dst");
	world_copy(&w, &r); /* an empty set leaves them as they are */
	rows_at(&w, server.url, "SELECT nextval('orphan')", "52");
	world_release(&w);
}

static void backfills(void **state, const char *url)
{
	static const char *const key[] = { "id" };
	const char *const sql[] = {
		"UPDATE dst SET v = 'w' || id WHERE ($1 IS NULL OR id > $1) "
		"AND id <= $2", "INSERT INTO src SELECT 100000 + id, name, v "
		"FROM dst WHERE ($1 IS NULL OR id > $1) AND id <= $2" };
	const char *const pg[] = {
		"UPDATE dst SET v = 'w' || id WHERE ($1::bigint IS NULL OR "
		"id > $1) AND id <= $2", "INSERT INTO src SELECT 100000 + id, "
		"name, v FROM dst WHERE ($1::bigint IS NULL OR id > $1) AND "
		"id <= $2" };
	struct records_undone u;
	struct records_result r;
	struct world w;

	world_init(&w, *state, &server, url, url, 1000);
	sql_at(&w, url, "INSERT INTO dst SELECT * FROM src");
	sql_at(&w, url, "DELETE FROM src");
	w.job.from = (struct store_shape) {
		.set = "dst", .ncol = 1, .nkey = 1, .col = key,
	};
	w.job.until = "[900]";
	w.job.sql = url == server.url ? pg : sql;
	w.job.sql_n = 2;
	w.job.undo = true;
	w.job.workers = 2;
	world_copy(&w, &r);
	assert_int_equal(r.rows, 900);
	rows_at(&w, url, "SELECT count(*) FROM dst WHERE v = 'w' || id",
		"900");
	rows_at(&w, url, "SELECT count(*), max(id) FROM src", "900 100900");
	if (url == server.url) {
		sql_at(&w, url, "UPDATE dst SET v = 'x' WHERE id = 17");
		assert_int_equal(records_copy_undo(&w.job, &u, NULL), 0);
		assert_int_equal(u.restored, 899);
		assert_int_equal(u.kept, 1);
		records_undone_release(&u);
		rows_at(&w, url, "SELECT count(*) FROM dst WHERE v = 'v' || "
			"id * 7", "999");
	}
	world_release(&w);
}

static void test_backfill(void **state)
{
	backfills(state, A);
	if (has_server)
		backfills(state, server.url);
}

static int soon_stop(void *ctx, const struct records_status *st)
{
	return st->rows >= 1000 ? -EINTR : world_tick(ctx, st);
}

static void test_stop(void **state)
{
	struct records_result r;
	struct world w;
	_cleanup_error_ struct error err = ERROR_INIT;

	world_init(&w, *state, NULL, A, B, 20000);
	w.job.tick = soon_stop;
	w.job.pause_ms = 1;
	assert_int_equal(records_copy(&w.job, &r, &err), -EINTR);
	assert_true(r.rows >= 1000 && r.rows < 20000);
	w.job.tick = world_tick;
	w.job.pause_ms = 0;
	world_copy(&w, &r);
	assert_copied(&w, 20000);
	world_release(&w);
}

/* rows of SQLite by their numbers: each once, and none behind a VACUUM, which
   gives them others */
static void test_rowid(void **state)
{
	static const char *const key[] = { "rowid" };
	static const char *const sql[] = { "UPDATE dst SET v = v || '+' "
		"WHERE ($1 IS NULL OR rowid > $1) AND rowid <= $2" };
	_cleanup_error_ struct error err = ERROR_INIT;
	struct records_result r;
	struct world w;

	world_init(&w, *state, NULL, A, A, 20000);
	sql_at(&w, A, "INSERT INTO dst SELECT * FROM src");
	w.job.from = (struct store_shape) {
		.set = "dst", .ncol = 1, .nkey = 1, .col = key,
	};
	w.job.sql = sql;
	w.job.sql_n = 1;
	w.job.by_rowid = true;
	for (int vacuum = 0; vacuum < 2; vacuum++) {
		w.job.marks = vacuum ? "again" : "once";
		w.last = 0;
		w.job.tick = soon_stop;
		w.job.pause_ms = 1;
		assert_int_equal(records_copy(&w.job, &r, &err), -EINTR);
		error_release(&err);
		assert_true(r.rows >= 1000 && r.rows < 20000);
		w.job.tick = world_tick;
		w.job.pause_ms = 0;
		if (!vacuum) {
			world_copy(&w, &r);
			rows_at(&w, A, "SELECT count(*) FROM dst WHERE v = 'v' "
				"|| (id * 7) || '+'", "20000");
			continue;
		}
		sql_at(&w, A, "DELETE FROM dst WHERE id = 2");
		sql_at(&w, A, "VACUUM");
		assert_int_equal(records_copy(&w.job, &r, &err), -EINVAL);
		assert_non_null(strstr(err.msg, "schema"));
	}
	world_release(&w);
}

/* held at once, for a while, and then no more */
static int hold_some(void *ctx, const struct records_status *st)
{
	struct world *w = ctx;

	if (!w->hold)
		return 1 + (w->hold = 1);
	if (w->hold > 3)
		return 0;
	assert_int_equal(st->bound, RECORDS_BOUND_THROTTLE);
	w->hold++;
	return w->hold <= 3;
}

static void test_throttle(void **state)
{
	struct records_result r;
	struct world w;

	world_init(&w, *state, &server, A, B, 3000);
	w.job.tick = hold_some;
	/* so many batches that the first look comes before the last of them */
	w.job.batch = 20;
	w.job.pause_ms = 10;
	world_copy(&w, &r);
	assert_int_equal(w.hold, 4);
	assert_copied(&w, 3000);
	world_release(&w);
}

static void test_pace(_unused_ void **state)
{
	struct records_pace p;

	records_pace_init(&p, 0);
	assert_int_equal(records_pace_next(&p), 100); /* not seen any */
	records_pace_add(&p, 100, 10000, 0.01);
	assert_int_equal(records_pace_next(&p), 2000); /* far below 0.8 s */
	records_pace_add(&p, 2000, 200000, 0.15);
	assert_int_equal(records_pace_next(&p), 4000);
	records_pace_add(&p, 4000, 400000, 0.3);
	assert_int_equal(records_pace_next(&p), 4800);
	for (int i = 0; i < 60; i++) /* 10 us a row: 76,000 in 0.76 s */
		records_pace_add(&p, records_pace_next(&p),
				 records_pace_next(&p) * 100ull,
				 records_pace_next(&p) / 100000.0);
	assert_in_range(records_pace_next(&p), 70000, 77000);
	for (int i = 0; i < 60; i++) /* then ten times as slow */
		records_pace_add(&p, records_pace_next(&p),
				 records_pace_next(&p) * 100ull,
				 records_pace_next(&p) / 10000.0);
	assert_in_range(records_pace_next(&p), 6500, 7700);
	records_pace_add(&p, 7000, 7000ull * 100000, 0.1);
	assert_in_range(records_pace_next(&p), 80, 84); /* 8 MiB */
	records_pace_halve(&p, 80);
	assert_int_equal(records_pace_next(&p), 40);
	records_pace_init(&p, 500);
	records_pace_halve(&p, 500);
	assert_int_equal(records_pace_next(&p), 250);
	for (int i = 0; i < 10; i++)
		records_pace_add(&p, 250, 2500, 9);
	assert_int_equal(records_pace_next(&p), 500);
	for (int i = 0; i < 12; i++)
		records_pace_halve(&p, records_pace_next(&p));
	assert_int_equal(records_pace_next(&p), 1);
}

/* what a process needs at most to copy rows of a megabyte, in MiB */
static long peak_mb(struct world *w, bool verify)
{
	struct rusage u;
	int st;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct records_result r;
		struct store_digest d;

		if (verify) {
			_cleanup_store_ struct store *s = open_url(
				w->job.from_url, w->scratch->fd);

			if (store_digest_by_scan(s, &w->job.from, NULL, NULL,
						 &d, NULL) < 0)
				_exit(1);
			_exit(0);
		}
		_exit(records_copy(&w->job, &r, NULL) < 0);
	}
	assert_int_equal(wait4(pid, &st, 0, &u), pid);
	assert_int_equal(st, 0);
	return u.ru_maxrss / 1024;
}

static void wide(void **state, const char *from, const char *to,
		 uint32_t batch)
{
	const char *text = from == server.url ? "repeat('x', 1000000)" :
		"replace(hex(zeroblob(500000)), '00', 'xy')";
	_cleanup_free_ char *sql = xasprintf("UPDATE src SET v = %s "
		"WHERE id > 120", text);
	struct world w;

	/* small ones first, so that a batch is large when they come */
	world_init(&w, *state, &server, from, to, 260);
	sql_at(&w, from, sql);
	w.job.batch = batch;
	w.job.workers = 2;
	assert_in_range(peak_mb(&w, false), 1, 127);
	assert_copied(&w, 260);
	assert_in_range(peak_mb(&w, true), 1, 127);
	world_release(&w);
}

static void test_wide(void **state)
{
	wide(state, A, B, 300);
	if (has_server) {
		wide(state, server.url, server.url, 300);
		wide(state, server.url, B, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_scratch(test_sqlite),
		with_scratch(test_pg),
		with_scratch(test_mapped),
		with_scratch(test_hidden),
		with_scratch(test_conflicts),
		with_scratch(test_poisoned),
		with_scratch(test_unreadable),
		with_scratch(test_undo),
		with_scratch(test_undo_empty),
		with_scratch(test_sequences),
		with_scratch(test_backfill),
		with_scratch(test_stop),
		with_scratch(test_rowid),
		with_scratch(test_throttle),
		with_scratch(test_wide),
		cmocka_unit_test(test_pace),
	};
	int ret;

#ifdef HAVE_PG
	has_server = pg_setup(&server);
#endif
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	pg_teardown(&server);
	return ret;
}
