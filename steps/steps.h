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
extern const struct step_ops copy_ops;
extern const struct step_ops link_ops;
extern const struct step_ops mkdir_ops;
extern const struct step_ops move_ops;
extern const struct step_ops remove_ops;
extern const struct step_ops run_ops;
extern const struct step_ops state_ops;
extern const struct step_ops write_ops;

#endif
