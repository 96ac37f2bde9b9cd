/* SPDX-License-Identifier: MIT */
/*
 * A database that an application has open is saved as a copy that SQLite
 * makes; it comes back as that copy, without the -wal of later.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fsutil.h"
#include "base/xalloc.h"
#include "undo-world.h"

/* Exits at a failure: it runs in a child. */
static void sql(sqlite3 *db, const char *text)
{
	if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
		_exit(1);
}

static sqlite3 *open_db(const char *path)
{
	sqlite3 *db;

	if (sqlite3_open(path, &db) != SQLITE_OK)
		_exit(1);
	return db;
}

/* A child that has it open in WAL mode and lets it lie there, uncheckpointed. */
static pid_t application(const char *path)
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		sqlite3 *db = open_db(path);

		sql(db, "PRAGMA journal_mode = WAL; CREATE TABLE t (v);"
			"INSERT INTO t VALUES ('before'); BEGIN;"
			"SELECT * FROM t");
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static int in_child(int (*fn)(const char *path), const char *path)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn(path));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int change(const char *path)
{
	sqlite3 *db = open_db(path);

	sql(db, "UPDATE t SET v = 'after'; INSERT INTO t VALUES ('more')");
	/* killed as it were: the -wal stays */
	return 0;
}

static int is_before(const char *path)
{
	sqlite3 *db = open_db(path);
	sqlite3_stmt *st;

	if (sqlite3_prepare_v2(db, "SELECT group_concat(v) FROM t", -1, &st,
			       NULL) != SQLITE_OK ||
	    sqlite3_step(st) != SQLITE_ROW)
		return 1;
	return strcmp((const char *)sqlite3_column_text(st, 0), "before") != 0;
}

static void test_open_database(void **state)
{
	struct world w;
	struct stat st;
	pid_t pid;

	(void)state;
	world_init(&w, 4714);
	_cleanup_free_ char *path = xasprintf("%s/data/app.db", w.root);
	pid = application(path);
	assert_int_equal(fstatat(w.root_fd, "data/app.db-wal", &st, 0), 0);
	world_back_up(&w);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);

	assert_int_equal(in_child(change, path), 0);
	world_post(&w);
	world_write_point(&w, "R1");
	if (world_undo(&w, "R1") < 0)
		fail_msg("undo: %s", w.err.msg);
	assert_int_equal(fstatat(w.root_fd, "data/app.db-wal", &st, 0), -1);
	assert_int_equal(in_child(is_before, path), 0);
	world_release(&w);
}

/*
 * Killed between the -wal and the database: the file has the bytes that it had
 * when it was saved, but what its -wal held is in aside.
 */
static void test_killed_between(void **state)
{
	_cleanup_strvec_ struct strvec first = STRVEC_INIT;
	_cleanup_strvec_ struct strvec now = STRVEC_INIT;
	struct world w;
	pid_t pid;

	(void)state;
	world_init(&w, 4715);
	_cleanup_free_ char *path = xasprintf("%s/data/app.db", w.root);
	pid = application(path);
	world_back_up(&w);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(unlinkat(w.root_fd, "data/app.db-wal", 0), 0);
	assert_int_equal(unlinkat(w.root_fd, "data/app.db-shm", 0), 0);
	if (world_undo(&w, "R1") < 0)
		fail_msg("undo: %s", w.err.msg);
	assert_int_equal(in_child(is_before, path), 0);
	/* and again, which changes nothing */
	if (world_undo(&w, "R1") < 0)
		fail_msg("undo: %s", w.err.msg);
	world_list(&w, &first);
	if (world_undo(&w, "R1") < 0)
		fail_msg("undo: %s", w.err.msg);
	world_list(&w, &now);
	world_same(&first, &now, "undone once more");
	world_release(&w);
}

static int make(const char *path)
{
	sqlite3 *db = open_db(path);

	sql(db, "PRAGMA journal_mode = DELETE; CREATE TABLE t (v);"
		"INSERT INTO t VALUES ('before')");
	return 0;
}

/* more than its cache holds, so that the file has pages of what was never
   committed; the journal that would take them back is hot */
static int die_in_it(const char *path)
{
	sqlite3 *db = open_db(path);

	sql(db, "PRAGMA cache_size = 5; PRAGMA cache_spill = 5; BEGIN;"
		"UPDATE t SET v = 'after';"
		"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM "
		"n WHERE i < 2000) INSERT INTO t SELECT randomblob(500) FROM n");
	(void)kill(getpid(), SIGKILL);
	return 1;
}

/* its journal must not be played into what comes back */
static void test_hot_journal(void **state)
{
	struct world w;
	struct stat st;
	int aside;

	(void)state;
	world_init(&w, 4716);
	_cleanup_free_ char *path = xasprintf("%s/data/app.db", w.root);
	assert_int_equal(in_child(make, path), 0);
	world_back_up(&w);
	assert_true(WIFSIGNALED(in_child(die_in_it, path)));
	assert_int_equal(fstatat(w.root_fd, "data/app.db-journal", &st, 0), 0);
	assert_true(st.st_size > 512);
	assert_int_equal(fstatat(w.root_fd, "data/app.db", &st, 0), 0);
	assert_true(st.st_size > 100000);
	world_write_point(&w, "R1");
	if (world_undo(&w, "R1") < 0)
		fail_msg("undo: %s", w.err.msg);
	assert_int_equal(fstatat(w.root_fd, "data/app.db-journal", &st, 0), -1);
	assert_int_equal(in_child(is_before, path), 0);
	/* both are kept, together */
	aside = openat(w.backup_fd, "R1", O_RDONLY | O_DIRECTORY);
	assert_true(aside >= 0);
	assert_int_equal(fstatat(aside, "data/app.db-journal", &st, 0), 0);
	assert_int_equal(fstatat(aside, "data/app.db", &st, 0), 0);
	assert_true(st.st_size > 100000);
	assert_int_equal(close(aside), 0);
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_database),
		cmocka_unit_test(test_hot_journal),
		cmocka_unit_test(test_killed_between),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
