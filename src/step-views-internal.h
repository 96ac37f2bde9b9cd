/* SPDX-License-Identifier: MIT */
#ifndef STEP_VIEWS_INTERNAL_H
#define STEP_VIEWS_INTERNAL_H
/* step-views-internal - what the files of step-views share */
#include "step-views.h"

/* All that is said of one view; quoted, but for those that are literals. */
struct view_names {
	char *own;               /* _upshift."S_N" */
	char *trip;
	char *seen;              /* N as the plan has it */
	char *early;             /* its name until the table is out of the way */
	char *last;              /* N without its schema */
	char *aside;             /* "upshift_old_S" */
	char *lit_seen, *lit_aside, *lit_last, *lit_name, *lit_step;
	char *schema;            /* of N, an expression */
};
#define _cleanup_view_names_ _cleanup_(view_names_release)

void view_names(const struct views_spec *v, const struct view_spec *w,
		struct view_names *n);
void view_names_release(struct view_names *n);
/* new strings */
char *view_quoted(const char *name);
char *view_quoted_set(const char *name);
char *view_literal(const char *text);

/* body of a trigger function: what a client does to a row, by op */
void view_branches(const struct view_spec *w, struct strbuf *body,
		   struct strbuf *ops);
/* PostgreSQL: the row that says that the use is counted */
void view_watch(const struct views_spec *v, const struct view_names *n,
		bool mirror, struct sql_list *l);

/* step-mirror.c: tables in the place of views */
void mirror_pg_shared(const struct views_spec *v, struct sql_list *l);
void mirror_pg(const struct views_spec *v, const struct view_spec *w,
	       struct sql_list *l);
void mirror_pg_back(const struct views_spec *v, const struct view_spec *w,
		    struct sql_list *l);
void mirror_pg_shared_back(const struct views_spec *v, struct sql_list *l);
void mirror_sqlite(const struct view_spec *w, struct sql_list *l);

#endif
