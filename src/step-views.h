/* SPDX-License-Identifier: MIT */
#ifndef STEP_VIEWS_H
#define STEP_VIEWS_H
/*
 * step-views - the old tables as views over the new ones
 *
 * For programs that still speak the old schema. Each view has the name of an
 * old table; the table, if it is there, is put aside and comes back with the
 * undo. What a client writes goes through triggers made of the plan's
 * statements; a view without them is written through by PostgreSQL itself
 * where it is plain enough, ON CONFLICT too.
 *
 * What is made in PostgreSQL for a view N of step S, all in one transaction:
 *	_upshift."S_N"		the view proper, from `select`
 *	N			a view of that, which clients see
 *	_upshift."S_N"()		what a client's INSERT, UPDATE, DELETE does
 *	_upshift."trip_S_N"	empty: N scans it once a query, so that the
 *				statistics of scans count its readers, who
 *				write nothing
 *	_upshift.usage		the writers: view, operation, role,
 *				application, day, count
 *	_upshift.watch		what the count of scans was, and since when it
 *				has been that
 *	"upshift_old_S"		where the old tables are meanwhile
 * In SQLite: the view N, its triggers, and the table as "upshift_old_N".
 */
#include <stdbool.h>
#include <stdint.h>

#include "sql-split.h"
#include "base/strbuf.h"

struct error;
struct store;

struct view_spec {
	char *name, *select, *insert, *update, *del;
	struct strvec defaults;  /* column, expression, in turn */
	bool keep;               /* a table of its name is put aside */
};

struct views_spec {
	const char *step;
	enum sql_dialect dialect;
	struct view_spec *v;
	size_t n;
	bool count_use, invoker;
	char *deprecate;         /* a date, or NULL */
};

/* the statements there and back; -EINVAL never: all was checked */
void step_views_up(const struct views_spec *v, struct sql_list *ret);
void step_views_down(const struct views_spec *v, struct sql_list *ret);

/* How long nobody has used the views of a step, as far as it was watched. */
struct views_use {
	uint64_t views;
	bool moved;              /* since somebody looked last */
	double quiet_s;          /* not used, and watched, for so long */
};
/* note: remembers what is found (a transaction of its own) */
int step_views_use(struct store *s, const char *step, bool note,
		   struct views_use *ret, struct error *err);

#endif
