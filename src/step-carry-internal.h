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
	bool owns;                       /* all rows of the new table are ours */
	char *set;                       /* what `back` reads */
	char *table;                     /* the same, if it was made; or NULL */
	char *where;
	char *id, *marks;                /* of `back` */
	struct strvec names, exprs;      /* "": the name */
	const char **col, **expr;
};

/* --- step-carry-map.c --- */

/* can rows go back between these at all? */
bool carry_stores(const struct records_step *m);
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
