/* SPDX-License-Identifier: MIT */
#include "step-write.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/meta.h"
#include "step-files.h"
#include "step.h"

#define STAGED "file"

static int read_meta(int fd, const char *path, struct meta *m,
		     struct error *err)
{
	struct stat st;
	int ret = fd < 0 ? fd : fstat(fd, &st) < 0 ? -errno : 0;

	if (ret < 0)
		return step_files_fail(err, ret, _("cannot look at"), path);
	return meta_read(fd, &st, m, err);
}

int step_write_like(struct step_ctx *c, const char *path, int stage,
		    const char *name, mode_t mode, struct error *err)
{
	_cleanup_meta_ struct meta old = META_INIT, now = META_INIT;
	_cleanup_close_ int fd = fs_open_beneath(step_root_fd(c), path, O_PATH,
						 0);
	_cleanup_close_ int own = fs_open(stage, name, O_PATH | O_NOFOLLOW, 0);
	int ret = read_meta(fd, path, &old, err);

	if (ret >= 0)
		ret = read_meta(own, path, &now, err);
	if (ret < 0)
		return ret;
	old.mode = mode;
	old.mtime = now.mtime;
	return meta_apply(stage, name, &old, path, err);
}

static int build(struct step_ctx *c, const char *path, const void *p,
		 size_t n, int stage, mode_t mode, bool replace)
{
	_cleanup_close_ int fd = -1;
	int ret = fs_unlink(stage, STAGED, 0);

	if (ret < 0 && ret != -ENOENT)
		return ret;
	fd = fs_open(stage, STAGED, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
		     0600);
	if (fd < 0)
		return fd;
	ret = fs_write_all(fd, p, n);
	if (ret >= 0 && !replace) {
		ret = step_files_own_as(c, stage, STAGED, path);
		if (ret >= 0)
			ret = fs_chmod(fd, mode);
	}
	return ret < 0 ? ret : fs_close(TAKE_FD(fd));
}

int step_write(struct step_ctx *c, const char *path, const void *p, size_t n,
	       mode_t mode, bool replace, struct error *err)
{
	int stage, ret = step_make_parents(c, path, err);

	if (ret >= 0)
		ret = step_stage(c, path, &stage, err);
	if (ret < 0)
		return ret;
	ret = build(c, path, p, n, stage, mode, replace);
	if (ret < 0)
		return step_files_fail(err, ret, _("cannot write"), path);
	if (replace)
		ret = step_write_like(c, path, stage, STAGED, mode, err);
	return ret < 0 ? ret : step_place(c, stage, STAGED, path, replace,
					  err);
}
