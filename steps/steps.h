/* SPDX-License-Identifier: MIT */
#ifndef STEPS_H
#define STEPS_H
/*
 * steps - the table of kinds, and the kinds themselves
 *
 * How to add one stands in step.h. Kinds do not include each other; what
 * several need is in src/step-*.h.
 */
#include "step.h"

/* NULL at the end */
extern const struct step_ops *const step_kinds[];

extern const struct step_ops archive_ops;
extern const struct step_ops backfill_ops;
extern const struct step_ops confirm_ops;
extern const struct step_ops copy_ops;
extern const struct step_ops copy_records_ops;
extern const struct step_ops cutover_ops;
extern const struct step_ops json_edit_ops;
extern const struct step_ops jsonl_edit_ops;
extern const struct step_ops link_ops;
extern const struct step_ops mkdir_ops;
extern const struct step_ops monitor_ops;
extern const struct step_ops move_ops;
extern const struct step_ops remove_ops;
extern const struct step_ops run_ops;
extern const struct step_ops sql_ops;
extern const struct step_ops state_ops;
extern const struct step_ops views_ops;
extern const struct step_ops write_ops;

extern const struct step_ops check_absent_ops,
	check_command_ops,
	check_completed_ops,
	check_exists_ops,
	check_json_ops,
	check_jsonl_ops,
	check_process_ops,
	check_schema_ops,
	check_space_ops,
	check_store_ops,
	check_timing_ops,
	check_unchanged_ops,
	check_version_ops,
	check_writable_ops,
	verify_records_ops;

#endif
