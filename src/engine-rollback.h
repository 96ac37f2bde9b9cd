/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_ROLLBACK_H
#define ENGINE_ROLLBACK_H
/*
 * engine-rollback - what the files of going back share
 *
 * engine-rollback.c decides what is undone and in which order, engine-undo.c
 * undoes one step, engine-return.c goes back to an R point, where engine-redo.c
 * does steps again, engine-preview.c tells what would happen. What is on disk at each moment stands at the head
 * of engine-rollback.c and in undo.h.
 */
#include <stdbool.h>

#include "effects.h"
#include "engine-internal.h"
#include "undo.h"

struct error;

/* --- engine-undo.c --- */
/* the buffers that an undo_spec points into */
struct undo_names {
	char pre[STEP_NAME_SIZE], post[STEP_NAME_SIZE];
};

/* adds the written paths of step i's last attempt; 0 or -errno */
int rollback_written(struct engine *e, int i, struct effects *ret);
/* the same, with all that goes when they are undone */
void rollback_whole(struct engine *e, const struct effects *written,
		    struct effects *ret);
/* what all undos of this run have in common */
void rollback_spec(struct engine *e, struct undo_spec *u);
/* u borrows n and eff */
void rollback_spec_step(struct engine *e, int i, struct undo_spec *u,
			struct undo_names *n, const struct effects *eff);
/* was told what the rollback of R point r does to paths? NULL: of the run */
bool rollback_is_recorded(struct engine *e, const char *step, const char *r);
int rollback_record_paths(struct engine *e, const char *step, const char *r,
			  const struct undo_counts *n, struct error *err);
/* stage, compare, swap in, compare, directory times; of a step that a rollback
   undoes, what it does to paths is recorded once, before it does it */
int rollback_run_undo(struct engine *e, const char *step,
		      struct undo_spec *spec, struct error *err);

/* what kinds put into files that came back; done again when it goes on */
int rollback_carry(struct engine *e, int goal, struct error *err);

/* --- engine-rollback.c --- */
/* of the rollback that is under way: the step that stays applied, 0: start */
int rollback_under_way(const struct engine *e);
/* did step i change something that is still there? */
bool rollback_in_effect(const struct engine *e, int i);
/* the same, of those that this rollback is to undo */
bool rollback_touches(const struct engine *e, int i);
/* the step number that stays applied, 0 for start; negative with err */
int rollback_goal_step(struct engine *e, const char *point,
		       struct error *err);
/* writes the next R point, with the sets of servers that are about to change,
   and the record that begins the rollback */
struct store_sets;
int rollback_begin(struct engine *e, const char *point, int goal,
		   const struct effects *eff, const struct store_sets *sets,
		   struct error *err);
/* what will happen to rows, counted before anything is changed; new, or NULL */
struct json_object *rollback_rows_json(struct engine *e, const char *point,
				       int goal);

/* --- engine-strategy.c: the sets of servers --- */
enum plan_strategy rollback_strategy(const struct engine *e);
/* does it bring whole sets back? */
bool rollback_loads(enum plan_strategy s);
/* of a rollback that is not begun yet */
enum plan_strategy rollback_wants(const struct engine *e);
/* do rows written since a cutover come back into the old tables? */
bool rollback_carries(const struct engine *e);
/* one of our own tables? */
bool rollback_is_ours(const char *set);
/* what the steps from goal on wrote, of those that still do */
int rollback_sets(struct engine *e, int goal, struct store_sets *ret);
/* can it be done like that? nothing was changed yet */
int rollback_may(struct engine *e, const char *point, int goal,
		 struct error *err);
/* adds what was saved with the R point of the last rollback, but for what we
   keep there */
int rollback_point_sets(struct engine *e, struct store_sets *ret,
			struct error *err);
/* strategy backup: the sets from the backup, when the steps are undone; done
   again when it goes on */
int rollback_load(struct engine *e, int goal, struct error *err);
/* is what step i undoes by itself left to that, or to the schema? */
bool rollback_passes_over(const struct engine *e, int i);
/* behind a rollback to start: what is not as in the backup is told */
int rollback_tell(struct engine *e, int goal, struct error *err);
/* NAME.stores of an R point; digest "" where there is nothing */
int rollback_save_sets(struct engine *e, const char *name,
		       const struct store_sets *sets, char *digest,
		       struct error *err);
/* records the failure; the exit status for it */
int rollback_failed(struct engine *e, struct error *err);
int rollback_record_done(struct engine *e, const char *point, int exit);
void rollback_emit(struct engine *e, const char *point, enum event_state s);

/* --- engine-scenario.c: some steps alone --- */
/* is step i to be undone, if it is behind the goal? */
bool rollback_is_meant(const struct engine *e, int i);
bool rollback_some(const struct engine *e);
/* as rollback_goal_step(); for some steps alone 0, if that can be */
int rollback_goal(struct engine *e, const char *point, struct error *err);
/* which steps, for the record that begins it */
void rollback_record_steps(const struct engine *e, struct json_object *x);
/* is the table one that this rollback empties as a whole? */
bool rollback_empties(struct engine *e, const char *store, const char *set,
		      bool was_there);
/* does it; once more, if it goes on */
int rollback_empty(struct engine *e, struct error *err);

/* --- engine-rows.c --- */
/* how does step i write the set? false: not at all */
bool rollback_writes(const struct engine *e, int i, const char *store,
		     const char *set, enum effect_type *ret);
/* is it nobody's to count: put aside for a view, or what counts who uses that? */
bool rollback_is_aside(const char *set);
/* adds the tables of servers to p->tables */
int rollback_count_rows(struct engine *e, int goal, struct rollback_preview *p,
			struct error *err);

/* --- engine-redo.c --- */
struct run_point;
/* did the rollback that made the point undo step i? */
bool rollback_was_undone(const struct engine *e, const struct run_point *p,
			 int i);
/* is it one of them, or stands aside as one? */
struct plan_set;
bool rollback_has_set(const struct engine *e, const struct store_sets *sets,
		      const struct plan_set *set);
/* What kinds undid by themselves, oldest first; done again where it goes on.
   last: those that come behind the files and rows; sets: of the
   point, which are loaded */
int rollback_redo(struct engine *e, const struct run_point *p,
		  const struct store_sets *sets, bool last,
		  struct error *err);

/* --- engine-return.c --- */
/* "R1", "r12" */
bool rollback_is_r_point(const char *point);
/* back to that R point, or on with it; an exit status */
int rollback_return(struct engine *e, const char *name);
/* what that would do; the rows are added to ret->tables. -ENOENT: it is none
   that can be gone back to, and nothing is counted */
int rollback_preview_rows(struct engine *e, const char *name,
			  struct rollback_preview *ret, struct error *err);
int rollback_preview_files(struct engine *e, const char *name,
			   struct rollback_preview *ret, struct error *err);

#endif
