/* SPDX-License-Identifier: MIT */
/* Sessions that are used again: nobody sees who had them before. */
#include "pg-store.h"
#include "store-pool.h"
#include "store-rows.h"

static struct store *from_pool(struct store_pool *p, bool read_only)
{
	struct store_options o = { .root_fd = AT_FDCWD, .pool = p,
				   .lock_ms = 70, .read_only = read_only };
	_cleanup_error_ struct error err = ERROR_INIT;
	struct store *s = NULL;

	if (!has_server)
		skip();
	if (store_open(server.url, &o, &s, &err) < 0)
		fail_msg("%s", err.msg);
	return s;
}

static int64_t pid_of(struct store *s)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	assert_int_equal(store_exec(s, "SELECT pg_backend_pid()", NULL, &b,
				    NULL), 1);
	return store_batch_int(&b, 0, 0);
}

/* how many sessions there are beside this one; none more come */
static int others(struct store *s, int expect)
{
	int64_t n = -1;

	for (int i = 0; i < 200 && n != expect; i++) {
		_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

		sql(s, "SELECT pg_sleep(0.02)");
		assert_int_equal(store_exec(s, "SELECT count(*) FROM "
			"pg_stat_activity WHERE backend_type = "
			"'client backend' AND pid <> pg_backend_pid()", NULL,
			&b, NULL), 1);
		n = store_batch_int(&b, 0, 0);
	}
	return (int)n;
}

static void test_again(_unused_ void **state)
{
	struct store_pool *p = store_pool_new();
	struct store *s;
	int64_t pid;

	store_pool_hold(p);
	s = from_pool(p, false);
	pid = pid_of(s);
	sql(s, "SET search_path = nowhere");
	sql(s, "SET statement_timeout = 1");
	sql(s, "RESET statement_timeout");
	sql(s, "CREATE TEMP TABLE rest (k int)");
	sql(s, "SELECT pg_advisory_lock(7)");
	sql(s, "LISTEN news");
	assert_true(store_can(s, STORE_CAP_TEMP_TABLE));
	assert_int_equal(store_begin(s, true, NULL), 0);
	sql(s, "CREATE TABLE public.never (k int)");
	store_close(s);

	s = from_pool(p, true);
	assert_int_equal(pid_of(s), pid);
	assert_rows(s, "SHOW search_path", "\"$user\", public");
	assert_rows(s, "SHOW default_transaction_read_only", "on");
	assert_rows(s, "SHOW lock_timeout", "70ms");
	assert_rows(s, "SHOW statement_timeout", "10min");
	assert_rows(s, "SHOW timezone", "UTC");
	assert_rows(s, "SHOW intervalstyle", "iso_8601");
	assert_rows(s, "SELECT to_regclass('rest'), to_regclass('never')",
		    "~ ~");
	assert_rows(s, "SELECT count(*) FROM pg_locks WHERE locktype = "
		    "'advisory'", "0");
	assert_rows(s, "SELECT count(*) FROM pg_listening_channels()", "0");
	store_close(s);

	s = from_pool(p, false);
	assert_int_equal(pid_of(s), pid);
	assert_rows(s, "SHOW default_transaction_read_only", "off");
	sql(s, "CREATE TEMP TABLE rest (k int)");
	store_close(s);
	store_pool_let_go(p);
	store_pool_free(p);
}

/* two at once are two; nobody waits for another */
static void test_two(_unused_ void **state)
{
	struct store_pool *p = store_pool_new();
	struct store *a, *b;
	int64_t one, other;

	store_pool_hold(p);
	a = from_pool(p, false);
	b = from_pool(p, false);
	one = pid_of(a);
	other = pid_of(b);
	assert_true(one != other);
	store_close(a);
	a = from_pool(p, false);
	assert_int_equal(pid_of(a), one);
	assert_int_equal(pid_of(b), other);
	store_close(a);
	store_close(b);
	store_pool_let_go(p);
	store_pool_free(p);
}

/* they end when nobody holds the pool, or before that one is used */
static void test_ends(_unused_ void **state)
{
	_cleanup_store_ struct store *look = opened();
	struct store_pool *p = store_pool_new();
	struct store *s;

	assert_int_equal(others(look, 0), 0);
	store_close(from_pool(p, false));
	assert_int_equal(others(look, 0), 0);
	store_pool_hold(p);
	store_pool_hold(p);
	store_close(from_pool(p, false));
	store_pool_let_go(p);
	assert_int_equal(others(look, 1), 1);
	/* the server ends what does nothing: another takes its place */
	sql(look, "SELECT pg_terminate_backend(pid, 5000) FROM "
	    "pg_stat_activity WHERE backend_type = 'client backend' AND pid "
	    "<> pg_backend_pid()");
	s = from_pool(p, false);
	sql(s, "SELECT 1");
	store_close(s);
	assert_int_equal(others(look, 1), 1);
	/* one that is in use belongs to who uses it */
	s = from_pool(p, false);
	store_pool_let_go(p);
	sql(s, "SELECT 1");
	store_close(s);
	assert_int_equal(others(look, 0), 0);
	store_pool_free(p);
}

/* a session that broke is nobody's */
static void test_broken(_unused_ void **state)
{
	_cleanup_store_ struct store *look = opened();
	struct store_pool *p = store_pool_new();
	struct store *s;
	int64_t pid;

	store_pool_hold(p);
	s = from_pool(p, false);
	pid = pid_of(s);
	sql(look, "SELECT pg_terminate_backend(pid, 5000) FROM "
	    "pg_stat_activity WHERE backend_type = 'client backend' AND pid "
	    "<> pg_backend_pid()");
	assert_int_equal(store_exec(s, "SELECT 1", NULL, NULL, NULL),
			 -ECONNRESET);
	store_close(s);
	s = from_pool(p, false);
	assert_true(pid_of(s) != pid);
	store_close(s);
	store_pool_let_go(p);
	store_pool_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_two),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_broken),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
