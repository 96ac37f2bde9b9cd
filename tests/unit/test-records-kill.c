/* SPDX-License-Identifier: MIT */
/*
 * Copies that are killed, that have rivals, whose server dies: every row is
 * there once. UPSHIFT_TEST_ROWS and UPSHIFT_TEST_KILLS ask for more of it.
 */
#include "records-world.h"

#include <time.h>

#include "base/clock.h"

static struct pg_server server;
static bool has_server;

#define A "sqlite:a.db"
#define B "sqlite:b.db"

static int asked(const char *name, int otherwise)
{
	const char *text = getenv(name);

	return text ? atoi(text) : otherwise;
}

static pid_t start_copy(struct world *w)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct error err = ERROR_INIT;
		struct records_result r;

		if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
		    records_copy(&w->job, &r, &err) == 0)
			_exit(0);
		dprintf(2, "%s\n", err.msg);
		_exit(1);
	}
	return pid;
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

/* killed when so many rows went through, which are not all */
static void kill_behind(struct world *w, pid_t pid, long long rows)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	int st;

	while (went_through(w) < rows) {
		assert_int_equal(waitpid(pid, &st, WNOHANG), 0);
		(void)nanosleep(&ms, NULL);
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_true(WIFSIGNALED(st));
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
			    random() % (n / kills / 4 + 1));
	assert_true(went_through(&w) < n);
	await_copy(start_copy(&w));
	assert_copied(&w, n);
	world_release(&w);
}

static void test_killed(void **state)
{
	killed(state, A, B);
	if (has_server) {
		killed(state, server.url, server.url);
		killed(state, server.url, B);
	}
}

static void rivals(void **state, const char *from, const char *to, int n)
{
	struct world w;
	pid_t pid[2];

	world_init(&w, *state, &server, from, to, n);
	for (int i = 0; i < 2; i++) {
		w.job.workers = 1 + (unsigned int)i; /* and other cuts */
		pid[i] = start_copy(&w);
	}
	await_copy(pid[0]);
	await_copy(pid[1]);
	assert_copied(&w, n);
	world_release(&w);
}

static void test_rivals(void **state)
{
	rivals(state, A, B, 5000);
	if (has_server)
		rivals(state, server.url, server.url, 20000);
}

/* rows that are there by now */
static int copied(struct world *w)
{
	_cleanup_store_ struct store *s = open_url(w->job.to_url, 0);
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	assert_int_equal(store_exec(s, "SELECT count(*) FROM dst", NULL, &b,
				    NULL), 1);
	return atoi(b.buf);
}

/* the server goes, at once and in order, and comes back */
static void test_server(void **state)
{
	static const int how[] = { SIGQUIT, SIGINT, SIGKILL };
	const int n = 30000;
	struct world w;
	pid_t pid;

	if (!has_server)
		skip();
	world_init(&w, *state, &server, server.url, server.url, n);
	w.job.pause_ms = 1;
	pid = start_copy(&w);
	for (size_t i = 0; i < ARRAY_SIZE(how); i++) {
		int before = copied(&w);

		while (copied(&w) == before && before < n)
			;
		pg_stop(&server, how[i]);
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
		with_scratch(test_rivals),
		with_scratch(test_server),
		with_scratch(test_connections),
	};
	int ret;

#ifdef HAVE_PG
	has_server = pg_setup(&server);
#endif
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	pg_teardown(&server);
	return ret;
}
