/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_INTERNAL_H
#define ENGINE_INTERNAL_H
/*
 * engine-internal - what the files of the engine share
 *
 * Phase functions return 0 to go on, or the exit status that ends the
 * process, with e->err saying why. Functions that work on one thing return 0
 * or -errno and fill an error, as everywhere.
 */
#include <signal.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "effects.h"
#include "engine.h"
#include "event.h"
#include "run.h"
#include "step.h"

struct control;
struct notices;
struct backup_spec;

/* exit statuses of PROTOCOL 8 that the engine itself gives */
enum engine_exit {
	EXIT_DONE = 0,
	EXIT_FAILED_UNCHANGED = 1,
	EXIT_FAILED = 2,
	EXIT_WARNINGS = 3,
	EXIT_ROLLED_BACK = 4,
	EXIT_ROLLBACK_FAILED = 5,
	EXIT_STOPPED = 6,
	EXIT_VERIFY_FAILED = 7,
	EXIT_NEED_ANSWER = 8,
	EXIT_PENDING = 9,
};

/* smoothed rate and time left of what is going on now */
struct engine_meter {
	uint64_t begun_ns, last_ns, last_done, last_total;
	char last_unit[32];
	uint64_t first_done;       /* that was there before; it took no time */
	bool begun;
	double rate;
	uint64_t shown_ns;
	const char *part;          /* of several; borrowed, NULL mostly */
	uint64_t records;          /* told besides; 0: not counted */
	const struct step_pace *pace;   /* borrowed for a call, or NULL */
};

/* the fact of a run that lists where steps make what is new on other file
   systems */
#define STEP_STAGES "stages"

#define STEP_PARTS_MAX 32
struct part_meter {
	char *name;
	struct engine_meter meter;
};

struct step_ctx {
	struct engine *e;
	const struct step *step;   /* NULL outside of steps */
	int index;                 /* in plan->steps, or -1 */
	enum event_phase phase;
	const struct effects *effects;  /* resolved, while applying */
	struct strvec stages;      /* directories made by step_stage() */
	struct engine_meter meter;
	struct part_meter parts[STEP_PARTS_MAX];
	size_t part_n;
	bool ran_command;          /* dry run: something would be started */
	uint64_t deadline_ns;      /* of step_deadline(), 0: none */
	struct store *joined;      /* of step_store_join(), borrowed */
	const char *joined_url;
};

struct engine {
	struct state_dir *sd;
	const struct plan *plan;
	struct plan_scope *scope;
	const struct step_ops *const *kinds;
	struct event_bus *bus;
	ask_fn *ask;
	void *ask_ctx;
	struct engine_options opts;

	struct run *run;           /* NULL in a check or a dry run */
	bool own_run;
	struct control *control;
	struct engine_leases *leases; /* or NULL */
	struct store_pool *pool;   /* of the steps' stores */
	struct notices *notices;   /* messages on their way, or NULL */
	int inhibit_fd;            /* of inhibit_begin(), -1: none */
	volatile sig_atomic_t cancel;
	bool dry;
	struct error err;          /* why the process ends */
	bool told;                 /* err was emitted already */
	const char *failed_step;
	enum event_phase failed_phase;
	bool others_stay;                /* rows that nobody of us wrote */
	bool rows_are_back;              /* of the R point that is gone back to */
	uint64_t begun_ns;
	int warnings;
	enum plan_level level;     /* asked for; 0: nothing */
	struct strvec warned;      /* pairs: check, what it found */
	uint64_t set_bytes;        /* of the backup set, as the checks found
				      them; 0: not measured */
	bool *looked;              /* of each step: its check was fine ahead of
				      the backup; NULL: of none */
	struct json_object *run_facts;  /* without a run: facts of this process */
};

/* --- engine-place.c --- */
/* backup_dir and backup_fixed, as option and plan have them */
void engine_place_options(const struct engine *e, struct run_options *opts);
/* where the backup of a new run goes becomes ours; or ERR_BACKUP_DIR */
int engine_take_place(struct engine *e, struct error *err);
/* the nearest directory that is there, for its free space */
int engine_open_place(const struct engine *e);

/* --- engine-events.c --- */
void engine_emit(struct engine *e, struct event *ev);
void engine_warn(struct engine *e, const char *step, const char *text);
void engine_log(struct engine *e, const char *id, const char *stream,
		const char *text, size_t len);
void engine_emit_error(struct engine *e, const struct step *s,
		       const struct error *err, const char *probe,
		       const char *safe);
void engine_phase(struct engine *e, enum event_phase p, enum event_state s);
void engine_meter_begin(struct engine_meter *m);
void engine_progress(struct engine *e, struct engine_meter *m,
		     enum event_phase phase, const char *id, int n,
		     uint64_t done, uint64_t total, const char *unit);
