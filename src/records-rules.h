/* SPDX-License-Identifier: MIT */
#ifndef RECORDS_RULES_H
#define RECORDS_RULES_H
/*
 * records-rules - what must hold in a store, besides its rows
 *
 * Queries of the plan and of ours; nothing is written. Each gives 0 or -errno.
 */
#include <stdint.h>

#include "base/strbuf.h"
#include "store.h"

struct error;

/* the one number that a query gives; -EINVAL: it gives something else */
int records_number(struct store *s, const char *sql, double *ret,
		   struct error *err);
/* the first row in which the results differ (from 1), or 0 */
int records_equal(struct store *a, const char *asked_a, struct store *b,
		  const char *asked_b, uint32_t *ret_row, struct error *err);
/* names of constraints and indexes of the set that are there but not valid;
   in SQLite, rows without the row they refer to */
int records_invalid(struct store *s, const char *set, struct strvec *ret,
		    struct error *err);
/* keys of the rows that a copy put aside; none if there never was one */
int records_rejected(struct store *s, const char *marks, struct strvec *ret,
		     struct error *err);
/* the median of three runs, in seconds */
int records_time(struct store *s, const char *sql, double *ret,
		 struct error *err);

#endif
