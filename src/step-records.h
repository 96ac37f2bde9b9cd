/* SPDX-License-Identifier: MIT */
#ifndef STEP_RECORDS_H
#define STEP_RECORDS_H
/*
 * step-records - what the kinds copy-records and backfill have in common
 *
 * Both go through the rows of a set by their keys, batch by batch, each exactly
 * once (see records-copy.h): the one puts what it reads into another set, the
 * other runs the plan's statements for the keys of each batch. How far they are
 * stands in the destination, under "PLAN/RUN/STEP", so that probe asks there
 * and apply goes on where it stopped.
 *
 * Undo: a store that is a file comes back with its pre-image. In PostgreSQL
 * rows go back one by one, where they are still as the step left them: by an
 * undo table, or, if the set was empty before, by comparing them with the
 * source. For a backfill that stands only with `undo = true`, or its `down`
 * statements are run by key ranges.
 *
 * A query as source is kept in a table of its store, _upshift_q_STEP_RUN, when
 * the step begins: whoever goes on sees the same rows, in the order of a unique
 * index. It goes when the step is undone.
 *
 * With `live` the changes of the source are captured before the first row and
 * drained behind the last one (step-live.h); the capture stays. Undo ends it.
 *
 * The keys of both are in upshift-plan(5).
 */
#include <stdbool.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "plan.h"
#include "records-copy.h"
#include "step.h"

/* When to wait between two batches. */
struct records_throttle {
	double pause_s;
	char *file;                  /* wait while it is there; or NULL */
	const struct plan_store *lag_store; /* NULL: none */
	char *lag_query;
	double lag_max;
};

struct records_step {
	bool backfill;
	struct plan_set from, to;    /* of a backfill the same */
	struct strvec key;
	struct strvec columns;       /* pairs: destination, expression; or
					none: those of the source */
	struct strvec back;          /* pairs: column of the source, expression
					of the destination; see step-carry.h */
	char *where, *owns;          /* owns: for who compares */
	enum store_conflict conflict;
	int64_t batch;               /* 0: by time */
	int workers;
	int64_t retries;
	bool quarantine;
	int64_t max_bad;
	struct strvec up, down;      /* statements of a backfill */
	bool undo;                   /* of a backfill: keep pre-images */
	bool live;                   /* the source is written meanwhile */
	int64_t max_delta;           /* changes that may wait */
	struct records_throttle throttle;
};

/* A job out of the plan and of what the stores say; the texts it borrows. */
struct step_records_job {
	struct records_job job;
	struct strvec names;
	char *id, *marks, *set, *until;
	const char *to_set;      /* borrowed; that of the plan, or a copy of it */
	const char **cols, **exprs;
	bool *loose, *json;          /* or NULL */
};
void step_records_job_release(struct step_records_job *j);
/* to look: 1: both are open, and j has its shapes; 0: a database or a set is not
   there yet */
int step_records_open(const struct step *s, struct step_ctx *ctx,
		      struct step_records_job *j, struct store **from,
		      struct store **to, struct error *err);
/* names alone: job.id and marks, and urls */
void step_records_job_init(const struct step *s, struct step_ctx *ctx,
			   struct step_records_job *j);
/* is what is read there? */
int step_records_job_source(const struct step_records_job *j, struct store *s,
			    struct error *err);
/* columns and keys; -ENOENT: a set is not there */
int step_records_job_shape(const struct step *s, struct store *from,
			   struct store *to, struct step_records_job *j,
			   struct error *err);
/* behind a switch: j->set becomes the table that stands aside for a view */
int step_records_find_source(struct step_records_job *j, struct store *from,
			     struct error *err);
/* is there an undo table, or has there to be one? */
int step_records_decide_undo(const struct step *s, struct step_records_job *j,
			     struct store *to, struct error *err);
/* the query into its table, if it is not there */
int step_records_keep_query(const struct step *s, struct step_ctx *ctx,
			    const struct step_records_job *j,
			    struct error *err);
int step_records_drop_query(const struct step *s, struct step_ctx *ctx,
			    const struct step_records_job *j,
			    struct error *err);

/* all that a job needs to go, or to go on; the lease is ours then */
int step_records_ready(const struct step *s, struct step_ctx *ctx,
		       struct step_records_job *j, struct error *err);
/* the job itself, with what it tells on the way */
int step_records_run(const struct step *s, struct step_ctx *ctx,
		     struct step_records_job *j, struct records_result *res,
		     struct error *err);
/* what went through and what was refused, into the journal; refused rows as
   JSON lines into the directory of the run. gone: of those, left the source */
int step_records_count(const struct step *s, struct step_ctx *ctx,
		       const struct step_records_job *j, uint64_t gone,
		       struct error *err);

/* --- step-records-retry.c --- */
int step_records_keep_rejects(const struct step *s, struct step_ctx *ctx,
			      uint64_t n, struct error *err);

/* progress and throttle: the callbacks of a job */
struct records_watch {
	struct step_ctx *ctx;
	const struct records_throttle *throttle;
	struct store *lag;
	const struct step *live;     /* its queue is counted; or NULL */
	struct store *queue;
	uint64_t counted;
	struct error failed;         /* why it was stopped */
	uint64_t looked, told;
	uint64_t undo_total;         /* rows that are gone through on the way
					back */
	const char *held;            /* what it waits for; NULL: it goes */
};
int step_records_tick(void *watch, const struct records_status *st);
void step_records_note(void *watch, const char *text);

/* where a copy comes from; NULL: the step is no copy */
const struct plan_set *step_records_from(const struct step *s);

/* --- the slots of struct step_ops --- */
int step_records_parse(struct step *s, struct plan_node *n, bool backfill);
int step_records_effects(const struct step *s, struct step_ctx *ctx,
			 struct effects *out, struct error *err);
int step_records_check(const struct step *s, struct step_ctx *ctx,
		       struct check_result *r, struct error *err);
int step_records_preview(const struct step *s, struct step_ctx *ctx,
			 struct preview *p, struct error *err);
int step_records_probe(const struct step *s, struct step_ctx *ctx,
		       enum step_probe *ret, struct error *err);
int step_records_apply(const struct step *s, struct step_ctx *ctx,
		       struct error *err);
int step_records_verify(const struct step *s, struct step_ctx *ctx,
			struct error *err);
int step_records_undo(const struct step *s, struct step_ctx *ctx,
		      struct error *err);
int step_records_rows(const struct step *s, struct step_ctx *ctx,
		      struct step_rows *ret, struct error *err);
int step_records_rejects(const struct step *s, struct step_ctx *ctx,
			 struct strbuf *out, struct error *err);
int step_records_retry(const struct step *s, struct step_ctx *ctx,
		       struct step_retry *r, struct error *err);
int step_records_leave(const struct step *s, struct step_ctx *ctx,
		       struct error *err);
void step_records_grants(const struct step *s, struct sql_grants *g);
bool step_records_undoable(const struct step *s);
/* bytes on the disk while it works, about */
uint64_t step_records_room(const struct step *s, struct step_ctx *ctx);
void step_records_release(struct step *s);

#endif
