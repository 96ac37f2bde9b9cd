/* SPDX-License-Identifier: MIT */
#ifndef STEP_H
#define STEP_H
/*
 * step - one unit of change, or one question about the world
 *
 * A kind is one file in steps/ with one const struct step_ops and one line in
 * steps/steps.c. Checks and verifications are the same with parse and check
 * alone. A step is told what to do by the engine: it does not print, write the
 * journal, read the clock, or exit; what it needs it gets from struct
 * step_ctx. It touches only paths that its effects name.
 *
 * To add a kind: write steps/KIND.c, add it to steps/Makemodule.am,
 * po/POTFILES.in and the table in steps/steps.c, document its keys in
 * upshift-plan(5), and give it a test that applies, kills, resumes and undoes.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/strbuf.h"
#include "plan.h"
#include "window.h"

struct effects;
struct error;
struct event_figure;
struct ours;
struct item;
struct json_object;
struct plan_node;
struct plan_problems;
struct plan_store;
struct sql_grants;
struct sql_list;
struct step_ctx;
struct views_spec;

enum step_state {
	STEP_PENDING,
	STEP_APPLYING,
	STEP_APPLIED,
	STEP_VERIFIED,
	STEP_FAILED,
	STEP_SKIPPED,
	STEP_UNDOING,
	STEP_UNDONE,
	STEP_UNDO_FAILED,
	STEP_STATE_COUNT
};

const char *step_state_name(enum step_state s);
int step_state_parse(const char *name, enum step_state *ret);
/* the one table of allowed transitions */
bool step_state_may(enum step_state from, enum step_state to);

enum step_probe {
	PROBE_NOT,
	PROBE_PARTLY,
	PROBE_FULLY,
	PROBE_UNKNOWN,
};
const char *step_probe_name(enum step_probe p);

enum step_kind_flags {
	STEP_IS_CHECK = 1u << 0,     /* parse and check alone; no effects */
	STEP_VERIFY_ONLY = 1u << 1,  /* only in verify and verify_rollback */
	STEP_RESUMES = 1u << 2,      /* partly applied: apply goes on */
	STEP_CHECKS_ONLY = 1u << 3,  /* only in checks (space) or as a step */
	STEP_LOOK_FIRST = 1u << 6,   /* a step whose check is made with those of
					the plan, too */
	STEP_COPIES = 1u << 9,       /* copies records: step-records.h knows
					which for which */
	STEP_SIGN_OFF = 1u << 5,     /* people sign what is in items */
	STEP_ROWS = 1u << 7,         /* writes rows alone: where the schema goes
					its undo is passed over */
	STEP_WATCH = 1u << 4,        /* runs a command: the engine compares the
					tree before and after with the effects */
	STEP_LOOKS = 1u << 10,       /* applied like a step, but changes nothing */
	STEP_EARLY = 1u << 8,        /* its check is asked ahead of the backup, too,
					unless the step builds on another; apply
					finds by itself what check would */
};

enum check_state { CHECK_OK, CHECK_WARN, CHECK_FAIL };

struct check_result {
	enum check_state state;
	/* one line, translated: what was found */
	struct strbuf message;
	/* details, a line each, for logs and screens */
	struct strvec details;
	uint64_t need, have;
	int code;                    /* enum err_code for a failure, 0: ERR_CHECK */
	char *audit;                 /* the last sum of the audit that was made,
					for the journal; or NULL; owned */
	const char *hint;            /* translated, static: instead of the plan's;
					NULL: the plan's */
};

void check_result_init(struct check_result *r);
void check_result_release(struct check_result *r);
void check_result_set(struct check_result *r, enum check_state state,
		      const char *fmt, ...) _printf_(3, 4);

/* What a preview collects: sentences and unified diffs. */
struct preview {
	struct strvec lines;
	bool nothing;                /* the step would change nothing */
	bool unknown;                /* depends on an earlier step */
};

/* Rows of a set on a server, as a step left them; the names are borrowed. */
struct step_rows {
	const char *store, *set;
	bool known;                  /* can they be told from others? */
	uint64_t brought, changed;   /* were not there before; were */
	uint64_t others;             /* of these, that others have changed since
					and that count above no more, nor with
					a later step; 0 where that cannot be
					told */
	/* conditions for a row t of the table: it is one of these; and one that
	   is as the step has left it. For the caller to free; NULL: none can be
	   given */
	char *is_one, *is_left;
};

