/* SPDX-License-Identifier: MIT */
#ifndef RUN_H
#define RUN_H
/*
 * run - one execution of a plan: its directory, its journal folded, its lock
 *
 * state directory (PROTOCOL 1): <root>/.upshift (0700), or outside the root
 * with <root>/.upshift a 0600 file {"state_dir": "..."}. Another place below
 * the root is refused: there is one name, ".upshift", of the directory or of
 * the pointer file. What else below the root everybody has to leave alone are
 * the places where backups of this root stand. struct state_dir finds,
 * makes and locks it: flock on the root directory's own descriptor and on the
 * file `lock`. The kernel drops both when the process ends, however it ends;
 * the content of `lock` is for display only.
 *
 * struct run is a run directory opened: the journal replayed into memory and,
 * if writable, open for appending. Everything that run_record_*() returns from
 * with 0 is durable. state.json follows each record that changes a state; its
 * failure is no error (it may lag, never lead).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include "base/hash.h"
#include "base/ours.h"
#include "base/strbuf.h"
#include "step.h"

struct error;
struct event_bus;
struct journal;
struct json_object;
struct plan;

#define RUN_ID_LEN 4
/* fact of what is done to paths by a rollback; how many of the lost are named
   in it, in how many bytes; and how many tables in its first record. There is
   room for it on a full disk. */
#define RUN_UNDONE "undone"
#define RUN_UNDONE_NAMES 20
#define RUN_UNDONE_BYTES 2048
#define RUN_UNDONE_TABLES 400
/* of a run, where steps make what is new */
#define RUN_STAGE "stage"

struct state_dir {
	int root_fd;           /* O_RDONLY | O_DIRECTORY */
	char *root;            /* resolved, absolute */
	struct stat root_stat; /* before anything of ours was made */
	int fd;                /* state directory, -1: there is none yet */
	char *path;            /* absolute; where it is, or would be made */
	struct ours ours;      /* what below root is not the user's */
	bool outside;          /* not below root; a pointer is there */
	bool made;             /* by this struct; goes again if nothing follows */
	bool fixed;            /* path was given by an option */
	int lock_fd;           /* -1: not locked by us */
};
#define STATE_DIR_INIT { .root_fd = -1, .fd = -1, .lock_fd = -1 }
#define _cleanup_state_dir_ _cleanup_(state_dir_release)

/* who holds the lock; for display */
struct lock_holder {
	long pid;
	char user[64], host[128], since[40];
};

/*
 * Finds the state directory of root (given, or looked up); creates nothing.
 * sd->fd is -1 if there is none. Checks owner and mode (ERR_STATE_UNSAFE),
 * that the effective user owns root (ERR_OWNER with the sudo line), unless
 * as_root_allowed. An option that names another place than the one where the
 * state of this root is already: ERR_USAGE. sd need not be initialized, and
 * is released on failure.
 */
int state_dir_open(struct state_dir *sd, const char *root,
		   const char *state_dir_option, bool as_root_allowed,
		   struct error *err);
/*
 * A plan's state_dir: where to make it if there is none and no option said
 * otherwise. Relative to the root, or "~/" for the home of root's owner.
 */
int state_dir_prefer(struct state_dir *sd, const char *path,
		     struct error *err);
/*
 * Locks root, makes the directory if there is none (root's mtime, taken by
 * state_dir_open(), is put back), locks it, sweeps. What it made goes again in
 * state_dir_release() if no run was begun in it.
 */
int state_dir_create(struct state_dir *sd, struct error *err);
/* start_dir or the nearest parent that holds .upshift; ERR-less: 0, -ENOENT */
int state_find_root(const char *start_dir, char **ret);
/* -EWOULDBLOCK and ERR_LOCKED with the holder if another engine lives */
int state_dir_lock(struct state_dir *sd, struct error *err);
/* true: a live engine holds it */
bool state_dir_is_locked(struct state_dir *sd, struct lock_holder *ret);
void state_dir_release(struct state_dir *sd);
/* id of the run that is open or was last; "" if there is none */
int state_dir_current(struct state_dir *sd, char id[RUN_ID_LEN + 1]);
int state_dir_set_current(struct state_dir *sd, const char *id,
			  struct error *err);
