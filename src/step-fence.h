/* SPDX-License-Identifier: MIT */
#ifndef STEP_FENCE_H
#define STEP_FENCE_H
/*
 * step-fence - tables that nobody can write
 *
 * Statements for step-sql.h. Up: triggers that refuse what writes the tables
 * (SQLSTATE 25006 in PostgreSQL, an error of the trigger in SQLite); to make
 * them waits for writers that are at work. Down: they go. In PostgreSQL they
 * are all called _upshift_fence, and call the function _upshift_fence_STEP;
 * partitions of a table, and tables that inherit from it, have one, too; in
 * SQLite _upshift_fence_TABLE_OP. They hold until they are dropped, whoever
 * dies meanwhile.
 */
#include "sql-split.h"

struct strvec;

/* the fact of a step: the tables that it has a fence around, or none */
#define STEP_FENCED "fenced"

void step_fence_add(const char *step, enum sql_dialect dialect,
		    const struct strvec *tables, struct sql_list *up,
		    struct sql_list *down);

/* "DISABLE" or "ENABLE" the fence around what is below the table, where there
   is one */
void step_fence_below(const char *table, const char *how, struct sql_list *l);

#endif
