/* SPDX-License-Identifier: MIT */
#ifndef SQLITE_COPY_H
#define SQLITE_COPY_H
/*
 * sqlite-copy - a consistent copy of a live SQLite database, unchanged itself
 *
 * Opening and closing a WAL database with SQLite rewrites it and deletes its
 * -wal (tried), so a database that nobody holds is not opened at all: all lock
 * bytes are obtained and the files are copied raw. Where somebody holds it the
 * backup API is used, with SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE. Within one
 * process, a raw descriptor of a database must not be closed while a
 * connection to it lives (POSIX locks go with the first close).
 * Source: https://www.sqlite.org/howtocorrupt.html, /backup.html.
 */
#include <stdbool.h>

struct error;

/* first 16 bytes say "SQLite format 3" */
bool sqlite_is_database(const void *head, unsigned int len);

enum sqlite_copy_how { SQLITE_COPY_RAW, SQLITE_COPY_API };
/*
 * Decides; RAW keeps the locks until sqlite_lock_release(), so that the caller
 * can read db, -wal and -journal as plain files meanwhile.
 */
struct sqlite_lock;
int sqlite_lock_try(int dirfd, const char *name, struct sqlite_lock **ret,
		    enum sqlite_copy_how *how, struct error *err);
void sqlite_lock_release(struct sqlite_lock *l);
/* path -> new file out_path, consistent, closed, fsynced; bounded wait */
int sqlite_copy_api(const char *path, const char *out_path,
		    struct error *err);

#endif
