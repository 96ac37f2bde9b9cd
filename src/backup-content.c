/* SPDX-License-Identifier: MIT */
/*
 * The content of regular files: read, compared with what it was before, hashed,
 * and into the archive. What comes from the thread ahead is read already.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "backup-internal.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/path.h"
#include "base/xalloc.h"

#define TRIES 3
#define STREAM_BUFFER (256u * 1024u)

int content_open_quietly(int dirfd, const char *name)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	int fd = fs_open(dirfd, name, flags | O_NOATIME, 0);

	return fd == -EPERM ? fs_open(dirfd, name, flags, 0) : fd;
}

bool content_is_live(const struct backup_spec *spec, const char *path)
{
	return glob_match_any(spec->live, path);
}

int content_open(struct maker *m, struct item *it, struct error *err)
{
	_cleanup_close_ int dir = -1, fd = -1;
	struct meta now;
	const char *name;
	struct stat st;
	int ret;

	dir = fs_open_parent(m->spec->root_fd, it->path, &name);
	fd = dir < 0 ? dir : content_open_quietly(dir, name);
	if (fd < 0)
		return fd == -ELOOP ? pack_changed(err, it->path) :
			pack_io_error(err, fd, it->path);
	if (fstat(fd, &st) < 0)
		return pack_io_error(err, -errno, it->path);
	if (!S_ISREG(st.st_mode) || st.st_ino != it->ino ||
	    st.st_dev != it->dev)
		return pack_changed(err, it->path);
	/* it was met a while ago */
	ret = meta_read(fd, &st, &now, err);
	if (ret < 0)
		return ret;
	meta_release(&it->meta);
	it->meta = now;
	return TAKE_FD(fd);
}

static int look(int fd, const struct item *it, struct stat *ret,
		struct error *err)
{
	return fstat(fd, ret) < 0 ? pack_io_error(err, -errno, it->path) : 0;
}

/* a live file may have grown since: its old prefix is what counts */
static bool unchanged(const struct stat *a, const struct stat *b, bool live)
{
	if (live)
		return b->st_size >= a->st_size;
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev &&
		a->st_size == b->st_size &&
		a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
		a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
		a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
		a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* what is about to be read, of which the item will have the digest */
static void adopt(struct item *it, const struct stat *st, bool live)
{
	it->size = (uint64_t)st->st_size;
	it->meta.mtime = st->st_mtim;
	it->flags |= ITEM_HAS_DIGEST | (live ? ITEM_LIVE : 0);
}

int content_pump(struct maker *m, int fd, uint64_t at, uint64_t n,
		 bool to_tar, struct xxh128 *ret, const char *path,
		 struct error *err)
{
	struct xxh_stream *x = xxh_stream_new();
	off_t off = (off_t)at;
	int r = 0;

	while (r >= 0 && n) {
		size_t want = (size_t)MIN(n, (uint64_t)STREAM_BUFFER);
		ssize_t got = fs_pread_full(fd, m->buf, want, off);

		if (got < 0 || (size_t)got < want) {
			r = got < 0 ? pack_io_error(err, (int)got, path) :
				-EAGAIN;
			break;
		}
		xxh_stream_add(x, m->buf, want);
		if (to_tar)
			r = tar_data(m->tar, m->buf, want, err);
		if (r >= 0)
			r = pack_progress(m, to_tar ? want : 0, err);
		n -= want;
		off += (off_t)want;
	}
	*ret = xxh_stream_end(x);
	xxh_stream_free(x);
	return r;
}

int content_read(struct maker *m, struct item *it, int fd, struct error *err)
{
	bool live = content_is_live(m->spec, it->path);

	for (int tries = 0; tries < TRIES; tries++) {
		struct stat a, b;
		ssize_t n;
		int ret = look(fd, it, &a, err);

		if (ret < 0)
			return ret;
		if (a.st_size > SMALL_FILE)
			break;
		n = fs_pread_full(fd, m->buf, (size_t)a.st_size, 0);
		ret = n < 0 ? pack_io_error(err, (int)n, it->path) :
			look(fd, it, &b, err);
		if (ret < 0)
			return ret;
		if (n != a.st_size || !unchanged(&a, &b, live))
			continue;
		adopt(it, &a, live);
		it->digest = xxh128_of(m->buf, (size_t)n);
		return 0;
	}
	return pack_changed(err, it->path);
}

int content_store_read(struct maker *m, struct item *it, const char *data,
		       int fd, size_t *frame, struct error *err)
{
	int ret = pack_begin(m, it, fd, frame, err);

	if (ret >= 0 && it->size)
		ret = tar_data(m->tar, data, it->size, err);
	if (ret >= 0)
		ret = tar_end_member(m->tar, err);
	return ret < 0 ? ret : pack_progress(m, it->size, err);
}

int content_store(struct maker *m, struct item *it, int fd, size_t *frame,
		  struct error *err)
{
	bool live = content_is_live(m->spec, it->path);
	struct stat a, b;
	int ret = look(fd, it, &a, err);

	if (ret < 0)
		return ret;
	adopt(it, &a, live);
	ret = pack_begin(m, it, fd, frame, err);
	if (ret >= 0)
		ret = content_pump(m, fd, 0, it->size, true, &it->digest,
				   it->path, err);
	if (ret == -EAGAIN)
		return pack_changed(err, it->path);
	if (ret >= 0)
		ret = tar_end_member(m->tar, err);
	if (ret >= 0)
		ret = look(fd, it, &b, err);
	if (ret < 0)
		return ret;
	return unchanged(&a, &b, live) ? 0 : pack_changed(err, it->path);
}

int content_digest(struct maker *m, struct item *it, int fd,
		   struct error *err)
{
	bool live = content_is_live(m->spec, it->path);

	for (int tries = 0; tries < TRIES; tries++) {
		struct stat a, b;
		int ret = look(fd, it, &a, err);

		if (ret < 0)
			return ret;
		adopt(it, &a, live);
		ret = content_pump(m, fd, 0, it->size, false, &it->digest,
				   it->path, err);
		if (ret == -EAGAIN)
			continue;
		if (ret >= 0)
			ret = look(fd, it, &b, err);
		if (ret < 0)
			return ret;
		if (unchanged(&a, &b, live))
			return 0;
	}
	return pack_changed(err, it->path);
}