void engine_emit_version(struct engine *e);
void engine_emit_plan(struct engine *e);
/* the last event of a process */
void engine_emit_summary(struct engine *e, const char *verb, int exit);
/* undone: failed with on_error = "continue", and taken back */
void engine_count_states(const struct engine *e, int *done, int *skipped,
			 int *undone);
/* the title in the user's language, or the id */
const char *engine_title(const struct engine *e, const struct step *s);

/* --- engine.c --- */
/* a command of the controller: stop, abort */
void engine_take_command(struct engine *e, struct json_object *msg);
/* takes messages of the controller; the level that holds now */
enum engine_cancel_level engine_cancelled(struct engine *e);
enum plan_on_failure engine_on_failure(const struct engine *e);
/* exit status for an error that has no better one */
int engine_exit_of(const struct engine *e, const struct error *err);
bool engine_has_changed(const struct engine *e);

/* --- step-ctx.c --- */
void step_ctx_init(struct step_ctx *c, struct engine *e, const struct step *s,
		   enum event_phase phase);
void step_ctx_release(struct step_ctx *c);

/* --- engine-lease.c --- */
struct store;
/* of all servers that the plan writes to */
int engine_leases_begin(struct engine *e, struct error *err);
/* The plan is ours to run at this store until engine_leases_end(), and while
   the run is open; -EBUSY: another run has it. */
int engine_lease(struct engine *e, const char *name, struct store *s,
		 struct error *err);
/* somebody has taken one over, after we had been away for too long */
bool engine_lease_lost(const struct engine *e, struct error *err);
/* where that is why something was cancelled, it becomes the error */
void engine_lease_reason(const struct engine *e, struct error *err);
void engine_leases_end(struct engine *e);
/* a run that is over has none, whatever became of who should have said so */
void engine_leases_forget(struct engine *e);

/* --- engine-ask.c --- */
/* as ask_fn; more (taken over, may be NULL): what a front end may want to show
   with the question */
int engine_ask(struct engine *e, struct ask *a, struct json_object *more);
/* effects, preview, risk and the like of a step, for its confirmation; new */
struct json_object *engine_ask_facts(struct engine *e, const struct step *s);

/* --- engine-sign.c --- */
/* 0 when every role has signed; -ECANCELED, -ENOTTY as an ask */
int engine_sign_off(struct engine *e, const struct step *s, struct error *err);

/* --- engine-notify.c --- */
/* starts the commands that the plan has for it, and returns at once */
void engine_notify(struct engine *e, enum plan_notify_event event,
		   const char *step, const char *message);
/* waits for what was started, as long as its limits say */
void engine_notify_end(struct engine *e);

/* --- engine-window.c --- */
/* until the controller says something, or the time is over */
void engine_listen(struct engine *e, int ms);
/* 0: the step may begin; -EAGAIN (ERR_WINDOW) in batch; -ECANCELED */
int engine_window(struct engine *e, const struct step *s, struct error *err);

/* --- engine-due.c --- */
/* what the step itself says of its time: 0, or -EAGAIN (ERR_WINDOW) with the
   reason */
int engine_due(struct engine *e, const struct step *s, struct error *err);
/* the same, but with a person at the wheel it waits; -ECANCELED */
int engine_wait_due(struct engine *e, const struct step *s,
		    struct error *err);

/* --- engine-check.c --- */
int engine_phase_check(struct engine *e);
/* every check, the backup set, what steps need or will edit; 1: failed */
int engine_look(struct engine *e);
/* exit status where they failed */
int engine_check_exit(const struct engine *e);
/* what to do: of the result, else of the plan; "" if nobody says */
const char *engine_check_hint(const struct engine *e, const struct step *s,
			      const struct check_result *r);
/* a check that could not be made (ret < 0, err) is one that failed */
void engine_check_settle(const struct step *s, int ret,
			 const struct error *err, struct check_result *r);
void engine_emit_check(struct engine *e, const struct step *s, int n,
		       enum event_phase phase, const struct check_result *r);
int engine_check_one(struct engine *e, const struct step *s,
		     enum event_phase phase, struct check_result *r,
		     struct error *err);

/* --- engine-ahead.c --- */
/*
 * The programs that steps start and the documents that they edit, but what an
 * earlier step may bring. Every failure is told; err has the first.
 */
int engine_check_ahead(struct engine *e, struct error *err);
/* see step_made_before() */
bool engine_made_before(struct engine *e, const struct step *s,
			const struct plan_store *st);