/* ids of all run directories, oldest first (by record 1's time, then id) */
int state_dir_runs(struct state_dir *sd, struct strvec *ids,
		   struct error *err);
/* run directories without a durable record 1 are no runs; under the lock */
int state_dir_sweep(struct state_dir *sd, struct error *err);

enum run_state {
	RUN_NONE,
	RUN_BEGUN,          /* checks, backup */
	RUN_BACKED_UP,      /* steps may be applied */
	RUN_PAUSED,
	RUN_FAILED,         /* open: can be resumed or rolled back */
	RUN_COMPLETE,
	RUN_ROLLING_BACK,
	RUN_ROLLED_BACK,
	RUN_ROLLBACK_FAILED,
	RUN_CLOSED,         /* failed in the checks, nothing changed: over */
	RUN_STATE_COUNT
};
const char *run_state_name(enum run_state s);

/* one step as the journal has it */
struct run_step {
	char *id;
	enum step_state state;
	int attempt;                 /* of the last applying; 0: never */
	char *started;               /* time of the first applying */
	char *changed_at;            /* time of the last record, */
	uint64_t changed_n;          /* and how many records there were */
	struct json_object *effects; /* of the last applying record; owned */
	char *pre_digest;            /* of the last attempt's manifest, or NULL */
	char *post_digest;
	struct json_object *schemas; /* engine-schema.c; owned, or NULL */
	struct json_object *facts;   /* of the last attempt; owned, may be NULL */
	bool already;                /* applied before it began: nothing to undo */
	bool touched;                /* applying (without "check":true), and
					neither undone nor known to have
					changed nothing */
	char *error_code, *error_msg;
	char *skipped_why;
	char *probe;
	long child_pgid;             /* of a child that may still live, 0: none */
	uint64_t child_start;
	double elapsed_s;
};

struct run_backup {
	bool done;
	char *archive_digest, *manifest_digest;
	char *readback;              /* "disk" or "cache" */
	uint64_t bytes, stored_bytes, items;
	char *finished;              /* time */
	char *dir;                   /* absolute: .../backup */
	char *below;                 /* dir below the root, or NULL */
	char *place;                 /* the part of it that is ours whole */
	bool kept;                   /* the place was there: never removed */
	uint64_t sets, rows;         /* of database servers */
	bool pruned;                 /* removed since, by run_prune() */
	bool secrets;                /* it holds some */
};

/* what a provider keeps beside the backup, as the journal has it */
struct run_snapshot {
	/* "creating", "created", "failed", "restoring", "restored", "dropping",
	   "dropped"; NULL: there is none */
	char *state;
	char *name;                  /* of this run, whatever comes of it */
	char *id;                    /* as the provider calls it */
	char *time;                  /* when it was made */
	char *restored;              /* the R point of the rollback that put it
					back, or NULL */
	struct strvec drop;          /* command, for when the plan is gone */
	double timeout_s;
};

struct run_point {               /* R1, R2, ... */
	char *name;
	char *digest;                /* of its manifest */
	char *stores_digest;         /* of the manifest of NAME.stores, or NULL */
	struct json_object *steps;   /* states before the rollback */
	struct json_object *touched; /* and which had something to undo */
	char *time;
	uint64_t record_n;           /* records up to the one that names it */
	bool used;                   /* gone back to already */
	enum run_state state;        /* of the run before that rollback, and */
	char *rollback_point;        /* the point it was at, NULL: none */
	/* and of that rollback: where to, and what it did to paths and rows */
	char *to;
	uint64_t restored, lost, kept, carried;
	struct strvec lost_names;    /* the first of them */
	struct json_object *tables;  /* as in a preview; NULL: there are none */
	struct json_object *verify;  /* what the run's was before */
};

