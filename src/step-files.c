/* SPDX-License-Identifier: MIT */
#include "step-files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "effects.h"
#include "manifest.h"
#include "step.h"

int step_files_fail(struct error *err, int ret, const char *what,
		    const char *path)
{
	_cleanup_free_ char *shown = escape_bytes(path);

	return error_errno(err, ret == -ENOSPC || ret == -EDQUOT ?
			   ERR_NO_SPACE : ERR_STEP, ret, "%s '%s'", what,
			   shown);
}

int step_files_stat(struct step_ctx *c, const char *path, struct stat *st,
		    struct error *err)
{
	const char *name;
	_cleanup_close_ int dir = fs_open_parent(step_root_fd(c), path, &name);
	int ret = dir;

	if (dir >= 0)
		ret = fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW) < 0 ?
			-errno : 1;
	if (ret == -ENOENT || ret == -ENOTDIR)
		return 0;
	return ret < 0 ? step_files_fail(err, ret, _("cannot look at"), path) :
		ret;
}

int step_files_read(struct step_ctx *c, const char *path, uint64_t limit,
		    struct strbuf *out, struct error *err)
{
	const char *name;
	_cleanup_close_ int dir = fs_open_parent(step_root_fd(c), path, &name);
	int ret = dir;

	if (dir >= 0)
		ret = fs_read_file(dir, name, limit, out);
	if (ret < 0 && ret != -EFBIG)
		return step_files_fail(err, ret, _("cannot read"), path);
	return ret < 0 ? ret : 0;
}

int step_files_readlink(struct step_ctx *c, const char *path, char **ret,
			struct error *err)
{
	const char *name;
	_cleanup_close_ int dir = fs_open_parent(step_root_fd(c), path, &name);
	int r = dir;

	if (dir >= 0)
		r = fs_readlink_beneath(dir, name, ret);
	return r < 0 ? step_files_fail(err, r, _("cannot read the link"),
				       path) : 0;
}

int step_files_effect(struct step_ctx *c, const char *path,
		      unsigned int flags, struct effects *out,
		      struct error *err)
{
	struct stat st;
	int ret = c ? step_files_stat(c, path, &st, err) : 0;

	if (ret < 0)
		return ret;
	effects_add(out, ret ? EFFECT_CHANGE : EFFECT_CREATE, flags, path);
	if (ret || !c)
		return 0;
	return effects_add_parents(out, step_root_fd(c), path, err);
}

int step_files_own(int dirfd, const char *name, int owner_fd)
{
	struct stat st;

	if (geteuid() != 0)
		return 0;
	if (fstat(owner_fd, &st) < 0)
		return -errno;
	if (st.st_uid == 0)
		return 0;
	return fs_chown(dirfd, name, st.st_uid, st.st_gid,
			AT_SYMLINK_NOFOLLOW);
}

/* --- probing --- */

static bool parent_made(struct step_ctx *c, const char *dir, int *ret,
			struct error *err)
{
	_cleanup_item_ struct item was = ITEM_INIT;
	struct stat st;

	*ret = step_pre_item(c, dir, &was, err);
	if (*ret <= 0 || was.type != ITEM_ABSENT)
		return false;
	*ret = step_files_stat(c, dir, &st, err);
	return *ret > 0;
}

int step_files_touched(struct step_ctx *c, const char *path,
		       struct error *err)
{
	_cleanup_item_ struct item was = ITEM_INIT, now = ITEM_INIT;
	_cleanup_free_ char *dir = path_dirname(path);
	int ret = step_pre_item(c, path, &was, err);

	if (ret <= 0)
		return ret;
	ret = item_read(step_root_fd(c), path,
			was.flags & ITEM_HAS_DIGEST, &now, err);
	if (ret < 0)
		return ret;
	/* times of directories follow from their entries */
	if (item_compare(&was, &now) &
	    ~(was.type == ITEM_DIR ? ITEM_DIFF_MTIME : 0u))
		return 1;
	while (strcmp(dir, ".") != 0 && strcmp(dir, "/") != 0) {
		char *up;

		if (parent_made(c, dir, &ret, err))
			return 1;
		if (ret < 0)
			return ret;
		up = path_dirname(dir);
		free(dir);
		dir = up;
	}
	return 0;
}

int step_files_settle(struct step_ctx *c, const char *path, struct error *err)
{
	_cleanup_free_ char *p = xstrdup(path);

	while (strcmp(p, ".") != 0 && strcmp(p, "/") != 0) {
		const char *name;
		_cleanup_close_ int dir = fs_open_parent(step_root_fd(c), p,
							 &name);
		int ret = dir < 0 ? dir : fs_sync_dir(dir, ".");
		char *up;

		/* directories above the root, or that others may only enter */
		if (ret == -EACCES)
			return 0;
		if (ret < 0)
			return step_files_fail(err, ret,
					_("cannot flush the directory of"), p);
		up = path_dirname(p);
		free(p);
		p = up;
	}
	return 0;
}

/* --- identity --- */

struct json_object *step_files_id(const struct stat *st)
{
	struct json_object *o = json_object_new_object();

	json_set_int(o, "dev", (int64_t)st->st_dev);
	json_set_int(o, "ino", (int64_t)st->st_ino);
	return o;
}

bool step_files_is(struct json_object *id, const struct stat *st)
{
	return json_get_int(id, "dev", -1) == (int64_t)st->st_dev &&
		json_get_int(id, "ino", -1) == (int64_t)st->st_ino;
}

int step_files_at(struct step_ctx *c, const char *path,
		  struct json_object *id, struct error *err)
{
	struct stat st;
	int ret = id ? step_files_stat(c, path, &st, err) : 0;

	return ret > 0 ? step_files_is(id, &st) : ret;
}

/* --- removing what is saved --- */

struct removal {
	struct step_ctx *c;
	struct strvec dirs;          /* to be removed behind their entries */
	char *flush;                 /* directory that lost an entry for good */
	uint64_t done, total;
};

static bool is_saved(const struct item *it)
{
	return it->type != ITEM_ABSENT && !(it->flags & ITEM_PARENT);
}

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

int step_files_remove_saved(struct step_ctx *c, struct error *err)
{
	struct removal r = { .c = c };
	uint64_t gone;
	int ret = step_files_count_saved(c, &r.total, &gone, err);

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

int step_files_count_saved(struct step_ctx *c, uint64_t *there,
			   uint64_t *gone, struct error *err)
{
	struct saved_count n = { .c = c };
	int ret = step_pre_walk(c, count_item, &n, err);

	*there = n.there;
	*gone = n.gone;
	return MIN(ret, 0);
}

void step_files_say(struct preview *p, const char *verb, const char *path)
{
	_cleanup_free_ char *shown = escape_bytes(path);

	strvec_pushf(&p->lines, "%s '%s'", verb, shown);
}
