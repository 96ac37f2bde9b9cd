/* SPDX-License-Identifier: MIT */
/*
 * Who keeps others out of a database: read in /proc/locks, as whoever opens and
 * closes the file itself gives up all locks that SQLite has on it.
 * Source: https://www.sqlite.org/src/file/src/os.h (bytes that are locked),
 * https://www.sqlite.org/walformat.html, proc_locks(5)
 */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "store-sqlite-internal.h"

#define LOCKS_MAX (4u << 20)
#define SHARED_FIRST 0x40000002ll
/* of FILE-shm: the right to write */
#define WAL_WRITE 120ll

struct lock {
	bool write;
	long pid;
	unsigned int major, minor;
	unsigned long inode;
	long long first, last;
};

static bool parse(const char *line, struct lock *l)
{
	char kind[16], how[16], last[24];

	/* those who wait have an arrow behind the number */
	if (sscanf(line, "%*u: %15s %*15s %15s %ld %x:%x:%lu %lld %23s", kind,
		   how, &l->pid, &l->major, &l->minor, &l->inode, &l->first,
		   last) != 8)
		return false;
	l->write = !strcmp(how, "WRITE");
	if (sscanf(last, "%lld", &l->last) != 1)
		l->last = INT64_MAX;
	return l->pid > 0 && l->pid != (long)getpid();
}

static bool is_on(const struct lock *l, const struct stat *st)
{
	return st->st_ino == l->inode && major(st->st_dev) == l->major &&
	       minor(st->st_dev) == l->minor;
}

/* 0: it is not in the way */
static int weight(const struct lock *l, const struct stat *file,
		  const struct stat *shm)
{
	if (shm && is_on(l, shm))
		return l->write && l->first <= WAL_WRITE &&
		       l->last >= WAL_WRITE ? 3 : 0;
	if (!is_on(l, file))
		return 0;
	if (l->write)
		return 2;
	/* with a write-ahead log every connection reads */
	return !shm && l->last >= SHARED_FIRST;
}

static long find(char *text, const struct stat *file, const struct stat *shm)
{
	int best = 0;
	long pid = 0;

	for (char *next, *line = text; line && *line; line = next) {
		struct lock l;
		int w;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		w = parse(line, &l) ? weight(&l, file, shm) : 0;
		if (w > best) {
			best = w;
			pid = l.pid;
		}
	}
	return pid;
}

char *sqlite_held(sqlite3 *db)
{
	const char *path = sqlite3_db_filename(db, "main");
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_free_ char *shm = path ? xasprintf("%s-shm", path) : NULL;
	_cleanup_free_ char *comm = NULL;
	struct stat st, st_shm;
	bool wal;
	long pid;

	if (!path || !*path || stat(path, &st) < 0 ||
	    fs_read_file(AT_FDCWD, "/proc/locks", LOCKS_MAX, &text) < 0)
		return NULL;
	wal = stat(shm, &st_shm) == 0;
	pid = find(text.buf, &st, wal ? &st_shm : NULL);
	if (!pid)
		return NULL;
	comm = xasprintf("/proc/%ld/comm", pid);
	strbuf_clear(&text);
	if (fs_read_file(AT_FDCWD, comm, 256, &text) < 0 || text.len < 2)
		return xasprintf(_("the lock of process %ld"), pid);
	strbuf_set_len(&text, text.len - 1);
	/* TRANSLATORS: a number and the name of a program */
	return xasprintf(_("the lock of process %ld (%s)"), pid, text.buf);
}
