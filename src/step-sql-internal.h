/* SPDX-License-Identifier: MIT */
#ifndef STEP_SQL_INTERNAL_H
#define STEP_SQL_INTERNAL_H
/* step-sql-internal - what the files of step-sql share */
#include "step-sql.h"

#define SQL_MARKER "_upshift_step"

int sql_marker_read(struct sql_work *w, struct error *err);
/* inside of a transaction: makes the table if need be, and goes from what was read to this; -ESTALE if it is not that any
   more. w->m stays: it is read again, or set when the commit is through */
int sql_marker_move(struct sql_work *w, const struct sql_marker *to,
		    struct error *err);
/* inside of one, too: the row goes, and the table with the last row */
int sql_marker_drop(struct sql_work *w, struct error *err);

/* -ESTALE */
int sql_stale(struct sql_work *w, struct error *err);

/* SQLite: rows whose foreign keys point nowhere, by the two tables */
struct sql_broken {
	struct strvec tables;    /* "child -> parent" */
	int64_t *n;
};
int sql_broken_find(struct sql_work *w, struct sql_broken *b,
		    struct error *err);
/* -EBADMSG if there are more than before */
int sql_broken_compare(struct sql_work *w, const struct sql_broken *before,
		       struct error *err);
void sql_broken_release(struct sql_broken *b);

#endif
