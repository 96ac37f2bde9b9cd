/* SPDX-License-Identifier: MIT */
#ifndef PLAN_DRAFT_H
#define PLAN_DRAFT_H
/*
 * plan-draft - a first plan, from the schema of a database
 *
 * It makes the same tables in a new database, copies each of them, referred to
 * before referring, ties them together, and compares; its author changes what
 * is to be different. What has to be decided stands in comments (in English,
 * as plans are). Tables without a key are named and left out.
 *
 * url: how the plan names the database, as the user typed it, so that what it
 * takes from the environment stays there; it holds no password. The store is
 * read alone, in one transaction where there are such.
 */
struct error;
struct store;
struct strbuf;

int plan_draft(struct store *s, const char *url, struct strbuf *out,
	       struct error *err);

#endif
