/* SPDX-License-Identifier: MIT */
#include "sql-words.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

void sql_words_release(struct sql_words *w)
{
	free(w->t);
	memset(w, 0, sizeof(*w));
}

void sql_words_read(struct sql_words *w, enum sql_dialect d, const char *text)
{
	struct sql_lexer l;
	struct sql_token t;

	w->n = 0;
	w->d = d;
	sql_lex(&l, d, text, strlen(text));
	for (;;) {
		sql_next(&l, &t);
		if (t.type == SQL_END || t.type == SQL_BAD)
			return;
		VEC_GROW(w->t, w->n, w->cap);
		w->t[w->n++] = t;
	}
}

bool sql_word(const struct sql_words *w, size_t i, const char *text)
{
	return i < w->n && sql_is(&w->t[i], text);
}
