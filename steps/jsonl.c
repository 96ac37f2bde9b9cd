/* SPDX-License-Identifier: MIT */
/*
 * jsonl - the same as json for each line of files of lines
 *
 * Besides: bad_records ("stop" or "quarantine") and max_bad. A line is a
 * document of its own; blank lines, CRLF and a missing last newline stay.
 */
#include "step-json.h"
#include "steps.h"

static int jsonl_parse(struct step *s, struct plan_node *n)
{
	return step_json_parse(s, n, true);
}

const struct step_ops jsonl_edit_ops = {
	.name = "jsonl",
	.flags = STEP_EARLY,
	.parse = jsonl_parse,
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
