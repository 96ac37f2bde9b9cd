/* SPDX-License-Identifier: MIT */
/*
 * peer-sqlite copy|sums FROM TO: what a program made for one table does, without
 * a journal, checks or a way back. copy: the rows of `rows` in the order of
 * their keys, 10,000 to a transaction. sums: XXH3-128 of the values of each row,
 * added up, of both files at once.
 */
#include <pthread.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define BATCH 10000
#define COLUMNS "id, thread, body, n, score, made"
#define COLUMN_N 6

static void need(int ok, sqlite3 *db, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "%s: %s\n", what, sqlite3_errmsg(db));
	exit(1);
}

static sqlite3 *open_db(const char *path)
{
	sqlite3 *db;

	need(sqlite3_open(path, &db) == SQLITE_OK, db, path);
	return db;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *s;

	need(sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK, db, sql);
	return s;
}

static void run(sqlite3 *db, const char *sql)
{
	need(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, db, sql);
}

static void copy(const char *from, const char *to)
{
	sqlite3 *a = open_db(from), *b = open_db(to);
	sqlite3_stmt *get = prepare(a, "SELECT " COLUMNS " FROM rows "
		"WHERE id > ?1 ORDER BY id LIMIT 10000");
	sqlite3_stmt *put;
	char last[64] = "";
	int n;

	run(b, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
	put = prepare(b, "INSERT INTO rows (" COLUMNS ") "
		"VALUES (?, ?, ?, ?, ?, ?)");
	do {
		(void)sqlite3_bind_text(get, 1, last, -1, SQLITE_STATIC);
		run(b, "BEGIN IMMEDIATE");
		for (n = 0; sqlite3_step(get) == SQLITE_ROW; n++) {
			for (int i = 0; i < COLUMN_N; i++)
				(void)sqlite3_bind_value(put, i + 1,
					sqlite3_column_value(get, i));
			need(sqlite3_step(put) == SQLITE_DONE, b, "INSERT");
			(void)sqlite3_reset(put);
			if (n == BATCH - 1)
				(void)snprintf(last, sizeof(last), "%s",
					sqlite3_column_text(get, 0));
		}
		need(sqlite3_reset(get) == SQLITE_OK, a, "SELECT");
		run(b, "COMMIT");
	} while (n == BATCH);
	(void)sqlite3_finalize(get);
	(void)sqlite3_finalize(put);
	(void)sqlite3_close(a);
	(void)sqlite3_close(b);
}

struct sum {
	const char *path;
	uint64_t n, lo, hi;
};

static void *add_up(void *sum)
{
	struct sum *s = sum;
	sqlite3 *db = open_db(s->path);
	sqlite3_stmt *get = prepare(db, "SELECT " COLUMNS " FROM rows");
	XXH3_state_t *x = XXH3_createState();

	while (sqlite3_step(get) == SQLITE_ROW) {
		XXH128_hash_t h;

		(void)XXH3_128bits_reset(x);
		for (int i = 0; i < COLUMN_N; i++) {
			int type = sqlite3_column_type(get, i), n;
			int64_t whole;
			double real;

			(void)XXH3_128bits_update(x, &type, sizeof(type));
			if (type == SQLITE_INTEGER) {
				whole = sqlite3_column_int64(get, i);
				(void)XXH3_128bits_update(x, &whole, 8);
			} else if (type == SQLITE_FLOAT) {
				real = sqlite3_column_double(get, i);
				(void)XXH3_128bits_update(x, &real, 8);
			} else if (type != SQLITE_NULL) {
				const void *p = sqlite3_column_blob(get, i);

				n = sqlite3_column_bytes(get, i);
				(void)XXH3_128bits_update(x, &n, sizeof(n));
				(void)XXH3_128bits_update(x, p, (size_t)n);
			}
		}
		h = XXH3_128bits_digest(x);
		s->lo += h.low64;
		s->hi += h.high64;
		s->n++;
	}
	(void)XXH3_freeState(x);
	(void)sqlite3_finalize(get);
	(void)sqlite3_close(db);
	return NULL;
}

static int sums(const char *from, const char *to)
{
	struct sum a = { .path = from }, b = { .path = to };
	pthread_t thread;

	if (pthread_create(&thread, NULL, add_up, &b))
		return 1;
	(void)add_up(&a);
	(void)pthread_join(thread, NULL);
	return a.n != b.n || a.lo != b.lo || a.hi != b.hi;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 64;
	if (!strcmp(argv[1], "sums"))
		return sums(argv[2], argv[3]);
	copy(argv[2], argv[3]);
	return 0;
}
