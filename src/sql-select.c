/* SPDX-License-Identifier: MIT */
#include "sql-select.h"

#include <stdlib.h>

#include "base/compiler.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "sql-words.h"

void sql_select_release(struct sql_select *q)
{
	strvec_release(&q->names);
	strvec_release(&q->from);
	free(q->table);
	q->table = NULL;
}

static bool is_name(const struct sql_words *w, size_t i)
{
	return i < w->n && (w->t[i].type == SQL_WORD ||
			    w->t[i].type == SQL_NAME);
}

/* behind the parenthesis that opens at i, or i + 1 */
static size_t behind(const struct sql_words *w, size_t i)
{
	int depth = 0;

	do {
		if (sql_word(w, i, "(") || sql_word(w, i, "["))
			depth++;
		else if (sql_word(w, i, ")") || sql_word(w, i, "]"))
			depth--;
		i++;
	} while (depth > 0 && i < w->n);
	return i;
}

/* the end of a column: a comma, FROM, or the end of all */
static size_t column_end(const struct sql_words *w, size_t i)
{
	size_t at = i;

	while (at < w->n && !sql_word(w, at, ",") &&
	       (!sql_word(w, at, "from") ||
		(at > i + 1 && sql_word(w, at - 1, "distinct"))))
		at = behind(w, at);
	return at;
}

/* behind NAME or NAME.NAME at i, or i; *last is where the last name is */
static size_t dotted(const struct sql_words *w, size_t i, size_t *last)
{
	size_t at = i;

	while (is_name(w, at)) {
		*last = at;
		at++;
		if (!sql_word(w, at, "."))
			return at;
		at++;
	}
	return i;
}

/* 0, or -1: it has no name */
static int read_column(const struct sql_words *w, size_t from, size_t to,
		       struct sql_select *q)
{
	size_t last = 0, end = dotted(w, from, &last);
	bool plain = end > from;
	size_t name = last;

	if (to - from > 2 && sql_word(w, to - 2, "as") && is_name(w, to - 1)) {
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

static bool has_inner(const struct sql_words *w)
{
	for (size_t i = 1; i < w->n; i++)
		if (sql_word(w, i, "select") || sql_word(w, i, "with"))
			return true;
	return false;
}

/* FROM at i, and behind it one table, its other name, and a WHERE */
static void read_table(const struct sql_words *w, size_t i,
		       struct sql_select *q)
{
	static const char *const more[] = { "group", "having", "union",
		"intersect", "except", "limit", "window", "order", "fetch",
		"offset" };
	struct strbuf sb = STRBUF_INIT;
	size_t last, from = i + 1, to = dotted(w, from, &last);

	if (!sql_word(w, i, "from") || to == from || has_inner(w))
		return;
	for (size_t k = to; k < w->n; k++)
		for (size_t m = 0; m < ARRAY_SIZE(more); m++)
			if (sql_word(w, k, more[m]))
				return;
	for (size_t k = from; k < to; k += 2) {
		_cleanup_free_ char *name = sql_name(&w->t[k], w->d);

		strbuf_addf(&sb, "%s%s", k > from ? "." : "", name);
	}
	if (sql_word(w, to, "as"))
		to++;
	if (is_name(w, to) && !sql_word(w, to, "where"))
		to++;
	if (to < w->n && !sql_word(w, to, "where"))
		strbuf_release(&sb);
	else
		q->table = strbuf_detach(&sb);
}

const char *sql_select_read(struct sql_select *q, enum sql_dialect d,
			    const char *text)
{
	_cleanup_sql_words_ struct sql_words w = SQL_WORDS_INIT;
	bool distinct;
	size_t at = 1;

	sql_words_read(&w, d, text);
	if (!sql_word(&w, 0, "select"))
		return N_("it must begin with SELECT");
	distinct = sql_word(&w, 1, "distinct");
	at += distinct;
	for (;;) {
		size_t end = column_end(&w, at);

		if (read_column(&w, at, end, q) < 0)
			return N_("each of its columns needs a name (AS ...)");
		at = end;
		if (!sql_word(&w, at, ","))
			break;
		at++;
	}
	if (!distinct)
		read_table(&w, at, q);
	return NULL;
}
