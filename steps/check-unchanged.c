/* SPDX-License-Identifier: MIT */
/*
 * unchanged - everything at these paths is as it was at the start (check)
 *
 * paths (files and directories with all below them; no patterns, since one
 * cannot match what is no longer there). Compared are content, type, mode,
 * owner, time, attributes and links, with the backup, or with a snapshot that
 * is taken at the start of what the backup does not hold.
 */
#include "check-paths.h"
#include "effects.h"
#include "steps.h"

/* what is read is what the snapshot must hold */
static int unchanged_effects(const struct step *s, struct step_ctx *ctx,
			     struct effects *out, struct error *err)
{
	const struct strvec *paths = s->priv;

	(void)ctx;
	(void)err;
	for (size_t i = 0; i < paths->n; i++)
		effects_add(out, EFFECT_READ, 0, paths->v[i]);
	return 0;
}

static int unchanged_check(const struct step *s, struct step_ctx *ctx,
			   struct check_result *r, struct error *err)
{
	return step_compare_unchanged(ctx, s->priv, r, err);
}

const struct step_ops check_unchanged_ops = {
	.name = "unchanged",
	.flags = STEP_IS_CHECK | STEP_VERIFY_ONLY,
	.parse = check_paths_parse_plain,
	.effects = unchanged_effects,
	.check = unchanged_check,
	.release = check_paths_release,
};
