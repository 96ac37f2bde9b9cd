/* SPDX-License-Identifier: MIT */
/*
 * Copies and backfills that are killed, that have rivals, whose server dies,
 * with rows that nobody takes: every row is there once. Going back, killed.
 * UPSHIFT_TEST_ROWS and UPSHIFT_TEST_KILLS ask for more of it, ONLY for one of
 * them (a pattern).
 */
#include "records-world.h"

#include <time.h>

#include "base/clock.h"
#include "records-retry.h"

static struct pg_server server;
static bool has_server;

#define A "sqlite:a.db"
#define B "sqlite:b.db"

static int asked(const char *name, int otherwise)
{
	const char *text = getenv(name);

	return text ? atoi(text) : otherwise;
}

static int do_copy(struct world *w, struct error *err)
{
	struct records_result r;

	return records_copy(&w->job, &r, err);
}

/* the first key that others have changed, if any */
static int do_undo(struct world *w, struct error *err)
{
	struct records_undone u;
	int ret = records_copy_undo(&w->job, &u, err);

	if (ret == 0 && u.kept)
		ret = u.keys.n && !strcmp(u.keys.v[0], "[77]") ? 0 : -EINVAL;
	return ret;
}

static pid_t start(struct world *w,
		   int (*fn)(struct world *w, struct error *err))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct error err = ERROR_INIT;

		if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
		    fn(w, &err) == 0)
			_exit(0);
		dprintf(2, "%s\n", err.msg ? err.msg : "failed");
		_exit(1);
	}
	return pid;
}

static pid_t start_copy(struct world *w)
{
	return start(w, do_copy);
}

/* rows whose batches are in the destination by now; 0 before the first */
static long long went_through(struct world *w)
{
	_cleanup_store_ struct store *s = open_url(w->job.to_url,
						   w->scratch->fd);
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_free_ char *text = NULL;

	if (store_exec(s, "SELECT coalesce(sum(nrows), 0) FROM _upshift_range",
		       NULL, &b, NULL) != 1)
		return 0;
	text = xstrndup(b.buf + b.cell[0].off, (size_t)b.cell[0].len);
	return atoll(text);
}

/* killed when so many rows are seen; false: it had come to its end */
static bool kill_at(struct world *w, pid_t pid, long long rows,
		    long long (*seen)(struct world *w))
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	int st;

	while (seen(w) < rows) {
		if (waitpid(pid, &st, WNOHANG) == pid) {
			assert_int_equal(st, 0);
			return false;
		}
		(void)nanosleep(&ms, NULL);
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &st, 0), pid);
	return WIFSIGNALED(st);
}

/* the same where these are not all */
static void kill_behind(struct world *w, pid_t pid, long long rows,
			long long (*seen)(struct world *w))
{
	assert_true(kill_at(w, pid, rows, seen));
}

static void await_copy(pid_t pid)
{
	int st;

	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_int_equal(st, 0);
}

/* each kill comes when the copy has got on since the one before */
static void killed(void **state, const char *from, const char *to)
{
	int n = asked("UPSHIFT_TEST_ROWS", 20000);
	int kills = asked("UPSHIFT_TEST_KILLS", 8);
	struct world w;

	world_init(&w, *state, &server, from, to, n);
	w.job.batch = 200;
	srandom(7);
	for (int i = 0; i < kills; i++)
		kill_behind(&w, start_copy(&w), went_through(&w) + 1 +
			    random() % (n / kills / 4 + 1), went_through);
	assert_true(went_through(&w) < n);
	await_copy(start_copy(&w));
	assert_copied(&w, n);
	world_release(&w);
}

