/* SPDX-License-Identifier: MIT */
#ifndef SQL_SPLIT_H
#define SQL_SPLIT_H
/*
 * sql-split - a script cut into statements, and how each has to be run
 *
 * A lexer, not a parser: it knows where strings, names, comments and the
 * bodies of functions and triggers end, and looks at the first words of each
 * statement. What it does not know is a plain statement, which the database
 * judges itself.
 *
 * Sources: https://www.postgresql.org/docs/15/sql-syntax-lexical.html, psql's
 * rules for BEGIN ATOMIC (psqlscan.l), and sqlite3_complete() for triggers.
 */
#include <stdbool.h>
#include <stddef.h>

enum sql_dialect { SQL_PG, SQL_SQLITE };

enum sql_token_type {
	SQL_END,                 /* of the text */
	SQL_WORD,                /* a keyword or a bare name */
	SQL_NAME,                /* a quoted name */
	SQL_STRING,
	SQL_OTHER,               /* one character, or a number */
	SQL_BAD,                 /* a quote or comment that is never closed */
};

struct sql_token {
	enum sql_token_type type;
	const char *s;           /* borrowed from the text */
	size_t n;
	int line;                /* from 1 */
};

struct sql_lexer {
	const char *p, *end;
	enum sql_dialect dialect;
	int line;
};

void sql_lex(struct sql_lexer *l, enum sql_dialect d, const char *text,
	     size_t len);
/* the next token; comments and white space are skipped */
void sql_next(struct sql_lexer *l, struct sql_token *t);
/* a bare word, in any case */
bool sql_is(const struct sql_token *t, const char *word);
/* the name as the database stores it; NULL if it is none; caller frees */
char *sql_name(const struct sql_token *t, enum sql_dialect d);

enum sql_how {
	SQL_PLAIN,               /* in a transaction with others */
	SQL_SETTING,             /* the same; again for a new connection */
	SQL_ALONE,               /* in no transaction, or not with others */
};

struct sql_stmt {
	char *text;              /* without the semicolon */
	int line;                /* in the script, from 1 */
	enum sql_how how;
	/* CREATE INDEX CONCURRENTLY: as the database stores them; schema NULL:
	   not given */
	char *index, *schema, *table;
	bool if_not_exists;
};

struct sql_list {
	struct sql_stmt *v;
	size_t n, cap;
};

#define SQL_LIST_INIT { 0 }
void sql_list_release(struct sql_list *l);
/*
 * Appends every statement of text. NULL, or why not (marked with N_()), with
 * the line in *line: text that is not closed, or a statement that cannot be
 * had (the transaction is ours, psql's own commands, COPY from a client).
 */
const char *sql_split(struct sql_list *l, enum sql_dialect d, const char *text,
		      size_t len, int *line);

#endif
