/* SPDX-License-Identifier: MIT */
#ifndef STORE_SQL_H
#define STORE_SQL_H
/*
 * store-sql - pieces of SQL that all dialects take; appended
 *
 * For whoever makes a statement for store_exec() out of names of the plan.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct strbuf;
struct store_shape;

/* quoted; the set NAME or SCHEMA.NAME */
void store_sql_name(struct strbuf *sb, const char *name);
void store_sql_set(struct strbuf *sb, const char *set);
/* does the expression say the column of that name, as it is or in quotes, and
   nothing else? */
bool store_sql_is_column(const char *expr, const char *name, size_t n);
/* a literal of SQL; that of a set is for to_regclass() */
void store_sql_literal(struct strbuf *sb, const char *text);
void store_sql_set_literal(struct strbuf *sb, const char *set);
/* PostgreSQL: a statement for each partition of the set, and each table that
   inherits from it, at any level. `what` is a condition on its row c of pg_class
   ("true": all); head and tail stand around its name. Nothing happens to the set
   itself. */
void store_sql_below(struct strbuf *sb, const char *set, const char *what,
		     const char *head, const char *tail);
/* names of the columns from .. to, a comma between two */
void store_sql_names(struct strbuf *sb, const struct store_shape *shape,
		     uint32_t from, uint32_t to);

#endif
