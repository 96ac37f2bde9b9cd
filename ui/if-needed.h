/* SPDX-License-Identifier: MIT */
#ifndef IF_NEEDED_H
#define IF_NEEDED_H
/*
 * if-needed - what `run --if-needed` finds out before it becomes a run
 *
 * For applications that call it at every start. Of the data nothing is read:
 * plan and journal tell all. UPSHIFT_ROLLBACK and the variable that the plan
 * names turn it into a rollback to start; a run that was rolled back, by
 * whomever, is not begun anew before the plan changes, or the application would
 * be upgraded and rolled back by turns.
 */
struct options;
struct step_ops;

/* 0: the run is needed; -1: all is done (status 0); else the exit status */
int if_needed(const struct options *o, const struct step_ops *const *kinds);
/* rolls o->run_id back to start; the decision bears the variable's name */
int rollback_by_variable(const struct options *o,
			 const struct step_ops *const *kinds,
			 const char *name);

#endif
