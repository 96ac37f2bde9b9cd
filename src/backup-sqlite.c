/* SPDX-License-Identifier: MIT */
/*
 * SQLite databases in the set (PROTOCOL 3). One that nobody holds is locked
 * and copied raw, with its -wal and -journal; the lock stays while the paths
 * that come begin with its own, so that its own files are among them ("a.db",
 * "a.db copy", "a.db-wal": two databases may be held at a time). One that
 * somebody holds is copied by SQLite, and its side files are in that copy.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "backup-internal.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/path.h"
#include "base/xalloc.h"

#define SQLITE_HEAD 16

void hold_release(struct maker *m, const char *path)
{
	size_t n = 0;

	for (size_t i = 0; i < m->hold_n; i++) {
		struct sqlite_hold *h = &m->holds[i];

		if (path && str_starts(path, h->path)) {
			m->holds[n++] = *h;
			continue;
		}
		sqlite_lock_release(h->lock);
		free(h->path);
	}
	m->hold_n = n;
}

bool hold_has(const struct maker *m, const char *path)
{
	static const char *const ends[] = { "-wal", "-shm", "-journal" };

	for (size_t i = 0; i < m->hold_n; i++) {
		const struct sqlite_hold *h = &m->holds[i];

		if (!h->copied || !str_starts(path, h->path))
			continue;
		for (size_t j = 0; j < ARRAY_SIZE(ends); j++)
			if (!strcmp(path + strlen(h->path), ends[j]))
				return true;
	}
	return false;
}

int hold_try(struct maker *m, const struct item *it, int fd,
	     enum sqlite_copy_how *how, struct error *err)
{
	_cleanup_close_ int dir = -1;
	struct sqlite_lock *lock = NULL;
	char head[SQLITE_HEAD];
	const char *name;
	int ret;

	*how = SQLITE_COPY_RAW;
	if (it->nlink > 1 || it->size < 512 || !m->tar ||
	    fs_pread_full(fd, head, sizeof(head), 0) != sizeof(head) ||
	    !sqlite_is_database(head, sizeof(head)))
		return 0;
	dir = fs_open_parent(m->spec->root_fd, it->path, &name);
	if (dir < 0)
		return pack_io_error(err, dir, it->path);
	ret = sqlite_lock_try(dir, name, &lock, how, err);
	if (ret < 0)
		return ret;
	VEC_GROW(m->holds, m->hold_n, m->hold_cap);
	m->holds[m->hold_n].path = xstrdup(it->path);
	m->holds[m->hold_n].lock = lock;
	m->holds[m->hold_n++].copied = *how == SQLITE_COPY_API;
	return 0;
}

int hold_store(struct maker *m, struct item *it, size_t *frame,
	       struct error *err)
{
	_cleanup_free_ char *temp = xasprintf("%s.sqlite.part", m->name);
	_cleanup_free_ char *dir = xasprintf("/proc/self/fd/%d/%s", m->dirfd,
					     temp);
	_cleanup_free_ char *path = *it->path == '/' ? xstrdup(it->path) :
		path_join(m->spec->root, it->path);
	_cleanup_close_ int fd = -1;
	struct stat st;
	int ret;

	(void)fs_unlink(m->dirfd, temp, 0); /* of a killed backup */
	ret = sqlite_copy_api(path, dir, err);
	if (ret < 0)
		return ret;
	fd = fs_open(m->dirfd, temp, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0 || fstat(fd, &st) < 0)
		return pack_io_error(err, fd < 0 ? fd : -errno, it->path);
	it->flags |= ITEM_SQLITE | ITEM_HAS_DIGEST2;
	it->stored_size = (uint64_t)st.st_size;
	it->alloc = 0;
	ret = pack_begin(m, it, -1, frame, err);
	if (ret >= 0)
		ret = content_pump(m, fd, 0, it->stored_size, true, &it->digest2,
			   it->path, err);
	if (ret == -EAGAIN)
		return pack_changed(err, it->path);
	if (ret >= 0)
		ret = tar_end_member(m->tar, err);
	(void)fs_unlink(m->dirfd, temp, 0); /* swept by the next backup */
	return ret;
}
