/* SPDX-License-Identifier: MIT */
#ifndef STEP_CUTOVER_H
#define STEP_CUTOVER_H
/*
 * step-cutover - from the old to the new, while nobody writes
 *
 * What is done while nobody writes, in this order and within max_stall: drain
 * (a command), the copies (what was captured of their sources is drained, or
 * their two sides are made the same, and they are compared), equal (queries in
 * pairs), verify (a command), the switch (a command, views in the place of the
 * old tables, or both, in this order). There are two ways to it.
 *
 * WAIT: one transaction of the database that has all of it, the views as well
 * as both sides of the copies. The old tables are locked, so that those who
 * read and write them wait, and go on behind the COMMIT with what the names
 * mean then: none of them fails. A lock that cannot be had soon (lock_timeout)
 * is let go of, and tried again later. Commands see nothing of a transaction
 * that is not through, and would wait for it: there can be none.
 *
 *	no row (step-sql.h)	nothing was done: the server has taken back
 *				whatever an engine did that was killed
 *	a row			all was done, in the transaction of the row
 *
 * REFUSE: triggers (step-fence.h) turn writers away; readers read on. With
 * views the triggers go in the transaction that makes these. What may be found
 * by the rows of the fence (STEP) and of the views (STEP/views), and by the
 * fact "phase":
 *	no row, no fact		nothing was done
 *	a row of the fence	fenced: the fence goes, all of it again
 *	"switching"		the switch may have happened: switch_back, the
 *				fence goes, all of it again
 *	a row of the views	switched
 *	"switched"		the fence goes unless it is kept, the captures
 *				end, and that is all
 *	"done"			so it is (with copies)
 *	"back"			all was put back after a failure
 * and by the fact "drained", where a copy is live and its destination a file:
 * changes have left their queues for that file, so it must not be put back
 * without the captures ending, too.
 * An engine that is dead leaves the fence where it is until somebody resumes
 * or rolls back; the fact STEP_FENCED tells of it.
 */
#include "step-sql.h"
#include "step-views.h"

struct plan_set;

enum cutover_writers { CUTOVER_DEFAULT, CUTOVER_WAIT, CUTOVER_REFUSE };

struct cutover {
	struct sql_target target;
	struct strvec fence;
	enum cutover_writers writers;
	struct sql_list up, down;        /* of the fence */
	struct views_spec views;         /* n 0: none */
	struct sql_list views_up, views_down;
	struct step as_views;            /* borrows all: whose row is theirs */
	char *views_id;
	struct strvec drain, verify, go, back;
	struct plan_set *equal;
	size_t equal_n;
	struct strvec copies;
	enum plan_level level;
	double max_stall_s;
	bool keep;
};

/* NULL: writers can wait; else why they cannot, translated; caller frees */
char *step_cutover_no_wait(const struct step *s, const struct plan *p);
/* by the plan alone: what it says, or else whether they can */
bool step_cutover_waits(const struct step *s, const struct plan *p);

int step_cutover_probe(const struct step *s, struct step_ctx *ctx,
		       enum step_probe *ret, struct error *err);
int step_cutover_apply(const struct step *s, struct step_ctx *ctx,
		       struct error *err);
/* The switch alone: to where it was once, whatever the rows are. Those of the
   new tables come behind it, and writers of the old ones since have theirs
   there: nothing is drained, compared or asked. */
int step_cutover_redo(const struct step *s, struct step_ctx *ctx,
		      struct error *err);
int step_cutover_undo(const struct step *s, struct step_ctx *ctx,
		      struct error *err);
/* for step_ops.carry */
int step_cutover_carry(const struct step *s, struct step_ctx *ctx,
		       struct error *err);
void step_cutover_work(struct sql_work *w, const struct step *s,
		       struct step_ctx *ctx);

#endif
