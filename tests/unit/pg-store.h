/* SPDX-License-Identifier: MIT */
/* One server for all tests of a program, and stores in it. */
#ifndef PG_STORE_H
#define PG_STORE_H
#include "pg-server.h"

#include "store.h"

static struct pg_server server;
static bool has_server;

static _unused_ struct store *opened(void)
{
	struct store_options o = { .root_fd = AT_FDCWD, .lock_ms = 50 };
	_cleanup_error_ struct error err = ERROR_INIT;
	struct store *s = NULL;

	if (!has_server)
		skip();
	if (store_open(server.url, &o, &s, &err) < 0)
		fail_msg("%s", err.msg);
	return s;
}

static _unused_ int sql(struct store *s, const char *text)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	int ret = store_exec(s, text, NULL, NULL, &err);

	if (ret < 0)
		fail_msg("%s: %s", text, err.msg);
	return ret;
}

/* t (a, b, v): 1 k1 v1, 2 k2 v2, ... */
static _unused_ struct store *with_rows(int n)
{
	struct store *s = opened();
	_cleanup_free_ char *insert = xasprintf("INSERT INTO t SELECT i, 'k' "
		"|| i, 'v' || i FROM generate_series(1, %d) i", n);

	sql(s, "DROP TABLE IF EXISTS t");
	sql(s, "DROP TABLE IF EXISTS _upshift_range");
	sql(s, "CREATE TABLE t (a int PRIMARY KEY, b text NOT NULL, v text "
	    "DEFAULT 'x')");
	sql(s, insert);
	return s;
}

static int start_server(_unused_ void **state)
{
	has_server = pg_setup(&server);
	if (!has_server)
		print_message("# SKIP no PostgreSQL server is installed\n");
	return 0;
}

static int stop_server(_unused_ void **state)
{
	pg_teardown(&server);
	return 0;
}

#endif
