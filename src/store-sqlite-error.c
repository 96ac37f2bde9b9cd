/* SPDX-License-Identifier: MIT */
#include "store-sqlite-error.h"

#include <errno.h>
#include <sqlite3.h>
#include <stddef.h>

const char *store_sqlite_state(int extended)
{
	switch (extended) {
	case SQLITE_CONSTRAINT_PRIMARYKEY:
	case SQLITE_CONSTRAINT_ROWID:
	case SQLITE_CONSTRAINT_UNIQUE: return "23505";
	case SQLITE_CONSTRAINT_NOTNULL: return "23502";
	case SQLITE_CONSTRAINT_FOREIGNKEY: return "23503";
	case SQLITE_CONSTRAINT_CHECK: return "23514";
	case SQLITE_CONSTRAINT_TRIGGER: return "P0001";
	}
	switch (extended & 0xff) {
	case SQLITE_CONSTRAINT: return "23000";
	case SQLITE_MISMATCH: return "22000";
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return "55P03";
	case SQLITE_TOOBIG: return "54000";
	case SQLITE_FULL: return "53100";
	case SQLITE_READONLY: return "25006";
	case SQLITE_ERROR: return "42000";
	default: return "";
	}
}

int store_sqlite_errno(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return -EAGAIN;
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH: return -EBADMSG;
	case SQLITE_TOOBIG: return -E2BIG;
	case SQLITE_FULL: return -ENOSPC;
	case SQLITE_READONLY: return -EROFS;
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT: return -EUCLEAN;
	case SQLITE_ERROR:
	case SQLITE_RANGE:
	case SQLITE_AUTH: return -EINVAL;
	default: return -EIO;
	}
}

int store_sqlite_os_error(sqlite3 *db)
{
	sqlite3_file *f = NULL;
	int e = 0;

	(void)sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER,
				   &f);
	if (f && f->pMethods)
		(void)f->pMethods->xFileControl(f, SQLITE_FCNTL_LAST_ERRNO, &e);
	if (!e)
		(void)sqlite3_file_control(db, "main",
					   SQLITE_FCNTL_LAST_ERRNO, &e);
	return e == EAGAIN || e == EACCES ? 0 : e;
}
