/* SPDX-License-Identifier: MIT */
#include "step-copy.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/meta.h"
#include "base/ours.h"
#include "base/path.h"
#include "base/strbuf.h"
#include "base/walk.h"
#include "base/xalloc.h"
#include "manifest.h"
#include "step-files.h"
#include "step.h"

/* an inode with several names, and the first of them in the copy */
struct linked {
	uint64_t dev, ino;
	char *to;
};

struct copy {
	struct step_ctx *c;
	const char *path;        /* of the source */
	int stage_fd;
	const char *name;        /* of the copy in the stage */
	uint64_t entries, bytes, total;
	struct linked *links;
	size_t link_n, link_cap;
};

/* path of an entry in the stage; caller frees */
static char *place_of(const struct copy *cp, const char *path)
{
	size_t len = strlen(cp->path);

	return xasprintf("%s%s", cp->name, path + len);
}

/* --- size --- */

struct measure {
	const struct ours *ours;
	struct step_copy_size *size;
};

static int measure_one(void *ctx, const struct walk_entry *e,
		       struct error *err)
{
	struct measure *m = ctx;

	(void)err;
	if (ours_has(m->ours, e->path))
		return WALK_SKIP;
	m->size->entries++;
	if (S_ISREG(e->st.st_mode))
		m->size->bytes += (uint64_t)e->st.st_size;
	return 0;
}

int step_copy_measure(struct step_ctx *c, const char *path,
		      struct step_copy_size *ret, struct error *err)
{
	struct measure m = { .ours = step_ours(c), .size = ret };

	memset(ret, 0, sizeof(*ret));
	return walk_tree(step_root_fd(c), path, WALK_NO_OPEN, measure_one,
			 &m, err);
}

/* --- copying --- */

static int cancelled(struct copy *cp, struct error *err)
{
	if (!step_cancelled(cp->c))
		return 0;
	return error_set(err, ERR_CANCELLED, -ECANCELED,
			 _("stopped by the user"));
}

static int changed(const char *path, struct error *err)
{
	_cleanup_free_ char *shown = escape_bytes(path);

	return error_set(err, ERR_STEP, -EBUSY,
			 _("'%s' was changed while it was copied"), shown);
}

