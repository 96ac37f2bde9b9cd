/* SPDX-License-Identifier: MIT */
/*
 * writable - can what is at these paths be changed? (check)
 *
 * paths (["."]; patterns). Asked are the kernel's own answer for the effective
 * user, a file system that is read-only, and the flags that refuse changes
 * even to root (chattr +i, +a). In a directory one must be able to make and
 * remove names. Where nothing is there yet, the nearest directory above it
 * counts. Only the paths themselves are asked about, not what is below them;
 * a pattern that ends in two stars asks about all of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "check-paths.h"
#include "steps.h"

static int writable_parse(struct step *s, struct plan_node *n)
{
	return check_paths_parse_or(s, n, ".");
}

/* why the open fd cannot be changed, translated, or NULL */
static const char *refused(int fd, const struct stat *st)
{
	char proc[40];
	struct statvfs vfs;
	struct statx sx;
	int mode = S_ISDIR(st->st_mode) ? W_OK | X_OK : W_OK;

	if (S_ISLNK(st->st_mode))
		return _("is a symbolic link; name what it points to");
	if (fstatvfs(fd, &vfs) == 0 && (vfs.f_flag & ST_RDONLY))
		return _("lies on a file system that is read-only");
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &sx) == 0) {
		if (sx.stx_attributes & STATX_ATTR_IMMUTABLE)
			return _("is immutable (chattr -i makes it writable)");
		if (sx.stx_attributes & STATX_ATTR_APPEND)
			return _("takes appends only (chattr -a makes it "
				 "writable)");
	}
	/* by descriptor, so that it is the file that was looked at */
	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if (faccessat(AT_FDCWD, proc, mode, AT_EACCESS) == 0)
		return NULL;
	if (errno == EACCES || errno == EPERM)
		return _("must not be written by this user");
	return strerror(errno);
}

/* path, or the nearest thing above it that is there */
static int open_nearest(struct step_ctx *ctx, const char *path,
			char **ret_path)
{
	_cleanup_free_ char *p = xstrdup(path);

	for (;;) {
		_cleanup_free_ char *up = NULL;
		int fd = fs_open_beneath(step_root_fd(ctx), p, O_PATH, 0);

		if (fd != -ENOENT) {
			*ret_path = TAKE_PTR(p);
			return fd;
		}
		up = path_dirname(p);
		if (!strcmp(up, p))
			return fd;
		free(p);
		p = TAKE_PTR(up);
	}
}

static void look_at(struct step_ctx *ctx, const char *path,
		    struct check_result *r, size_t *bad)
{
	_cleanup_free_ char *found = NULL, *shown = NULL;
	_cleanup_close_ int fd = open_nearest(ctx, path, &found);
	const char *why = NULL;
	struct stat st;

	if (fd < 0)
		why = fd == -ELOOP ? _("leads through a symbolic link") :
			strerror(-fd);
	else if (fstat(fd, &st) < 0)
		why = strerror(errno);
	else if (strcmp(found, path) != 0 && !S_ISDIR(st.st_mode))
		why = _("is not a directory");
	else
		why = refused(fd, &st);
	if (!why || (*bad)++ >= CHECK_DETAILS_MAX)
		return;
	shown = escape_bytes(found && strcmp(found, ".") != 0 ? found :
			     step_root(ctx));
	strvec_pushf(&r->details, "'%s' %s", shown, why);
}

static int writable_check(const struct step *s, struct step_ctx *ctx,
			  struct check_result *r, struct error *err)
{
	const struct strvec *paths = s->priv;
	size_t bad = 0, n = 0;

	for (size_t i = 0; i < paths->n; i++) {
		_cleanup_strvec_ struct strvec found = STRVEC_INIT;
		int ret = 0;

		if (glob_has_magic(paths->v[i]))
			ret = glob_expand(step_root_fd(ctx), paths->v[i],
					  step_ours(ctx), &found, err);
		else
			strvec_push(&found, paths->v[i]);
		if (ret < 0)
			return ret;
		for (size_t k = 0; k < found.n; k++)
			look_at(ctx, found.v[k], r, &bad);
		n += found.n;
	}
	if (!bad)
		check_result_set(r, CHECK_OK, ngettext(
				 "%zu path is writable",
				 "%zu paths are writable", n), n);
	else if (bad == 1)
		check_result_set(r, CHECK_FAIL, "%s", r->details.v[0]);
	else
		check_result_set(r, CHECK_FAIL,
				 _("%zu of %zu paths are not writable: %s"),
				 bad, n, r->details.v[0]);
	if (bad)
		r->code = ERR_PERMISSION;
	return 0;
}

const struct step_ops check_writable_ops = {
	.name = "writable",
	.flags = STEP_IS_CHECK,
	.parse = writable_parse,
	.check = writable_check,
	.release = check_paths_release,
};
