/* SPDX-License-Identifier: MIT */
#ifndef RECORDS_LIVE_H
#define RECORDS_LIVE_H
/*
 * records-live - a source that is written while it is copied
 *
 * Triggers on the source put the keys of rows that change, nothing else, into
 * a queue beside it: the table _upshift_delta_ID, filled by triggers (and, in
 * PostgreSQL, a function) of that name. They are there before the first row is
 * copied and see every change since: making them waits for writers that are at
 * work. To drain is to look up the rows of those keys as they are now, to put
 * them into the destination or, where there is no such row any more, to delete
 * them there; what was drained is then taken out of the queue. To do it again
 * changes nothing, so it may be cut short anywhere. It must not begin before
 * the copy is done, whose late batches would overwrite newer rows.
 *
 * Calling sequence:
 *
 *	records_capture_begin(&job, from, &err);     once, or again
 *	records_copy(&job, &result, &err);           with job.live
 *	records_drain(&drain, &drained, &err);       as often as one likes
 *	                                             writers are turned away
 *	records_drain(...)                           until it finds nothing
 *	records_capture_end(&job, from, &err);
 *
 * Of several jobs one call of records_drain() reads all queues and all rows in
 * one state of the source, and leaves the destination in just that state; so
 * rows that refer to each other fit. Rows come before deletions, but where one is
 * refused, all that is gone makes room first; and what the destination refuses
 * then is tried again as long as others went in between.
 *
 * A queue entry (PostgreSQL) bears the transaction that wrote it: what a state
 * of the source saw is what is deleted then. There is no sequence, for one
 * would change what lastval() tells the application. In SQLite, where writers
 * come one after another, it bears a number.
 *
 * Emptying the table (TRUNCATE) queues one entry without a key, and the drain
 * compares both sides (records_repair()) instead.
 *
 * Source and destination are databases. The key of the destination must be
 * unique there, and must come from the columns of the source's key alone, for
 * of a row that is gone nothing else is known.
 *
 * On disk after a crash: triggers and queue, or neither of them; entries of a
 * drain that was cut short are still there. Errors are those of the stores.
 * One thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store.h"

struct error;
struct records_job;
struct strvec;

/* "_upshift_delta_ID"; caller frees */
char *records_capture_name(const struct records_job *job);
/* 1 or 0 */
int records_capture_there(const struct records_job *job, struct store *from,
			  struct error *err);
/* Makes it, unless it is there, in a transaction of its own; from must be
   writable. -EPERM: may not. */
int records_capture_begin(const struct records_job *job, struct store *from,
			  struct error *err);
/* Nothing of it is left then; the set itself may be gone. */
int records_capture_end(const struct records_job *job, struct store *from,
			struct error *err);
/* entries that are in the queue */
int records_capture_count(const struct records_job *job, struct store *from,
			  uint64_t *ret, struct error *err);
/* one more entry; key as store_key() */
int records_capture_add(const struct records_job *job, struct store *from,
			const char *key, struct error *err);
/*
 * Can the job be `live`? -EINVAL with a message if its key does not come from
 * the columns of the source's key, or is not unique in the destination.
 */
int records_capture_may(const struct records_job *job, struct store *from,
			struct store *to, struct error *err);
/* the columns of the source by which it is read; borrowed */
const char *records_capture_key(const struct records_job *job, uint32_t i);

struct records_drain {
	/* each as for records_copy(); those of one database are read in one
	   state of it. Parents before their children */
	const struct records_job *const *job;
	/* for each: may rows that the source does not have be deleted, as all
	   of them in `to.where` are this job's? */
	const bool *owner;
	size_t n;
	/* a failure that may pass is the caller's: all of it is inside of a
	   transaction (store_is_within()) that others wait for */
	bool once;
	/* sources are opened as their options say, which may be to read */
	bool reads;
	/* rows that were put aside before are tried once more */
	bool rejects;
	/* about ten times a second while stores wait, and between batches;
	   negative: stop, and return that. May be NULL */
	int (*tick)(void *ctx, uint64_t done, uint64_t total);
	void (*note)(void *ctx, const char *text);
	/* a row of the destination that records_repair() made another one, or
	   deleted; some of them, when all is done. May be NULL */
	void (*replaced)(void *ctx, const struct records_job *job,
			 const char *key);
	void *ctx;
	int scratch_fd;          /* a directory, for comparisons */
};

struct records_drained {
	uint64_t entries;        /* that were there */
	uint64_t put, deleted;   /* rows */
	uint64_t rejected;       /* put aside now, of those that may be */
	uint64_t replaced;       /* by a repair: that were others, or are gone */
};

int records_drain(const struct records_drain *d, struct records_drained *ret,
		  struct error *err);

/* sequences of the destination go on behind what came last */
int records_drain_end(const struct records_drain *d, struct error *err);

/*
 * Without triggers: what is not the same on both sides is made the same. It
 * reads both; writers should be turned away, or what they do meanwhile is for
 * the next one. Also the one to call for a source that was emptied.
 */
int records_repair(const struct records_drain *d, size_t job,
		   struct records_drained *ret, struct error *err);

#endif
