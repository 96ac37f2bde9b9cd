/* SPDX-License-Identifier: MIT */
/*
 * copy-records - rows of a table, a query or a file of records to another set
 *
 * from, to, key, columns, where, on_conflict, batch, workers, retries,
 * bad_records, max_bad, pause, pause_file, max_lag, live, max_delta. See
 * step-records.h and step-live.h.
 */
#include "step-live.h"
#include "step-records.h"
#include "steps.h"

static int copy_parse(struct step *s, struct plan_node *n)
{
	return step_records_parse(s, n, false);
}

const struct step_ops copy_records_ops = {
	.name = "copy-records",
	.flags = STEP_LOOK_FIRST | STEP_COPIES | STEP_RESUMES | STEP_ROWS,
	.parse = copy_parse,
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
	.leave = step_records_leave,
	.lint = step_live_lint,
	.grants = step_records_grants,
	.room = step_records_room,
	.release = step_records_release,
};
