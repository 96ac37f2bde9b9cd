/* SPDX-License-Identifier: MIT */
#ifndef STEP_CARRY_H
#define STEP_CARRY_H
/*
 * step-carry - rows written since a cutover come back into the old tables
 *
 * What records-carry.h does for jobs, for the copies of a cutover that is
 * undone. How rows of the new table are in the shape of the old one is known
 *	by `back` of the copy
 *	by the columns of the copy, where each column of the old table is one of
 *	the new one as it is
 *	by the view that stands in for the old table, in this step or another
 *	by the columns, where the others may be left out: NULL, or a default
 * in this order. The old table needs a primary key, which is that of the copy.
 * A new table that has rows from elsewhere needs `owns`.
 *
 * A view is read by a table made of its SELECT in the new store; in an SQLite
 * file by its name, as it stands there.
 *
 * A new store that is a file which a step above has put back is read where it
 * went (step_aside()).
 */
#include <stdbool.h>
#include <stdint.h>

struct error;
struct plan;
struct plan_problems;
struct step;
struct step_ctx;
struct strvec;

/* Of a copy: as what store_ours_id() names what carrying keeps; no step has such
   an id. New, for the caller to free. It stays in the old store for the way
   back, until the run is forgotten. */
char *step_carry_step(const char *copy);
/* Warns of copies whose rows cannot come back, as far as the plan tells. */
void step_carry_advise(const struct step *s, const struct plan *p,
		       const struct strvec *copies,
		       struct plan_problems *warnings);
/* Lines of the old tables that have no key to carry by; reads alone. Those that
   are not there yet are passed over. */
int step_carry_look(struct step_ctx *ctx, const struct strvec *copies,
		    struct strvec *lines, struct error *err);
/*
 * All of the copies. Writers of the new tables are turned away, and nobody
 * writes the old ones, which are back in their place; keeps: what is in these
 * alone stays. What is refused ends it where the copy says so (bad_records),
 * else it is told, like how many rows came. 1: some copies cannot be carried.
 * rows: of the old tables that are not as they were; refused: of the new ones,
 * that did not come.
 */
int step_carry(struct step_ctx *ctx, const struct strvec *copies, bool keeps,
	       uint64_t *rows, uint64_t *refused, struct error *err);
/*
 * The other way, of a cutover that is made again where step_carry() was before,
 * and all rows came: what was written to the old tables since comes into the
 * new ones, which are as they were by then. Writers of both are turned away.
 * What is the same by `back` stays; keeps: what is in the new ones alone, too.
 * It may be done again.
 */
int step_carry_forward(struct step_ctx *ctx, const struct strvec *copies,
		       bool keeps, struct error *err);
/* 1: there is something to carry; reads alone. What cannot be is told. */
int step_carry_any(struct step_ctx *ctx, const struct strvec *copies,
		   struct error *err);
/* Takes back what step_carry() did to tables of PostgreSQL, but for rows that
   others changed since. */
int step_carry_undo(struct step_ctx *ctx, const struct strvec *copies,
		    struct error *err);
/*
 * What is undone before the old tables are there would take the rows of new
 * ones on servers: they are kept until step_carry_let_go(), and what is above
 * takes them from there. A fact of the step, for this rollback.
 */
int step_carry_keep(struct step_ctx *ctx, const struct strvec *copies,
		    struct error *err);
int step_carry_let_go(struct step_ctx *ctx, const struct strvec *copies,
		      struct error *err);
/* rejects: the copies had been refused rows, and nobody knows any more which:
   what is in the old tables alone has to stay */
bool step_carry_is_kept(struct step_ctx *ctx, bool *rejects);
/* The new tables, of those that are in the store of this URL (others: false),
   are locked for writers until the end of the transaction that s is in. */
struct store;
int step_carry_lock(struct step_ctx *ctx, const struct strvec *copies,
		    const char *url, struct store *s, struct error *err);
/* how many rows of each of the copies would come: put, and deleted; reads
   alone. known false: none can, and they are what differs */
struct step_carried {
	const char *store, *old, *now;   /* borrowed: store of the old table */
	const char *url;                 /* store of the new one */
	bool known;
	uint64_t put, deleted;
};
int step_carry_count(const struct step *copy, struct step_ctx *ctx,
		     struct step_carried *ret, struct error *err);

#endif