/* statements that count how often a row was theirs */
static void filled(void **state, const char *url)
{
	static const char *const key[] = { "id" };
	const char *const pg = "UPDATE dst SET v = CAST(CAST(v AS int) + 1 AS "
		"text) WHERE ($1::bigint IS NULL OR id > $1) AND id <= $2";
	const char *const lite = "UPDATE dst SET v = CAST(CAST(v AS int) + 1 "
		"AS text) WHERE ($1 IS NULL OR id > $1) AND id <= $2";
	const char *const sql[] = { url == server.url ? pg : lite };
	int n = asked("UPSHIFT_TEST_ROWS", 20000);
	int kills = asked("UPSHIFT_TEST_KILLS", 8);
	_cleanup_free_ char *expect = xasprintf("%d 1 1", n);
	struct world w;

	world_init(&w, *state, &server, url, url, n);
	sql_at(&w, url, "CREATE UNIQUE INDEX dst_id ON dst (id)");
	sql_at(&w, url, "INSERT INTO dst SELECT id, name, '0' FROM src");
	w.job.from = (struct store_shape) {
		.set = "dst", .ncol = 1, .nkey = 1, .col = key,
	};
	w.job.sql = sql;
	w.job.sql_n = 1;
	w.job.batch = 200;
	srandom(11);
	for (int i = 0; i < kills; i++)
		kill_behind(&w, start_copy(&w), went_through(&w) + 1 +
			    random() % (n / kills / 4 + 1), went_through);
	assert_true(went_through(&w) < n);
	await_copy(start_copy(&w));
	rows_at(&w, url, "SELECT count(*), min(CAST(v AS int)), "
		"max(CAST(v AS int)) FROM dst", expect);
	world_release(&w);
}

static void test_backfill_killed(void **state)
{
	filled(state, A);
	if (has_server)
		filled(state, server.url);
}

static void test_killed(void **state)
{
	killed(state, A, B);
	if (has_server) {
		killed(state, server.url, server.url);
		killed(state, server.url, B);
	}
}

/* one of them is killed, and begins again */
static void rivals(void **state, const char *from, const char *to, int n)
{
	int kills = asked("UPSHIFT_TEST_KILLS", 4);
	struct world w;
	pid_t pid[2];

	world_init(&w, *state, &server, from, to, n);
	for (int i = 0; i < 2; i++) {
		w.job.workers = 1 + (unsigned int)i; /* and other cuts */
		pid[i] = start_copy(&w);
	}
	srandom(13);
	for (int i = 0; i < kills; i++) {
		int which = (int)(random() % 2);
		bool killed = kill_at(&w, pid[which], went_through(&w) + 1 +
				      random() % (n / kills / 4 + 1),
				      went_through);

		w.job.workers = 1 + (unsigned int)which;
		pid[which] = start_copy(&w);
		if (!killed)
			break;
	}
	await_copy(pid[0]);
	await_copy(pid[1]);
	assert_copied(&w, n);
	world_release(&w);
}

static void test_rivals(void **state)
{
	rivals(state, A, B, asked("UPSHIFT_TEST_ROWS", 5000));
	if (has_server)
		rivals(state, server.url, server.url,
		       asked("UPSHIFT_TEST_ROWS", 20000));
}

/* a number, from a server that may be coming back */
static int number_at(struct world *w, const char *sql)
{
	struct store_options o = { .root_fd = w->scratch->fd };

	for (;;) {
		_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
		_cleanup_store_ struct store *s = NULL;

		if (store_open(w->job.to_url, &o, &s, NULL) == 0 &&
		    store_exec(s, sql, NULL, &b, NULL) == 1)
			return (int)store_batch_int(&b, 0, 0);
	}
}

/* rows that are there by now */
static int copied(struct world *w)
{
	return number_at(w, "SELECT count(*) FROM dst");
}

/* rows that are as the copy left them */
static long long taken_back(struct world *w)
{
	_cleanup_store_ struct store *s = open_url(w->job.to_url, 0);
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	assert_int_equal(store_exec(s, "SELECT -count(*) FROM dst WHERE "
				    "name LIKE 'name%'", NULL, &b, NULL), 1);
	return atoll(b.buf);
}

/* undone, but for a row that somebody has changed */
static void undo_killed(void **state, int n, bool old)
{
	struct world w;

	world_init(&w, *state, &server, A, server.url, n);
	sql_at(&w, server.url, "CREATE UNIQUE INDEX dst_id ON dst (id)");
	if (old)
		sql_at(&w, server.url, "INSERT INTO dst SELECT i, 'old', 'old' "
		       "FROM generate_series(3, 60000, 3) i");
	w.job.undo = old;
	w.job.conflict = old ? STORE_REPLACE : STORE_ERROR;
	w.job.batch = 5000;
	await_copy(start_copy(&w));
	sql_at(&w, server.url, "UPDATE dst SET v = 'mine' WHERE id = 77");
	for (int i = 0; i < 3; i++)
		kill_behind(&w, start(&w, do_undo), taken_back(&w) + 1,
			    taken_back);
	await_copy(start(&w, do_undo));
	rows_at(&w, server.url, "SELECT * FROM dst WHERE name <> 'old'",
		"77 name 77 mine");
	rows_at(&w, server.url, "SELECT count(*), count(nullif(v, 'old')) FROM "
		"dst", old ? "20001 1" : "1 1");
	rows_at(&w, server.url, "SELECT count(*) FROM pg_tables WHERE "
		"tablename LIKE '\\_upshift\\_undo%' OR tablename LIKE "
		"'\\_upshift\\_back%'", "0");
	world_release(&w);
}

