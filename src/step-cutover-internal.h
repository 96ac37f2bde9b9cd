/* SPDX-License-Identifier: MIT */
#ifndef STEP_CUTOVER_INTERNAL_H
#define STEP_CUTOVER_INTERNAL_H
/* step-cutover-internal - what the files of step-cutover share */
#include "step-cutover.h"

/* --- step-cutover-check.c: while nobody writes --- */

/* "until" of a stall that begins now */
uint64_t cutover_until(const struct cutover *c, uint64_t since);
/* the stall's own words for what it cut short */
int cutover_too_long(const struct cutover *c, struct step_ctx *ctx, int ret,
		     struct error *err);
/* an argument list, if it has any; within timeout_s */
int cutover_command(struct step_ctx *ctx, const struct strvec *argv,
		    double timeout_s, struct error *err);
/* drain to verify; whatever waits is cancelled at `until` */
int cutover_check_all(const struct step *s, struct step_ctx *ctx,
		      uint64_t until, struct error *err);
/* of a rollback: warns of rows that the old tables do not have */
void cutover_tell_since(const struct step *s, struct step_ctx *ctx);
/* a command that ends by itself in time: it is told by its name then */
int cutover_in_time(const struct cutover *c, struct step_ctx *ctx,
		    const struct strvec *argv, uint64_t until,
		    struct error *err);

/* --- step-cutover-stall.c: how long writers were held up --- */

/* in the journal, before they are */
int cutover_stall_begin(struct step_ctx *ctx, uint64_t since,
			struct error *err);
/* of one that was begun: until now at least */
int cutover_stall_look(struct step_ctx *ctx, struct error *err);
/* it is told; unless it was seen it was over before, and nobody knows when.
   None was begun: nothing */
int cutover_stall_end(struct step_ctx *ctx, bool seen, struct error *err);
/* nobody has told of its end */
bool cutover_stall_is_open(struct step_ctx *ctx);
/* all of it, behind its end */
void cutover_say_stall(struct step_ctx *ctx, uint64_t since);

/* --- step-cutover-carry.c: rows that came since --- */

/* of a switch that is to be undone: into the old tables with them, which are in
   their place then; 1: some cannot come */
int cutover_carry(const struct step *s, struct step_ctx *ctx,
		  struct sql_work *fence, struct error *err);
/* behind all of the undo: writers of the new tables come back */
int cutover_carry_end(const struct step *s, struct step_ctx *ctx,
		      struct error *err);
/* a switch is made again, and what was written to the old tables since the last
   carrying comes along, under the fence */
bool cutover_carry_is_forward(const struct step *s, struct step_ctx *ctx);
int cutover_carry_forward(const struct step *s, struct step_ctx *ctx,
			  struct error *err);
/* ahead of a switch; again: what came into the old tables goes */
int cutover_carry_forget(const struct step *s, struct step_ctx *ctx,
			 bool again, struct error *err);

/* --- step-cutover-swap.c: the transaction of the views --- */

void cutover_views_work(struct sql_work *w, const struct step *s,
			struct step_ctx *ctx);
/* of one of our two rows, inside of the transaction */
int cutover_within(void (*init)(struct sql_work *w, const struct step *s,
				struct step_ctx *ctx),
		   int (*go)(struct sql_work *w, struct error *err),
		   const struct step *s, struct step_ctx *ctx,
		   struct error *err);
/* 1: the views are there, 0: they are not */
int cutover_views_there(const struct step *s, struct step_ctx *ctx,
			struct error *err);
/* fence NULL: the tables are locked, and all is done that comes behind, but
   for what is asked, with again, and the stall begins; else the fence goes with
   it */
int cutover_swap(const struct step *s, struct step_ctx *ctx,
		 struct sql_work *fence, bool again, struct error *err);
/* the old tables are what they were */
int cutover_swap_back(const struct step *s, struct step_ctx *ctx,
		      struct error *err);

#endif
