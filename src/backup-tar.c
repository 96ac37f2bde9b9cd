/* SPDX-License-Identifier: MIT */
/*
 * Items as members of a pax tar (POSIX.1-2001), written by libarchive without
 * blocking, so that what it was given is in the frames when a member ends.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backup-internal.h"
#include "base/error.h"
#include "base/i18n.h"
#include "base/path.h"
#include "base/xalloc.h"

struct tar {
	struct archive *a;
	struct archive_entry *entry;
	struct frames *f;
	int ret;                 /* first error of the frames */
};

char *tar_name(const char *path)
{
	return *path == '/' ? xasprintf(OUTSIDE_PREFIX "%s", path) :
		xstrdup(path);
}

static la_ssize_t on_write(struct archive *a, void *ctx, const void *p,
			   size_t n)
{
	struct tar *t = ctx;

	t->ret = frames_add(t->f, p, n);
	if (t->ret < 0) {
		archive_set_error(a, -t->ret, "write");
		return ARCHIVE_FATAL;
	}
	return (la_ssize_t)n;
}

/* libarchive's failure, or the frames' own behind it */
static int failed(struct tar *t, struct error *err, const char *path)
{
	_cleanup_free_ char *shown = escape_bytes(path);

	if (t->ret < 0)
		return error_errno(err, ERR_BACKUP, t->ret,
				   _("cannot write the archive"));
	return error_set(err, ERR_BACKUP, -EIO, _("cannot archive '%s': %s"),
			 shown, archive_error_string(t->a) ?
			 archive_error_string(t->a) : "?");
}

struct tar *tar_new(struct frames *f, struct error *err)
{
	struct tar *t = xcalloc(1, sizeof(*t));

	t->f = f;
	t->a = archive_write_new();
	t->entry = archive_entry_new();
	if (!t->a || !t->entry)
		die("out of memory");
	if (archive_write_set_format_pax(t->a) != ARCHIVE_OK ||
	    archive_write_set_options(t->a, "hdrcharset=BINARY,"
				      "xattrheader=SCHILY") != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(t->a, 0) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(t->a, 1) != ARCHIVE_OK ||
	    archive_write_open(t->a, t, NULL, on_write, NULL) != ARCHIVE_OK) {
		(void)error_set(err, ERR_BACKUP, -EIO,
				_("cannot begin the archive: %s"),
				archive_error_string(t->a));
		tar_free(t);
		return NULL;
	}
	return t;
}

void tar_free(struct tar *t)
{
	if (!t)
		return;
	archive_entry_free(t->entry);
	(void)archive_write_free(t->a); /* closed before if it is to count */
	free(t);
}

static const mode_t types[ITEM_TYPE_COUNT] = {
	[ITEM_FILE] = S_IFREG, [ITEM_DIR] = S_IFDIR,
	[ITEM_SYMLINK] = S_IFLNK, [ITEM_FIFO] = S_IFIFO,
	[ITEM_CHAR] = S_IFCHR, [ITEM_BLOCK] = S_IFBLK,
};

static int set_xattrs(struct tar *t, const struct item *it)
{
	for (uint32_t i = 0; i < it->meta.xattr_n; i++) {
		const struct meta_xattr *x = &it->meta.xattrs[i];
		bool def = !strcmp(x->name, "system.posix_acl_default");

		if (def || !strcmp(x->name, "system.posix_acl_access")) {
			if (acl_to_entry(t->entry, x->value, x->len, def) < 0)
				return -EINVAL;
		} else {
			archive_entry_xattr_add_entry(t->entry, x->name,
						      x->value, x->len);
		}
	}
	return 0;
}

/* data ranges of a file with holes */
static void set_sparse(struct tar *t, const struct item *it, int fd)
{
	off_t off = 0;
	int ranges = 0;

	while (off < (off_t)it->size) {
		off_t data = lseek(fd, off, SEEK_DATA), hole;

		if (data < 0 || data >= (off_t)it->size)
			break;
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole < 0 || hole > (off_t)it->size)
			hole = (off_t)it->size;
		archive_entry_sparse_add_entry(t->entry, data, hole - data);
		ranges++;
		off = hole;
	}
	/* nothing but a hole: an empty range at the end says so */
	if (!ranges)
		archive_entry_sparse_add_entry(t->entry, (off_t)it->size, 0);
	(void)lseek(fd, 0, SEEK_SET); /* read by position from here on */
}

/*
 * libarchive writes seconds and fraction side by side, so that a time before
 * 1970 has to be given with the fraction counted away from zero. Only between
 * -1 s and 0 there is no such form; the manifest has the true one.
 */
static void set_mtime(struct tar *t, const struct timespec *ts)
{
	if (ts->tv_sec < -1 && ts->tv_nsec)
		archive_entry_set_mtime(t->entry, ts->tv_sec + 1,
					1000000000 - ts->tv_nsec);
	else
		archive_entry_set_mtime(t->entry, ts->tv_sec, ts->tv_nsec);
}

int tar_header(struct tar *t, const struct item *it, int fd,
	       struct error *err)
{
	_cleanup_free_ char *name = tar_name(it->path);
	uint64_t size = it->flags & ITEM_HAS_DIGEST2 ? it->stored_size :
		it->size;

	archive_entry_clear(t->entry);
	archive_entry_copy_pathname(t->entry, name);
	archive_entry_set_mode(t->entry, types[it->type] | it->meta.mode);
	archive_entry_set_uid(t->entry, it->meta.uid);
	archive_entry_set_gid(t->entry, it->meta.gid);
	set_mtime(t, &it->meta.mtime);
	archive_entry_set_size(t->entry, 0);
	if (it->type == ITEM_SYMLINK)
		archive_entry_copy_symlink(t->entry, it->target);
	if (it->type == ITEM_CHAR || it->type == ITEM_BLOCK)
		archive_entry_set_rdev(t->entry, it->rdev);
	if (it->link) {
		_cleanup_free_ char *first = tar_name(it->link);

		archive_entry_copy_hardlink(t->entry, first);
	} else if (it->type == ITEM_FILE) {
		archive_entry_set_size(t->entry, (la_int64_t)size);
		if (it->alloc && fd >= 0)
			set_sparse(t, it, fd);
	}
	if (set_xattrs(t, it) < 0)
		return error_set(err, ERR_BACKUP_FIDELITY, -EINVAL,
				 _("'%s' has an access list that is not "
				   "understood"), it->path);
	if (archive_write_header(t->a, t->entry) != ARCHIVE_OK)
		return failed(t, err, it->path);
	return 0;
}

int tar_data(struct tar *t, const void *p, size_t n, struct error *err)
{
	const char *c = p;

	while (n) {
		la_ssize_t w = archive_write_data(t->a, c, n);

		if (w <= 0)
			return failed(t, err,
				      archive_entry_pathname(t->entry));
		c += w;
		n -= (size_t)w;
	}
	return 0;
}

int tar_end_member(struct tar *t, struct error *err)
{
	if (archive_write_finish_entry(t->a) != ARCHIVE_OK)
		return failed(t, err, archive_entry_pathname(t->entry));
	return 0;
}

int tar_close(struct tar *t, struct error *err)
{
	if (archive_write_close(t->a) != ARCHIVE_OK)
		return failed(t, err, "");
	return 0;
}
