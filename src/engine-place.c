/* SPDX-License-Identifier: MIT */
/*
 * Where the backup of a new run goes, held against what the plan does: a step
 * that moves, changes or removes a directory does so to all that is in it.
 */
#include <errno.h>
#include <string.h>

#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "engine-internal.h"

void engine_place_options(const struct engine *e, struct run_options *opts)
{
	if (e->opts.backup_dir) {
		opts->backup_dir = e->opts.backup_dir;
		opts->backup_fixed = NULL;
	} else {
		opts->backup_dir = e->plan->backup_dir;
		opts->backup_fixed = e->plan->backup_fixed;
	}
}

static int check_step(const struct step *s, const struct effects *eff,
		      const char *place, struct error *err)
{
	_cleanup_free_ char *above = effects_above(eff, place);

	if (above)
		return error_set(err, ERR_BACKUP_DIR, -EINVAL,
				 _("step '%s': the backup would stand in '%s', "
				   "which this step changes"), s->id, above);
	for (size_t i = 0; i < eff->n; i++)
		if (path_is_below(eff->v[i].path, place))
			return error_set(err, ERR_BACKUP_DIR, -EINVAL,
				_("step '%s': '%s' is to hold nothing but "
				  "backups"), s->id, eff->v[i].path);
	return 0;
}

static int check_steps(struct engine *e, const char *place, struct error *err)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < e->plan->step_n; i++) {
		const struct step *s = e->plan->steps[i];
		_cleanup_effects_ struct effects eff = EFFECTS_INIT;

		if ((s->ops->flags & STEP_IS_CHECK) || !s->ops->effects)
			continue;
		ret = step_effects(s, e->plan, NULL, &eff, err);
		if (ret >= 0)
			ret = check_step(s, &eff, place, err);
	}
	return ret;
}

static int check_include(struct engine *e, const char *place,
			 struct error *err)
{
	_cleanup_effects_ struct effects eff = EFFECTS_INIT;
	_cleanup_free_ char *above = NULL;
	const char *clash = NULL;

	for (size_t i = 0; i < e->plan->include.n; i++) {
		const char *p = e->plan->include.v[i];

		effects_add(&eff, EFFECT_CHANGE, EFFECT_PATTERN, p);
		if (path_is_below(p, place))
			clash = p;
	}
	above = effects_above(&eff, place);
	if (above)
		clash = above;
	if (!clash)
		return 0;
	return error_set(err, ERR_BACKUP_DIR, -EINVAL,
			 _("the backup would stand in '%s', which it is to "
			   "hold"), clash);
}

int engine_take_place(struct engine *e, struct error *err)
{
	_cleanup_free_ char *place = NULL;
	struct run_options opts = { 0 };
	int ret;

	engine_place_options(e, &opts);
	ret = run_place(e->sd, opts.backup_dir, opts.backup_fixed, &place,
			err);
	if (ret < 0 || !place)
		return ret;
	ret = check_steps(e, place, err);
	if (ret >= 0)
		ret = check_include(e, place, err);
	if (ret >= 0)
		ours_add(&e->sd->ours, place);
	return ret;
}

/* the nearest directory of path that exists */
static int open_existing(const char *path)
{
	_cleanup_free_ char *p = xstrdup(path);
	int fd;

	for (;;) {
		char *slash;

		fd = fs_open(AT_FDCWD, *p ? p : "/", O_RDONLY | O_DIRECTORY,
			     0);
		if (fd != -ENOENT || !(slash = strrchr(p, '/')))
			return fd;
		*slash = '\0';
	}
}

int engine_open_place(const struct engine *e)
{
	_cleanup_free_ char *full = NULL;
	struct run_options opts = { 0 };

	engine_place_options(e, &opts);
	if (e->run && e->run->backup.dir)
		return open_existing(e->run->backup.dir);
	if (opts.backup_dir) {
		full = *opts.backup_dir == '/' ? xstrdup(opts.backup_dir) :
			path_join(e->sd->root, opts.backup_dir);
		return open_existing(full);
	}
	return fs_open(e->sd->fd >= 0 ? e->sd->fd : e->sd->root_fd, ".",
		       O_RDONLY | O_DIRECTORY, 0);
}
