/* SPDX-License-Identifier: MIT */
#ifndef STORE_SQLITE_ERROR_H
#define STORE_SQLITE_ERROR_H
/*
 * store-sqlite-error - what SQLite says of a failure, in the terms of store.h
 *
 * Source: https://www.sqlite.org/rescode.html
 */
struct sqlite3;

/* an extended code as PostgreSQL would call it, or "" */
const char *store_sqlite_state(int extended);
/* -errno, whose class says what to do */
int store_sqlite_errno(int rc);
/*
 * "disk I/O error" alone says nothing: the errno that the system gave for the
 * journal or else for the database, or 0. A lock that somebody else has is no
 * error.
 */
int store_sqlite_os_error(struct sqlite3 *db);

#endif
