/* SPDX-License-Identifier: MIT */
#include "step-keep.h"

#include <errno.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/path.h"
#include "engine-internal.h"

int step_keep(struct step_ctx *c, const char *name, const void *p, size_t n,
	      struct error *err)
{
	_cleanup_free_ char *dir = path_dirname(name);
	_cleanup_close_ int fd = -1;
	const char *base;
	int ret;

	if (!c->e->run)
		return 0;
	ret = fs_mkdir(c->e->run->fd, dir, 0700);
	if (ret == -EEXIST)
		ret = 0;
	if (ret >= 0)
		ret = fd = fs_open_parent(c->e->run->fd, name, &base);
	if (ret >= 0)
		ret = fs_write_file(fd, base, p, n, 0600);
	if (ret >= 0)
		ret = fs_sync_dir(c->e->run->fd, ".");
	return ret < 0 ? error_errno(err, ERR_STEP, ret,
				     _("cannot write '%s'"), name) : 0;
}
