/* SPDX-License-Identifier: MIT */
/* The tokens of SQL, as PostgreSQL and SQLite have them. */
#include <string.h>
#include <strings.h>

#include "base/strbuf.h"
#include "base/xalloc.h"
#include "sql-split.h"

void sql_lex(struct sql_lexer *l, enum sql_dialect d, const char *text,
	     size_t len)
{
	l->p = text;
	l->end = text + len;
	l->dialect = d;
	l->line = 1;
}

static char at(const struct sql_lexer *l, size_t i)
{
	return i < (size_t)(l->end - l->p) ? l->p[i] : '\0';
}

static void skip(struct sql_lexer *l, size_t n)
{
	while (n-- && l->p < l->end)
		if (*l->p++ == '\n')
			l->line++;
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool starts_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* false: it is never closed, which SQLite does not mind */
static bool skip_comment(struct sql_lexer *l)
{
	bool nests = l->dialect == SQL_PG;
	int depth = 0;

	do {
		if (l->p >= l->end)
			return !nests;
		if (at(l, 0) == '/' && at(l, 1) == '*' && (nests || !depth)) {
			depth++;
			skip(l, 2);
		} else if (at(l, 0) == '*' && at(l, 1) == '/') {
			depth--;
			skip(l, 2);
		} else {
			skip(l, 1);
		}
	} while (depth);
	return true;
}

static bool skip_blank(struct sql_lexer *l)
{
	while (l->p < l->end) {
		if (is_space(*l->p) || *l->p == '\0')
			skip(l, 1);
		else if (at(l, 0) == '-' && at(l, 1) == '-')
			while (l->p < l->end && *l->p != '\n')
				l->p++;
		else if (at(l, 0) != '/' || at(l, 1) != '*')
			break;
		else if (!skip_comment(l))
			return false;
	}
	return true;
}

/* up to the same quote, which is doubled inside; false: never closed */
static bool skip_quoted(struct sql_lexer *l, char quote, bool escapes)
{
	skip(l, 1);
	while (l->p < l->end) {
		if (escapes && *l->p == '\\') {
			skip(l, 2);
		} else if (*l->p != quote) {
			skip(l, 1);
		} else if (at(l, 1) == quote && quote != ']') {
			skip(l, 2);
		} else {
			skip(l, 1);
			return true;
		}
	}
	return false;
}

/* length of $tag$, or 0 */
static size_t dollar_tag(const struct sql_lexer *l)
{
	size_t n = 1;

	if (l->dialect != SQL_PG || at(l, 0) != '$' || is_digit(at(l, 1)))
		return 0;
	while (starts_word(at(l, n)) || is_digit(at(l, n)))
		n++;
	return at(l, n) == '$' ? n + 1 : 0;
}

static bool skip_dollar(struct sql_lexer *l, size_t n)
{
	const char *tag = l->p;

	skip(l, n);
	while ((size_t)(l->end - l->p) >= n) {
		if (!memcmp(l->p, tag, n)) {
			skip(l, n);
			return true;
		}
		skip(l, 1);
	}
	return false;
}

static void skip_word(struct sql_lexer *l)
{
	while (starts_word(at(l, 0)) || is_digit(at(l, 0)) || at(l, 0) == '$')
		skip(l, 1);
}

/* E'...', and what else stands before a quote */
static size_t prefix_length(const struct sql_lexer *l, bool *escapes)
{
	char c = (char)(at(l, 0) | 0x20);

	*escapes = l->dialect == SQL_PG && c == 'e';
	if (*escapes && at(l, 1) == '\'')
		return 1;
	*escapes = false;
	if (l->dialect == SQL_PG && c == 'u' && at(l, 1) == '&' &&
	    (at(l, 2) == '\'' || at(l, 2) == '"'))
		return 2;
	return (c == 'b' || c == 'x' || (l->dialect == SQL_PG && c == 'n')) &&
	       at(l, 1) == '\'' ? 1 : 0;
}

static bool opens_name(const struct sql_lexer *l, char c)
{
	return c == '"' || (l->dialect == SQL_SQLITE &&
			    (c == '`' || c == '['));
}

void sql_next(struct sql_lexer *l, struct sql_token *t)
{
	bool closed = skip_blank(l), escapes = false;
	size_t tag, n = 0;
	char c;

	t->s = l->p;
	t->line = l->line;
	c = at(l, 0);
	if (closed && l->p < l->end && starts_word(c))
		n = prefix_length(l, &escapes);
	if (!closed || l->p >= l->end) {
		t->type = closed ? SQL_END : SQL_BAD;
	} else if (at(l, n) == '\'') {
		t->type = SQL_STRING;
		skip(l, n);
		closed = skip_quoted(l, '\'', escapes);
	} else if (opens_name(l, at(l, n))) {
		t->type = SQL_NAME;
		skip(l, n);
		closed = skip_quoted(l, c == '[' ? ']' : at(l, 0), false);
	} else if ((tag = dollar_tag(l))) {
		t->type = SQL_STRING;
		closed = skip_dollar(l, tag);
	} else if (starts_word(c)) {
		t->type = SQL_WORD;
		skip_word(l);
	} else {
		t->type = SQL_OTHER;
		if (is_digit(c))
			skip_word(l);
		else
			skip(l, 1);
	}
	if (!closed)
		t->type = SQL_BAD;
	t->n = (size_t)(l->p - t->s);
}

bool sql_is(const struct sql_token *t, const char *word)
{
	return (t->type == SQL_WORD || t->type == SQL_OTHER) &&
	       strlen(word) == t->n && !strncasecmp(t->s, word, t->n);
}

char *sql_name(const struct sql_token *t, enum sql_dialect d)
{
	struct strbuf sb = STRBUF_INIT;
	char end;

	if (t->type == SQL_WORD) {
		for (size_t i = 0; i < t->n; i++) {
			bool upper = t->s[i] >= 'A' && t->s[i] <= 'Z';

			strbuf_addch(&sb, (char)(d == SQL_PG && upper ?
						 t->s[i] | 0x20 : t->s[i]));
		}
		return strbuf_detach(&sb);
	}
	if (t->type != SQL_NAME || t->n < 2)
		return NULL;
	end = t->s[t->n - 1];
	for (size_t i = 1; i < t->n - 1; i++) {
		strbuf_addch(&sb, t->s[i]);
		if (t->s[i] == end)
			i++;
	}
	return strbuf_detach(&sb);
}
