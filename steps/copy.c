/* SPDX-License-Identifier: MIT */
/*
 * copy - a file, a directory with all below it, or a symlink, once more
 *
 * from, to; to must not exist. The copy is built in the stage, flushed and
 * compared, its inode number is journalled ("staged"), and it is put in place
 * by one rename: to is not there, or it is complete.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "effects.h"
#include "step-copy.h"
#include "step-files.h"
#include "steps.h"

struct copy_step {
	char *from, *to;
};

static int copy_parse(struct step *s, struct plan_node *n)
{
	struct copy_step *m = xcalloc(1, sizeof(*m));
	bool from, to;

	s->priv = m;
	/* both are asked for, or the other would be an unknown key */
	from = plan_node_path(n, "from", true, &m->from);
	to = plan_node_path(n, "to", true, &m->to);
	if (from && to &&
	    (path_is_below(m->to, m->from) || path_is_below(m->from, m->to)))
		plan_node_problem(n, "to",
			_("'from' and 'to' lie within each other"));
	return plan_node_failed(n) ? -EINVAL : 0;
}

static int copy_effects(const struct step *s, struct step_ctx *ctx,
			struct effects *out, struct error *err)
{
	const struct copy_step *m = s->priv;

	effects_add(out, EFFECT_READ, 0, m->from);
	effects_add(out, EFFECT_CREATE, 0, m->to);
	return ctx ? effects_add_parents(out, step_root_fd(ctx), m->to, err) :
		0;
}

static int copy_check(const struct step *s, struct step_ctx *ctx,
		      struct check_result *r, struct error *err)
{
	const struct copy_step *m = s->priv;
	_cleanup_free_ char *from = escape_bytes(m->from);
	_cleanup_free_ char *to = escape_bytes(m->to);
	struct stat st;
	int ret = step_files_stat(ctx, m->from, &st, err);
	int taken = ret < 0 ? ret : step_files_stat(ctx, m->to, &st, err);

	if (taken < 0)
		return taken;
	if (!ret) {
		check_result_set(r, CHECK_FAIL, _("'%s' does not exist"),
				 from);
		r->code = ERR_STEP_MISSING;
	} else if (taken) {
		check_result_set(r, CHECK_FAIL, _("'%s' is there already"),
				 to);
		r->code = ERR_STEP_EXISTS;
	} else {
		check_result_set(r, CHECK_OK, _("'%s' can be copied"), from);
	}
	return 0;
}

static int copy_preview(const struct step *s, struct step_ctx *ctx,
			struct preview *p, struct error *err)
{
	const struct copy_step *m = s->priv;
	_cleanup_free_ char *from = escape_bytes(m->from);
	_cleanup_free_ char *to = escape_bytes(m->to);
	struct step_copy_size size;
	struct stat st;
	int ret = step_files_stat(ctx, m->from, &st, err);

	if (ret > 0)
		ret = step_copy_measure(ctx, m->from, &size, err);
	else if (ret == 0)
		memset(&size, 0, sizeof(size));
	if (ret < 0)
		return ret;
	strvec_pushf(&p->lines, _("copy '%s' to '%s' (%llu entries, %llu "
		     "bytes)"), from, to, (unsigned long long)size.entries,
		     (unsigned long long)size.bytes);
	return 0;
}

static int copy_probe(const struct step *s, struct step_ctx *ctx,
		      enum step_probe *ret, struct error *err)
{
	const struct copy_step *m = s->priv;
	int there = step_files_at(ctx, m->to, step_get_fact(ctx, "staged"),
				  err);
	int touched;

	if (there < 0)
		return there;
	if (there) {
		*ret = PROBE_FULLY;
		return step_files_settle(ctx, m->to, err);
	}
	touched = step_files_touched(ctx, m->to, err);
	*ret = touched > 0 ? PROBE_PARTLY : PROBE_NOT;
	return MIN(touched, 0);
}

static int copy_apply(const struct step *s, struct step_ctx *ctx,
		      struct error *err)
{
	const struct copy_step *m = s->priv;
	struct stat st;
	int stage, ret = step_make_parents(ctx, m->to, err);

	if (ret >= 0)
		ret = step_stage(ctx, m->to, &stage, err);
	if (ret >= 0)
		ret = step_copy_tree(ctx, m->from, stage, "copy", err);
	if (ret < 0)
		return ret;
	if (fstatat(stage, "copy", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return step_files_fail(err, -errno, _("cannot look at"),
				       m->to);
	ret = step_set_fact(ctx, "staged", step_files_id(&st), err);
	if (ret >= 0)
		ret = step_place(ctx, stage, "copy", m->to, false, err);
	return ret;
}

static void copy_release(struct step *s)
{
	struct copy_step *m = s->priv;

	if (!m)
		return;
	free(m->from);
	free(m->to);
	free(m);
	s->priv = NULL;
}

const struct step_ops copy_ops = {
	.name = "copy",
	.parse = copy_parse,
	.effects = copy_effects,
	.check = copy_check,
	.preview = copy_preview,
	.probe = copy_probe,
	.apply = copy_apply,
	.release = copy_release,
};
