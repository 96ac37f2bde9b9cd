/* SPDX-License-Identifier: MIT */
#ifndef STEP_SQL_H
#define STEP_SQL_H
/*
 * step-sql - statements on a store that are done once, and undone once
 *
 * What the kinds on schemas (sql, views, cutover) have in common: lists of
 * statements that go forward and back, and a row of the table _upshift_step in
 * the store itself that says how far they are. It is written in the
 * transaction of the statements that it speaks of, so that whoever comes after
 * a kill, a crash of the server or a lost answer to COMMIT reads there what is
 * true, and goes on from it.
 *
 *	run, step	whose row it is
 *	done		statements that are done
 *	begun		the number (from 1) of one that has to run alone, and
 *			so without the row, while it runs; or 0
 *	undone		statements of the way back that are done, and one
 *			more; 0: not on the way back
 *
 * No row: nothing is done. A list is run in pieces: statements in a row in one
 * transaction, and each that must run alone by itself. One of those that was
 * begun may have happened or not: an invalid index is dropped and built again,
 * a valid one was the work of the statement; for others "it is there already"
 * or "it is gone" means done.
 *
 * The way back from all of it is the same in reverse. From a part of it each
 * statement is for itself, and one whose object is not there is passed over.
 *
 * Locks (PostgreSQL): none is waited for longer than lock_s, so that nobody
 * queues up behind us; then all of the piece is done again after a random
 * delay. A connection that is lost is opened again, as often. With SQLite
 * foreign keys are off during a piece, and none may be broken by it when it is
 * committed.
 */
#include "sql-split.h"
#include "step.h"

struct plan_store;
struct store;
struct store_batch;

struct sql_target {
	const struct plan_store *store;
	enum sql_dialect dialect;
	double lock_s, timeout_s;
	int64_t tries;           /* 0: as the plan says for all */
};

struct sql_marker {
	bool there;
	int done, begun, undone;
};

/* One step at work on its store; a value struct. */
struct sql_work {
	struct step_ctx *ctx;
	const struct step *step;
	const struct sql_target *target;
	const struct sql_list *up, *down;
	/* what settings are made for a new connection: those of the first so
	   many statements of a list, from its end if back */
	const struct sql_list *set_list;
	bool set_back;
	int settings;
	bool checks_keys;        /* a transaction may break foreign keys */
	bool names_only;         /* no row changes: it never does */
	bool tries_all;          /* others will be inside (step_store_join()) */
	struct store *store;     /* NULL: not open */
	bool read_only;
	char *run;
	struct sql_marker m;
	unsigned int tried, tries;
};
#define _cleanup_work_ _cleanup_(step_sql_close)

/* store (must take statements), lock_timeout (2 s), timeout, retries (9) */
bool step_sql_target(struct plan_node *n, struct sql_target *t);
/* texts of the key, each a statement or several, cut and checked; dialect of
   t. Returns false if the key is not there */
bool step_sql_list(struct plan_node *n, const char *key, bool required,
		   const struct sql_target *t, struct sql_list *ret);
/* the same for the text of a file */
void step_sql_text(struct plan_node *n, const char *key, const char *text,
		   size_t len, const struct sql_target *t,
		   struct sql_list *ret);
/* one more statement, generated */
void step_sql_add(struct sql_list *l, enum sql_dialect d, const char *fmt, ...)
	_printf_(3, 4);

void step_sql_init(struct sql_work *w, const struct step *s,
		   struct step_ctx *c, const struct sql_target *t,
		   const struct sql_list *up, const struct sql_list *down);
/* opens the store and reads the row; 1, or 0 for an SQLite file that is not
   there, which is not made by a reader */
int step_sql_open(struct sql_work *w, bool read_only, struct error *err);
void step_sql_close(struct sql_work *w);

/* by the row alone */
enum step_probe step_sql_state(const struct sql_work *w);
/* all that is left of up; what was on the way back goes all the way first */
int step_sql_apply(struct sql_work *w, struct error *err);
/* all that was done of up goes; the row goes with it */
int step_sql_undo(struct sql_work *w, struct error *err);
/*
 * begin, fn, commit, with the limits and retries of the target. fn is called
 * again after a failure that may pass, also when nobody knows whether the
 * commit happened: it reads what is true, and returns 1 if all is done.
 */
typedef int step_sql_fn(struct sql_work *w, void *arg, struct error *err);
int step_sql_transact(struct sql_work *w, step_sql_fn *fn, void *arg,
		      struct error *err);
/* makes them for a connection that is open */
int step_sql_settings(struct sql_work *w, struct error *err);
/* opens the store again, unless it is open, and reads the row */
int step_sql_connect(struct sql_work *w, struct error *err);
/* a failure that may pass: says so, waits, and returns 0 to have it tried once
   more, with step_sql_connect() first; else ret. w->tried counts */
int step_sql_again(struct sql_work *w, int ret, struct error *err);
/* it was done in the end: nothing is waited for any more */
void step_sql_settled(struct sql_work *w);
/* the first cell of the first row, NULL if there is none; caller frees */
int step_sql_cell(struct store *s, const char *sql,
		  const struct store_batch *args, char **ret,
		  struct error *err);
int step_sql_exec(struct sql_work *w, const char *sql, struct error *err);
void step_sql_arg(struct store_batch *args, const char *text);

/* the sets that the statements change, as far as their words tell */
void step_sql_effects(const struct sql_target *t, const struct sql_list *l,
		      struct effects *out);
/* the statements as lines of a preview */
void step_sql_show(const struct step *s, const char *what,
		   const struct sql_list *l, struct preview *p);
/* on a copy of the SQLite file: the schema that it has then, as a diff; and
   what would fail */
int step_sql_rehearse(const struct sql_work *w, struct preview *p,
		      struct error *err);
/* can the store be had, and the row be made? */
int step_sql_check(struct sql_work *w, struct check_result *r,
		   struct error *err);

#endif
