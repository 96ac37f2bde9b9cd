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
 *
 * A mirror (mode = "mirror") is for clients that no view serves: ON CONFLICT,
 * last_insert_rowid(), foreign keys, TRUNCATE. The old table stays where it is,
 * and two kinds of row triggers keep it equal to `select`:
 *	on the mirror	what a client does is done to the new tables, by the
 *			statements of the plan
 *	on each source	the rows of `select` that a changed row touches are
 *			looked up by the key and written to the mirror, where
 *			they are not the same
 * The second kind has the last word: what the statements of the plan made of a
 * client's row is what the mirror has then. The loop is cut in PostgreSQL by a
 * setting that holds while the second kind is at work (upshift.mirror); in
 * SQLite, where no setting ends with a statement that fails, by comparing: a
 * row that the new tables have already is not written to them.
 *
 * The table must be what `select` says when it begins, as nobody could tell
 * which of the two is right; it is made where there is none. What a rollback
 * leaves is the table with all that was written to it.
 *
 * In PostgreSQL for a mirror N of step S:
 *	_upshift."S_N"		the view of `select`; "made" is its comment if
 *				the table is ours
 *	_upshift."S_N"()		the first kind
 *	_upshift."S_N/1"()	the second kind, for each source
 *	_upshift."trip_S_N"	as many scans as our triggers made of N: those
 *				of N less those of it are its readers'
 *	_upshift."scans_S"()	what the triggers need for that
 * In SQLite: the view "upshift_N", and triggers "upshift_N_OP" and
 * "upshift_N_1_OP".
 */
#include <stdbool.h>
#include <stdint.h>

#include "sql-split.h"
#include "base/strbuf.h"

struct error;
struct plan_node;
struct store;

/* a table of the new version, and which rows of a mirror a row of it touches */
struct view_source {
	char *table;
	struct strvec match;     /* column of the mirror, expression of NEW, in
				    turn */
};

struct view_spec {
	char *name, *select, *insert, *update, *del;
	struct strvec defaults;  /* column, expression, in turn */
	bool keep;               /* a table of its name is put aside */
	bool mirror;
	struct strvec columns, key;     /* of a mirror */
	struct view_source *source;
	size_t source_n;
};

struct views_spec {
	const char *step;
	enum sql_dialect dialect;
	struct view_spec *v;
	size_t n;
	bool count_use, invoker;
	char *deprecate;         /* a date, or NULL */
};

/* step and dialect are set; reads views, count_use, security_invoker and
   deprecate; problems are the node's */
void step_views_parse(struct plan_node *n, struct views_spec *v);
void step_views_release(struct views_spec *v);
/* the statements there and back; -EINVAL never: all was checked */
void step_views_up(const struct views_spec *v, struct sql_list *ret);
void step_views_down(const struct views_spec *v, struct sql_list *ret);

/* SQL: how often a view was read, of a row w of _upshift.watch */
#define STEP_VIEWS_READS \
	"(CASE WHEN w.mirror IS NULL THEN 0 ELSE coalesce((SELECT " \
	"sum(pg_stat_get_numscans(o)) FROM unnest(array(SELECT indexrelid " \
	"FROM pg_index WHERE indrelid = to_regclass(w.mirror)) || " \
	"to_regclass(w.mirror)::oid) o), 0)::bigint - w.base END + CASE WHEN " \
	"w.mirror IS NULL THEN 1 ELSE -1 END * " \
	"coalesce(pg_stat_get_numscans(to_regclass(w.trip)), 0))"

/* How long nobody has used the views of a step, as far as it was watched. */
struct views_use {
	uint64_t views;
	bool moved;              /* since somebody looked last */
	double quiet_s;          /* not used, and watched, for so long */
};
/* own: what the step makes, NULL: whatever is watched under its id.
   note: remembers what is found (a transaction of its own) */
int step_views_use(struct store *s, const char *step,
		   const struct views_spec *own, bool note,
		   struct views_use *ret, struct error *err);

#endif
