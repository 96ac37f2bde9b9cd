/* SPDX-License-Identifier: MIT */
/*
 * A source that others go on writing: while it is copied and drained, and
 * while whoever does that is killed; in the end both sides are the same.
 */
#include "records-world.h"

#include <time.h>

#include "records-live.h"

static struct pg_server server;
static bool has_server;

#define A "sqlite:a.db"
#define B "sqlite:b.db"
#define ROWS 4000
#define WRITERS 3

static volatile sig_atomic_t stop;

static void on_term(_unused_ int sig)
{
	stop = 1;
}

/* one of the application's: what it could do to a row, and several at once */
static void write_on(struct world *w, unsigned int seed)
{
	_cleanup_store_ struct store *s = open_url(w->job.from_url,
						   w->scratch->fd);

	srandom(seed);
	while (!stop) {
		long id = random() % (ROWS * 2), other = random() % ROWS;
		_cleanup_strvec_ struct strvec sql = STRVEC_INIT;
		int ret;

		switch (random() % 6) {
		case 0:
			strvec_pushf(&sql, "INSERT INTO src VALUES (%ld, 'n', "
				     "'%ld') ON CONFLICT (id) DO UPDATE SET v "
				     "= excluded.v", id, random());
			break;
		case 1:
			strvec_pushf(&sql, "DELETE FROM src WHERE id = %ld",
				     id);
			break;
		case 2: /* a key moves */
			strvec_pushf(&sql, "UPDATE src SET id = id + %d WHERE "
				     "id = %ld", 3 * ROWS, other);
			break;
		case 3:
			strvec_pushf(&sql, "UPDATE src SET v = '%ld' WHERE id "
				     "BETWEEN %ld AND %ld", random(), other,
				     other + 20);
			break;
		case 4: /* there and gone again */
			strvec_pushf(&sql, "INSERT INTO src VALUES (%ld, 'n', "
				     "'x') ON CONFLICT (id) DO NOTHING", id);
			strvec_pushf(&sql, "DELETE FROM src WHERE id = %ld",
				     id);
			break;
		default:
			strvec_pushf(&sql, "UPDATE src SET name = name || '+' "
				     "WHERE id = %ld", other);
			break;
		}
		ret = store_begin(s, true, NULL);
		for (size_t i = 0; ret >= 0 && i < sql.n; i++)
			ret = store_exec(s, sql.v[i], NULL, NULL, NULL);
		if (ret >= 0 && random() % 8)
			(void)store_commit(s, NULL);
		else
			store_abort(s);
	}
}

/* SQLite has one at a time, and does not let them queue */
static unsigned int writers(const struct world *w)
{
	return str_starts(w->job.from_url, "sqlite") ? 1 : WRITERS;
}

static void start_writers(struct world *w, pid_t *pid)
{
	for (unsigned int i = 0; i < writers(w); i++) {
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (pid[i])
			continue;
		(void)signal(SIGTERM, on_term);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		write_on(w, i + 1);
		_exit(0);
	}
}

static void stop_writers(const struct world *w, const pid_t *pid)
{
	int st;

	for (unsigned int i = 0; i < writers(w); i++)
		(void)kill(pid[i], SIGTERM);
	for (unsigned int i = 0; i < writers(w); i++) {
		assert_int_equal(waitpid(pid[i], &st, 0), pid[i]);
		assert_true(WIFEXITED(st) || WTERMSIG(st) == SIGTERM);
	}
}

static uint64_t drain(struct world *w, bool owner)
{
	const struct records_job *job = &w->job;
	struct records_drain d = { .job = &job, .owner = &owner, .n = 1,
				   .scratch_fd = w->scratch->fd };
	_cleanup_error_ struct error err = ERROR_INIT;
	struct records_drained got;

	if (records_drain(&d, &got, &err) < 0)
		fail_msg("%s", err.msg);
	return got.entries;
}

