/* SPDX-License-Identifier: MIT */
/* The copy of a database that somebody has open: what needs SQLite itself. */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "sqlite-copy.h"

#define PAGES 2048
#define BUSY_TRIES 300
#define BUSY_MS 100

static int failed(struct error *err, sqlite3 *db, const char *path)
{
	return error_set(err, ERR_BACKUP, -EIO,
			 _("cannot copy database '%s': %s"), path,
			 db ? sqlite3_errmsg(db) : _("out of memory"));
}

/* a writer makes it begin again, so it waits for a quiet moment, bounded */
static int copy_pages(sqlite3 *from, sqlite3 *to, const char *path,
		      struct error *err)
{
	sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
	int rc = SQLITE_OK, tries = 0;

	if (!b)
		return failed(err, to, path);
	while (rc != SQLITE_DONE) {
		/* the last tries take all pages at once, under one lock */
		rc = sqlite3_backup_step(b, tries > 3 ? -1 : PAGES);
		if (rc == SQLITE_OK || rc == SQLITE_DONE)
			continue;
		if ((rc != SQLITE_BUSY && rc != SQLITE_LOCKED) ||
		    ++tries > BUSY_TRIES)
			break;
		(void)sqlite3_sleep(BUSY_MS);
	}
	if (sqlite3_backup_finish(b) != SQLITE_OK || rc != SQLITE_DONE) {
		if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
			return error_set(err, ERR_BACKUP_CHANGED, -EBUSY,
				_("database '%s' was locked for too long"),
				path);
		return failed(err, to, path);
	}
	return 0;
}

static int open_source(const char *path, sqlite3 **ret, struct error *err)
{
	int rc = sqlite3_open_v2(path, ret, SQLITE_OPEN_READWRITE |
				 SQLITE_OPEN_NOFOLLOW, NULL);

	if (rc != SQLITE_OK) {
		(void)sqlite3_close(*ret);
		rc = sqlite3_open_v2(path, ret, SQLITE_OPEN_READONLY, NULL);
	}
	if (rc != SQLITE_OK)
		return failed(err, *ret, path);
	/* closing must not write the WAL back: the files stay as they are */
	(void)sqlite3_db_config(*ret, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1,
				NULL);
	(void)sqlite3_db_config(*ret, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	(void)sqlite3_busy_timeout(*ret, 5000);
	return 0;
}

/* SQLite's own unlink of the copy's journal is not durable (RELIABILITY 2.8) */
static int settle(const char *path, struct error *err)
{
	_cleanup_close_ int fd = fs_open(AT_FDCWD, path, O_RDONLY, 0);
	int ret = fd < 0 ? fd : fs_sync(fd);

	if (ret < 0)
		return error_errno(err, ERR_BACKUP, ret,
				   _("cannot flush the copy of a database"));
	return 0;
}

int sqlite_copy_api(const char *path, const char *out_path,
		    struct error *err)
{
	sqlite3 *from = NULL, *to = NULL;
	int ret = open_source(path, &from, err);

	if (ret >= 0 && sqlite3_open_v2(out_path, &to, SQLITE_OPEN_READWRITE |
					SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
		ret = failed(err, to, path);
	if (ret >= 0) {
		/* it is a scratch file: no journal beside it */
		(void)sqlite3_exec(to, "PRAGMA journal_mode=OFF", NULL, NULL,
				   NULL);
		ret = copy_pages(from, to, path, err);
	}
	(void)sqlite3_close(to);
	(void)sqlite3_close(from);
	return ret < 0 ? ret : settle(out_path, err);
}
