/* SPDX-License-Identifier: MIT */
#ifndef STEP_KEEP_H
#define STEP_KEEP_H
/*
 * step-keep - a file of a step in the directory of the run
 *
 * For what a person should look at later: records that were bad. name is
 * relative to the run ("quarantine/STEP.jsonl"), with one directory at most.
 * 0600, replaced durably.
 */
#include <stddef.h>

struct error;
struct step_ctx;

int step_keep(struct step_ctx *c, const char *name, const void *p, size_t n,
	      struct error *err);

#endif
