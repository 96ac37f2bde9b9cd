/* SPDX-License-Identifier: MIT */
/*
 * jsonl - every line is a well-formed JSON document (check)
 *
 * paths (files, directories, patterns). Blank lines are passed over. Well-formed
 * is as for check `json`; every faulty line is told with file, line and column.
 */
#include "check-documents.h"
#include "check-paths.h"
#include "steps.h"

static int jsonl_check(const struct step *s, struct step_ctx *ctx,
		      struct check_result *r, struct error *err)
{
	return check_documents(ctx, s->priv, true, r, err);
}

const struct step_ops check_jsonl_ops = {
	.name = "jsonl",
	.flags = STEP_IS_CHECK,
	.parse = check_paths_parse,
	.check = jsonl_check,
	.release = check_paths_release,
};
