/* SPDX-License-Identifier: MIT */
#ifndef RECORDS_FIT_H
#define RECORDS_FIT_H
/*
 * records-fit - would a table of PostgreSQL take the rows of a source?
 *
 *	struct records_fit f = { .progress = told, .ctx = me };
 *	ret = records_fit(&job, from, to, &f, &err);
 *	records_fit_release(&f);
 *
 * A copy finds out at the row in question, hours on; this before the first one:
 * zero bytes, texts that are too long or not of the encoding, numbers and dates
 * out of range, NULLs and CHECKs. All rows that the job would copy are put into a
 * temporary table with the columns of its destination, in transactions that are
 * rolled back: nobody else sees any of it, and nothing is left. Keys and
 * references are not looked at, nor what the step does not write.
 *
 * from is read; to is a session that may make temporary tables, and ends
 * afterwards. Errors: of the stores; -EOPNOTSUPP where to makes none.
 */
#include <stdint.h>

#include "base/strbuf.h"
#include "records-copy.h"

struct error;

#define RECORDS_FIT_SHOWN 10
/* so many are enough to know */
#define RECORDS_FIT_MOST 1000

struct records_fit {
	uint64_t rows;               /* that were tried */
	uint64_t bad;
	bool more;                   /* it ended at RECORDS_FIT_MOST */
	struct strvec shown;         /* of the first: KEY: what is wrong */
	void (*progress)(void *ctx, uint64_t rows);
	void *ctx;
};

int records_fit(const struct records_job *job, struct store *from,
		struct store *to, struct records_fit *f, struct error *err);
void records_fit_release(struct records_fit *f);

#endif
