/* SPDX-License-Identifier: MIT */
#ifndef STORE_OURS_H
#define STORE_OURS_H
/*
 * store-ours - our own tables leave a database
 *
 * In the user's database stand, while a plan is carried out and after it:
 * _upshift_run (who runs it), _upshift_range (positions), _upshift_reject
 * (rows that were refused), _upshift_step (marks of statements), and of steps
 * _upshift_undo_STEP_RUN, _upshift_q_STEP_RUN, _upshift_back_STEP_RUN. What is
 * of one run goes, and each table that is empty then. Where another run is at
 * work on the same server the common ones stay, and are the other's to remove.
 *
 * One transaction; it may be done again. A file of records has nothing.
 */
#include "base/strbuf.h"

struct error;
struct store;

/* steps: all that may have something there; the lease, if it is this run's,
   goes, too */
int store_ours_forget(struct store *s, const char *plan, const char *run,
		      const struct strvec *steps, struct error *err);

#endif