static void capture(struct world *w, bool on)
{
	_cleanup_store_ struct store *s = open_url(w->job.from_url,
						   w->scratch->fd);
	_cleanup_error_ struct error err = ERROR_INIT;
	int ret = on ? records_capture_begin(&w->job, s, &err) :
		  records_capture_end(&w->job, s, &err);

	if (ret < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(records_capture_there(&w->job, s, NULL), on);
}

static void live_init(struct world *w, void **state, const char *from,
		      const char *to, int n)
{
	world_init(w, *state, &server, from, to, n);
	capture(w, false);
	sql_at(w, to, "CREATE UNIQUE INDEX dst_id ON dst (id)");
	w->job.live = true;
	w->job.batch = 50;
	capture(w, true);
}

/* both sides, and nothing of ours in the source */
static void assert_ended(struct world *w)
{
	_cleanup_store_ struct store *from = open_url(w->job.from_url,
						      w->scratch->fd);
	_cleanup_store_ struct store *to = open_url(w->job.to_url,
						    w->scratch->fd);
	struct store_digest a, b;

	assert_int_equal(store_digest(from, &w->job.from, NULL, NULL, &a,
				      NULL), 0);
	assert_int_equal(store_digest(to, &w->job.to, NULL, NULL, &b, NULL),
			 0);
	assert_int_equal(a.n, b.n);
	assert_true(a.sum == b.sum);
	capture(w, false);
	if (!strcmp(store_scheme(from), "pg"))
		assert_rows(from, "SELECT (SELECT count(*) FROM pg_proc WHERE "
			    "proname ~ '^_upshift_delta') + (SELECT count(*) "
			    "FROM pg_trigger WHERE tgname ~ '^_upshift') + "
			    "(SELECT count(*) FROM pg_class WHERE relname ~ "
			    "'^_upshift_delta')", "0");
	else
		assert_rows(from, "SELECT count(*) FROM sqlite_schema WHERE "
			    "name GLOB '_upshift_delta*'", "0");
}

static void under_writers(void **state, const char *from, const char *to)
{
	struct records_result r;
	struct world w;
	pid_t pid[WRITERS];

	live_init(&w, state, from, to, ROWS);
	start_writers(&w, pid);
	world_copy(&w, &r);
	for (int i = 0; i < 5; i++)
		assert_true(drain(&w, true) > 0 || i > 0);
	stop_writers(&w, pid);
	(void)drain(&w, true);
	assert_int_equal(drain(&w, true), 0);
	assert_ended(&w);
	world_release(&w);
}

static void test_writers(void **state)
{
	under_writers(state, A, B);
	if (has_server) {
		under_writers(state, server.url, server.url);
		under_writers(state, server.url, B);
		under_writers(state, A, server.url);
	}
}

/* the one who copies and drains is killed, and begins again */
static void test_killed(void **state)
{
	const char *url = has_server ? server.url : A;
	const struct timespec ms = { .tv_nsec = 1000000 };
	pid_t pid[WRITERS], own;
	struct world w;
	int st;

	live_init(&w, state, url, has_server ? url : B, ROWS);
	start_writers(&w, pid);
	srandom(3);
	for (int i = 0; i < 12; i++) {
		own = fork();
		assert_true(own >= 0);
		if (!own) {
			struct records_result r;

			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			world_copy(&w, &r);
			for (;;)
				(void)drain(&w, true);
		}
		for (long k = random() % 150; k > 0; k--)
			(void)nanosleep(&ms, NULL);
		assert_int_equal(kill(own, SIGKILL), 0);
		assert_int_equal(waitpid(own, &st, 0), own);
		assert_true(WIFSIGNALED(st));
	}
	stop_writers(&w, pid);
	{
		struct records_result r;

		world_copy(&w, &r);
	}
	(void)drain(&w, true);
	assert_int_equal(drain(&w, true), 0);
	assert_ended(&w);
	world_release(&w);
}

/* what is emptied is emptied on the other side too */
static void emptied(void **state, const char *from, const char *to,
		    const char *how)
{
	struct records_result r;
	struct world w;

	live_init(&w, state, from, to, 100);
	world_copy(&w, &r);
	sql_at(&w, from, how);
	sql_at(&w, from, "INSERT INTO src VALUES (7, 'seven', NULL), "
	       "(200, 'new', 'x')");
	(void)drain(&w, true);
	rows_at(&w, to, "SELECT id, name FROM dst ORDER BY id",
		"7 seven|200 new");
	assert_ended(&w);
	world_release(&w);
}

static void test_emptied(void **state)
{
	emptied(state, A, B, "DELETE FROM src");
	if (has_server)
		emptied(state, server.url, server.url, "TRUNCATE src");
}

/* unique columns that change hands, while the copy is between them */
static void test_unique(void **state)
{
	const char *url = has_server ? server.url : A;
	const char *to = has_server ? url : B;
	struct records_result r;
	struct world w;

	live_init(&w, state, url, to, 100);
	sql_at(&w, to, "CREATE UNIQUE INDEX dst_v ON dst (v)");
	/* as if row 1 was read before they changed places */
	sql_at(&w, to, "INSERT INTO dst VALUES (99999, 'name', 'v14')");
	sql_at(&w, url, "INSERT INTO src VALUES (99999, 'name', 'other')");
	w.job.conflict = STORE_REPLACE;
	w.job.until = "[2]";
	world_copy(&w, &r);
	rows_at(&w, to, "SELECT count(*) FROM dst", "2");
	w.job.marks = "run/t2";
	w.job.until = NULL;
	world_copy(&w, &r);
	(void)drain(&w, true);
	assert_int_equal(drain(&w, true), 0);
	assert_ended(&w);
	world_release(&w);
}

static uint64_t batches;

static int count_batches(_unused_ void *ctx, const struct records_status *st)
{
	batches = st->batches;
	return 0;
}

/* all rows have other keys now, behind the copy: none of them fits before the
   old ones go, and they are not found one by one */
static void test_moved(void **state)
{
	const char *url = has_server ? server.url : A;
	const char *to = has_server ? url : B;
	struct records_result r;
	struct world w;

	live_init(&w, state, url, to, 2000);
	sql_at(&w, to, "CREATE UNIQUE INDEX dst_v ON dst (v)");
	w.job.batch = 200;
	w.job.conflict = STORE_REPLACE;
	world_copy(&w, &r);
	sql_at(&w, url, "UPDATE src SET id = id + 100000");
	w.job.marks = "run/t2";
	w.job.tick = count_batches;
	world_copy(&w, &r);
	assert_int_equal(r.rows, 2000);
	assert_in_range(batches, 10, 700);
	(void)drain(&w, true);
	assert_int_equal(drain(&w, true), 0);
	assert_ended(&w);
	world_release(&w);
}

/* OR REPLACE deletes rows without telling anybody */
static void test_replaced(void **state)
{
	struct records_result r;
	struct world w;

	live_init(&w, state, A, B, 100);
	capture(&w, false);
	sql_at(&w, A, "CREATE UNIQUE INDEX src_v ON src (v)");
	capture(&w, true);
	world_copy(&w, &r);
	sql_at(&w, A, "INSERT OR REPLACE INTO src VALUES (500, 'n', 'v7')");
	sql_at(&w, A, "UPDATE OR REPLACE src SET v = 'v21' WHERE id = 2");
	(void)drain(&w, true);
	rows_at(&w, B, "SELECT count(*), sum(id IN (1, 3)) FROM dst", "99 0");
	assert_ended(&w);
	world_release(&w);
}

/* the application's own view of what it inserted */
static void test_unseen(void **state)
{
	_cleanup_store_ struct store *s = NULL;
	struct world w;

	if (!has_server)
		skip();
	world_init(&w, *state, &server, server.url, server.url, 3);
	sql_at(&w, server.url, "DROP TABLE IF EXISTS numbered");
	sql_at(&w, server.url, "CREATE TABLE numbered (id serial PRIMARY KEY, "
	       "name text, v text)");
	w.job.from.set = "numbered";
	capture(&w, true);
	s = open_url(server.url, w.scratch->fd);
	assert_int_equal(store_exec(s, "INSERT INTO numbered (name) VALUES "
				    "('a')", NULL, NULL, NULL), 1);
	assert_rows(s, "SELECT lastval()", "1");
	capture(&w, false);
	world_release(&w);
}

/* what cannot be live says so at once */
static void test_refused(void **state)
{
	const char *url = has_server ? server.url : A;
	static const char *const cols[] = { "id", "id", "name", "v" };
	static const char *const exprs[] = { NULL, "length(name) + id", NULL,
					     NULL };
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_store_ struct store *s = NULL;
	struct world w;

	world_init(&w, *state, &server, url, url, 3);
	s = open_url(url, w.scratch->fd);
	assert_int_equal(records_capture_may(&w.job, s, s, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "is not unique there"));
	error_release(&err);
	sql_at(&w, url, "CREATE UNIQUE INDEX dst_id ON dst (id)");
	assert_int_equal(records_capture_may(&w.job, s, s, &err), 0);
	w.job.from = (struct store_shape) {
		.set = "src", .ncol = 4, .nkey = 1, .col = cols, .expr = exprs,
	};
	w.job.hidden = 1;
	assert_int_equal(records_capture_may(&w.job, s, s, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "must come from the primary key"));
	world_release(&w);
}

/* rows that were in the destination before come back, whatever was drained */
static void test_undone(void **state)
{
	struct records_undone u;
	struct records_result r;
	struct world w;

	if (!has_server)
		skip();
	live_init(&w, state, server.url, server.url, 10);
	w.job.conflict = STORE_REPLACE;
	w.job.undo = true;
	sql_at(&w, server.url, "INSERT INTO dst VALUES (1, 'old', 'a'), "
	       "(2, 'old', 'b'), (99, 'old', 'c')");
	world_copy(&w, &r);
	sql_at(&w, server.url, "DELETE FROM src WHERE id IN (1, 5)");
	sql_at(&w, server.url, "UPDATE src SET v = 'new' WHERE id IN (2, 6)");
	sql_at(&w, server.url, "INSERT INTO src VALUES (50, 'late', 'x')");
	(void)drain(&w, true);
	rows_at(&w, server.url, "SELECT count(*), sum((id = 50)::int), "
		"sum((v = 'new')::int) FROM dst", "10 1 2");
	assert_int_equal(records_copy_undo(&w.job, &u, NULL), 0);
	assert_int_equal(u.kept, 0);
	rows_at(&w, server.url, "SELECT id, name, v FROM dst ORDER BY id",
		"1 old a|2 old b|99 old c");
	records_undone_release(&u);
	capture(&w, false);
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_scratch(test_writers),
		with_scratch(test_killed),
		with_scratch(test_emptied),
		with_scratch(test_unique),
		with_scratch(test_moved),
		with_scratch(test_replaced),
		with_scratch(test_unseen),
		with_scratch(test_refused),
		with_scratch(test_undone),
	};
	int ret;

#ifdef HAVE_PG
	has_server = pg_setup(&server);
#endif
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	pg_teardown(&server);
	return ret;
}