/* What was refused, and tried again. */
struct step_retry {
	const char *text;            /* as somebody mended it; NULL: it is read
					again from where it came */
	size_t len;
	uint64_t passed;
	uint64_t gone;               /* not there any more */
	uint64_t left;
};

struct step_ops {
	const char *name;
	unsigned int flags;          /* enum step_kind_flags */
	/* read the step's own keys; pure */
	int (*parse)(struct step *s, struct plan_node *n);
	/* declare what will be touched; static for lint (ctx NULL) or against
	   the tree (ctx given: missing parents) */
	int (*effects)(const struct step *s, struct step_ctx *ctx,
		       struct effects *out, struct error *err);
	/* read-only: can it be done? checks: the question itself */
	int (*check)(const struct step *s, struct step_ctx *ctx,
		     struct check_result *r, struct error *err);
	/* checks: measure before anything changes (timing); NULL mostly */
	int (*baseline)(const struct step *s, struct step_ctx *ctx,
			struct error *err);
	/* what will change; starts no command, writes nothing */
	int (*preview)(const struct step *s, struct step_ctx *ctx,
		       struct preview *p, struct error *err);
	/* what does the disk say? */
	int (*probe)(const struct step *s, struct step_ctx *ctx,
		     enum step_probe *ret, struct error *err);
	/* do it; durable on return (files and directories fsynced) */
	int (*apply)(const struct step *s, struct step_ctx *ctx,
		     struct error *err);
	/* is what was done there, and right? NULL: probe says fully */
	int (*verify)(const struct step *s, struct step_ctx *ctx,
		      struct error *err);
	/* what the engine cannot undo by restoring effects (a command); called
	   before the pre-image goes back; must be idempotent. NULL mostly */
	int (*undo)(const struct step *s, struct step_ctx *ctx,
		    struct error *err);
	/* in a rollback, when all files are in their places: what undo could not
	   put into one that comes back as a whole; idempotent. NULL mostly */
	int (*carry)(const struct step *s, struct step_ctx *ctx,
		     struct error *err);
	/* takes back what undo did itself, before the run returns to the point
	   ahead of that rollback; idempotent. NULL mostly */
	int (*redo)(const struct step *s, struct step_ctx *ctx,
		    struct error *err);
	/* true: behind the files, one of which it works in; NULL: ahead */
	bool (*redo_last)(const struct step *s);
	/* STEP_ROWS: what it left there that is still so; reads alone */
	int (*rows)(const struct step *s, struct step_ctx *ctx,
		    struct step_rows *ret, struct error *err);
	/* records that were refused, as JSON lines; reads alone. NULL: the kind
	   keeps none */
	int (*rejects)(const struct step *s, struct step_ctx *ctx,
		       struct strbuf *out, struct error *err);
	/* the same again, each once; durable on return */
	int (*retry)(const struct step *s, struct step_ctx *ctx,
		     struct step_retry *r, struct error *err);
	/* in the place of undo, where the rows go with their tables or come
	   from the backup: what it left elsewhere; idempotent. NULL mostly */
	int (*leave)(const struct step *s, struct step_ctx *ctx,
		     struct error *err);
	/* what is wrong with it beside the other steps; pure. NULL mostly */
	void (*lint)(const struct step *s, const struct plan *p,
		     struct plan_problems *problems);
	/* ids of copies whose captures it ends (step-live.h). NULL mostly */
	const struct strvec *(*ends)(const struct step *s);
	/* the legacy interface that it makes, and in which store. NULL mostly */
	const struct views_spec *(*views)(const struct step *s,
					  const struct plan_store **store);
	/* does it compare what that step copies? NULL mostly */
	bool (*compares)(const struct step *s, const struct step *copy);
	/* in how many seconds it may begin, 0: now, and why not before; reads
	   only, or remembers what it read. NULL: whenever its turn comes */
	int (*due)(const struct step *s, struct step_ctx *ctx, double *in_s,
		   struct strbuf *why, struct error *err);
	/* false: nothing can bring it back; NULL: true */
	bool (*undoable)(const struct step *s);
	/* statements that it runs on a store, in order, all borrowed; for who
	   judges a plan by them. NULL: none */
	const struct sql_list *(*statements)(const struct step *s,
					     const struct plan_store **store);
	/* bytes that it needs in the directory of the run while it works,
	   about; NULL: none */
	uint64_t (*room)(const struct step *s, struct step_ctx *ctx);
	/* what it needs on servers (sql-grants.h); NULL: nothing */
	void (*grants)(const struct step *s, struct sql_grants *g);
	void (*release)(struct step *s);
};

