/* SPDX-License-Identifier: MIT */
/*
 * absent - nothing is there at any of these paths (check)
 *
 * paths (patterns: no match). A symlink is something, whatever it points to.
 */
#include "base/error.h"
#include "base/i18n.h"
#include "base/path.h"
#include "check-paths.h"
#include "steps.h"

static int absent_check(const struct step *s, struct step_ctx *ctx,
			struct check_result *r, struct error *err)
{
	_cleanup_strvec_ struct strvec found = STRVEC_INIT;
	const struct strvec *paths = s->priv;
	int ret = 0;

	for (size_t i = 0; i < paths->n && ret >= 0; i++)
		ret = glob_expand(step_root_fd(ctx), paths->v[i],
				  step_ours(ctx), &found, err);
	if (ret < 0)
		return ret;
	strvec_sort_paths(&found);
	for (size_t i = 0; i < found.n && i < CHECK_DETAILS_MAX; i++) {
		_cleanup_free_ char *shown = escape_bytes(found.v[i]);

		strvec_pushf(&r->details, _("'%s' is there"), shown);
	}
	if (!found.n)
		check_result_set(r, CHECK_OK, _("nothing is there"));
	else if (found.n == 1)
		check_result_set(r, CHECK_FAIL,
				 _("%s, and must not be (below '%s')"),
				 r->details.v[0], step_root(ctx));
	else
		check_result_set(r, CHECK_FAIL,
				 _("%zu paths are there that must not be: "
				   "%s"), found.n, r->details.v[0]);
	return 0;
}

const struct step_ops check_absent_ops = {
	.name = "absent",
	.flags = STEP_IS_CHECK,
	.parse = check_paths_parse,
	.check = absent_check,
	.release = check_paths_release,
};
