/* SPDX-License-Identifier: MIT */
/*
 * backfill - statements for all rows of a table, some keys at a time
 *
 * set, key, up, down or undo, where, batch, workers, retries, bad_records,
 * max_bad, pause, pause_file, max_lag. It ends at the greatest key that there
 * was when it began. See step-records.h.
 */
#include "step-records.h"
#include "steps.h"

static int backfill_parse(struct step *s, struct plan_node *n)
{
	return step_records_parse(s, n, true);
}

const struct step_ops backfill_ops = {
	.name = "backfill",
	.flags = STEP_LOOK_FIRST | STEP_RESUMES | STEP_ROWS,
	.parse = backfill_parse,
	.effects = step_records_effects,
	.check = step_records_check,
	.preview = step_records_preview,
	.probe = step_records_probe,
	.apply = step_records_apply,
	.verify = step_records_verify,
	.undo = step_records_undo,
	.rejects = step_records_rejects,
	.retry = step_records_retry,
	.rows = step_records_rows,
	.undoable = step_records_undoable,
	.grants = step_records_grants,
	.room = step_records_room,
	.release = step_records_release,
};
