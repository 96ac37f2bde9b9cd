/* SPDX-License-Identifier: MIT */
#include "sql-split.h"

#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

/* first words of a statement that tell what it is */
#define HEAD 16

void sql_list_release(struct sql_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].text);
		free(l->v[i].index);
		free(l->v[i].schema);
		free(l->v[i].table);
	}
	free(l->v);
	memset(l, 0, sizeof(*l));
}

/* --- where a statement ends --- */

struct body {
	enum sql_dialect dialect;
	size_t seen;             /* tokens so far */
	bool known;              /* what it is; nothing more to look at */
	bool function, trigger;
	int paren, begin;
	bool end, end_before;    /* SQLite: ";" was last; "; END" was */
};

/* CREATE [OR REPLACE] FUNCTION|PROCEDURE; CREATE [TEMP] TRIGGER */
static void look_at_head(struct body *b, const struct sql_token *t)
{
	if (sql_is(t, "function") || sql_is(t, "procedure"))
		b->function = b->dialect == SQL_PG;
	else if (sql_is(t, "trigger"))
		b->trigger = b->dialect == SQL_SQLITE;
	else if (b->seen ? sql_is(t, "or") || sql_is(t, "replace") ||
		 sql_is(t, "temp") || sql_is(t, "temporary") :
		 sql_is(t, "create"))
		return;
	b->known = true;
}

static bool ends_statement(struct body *b, const struct sql_token *t)
{
	bool semicolon = sql_is(t, ";"), done;

	if (!b->known)
		look_at_head(b, t);
	b->seen++;
	if (b->trigger) {
		done = semicolon && b->end_before;
		b->end_before = b->end && sql_is(t, "end");
		b->end = semicolon;
		return done;
	}
	if (sql_is(t, "("))
		b->paren++;
	else if (sql_is(t, ")") && b->paren)
		b->paren--;
	if (b->function && !b->paren) {
		if (sql_is(t, "begin") || (b->begin && sql_is(t, "case")))
			b->begin++;
		else if (b->begin && sql_is(t, "end"))
			b->begin--;
	}
	return semicolon && !b->paren && !b->begin;
}

/* --- what a statement is --- */

struct head {
	struct sql_token t[HEAD];
	size_t n;
};

static bool word(const struct head *h, size_t i, const char *w)
{
	return i < h->n && sql_is(&h->t[i], w);
}

static bool has(const struct head *h, const char *w)
{
	for (size_t i = 0; i < h->n; i++)
		if (sql_is(&h->t[i], w))
			return true;
	return false;
}

static const char *refused(const struct head *h, enum sql_dialect d)
{
	static const char *const ours[] = { "begin", "start", "commit", "end",
		"rollback", "abort", "savepoint", "release", NULL };

	if (word(h, 0, "prepare") && word(h, 1, "transaction"))
		return N_("the transaction is opened and ended by upshift");
	for (size_t i = 0; ours[i]; i++)
		if (word(h, 0, ours[i]))
			return N_("the transaction is opened and ended by "
				  "upshift");
	if (word(h, 0, "copy") && (has(h, "stdin") || has(h, "stdout")))
		return N_("COPY has no client to talk to here");
	if (d == SQL_PG && word(h, 0, "\\"))
		return N_("the commands of psql cannot be had here");
	if (d == SQL_SQLITE && word(h, 0, "pragma") &&
	    word(h, 1, "foreign_keys"))
		return N_("foreign keys are switched off and checked by "
			  "upshift");
	if (d == SQL_SQLITE && (word(h, 0, "attach") || word(h, 0, "detach")))
		return N_("a store has no other databases attached");
	return NULL;
}

/* CREATE [UNIQUE] INDEX CONCURRENTLY [IF NOT EXISTS] name ON [ONLY] table */
static const char *take_index(const struct head *h, struct sql_stmt *s)
{
	size_t i = word(h, 1, "unique") ? 4 : 3;

	if (word(h, i, "if") && word(h, i + 1, "not")) {
		s->if_not_exists = true;
		i += 3;
	}
	if (i >= h->n || word(h, i, "on"))
		return N_("an index that is built CONCURRENTLY needs a name");
	s->index = sql_name(&h->t[i], SQL_PG);
	i += word(h, i + 2, "only") ? 3 : 2;
	if (word(h, i + 1, ".") && i + 2 < h->n) {
		s->schema = sql_name(&h->t[i], SQL_PG);
		i += 2;
	}
	if (i < h->n)
		s->table = sql_name(&h->t[i], SQL_PG);
	return s->index && s->table ? NULL :
	       N_("an index that is built CONCURRENTLY needs a name");
}

