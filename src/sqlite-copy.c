/* SPDX-License-Identifier: MIT */
#include "sqlite-copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/xalloc.h"

/* the lock bytes of the file format (https://www.sqlite.org/lockingv3.html) */
#define PENDING_BYTE 0x40000000
#define LOCK_LENGTH (2 + 510)
/* and those of the shared memory of a WAL (https://www.sqlite.org/walformat.html) */
#define SHM_LOCK 120
#define SHM_LENGTH 8

struct sqlite_lock {
	int db, shm;
};

bool sqlite_is_database(const void *head, unsigned int len)
{
	return len >= 16 && !memcmp(head, "SQLite format 3", 16);
}

/* 1: obtained, 0: somebody holds it */
static int take(int fd, off_t start, off_t len, short type)
{
	struct flock fl = { .l_type = type, .l_whence = SEEK_SET,
			    .l_start = start, .l_len = len };

	if (fcntl(fd, F_OFD_SETLK, &fl) == 0)
		return 1;
	return errno == EAGAIN || errno == EACCES ? 0 : -errno;
}

/* a reader holds a shared lock, so only an exclusive one tells that nobody
   does; without the right to write, a shared one against writers */
static int lock_bytes(int dirfd, const char *name, off_t start, off_t len,
		      int *ret_fd)
{
	int fd = fs_open(dirfd, name, O_RDWR | O_NOFOLLOW, 0);
	short type = F_WRLCK;
	int ret;

	if (fd == -EACCES || fd == -EROFS) {
		fd = fs_open(dirfd, name, O_RDONLY | O_NOFOLLOW, 0);
		type = F_RDLCK;
	}
	if (fd == -ENOENT)
		return 1;
	if (fd < 0)
		return fd;
	ret = take(fd, start, len, type);
	if (ret > 0)
		*ret_fd = fd;
	else
		(void)close(fd); /* OFD locks: takes nobody else's away */
	return ret;
}

int sqlite_lock_try(int dirfd, const char *name, struct sqlite_lock **ret,
		    enum sqlite_copy_how *how, struct error *err)
{
	_cleanup_free_ char *shm = xasprintf("%s-shm", name);
	struct sqlite_lock *l = xcalloc(1, sizeof(*l));
	int r;

	l->db = l->shm = -1;
	r = lock_bytes(dirfd, name, PENDING_BYTE, LOCK_LENGTH, &l->db);
	if (r > 0)
		r = lock_bytes(dirfd, shm, SHM_LOCK, SHM_LENGTH, &l->shm);
	if (r > 0) {
		*how = SQLITE_COPY_RAW;
		*ret = l;
		return 0;
	}
	sqlite_lock_release(l);
	*ret = NULL;
	*how = SQLITE_COPY_API;
	if (r < 0)
		return error_errno(err, ERR_BACKUP, r,
				   _("cannot lock database '%s'"), name);
	return 0;
}

void sqlite_lock_release(struct sqlite_lock *l)
{
	if (!l)
		return;
	if (l->shm >= 0)
		(void)close(l->shm); /* releases the lock */
	if (l->db >= 0)
		(void)close(l->db);
	free(l);
}

#ifndef HAVE_SQLITE
int sqlite_copy_api(const char *path, _unused_ const char *out_path,
		    struct error *err)
{
	error_set(err, ERR_TOOL, -EOPNOTSUPP,
		  _("database '%s' is open, and this upshift was built without "
		    "SQLite"), path);
	error_hint(err, _("close what has it open"));
	return -EOPNOTSUPP;
}
#endif
