/* SPDX-License-Identifier: MIT */
/*
 * exists - something is there at each of these paths (check)
 *
 * paths (patterns: at least one match each). A symlink is something, whatever
 * it points to.
 */
#include "base/error.h"
#include "base/i18n.h"
#include "base/path.h"
#include "check-paths.h"
#include "steps.h"

static int look_for(struct step_ctx *ctx, const char *path,
		    struct check_result *r, struct error *err)
{
	_cleanup_strvec_ struct strvec found = STRVEC_INIT;
	_cleanup_free_ char *shown = NULL;
	int ret = glob_expand(step_root_fd(ctx), path, step_ours(ctx), &found,
			      err);

	if (ret < 0 || found.n)
		return ret;
	shown = escape_bytes(path);
	strvec_pushf(&r->details, glob_has_magic(path) ?
		     _("nothing matches '%s'") : _("'%s' is not there"),
		     shown);
	return 0;
}

static int exists_check(const struct step *s, struct step_ctx *ctx,
			struct check_result *r, struct error *err)
{
	const struct strvec *paths = s->priv;
	int ret = 0;

	for (size_t i = 0; i < paths->n && ret >= 0; i++)
		ret = look_for(ctx, paths->v[i], r, err);
	if (ret < 0)
		return ret;
	if (r->details.n > 1)
		check_result_set(r, CHECK_FAIL,
				 _("%zu of %zu paths are missing: %s"),
				 r->details.n, paths->n, r->details.v[0]);
	else if (r->details.n)
		check_result_set(r, CHECK_FAIL, _("%s (below '%s')"),
				 r->details.v[0], step_root(ctx));
	else
		check_result_set(r, CHECK_OK, ngettext(
				 "%zu path is there", "%zu paths are there",
				 paths->n), paths->n);
	return 0;
}

const struct step_ops check_exists_ops = {
	.name = "exists",
	.flags = STEP_IS_CHECK,
	.parse = check_paths_parse,
	.check = exists_check,
	.release = check_paths_release,
};
