/* SPDX-License-Identifier: MIT */
#ifndef RECORDS_CAST_H
#define RECORDS_CAST_H
/*
 * records-cast - a column of PostgreSQL read as another type
 *
 * Copies send text, and a server reads what the type of the destination makes of
 * it: numeric(10,2) rounds, a date forgets the hour, an integer the zeros in
 * front, real the digits behind the seventh. Nothing tells. So where both sides
 * are compared a column is read as the type that the other side has, but as it
 * is where it would be another value; and the check of a copy looks for these.
 *
 * Types are texts of format_type(). Source of what their input makes of text:
 * https://www.postgresql.org/docs/15/datatype.html
 */
#include <stdbool.h>

#include "base/strbuf.h"

struct error;
struct store;
struct store_batch;
struct store_shape;

/* of the columns of a set (store_columns()): the row of the one that the
   expression is, or -1; and its type, or NULL */
int records_cast_column(const struct store_batch *cols, const char *expr);
char *records_cast_type(const struct store_batch *cols, const char *expr);
/* may a value of the type has be another one as the type wants? "": unknown */
bool records_cast_loses(const char *has, const char *wants);
/* the same of what its text is in the other type, which may be another one even
   if no such value is lost: what a copy has to look at */
bool records_cast_watched(const char *has, const char *wants);
/* of a file: a column of this type has its members as they are */
bool records_cast_is_json(const char *type);
/* appends SQL that reads the column (a name; not quoted yet) or, quoted, the
   expression of such a type as the other one */
void records_cast_add(struct strbuf *sql, const char *column, const char *has,
		      const char *wants);
struct records_look {
	bool read;               /* all rows may be read for it */
	void (*progress)(void *ctx, uint64_t rows); /* read; may be NULL */
	void *ctx;
};
/*
 * Looks, in the rows of the shape from, for a value that the column of that place
 * in to would not keep, unless to is loose there: from one PostgreSQL to another
 * the server looks, else all rows are read; into files there is nothing to look
 * for, nor from one SQLite into another, which has it told by the copy. *column,
 * *type: of the destination, for the caller to free. 1: there is one; 0: none, or
 * it cannot be told; or an error, among them STORE_CLASS_SHRINK: it takes longer
 * than a statement may.
 */
int records_cast_find(struct store *from_store, const struct store_shape *from,
		      uint32_t hidden, struct store *to_store,
		      const struct store_shape *to,
		      const struct records_look *look, char **column,
		      char **type, struct error *err);

#endif
