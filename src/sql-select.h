/* SPDX-License-Identifier: MIT */
#ifndef SQL_SELECT_H
#define SQL_SELECT_H
/*
 * sql-select - what a query says of its columns, by its words alone
 *
 * Every column has to be named: a column of a table, with or without the
 * table, or an expression with AS. Where the query is of one table, without
 * groups and queries inside, it is also told which column is which.
 */
#include "base/strbuf.h"
#include "sql-split.h"

/* a value struct */
struct sql_select {
	struct strvec names;     /* of the columns, as the database has them */
	struct strvec from;      /* the column of the table each is, or "" */
	char *table;             /* NAME or SCHEMA.NAME; NULL: not just one */
};
#define SQL_SELECT_INIT { .table = NULL }
#define _cleanup_sql_select_ _cleanup_(sql_select_release)

void sql_select_release(struct sql_select *q);
/* NULL, or why not (marked with N_()) */
const char *sql_select_read(struct sql_select *q, enum sql_dialect d,
			    const char *text);

#endif
