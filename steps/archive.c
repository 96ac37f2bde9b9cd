/* SPDX-License-Identifier: MIT */
/*
 * archive - paths go into one compressed archive
 *
 * paths (globs), to (a .tar.zst that does not exist), remove (true). The
 * archive is written as a backup is: flushed, read back and compared. Facts of
 * an attempt, each durable before what follows it:
 *
 *  staged {dev, ino}   of the archive in the stage; then it is put in place
 *  copied              to is complete and on the disk
 *  removing            the originals go, entry by entry
 *
 * Killed while removing, apply goes on with it. Where nothing matches there is
 * nothing to do, and no archive is made.
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
#include "step-saved.h"
#include "steps.h"

#define SUFFIX ".tar.zst"
#define STAGED "archive" SUFFIX

struct archive_step {
	struct strvec paths;
	char *to;
	bool remove;
};

static int archive_parse(struct step *s, struct plan_node *n)
{
	struct archive_step *a = xcalloc(1, sizeof(*a));

	s->priv = a;
	a->remove = true;
	(void)plan_node_paths(n, "paths", true, true, &a->paths);
	if (plan_node_path(n, "to", true, &a->to) &&
	    !str_ends(a->to, SUFFIX))
		plan_node_problem(n, "to", _("the name must end in '%s'"),
				  SUFFIX);
	(void)plan_node_bool(n, "remove", &a->remove);
	for (size_t i = 0; a->to && i < a->paths.n; i++)
		if (glob_match_tree(a->paths.v[i], a->to) ||
		    !strcmp(a->paths.v[i], "."))
			plan_node_problem(n, "to",
				_("the archive lies in '%s', which it holds"),
				a->paths.v[i]);
	return plan_node_failed(n) ? -EINVAL : 0;
}

static int matches(const struct archive_step *a, struct step_ctx *ctx,
		   struct strvec *out, struct error *err)
{
	_cleanup_strvec_ struct strvec found = STRVEC_INIT;
	const char *top = NULL;
	int ret = 0;

	for (size_t i = 0; i < a->paths.n && ret >= 0; i++)
		ret = glob_expand(step_root_fd(ctx), a->paths.v[i],
				  step_ours(ctx), &found, err);
	strvec_sort_paths(&found);
	/* a directory stands for all below it */
	for (size_t i = 0; i < found.n; i++)
		if (!top || !path_is_below(found.v[i], top)) {
			top = found.v[i];
			strvec_push(out, top);
		}
	return ret;
}

static int archive_effects(const struct step *s, struct step_ctx *ctx,
			   struct effects *out, struct error *err)
{
	const struct archive_step *a = s->priv;

	for (size_t i = 0; i < a->paths.n; i++)
		effects_add(out, a->remove ? EFFECT_REMOVE : EFFECT_READ,
			    EFFECT_PATTERN, a->paths.v[i]);
	effects_add(out, EFFECT_CREATE, 0, a->to);
	return ctx ? effects_add_parents(out, step_root_fd(ctx), a->to, err) :
		0;
}

static int archive_check(const struct step *s, struct step_ctx *ctx,
			 struct check_result *r, struct error *err)
{
	const struct archive_step *a = s->priv;
	_cleanup_strvec_ struct strvec found = STRVEC_INIT;
	_cleanup_free_ char *to = escape_bytes(a->to);
	struct stat st;
	int ret = matches(a, ctx, &found, err);

	if (ret >= 0)
		ret = step_files_stat(ctx, a->to, &st, err);
	if (ret < 0)
		return ret;
	check_result_set(r, CHECK_OK, ngettext("%zu path to archive",
			 "%zu paths to archive", found.n), found.n);
	if (ret && found.n) {
		check_result_set(r, CHECK_FAIL, _("'%s' is there already"),
				 to);
		r->code = ERR_STEP_EXISTS;
	}
	return 0;
}

static int archive_preview(const struct step *s, struct step_ctx *ctx,
			   struct preview *p, struct error *err)
{
	const struct archive_step *a = s->priv;
	_cleanup_strvec_ struct strvec found = STRVEC_INIT;
	_cleanup_free_ char *to = escape_bytes(a->to);
	int ret = matches(a, ctx, &found, err);

