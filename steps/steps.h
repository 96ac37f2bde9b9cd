/* SPDX-License-Identifier: MIT */
#ifndef STEPS_H
#define STEPS_H
/*
 * steps - the table of kinds, and the kinds themselves
 */
#include "step.h"

extern const struct step_ops *const step_kinds[];

#endif
