/* SPDX-License-Identifier: MIT */
#ifndef RECORDS_RETRY_H
#define RECORDS_RETRY_H
/*
 * records-retry - rows that were refused get another chance
 *
 * Rows that the destination refused, or that the source could not give, stand
 * in its table _upshift_reject (see records-copy.h). Somebody has mended them,
 * in the source or in a text of their own, and they go the way of all others:
 * in one transaction of the destination the row leaves the list, goes where it
 * belongs and is noted for the undo. So each goes once, whatever ends this
 * program and however often it is called. A row that is refused again stays in
 * the list, with what was said last and the record as it was tried.
 *
 *	records_rejects(&job, to, fn, ctx, &err);           what there is
 *	records_retry(&job, NULL, &result, &err);           read again
 *	records_retry(&job, &mended, &result, &err);        as they were mended
 *
 * A line of the source that is no record goes by its number: as it is there
 * now, unless the destination has its key already (lines may have moved), or
 * as a text that is parsed as one of its lines.
 *
 * job: as for records_copy(); its stores are opened here. A row that the source
 * does not have any more leaves the list, and is told as gone.
 *
 * On disk after a crash: some rows through, the others in the list.
 */
#include "records-copy.h"

/* Texts are borrowed until the function returns; record may be NULL. */
struct records_reject_line {
	const char *key, *sqlstate, *message, *record, *at;
};
typedef int records_reject_fn(void *ctx, const struct records_reject_line *l,
			      struct error *err);
/* every row in the list, by its key; fn's negative value ends it */
int records_rejects(const char *marks, struct store *to,
		    records_reject_fn *fn, void *ctx, struct error *err);

struct records_retried {
	uint64_t passed;
	uint64_t gone;               /* not in the source any more */
	uint64_t unknown;            /* keys that are not in the list */
	uint64_t left;               /* in the list now, tried or not */
	struct strvec gone_keys;     /* the first ten */
	struct strvec unknown_keys;
};
void records_retried_release(struct records_retried *r);
/* rows: one for each key, with the columns of job->to, or in its place one of
   lines, which has one column; a NULL there: the row */
struct records_mended {
	struct strvec keys;
	struct store_batch rows, lines;
};
void records_mended_release(struct records_mended *m);
/* mended NULL: all, from the source */
int records_retry(const struct records_job *job,
		  const struct records_mended *mended,
		  struct records_retried *ret, struct error *err);

/* the mark that says: the undo table has rows that were tried again, and no
   others; caller frees */
char *records_retry_mark(const char *marks);

#endif