/* --- engine-backup.c --- */
/* the backup set: include, and what the steps' effects imply */
int engine_backup_set(struct engine *e, struct effects *ret,
		      struct error *err);
/* what checks look at and the set does not hold */
int engine_snapshot_set(struct engine *e, const struct effects *set,
			struct effects *ret, struct error *err);
void engine_backup_spec(struct engine *e, struct backup_spec *spec);
int engine_phase_backup(struct engine *e);
int engine_step_effects(struct engine *e, const struct step *s,
			struct effects *ret, struct error *err);

/* --- engine-app.c --- */
int engine_app_stop(struct engine *e, struct error *err);
int engine_app_start(struct engine *e, struct error *err);

/* --- engine-steps.c --- */
int engine_phase_steps(struct engine *e);

/* --- engine-step.c --- */
void engine_step_name(char *buf, size_t size, const char *id, int attempt,
		      const char *suffix);
#define STEP_NAME_SIZE 96
void engine_emit_step(struct engine *e, int i, enum event_state s,
		      double elapsed, const char *message);
int engine_probe(struct engine *e, int i, enum step_probe *ret,
		 struct error *err);
/* undoes the last attempt; what it displaces goes to STEP.N.aside */
int engine_put_back(struct engine *e, int i, struct error *err);
/* the whole of one step, wherever it stands, to `verified` */
int engine_do_step(struct engine *e, int i, struct error *err);
/* the step did more of the same: what it left now, and `verified` */
int engine_reapplied(struct engine *e, int i, struct error *err);
/* the step's child is not running any more, or an error */
int engine_wait_children(struct engine *e, struct error *err);
/* what a process of this run that was killed had staged; it may hold secrets */
void engine_sweep(struct engine *e);

/* --- engine-retry.c --- */
/* an exit status; *r has what became of them */
int engine_retry_step(struct engine *e, const char *id, struct step_retry *r);

/* --- engine-watch.c: what a command changed that was not declared --- */
struct watch;
int watch_begin(struct watch **ret, struct engine *e, struct error *err);
/* inside: in the backup set; elsewhere: below root but not in it */
int watch_end(struct watch *w, const struct effects *declared,
	      struct strvec *inside, struct strvec *elsewhere,
	      struct error *err);
void watch_free(struct watch *w);

/* --- engine-verify.c --- */
int engine_phase_verify(struct engine *e);
/* plan->verify_rollback; 0 or -EBADMSG */
int engine_verify_rollback(struct engine *e, struct error *err);

/* --- engine-compare.c --- */
/* diff: bits of enum item_diff, 0: missing, new, or all that what says */
typedef int engine_differs_fn(void *ctx, const char *path, const char *what,
			      unsigned int diff);
struct compare_spec {
	const struct strvec *paths;
	bool digests;          /* false: size, mtime, mode alone */
	bool live;             /* growth of live files is fine */
	bool schemas;          /* of database files not the bytes: they are for
				  engine_schemas_verify() */
	engine_differs_fn *differs;
	void *ctx;
};
/* the tree against manifest NAME of the backup, in path order */
int engine_compare(struct engine *e, const char *name, const char *digest,
		   const struct compare_spec *spec, uint64_t *ret_items,
		   struct error *err);

/* --- engine-same.c: stores that are one database --- */
/* asks servers and files; without a run, or before its backup */
void engine_same_settle(struct engine *e);
/* before the backup */
int engine_same_record(struct engine *e, struct error *err);
/* "STORE:TABLE" of an effect with the name that the step, or the first one
   that writes there (s NULL), has for the store; all of it: "STORE:*" */
char *engine_same_shown(const struct engine *e, const struct step *s,
			const char *store, const char *set);
/* e works on this run from now on, whose stores are as it recorded them */
void engine_adopt(struct engine *e, struct run *run);

/* --- engine-schema.c: database files that steps change --- */
/* as step i left them, for the journal; NULL: nothing new */
struct json_object *engine_schemas_of(struct engine *e, int i);
/* each schema as the run left it, and what the steps say of it themselves */
int engine_schemas_verify(struct engine *e, enum engine_level level,
			  engine_differs_fn *differs, void *ctx,
			  struct error *err);
/* takes away what writers change in passing; true: nothing else is left */
bool engine_schema_excuses(const struct engine *e, const char *path,
			   unsigned int *diff);

/* --- engine-rollback.c --- */
/* one step back to its pre-image; what is displaced goes to aside */
int engine_undo_step(struct engine *e, int index, const char *aside,
		     struct error *err);
/* the policy's rollback to start: an exit status */
int engine_auto_rollback(struct engine *e);
int engine_rollback_to(struct engine *e, const char *point);

#endif