struct step {
	char *id;
	const struct step_ops *ops;
	struct plan_text title, risk, hint;
	bool optional;
	bool timed;                  /* set by parse(): due() is asked */
	bool on_error_continue;
	bool severity_warn;          /* checks: a failure is a warning */
	bool confirm;                /* asked for by name, also in batch */
	bool secret;
	bool on_breach_given;        /* kinds that watch: else on_failure */
	enum plan_on_failure on_breach;
	double estimate_s;           /* < 0: not given */
	struct window window;        /* it begins inside of it */
	struct strvec needs;
	struct strvec items, roles;  /* STEP_SIGN_OFF: what, and who */
	int line;
	void *priv;                  /* the kind's own */
};

void step_free(struct step *s);
/*
 * What the step declares (ops->effects, which must be there), and the files of
 * the stores that it writes: the database with what SQLite keeps beside it, so
 * that they are saved and come back as files do.
 */
int step_effects(const struct step *s, const struct plan *p,
		 struct step_ctx *c, struct effects *out, struct error *err);
/* is path one of those that are kept beside the file of the store? */
struct plan_store;
bool step_is_beside(const struct plan_store *s, const char *path);
bool step_undoable(const struct step *s);
/*
 * A check and a step may share a name (json): check tells which one is meant
 * where there are both. NULL: there is none of that name.
 */
const struct step_ops *step_kind_find(const struct step_ops *const *kinds,
				      const char *name, bool check);

/*
 * step_ctx - what the engine gives a step while it works
 *
 * One function each; the engine (step-ctx.c) implements them. root_fd is an
 * O_PATH-free directory descriptor of the root, borrowed.
 */
int step_root_fd(struct step_ctx *c);
const char *step_root(struct step_ctx *c);
const struct plan *step_plan(struct step_ctx *c);
/* the step's id, "app" or "backup" */
const char *step_ctx_id(struct step_ctx *c);
/* what below root is not the user's; see base/ours.h */
const struct ours *step_ours(struct step_ctx *c);
/* done of total (0: unknown); cheap, may be called often */
void step_progress(struct step_ctx *c, uint64_t done, uint64_t total,
		   const char *unit);
/*
 * The same with what is told besides: how many at a time (0: not known), what
 * it is mostly bound by ("read", "write", "lock", "throttle"; NULL: not known),
 * what it waits for now (NULL: nothing), translated. Borrowed for the call.
 */
struct step_pace {
	uint64_t batch, rejected;
	const char *bound, *wait;
	const struct event_figure *figures; /* what it watches, and how it is */
	size_t figure_n;
};
void step_progress_pace(struct step_ctx *c, uint64_t done, uint64_t total,
			const char *unit, const struct step_pace *pace);
/* what it waits for now, translated; NULL: no longer. What was done stays */
void step_waits(struct step_ctx *c, const char *text);
/* of `total` seconds `done` are over, and what was seen in them; new: told at
   once, whatever was told just now */
void step_watches(struct step_ctx *c, double done, double total,
		  const struct event_figure *figures, size_t n, bool is_new);
/* how many records that is; told along with the next step_progress() */
void step_records(struct step_ctx *c, uint64_t records);
/* the same for one of several things that are done at once: a worker, a table;
   part NULL: for the step as a whole */
void step_progress_part(struct step_ctx *c, const char *part, uint64_t done,
			uint64_t total, const char *unit);
void step_warn(struct step_ctx *c, const char *fmt, ...) _printf_(2, 3);
/* a line of output; stream "out", "err" or "note" */
void step_log(struct step_ctx *c, const char *stream, const char *text,
	      size_t len);
/* a stop was asked for that should not wait for the end of the step (of a check
   before the backup: any), or it is later than step_deadline() */
bool step_cancelled(struct step_ctx *c);
/* in the check phase or a dry run: what steps before this one make is not there */
bool step_is_ahead(const struct step_ctx *c);
/* may a step before s make something in the store: by its effects, or because
   it is a command that says nothing of what it does */
bool step_made_before(const struct step_ctx *c, const struct step *s,
		      const struct plan_store *st);
