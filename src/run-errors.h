/* SPDX-License-Identifier: MIT */
#ifndef RUN_ERRORS_H
#define RUN_ERRORS_H
/*
 * run-errors - what the steps of a run met on their way, in groups
 *
 * Rows that stand refused, and what was done again, from the facts "errors" of
 * steps that are not undone (see records-errors.h), added up over steps and
 * hours: the most first. The report has all of it, hour by hour.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;
struct run;
struct strbuf;

/* [{class, sqlstate, table, count}, ...]; new, NULL where there is none */
struct json_object *run_errors_json(const struct run *r);
/* "bad-row 23514 users 4, conflict 40001 users 2, ...", the first three; false,
   and nothing appended, where there is none */
bool run_errors_text(const struct run *r, struct strbuf *out);

#endif
