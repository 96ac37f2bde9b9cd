/* SPDX-License-Identifier: MIT */
#ifndef SQL_WORDS_H
#define SQL_WORDS_H
/*
 * sql-words - the tokens of one statement, to be looked at by their number
 *
 * For those who judge a statement by its words (sql-lint, sql-select). The
 * text has to live as long; a text that breaks off ends where it does.
 */
#include "base/compiler.h"
#include "sql-split.h"

/* a value struct */
struct sql_words {
	struct sql_token *t;
	size_t n, cap;
	enum sql_dialect d;
};
#define SQL_WORDS_INIT { .t = NULL }
#define _cleanup_sql_words_ _cleanup_(sql_words_release)

void sql_words_read(struct sql_words *w, enum sql_dialect d, const char *text);
void sql_words_release(struct sql_words *w);
/* there is an i-th, and it is this bare word (in any case) or sign */
bool sql_word(const struct sql_words *w, size_t i, const char *text);

#endif
