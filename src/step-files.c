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
	/* a FIFO would hang without O_NONBLOCK */
	_cleanup_close_ int fd = fs_open_beneath(step_root_fd(c), path,
				O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	int ret = fd < 0 ? fd : fs_read_regular(fd, limit, out);

	if (ret < 0 && ret != -EFBIG)
		return step_files_fail(err, ret, _("cannot read"), path);
	return ret;
}

int step_files_readlink(struct step_ctx *c, const char *path, char **ret,
			struct error *err)
{
	int r = fs_readlink_beneath(step_root_fd(c), path, ret);

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

int step_files_own_as(struct step_ctx *c, int dirfd, const char *name,
		      const char *path)
{
	const char *base;
	_cleanup_close_ int dir = fs_open_parent(step_root_fd(c), path, &base);

	return dir < 0 ? dir : step_files_own(dirfd, name, dir);
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

static int settle(struct step_ctx *c, const char *path)
{
	const char *name;
	_cleanup_close_ int dir = fs_open_parent(step_root_fd(c), path, &name);
	struct stat st;
	int ret = 0;

	if (dir < 0)
		return dir;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISDIR(st.st_mode))
		ret = fs_sync_dir(dir, name);
	return ret < 0 ? ret : fs_sync_dir(dir, ".");
}

int step_files_settle(struct step_ctx *c, const char *path, struct error *err)
{
	_cleanup_free_ char *p = xstrdup(path);
	int ret;

	/* a directory that is gone is flushed with the one above it */
	while ((ret = settle(c, p)) == -ENOENT || ret == -ENOTDIR) {
		char *up = path_dirname(p);

		free(p);
		p = up;
	}
	return ret < 0 ? step_files_fail(err, ret,
				_("cannot flush the directory of"), p) : 0;
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

void step_files_say(struct preview *p, const char *verb, const char *path)
{
	_cleanup_free_ char *shown = escape_bytes(path);

	strvec_pushf(&p->lines, "%s '%s'", verb, shown);
}
