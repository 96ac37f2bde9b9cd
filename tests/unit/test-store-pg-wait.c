/* SPDX-License-Identifier: MIT */
/* Stores in PostgreSQL, against a real server: who waits, who loses, and what
   a connection may be. */
#include "pg-store.h"

#include "store-rows.h"

static void test_serializable(_unused_ void **state)
{
	_cleanup_store_ struct store *s = with_rows(2);
	_cleanup_store_ struct store *rival = opened();

	sql(s, "SET default_transaction_isolation = serializable");
	sql(rival, "SET default_transaction_isolation = serializable");
	assert_int_equal(store_begin(s, true, NULL), 0);
	assert_int_equal(store_begin(rival, true, NULL), 0);
	assert_rows(s, "SELECT count(*) FROM t WHERE v = 'v1'", "1");
	assert_rows(rival, "SELECT count(*) FROM t WHERE v = 'v2'", "1");
	sql(s, "UPDATE t SET v = 'v1' WHERE a = 2");
	sql(rival, "UPDATE t SET v = 'v2' WHERE a = 1");
	assert_int_equal(store_commit(s, NULL), 0);
	assert_int_equal(store_commit(rival, NULL), -EAGAIN);
	assert_string_equal(store_sqlstate(rival), "40001");
	store_abort(rival);
	assert_rows(rival, "SELECT 1", "1");
}

struct race {
	struct store *rival;
	int tries, lose;
};

/* the rival changes first what this one has read, as often as it shall */
static int racing(void *ctx, struct store *s, struct error *err)
{
	struct race *r = ctx;
	int ret = store_exec(s, "SELECT count(*) FROM t", NULL, NULL, err);

	if (ret >= 0 && r->tries++ < r->lose)
		sql(r->rival, "UPDATE t SET v = v || '+' WHERE a = 1");
	return ret < 0 ? ret :
	       store_exec(s, "UPDATE t SET v = v || '!' WHERE a = 1", NULL,
			  NULL, err);
}

static void test_again(_unused_ void **state)
{
	_cleanup_store_ struct store *s = with_rows(2);
	_cleanup_store_ struct store *rival = opened();
	struct race r = { .rival = rival, .lose = 2 };
	_cleanup_error_ struct error err = ERROR_INIT;

	sql(s, "SET default_transaction_isolation = serializable");
	assert_int_equal(store_transact(s, racing, &r, 3, &err), 0);
	assert_false(error_is_set(&err));
	assert_int_equal(r.tries, 3);
	assert_rows(s, "SELECT v FROM t WHERE a = 1", "v1++!");
	r = (struct race) { .rival = rival, .lose = 9 };
	assert_int_equal(store_transact(s, racing, &r, 3, &err), -EAGAIN);
	assert_true(error_is_set(&err));
	assert_int_equal(r.tries, 3);
	assert_string_equal(store_sqlstate(s), "40001");
	assert_rows(s, "SELECT v FROM t WHERE a = 1", "v1++!+++");
}

/* tries it; from: NULL, or whose place it takes. Returns the code. */
static enum err_code lease(struct store *s, const char *run, const char *plan,
			   const char *from, int64_t *epoch)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct store_lease l = {
		.plan = plan, .run = run, .host = "here", .since = "noon",
		.from = from, .ttl_s = 100,
	};
	int ret = store_lease(s, &l, epoch, &err);

	assert_int_equal(ret, err.code ? -EBUSY : 0);
	assert_int_equal(!l.holder, !err.code);
	free(l.holder);
	return err.code;
}

static void end(struct store *s, const char *run, enum store_lease_end how)
{
	struct store_lease l = { .plan = "p", .run = run, .since = "noon" };

	assert_int_equal(store_lease_end(s, &l, how, NULL), 0);
}

static void test_lease(_unused_ void **state)
{
	_cleanup_store_ struct store *s = opened();
	_cleanup_store_ struct store *rival = opened();
	int64_t epoch = 0;

	sql(s, "DROP TABLE IF EXISTS _upshift_run");
	assert_int_equal(lease(s, "one", "p", NULL, &epoch), ERR_NONE);
	assert_int_equal(epoch, 1);
	assert_int_equal(lease(s, "one", "p", NULL, &epoch), ERR_NONE);
	assert_int_equal(epoch, 1);
	assert_int_equal(lease(rival, "two", "p", NULL, NULL), ERR_LOCKED);
	/* who is at work keeps it, whoever is told to go in its place */
	assert_int_equal(lease(rival, "two", "p", "one", NULL), ERR_LOCKED);
	assert_int_equal(lease(rival, "two", "q", NULL, NULL), ERR_NONE);
	/* who does not come back keeps it, unless somebody is told to */
	sql(s, "UPDATE _upshift_run SET until = 1 WHERE plan = 'p'");
	assert_int_equal(lease(rival, "two", "p", NULL, NULL),
			 ERR_RUN_ELSEWHERE);
	assert_int_equal(lease(rival, "two", "p", "six", NULL),
			 ERR_RUN_ELSEWHERE);
	assert_int_equal(lease(rival, "two", "p", "one", &epoch), ERR_NONE);
	assert_int_equal(epoch, 2);
	assert_int_equal(lease(s, "one", "p", NULL, NULL), ERR_LOCKED);
	end(s, "one", STORE_LEASE_OVER);
	assert_int_equal(lease(s, "one", "p", NULL, NULL), ERR_LOCKED);
	end(rival, "two", STORE_LEASE_OVER);
	/* others may begin; whose place was taken does not come back to it */
	assert_int_equal(lease(s, "one", "p", NULL, NULL), ERR_RUN_ELSEWHERE);
	assert_int_equal(lease(s, "six", "p", NULL, NULL), ERR_NONE);
	end(s, "six", STORE_LEASE_OVER);
	assert_int_equal(lease(s, "one", "p", NULL, NULL), ERR_RUN_ELSEWHERE);
	assert_int_equal(lease(s, "one", "p", "six", NULL), ERR_NONE);
	assert_int_equal(lease(s, "one", "p", NULL, NULL), ERR_NONE);
	end(s, "one", STORE_LEASE_AWAY);
	assert_int_equal(lease(rival, "two", "p", NULL, NULL),
			 ERR_RUN_ELSEWHERE);
	assert_int_equal(lease(rival, "two", "p", "one", NULL), ERR_NONE);
	/* all undone: as if it had never come */
	end(rival, "two", STORE_LEASE_UNDONE);
	assert_int_equal(lease(s, "one", "p", NULL, &epoch), ERR_NONE);
	assert_int_equal(epoch, 1);
	end(s, "one", STORE_LEASE_OVER);
	assert_rows(s, "SELECT count(*) FROM _upshift_run WHERE plan = 'p'",
		    "0");
}

