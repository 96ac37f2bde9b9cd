/* SPDX-License-Identifier: MIT */
/*
 * json - values of JSON documents changed in place, or expected to be there
 *
 * path (the first of a list that is there) or paths (patterns); select (a
 * JSONPath, "$"); edit (operations on each selected value); output (the result
 * goes there); expect_before and expect; count and count_change. What an
 * operation does not name keeps its bytes. See step-json.h.
 */
#include "step-json.h"
#include "steps.h"

static int json_parse_step(struct step *s, struct plan_node *n)
{
	return step_json_parse(s, n, false);
}

const struct step_ops json_edit_ops = {
	.name = "json",
	.parse = json_parse_step,
	.effects = step_json_effects,
	.check = step_json_check,
	.preview = step_json_preview,
	.probe = step_json_probe,
	.apply = step_json_apply,
	.verify = step_json_verify,
	.undo = step_json_undo,
	.redo = step_json_redo,
	.release = step_json_release,
};
