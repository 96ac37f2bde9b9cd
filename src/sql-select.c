/* SPDX-License-Identifier: MIT */
#include "sql-select.h"

#include <stdlib.h>

#include "base/compiler.h"
#include "base/i18n.h"
#include "base/xalloc.h"

/* more words than these no query has that a plan writes down */
#define WORDS 4096

struct words {
	struct sql_token *t;
	size_t n;
	enum sql_dialect d;
};

static void words_release(struct words *w)
{
	free(w->t);
}

void sql_select_release(struct sql_select *q)
{
	strvec_release(&q->names);
	strvec_release(&q->from);
	free(q->table);
	q->table = NULL;
}

static void read_words(struct words *w, const char *text)
{
	struct sql_lexer l;

	w->t = xcalloc(WORDS, sizeof(*w->t));
	sql_lex(&l, w->d, text, strlen(text));
	for (w->n = 0; w->n < WORDS; w->n++) {
		sql_next(&l, &w->t[w->n]);
		if (w->t[w->n].type == SQL_END || w->t[w->n].type == SQL_BAD)
			break;
	}
}

static bool word(const struct words *w, size_t i, const char *text)
{
	return i < w->n && sql_is(&w->t[i], text);
}

static bool is_name(const struct words *w, size_t i)
{
	return i < w->n && (w->t[i].type == SQL_WORD ||
			    w->t[i].type == SQL_NAME);
}

/* behind the parenthesis that opens at i, or i + 1 */
static size_t behind(const struct words *w, size_t i)
{
	int depth = 0;

	do {
		if (word(w, i, "(") || word(w, i, "["))
			depth++;
		else if (word(w, i, ")") || word(w, i, "]"))
			depth--;
		i++;
	} while (depth > 0 && i < w->n);
	return i;
}

/* the end of a column: a comma, FROM, or the end of all */
static size_t column_end(const struct words *w, size_t i)
{
	size_t at = i;

	while (at < w->n && !word(w, at, ",") &&
	       (!word(w, at, "from") || (at > i + 1 &&
					 word(w, at - 1, "distinct"))))
		at = behind(w, at);
	return at;
}

/* behind NAME or NAME.NAME at i, or i; *last is where the last name is */
static size_t dotted(const struct words *w, size_t i, size_t *last)
{
	size_t at = i;

	while (is_name(w, at)) {
		*last = at;
		at++;
		if (!word(w, at, "."))
			return at;
		at++;
	}
	return i;
}

/* 0, or -1: it has no name */
static int read_column(const struct words *w, size_t from, size_t to,
		       struct sql_select *q)
{
	size_t last = 0, end = dotted(w, from, &last);
	bool plain = end > from;
	size_t name = last;

	if (to - from > 2 && word(w, to - 2, "as") && is_name(w, to - 1)) {
		name = to - 1;
		plain = plain && end == to - 2;
	} else if (!plain || end != to) {
		return -1;
	}
	strvec_take(&q->names, sql_name(&w->t[name], w->d));
	if (plain)
		strvec_take(&q->from, sql_name(&w->t[last], w->d));
	else
		strvec_push(&q->from, "");
	return 0;
}

static bool has_inner(const struct words *w)
{
	for (size_t i = 1; i < w->n; i++)
		if (word(w, i, "select") || word(w, i, "with"))
			return true;
	return false;
}

/* FROM at i, and behind it one table, its other name, and a WHERE */
static void read_table(const struct words *w, size_t i, struct sql_select *q)
{
	static const char *const more[] = { "group", "having", "union",
		"intersect", "except", "limit", "window", "order", "fetch",
		"offset" };
	struct strbuf sb = STRBUF_INIT;
	size_t last, from = i + 1, to = dotted(w, from, &last);

	if (!word(w, i, "from") || to == from || has_inner(w))
		return;
	for (size_t k = to; k < w->n; k++)
		for (size_t m = 0; m < ARRAY_SIZE(more); m++)
			if (word(w, k, more[m]))
				return;
	for (size_t k = from; k < to; k += 2) {
		_cleanup_free_ char *name = sql_name(&w->t[k], w->d);

		strbuf_addf(&sb, "%s%s", k > from ? "." : "", name);
	}
	if (word(w, to, "as"))
		to++;
	if (is_name(w, to) && !word(w, to, "where"))
		to++;
	if (to < w->n && !word(w, to, "where"))
		strbuf_release(&sb);
	else
		q->table = strbuf_detach(&sb);
}

const char *sql_select_read(struct sql_select *q, enum sql_dialect d,
			    const char *text)
{
	_cleanup_(words_release) struct words w = { .d = d };
	bool distinct;
	size_t at = 1;

	read_words(&w, text);
	if (!word(&w, 0, "select") || w.n == WORDS)
		return N_("it must begin with SELECT");
	distinct = word(&w, 1, "distinct");
	at += distinct;
	for (;;) {
		size_t end = column_end(&w, at);

		if (read_column(&w, at, end, q) < 0)
			return N_("each of its columns needs a name (AS ...)");
		at = end;
		if (!word(&w, at, ","))
			break;
		at++;
	}
	if (!distinct)
		read_table(&w, at, q);
	return NULL;
}
