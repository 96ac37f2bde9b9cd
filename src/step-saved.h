/* SPDX-License-Identifier: MIT */
#ifndef STEP_SAVED_H
#define STEP_SAVED_H
/*
 * step-saved - what the pre-image of this attempt holds, and the tree
 *
 * The saved items are those that were there: not the absent ones, not the
 * parents above them. All of it goes through the pre-image in path order, once
 * or twice, with no list in memory; without a pre-image there is no item.
 */
#include <stdint.h>

struct error;
struct step_ctx;

/* how many of the saved items are still there */
int step_saved_count(struct step_ctx *c, uint64_t *there, uint64_t *gone,
		     struct error *err);

/* 1 if everything is as the pre-image says, what was absent too; times of
   directories do not count */
int step_saved_unchanged(struct step_ctx *c, struct error *err);

/*
 * Removes the saved items and nothing else: an item that is not as it was
 * saved, or a directory with something in it that was not, is an error, since
 * nobody has a copy of that. What is gone already is fine. Durable on return.
 */
int step_saved_remove(struct step_ctx *c, struct error *err);

/* flushes the directories that held the saved items (see step_files_settle) */
int step_saved_settle(struct step_ctx *c, struct error *err);

#endif
