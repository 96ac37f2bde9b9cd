/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_H
#define ENGINE_H
/*
 * engine - order of work: check, back up, apply, verify, resume, go back
 *
 * engine_new() takes a loaded plan and an open state directory; one of the
 * verbs does the work in the caller's thread and returns the exit status of
 * PROTOCOL 8, after a summary event. The engine never prints and never asks
 * but through ask(). engine_cancel() may be called from a signal handler.
 *
 * The invariants I1 to I7 stand at the head of engine.c.
 */
#include <stdbool.h>
#include <stdint.h>

#include "ask.h"
#include "base/strbuf.h"
#include "event.h"
#include "plan.h"

struct engine;
struct error;
struct run;
struct state_dir;
struct step_ops;

enum engine_cancel_level {
	ENGINE_CANCEL_NONE,
	ENGINE_CANCEL_AFTER_STEP,    /* exit 6 */
	ENGINE_CANCEL_NOW,           /* exit 2, through the journal */
};

struct engine_options {
	bool yes;
	struct strvec confirm;       /* words given by --confirm */
	struct strvec skip;          /* ids given by --skip */
	struct strvec approve;       /* "ROLE:NAME" given by --approve */
	const char *stop_after;
	const char *run_step;        /* resume --run-step */
	/* a run of another host whose place in databases this one takes */
	const char *take_over;
	/* rollback: of the plan, unless it was given */
	bool strategy_given;
	enum plan_strategy strategy;
	bool no_carry;               /* rollback: what was written since a
					cutover stays out of the old tables */
	/* rollback: of these steps alone; NULL: to a point */
	const struct plan_scenario *scenario;
	bool on_failure_given;
	enum plan_on_failure on_failure;
	const char *backup_dir;
	bool batch;
	/* nobody answers in this process: questions go to the controller */
	bool remote;
	const char *lang;
	struct json_object *record;  /* options as they go into record 1 */
};

struct engine_spec {
	struct state_dir *sd;
	const struct plan *plan;
	struct plan_scope *scope;
	const struct step_ops *const *kinds;
	struct event_bus *bus;
	ask_fn *ask;
	void *ask_ctx;
	struct engine_options opts;
};

struct engine *engine_new(const struct engine_spec *spec);
void engine_free(struct engine *e);
/* async-signal-safe; each call raises the level by one */
void engine_cancel(struct engine *e);
/* the struct error behind a failure, valid until engine_free() */
const struct error *engine_error(const struct engine *e);

/* new run under id; makes the run, its control socket and its log */
int engine_run(struct engine *e, const char *run_id, const char *started);
/* goes on where the journal says */
int engine_resume(struct engine *e, struct run *run);
/* a run that is over does not keep others from the databases any more */
void engine_leave(struct engine *e, struct run *run);
/* how a rollback goes about it, whatever the plan says */
void engine_set_strategy(struct engine *e, enum plan_strategy s);
void engine_set_no_carry(struct engine *e);
/* as a scenario of the plan says; returns the point to go to, which is the
   scenario's name where it is for some steps alone */
const char *engine_set_scenario(struct engine *e,
				const struct plan_scenario *s);
/* point: "start", "CP2", "R1" */
int engine_rollback(struct engine *e, struct run *run, const char *point);
/*
 * Records that step `id` refused go again: as they are where they came from, or
 * as they were mended (r->text). Exit 0: none is left, 3: some are. Or they are
 * told, a JSON line each; run read-only.
 */
struct step_retry;
int engine_retry(struct engine *e, struct run *run, const char *id,
		 struct step_retry *r);
int engine_rejects(struct engine *e, struct run *run, const char *id,
		   struct strbuf *out);
/* the checks alone, against the world as it is; no state is made */
int engine_check(struct engine *e);
/* what each step would do; no state, no command, no write */
int engine_dry_run(struct engine *e);
/* the plan's verifications, and the backup; run read-only */
enum engine_level { LEVEL_BASIC, LEVEL_STANDARD, LEVEL_RIGOROUS, LEVEL_FORENSIC };
int engine_verify(struct engine *e, struct run *run, enum engine_level level);
/* for the plan's own verifications too, that have levels */
void engine_set_level(struct engine *e, enum plan_level level);

/* what the backup will hold, and the room it needs and has where it goes;
   reads names and sizes alone */
struct engine_need {
	uint64_t items, bytes;       /* to be saved */
	uint64_t databases;          /* on servers, with tables to be saved */
	uint64_t need, have;         /* bytes */
};
int engine_measure(struct engine *e, struct engine_need *ret,
		   struct error *err);

/*
 * Checks alone, a dry run and a verification make no run; where their events
 * are a stream of their own it begins with version and plan and ends with a
 * summary that bears verb ("check", "dry-run", "verify"). Returns exit.
 */
void engine_stream_begin(struct engine *e);
int engine_stream_end(struct engine *e, const char *verb, int exit);

/* RESTORED, LOST, KEPT of a rollback to point, without doing it */
struct rollback_rows {
	char *name;                  /* "STORE:TABLE" */
	bool known;                  /* false: rows could not be counted */
	uint64_t restored, lost, kept;
	uint64_t carried;            /* from new tables, since a cutover */
};
struct rollback_preview {
	/* paths and rows; names: a table with how many of its rows */
	uint64_t restored, carried, lost, kept, bytes;
	struct strvec restored_names, carried_names, lost_names, kept_names;
	/* written since a cutover, and there is no way to carry it: the new
	   tables alone have it */
	uint64_t alone;
	struct strvec alone_names;
	struct rollback_rows *tables;   /* on servers */
	size_t table_n;
	int undone_steps;
	char *snapshot;                 /* that is put back, or NULL */
};
void rollback_preview_release(struct rollback_preview *p);
/* list of {table, restored, lost, kept}, without numbers where rows could not
   be counted; new */
struct json_object *rollback_tables_json(const struct rollback_preview *p);
int engine_preview_rollback(struct engine *e, struct run *run,
			    const char *point, struct rollback_preview *ret,
			    struct error *err);

/* everything that a batch run would need and was not given ("--yes",
   "--confirm 'drop old tables'", "answer admin_mail"); empty: nothing */
void engine_missing(struct engine *e, struct strvec *ret);

#endif
