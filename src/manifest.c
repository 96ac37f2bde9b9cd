/* SPDX-License-Identifier: MIT */
#include "manifest.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/ours.h"
#include "base/path.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

#define READ_BUFFER_SIZE (256 * 1024)
/* holes smaller than this are not worth a word in the manifest */
#define SPARSE_MIN (1024 * 1024)

void item_release(struct item *it)
{
	free(it->path);
	free(it->target);
	free(it->link);
	meta_release(&it->meta);
	memset(it, 0, sizeof(*it));
}

void item_copy(struct item *dst, const struct item *src)
{
	*dst = *src;
	dst->path = xstrdup_null(src->path);
	dst->target = xstrdup_null(src->target);
	dst->link = xstrdup_null(src->link);
	memset(&dst->meta, 0, sizeof(dst->meta));
	meta_copy(&dst->meta, &src->meta);
}

const char *item_type_name(enum item_type t)
{
	static const char *const names[ITEM_TYPE_COUNT] = {
		[ITEM_ABSENT] = "absent",
		[ITEM_FILE] = "file",
		[ITEM_DIR] = "dir",
		[ITEM_SYMLINK] = "symlink",
		[ITEM_FIFO] = "fifo",
		[ITEM_SOCKET] = "socket",
		[ITEM_CHAR] = "char",
		[ITEM_BLOCK] = "block",
	};

	return names[t];
}

static enum item_type type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return ITEM_FILE;
	case S_IFDIR:
		return ITEM_DIR;
	case S_IFLNK:
		return ITEM_SYMLINK;
	case S_IFIFO:
		return ITEM_FIFO;
	case S_IFSOCK:
		return ITEM_SOCKET;
	case S_IFCHR:
		return ITEM_CHAR;
	case S_IFBLK:
		return ITEM_BLOCK;
	}
	BUG("unknown file type %o", (unsigned int)mode);
}

void item_from_stat(struct item *it, const char *path, const struct stat *st)
{
	memset(it, 0, sizeof(*it));
	it->path = xstrdup(path);
	it->type = type_of(st->st_mode);
	if (it->type == ITEM_FILE || it->type == ITEM_SYMLINK)
		it->size = (uint64_t)st->st_size;
	if (it->type == ITEM_FILE &&
	    it->size > (uint64_t)st->st_blocks * 512 + SPARSE_MIN)
		it->alloc = (uint64_t)st->st_blocks * 512 + 1;
	if (it->type == ITEM_CHAR || it->type == ITEM_BLOCK)
		it->rdev = st->st_rdev;
	it->dev = st->st_dev;
	it->ino = st->st_ino;
	it->nlink = st->st_nlink;
	it->ctime_ns = (int64_t)st->st_ctim.tv_sec * 1000000000 +
		       st->st_ctim.tv_nsec;
	it->meta.mode = st->st_mode & 07777;
	it->meta.uid = st->st_uid;
	it->meta.gid = st->st_gid;
	it->meta.mtime = st->st_mtim;
}

/* The path as it may stand in a message. */
static int read_error(struct error *err, int r, const char *path)
{
	_cleanup_free_ char *text = escape_bytes(path);

	return error_errno(err, ERR_IO, r, _("cannot read '%s'"), text);
}

/*
 * O_NONBLOCK: should the file become a FIFO between the two opens, the open
 * must not wait for a writer; the type is looked at again on the descriptor.
 */
static int digest_file(int root_fd, struct item *it, struct error *err)
{
	_cleanup_free_ char *buf = NULL;
	struct xxh_stream *x;
	struct stat st;
	uint64_t size = 0;
	ssize_t n;

	_cleanup_close_ int fd = fs_open_beneath(root_fd, it->path,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0)
		return read_error(err, fd, it->path);
	if (fstat(fd, &st) < 0)
		return read_error(err, -errno, it->path);
	if (!S_ISREG(st.st_mode) || st.st_ino != it->ino ||
	    st.st_dev != it->dev)
		return read_error(err, -ESTALE, it->path);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* a hint */

	buf = xmalloc(READ_BUFFER_SIZE);
	x = xxh_stream_new();
	while ((n = fs_read_full(fd, buf, READ_BUFFER_SIZE)) > 0) {
		xxh_stream_add(x, buf, (size_t)n);
		size += (uint64_t)n;
		if (n < READ_BUFFER_SIZE)
			break;
	}
	if (n >= 0) {
		it->digest = xxh_stream_end(x);
		it->flags |= ITEM_HAS_DIGEST;
		it->size = size;
	}
	xxh_stream_free(x);
	return n < 0 ? read_error(err, (int)n, it->path) : 0;
}