struct run {
	struct state_dir *sd;        /* borrowed */
	char id[RUN_ID_LEN + 1];
	char *key;                   /* in databases (store-ours.h); id for a run
					that an older upshift began */
	int fd;                      /* runs/<id> */
	int backup_fd;               /* -1 until it is made or found */
	struct journal *journal;
	struct json_object *begun;   /* record 1, owned */
	uint64_t record_n;           /* records that made this */
	enum run_state state;
	struct run_step *steps;      /* as in the plan */
	size_t step_n;
	struct run_backup backup;
	struct run_snapshot snapshot;
	long child_pgid;             /* of a command of no step, as there */
	uint64_t child_start;
	struct run_point *points;
	size_t point_n;
	char *rollback_point;        /* of the rollback that is under way or was */
	char *rollback_r;            /* its R point */
	char *rollback_strategy;     /* NULL: incremental */
	bool rollback_no_carry;
	struct strvec rollback_only; /* steps; none: all behind the point, whose
					name is then that of a scenario */
	bool rollback_reset;         /* and what they wrote is emptied */
	struct json_object *facts;   /* of the run; owned */
	struct json_object *decisions;  /* array; owned */
	struct json_object *warnings;   /* array of texts; owned */
	struct json_object *verify;     /* id -> {state, message, audit};
					   owned */
	char *app_state;             /* "stopped", "running", NULL: unmanaged */
	char *app_since;
	char *finished;              /* time of complete, rolled-back, ... */
	char *failed_phase;
	char *failed_step;
	char *error_code, *error_msg;
	int exit;                    /* of the last record that ended a process */
	bool writable;
	int log_fd;                  /* of run_log_ops, -1: not open */
	bool log_failed;
};

struct run_options {
	struct json_object *vars, *answers, *env, *options;  /* borrowed */
	/* --backup-dir, or the plan's; NULL: in the run directory. The run's
	   own directory is made new in it: DIR/<id>. Relative: to root */
	const char *backup_dir;
	/* the beginning of it that is the same for every run; NULL: all */
	const char *backup_fixed;
};

/*
 * New run under the lock: id, directory, plan copy (each file with its
 * digest), journal with record 1, `current`, register. Killed before record 1
 * is durable it is no run.
 */
int run_create(struct run **ret, struct state_dir *sd, const struct plan *plan,
	       const char *id, const char *started,
	       const struct run_options *opts, struct error *err);
/* a free 4-character id (no 0 O 1 I); UPSHIFT_TEST_RUN_ID fixes it */
int run_new_id(struct state_dir *sd, char id[RUN_ID_LEN + 1]);
/*
 * id NULL: current. writable wants the lock. Refuses a journal of another
 * root, host copy or format (ERR_FOREIGN).
 */
int run_open(struct run **ret, struct state_dir *sd, const char *id,
	     bool writable, struct error *err);
void run_free(struct run *r);
/* path of the plan copy, to load it again; caller frees */
char *run_plan_path(const struct run *r);
/* every file of the plan copy against record 1; ERR_PLAN_CHANGED */
int run_plan_verify(const struct run *r, struct error *err);
/*
 * What of backup_dir (see struct run_options) would be ours as a whole, below
 * the root; *ret NULL: it is elsewhere. Creates nothing. ERR_BACKUP_DIR where
 * run_create() would refuse it: the root itself, behind a symlink of the data,
 * or with something of the user's in it.
 */
int run_place(struct state_dir *sd, const char *backup_dir, const char *fixed,
	      char **ret, struct error *err);
/* makes runs/<id>/backup (or DIR/<id>) if it is not there, and opens it; the
   directory of the data that gets a new entry by it keeps its mtime */
int run_backup_dir(struct run *r, struct error *err);
/*
 * Takes away what a killed process left in the directories of the run and
 * nobody will use: staged files, archives that were not finished. They may hold
 * secrets. To be called when no process of the run is left.
 */
int run_sweep(struct run *r);
/* ERR_BACKUP_DAMAGED: it was made, and its directory is not there any more */
int run_need_backup(const struct run *r, struct error *err);
/* unfinished: a new run may not begin */
bool run_is_open(const struct run *r);
/* some step has an `applying` record that is not undone: data may be changed */
bool run_changed_data(const struct run *r);
struct run_step *run_step_find(struct run *r, const char *id);
/* number of the checkpoint a step makes, from 1 = CP1; -1 */
int run_step_number(const struct run *r, const char *id);

