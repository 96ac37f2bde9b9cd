/* SPDX-License-Identifier: MIT */
#include "steps.h"

#include <stddef.h>

const struct step_ops *const step_kinds[] = {
	&archive_ops,
	&copy_ops,
	&link_ops,
	&mkdir_ops,
	&move_ops,
	&remove_ops,
	&run_ops,
	&state_ops,
	&write_ops,
	NULL,
};
