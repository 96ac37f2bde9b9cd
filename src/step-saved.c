/* SPDX-License-Identifier: MIT */
#include "step-saved.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/path.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "manifest.h"
#include "step-files.h"
#include "step.h"

static bool is_saved(const struct item *it)
{
	return it->type != ITEM_ABSENT && !(it->flags & ITEM_PARENT);
}

/* --- looking --- */

struct as_saved {
	struct step_ctx *c;
	bool differs;
};

static int compare_item(void *ctx, const struct item *it, struct error *err)
{
	struct as_saved *a = ctx;
	_cleanup_item_ struct item now = ITEM_INIT;
	struct xxh128 names;
	unsigned int diff;
	int ret;

	if (a->differs || (it->flags & ITEM_PARENT) ||
	    (it->type == ITEM_ABSENT && (it->flags & ITEM_SQLITE)))
		return 0;
	ret = item_read(step_root_fd(a->c), it->path,
			it->flags & ITEM_HAS_DIGEST, &now, err);
	if (ret < 0)
		return ret;
	diff = item_compare(it, &now);
	if (it->type == ITEM_DIR)
		diff &= ~(unsigned int)ITEM_DIFF_MTIME;
	a->differs = diff != 0;
	if (diff || it->type != ITEM_DIR || !(it->flags & ITEM_HAS_NAMES) ||
	    (it->flags & ITEM_SELF))
		return 0;
	ret = item_names_digest(step_root_fd(a->c), it->path,
				step_ours(a->c), &names, err);
	a->differs = ret >= 0 && !xxh128_equal(&names, &it->names);
	return ret;
}

int step_saved_unchanged(struct step_ctx *c, struct error *err)
{
	struct as_saved a = { .c = c };
	int ret = step_pre_walk(c, compare_item, &a, err);

	return ret < 0 ? ret : !a.differs;
}

struct settle {
	struct step_ctx *c;
	char *top, *dir;
};

static int settle_item(void *ctx, const struct item *it, struct error *err)
{
	struct settle *t = ctx;
	_cleanup_free_ char *dir = NULL;
	int ret = 0;

	if (!is_saved(it) || (t->top && path_is_below(it->path, t->top)))
		return 0;
	free(t->top);
	t->top = xstrdup(it->path);
	dir = path_dirname(it->path);
	if (t->dir && !strcmp(t->dir, dir))
		return 0;
	free(t->dir);
	t->dir = TAKE_PTR(dir);
	ret = step_files_settle(t->c, it->path, err);
	return ret;
}

int step_saved_settle(struct step_ctx *c, struct error *err)
{
	struct settle t = { .c = c };
	int ret = step_pre_walk(c, settle_item, &t, err);

	free(t.top);
	free(t.dir);
	return ret;
}

struct saved_count {
	struct step_ctx *c;
	uint64_t there, gone;
};

static int count_item(void *ctx, const struct item *it, struct error *err)
{
	struct saved_count *n = ctx;
	struct stat st;
	int ret;

	if (!is_saved(it))
		return 0;
	ret = step_files_stat(n->c, it->path, &st, err);
	if (ret > 0)
		n->there++;
	else if (ret == 0)
		n->gone++;
	return MIN(ret, 0);
}

int step_saved_count(struct step_ctx *c, uint64_t *there,
			   uint64_t *gone, struct error *err)
{
	struct saved_count n = { .c = c };
	int ret = step_pre_walk(c, count_item, &n, err);

	*there = n.there;
	*gone = n.gone;
	return MIN(ret, 0);
}

/* --- removing what is saved --- */

struct removal {
	struct step_ctx *c;
	struct strvec dirs;          /* to be removed behind their entries */
	char *flush;                 /* directory that lost an entry for good */
	uint64_t done, total;
};

static bool same_as_saved(const struct item *it, const struct stat *st)
{
	_cleanup_item_ struct item now = ITEM_INIT;

	item_from_stat(&now, it->path, st);
	if (now.type != it->type)
		return false;
	return it->type == ITEM_DIR ||
		(now.size == it->size &&
		 now.meta.mtime.tv_sec == it->meta.mtime.tv_sec &&
		 now.meta.mtime.tv_nsec == it->meta.mtime.tv_nsec);
}

