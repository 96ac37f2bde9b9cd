/* SPDX-License-Identifier: MIT */
/*
 * A database of SQLite and what lies beside it go into aside together, wherever
 * an undo is killed, also where one of them is the same as what comes back.
 *
 * All work is done in children, as the fault table is read once in a process.
 */
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/xalloc.h"
#include "undo-world.h"

typedef int sql_fn(const char *path);

/* Exits at a failure: it runs in a child. */
static sqlite3 *with(const char *path, const char *text)
{
	sqlite3 *db;

	if (sqlite3_open(path, &db) != SQLITE_OK ||
	    sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
		_exit(1);
	return db;
}

/* --- what is there before --- */

static int closed(const char *path)
{
	return sqlite3_close(with(path, "PRAGMA journal_mode = WAL;"
		"CREATE TABLE t (v); INSERT INTO t VALUES ('before')")) !=
	       SQLITE_OK;
}

/* killed as it were: the log stays */
static int left_log(const char *path)
{
	if (closed(path))
		return 1;
	(void)with(path, "INSERT INTO t VALUES ('x');"
		   "DELETE FROM t WHERE v = 'x'");
	return 0;
}

/* --- and what is new --- */

#define CHANGE "UPDATE t SET v = 'after'; INSERT INTO t VALUES ('more')"

static int change_log(const char *path)
{
	(void)with(path, "PRAGMA wal_autocheckpoint = 0;" CHANGE);
	return 0;
}

static int change_file(const char *path)
{
	return sqlite3_close(with(path, CHANGE)) != SQLITE_OK;
}

static bool has(const char *path, const char *want)
{
	sqlite3 *db = with(path, "");
	sqlite3_stmt *st;

	return sqlite3_prepare_v2(db, "SELECT group_concat(v) FROM t", -1, &st,
				  NULL) == SQLITE_OK &&
	       sqlite3_step(st) == SQLITE_ROW &&
	       !strcmp((const char *)sqlite3_column_text(st, 0), want);
}

/* --- killed --- */

struct shared {
	struct world w;
	char message[1000];
	int n;
};

/* true: it was not killed */
static bool in_child(struct shared *s, int (*fn)(struct shared *s, sql_fn *sql),
		     sql_fn *sql, const char *fault)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int r;

		setenv("UPSHIFT_TEST_FAULT", fault, 1);
		r = fn(s, sql);
		if (r < 0 && s->w.err.msg)
			(void)snprintf(s->message, sizeof(s->message), "%s",
				       s->w.err.msg);
		_exit(r != 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	memset(&s->w.err, 0, sizeof(s->w.err));
	if (WIFEXITED(status) && WEXITSTATUS(status))
		fail_msg("%s: %s", fault, s->message);
	return !WIFSIGNALED(status);
}

static int make(struct shared *s, sql_fn *sql)
{
	_cleanup_free_ char *path = xasprintf("%s/data/app.db", s->w.root);

	return sql(path);
}

static int back_up(struct shared *s, _unused_ sql_fn *sql)
{
	world_back_up(&s->w);
	return 0;
}

static int write_point(struct shared *s, _unused_ sql_fn *sql)
{
	world_write_point(&s->w, "R1");
	return 0;
}

static int undo(struct shared *s, _unused_ sql_fn *sql)
{
	return world_undo(&s->w, "R1");
}

static int look(struct shared *s, _unused_ sql_fn *sql)
{
	_cleanup_free_ char *path = xasprintf("%s/data/app.db", s->w.root);
	_cleanup_free_ char *aside = xasprintf("%s/.upshift/b/R1/data/app.db",
					       s->w.root);

	(void)snprintf(s->message, sizeof(s->message), "killed at %d: not %s",
		       s->n, has(path, "before") ? "what was put aside" :
		       "what came back");
	return !has(path, "before") || !has(aside, "after,more");
}

static void sweep(sql_fn *first, sql_fn *then, bool sibling)
{
	struct shared *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool through = false;
	int n;

	assert_ptr_not_equal(s, MAP_FAILED);
	for (n = 1; !through; n++) {
		_cleanup_free_ char *fault = xasprintf("any:%d:kill", n);

		world_init(&s->w, 4717);
		s->w.force_sibling = sibling;
		s->n = n;
		(void)in_child(s, make, first, "");
		(void)in_child(s, back_up, NULL, "");
		(void)in_child(s, make, then, "");
		(void)in_child(s, write_point, NULL, "");
		through = in_child(s, undo, NULL, fault);
		if (!through)
			(void)in_child(s, undo, NULL, "");
		(void)in_child(s, look, NULL, "");
		world_release(&s->w);
	}
	/* fewer than that is no sweep */
	assert_true(n > 20);
	munmap(s, sizeof(*s));
}

static void test_log_alone(void **state)
{
	(void)state;
	sweep(closed, change_log, false);
	sweep(closed, change_log, true);
}

static void test_file_alone(void **state)
{
	(void)state;
	sweep(left_log, change_file, false);
	sweep(left_log, change_file, true);
}

static void test_both(void **state)
{
	(void)state;
	sweep(left_log, change_log, false);
	sweep(left_log, change_log, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_alone),
		cmocka_unit_test(test_file_alone),
		cmocka_unit_test(test_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
