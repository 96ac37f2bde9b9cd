/* SPDX-License-Identifier: MIT */
#ifndef RECORDS_COPY_H
#define RECORDS_COPY_H
/*
 * records-copy - rows of one store go to another, each exactly once
 *
 * The keys of the source are cut into ranges (four for each worker). Workers,
 * threads with a pair of stores of their own, take ranges and go through them
 * batch by batch: they read the rows behind the position of the range, and in
 * one transaction of the destination they move the position, by comparing and
 * setting it, and put the rows. So whatever ends this program, or a server, or
 * a connection in the middle of a COMMIT, and whoever else does the same at
 * the same time: no row is put twice, none is left out, and at most the batches
 * under way are read again.
 *
 * Where both sets are in one database it takes the rows of a batch itself, in
 * the same transaction (store_move()); the program sees no more than the last
 * key. A batch that is refused goes through the program then, row by row in the
 * end, as do some behind it.
 *
 * With `sql` a batch is no copy: each statement is run for the keys of the
 * batch (a backfill). Source and destination are then one store, and the shape
 * of `from` has the columns of the key alone.
 *
 * Calling sequence:
 *
 *	records_copy(&job, &result, &err);      goes on where it stopped
 *	records_copy_state(&job, &state, &err); not, partly or fully?
 *	records_copy_undo(&job, &undone, &err); and as it was
 *
 * Failures, by class (see store.h): a lost connection is opened again, for two
 * minutes, and the position tells whether a COMMIT whose answer was lost has
 * happened; what lost against others is done again after a random delay, and
 * with half of the rows after three losses, and with a lock on the set (of
 * PostgreSQL; readers go on) after six; what is too much for the server is
 * done with half of the rows; rows that the destination refuses, or that the
 * source cannot give, are found by halving and stand in the table
 * _upshift_reject of the destination then, in the transaction of their
 * position, if `quarantine` says so; all else ends it.
 *
 * The number of rows in a batch follows the time that batches take, and what
 * they weigh, see struct records_pace. Memory: a batch for each worker, 8 MiB if
 * rows are alike; or two of 4 MiB: while one is written to PostgreSQL the next
 * is read, and counts if that one went as it was.
 *
 * Undo, of PostgreSQL alone (a file comes back as files do), with `undo`:
 * before a batch is put, rows that it will replace go to _upshift_undo_ID, of
 * the same transaction; then the digest of each row that it left. Going back
 * deletes what was inserted and puts back what was replaced, but keeps rows
 * that somebody else has changed since. Without `undo`, for a set that was
 * empty before: rows that equal what the source gives are deleted.
 *
 * On disk after a crash: the batches that were committed, and the positions in
 * _upshift_range that belong to them.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "records-errors.h"
#include "store.h"

struct error;

/* What the workers wait for most. */
enum records_bound {
	RECORDS_BOUND_NONE,          /* not known yet */
	RECORDS_BOUND_READ, RECORDS_BOUND_WRITE, RECORDS_BOUND_LOCK,
	RECORDS_BOUND_THROTTLE,
};

struct records_worker_status {
	int part;                    /* < 0: none */
	uint64_t done;               /* rows that it has done, of all parts */
	uint32_t batch;
};

/* Valid until the callback returns. */
struct records_status {
	uint64_t rows;               /* done so far, in earlier runs too */
	uint64_t total;              /* in the source when it began */
	uint64_t rejected;
	uint64_t batches, again, reconnects;
	uint32_t batch;              /* rows at a time, now */
	enum records_bound bound;
	const char *trouble;         /* what failed, and what is done about it;
					NULL: rows go since */
	unsigned int worker_n;
	const struct records_worker_status *worker;
};

struct records_job {
	const char *id;              /* names tables: _upshift_undo_ID; unquoted
					letters, digits and _ */
	const char *marks;           /* names the positions; not the same for
					two runs */
	const char *from_url, *to_url;
	/* tick and ctx are ignored */
	struct store_options from_options, to_options;
	/*
	 * Columns of `from`: `hidden` ones, by which the rows are read but
	 * which are not written, then those of `to`, in its order. Both have
	 * their key first; without hidden columns it is the same.
	 */
	struct store_shape from, to;
	uint32_t hidden;
	/* the key is the number of a row in SQLite, which a VACUUM changes: no
	   batch behind another schema than the first one's */
	bool by_rowid;
	/* a key up to which the rows are taken, or NULL; the same for every
	   call with these marks */
	const char *until;
	enum store_conflict conflict;
	/* a backfill: $1... are the key behind which rows are taken, or NULLs
	   before the first; the next nkey are the key up to which */
	const char *const *sql;
	size_t sql_n;
	unsigned int workers;        /* at least 1 */
	uint32_t batch;              /* rows; 0: by the time they take */
	int retries;                 /* for one batch; 0: 60, < 0: none */
	unsigned int pause_ms;       /* between two batches of a worker */
	bool quarantine;
	uint64_t max_bad;
	bool undo;
	/* the changes of the source are captured (records-live.h): a row that
	   is refused waits in the queue, as it may fit when others came */
	bool live;
	/* no commit without this lease, store_lease_held(); NULL: none */
	const char *lease_plan, *lease_owner;
	/*
	 * From the calling thread, about ten times a second. Negative: stop,
	 * and return that; positive: begin no batch before it says 0 again.
	 * May be NULL.
	 */
	int (*tick)(void *ctx, const struct records_status *st);
	/* counts what was done again; may be NULL. The caller's, who looks at it
	   behind the call. */
	struct records_errors *errors;
	/* on the way back: so many rows were gone through; may be NULL */
	void (*undone)(void *ctx, uint64_t rows);
	/* a line for the log: what failed, and what is done about it */
	void (*note)(void *ctx, const char *text);
	void *ctx;
};

struct records_result {
	uint64_t rows;               /* that went through, in earlier runs too */
	uint64_t rejected;
	uint64_t read_ns, write_ns;
};

int records_copy(const struct records_job *job, struct records_result *ret,
		 struct error *err);

struct records_state {
	bool begun, complete;
	uint64_t rows;               /* in the ranges, rejected ones too */
	uint64_t rejected;
};
/* By the undo table, which is there: rows that are still as the job left them,
   that were not there before and that were; and those that are not, but for
   those that later jobs have in theirs (newer: their ids, whose tables are
   there and have the same key). Reads alone. */
struct records_left {
	uint64_t brought, changed, others;
};
int records_copy_left(const struct records_job *job, struct store *to,
		      const struct strvec *newer, struct records_left *ret,
		      struct error *err);
/* a condition for a row t of the set: the undo table has it; left: and it is as
   the job left it. table: of that, with its schema. New */
char *records_copy_is_one(const struct records_job *job, const char *table,
			  bool left);
/* Reads alone; to must be a store of job->to_url. */
int records_copy_state(const struct records_job *job, struct store *to,
		       struct records_state *ret, struct error *err);

/*
 * Without one: are the rows of the set those of the source, and no others? Both
 * are read once and summed up; of PostgreSQL alone. 1: yes, so many; 0: no, or
 * it is not known. Outside of transactions; afterwards both may be used again.
 */
int records_copy_same(const struct records_job *job, struct store *from,
		      struct store *to, uint64_t *rows, struct error *err);

struct records_undone {
	uint64_t deleted, restored;
	uint64_t kept;               /* others have changed them since */
	struct strvec keys;          /* of the first ten kept */
};
void records_undone_release(struct records_undone *u);
/* May be called again after a crash; then it forgets the positions, rejects
   and undo table of these marks. */
int records_copy_undo(const struct records_job *job,
		      struct records_undone *ret, struct error *err);

#endif