static bool adds_value(const struct head *h)
{
	for (size_t i = 0; i + 1 < h->n; i++)
		if (word(h, i, "add") && word(h, i + 1, "value"))
			return true;
	return false;
}

static bool pg_alone(const struct head *h)
{
	bool create = word(h, 0, "create"), drop = word(h, 0, "drop");
	bool alter = word(h, 0, "alter");

	if ((create || drop) && (word(h, 1, "database") ||
	    word(h, 1, "tablespace") || word(h, 1, "subscription")))
		return true;
	if (drop && word(h, 1, "index") && word(h, 2, "concurrently"))
		return true;
	if (alter && word(h, 1, "type") && adds_value(h))
		return true;
	if (alter && (word(h, 1, "table") || word(h, 1, "domain")) &&
	    has(h, "validate"))
		return true;
	if (alter && word(h, 1, "table") && has(h, "detach") &&
	    has(h, "concurrently"))
		return true;
	if (word(h, 0, "reindex"))
		return has(h, "concurrently") || has(h, "database") ||
		       has(h, "system") || has(h, "schema");
	return (alter && word(h, 1, "system")) || word(h, 0, "vacuum") ||
	       word(h, 0, "analyze") || word(h, 0, "analyse") ||
	       word(h, 0, "cluster");
}

static bool sqlite_alone(const struct head *h)
{
	static const char *const pragmas[] = { "journal_mode", "auto_vacuum",
		"page_size", "incremental_vacuum", "wal_checkpoint", NULL };

	for (size_t i = 0; word(h, 0, "pragma") && pragmas[i]; i++)
		if (word(h, 1, pragmas[i]))
			return true;
	return word(h, 0, "vacuum");
}

static const char *classify(const struct head *h, enum sql_dialect d,
			    struct sql_stmt *s)
{
	const char *why = refused(h, d);
	bool create = word(h, 0, "create");

	if (why)
		return why;
	if (d == SQL_SQLITE) {
		s->how = sqlite_alone(h) ? SQL_ALONE :
			 word(h, 0, "pragma") ? SQL_SETTING : SQL_PLAIN;
		return NULL;
	}
	if (create && ((word(h, 1, "index") && word(h, 2, "concurrently")) ||
		       (word(h, 1, "unique") && word(h, 3, "concurrently")))) {
		s->how = SQL_ALONE;
		return take_index(h, s);
	}
	if (pg_alone(h))
		s->how = SQL_ALONE;
	else if (word(h, 0, "reset") ||
		 (word(h, 0, "set") && !word(h, 1, "local") &&
		  !word(h, 1, "constraints") && !word(h, 1, "transaction")))
		s->how = SQL_SETTING;
	return NULL;
}

static void add(struct sql_list *l, const struct sql_stmt *s,
		const char *from, const char *to)
{
	VEC_GROW(l->v, l->n, l->cap);
	l->v[l->n] = *s;
	l->v[l->n++].text = xstrndup(from, (size_t)(to - from));
}

const char *sql_split(struct sql_list *l, enum sql_dialect d, const char *text,
		      size_t len, int *line)
{
	struct sql_lexer lex;
	struct sql_token t;
	struct body body = { .dialect = d };
	struct sql_stmt s = { 0 };
	struct head h = { .n = 0 };
	const char *from = NULL, *to = NULL, *why;
	bool ends;

	sql_lex(&lex, d, text, len);
	do {
		sql_next(&lex, &t);
		if (t.type == SQL_BAD) {
			*line = t.line;
			return N_("a quote or a comment is never closed");
		}
		ends = t.type == SQL_END || ends_statement(&body, &t);
		if (!ends) {
			if (!from) {
				from = t.s;
				s.line = t.line;
			}
			to = t.s + t.n;
			if (h.n < HEAD)
				h.t[h.n++] = t;
		} else if (from) {
			why = classify(&h, d, &s);
			*line = s.line;
			add(l, &s, from, to);
			if (why)
				return why;
		}
		if (ends) {
			from = NULL;
			h.n = 0;
			memset(&s, 0, sizeof(s));
			memset(&body, 0, sizeof(body));
			body.dialect = d;
		}
	} while (t.type != SQL_END);
	return NULL;
}
