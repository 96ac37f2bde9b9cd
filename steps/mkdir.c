/* SPDX-License-Identifier: MIT */
/*
 * mkdir - directories with a mode
 *
 * paths, mode ("0755"). Parents that are missing are made 0755. A directory
 * that is there gets the mode; anything else of that name is a failure. Modes
 * are exact, whatever the umask.
 *
 * Each directory is made 0700, then given its owner and mode, so that nobody
 * sees it more open than it shall be. Killed in between, the probe finds the
 * mode wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "effects.h"
#include "step-files.h"
#include "steps.h"

struct mkdir_step {
	struct strvec paths;     /* parents before children */
	mode_t mode;
};

static int mkdir_parse(struct step *s, struct plan_node *n)
{
	struct mkdir_step *m = xcalloc(1, sizeof(*m));

	s->priv = m;
	m->mode = 0755;
	if (plan_node_paths(n, "paths", true, false, &m->paths)) {
		strvec_sort_paths(&m->paths);
		if (strvec_has(&m->paths, "."))
			plan_node_problem(n, "paths",
				_("the root itself cannot be made"));
	}
	(void)plan_node_mode(n, "mode", &m->mode);
	return plan_node_failed(n) ? -EINVAL : 0;
}

static int mkdir_effects(const struct step *s, struct step_ctx *ctx,
			 struct effects *out, struct error *err)
{
	const struct mkdir_step *m = s->priv;

	for (size_t i = 0; i < m->paths.n; i++) {
		const char *path = m->paths.v[i];
		struct stat st;
		int ret = ctx ? step_files_stat(ctx, path, &st, err) : 0;

		if (ret > 0 && S_ISDIR(st.st_mode) &&
		    (st.st_mode & 07777) == m->mode)
			effects_add(out, EFFECT_READ, EFFECT_SELF, path);
		else if (ret >= 0)
			ret = step_files_effect(ctx, path, EFFECT_SELF, out,
						err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int mkdir_check(const struct step *s, struct step_ctx *ctx,
		       struct check_result *r, struct error *err)
{
	const struct mkdir_step *m = s->priv;

	for (size_t i = 0; i < m->paths.n; i++) {
		struct stat st;
		int ret = step_files_stat(ctx, m->paths.v[i], &st, err);

		if (ret < 0)
			return ret;
		if (ret && !S_ISDIR(st.st_mode)) {
			_cleanup_free_ char *shown = escape_bytes(
							m->paths.v[i]);

			check_result_set(r, CHECK_FAIL,
				_("'%s' is there and is no directory"), shown);
			r->code = ERR_STEP_EXISTS;
			return 0;
		}
	}
	check_result_set(r, CHECK_OK, ngettext("%zu directory",
			 "%zu directories", m->paths.n), m->paths.n);
	return 0;
}

static int mkdir_preview(const struct step *s, struct step_ctx *ctx,
			 struct preview *p, struct error *err)
{
	const struct mkdir_step *m = s->priv;

	p->nothing = true;
	for (size_t i = 0; i < m->paths.n; i++) {
		_cleanup_free_ char *shown = escape_bytes(m->paths.v[i]);
		struct stat st;
		int ret = step_files_stat(ctx, m->paths.v[i], &st, err);

		if (ret < 0)
			return ret;
		if (ret && (st.st_mode & 07777) == m->mode)
			continue;
		p->nothing = false;
		if (ret)
			strvec_pushf(&p->lines,
				     _("change mode of '%s' from %04o to %04o"),
				     shown, (unsigned int)st.st_mode & 07777,
				     (unsigned int)m->mode);
		else
			strvec_pushf(&p->lines,
				     _("make directory '%s', mode %04o"),
				     shown, (unsigned int)m->mode);
	}
	return 0;
}

static int mkdir_probe(const struct step *s, struct step_ctx *ctx,
		       enum step_probe *ret, struct error *err)
{
	const struct mkdir_step *m = s->priv;
	bool all = true, touched = false;
	int r = 0;

	for (size_t i = 0; i < m->paths.n; i++) {
		struct stat st;

		r = step_files_stat(ctx, m->paths.v[i], &st, err);
		if (r < 0)
			return r;
		if (!r || !S_ISDIR(st.st_mode) ||
		    (st.st_mode & 07777) != m->mode)
			all = false;
		r = step_files_touched(ctx, m->paths.v[i], err);
		if (r < 0)
			return r;
		touched |= r > 0;
	}
	*ret = all ? PROBE_FULLY : touched ? PROBE_PARTLY : PROBE_NOT;
	for (size_t i = 0; r >= 0 && all && touched && i < m->paths.n; i++)
		r = step_files_settle(ctx, m->paths.v[i], err);
	return r < 0 ? r : 0;
}

static int make_one(int parent, const char *name, mode_t mode)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int ret = fs_mkdir(parent, name, 0700);
	bool made = ret >= 0;

	if (ret < 0 && ret != -EEXIST)
		return ret;
	fd = fs_open(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		return fd;
	ret = made ? step_files_own(parent, name, parent) : 0;
	if (ret < 0)
		return ret;
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_mode & 07777) != mode)
		ret = fs_chmod(fd, mode);
	if (ret >= 0)
		ret = fs_sync(fd);
	return ret < 0 ? ret : fs_sync_dir(parent, ".");
}

static int mkdir_apply(const struct step *s, struct step_ctx *ctx,
		       struct error *err)
{
	const struct mkdir_step *m = s->priv;

	for (size_t i = 0; i < m->paths.n; i++) {
		const char *path = m->paths.v[i], *name;
		_cleanup_close_ int parent = -1;
		int ret = step_make_parents(ctx, path, err);

		if (ret < 0)
			return ret;
		parent = fs_open_parent(step_root_fd(ctx), path, &name);
		ret = parent < 0 ? parent : make_one(parent, name, m->mode);
		if (ret < 0)
			return step_files_fail(err, ret,
					_("cannot make directory"), path);
		step_progress(ctx, i + 1, m->paths.n, "directories");
	}
	return 0;
}

static void mkdir_release(struct step *s)
{
	struct mkdir_step *m = s->priv;

	if (!m)
		return;
	strvec_release(&m->paths);
	free(m);
	s->priv = NULL;
}

const struct step_ops mkdir_ops = {
	.name = "mkdir",
	.parse = mkdir_parse,
	.effects = mkdir_effects,
	.check = mkdir_check,
	.preview = mkdir_preview,
	.probe = mkdir_probe,
	.apply = mkdir_apply,
	.release = mkdir_release,
};
