/* SPDX-License-Identifier: MIT */
#ifndef STEP_CARRY_INTERNAL_H
#define STEP_CARRY_INTERNAL_H
/* step-carry-internal - what the files of step-carry share */
#include "records-carry.h"
#include "step-carry.h"
#include "step-records.h"

/* One copy; the shapes borrow its texts. */
struct carry_job {
	const struct step *copy;
	struct step_records_job went;
	struct records_job back;
	struct store_options now;        /* of the new store */
	bool aside;                      /* which is a file that went */
	int aside_fd;
	bool here;                       /* whatever went: it is back */
	bool owns;                       /* all rows of the new table are ours */
	char *set;                       /* what `back` reads */
	char *table;                     /* the same, if it was made; or NULL */
	char *kept;                      /* what has the new table's rows, or
					    NULL: itself */
	char *where;
	char *id, *marks;                /* of `back` */
	struct strvec names, exprs;      /* "": the name */
	const char **col, **expr;
};

/* --- step-carry-job.c --- */

/* 1: rows can come back, 0: they cannot */
int carry_build(struct carry_job *k, const struct step *copy,
		struct step_ctx *ctx, struct error *err);
void carry_release(struct carry_job *k);
/* where the new store is, as its file may have been put aside; and opened */
void carry_look_aside(struct carry_job *k, struct step_ctx *ctx);
int carry_open_now(const struct carry_job *k, struct step_ctx *ctx,
		   struct store **ret, struct error *err);
/* and its rows, which may be in another table; k->went is begun */
void carry_use_kept(struct carry_job *k, struct step_ctx *ctx);
int carry_drop_table(struct carry_job *k, struct step_ctx *ctx,
		     struct error *err);
/* how the old table was: of a rollback before, which was gone back from in
   another way; and whether there is something to take back */
int carry_drop_undo(const struct carry_job *k, struct step_ctx *ctx,
		    struct error *err);
int carry_keep_undo(const struct carry_job *k, struct step_ctx *ctx,
		    const struct records_carried *n, struct error *err);
bool carry_is_skipped(struct step_ctx *ctx, int i);
/* the table of what the view shows; new */
char *carry_shown(const struct step *copy, struct step_ctx *ctx);

/* --- step-carry-keep.c --- */

/* of what carrying has in the database; new */
char *carry_id(const struct step *copy, struct step_ctx *ctx);
/* the table that has the rows of the new one, new; NULL: that has them */
char *carry_kept(const struct step *copy, struct step_ctx *ctx);

/* --- step-carry-map.c --- */

/* can rows go back between these at all? */
bool carry_stores(const struct records_step *m);
/* has the old table, with these columns, a key to carry by? */
bool carry_has_key(const struct records_step *m,
		   const struct store_batch *old);
/* the SELECT of the view that stands in for the source, or NULL */
const char *carry_select(const struct step *copy, const struct plan *p);
/* is it a mirror, which has all rows itself? */
bool carry_is_mirror(const struct step *copy, const struct plan *p);
/* makes the shapes of `back`, with the columns of the old table; false: the
   rows cannot come back so. view: it is the second choice */
bool carry_by_columns(struct carry_job *k, const struct store_batch *old,
		      bool view);
bool carry_by_view(struct carry_job *k, const struct store_batch *old,
		   const struct store_batch *shown);

#endif
