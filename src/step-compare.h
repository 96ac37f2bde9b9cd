/* SPDX-License-Identifier: MIT */
#ifndef STEP_COMPARE_H
#define STEP_COMPARE_H
/*
 * step-compare - the `records` verification: its parts, and how they are made
 *
 * In order: the copies and the plan's own pair of sets are compared at the
 * level that holds (asked for on the command line, else of the check, of the
 * plan's defaults, standard); then constraints, rules, and the queries that
 * are timed. All of it is made, and all that is wrong is told.
 */
#include <stdbool.h>

#include "base/strbuf.h"
#include "plan.h"
#include "records-map.h"
#include "step.h"

struct compare_rule {
	char *id;
	bool warn;
	const struct plan_store *store; /* zero */
	char *zero;
	struct plan_set equal[2];       /* or these */
};

struct compare_query {
	char *id;
	struct plan_set old, now;
	double tolerance, floor_s;
};

struct step_compare {
	struct step_count *count; /* counts alone; NULL mostly */
	struct strvec fits;             /* tries alone: ids of steps */
	bool own;                       /* map is given */
	struct records_map map;
	struct strvec copies;           /* ids of steps */
	enum plan_level level;
	double pause_s;
	struct compare_rule *rules;
	size_t rule_n;
	struct compare_query *queries;
	size_t query_n;
};

/* does it compare what the step, which copies, has copied? by the plan */
bool step_compare_has(const struct step_compare *m, const struct step *copy);
int step_compare_check(const struct step *s, struct step_ctx *ctx,
		       struct check_result *r, struct error *err);

#endif
