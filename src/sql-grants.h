/* SPDX-License-Identifier: MIT */
#ifndef SQL_GRANTS_H
#define SQL_GRANTS_H
/*
 * sql-grants - the least rights that a plan needs on its servers
 *
 * Kinds of steps say what they read and write (ops->grants); what statements
 * need is found in their words. What the plan makes itself it owns. It is a
 * lexer that looks, not a parser: the bodies of functions are not looked into.
 */
#include <stddef.h>

struct plan;
struct plan_set;
struct plan_store;
struct sql_list;
struct strbuf;

struct sql_grant {
	const struct plan_store *store;
	char *right;             /* "SELECT", ...; "OWN"; "CREATE"; "MADE" */
	char *set;               /* of "CREATE" the schema, NULL: the database */
};

struct sql_grants {
	struct sql_grant *v;
	size_t n, cap;
};

#define SQL_GRANTS_INIT { 0 }
void sql_grants_release(struct sql_grants *g);
/* rights with blanks between them, on a set of a server; others are nothing */
void sql_grants_table(struct sql_grants *g, const struct plan_store *st,
		      const char *rights, const char *set);
/* a set or a query that is read */
void sql_grants_read(struct sql_grants *g, const struct plan_set *set);
void sql_grants_text(struct sql_grants *g, const struct plan_store *st,
		     const char *sql);
void sql_grants_list(struct sql_grants *g, const struct plan_store *st,
		     const struct sql_list *l);
/* our own tables */
void sql_grants_ours(struct sql_grants *g, const struct plan_store *st);
/* of all checks and steps, as a script for psql with -v role=NAME */
void sql_grants_plan(const struct plan *p, struct strbuf *out);

#endif
