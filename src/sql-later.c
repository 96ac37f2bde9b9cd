/* SPDX-License-Identifier: MIT */
/* A statement for a range of keys that has a beginning. */
#include <string.h>

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
