/* SPDX-License-Identifier: MIT */
#ifndef CHECK_PATHS_H
#define CHECK_PATHS_H
/*
 * check-paths - what the checks over a list of paths share
 *
 * A list of paths or globs as `paths`; expanded against the tree, files below
 * directories included where a check is about files.
 */
#include "base/strbuf.h"
#include "step.h"

struct check_paths {
	struct strvec paths;
};

/* faults that are named one by one; the rest is only counted */
#define CHECK_DETAILS_MAX 100

int check_paths_parse(struct step *s, struct plan_node *n);
void check_paths_release(struct step *s);
/* what they match now; files: regular files alone, trees entered */
int check_paths_expand(const struct step *s, struct step_ctx *c, bool files,
		       struct strvec *ret, struct error *err);
/* adds "'PATH': why" up to the limit */
void check_fault(struct check_result *r, const char *path, const char *why);
/* EFFECT_READ of each */
int check_paths_effects(const struct step *s, struct step_ctx *c,
			struct effects *out, struct error *err);

#endif