/* From then on (clock_mono_ns()) the step is cancelled wherever it waits; 0:
   never. Whoever sets it says what it means (step_late()), and ends it. */
void step_deadline(struct step_ctx *c, uint64_t at_ns);
/* true: that, and not the user, is why */
bool step_late(struct step_ctx *c);
/*
 * A private directory on the file system of the directory that holds rel;
 * borrowed descriptor, emptied by the engine before and after the step. Build
 * new files there and move them with step_place().
 */
int step_stage(struct step_ctx *c, const char *rel, int *ret_fd,
	       struct error *err);
/*
 * Puts stage/name at rel: fsyncs file and directories, RENAME_NOREPLACE or,
 * with replace, atomically over what is there (which the pre-image holds).
 */
int step_place(struct step_ctx *c, int stage_fd, const char *name,
	       const char *rel, bool replace, struct error *err);
/* mkdir for missing parents of rel, 0755, in the effects, fsynced */
int step_make_parents(struct step_ctx *c, const char *rel, struct error *err);
/*
 * Facts of this step that must outlive a crash: durable in the journal when
 * step_set_fact() returns; values of an earlier attempt are not seen.
 */
int step_set_fact(struct step_ctx *c, const char *key, struct json_object *v,
		  struct error *err);
/* borrowed, NULL if not set */
struct json_object *step_get_fact(struct step_ctx *c, const char *key);
/* of another step of the run, its last attempt; borrowed, or NULL */
struct json_object *step_fact_of(struct step_ctx *c, const char *step,
				 const char *key);
/* the same for facts of the run that checks leave for verifications */
int step_set_run_fact(struct step_ctx *c, const char *key,
		      struct json_object *v, struct error *err);
struct json_object *step_get_run_fact(struct step_ctx *c, const char *key);
/* the item that the pre-image of this attempt (or start) has for path; 1 and
   *ret (caller releases), 0 if it holds none */
int step_pre_item(struct step_ctx *c, const char *path, struct item *ret,
		  struct error *err);
/*
 * Every item of that pre-image in path order, with what was absent and the
 * parents; fn's negative value ends it and is returned. 0 also if there is no
 * pre-image.
 */
typedef int step_item_fn(void *ctx, const struct item *it, struct error *err);
int step_pre_walk(struct step_ctx *c, step_item_fn *fn, void *ctx,
		  struct error *err);
/* fills in ${...} once more, with ${step.started}; caller frees *ret */
int step_expand(struct step_ctx *c, const char *text, size_t len, bool json,
		struct strbuf *out, struct error *err);
/* runs a command with the step's limits: output to the log, progress from
   descriptor 3, cancellation, child lock, pid in the journal; read_only
   commands (checks, probes) have no entry in the journal */
struct step_command {
	const struct strvec *argv;
	const struct strvec *env;    /* NAME=VALUE, may be NULL */
	const char *dir;             /* below root, NULL: the root */
	double timeout_s;
	bool read_only;
	struct strbuf *capture;      /* stdout goes here too (64 KiB), or NULL */
	struct strbuf *tail;         /* the last lines of both streams (1 KiB),
					for a message, or NULL */
	int input_fd;                /* standard input, 0: nothing */
	int output_fd;               /* where standard output goes, 0: as told
					above */
	bool quiet;                  /* what it says is not for the log */
	bool of_run;                 /* no step's: of the backup */
};
struct child_result;
int step_command(struct step_ctx *c, const struct step_command *cmd,
		 struct child_result *ret, struct error *err);
/*
 * Opens a store of the plan; the caller closes it. While it waits the step can
 * be cancelled. In a check or a dry run it is read_only whatever is asked for.
 * A database that is not there is made where it may be written. timeout_s: of
 * one statement; 0: what the plan says for all. On a server the run takes the
 * lease of the plan (store_lease()) when it may write, until the process ends.
 */
struct store;
int step_store(struct step_ctx *c, const char *name, bool read_only,
	       struct store **ret, struct error *err);
int step_store_timeout(struct step_ctx *c, const char *name, bool read_only,
		       double timeout_s, struct store **ret,
		       struct error *err);
/*
 * A session of a server in which temporary tables can be made, in a check, too,
 * and nothing else is to be written: there is no lease. In a dry run -EROFS; of
 * other stores it is one that reads.
 */
int step_store_scratch(struct step_ctx *c, const char *name,
		       struct store **ret, struct error *err);