/* what a server remarks is nobody's output */
static void test_silent(_unused_ void **state)
{
	_cleanup_store_ struct store *s = opened();
	int fds[2], saved = dup(2);
	char c;

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(dup2(fds[1], 2), 2);
	close(fds[1]);
	sql(s, "DROP TABLE IF EXISTS not_there");
	assert_int_equal(dup2(saved, 2), 2);
	close(saved);
	assert_int_equal(read(fds[0], &c, 1), 0);
	close(fds[0]);
}

static int stop_now(void *ctx)
{
	int *n = ctx;

	return --*n <= 0;
}

static void test_waits_end(_unused_ void **state)
{
	int left = 1000000;
	struct store_options o = { .root_fd = AT_FDCWD, .statement_ms = 100,
				   .tick = stop_now, .ctx = &left };
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_store_ struct store *s = NULL;

	if (!has_server)
		skip();
	assert_int_equal(store_open(server.url, &o, &s, NULL), 0);
	assert_int_equal(store_exec(s, "SELECT pg_sleep(100)", NULL, NULL,
				    NULL), -E2BIG);
	assert_string_equal(store_sqlstate(s), "57014");
	store_close(TAKE_PTR(s));
	o.statement_ms = 0;
	assert_int_equal(store_open(server.url, &o, &s, NULL), 0);
	left = 2;
	assert_int_equal(store_exec(s, "SELECT pg_sleep(100)", NULL, NULL,
				    &err), -ECANCELED);
	assert_int_equal(err.code, ERR_CANCELLED);
}

/* the server dies in the middle of a transaction, and comes back */
static void test_crash(_unused_ void **state)
{
	_cleanup_store_ struct store *s = with_rows(2);
	struct store_options o = { .root_fd = AT_FDCWD };
	struct store *none;

	assert_int_equal(store_begin(s, true, NULL), 0);
	sql(s, "DELETE FROM t");
	pg_stop(&server, SIGQUIT);
	assert_int_equal(store_commit(s, NULL), -ECONNRESET);
	assert_int_equal(store_class(-ECONNRESET), STORE_CLASS_RECONNECT);
	store_abort(s);
	assert_int_equal(store_begin(s, true, NULL), -ECONNRESET);
	store_close(TAKE_PTR(s));
	assert_int_equal(store_open(server.url, &o, &none, NULL), -ECONNRESET);
	pg_start(&server);
	s = opened();
	assert_rows(s, "SELECT count(*) FROM t", "2");
}

static void test_read_only(_unused_ void **state)
{
	struct store_options o = { .root_fd = AT_FDCWD, .read_only = true };
	_cleanup_store_ struct store *s = with_rows(2);

	store_close(TAKE_PTR(s));
	assert_int_equal(store_open(server.url, &o, &s, NULL), 0);
	assert_int_equal(store_exec(s, "DELETE FROM t", NULL, NULL, NULL),
			 -EROFS);
	assert_rows(s, "SELECT count(*) FROM t", "2");
}

/* needs no server: nothing listens there, and nothing is asked */
static void test_secrets(_unused_ void **state)
{
	static const char *const urls[] = {
		"pg://u:geheim@127.0.0.1:1/d", "pg:postgresql://u:geheim@[::1/d",
		"pg:host=127.0.0.1 port=1 password=geheim",
		"pg:host=/nowhere password=geheim", "pg:geheim", "pg:password",
		"pg:hostaddr=127.0.0.1 password=geheim port=geheim",
	};
	struct store_options o = { .root_fd = AT_FDCWD };
	struct store *s;

	for (size_t i = 0; i < 2 * ARRAY_SIZE(urls); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;

		o.allow_plaintext = i % 2;
		assert_true(store_open(urls[i / 2], &o, &s, &err) < 0);
		assert_non_null(err.msg);
		if (i / 2 != 6)
			assert_null(strstr(err.msg, "geheim"));
	}
}

static void test_network(_unused_ void **state)
{
	struct store_options o = { .root_fd = AT_FDCWD };
	_cleanup_error_ struct error err = ERROR_INIT;
	struct store *s;

	assert_int_equal(store_open("pg:host=127.0.0.1 port=1 sslmode=require",
				    &o, &s, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "verify-full"));
	assert_int_equal(store_open("pg:host=/nowhere,127.0.0.1 port=1", &o, &s,
				    &err), -EINVAL);
	o.allow_plaintext = true;
	assert_int_equal(store_open("pg:host=127.0.0.1 port=1", &o, &s, &err),
			 -ECONNRESET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_network),
		cmocka_unit_test(test_serializable),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_lease),
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_waits_end),
		cmocka_unit_test(test_read_only),
		cmocka_unit_test(test_crash),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
