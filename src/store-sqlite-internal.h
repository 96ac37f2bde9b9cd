/* SPDX-License-Identifier: MIT */
#ifndef STORE_SQLITE_INTERNAL_H
#define STORE_SQLITE_INTERNAL_H
/* store-sqlite-internal - what store-sqlite*.c share */
#include "store-internal.h"

struct sqlite3_stmt;

/* parameter i is the cell, whose text stays where it is until the statement is
   stepped; SQLITE_OK, or why not */
int sqlite_bind_cell(struct sqlite3_stmt *stmt, int i, const struct store_batch *b,
		     const struct store_cell *c);
/* column i of the row that stmt stands at, as the next cell */
void sqlite_add_column(struct store_batch *b, struct sqlite3_stmt *stmt, int i);

#endif
