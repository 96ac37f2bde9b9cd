/* SPDX-License-Identifier: MIT */
/*
 * Databases in a backup: what an application has open is saved by SQLite, what
 * nobody holds as it lies there, and neither is changed by it.
 */
#include "backup-world.h"

#include <signal.h>
#include <sqlite3.h>

#include "base/path.h"
#include "sqlite-copy.h"

/* these run in a child, as closing a file here lets go of SQLite's locks */

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

/* one row with text, rows more with 1 KiB each; in WAL mode, not checkpointed,
   and then being read until it is killed */
static pid_t application(const char *path, const char *text, int rows)
{
	_cleanup_free_ char *insert = xasprintf("INSERT INTO t VALUES ('%s')",
						text);
	_cleanup_free_ char *more = xasprintf(
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM "
		"n WHERE i < %d) INSERT INTO blobs SELECT randomblob(1024) "
		"FROM n", rows);
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		sqlite3 *db = open_db(path);

		close(ready[0]);
		sql(db, "PRAGMA journal_mode = WAL;"
			"CREATE TABLE IF NOT EXISTS t (v);"
			"CREATE TABLE IF NOT EXISTS blobs (b)");
		if (rows)
			sql(db, more);
		sql(db, "PRAGMA wal_checkpoint");
		sql(db, insert);
		sql(db, "BEGIN; SELECT * FROM t");
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

static void end(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* a plain database with one row, closed again */
static void make_db(const char *path, const char *text)
{
	pid_t pid = application(path, text, 0);
	int st;

	end(pid);
	pid = fork();
	if (pid == 0) {
		sqlite3 *db = open_db(path);

		sql(db, "PRAGMA journal_mode = DELETE");
		_exit(sqlite3_close(db) != SQLITE_OK);
	}
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_int_equal(st, 0);
}

/* is text all that table t has? */
static void want_rows(const char *path, const char *text)
{
	pid_t pid = fork();
	int st;

	assert_true(pid >= 0);
	if (pid == 0) {
		sqlite3 *db = open_db(path);
		sqlite3_stmt *q;

		if (sqlite3_prepare_v2(db, "SELECT group_concat(v) FROM t", -1,
				       &q, NULL) != SQLITE_OK ||
		    sqlite3_step(q) != SQLITE_ROW)
			_exit(2);
		_exit(strcmp((const char *)sqlite3_column_text(q, 0),
			     text) != 0);
	}
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_int_equal(st, 0);
}

/* the archive into back/, by tar */
static void bring_back(struct world *w)
{
	int rc = world_sh(w, "zstd", "mkdir back && "
			  "tar --zstd -xpf out/start.tar.zst -C back");

	if (rc < 0)
		skip();
	assert_int_equal(rc, 0);
}

/* one after the other: digest and metadata of each file of the root */
static char *state_of(struct world *w)
{
	struct strbuf sb = STRBUF_INIT;
	static const char *const names[] = { "app.db", "app.db-wal" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char text[XXH128_TEXT_SIZE];
		struct item it;

		assert_int_equal(item_read(w->root_fd, names[i], true, &it,
					   &w->err), 0);
		xxh128_format(&it.digest, text);
		strbuf_addf(&sb, "%s %s %lld.%ld\n", names[i], text,
			    (long long)it.meta.mtime.tv_sec,
			    it.meta.mtime.tv_nsec);
		item_release(&it);
	}
	return strbuf_detach(&sb);
}

static void saved_while_held(struct world *w, int rows, bool cold)
{
	_cleanup_free_ char *path = path_join(w->root, "app.db");
	_cleanup_free_ char *back = path_join(w->dir, "back/app.db");
	_cleanup_free_ char *before = NULL, *after = NULL;
	struct manifest items = MANIFEST_INIT;
	const struct item *it;
	pid_t pid = application(path, "held", rows);

	before = state_of(w);
	if (cold) {
		world_cold(w, "app.db");
		world_cold(w, "app.db-wal");
	}
	world_save(w, "start");
	after = state_of(w);
	assert_string_equal(after, before);
	end(pid);
	it = world_item(w, "start", &items, "app.db");
	assert_int_equal(it->flags & (ITEM_SQLITE | ITEM_HAS_DIGEST |
				      ITEM_HAS_DIGEST2),
			 ITEM_SQLITE | ITEM_HAS_DIGEST | ITEM_HAS_DIGEST2);
	it = world_item(w, "start", &items, "app.db-wal");
	assert_int_equal(it->type, ITEM_ABSENT);
	assert_true(it->flags & ITEM_SQLITE);
	it = world_item(w, "start", &items, "app.db-shm");
	assert_int_equal(it->type, ITEM_ABSENT);
	manifest_release(&items);
	/* nothing has changed: the -wal that is there is no difference */
	assert_int_equal(world_compare(w, "start", w->root_fd, w->root, NULL),
			 0);
	bring_back(w);
	want_rows(back, "held");
}

static void t_held(void **state)
{
	saved_while_held(*state, 0, false);
}

/* its other files are asked for before it is known to be a database */
static void t_held_cold(void **state)
{
	saved_while_held(*state, 0, true);
}

/* too large to be read ahead */
static void t_held_large(void **state)
{
	saved_while_held(*state, 2000, false);
}

/* killed, with all in its -wal: nobody holds it */
static void t_left_behind(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *path = path_join(w->root, "app.db");
	_cleanup_free_ char *back = path_join(w->dir, "back/app.db");
	_cleanup_free_ char *before = NULL, *after = NULL;
	struct manifest items = MANIFEST_INIT;

	end(application(path, "left", 0));
	before = state_of(w);
	world_save(w, "start");
	after = state_of(w);
	assert_string_equal(after, before);
	assert_int_equal(world_item(w, "start", &items, "app.db")->flags &
			 ITEM_SQLITE, 0);
	assert_int_equal(world_item(w, "start", &items, "app.db-wal")->type,
			 ITEM_FILE);
	manifest_release(&items);
	bring_back(w);
	want_rows(back, "left");
}

/* a database whose name begins with the other's comes before its -wal */
static void t_neighbours(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *path = path_join(w->root, "app.db");
	_cleanup_free_ char *copy = path_join(w->root, "app.db copy");
	_cleanup_free_ char *back = path_join(w->dir, "back/app.db");
	struct manifest items = MANIFEST_INIT;
	pid_t pid;

	make_db(copy, "copy");
	pid = application(path, "held", 0);
	world_save(w, "start");
	end(pid);
	assert_true(world_item(w, "start", &items, "app.db")->flags &
		    ITEM_SQLITE);
	assert_int_equal(world_item(w, "start", &items, "app.db copy")->flags &
			 ITEM_SQLITE, 0);
	assert_int_equal(world_item(w, "start", &items, "app.db-wal")->type,
			 ITEM_ABSENT);
	manifest_release(&items);
	bring_back(w);
	want_rows(back, "held");
}

/* --- sqlite-copy itself --- */

static void t_header(void **state)
{
	(void)state;
	assert_true(sqlite_is_database("SQLite format 3\0", 16));
	assert_false(sqlite_is_database("SQLite format 3\0", 15));
	assert_false(sqlite_is_database("SQLite format 2\0", 16));
}

static enum sqlite_copy_how how_of(struct world *w, const char *name)
{
	struct sqlite_lock *lock = NULL;
	enum sqlite_copy_how how;

	if (sqlite_lock_try(w->root_fd, name, &lock, &how, &w->err) < 0)
		fail_msg("%s", w->err.msg);
	assert_int_equal(!lock, how == SQLITE_COPY_API);
	sqlite_lock_release(lock);
	return how;
}

static void t_lock(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *path = path_join(w->root, "app.db");
	struct sqlite_lock *lock = NULL;
	enum sqlite_copy_how how;
	pid_t pid;
	int st;

	make_db(path, "x");
	assert_int_equal(how_of(w, "app.db"), SQLITE_COPY_RAW);
	/* while we hold it, nobody reads it */
	assert_int_equal(sqlite_lock_try(w->root_fd, "app.db", &lock, &how,
					 &w->err), 0);
	pid = fork();
	if (pid == 0)
		_exit(sqlite3_exec(open_db(path), "SELECT * FROM t", NULL,
				   NULL, NULL) == SQLITE_BUSY ? 0 : 1);
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_int_equal(st, 0);
	sqlite_lock_release(lock);
	want_rows(path, "x");
	end(application(path, "y", 0));
	assert_int_equal(how_of(w, "app.db"), SQLITE_COPY_RAW);
}

static void t_lock_held(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *path = path_join(w->root, "app.db");
	pid_t pid = application(path, "x", 0);

	assert_int_equal(how_of(w, "app.db"), SQLITE_COPY_API);
	end(pid);
	assert_int_equal(how_of(w, "app.db"), SQLITE_COPY_RAW);
}

static void t_copy(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *path = path_join(w->root, "app.db");
	_cleanup_free_ char *out = path_join(w->dir, "out/copy.db");
	_cleanup_free_ char *names = NULL;
	pid_t pid = application(path, "copied", 3000);

	if (sqlite_copy_api(path, out, &w->err) < 0)
		fail_msg("%s", w->err.msg);
	/* it stands alone */
	names = world_out(w);
	assert_string_equal(names, "copy.db");
	end(pid);
	want_rows(out, "copied");
}

static void t_copy_damaged(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *path = path_join(w->root, "app.db");
	_cleanup_free_ char *out = path_join(w->dir, "out/copy.db");

	world_noise(w, "app.db", 4096, 1);
	assert_true(sqlite_copy_api(path, out, &w->err) < 0);
	assert_int_equal(w->err.code, ERR_BACKUP);
	assert_non_null(strstr(w->err.msg, "app.db"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_world(t_held), with_world(t_held_cold),
		with_world(t_held_large),
		with_world(t_left_behind), with_world(t_neighbours),
		cmocka_unit_test(t_header), with_world(t_lock),
		with_world(t_lock_held), with_world(t_copy),
		with_world(t_copy_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
