/* SPDX-License-Identifier: MIT */
/*
 * json - every file is one well-formed JSON document (check)
 *
 * paths (files, directories, patterns). Well-formed is RFC 8259 and UTF-8;
 * all faults are told with file, line and column.
 */
#include "check-documents.h"
#include "check-paths.h"
#include "steps.h"

static int json_check(const struct step *s, struct step_ctx *ctx,
		      struct check_result *r, struct error *err)
{
	return check_documents(ctx, s->priv, false, r, err);
}

const struct step_ops check_json_ops = {
	.name = "json",
	.flags = STEP_IS_CHECK,
	.parse = check_paths_parse,
	.check = json_check,
	.release = check_paths_release,
};
