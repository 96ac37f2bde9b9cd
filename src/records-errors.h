/* SPDX-License-Identifier: MIT */
#ifndef RECORDS_ERRORS_H
#define RECORDS_ERRORS_H
/*
 * records-errors - what went wrong while rows went, counted
 *
 * By class, SQLSTATE and hour (UTC, "2026-11-21 14"), for a report: rows that
 * were refused stand in the list of rejects, and come from there; all else is
 * counted as it happens. Classes are "connection", "conflict", "too-much" (done
 * again, with less at a time) and "bad-row". Not locked.
 */
#include <stddef.h>
#include <stdint.h>

struct error;
struct json_object;
struct store;

struct records_error {
	const char *class;           /* static */
	char sqlstate[6], hour[14];
	uint64_t n;
};

struct records_errors {
	struct records_error *v;
	size_t n, cap;
};

void records_errors_release(struct records_errors *e);
/* one that was returned just now, of this class; what is none is left out */
void records_errors_add(struct records_errors *e, int ret,
			const char *sqlstate);
/* the rows that are in the list, in place of those that were */
int records_errors_rejects(struct records_errors *e, const char *marks,
			   struct store *to, struct error *err);
/* {class, sqlstate, table, hour, count} each; new. And back, added up, without
   bad rows; o may be NULL. */
struct json_object *records_errors_json(const struct records_errors *e,
					const char *table);
void records_errors_parse(struct records_errors *e, struct json_object *o);

#endif
