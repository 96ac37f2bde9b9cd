/* SPDX-License-Identifier: MIT */
/* Each path must be there; a glob counts as there if it matches anything. */
#include "base/error.h"
#include "base/i18n.h"
#include "base/path.h"
#include "check-paths.h"
#include "steps.h"

static int check(const struct step *s, struct step_ctx *c,
		 struct check_result *r, struct error *err)
{
	const struct check_paths *p = s->priv;

	for (size_t i = 0; i < p->paths.n; i++) {
		_cleanup_strvec_ struct strvec found = STRVEC_INIT;
		int ret = glob_expand(step_root_fd(c), p->paths.v[i],
				      step_skip(c), &found, err);

		if (ret < 0)
			return ret;
		if (!found.n)
			check_fault(r, p->paths.v[i], _("is not there"));
	}
	if (r->details.n)
		check_result_set(r, CHECK_FAIL, "%s", r->details.v[0]);
	else
		check_result_set(r, CHECK_OK, ngettext("%zu path found",
			"%zu paths found", p->paths.n), p->paths.n);
	return 0;
}

const struct step_ops check_exists_ops = {
	.name = "exists",
	.flags = STEP_IS_CHECK,
	.parse = check_paths_parse,
	.check = check,
	.release = check_paths_release,
};