	p->nothing = ret >= 0 && !found.n;
	for (size_t i = 0; ret >= 0 && i < found.n; i++) {
		_cleanup_free_ char *shown = escape_bytes(found.v[i]);
		struct step_copy_size size;

		ret = step_copy_measure(ctx, found.v[i], &size, err);
		if (ret >= 0)
			strvec_pushf(&p->lines, a->remove ?
				_("move '%s' (%llu entries, %llu bytes) into "
				  "'%s'") :
				_("pack '%s' (%llu entries, %llu bytes) into "
				  "'%s'"), shown,
				(unsigned long long)size.entries,
				(unsigned long long)size.bytes, to);
	}
	return ret;
}

/* 1: to is the archive of this attempt */
static int placed(const struct archive_step *a, struct step_ctx *ctx,
		  struct error *err)
{
	return step_files_at(ctx, a->to, step_get_fact(ctx, "staged"), err);
}

static int probe_placed(const struct archive_step *a, struct step_ctx *ctx,
			enum step_probe *ret, struct error *err)
{
	uint64_t there = 0, gone = 0;
	int r = 0;

	if (a->remove)
		r = step_saved_count(ctx, &there, &gone, err);
	if (r < 0)
		return r;
	*ret = there ? PROBE_PARTLY : PROBE_FULLY;
	if (there)
		return 0;
	r = step_files_settle(ctx, a->to, err);
	return r < 0 || !a->remove ? r : step_saved_settle(ctx, err);
}

static int archive_probe(const struct step *s, struct step_ctx *ctx,
			 enum step_probe *ret, struct error *err)
{
	const struct archive_step *a = s->priv;
	_cleanup_strvec_ struct strvec found = STRVEC_INIT;
	int touched, r = placed(a, ctx, err);

	if (r)
		return r < 0 ? r : probe_placed(a, ctx, ret, err);
	r = matches(a, ctx, &found, err);
	touched = r < 0 ? r : step_files_touched(ctx, a->to, err);
	if (touched < 0)
		return touched;
	*ret = touched || step_get_fact(ctx, "copied") ? PROBE_PARTLY :
		found.n ? PROBE_NOT : PROBE_FULLY;
	return 0;
}

static int set_flag(struct step_ctx *ctx, const char *key, struct error *err)
{
	return step_get_fact(ctx, key) ? 0 :
		step_set_fact(ctx, key, json_object_new_boolean(1), err);
}

static int finish(const struct archive_step *a, struct step_ctx *ctx,
		  struct error *err)
{
	int ret = set_flag(ctx, "copied", err);

	if (ret < 0 || !a->remove)
		return ret;
	ret = set_flag(ctx, "removing", err);
	return ret < 0 ? ret : step_saved_remove(ctx, err);
}

static int pack(const struct archive_step *a, struct step_ctx *ctx,
		const struct strvec *found, struct error *err)
{
	struct stat st;
	int stage, ret = step_make_parents(ctx, a->to, err);

	if (ret >= 0)
		ret = step_stage(ctx, a->to, &stage, err);
	if (ret >= 0)
		ret = step_pack(ctx, found, stage, STAGED, err);
	if (ret < 0)
		return ret;
	ret = step_files_own_as(ctx, stage, STAGED, a->to);
	if (ret < 0)
		return step_files_fail(err, ret, _("cannot give away"),
				       a->to);
	if (fstatat(stage, STAGED, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return step_files_fail(err, -errno, _("cannot look at"),
				       a->to);
	ret = step_set_fact(ctx, "staged", step_files_id(&st), err);
	return ret < 0 ? ret : step_place(ctx, stage, STAGED, a->to, false,
					  err);
}

static int archive_apply(const struct step *s, struct step_ctx *ctx,
			 struct error *err)
{
	const struct archive_step *a = s->priv;
	_cleanup_strvec_ struct strvec found = STRVEC_INIT;
	int ret = placed(a, ctx, err);

	if (ret > 0) {
		ret = step_files_settle(ctx, a->to, err);
		return ret < 0 ? ret : finish(a, ctx, err);
	}
	if (ret == 0)
		ret = matches(a, ctx, &found, err);
	if (ret < 0 || !found.n)
		return ret;
	ret = pack(a, ctx, &found, err);
	return ret < 0 ? ret : finish(a, ctx, err);
}

static void archive_release(struct step *s)
{
	struct archive_step *a = s->priv;

	if (!a)
		return;
	strvec_release(&a->paths);
	free(a->to);
	free(a);
	s->priv = NULL;
}

const struct step_ops archive_ops = {
	.name = "archive",
	.flags = STEP_RESUMES,
	.parse = archive_parse,
	.effects = archive_effects,
	.check = archive_check,
	.preview = archive_preview,
	.probe = archive_probe,
	.apply = archive_apply,
	.release = archive_release,
};