static int flush_dir(struct removal *r, struct error *err)
{
	const char *name;
	_cleanup_close_ int dir = -1;
	int ret;

	if (!r->flush)
		return 0;
	dir = fs_open_parent(r->c ? step_root_fd(r->c) : -1, r->flush, &name);
	ret = dir < 0 ? dir : fs_sync_dir(dir, name);
	if (ret < 0)
		ret = step_files_fail(err, ret, _("cannot flush directory"),
				      r->flush);
	free(r->flush);
	r->flush = NULL;
	return ret;
}

/* Only what stays is flushed: below a directory that goes, all goes with it. */
static int note_flush(struct removal *r, const char *path, struct error *err)
{
	_cleanup_free_ char *dir = NULL;
	int ret = 0;

	if (r->dirs.n)
		return 0;
	dir = path_dirname(path);
	if (r->flush && strcmp(r->flush, dir) != 0)
		ret = flush_dir(r, err);
	if (!r->flush)
		r->flush = TAKE_PTR(dir);
	return ret;
}

static int remove_one(struct removal *r, const char *path, int flags,
		      struct error *err)
{
	const char *name;
	_cleanup_close_ int dir = fs_open_parent(step_root_fd(r->c), path,
						 &name);
	int ret = dir < 0 ? dir : fs_unlink(dir, name, flags);

	if (ret == -ENOENT || ret == -ENOTDIR)
		return 0;
	if (ret == -ENOTEMPTY || ret == -EEXIST) {
		_cleanup_free_ char *shown = escape_bytes(path);

		return error_set(err, ERR_STEP, ret, _("directory '%s' holds "
			"something that was put there while the step ran"),
			shown);
	}
	if (ret < 0)
		return step_files_fail(err, ret, _("cannot remove"), path);
	r->done++;
	return note_flush(r, path, err);
}

/* the directories that path is not below are complete */
static int leave_dirs(struct removal *r, const char *path, struct error *err)
{
	int ret = 0;

	while (ret >= 0 && r->dirs.n) {
		_cleanup_free_ char *top = r->dirs.v[r->dirs.n - 1];

		if (path && path_is_below(path, top)) {
			TAKE_PTR(top);
			break;
		}
		r->dirs.v[--r->dirs.n] = NULL;
		ret = remove_one(r, top, AT_REMOVEDIR, err);
	}
	return ret;
}

static int remove_item(void *ctx, const struct item *it, struct error *err)
{
	struct removal *r = ctx;
	struct stat st;
	int ret;

	if (!is_saved(it))
		return 0;
	if (step_cancelled(r->c))
		return error_set(err, ERR_CANCELLED, -ECANCELED,
				 _("stopped by the user"));
	ret = leave_dirs(r, it->path, err);
	if (ret < 0)
		return ret;
	step_progress(r->c, r->done, r->total, "items");
	ret = step_files_stat(r->c, it->path, &st, err);
	if (ret <= 0)
		return ret;
	if (!same_as_saved(it, &st)) {
		_cleanup_free_ char *shown = escape_bytes(it->path);

		return error_set(err, ERR_STEP, -EBUSY,
			_("'%s' was changed while the step ran"), shown);
	}
	if (it->type == ITEM_DIR) {
		strvec_push(&r->dirs, it->path);
		return 0;
	}
	return remove_one(r, it->path, 0, err);
}

int step_saved_remove(struct step_ctx *c, struct error *err)
{
	struct removal r = { .c = c };
	uint64_t gone;
	int ret = step_saved_count(c, &r.total, &gone, err);

	if (ret >= 0)
		ret = step_pre_walk(c, remove_item, &r, err);
	if (ret >= 0)
		ret = leave_dirs(&r, NULL, err);
	if (ret >= 0)
		ret = flush_dir(&r, err);
	if (ret >= 0)
		step_progress(c, r.total, r.total, "items");
	strvec_release(&r.dirs);
	free(r.flush);
	return ret < 0 ? ret : 0;
}
