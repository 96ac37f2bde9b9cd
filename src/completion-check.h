/* SPDX-License-Identifier: MIT */
#ifndef COMPLETION_CHECK_H
#define COMPLETION_CHECK_H
/*
 * completion-check - does a completion record prove what it is to prove?
 *
 * A record (completion.h) that says that this very plan was carried through in
 * another environment: the same digest of the plan, there, complete, and not
 * changed since it was written (its sum). Where the data that it speaks of can
 * be reached from here, the run is looked at as well, so that a rollback since
 * then counts; else the record stands for itself.
 */
#include <stddef.h>

struct check_result;
struct plan;

/* OK, WARN (it ended with warnings or skips) or FAIL, with a sentence; shown:
   the name of the file, for messages */
void completion_check(const char *text, size_t len, const char *shown,
		      const struct plan *plan, const char *environment,
		      struct check_result *r);

#endif
