/* SPDX-License-Identifier: MIT */
#ifndef OURS_H
#define OURS_H
/*
 * ours - the places below the root that belong to this program
 *
 * Nothing in them is the user's: they are in no backup set, match no pattern,
 * are not compared, watched or taken for new files, and no step may touch them.
 *
 * Always ours are OURS_STATE in the root (the state directory, or the file that
 * points to it) and OURS_STAGE with anything behind it, in any directory. A
 * struct ours has more: the directories below the root that backups go to.
 * Whoever has such a list hands it down as it is; NULL is one without any more.
 *
 * Paths are relative to the root (see path.h); an absolute one is never ours.
 */
#include <stdbool.h>

#include "base/strbuf.h"

#define OURS_STATE ".upshift"
#define OURS_STAGE ".upshift-stage-"

struct ours {
	struct strvec places;
};
#define OURS_INIT { .places = STRVEC_INIT }

/* once, however often it is added */
void ours_add(struct ours *o, const char *place);
void ours_release(struct ours *o);
/* is it one of the places, or does it lie in one? o may be NULL */
bool ours_has(const struct ours *o, const char *path);
/* the same of the entry name of the directory dir, which is not ours */
bool ours_has_entry(const struct ours *o, const char *dir, const char *name);

#endif