static void test_undo_killed(void **state)
{
	if (!has_server)
		skip();
	undo_killed(state, 30000, false);
	undo_killed(state, 150000, true);
}

/* eleven among very many */
static void poisoned(void **state, const char *from, const char *to)
{
	int n = asked("UPSHIFT_TEST_ROWS", 20000);
	_cleanup_free_ char *expect = xasprintf("%d %d", n - 11, n - 11);
	struct records_result r;
	struct world w;
	_cleanup_error_ struct error err = ERROR_INIT;

	world_init(&w, *state, &server, from, to, n);
	sql_at(&w, to, "DROP TABLE dst");
	sql_at(&w, to, "CREATE TABLE dst (id bigint, name text, v text "
	       "CHECK (v <> 'bad'))");
	sql_at(&w, from, "UPDATE src SET v = 'bad' WHERE id IN (1, 4999, 5000, "
	       "5001, 8191, 8192, 12345, 15000, 19000, 19998, "
	       "(SELECT max(id) FROM src))");
	w.job.batch = 0;
	w.job.quarantine = true;
	w.job.max_bad = 10;
	assert_int_equal(records_copy(&w.job, &r, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "more than 10 rows are bad"));
	w.job.max_bad = 11;
	world_copy(&w, &r);
	assert_int_equal(r.rejected, 11);
	assert_int_equal(r.rows, n);
	rows_at(&w, to, "SELECT count(*), count(DISTINCT id) FROM dst", expect);
	rows_at(&w, to, "SELECT count(*) FROM _upshift_reject WHERE step = "
		"'run/t' AND sqlstate = '23514' AND key IN ('[1]', '[4999]', "
		"'[5000]', '[5001]', '[8191]', '[8192]', '[12345]', '[15000]', "
		"'[19000]', '[19998]')", "10");
	world_release(&w);
}

static void test_poisoned(void **state)
{
	poisoned(state, A, B);
	if (has_server) {
		poisoned(state, server.url, server.url);
		poisoned(state, A, server.url);
	}
}

static int do_retry(struct world *w, struct error *err)
{
	struct records_retried r;
	int ret = records_retry(&w->job, NULL, &r, err);

	records_retried_release(&r);
	return ret < 0 ? ret : r.left ? -EINVAL : 0;
}

static long long mended(struct world *w)
{
	_cleanup_store_ struct store *s = open_url(w->job.to_url,
						   w->scratch->fd);
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	assert_int_equal(store_exec(s, "SELECT count(*) FROM dst WHERE v = "
				    "'good'", NULL, &b, NULL), 1);
	return atoll(b.buf);
}

/* many that were refused are mended, and tried again by one that is killed */
static void retried(void **state, const char *from, const char *to)
{
	struct records_result r;
	struct world w;

	world_init(&w, *state, &server, from, to, 1200);
	sql_at(&w, to, "DROP TABLE dst");
	sql_at(&w, to, "CREATE TABLE dst (id bigint, name text, v text "
	       "CHECK (v <> 'bad'))");
	sql_at(&w, from, "UPDATE src SET v = 'bad' WHERE id % 2 = 0");
	w.job.batch = 50;
	w.job.quarantine = true;
	w.job.max_bad = 600;
	world_copy(&w, &r);
	assert_int_equal(r.rejected, 600);
	sql_at(&w, from, "UPDATE src SET v = 'good' WHERE v = 'bad'");
	for (int i = 0; i < 5; i++)
		kill_behind(&w, start(&w, do_retry), mended(&w) + 1, mended);
	await_copy(start(&w, do_retry));
	rows_at(&w, to, "SELECT count(*) FROM _upshift_reject", "0");
	assert_copied(&w, 1200);
	world_release(&w);
}

/* Ranges go by their last keys alone; the row that spoils one is found all the
   same, and the others are done once. */
