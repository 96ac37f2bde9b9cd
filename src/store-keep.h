/* SPDX-License-Identifier: MIT */
#ifndef STORE_KEEP_H
#define STORE_KEEP_H
/*
 * store-keep - rows of others beside those of a dump that is loaded
 *
 * What others wrote is put into the tables when all of the dump is back, in the
 * same transaction: what a table does not take (its key is there already, it
 * refers to a row that is not) stays out, and is counted. Rows may refer to
 * each other, in any order. No triggers fire; sequences that the rows got their
 * numbers from go on behind these.
 *
 * Savepoints take back a statement that failed, so a row does harm to no other;
 * where a store has none, or no temporary tables, nothing is kept.
 */
#include "store-dump.h"

struct store_keep_set {
	char *set;               /* of the dump; NULL: the table is not there */
	char *name;              /* as it was called where the rows were */
	struct strvec columns;
	struct strvec sequences; /* "SELECT setval(...) ..." */
	uint64_t rows;
	uint64_t kept;           /* of these: how many came in */
};

struct store_keep {
	struct store_keep_set *v;
	size_t n;
	/* the rows of a set, as COPY has them, and what source() gives then */
	int (*open)(void *ctx, const struct store_keep_set *set,
		    struct error *err);
	store_source_fn *source;
	void *ctx;
};

void store_keep_release(struct store_keep *k);
/* inside of the load's transaction; fills in kept */
int store_keep_rows(struct store *s, const struct store_dump *then,
		    struct store_keep *k, struct error *err);

#endif
