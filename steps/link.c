/* SPDX-License-Identifier: MIT */
/*
 * link - a symlink that points where the plan says
 *
 * path, target. The target is a string: relative ones stay as written, and
 * nothing has to be there. A symlink that is there is switched in one rename;
 * anything else of that name is a failure.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "effects.h"
#include "step-files.h"
#include "steps.h"

struct link_step {
	char *path, *target;
};

static int link_parse(struct step *s, struct plan_node *n)
{
	struct link_step *l = xcalloc(1, sizeof(*l));

	s->priv = l;
	(void)plan_node_path(n, "path", true, &l->path);
	if (plan_node_string(n, "target", true, &l->target) && !*l->target)
		plan_node_problem(n, "target", _("the target is empty"));
	return plan_node_failed(n) ? -EINVAL : 0;
}

static int link_effects(const struct step *s, struct step_ctx *ctx,
			struct effects *out, struct error *err)
{
	const struct link_step *l = s->priv;

	return step_files_effect(ctx, l->path, EFFECT_SELF, out, err);
}

/* *ret: what is there points to, NULL if nothing is there */
static int current(const struct link_step *l, struct step_ctx *ctx,
		   bool *other, char **ret, struct error *err)
{
	struct stat st;
	int r = step_files_stat(ctx, l->path, &st, err);

	*other = r > 0 && !S_ISLNK(st.st_mode);
	*ret = NULL;
	if (r <= 0 || *other)
		return r;
	return step_files_readlink(ctx, l->path, ret, err);
}

static int link_check(const struct step *s, struct step_ctx *ctx,
		      struct check_result *r, struct error *err)
{
	const struct link_step *l = s->priv;
	_cleanup_free_ char *now = NULL;
	_cleanup_free_ char *shown = escape_bytes(l->path);
	bool other;
	int ret = current(l, ctx, &other, &now, err);

	if (ret < 0)
		return ret;
	check_result_set(r, CHECK_OK, _("'%s' can be set"), shown);
	if (other) {
		check_result_set(r, CHECK_FAIL,
				 _("'%s' is there and is no symlink"), shown);
		r->code = ERR_STEP_EXISTS;
	}
	return 0;
}

static int link_preview(const struct step *s, struct step_ctx *ctx,
			struct preview *p, struct error *err)
{
	const struct link_step *l = s->priv;
	_cleanup_free_ char *now = NULL;
	_cleanup_free_ char *shown = escape_bytes(l->path);
	_cleanup_free_ char *target = escape_bytes(l->target);
	bool other;
	int ret = current(l, ctx, &other, &now, err);

	if (ret < 0)
		return ret;
	p->nothing = now && !strcmp(now, l->target);
	if (p->nothing)
		return 0;
	if (now) {
		_cleanup_free_ char *old = escape_bytes(now);

		strvec_pushf(&p->lines, _("switch symlink '%s' from '%s' to "
			     "'%s'"), shown, old, target);
	} else {
		strvec_pushf(&p->lines, _("make symlink '%s' to '%s'"), shown,
			     target);
	}
	return 0;
}

static int link_probe(const struct step *s, struct step_ctx *ctx,
		      enum step_probe *ret, struct error *err)
{
	const struct link_step *l = s->priv;
	_cleanup_free_ char *now = NULL;
	bool other, done;
	int touched, r = current(l, ctx, &other, &now, err);

	if (r < 0)
		return r;
	touched = step_files_touched(ctx, l->path, err);
	if (touched < 0)
		return touched;
	done = now && !strcmp(now, l->target);
	*ret = done ? PROBE_FULLY : touched ? PROBE_PARTLY : PROBE_NOT;
	return done && touched ? step_files_settle(ctx, l->path, err) : 0;
}

static int build(const struct link_step *l, struct step_ctx *ctx, int stage)
{
	int ret = fs_unlink(stage, "new", 0);

	if (ret < 0 && ret != -ENOENT)
		return ret;
	ret = fs_symlink(l->target, stage, "new");
	return ret < 0 ? ret : step_files_own_as(ctx, stage, "new", l->path);
}

static int link_apply(const struct step *s, struct step_ctx *ctx,
		      struct error *err)
{
	const struct link_step *l = s->priv;
	_cleanup_free_ char *now = NULL;
	_cleanup_free_ char *shown = escape_bytes(l->path);
	bool other;
	int stage, ret = current(l, ctx, &other, &now, err);

	if (ret < 0 || (now && !strcmp(now, l->target)))
		return ret;
	if (other)
		return error_set(err, ERR_STEP_EXISTS, -EEXIST,
				 _("'%s' is there and is no symlink"), shown);
	ret = step_make_parents(ctx, l->path, err);
	if (ret >= 0)
		ret = step_stage(ctx, l->path, &stage, err);
	if (ret < 0)
		return ret;
	ret = build(l, ctx, stage);
	if (ret < 0)
		return step_files_fail(err, ret, _("cannot make symlink"),
				       l->path);
	return step_place(ctx, stage, "new", l->path, now, err);
}

static void link_release(struct step *s)
{
	struct link_step *l = s->priv;

	if (!l)
		return;
	free(l->path);
	free(l->target);
	free(l);
	s->priv = NULL;
}

const struct step_ops link_ops = {
	.name = "link",
	.parse = link_parse,
	.effects = link_effects,
	.check = link_check,
	.preview = link_preview,
	.probe = link_probe,
	.apply = link_apply,
	.release = link_release,
};
