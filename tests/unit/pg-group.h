/* SPDX-License-Identifier: MIT */
#ifndef PG_GROUP_H
#define PG_GROUP_H
/*
 * pg-group - one server for all tests of a group, where there is one and
 * upshift was built for it; each test has a scratch directory
 */
#include "pg-server.h"

static struct pg_server server;
static bool has_server;

static int pg_group_teardown(_unused_ void **state)
{
	pg_teardown(&server);
	return 0;
}

static int pg_group_setup(_unused_ void **state)
{
#ifdef HAVE_PG
	has_server = pg_setup(&server);
#endif
	return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, scratch_setup, \
						scratch_teardown)

#endif
