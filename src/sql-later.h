/* SPDX-License-Identifier: MIT */
#ifndef SQL_LATER_H
#define SQL_LATER_H
/*
 * sql-later - a statement for a range of keys that has a beginning
 *
 * Statements that go through a table are written for the first range too,
 * which has none: WHERE ($1 IS NULL OR id > $1) AND id <= $2. SQLite plans
 * before it knows the parameters, and for the sake of the OR begins each range
 * at the first row of the table. For the later ranges the group is the same
 * without its first member, WHERE ( id > $1) AND id <= $2, and that is a search.
 * Source: https://www.sqlite.org/optoverview.html, 1 (terms connected by OR)
 */
#include "sql-split.h"

struct strbuf;

/* Appends sql, where no parameter is NULL: "$N IS NULL OR" at the beginning of a
   group is left out, if the group is a condition of its own. */
void sql_later(enum sql_dialect d, const char *sql, struct strbuf *out);

/*
 * What a statement for ranges of keys of n columns gets wrong, and what to do
 * instead; marked with N_(). NULL: nothing that could be seen. $1 .. $n are the
 * key behind which a range begins (NULL in the first), the next n the key that
 * it ends with.
 */
const char *sql_range_fault(enum sql_dialect d, const char *sql, size_t n);

#endif
