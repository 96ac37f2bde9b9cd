/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_LATE_H
#define ENGINE_LATE_H
/*
 * engine-late - rows that came in between a dump and the load behind it
 *
 * Before a rollback loads tables it has saved what is in them with its R point.
 * Whoever writes until they are locked for the load writes what would be gone
 * without a trace. So a load looks once more when it has them locked: rows that
 * no dump has go into a file beside the backup, R2.late.STORE.SET.copy, which is
 * on the disk before anything is changed, and are told. Its first line names the
 * columns, the others are as COPY writes them (\copy ... WITH (HEADER)). Looking
 * again adds what the file has not; where the columns are others by then it is
 * another file (.2.copy, ...).
 */
#include <sys/types.h>

#include "base/strbuf.h"

struct engine_keep;
struct error;
struct store;
struct store_dump;

/* In the transaction that has the tables of now locked. Looks at those that are
   in the dump of g->since. */
int engine_late_save(const struct engine_keep *g, const char *store,
		     struct store *s, struct store_dump *now,
		     struct error *err);
/*
 * What there is of a table of that dump: the n-th file (from 1). 1 and fd (the
 * caller closes it), where the rows begin and how many they are; 0: no such
 * file. Names are in the order of the rows.
 */
struct late_rows {
	int fd;
	off_t at, end;
	uint64_t rows;
	struct strvec columns;
	char *name;
};
int engine_late_open(const struct engine_keep *g, const char *store,
		     const char *set, unsigned int n, struct late_rows *ret,
		     struct error *err);
void late_rows_release(struct late_rows *l);
#define LATE_ROWS_INIT { .fd = -1, .columns = STRVEC_INIT }
#define _cleanup_late_rows_ _cleanup_(late_rows_release)

#endif
