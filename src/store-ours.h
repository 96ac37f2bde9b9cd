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
 *
 * RUN: several hosts may have runs with one id (four characters, for people) on
 * one server, so there the key of a run stands for it: "ID.UUID", with the UUID
 * of record 1 of its journal. In names, which have 63 bytes, it is cut to 48
 * bits of that, and a long STEP to its beginning and a digest. The key of a run
 * that was begun by an upshift without keys is its id, so that what it left is
 * found.
 */
#include "base/strbuf.h"

/* of names: STEP_RUN, letters, digits and '_' alone; caller frees both */
char *store_ours_id(const char *step, const char *run);
char *store_ours_tag(const char *run);
/* the id, for people; caller frees */
char *store_ours_shown(const char *run);

struct error;
struct store;

/* steps: all that may have something there; the lease, if it is this run's,
   goes, too */
int store_ours_forget(struct store *s, const char *plan, const char *run,
		      const struct strvec *steps, struct error *err);

/*
 * May this role use those that a run needs: _upshift_run and `table`? The server
 * may take no writes; those of another role may be closed to it; if one is not
 * there, it must be able to make it. Servers alone; writes nothing. Returns 1 with *why as a sentence (the
 * caller's to free) if not; 0 if so, or if the server cannot be asked.
 */
int store_ours_look(struct store *s, const char *table, char **why,
		    struct error *err);

#endif
