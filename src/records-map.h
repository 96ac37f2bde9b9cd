/* SPDX-License-Identifier: MIT */
#ifndef RECORDS_MAP_H
#define RECORDS_MAP_H
/*
 * records-map - which records of one store stand for which of another
 *
 * What copying and verifying have in common. The plan says
 *
 *	from = "old:chunks"; to = "new:unified.chunks"; key = "chunk_id";
 *	columns = { chunk_id = "id"; contents = "content"; };
 *	where = "deleted IS NULL"; owns = "NOT is_tag";
 *
 * columns: of the destination, and what is read for each of them in the
 * language of the source; none: all columns of the source by their names. key:
 * columns of the destination. where: a condition on the source; owns: one on
 * the destination, where it has rows from elsewhere too.
 *
 * Of a step that copies step-records.h makes the shapes, and records_map_cast()
 * makes of them what a comparison takes.
 */
#include <stdbool.h>

#include "base/strbuf.h"
#include "plan.h"
#include "store.h"

struct error;
struct plan_node;

struct records_map {
	struct plan_set from, to;
	struct strvec key;
	struct strvec col, expr;     /* as many of each, or none */
	char *where, *owns;          /* NULL: all */
};

/* reads from, to, key, columns, where, owns; problems are reported */
void records_map_parse(struct plan_node *n, bool required,
		       struct records_map *ret);
void records_map_release(struct records_map *m);

/*
 * The same against two stores. Columns: `hidden` ones of the source, by which
 * it can be read in order where the key is an expression, then those of the
 * destination, its key first, in both shapes alike (from without the hidden
 * ones is what to is). Between two databases of PostgreSQL expressions are cast
 * to the type of the destination's column, but those of the key, whose index
 * would not be used then.
 */
struct records_shapes {
	struct store_shape from, to;
	uint32_t hidden;
	struct strvec from_col, from_expr, to_col;
	const char **expr;
	bool *json;
};
int records_map_resolve(const struct records_map *m, struct store *from,
			struct store *to, struct records_shapes *ret,
			struct error *err);
/* the same of shapes that are there, whose texts it borrows */
int records_map_cast(const struct store_shape *from, uint32_t hidden,
		     const struct store_shape *to, struct store *from_store,
		     struct store *to_store, struct records_shapes *ret,
		     struct error *err);
void records_shapes_release(struct records_shapes *s);

#endif
