/* SPDX-License-Identifier: MIT */
#include "steps.h"

#include <stddef.h>

const struct step_ops *const step_kinds[] = {
	&check_absent_ops,
	&check_command_ops,
	&check_exists_ops,
	&check_json_ops,
	&check_jsonl_ops,
	&check_process_ops,
	&check_space_ops,
	&check_timing_ops,
	&check_unchanged_ops,
	&verify_records_ops,
	&check_version_ops,
	&check_writable_ops,
	&archive_ops,
	&backfill_ops,
	&confirm_ops,
	&copy_ops,
	&copy_records_ops,
	&cutover_ops,
	&json_edit_ops,
	&jsonl_edit_ops,
	&link_ops,
	&mkdir_ops,
	&monitor_ops,
	&move_ops,
	&remove_ops,
	&run_ops,
	&sql_ops,
	&state_ops,
	&views_ops,
	&write_ops,
	NULL,
};
