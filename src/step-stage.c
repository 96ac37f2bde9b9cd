/* SPDX-License-Identifier: MIT */
/*
 * Where a step makes what is new, and how it comes into place (step.h): a
 * directory on the same file system, flushed before the rename.
 */
#include <errno.h>
#include <string.h>

#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/ours.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "step-files.h"

/* --- staging --- */

static int same_fs(int a, int b)
{
	struct stat sa, sb;

	if (fstat(a, &sa) < 0 || fstat(b, &sb) < 0)
		return -errno;
	return sa.st_dev == sb.st_dev;
}

/* the nearest directory above rel that exists; ret_rel: its path */
static int open_above(struct step_ctx *c, const char *rel, char **ret_rel)
{
	_cleanup_free_ char *dir = path_dirname(rel);

	for (;;) {
		_cleanup_free_ char *up = NULL;
		int fd = *dir == '/' ?
			fs_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY |
				O_NOFOLLOW, 0) :
			fs_open_beneath(c->e->sd->root_fd, dir,
					O_RDONLY | O_DIRECTORY, 0);

		if (fd != -ENOENT) {
			if (fd >= 0)
				*ret_rel = TAKE_PTR(dir);
			return fd;
		}
		up = path_dirname(dir);
		if (!strcmp(up, dir))
			return -ENOENT;
		free(dir);
		dir = TAKE_PTR(up);
	}
}

/* durable before it is made, so that whoever comes after a kill finds it */
static int record_stage(struct step_ctx *c, const char *path,
			struct error *err)
{
	struct json_object *old = step_get_run_fact(c, STEP_STAGES), *list;

	list = json_object_new_array();
	for (size_t i = 0; old && i < json_object_array_length(old); i++) {
		_cleanup_free_ char *known = json_array_get_bytes(old, i);

		if (known && !strcmp(known, path)) {
			json_object_put(list);
			return 0;
		}
		if (known)
			json_array_add_bytes(list, known);
	}
	json_array_add_bytes(list, path);
	return step_set_run_fact(c, STEP_STAGES, list, err);
}

static int stage_beside(struct step_ctx *c, int dir, const char *where,
			int *ret_fd, struct error *err)
{
	_cleanup_free_ char *name = xasprintf(OURS_STAGE "%s",
					      c->e->run->id);
	char *path = path_join(where, name);
	int ret = strvec_has(&c->stages, path) ? 0 :
		record_stage(c, path, err);

	if (ret >= 0)
		ret = fs_mkdir(dir, name, 0700);
	if (ret == -EEXIST)
		ret = 0;
	if (ret >= 0)
		ret = fs_open(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
			      0);
	if (ret < 0) {
		free(path);
		return ret;
	}
	if (strvec_has(&c->stages, path))
		free(path);
	else
		strvec_take(&c->stages, path);
	*ret_fd = ret;
	return 0;
}

int step_stage(struct step_ctx *c, const char *rel, int *ret_fd,
	       struct error *err)
{
	_cleanup_free_ char *where = NULL;
	_cleanup_close_ int above = -1;
	int ret;

	if (!c->e->run)
		BUG("a stage without a run");
	above = open_above(c, rel, &where);
	if (above < 0)
		return error_errno(err, ERR_IO, above,
				   _("cannot open the directory of '%s'"),
				   rel);
	ret = same_fs(above, c->e->run->fd);
	if (ret == 0) {
		ret = stage_beside(c, above, where, ret_fd, err);
	} else if (ret > 0) {
		ret = fs_mkdir(c->e->run->fd, RUN_STAGE, 0700);
		if (ret >= 0 || ret == -EEXIST)
			ret = *ret_fd = fs_open(c->e->run->fd, RUN_STAGE,
				O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	}
	if (ret < 0 && err && error_is_set(err))
		return ret;
	if (ret < 0)
		return error_errno(err, ERR_STEP, ret,
				   _("cannot make room to stage '%s'"), rel);
	return 0;
}

/* what lies in the stage must be on the disk before its name moves */
static int sync_staged(int stage_fd, const char *name)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (fstatat(stage_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return fs_sync_fs(stage_fd);
	if (!S_ISREG(st.st_mode))
		return 0;
	/* the mode may forbid reading; then all of the file system is synced */
	fd = fs_open(stage_fd, name, O_RDONLY | O_NOFOLLOW, 0);
	if (fd == -EACCES)
		return fs_sync_fs(stage_fd);
	return fd < 0 ? fd : fs_sync(fd);
}

int step_place(struct step_ctx *c, int stage_fd, const char *name,
	       const char *rel, bool replace, struct error *err)
{
	_cleanup_close_ int dir = -1;
	const char *base;
	int ret = sync_staged(stage_fd, name);

	if (ret < 0)
		return error_errno(err, ERR_STEP, ret,
				   _("cannot flush the new '%s'"), rel);
	dir = fs_open_parent(c->e->sd->root_fd, rel, &base);
	if (dir < 0)
		return error_errno(err, ERR_STEP, dir,
				   _("cannot open the directory of '%s'"),
				   rel);
	ret = fs_rename(stage_fd, name, dir, base,
			replace ? 0 : RENAME_NOREPLACE);
	if (ret >= 0)
		ret = fs_sync_dir(dir, ".");
	if (ret >= 0)
		ret = fs_sync_dir(stage_fd, ".");
	if (ret < 0)
		return error_errno(err, ret == -EEXIST ? ERR_STEP_EXISTS :
				   ERR_STEP, ret, _("cannot put '%s' in place"),
				   rel);
	return 0;
}

int step_make_parents(struct step_ctx *c, const char *rel, struct error *err)
{
	_cleanup_free_ char *dir = path_dirname(rel);
	_cleanup_strvec_ struct strvec made = STRVEC_INIT;
	int ret = fs_mkdirs(c->e->sd->root_fd, dir, 0755, &made);

	for (size_t i = 0; ret >= 0 && i < made.n; i++)
		ret = step_files_own_as(c, c->e->sd->root_fd, made.v[i],
					made.v[i]);
	if (ret < 0)
		return error_errno(err, ERR_STEP, ret,
				   _("cannot make directory '%s'"), dir);
	return 0;
}
