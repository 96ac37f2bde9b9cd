/* SPDX-License-Identifier: MIT */
#ifndef SQL_LINT_H
#define SQL_LINT_H
/*
 * sql-lint - statements of PostgreSQL that hold up others, or lose data
 *
 * The rules are those that the world of PostgreSQL has learned the hard way,
 * collected by strong_migrations (https://github.com/ankane/strong_migrations):
 * what rewrites or reads a table while others cannot use it, what programs of
 * the old version cannot bear, what never comes back. A table that the same
 * list has made before is empty and nobody's, and none of it matters.
 */
#include <stddef.h>

#include "sql-split.h"

/* what is wrong with statement i, and what to do instead; marked with N_();
   NULL: nothing. confirmed: losing data is fine */
const char *sql_hazard(const struct sql_list *l, size_t i, bool confirmed);
/* does the list make the table that statement i of another one is about? */
bool sql_makes_table_of(const struct sql_list *before,
			const struct sql_list *l, size_t i);
/* an index, not a unique one, that the list makes on a table that it has made:
   its name, or what
   stands there in place of one, for the caller to free; NULL: none. Rows that come behind it pay
   for it one by one. */
char *sql_indexes_early(const struct sql_list *l, const char *table);

#endif
