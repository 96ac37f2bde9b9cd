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
#include "effects.h"
#include "step-copy.h"
#include "step-files.h"
#include "step-pair.h"
#include "steps.h"

static int copy_effects(const struct step *s, struct step_ctx *ctx,
			struct effects *out, struct error *err)
{
	const struct step_pair *m = s->priv;

	effects_add(out, EFFECT_READ, 0, m->from);
	return step_pair_creates(s, ctx, out, err);
}

static int copy_check(const struct step *s, struct step_ctx *ctx,
		      struct check_result *r, struct error *err)
{
	const struct step_pair *m = s->priv;
	_cleanup_free_ char *from = escape_bytes(m->from);
	int ret = step_pair_check(s, ctx, r, err);

	if (ret <= 0)
		return ret;
	check_result_set(r, CHECK_OK, _("'%s' can be copied"), from);
	return 0;
}

static int copy_preview(const struct step *s, struct step_ctx *ctx,
			struct preview *p, struct error *err)
{
	const struct step_pair *m = s->priv;
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
	const struct step_pair *m = s->priv;
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
	const struct step_pair *m = s->priv;
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

const struct step_ops copy_ops = {
	.name = "copy",
	.parse = step_pair_parse,
	.effects = copy_effects,
	.check = copy_check,
	.preview = copy_preview,
	.probe = copy_probe,
	.apply = copy_apply,
	.release = step_pair_release,
};
