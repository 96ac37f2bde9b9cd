/* SPDX-License-Identifier: MIT */
/* May we write there? Asked of the kernel, and of mount and file flags. */
#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "check-paths.h"
#include "steps.h"

static const char *refusal(int root_fd, const char *path)
{
	_cleanup_close_ int fd = fs_open_beneath(root_fd, path,
		O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct statvfs sv;
	char proc[40];
	int flags = 0;

	if (fd < 0)
		return fd == -EACCES ? _("it may not be read") :
			strerror(-fd);
	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if (fstatvfs(fd, &sv) == 0 && (sv.f_flag & ST_RDONLY))
		return _("its file system is mounted read-only");
	/* not every file system has these flags */
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 &&
	    (flags & (FS_IMMUTABLE_FL | FS_APPEND_FL)))
		return _("it is immutable or append-only (lsattr)");
	if (faccessat(AT_FDCWD, proc, W_OK, AT_EACCESS) < 0)
		return errno == EACCES ? _("you may not write to it") :
			strerror(errno);
	return NULL;
}

static int check(const struct step *s, struct step_ctx *c,
		 struct check_result *r, struct error *err)
{
	const struct check_paths *p = s->priv;
	_cleanup_strvec_ struct strvec found = STRVEC_INIT;
	int ret = check_paths_expand(s, c, false, &found, err);

	if (ret < 0)
		return ret;
	for (size_t i = 0; i < found.n; i++) {
		const char *why = refusal(step_root_fd(c), found.v[i]);

		if (why)
			check_fault(r, found.v[i], why);
	}
	if (!found.n)
		check_result_set(r, CHECK_FAIL, _("'%s' is not there"),
				 p->paths.v[0]);
	else if (r->details.n)
		check_result_set(r, CHECK_FAIL, "%s", r->details.v[0]);
	else
		check_result_set(r, CHECK_OK, ngettext("%zu path may be "
			"written", "%zu paths may be written", found.n),
			found.n);
	if (r->state == CHECK_FAIL)
		r->code = ERR_PERMISSION;
	return 0;
}

const struct step_ops check_writable_ops = {
	.name = "writable",
	.flags = STEP_IS_CHECK,
	.parse = check_paths_parse,
	.check = check,
	.release = check_paths_release,
};
