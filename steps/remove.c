/* SPDX-License-Identifier: MIT */
/*
 * remove - files and directories go
 *
 * paths (globs; nothing matching is fine). Removed is what the pre-image of
 * the attempt holds and nothing else: what was made or changed since is saved
 * nowhere, so it makes the step fail.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "effects.h"
#include "step-copy.h"
#include "step-files.h"
#include "step-saved.h"
#include "steps.h"

struct remove_step {
	struct strvec paths;
};

static int remove_parse(struct step *s, struct plan_node *n)
{
	struct remove_step *m = xcalloc(1, sizeof(*m));

	s->priv = m;
	if (plan_node_paths(n, "paths", true, true, &m->paths) &&
	    strvec_has(&m->paths, "."))
		plan_node_problem(n, "paths",
				  _("the root itself cannot be removed"));
	return plan_node_failed(n) ? -EINVAL : 0;
}

static int remove_effects(const struct step *s, struct step_ctx *ctx,
			  struct effects *out, struct error *err)
{
	const struct remove_step *m = s->priv;

	(void)ctx;
	(void)err;
	for (size_t i = 0; i < m->paths.n; i++)
		effects_add(out, EFFECT_REMOVE, EFFECT_PATTERN,
			    m->paths.v[i]);
	return 0;
}

static int matches(const struct remove_step *m, struct step_ctx *ctx,
		   struct strvec *out, struct error *err)
{
	int ret = 0;

	for (size_t i = 0; i < m->paths.n && ret >= 0; i++)
		ret = glob_expand(step_root_fd(ctx), m->paths.v[i],
				  step_ours(ctx), out, err);
	strvec_sort_paths(out);
	return ret;
}

static int remove_check(const struct step *s, struct step_ctx *ctx,
			struct check_result *r, struct error *err)
{
	_cleanup_strvec_ struct strvec found = STRVEC_INIT;
	int ret = matches(s->priv, ctx, &found, err);

	if (ret < 0)
		return ret;
	check_result_set(r, CHECK_OK, ngettext("%zu path to remove",
			 "%zu paths to remove", found.n), found.n);
	return 0;
}

static int preview_one(struct step_ctx *ctx, const char *path,
		       struct preview *p, struct error *err)
{
	_cleanup_free_ char *shown = escape_bytes(path);
	struct step_copy_size size;
	struct stat st;
	int ret = step_files_stat(ctx, path, &st, err);

	if (ret <= 0)
		return ret;
	if (!S_ISDIR(st.st_mode)) {
		step_files_say(p, _("remove"), path);
		return 0;
	}
	ret = step_copy_measure(ctx, path, &size, err);
	if (ret >= 0)
		strvec_pushf(&p->lines, ngettext("remove directory '%s' with "
			     "%llu entry below it", "remove directory '%s' "
			     "with %llu entries below it", size.entries - 1),
			     shown, (unsigned long long)size.entries - 1);
	return ret;
}

static int remove_preview(const struct step *s, struct step_ctx *ctx,
			  struct preview *p, struct error *err)
{
	_cleanup_strvec_ struct strvec found = STRVEC_INIT;
	const char *top = NULL;
	int ret = matches(s->priv, ctx, &found, err);

	p->nothing = ret >= 0 && !found.n;
	for (size_t i = 0; ret >= 0 && i < found.n; i++) {
		/* said with the directory that holds it */
		if (top && path_is_below(found.v[i], top))
			continue;
		top = found.v[i];
		ret = preview_one(ctx, top, p, err);
	}
	return ret;
}

static int remove_probe(const struct step *s, struct step_ctx *ctx,
			enum step_probe *ret, struct error *err)
{
	_cleanup_strvec_ struct strvec found = STRVEC_INIT;
	uint64_t there, gone;
	int r = matches(s->priv, ctx, &found, err);

	if (r >= 0)
		r = step_saved_count(ctx, &there, &gone, err);
	if (r < 0)
		return r;
	*ret = !found.n ? PROBE_FULLY : gone ? PROBE_PARTLY : PROBE_NOT;
	return !found.n && gone ? step_saved_settle(ctx, err) : 0;
}

static int remove_apply(const struct step *s, struct step_ctx *ctx,
			struct error *err)
{
	(void)s;
	return step_saved_remove(ctx, err);
}

/* What others made of that name since then is none of our business. */
static int remove_verify(const struct step *s, struct step_ctx *ctx,
			 struct error *err)
{
	uint64_t there, gone;
	int ret = step_saved_count(ctx, &there, &gone, err);

	(void)s;
	if (ret >= 0 && there)
		return error_set(err, ERR_STEP_VERIFY, -EBADMSG,
			ngettext("%llu path that was removed is there again",
				 "%llu paths that were removed are there "
				 "again", there), (unsigned long long)there);
	return ret;
}

static void remove_release(struct step *s)
{
	struct remove_step *m = s->priv;

	if (!m)
		return;
	strvec_release(&m->paths);
	free(m);
	s->priv = NULL;
}

const struct step_ops remove_ops = {
	.name = "remove",
	.parse = remove_parse,
	.effects = remove_effects,
	.check = remove_check,
	.preview = remove_preview,
	.probe = remove_probe,
	.apply = remove_apply,
	.verify = remove_verify,
	.release = remove_release,
};
