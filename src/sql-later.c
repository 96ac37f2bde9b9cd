/* SPDX-License-Identifier: MIT */
/* A statement for a range of keys that has a beginning. */
#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "sql-later.h"
#include "sql-split.h"

struct tokens {
	struct sql_token *v;
	size_t n, cap;
	bool between;            /* so not every AND joins conditions */
};

static bool read_all(struct tokens *t, enum sql_dialect d, const char *sql)
{
	struct sql_lexer l;
	struct sql_token one;

	sql_lex(&l, d, sql, strlen(sql));
	do {
		sql_next(&l, &one);
		VEC_GROW(t->v, t->n, t->cap);
		t->v[t->n++] = one;
		t->between = t->between || sql_is(&one, "BETWEEN");
	} while (one.type != SQL_END && one.type != SQL_BAD);
	return one.type == SQL_END;
}

static bool is_number(const struct sql_token *t)
{
	return t->type == SQL_OTHER && t->s[0] >= '0' && t->s[0] <= '9';
}

/* ... WHERE ( $1 IS NULL OR, from the parenthesis on */
static bool begins(const struct tokens *t, size_t i)
{
	const struct sql_token *v = t->v + i;

	return i && i + 6 < t->n && sql_is(v, "(") &&
	       (sql_is(v - 1, "WHERE") ||
		(sql_is(v - 1, "AND") && !t->between)) &&
	       (sql_is(v + 1, "$") || sql_is(v + 1, "?")) &&
	       is_number(v + 2) && sql_is(v + 3, "IS") &&
	       sql_is(v + 4, "NULL") && sql_is(v + 5, "OR");
}

/* what stands behind the group takes it as a condition, not as a value */
static bool ends(const struct tokens *t, size_t i)
{
	static const char *const ok[] = {
		";", ")", "AND", "OR", "RETURNING", "GROUP", "ORDER", "LIMIT",
	};
	size_t depth = 0;

	do {
		if (sql_is(&t->v[i], "("))
			depth++;
		else if (sql_is(&t->v[i], ")"))
			depth--;
		i++;
	} while (depth && i < t->n);
	if (depth || i >= t->n)
		return false;
	if (t->v[i].type == SQL_END)
		return true;
	for (size_t k = 0; k < ARRAY_SIZE(ok); k++)
		if (sql_is(&t->v[i], ok[k]))
			return true;
	return false;
}

void sql_later(enum sql_dialect d, const char *sql, struct strbuf *out)
{
	struct tokens t = { .n = 0 };
	const char *from = sql;

	if (read_all(&t, d, sql))
		for (size_t i = 0; i < t.n; i++) {
			if (!begins(&t, i) || !ends(&t, i))
				continue;
			strbuf_add(out, from,
				   (size_t)(t.v[i].s + 1 - from));
			from = t.v[i + 5].s + t.v[i + 5].n;
		}
	strbuf_addstr(out, from);
	free(t.v);
}

/* the number of the parameter that token i begins, or 0 */
static size_t param(const struct tokens *t, size_t i)
{
	if (i + 1 >= t->n || !(sql_is(&t->v[i], "$") || sql_is(&t->v[i], "?")) ||
	    !is_number(&t->v[i + 1]))
		return 0;
	return strtoul(t->v[i + 1].s, NULL, 10);
}

/* is NULL something to what stands around it? (token i: a parameter) */
static bool bears_null(const struct tokens *t, size_t i)
{
	size_t k = i + 2;

	if (i >= 2 && sql_is(&t->v[i - 1], "(") &&
	    sql_is(&t->v[i - 2], "coalesce"))
		return true;
	/* a cast, to a type of one word and perhaps a length */
	if (k + 2 < t->n && sql_is(&t->v[k], ":") && sql_is(&t->v[k + 1], ":")) {
		k += 3;
		if (sql_is(&t->v[k], "("))
			while (k < t->n && !sql_is(&t->v[k++], ")"))
				;
	}
	return k < t->n && sql_is(&t->v[k], "IS");
}

const char *sql_range_fault(enum sql_dialect d, const char *sql, size_t n)
{
	bool lower = false, upper = false, null = false, known = true;
	struct tokens t = { .n = 0 };

	known = read_all(&t, d, sql);
	for (size_t i = 0; known && i < t.n; i++) {
		size_t p = param(&t, i);

		/* ?, :name and @name: not ours to count */
		known = p || !(sql_is(&t.v[i], "?") && d == SQL_SQLITE);
		lower = lower || (p && p <= n);
		upper = upper || (p > n && p <= 2 * n);
		null = null || (p && p <= n && bears_null(&t, i));
	}
	free(t.v);
	if (!known)
		return NULL;
	if (!lower && !upper)
		return N_("it names no keys, so each batch does all rows: WHERE "
			  "($1 IS NULL OR key > $1) AND key <= $2");
	if (!upper)
		return N_("it does not say where a batch ends, so each does all "
			  "rows behind its beginning: AND key <= $2");
	if (!lower)
		return N_("it does not say where a batch begins, so each does "
			  "the rows of those before it again: ($1 IS NULL OR "
			  "key > $1)");
	if (!null)
		return N_("$1 is NULL in the first batch, whose rows are passed "
			  "over so: ($1 IS NULL OR key > $1)");
	return NULL;
}