int item_read(int root_fd, const char *path, bool with_digest,
	      struct item *it, struct error *err)
{
	_cleanup_item_ struct item out = ITEM_INIT;
	struct stat st;
	int r;

	_cleanup_close_ int fd = fs_open_beneath(root_fd, path,
						 O_PATH | O_NOFOLLOW, 0);
	if (fd == -ENOENT || fd == -ENOTDIR) {
		memset(it, 0, sizeof(*it));
		it->path = xstrdup(path);
		return 0;
	}
	if (fd < 0)
		return read_error(err, fd, path);
	if (fstat(fd, &st) < 0)
		return read_error(err, -errno, path);
	item_from_stat(&out, path, &st);
	r = meta_read(fd, &st, &out.meta, err);
	if (r < 0)
		return r;
	if (out.type == ITEM_SYMLINK) {
		r = fs_readlink_beneath(root_fd, path, &out.target);
		if (r < 0)
			return read_error(err, r, path);
	}
	if (out.type == ITEM_FILE && with_digest) {
		r = digest_file(root_fd, &out, err);
		if (r < 0)
			return r;
	}
	*it = out;
	memset(&out, 0, sizeof(out));
	return 0;
}

static bool content_differs(const struct item *a, const struct item *b)
{
	switch (a->type) {
	case ITEM_FILE:
		if (a->size != b->size)
			return true;
		return (a->flags & b->flags & ITEM_HAS_DIGEST) &&
		       !xxh128_equal(&a->digest, &b->digest);
	case ITEM_SYMLINK:
		return strcmp(a->target ? a->target : "",
			      b->target ? b->target : "") != 0;
	case ITEM_CHAR:
	case ITEM_BLOCK:
		return a->rdev != b->rdev;
	default:
		return false;
	}
}

unsigned int item_compare(const struct item *a, const struct item *b)
{
	unsigned int diff = 0;

	if (a->type != b->type)
		return ITEM_DIFF_TYPE;
	if (a->type == ITEM_ABSENT)
		return 0;
	if (content_differs(a, b))
		diff |= ITEM_DIFF_CONTENT;
	/* Linux gives every symlink the mode 0777; nothing can change it. */
	if (a->type != ITEM_SYMLINK && a->meta.mode != b->meta.mode)
		diff |= ITEM_DIFF_MODE;
	if (a->meta.uid != b->meta.uid || a->meta.gid != b->meta.gid)
		diff |= ITEM_DIFF_OWNER;
	if (a->meta.mtime.tv_sec != b->meta.mtime.tv_sec ||
	    a->meta.mtime.tv_nsec != b->meta.mtime.tv_nsec)
		diff |= ITEM_DIFF_MTIME;
	if (!meta_xattrs_equal(&a->meta, &b->meta))
		diff |= ITEM_DIFF_XATTR;
	return diff;
}

static int name_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void item_names_of(struct strvec *names, struct xxh128 *ret)
{
	struct xxh_stream *x = xxh_stream_new();

	if (names->n > 1)
		qsort(names->v, names->n, sizeof(*names->v), name_cmp);
	for (size_t i = 0; i < names->n; i++)
		xxh_stream_add(x, names->v[i], strlen(names->v[i]) + 1);
	*ret = xxh_stream_end(x);
	xxh_stream_free(x);
}

int item_names_digest(int root_fd, const char *path, const struct ours *ours,
		      struct xxh128 *ret, struct error *err)
{
	_cleanup_strvec_ struct strvec names = STRVEC_INIT;
	struct dirent *de;
	DIR *dir;
	int fd, r;

	fd = fs_open_beneath(root_fd, path,
			     O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		return read_error(err, fd, path);
	dir = fdopendir(fd);
	if (!dir) {
		r = -errno;
		(void)close(fd); /* opened to read */
		return read_error(err, r, path);
	}
	while ((errno = 0, de = readdir(dir))) {
		if (strcmp(de->d_name, ".") == 0 ||
		    strcmp(de->d_name, "..") == 0 ||
		    ours_has_entry(ours, path, de->d_name))
			continue;
		strvec_push(&names, de->d_name);
	}
	r = -errno;
	(void)closedir(dir); /* opened to read */
	if (r < 0)
		return read_error(err, r, path);
	item_names_of(&names, ret);
	return 0;
}

void manifest_release(struct manifest *m)
{
	for (size_t i = 0; i < m->n; i++)
		item_release(&m->items[i]);
	free(m->items);
	memset(m, 0, sizeof(*m));
}

const struct item *manifest_find(const struct manifest *m, const char *path)
{
	size_t lo = 0, hi = m->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = path_cmp(path, m->items[mid].path);

		if (c == 0)
			return &m->items[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}
