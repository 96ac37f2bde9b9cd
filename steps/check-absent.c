/* SPDX-License-Identifier: MIT */
/* Each path must not be there; a glob counts as there if it matches anything. */
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
		for (size_t k = 0; k < found.n; k++)
			check_fault(r, found.v[k], _("is there"));
	}
	if (r->details.n)
		check_result_set(r, CHECK_FAIL, "%s", r->details.v[0]);
	else
		check_result_set(r, CHECK_OK, ngettext("%zu path looked for, nothing found",
			"%zu paths looked for, nothing found", p->paths.n), p->paths.n);
	return 0;
}

const struct step_ops check_absent_ops = {
	.name = "absent",
	.flags = STEP_IS_CHECK,
	.parse = check_paths_parse,
	.check = check,
	.release = check_paths_release,
};
