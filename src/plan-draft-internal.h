/* SPDX-License-Identifier: MIT */
#ifndef PLAN_DRAFT_INTERNAL_H
#define PLAN_DRAFT_INTERNAL_H
/*
 * plan-draft-internal - what is found in the database, and what is written
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"

struct error;
struct store;

struct draft_table {
	char *set;               /* as a plan names it */
	char *id;                /* of its step */
	struct strvec columns, key;
	struct strvec refers;    /* sets that its foreign keys point to */
	bool placed;             /* in the order */
};

struct draft {
	bool server;             /* PostgreSQL */
	struct draft_table *t;
	size_t n, cap;
	/* statements: before the rows, behind them, and back again */
	struct strvec before, before_down, after, after_down;
	struct strvec left;      /* what the plan does not do, for a comment */
};

void draft_release(struct draft *d);
struct draft_table *draft_add(struct draft *d, const char *set);
/* tables, their columns and keys, and the statements that make them */
int draft_look_sqlite(struct store *s, struct draft *d, struct error *err);
int draft_look_server(struct store *s, struct draft *d, struct error *err);

#endif