/* appends, folds, rewrites state.json; rec is taken over */
int run_record(struct run *r, struct json_object *rec, struct error *err);
/* {"what":"run","state":...} with more keys taken from extra (may be NULL) */
int run_record_state(struct run *r, enum run_state s,
		     struct json_object *extra, struct error *err);
/* asserts the transition is allowed */
int run_record_step(struct run *r, const char *id, enum step_state s,
		    struct json_object *extra, struct error *err);
/* {"what":"process"}: this process takes the run; verb run|resume|rollback */
int run_record_process(struct run *r, const char *verb, struct error *err);
/* decision with uid, login name, tty and host */
int run_record_decision(struct run *r, const char *kind, const char *subject,
			const char *value, struct error *err);
int run_record_fact(struct run *r, const char *step, const char *key,
		    struct json_object *v, struct error *err);
int run_record_warning(struct run *r, const char *step, const char *text);

/* DESIGN 7's `status --json` object; new */
struct json_object *run_status_json(const struct run *r, bool live);
/* one translated phrase: "not changed", "changed by steps 1-3", ... */
char *run_data_text(const struct run *r, bool live);
/* commands that make sense now, as typed, with --root */
void run_next(const struct run *r, bool live, struct strvec *ret);
/* what the rollback did before which the point was made: "point", "r", "time",
   "restored", "carried" (if any), "lost", "kept", "lost_names", "tables"; new */
struct json_object *run_point_json(const struct run_point *p);
/* of the last rollback; NULL: there was none */
const struct run_point *run_last_point(const struct run *r);
/* points one can go back to, and why not: newest first (by number of the record,
   the clock may have been set), "start" last */
struct run_goal {
	char name[24];
	int step;               /* last step that stays applied; 0: start */
	bool available;
	char *why;              /* not available: id of the step in the way, or
				   "pruned", or of the newer run (R points) */
	const char *time;
	uint64_t record_n;      /* that made it the newest */
};
size_t run_goals(const struct run *r, const struct plan *plan,
		 struct run_goal **ret);
void run_goals_free(struct run_goal *g, size_t n);

/* --- run-snapshot.c --- */
/* is there one that can be put back? */
bool run_has_snapshot(const struct run *r);
/* what there is of it, as a phrase; NULL: nothing; caller frees */
char *run_snapshot_text(const struct run *r);
/* the name that a snapshot of this run has; caller frees */
char *run_snapshot_name(const struct run *r);
/* fills in ${snapshot.name} and ${snapshot.id}, as far as it is known (else the
   name) */
void run_snapshot_argv(const struct run *r, const struct strvec *argv,
		       struct strvec *ret);
/* UPSHIFT_SNAPSHOT, UPSHIFT_SNAPSHOT_ID, UPSHIFT_RUN and UPSHIFT_ROOT */
void run_snapshot_env(const struct run *r, struct strvec *env);
/* {"what":"snapshot","state":...} with more keys of extra (taken, or NULL) */
int run_record_snapshot(struct run *r, const char *state,
			struct json_object *extra, struct error *err);
/* runs the command that removes it, if there is anything to remove and a
   command for it; again if killed in between */
int run_drop_snapshot(struct run *r, struct error *err);

/* log.jsonl as a reporter (all but progress); and the last seq it holds */
struct reporter_ops;
extern const struct reporter_ops run_log_ops;   /* self: struct run */
uint64_t run_log_last_seq(const struct run *r);

/* $XDG_STATE_HOME/upshift/roots.jsonl; failures are not errors */
void register_add(const char *root, const char *plan, const char *run);
int register_roots(struct strvec *roots);

/* removes the backup of runs of the same plan past keep_s (PROTOCOL 3) */
int run_prune(struct state_dir *sd, const struct run *newer, double keep_s,
	      struct strvec *pruned, struct error *err);
/* the whole run directory and its backup; refuses an open run. The provider's
   snapshot is dropped first, unless it is to be kept */
int run_forget(struct state_dir *sd, const char *id, bool keep_snapshot,
	       struct error *err);
/* is it the only run of this root that holds a backup? */
bool run_is_only_backup(struct state_dir *sd, const char *id);

#endif