static void spoiled(void **state, const char *url)
{
	static const char *const key[] = { "id" };
	static const char *const pg[] = { "UPDATE dst SET v = v || '+' WHERE "
		"($1::bigint IS NULL OR id > $1) AND id <= $2" };
	static const char *const sql[] = { "UPDATE dst SET v = v || '+' WHERE "
		"($1 IS NULL OR id > $1) AND id <= $2" };
	struct records_result r;
	struct world w;

	world_init(&w, *state, &server, url, url, 1000);
	sql_at(&w, url, "DROP TABLE dst");
	sql_at(&w, url, "CREATE TABLE dst (id bigint PRIMARY KEY, name text, "
	       "v text, CHECK (v <> 'bad+'))");
	sql_at(&w, url, "INSERT INTO dst SELECT id, name, CASE WHEN id IN "
	       "(1, 340, 341, 555, 1000) THEN 'bad' ELSE 'v' END FROM src");
	w.job.from = (struct store_shape) {
		.set = "dst", .ncol = 1, .nkey = 1, .col = key,
	};
	w.job.sql = url == server.url ? pg : sql;
	w.job.sql_n = 1;
	w.job.batch = 90;
	w.job.quarantine = true;
	w.job.max_bad = 5;
	world_copy(&w, &r);
	assert_int_equal(r.rows, 1000);
	assert_int_equal(r.rejected, 5);
	rows_at(&w, url, "SELECT v, count(*) FROM dst GROUP BY v ORDER BY v",
		"bad 5|v+ 995");
	rows_at(&w, url, "SELECT count(*), count(DISTINCT key) FROM "
		"_upshift_reject WHERE key IN ('[1]', '[340]', '[341]', "
		"'[555]', '[1000]')", "5 5");
	world_release(&w);
}

static void test_spoiled(void **state)
{
	spoiled(state, A);
	if (has_server)
		spoiled(state, server.url);
}

static void test_retried(void **state)
{
	retried(state, A, B);
	if (has_server) {
		retried(state, server.url, server.url);
		retried(state, A, server.url);
	}
}

static const char a_backend[] =
	"SELECT coalesce(max(pid), 0) FROM pg_stat_activity WHERE "
	"query LIKE '%dst%' AND pid <> pg_backend_pid()";

/* the server goes, at once and in order, and comes back */
static void test_server(void **state)
{
	static const int how[] = { SIGQUIT, SIGINT, SIGKILL, 0 };
	int n = asked("UPSHIFT_TEST_ROWS", 30000);
	int times = asked("UPSHIFT_TEST_KILLS", 4);
	struct world w;
	pid_t pid;

	if (!has_server)
		skip();
	world_init(&w, *state, &server, server.url, server.url, n);
	w.job.pause_ms = 1;
	pid = start_copy(&w);
	for (int i = 0; i < times; i++) {
		int sig = how[(size_t)i % ARRAY_SIZE(how)];
		int before = copied(&w);

		while (copied(&w) == before && before < n)
			;
		if (before == n)
			break;
		/* one of its processes, and it starts the others anew */
		if (!sig) {
			pid_t victim = number_at(&w, a_backend);

			if (victim > 1)
				(void)kill(victim, SIGKILL);
			continue;
		}
		pg_stop(&server, sig);
		pg_start(&server);
	}
	await_copy(pid);
	assert_copied(&w, n);
	world_release(&w);
}

/* connections that the server ends, under all workers, again and again */
static void test_connections(void **state)
{
	const int n = 20000;
	struct world w;
	int cut = 0, st;
	pid_t pid;

	if (!has_server)
		skip();
	world_init(&w, *state, &server, server.url, server.url, n);
	w.job.undo = true;
	sql_at(&w, server.url, "CREATE UNIQUE INDEX dst_id ON dst (id)");
	pid = start_copy(&w);
	while (waitpid(pid, &st, WNOHANG) == 0 && cut++ < 20)
		sql_at(&w, server.url, "SELECT count(pg_terminate_backend(pid))"
		       " FROM pg_stat_activity WHERE query LIKE '%dst%' AND "
		       "pid <> pg_backend_pid()");
	if (cut >= 20)
		await_copy(pid);
	else
		assert_int_equal(st, 0);
	assert_copied(&w, n);
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_scratch(test_killed),
		with_scratch(test_backfill_killed),
		with_scratch(test_undo_killed),
		with_scratch(test_poisoned),
		with_scratch(test_spoiled),
		with_scratch(test_retried),
		with_scratch(test_rivals),
		with_scratch(test_server),
		with_scratch(test_connections),
	};
	int ret;

	cmocka_set_test_filter(getenv("ONLY"));
#ifdef HAVE_PG
	has_server = pg_setup(&server);
#endif
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	pg_teardown(&server);
	return ret;
}
