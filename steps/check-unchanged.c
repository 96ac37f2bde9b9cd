/* SPDX-License-Identifier: MIT */
/* Every byte as in the backup, or as in a snapshot taken for this alone. */
#include "check-paths.h"
#include "steps.h"

static int check(const struct step *s, struct step_ctx *c,
		 struct check_result *r, struct error *err)
{
	const struct check_paths *p = s->priv;

	return step_compare_unchanged(c, &p->paths, r, err);
}

static int parse(struct step *s, struct plan_node *n)
{
	struct check_paths *p;
	int ret;

	ret = check_paths_parse(s, n);
	p = s->priv;
	strvec_sort_paths(&p->paths);
	return ret;
}

const struct step_ops check_unchanged_ops = {
	.name = "unchanged",
	.flags = STEP_IS_CHECK | STEP_VERIFY_ONLY,
	.parse = parse,
	.effects = check_paths_effects,
	.check = check,
	.release = check_paths_release,
};