/* position of the inode in the sorted list, or where it belongs */
static size_t link_pos(const struct copy *cp, const struct stat *st)
{
	size_t lo = 0, hi = cp->link_n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct linked *l = &cp->links[mid];

		if (l->dev < (uint64_t)st->st_dev ||
		    (l->dev == (uint64_t)st->st_dev &&
		     l->ino < (uint64_t)st->st_ino))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static const char *link_find(const struct copy *cp, const struct stat *st)
{
	size_t i = link_pos(cp, st);

	return i < cp->link_n && cp->links[i].dev == (uint64_t)st->st_dev &&
		cp->links[i].ino == (uint64_t)st->st_ino ?
		cp->links[i].to : NULL;
}

static void link_note(struct copy *cp, const struct stat *st, const char *to)
{
	size_t i = link_pos(cp, st);

	VEC_GROW(cp->links, cp->link_n, cp->link_cap);
	memmove(&cp->links[i + 1], &cp->links[i],
		(cp->link_n - i) * sizeof(*cp->links));
	cp->links[i].dev = (uint64_t)st->st_dev;
	cp->links[i].ino = (uint64_t)st->st_ino;
	cp->links[i].to = xstrdup(to);
	cp->link_n++;
}

struct file_progress {
	struct copy *cp;
	uint64_t before;
};

static int on_bytes(void *ctx, uint64_t done)
{
	struct file_progress *fp = ctx;

	step_progress(fp->cp->c, fp->before + done, fp->cp->total, "bytes");
	return step_cancelled(fp->cp->c) ? -ECANCELED : 0;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
		S_ISREG(b->st_mode);
}

static int copy_content(struct copy *cp, const struct walk_entry *e, int dir,
			const char *name)
{
	struct file_progress fp = { .cp = cp, .before = cp->bytes };
	struct stat st;
	_cleanup_close_ int out = -1;
	_cleanup_close_ int in = fs_open(e->dirfd, e->name, O_RDONLY |
				O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
	int ret;

	if (in < 0)
		return in;
	if (fstat(in, &st) < 0)
		return -errno;
	if (!same_file(&e->st, &st))
		return -EBUSY;
	out = fs_open(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
		      0600);
	if (out < 0)
		return out;
	ret = fs_copy_data(in, out, on_bytes, &fp);
	return ret < 0 ? ret : fs_close(TAKE_FD(out));
}

static int make_symlink(const struct walk_entry *e, int dir, const char *name)
{
	_cleanup_free_ char *target = NULL;
	int ret = fs_readlink_beneath(e->dirfd, e->name, &target);

	return ret < 0 ? ret : fs_symlink(target, dir, name);
}

static int make_entry(struct copy *cp, const struct walk_entry *e, int dir,
		      const char *name)
{
	int ret;

	switch (e->st.st_mode & S_IFMT) {
	case S_IFREG:
		ret = copy_content(cp, e, dir, name);
		if (ret >= 0)
			cp->bytes += (uint64_t)e->st.st_size;
		return ret;
	case S_IFDIR:
		return fs_mkdir(dir, name, 0700);
	case S_IFLNK:
		return make_symlink(e, dir, name);
	default:
		return fs_mknod(dir, name, (e->st.st_mode & S_IFMT) | 0600,
				e->st.st_rdev);
	}
}

static int set_meta(const struct walk_entry *e, int dir, const char *name,
		    struct error *err)
{
	_cleanup_meta_ struct meta m = META_INIT;
	_cleanup_close_ int own = e->fd >= 0 ? -1 :
		fs_open(e->dirfd, e->name, O_PATH | O_NOFOLLOW, 0);
	int fd = e->fd >= 0 ? e->fd : own;
	_cleanup_free_ char *shown = escape_bytes(e->path);
	int ret = fd;

	if (fd >= 0)
		ret = meta_read(fd, &e->st, &m, err);
	else
		ret = step_files_fail(err, fd, _("cannot open"), e->path);
	return ret < 0 ? ret : meta_apply(dir, name, &m, shown, err);
}

static int link_entry(struct copy *cp, const struct walk_entry *e,
		      const char *first, int dir, const char *name,
		      struct error *err)
{
	const char *first_name;
	_cleanup_close_ int first_dir = fs_open_parent(cp->stage_fd, first,
						       &first_name);
	int ret = first_dir;

	if (ret >= 0)
		ret = fs_link(first_dir, first_name, dir, name);
	/* it counts in the size, and is compared like any other name */
	if (ret >= 0 && S_ISREG(e->st.st_mode))
		cp->bytes += (uint64_t)e->st.st_size;
	return ret < 0 ? step_files_fail(err, ret, _("cannot link"), e->path) :
		0;
}

static int copy_entry(struct copy *cp, const struct walk_entry *e,
		      const char *to, struct error *err)
{
	const char *name, *first = NULL;
	_cleanup_close_ int dir = fs_open_parent(cp->stage_fd, to, &name);
	bool is_dir = S_ISDIR(e->st.st_mode);
	int ret = dir;

	if (ret >= 0 && e->leaving)
		return set_meta(e, dir, name, err);
	if (ret >= 0 && !is_dir && e->st.st_nlink > 1)
		first = link_find(cp, &e->st);
	if (first)
		return link_entry(cp, e, first, dir, name, err);
	if (ret >= 0)
		ret = make_entry(cp, e, dir, name);
	if (ret == -EBUSY)
		return changed(e->path, err);
	if (ret == -ECANCELED)
		return cancelled(cp, err);
	if (ret < 0)
		return step_files_fail(err, ret, _("cannot copy"), e->path);
	if (is_dir)
		return 0;
	if (e->st.st_nlink > 1)
		link_note(cp, &e->st, to);
	return set_meta(e, dir, name, err);
}

static int copy_one(void *ctx, const struct walk_entry *e, struct error *err)
{
	struct copy *cp = ctx;
	_cleanup_free_ char *to = place_of(cp, e->path);
	int ret = cancelled(cp, err);

	if (ret < 0)
		return ret;
	if (ours_has(step_ours(cp->c), e->path))
		return WALK_SKIP;
	if (!e->leaving)
		cp->entries++;
	return copy_entry(cp, e, to, err);
}

/* --- comparing --- */

/*
 * What was just written would come from memory; after a flush the pages can be
 * dropped, so that the digest is that of the disk.
 */
static void drop_cached(int stage_fd, const char *path)
{
	_cleanup_close_ int fd = fs_open_beneath(stage_fd, path, O_RDONLY |
						 O_NONBLOCK | O_NOCTTY, 0);

	if (fd >= 0)
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

static int compare_one(void *ctx, const struct walk_entry *e,
		       struct error *err)
{
	struct copy *cp = ctx;
	_cleanup_item_ struct item a = ITEM_INIT, b = ITEM_INIT;
	_cleanup_free_ char *to = place_of(cp, e->path);
	bool file = S_ISREG(e->st.st_mode);
	int ret = cancelled(cp, err);

	if (ret < 0)
		return ret;
	if (ours_has(step_ours(cp->c), e->path))
		return WALK_SKIP;
	cp->entries++;
	if (file)
		drop_cached(cp->stage_fd, to);
	ret = item_read(step_root_fd(cp->c), e->path, file, &a, err);
	if (ret >= 0)
		ret = item_read(cp->stage_fd, to, file, &b, err);
	if (ret < 0)
		return ret;
	if (item_compare(&a, &b))
		return changed(e->path, err);
	if (file) {
		cp->bytes += a.size;
		step_progress(cp->c, cp->bytes, cp->total, "bytes");
	}
	return 0;
}

static int compare(struct copy *cp, struct error *err)
{
	uint64_t copied = cp->entries;
	int ret;

	cp->entries = 0;
	ret = walk_tree(step_root_fd(cp->c), cp->path, WALK_NO_OPEN,
			compare_one, cp, err);
	if (ret >= 0 && cp->entries != copied)
		return changed(cp->path, err);
	return ret;
}

int step_copy_tree(struct step_ctx *c, const char *path, int stage_fd,
		   const char *name, struct error *err)
{
	struct copy cp = { .c = c, .path = path, .stage_fd = stage_fd,
			   .name = name };
	struct step_copy_size size;
	int ret = step_copy_measure(c, path, &size, err);

	if (ret < 0)
		return ret;
	/* every byte is read twice: to copy it, and to compare it */
	cp.total = size.bytes * 2;
	ret = fs_remove_tree(stage_fd, name);
	if (ret < 0)
		return step_files_fail(err, ret, _("cannot empty the stage of"),
				       path);
	ret = walk_tree(step_root_fd(c), path, WALK_LEAVE, copy_one, &cp,
			err);
	if (ret >= 0) {
		ret = fs_sync_fs(stage_fd);
		if (ret < 0)
			ret = step_files_fail(err, ret,
					_("cannot flush the copy of"), path);
	}
	if (ret >= 0)
		ret = compare(&cp, err);
	for (size_t i = 0; i < cp.link_n; i++)
		free(cp.links[i].to);
	free(cp.links);
	return ret;
}
