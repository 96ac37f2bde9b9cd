/* SPDX-License-Identifier: MIT */
#ifndef STEP_LIVE_H
#define STEP_LIVE_H
/*
 * step-live - copies of a source that an application goes on writing
 *
 * Capture, copy, drain; later, behind a fence, once more drain, compare,
 * switch: what records-live.h does for jobs, for the steps of a plan. A step
 * with `live` installs its capture before its first row; it stays when the
 * step is applied, through all that comes then, until the cutover that names
 * the step in its `copies`, or the undo of the step, ends it. Each copy with
 * `live` drains, when its rows are through, those before it as well.
 *
 * What is in the source after a crash: the queue and its triggers, or nothing;
 * they are found again by their names, which have the step and the run.
 */
#include <stdbool.h>
#include <stdint.h>

struct effects;
struct error;
struct plan;
struct plan_problems;
struct step;
struct step_ctx;
struct step_records_job;
struct strvec;

/* the fact of a copy: nothing was in the destination before it */
#define STEP_LIVE_ALONE "alone"

/* can the step have `live`, by the plan? for step_ops.lint */
void step_live_lint(const struct step *s, const struct plan *p,
		    struct plan_problems *problems);
/* the same for a step that ends captures of `copies`, behind a fence of these
   tables of the store */
void step_live_lint_end(const struct step *s, const struct plan *p,
			const struct strvec *copies, const char *store,
			const struct strvec *fence,
			struct plan_problems *problems);

/* what is written when these copies are drained */
void step_live_effects(const struct plan *p, const struct strvec *copies,
		       struct effects *out);

/* the capture of a step, before its copy; the job has its shapes */
int step_live_begin(const struct step *s, struct step_ctx *ctx,
		    const struct step_records_job *j, struct error *err);
/* Nothing is left of it; also where it never was. */
int step_live_end(const struct step *s, struct step_ctx *ctx,
		  struct error *err);
int step_live_end_all(struct step_ctx *ctx, const struct strvec *copies,
		      struct error *err);
/* all rows of the destination (in `owns`) are those of this copy: they may go
   where the source does not have them */
bool step_live_owns(const struct step *s, struct step_ctx *ctx);
/* one of the copies is live, and its destination a file */
bool step_live_into_file(const struct plan *p, const struct strvec *copies);

/*
 * What is in the queues goes to the destinations: until little comes in
 * meanwhile, or, with last, until nothing does; writers must be turned away
 * then, and copies without a capture are compared and repaired. copies NULL:
 * those with `live` up to step s.
 */
int step_live_drain(const struct step *s, struct step_ctx *ctx,
		    const struct strvec *copies, bool last,
		    struct error *err);

#endif