/*
 * From now on what is opened of this name, or of another with the same URL, is
 * inside of the transaction of s (store_is_within()); s NULL: no longer. A
 * comparison, a drain, statements: all of them are then done, or not, with it.
 */
void step_store_join(struct step_ctx *c, const char *name, struct store *s);
bool step_store_is_joined(const struct step_ctx *c);
struct store_options;
struct plan_store;
/* would a rollback undo the i-th step of the plan, if it gets to it? */
bool step_goes_too(struct step_ctx *c, size_t i);
/*
 * In an undo: the file of this store is put back as a whole, behind it, by this
 * step or one below it. It must not be written to then: as it is it goes aside,
 * and is what comes back from there.
 */
bool step_comes_back(struct step_ctx *c, const struct plan_store *s);
/* In a rollback: the directory (the caller's descriptor) in which that file is
   as it was when it was put back; -ENOENT: it was not, or is no file */
int step_aside(struct step_ctx *c, const struct plan_store *s);
/* true: a rollback in which rows written since a cutover are to come back */
bool step_carries(struct step_ctx *c);
/* true: one back to an R point, whose rows are there, and those are to come that
   were written since; of others nothing else is in the tables then */
bool step_carries_forward(struct step_ctx *c);
/* the R point of that rollback */
const char *step_rollback_point(struct step_ctx *c);
/* the fact of a cutover: the point of the rollback that carried rows; what is
   in the old tables since is taken back by redo, and not by the point */
#define STEP_CARRIED "carried"
/* the same of one back to an R point: its rows are there, and what was written
   since came along */
#define STEP_ALONG "along"
/* and one that an R point's way back has switched again */
#define STEP_AGAIN "again"
/* step_store() for those who open it themselves */
void step_store_options(struct step_ctx *c, const struct plan_store *s,
			struct store_options *o);
/*
 * What was done with stores failed with ret: true where that was a lost
 * connection or somebody else, and it can be tried again now; err is clear
 * then, a note was logged, and time has passed. *tried is 0 at first; after
 * some 20 seconds in all it is false. For what is read, or can be done twice.
 */
bool step_store_again(struct step_ctx *c, unsigned int *tried, int ret,
		      struct error *err);
/* waits; false: the step was cancelled */
bool step_nap(struct step_ctx *c, unsigned int ms);
/* the directory of the run, for reports; -1: there is no run */
int step_run_dir(struct step_ctx *c);
/* `upshift verify` asks, be it long after: who uses the data went on */
bool step_looks_back(struct step_ctx *c);
/* what `verify --level` asked for; PLAN_LEVEL_NONE: nothing */
enum plan_level step_level(struct step_ctx *c);
/* the journal speaks of an audit of this check, and cannot be told of another:
   that one is to stay */
bool step_has_audit(struct step_ctx *c);
/* sleeps; -ECANCELED (ERR_CANCELLED) as soon as any stop was asked for */
int step_wait(struct step_ctx *c, double seconds, struct error *err);
/* tells those whom the plan names (notify) */
void step_notify(struct step_ctx *c, enum plan_notify_event event,
		 const char *message);
/* packs paths into a tar.zst with manifest inside, as the backup does, at
   stage_fd/name; durable, read back and compared */
int step_pack(struct step_ctx *c, const struct strvec *paths, int stage_fd,
	      const char *name, struct error *err);
/* compares paths with the backup (or the snapshot that was taken); every
   difference in r->details */
int step_compare_unchanged(struct step_ctx *c, const struct strvec *paths,
			   struct check_result *r, struct error *err);
/* need and have per file system for the backup and the changes of the plan */
int step_space(struct step_ctx *c, uint64_t extra, struct check_result *r,
	       struct error *err);
/* facts of the run for kind `state`; each borrowed */
struct step_run_info {
	const char *run_id, *started, *backup_location;
	const char *run_key;         /* in databases, see store-ours.h */
	bool rollback_available;
	size_t step_n;
	/* name and state ("completed", "skipped", ...) of each step, by plan */
	const char *(*step_state)(struct step_ctx *c, size_t i);
};
void step_run_info(struct step_ctx *c, struct step_run_info *ret);
/* time of the first `applying` of this step, RFC 3339 */
const char *step_started(struct step_ctx *c);

static inline const struct views_spec *step_views_of(const struct step *s)
{
	const struct plan_store *store = NULL;

	return s && s->ops->views ? s->ops->views(s, &store) : NULL;
}

#endif
