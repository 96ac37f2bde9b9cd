/* SPDX-License-Identifier: MIT */
#include "check-documents.h"
#include "check-paths.h"
#include "steps.h"

static int check(const struct step *s, struct step_ctx *c,
		 struct check_result *r, struct error *err)
{
	return check_documents(s, c, false, r, err);
}

const struct step_ops check_json_ops = {
	.name = "json",
	.flags = STEP_IS_CHECK,
	.parse = check_paths_parse,
	.check = check,
	.release = check_paths_release,
};
