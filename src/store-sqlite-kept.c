/* SPDX-License-Identifier: MIT */
/*
 * Values that a column of SQLite keeps. A column has an affinity: what looks
 * like a number becomes one where it is declared so, of text too, and loses
 * what lies behind 15 digits, or zeros in front; a number becomes text with 15
 * digits where it is declared as text. Nothing tells. So a value is bound in
 * the form that stays what it is, and where there is none its row is refused.
 * Source: https://www.sqlite.org/datatype3.html, 3 and 4.
 */
#include <ctype.h>
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "json-text.h"
#include "store-sqlite-internal.h"

enum affinity {
	KEEPS_ALL,               /* a view's columns, too: its triggers decide */
	MAKES_TEXT,
	MAKES_NUMBERS,
	MAKES_REALS,
};

/* a table that is STRICT: what such a column is given is what it has */
static bool is_strict(sqlite3 *db, const char *table)
{
	sqlite3_stmt *stmt = NULL;
	bool strict = false;

	/* an SQLite that does not know them has none */
	if (sqlite3_prepare_v2(db, "SELECT max(strict) FROM "
			       "pragma_table_list(?1)", -1, &stmt, NULL) ==
	    SQLITE_OK && sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC) ==
	    SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
		strict = sqlite3_column_int(stmt, 0);
	(void)sqlite3_finalize(stmt); /* as the step said */
	return strict;
}

static enum affinity of_type(sqlite3 *db, const char *table, const char *type)
{
	static const struct {
		const char *part;
		enum affinity a;
	} parts[] = {
		{ "INT", MAKES_NUMBERS }, { "CHAR", MAKES_TEXT },
		{ "CLOB", MAKES_TEXT }, { "TEXT", MAKES_TEXT },
		{ "BLOB", KEEPS_ALL }, { "REAL", MAKES_REALS },
		{ "FLOA", MAKES_REALS }, { "DOUB", MAKES_REALS },
	};

	if (!type || !*type || (!strcasecmp(type, "ANY") && is_strict(db, table)))
		return KEEPS_ALL;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (strcasestr(type, parts[i].part))
			return parts[i].a;
	return MAKES_NUMBERS;
}

unsigned char *sqlite_affinities(sqlite3 *db, const struct store_shape *shape)
{
	const char *dot = strchr(shape->set, '.'), *type;
	_cleanup_free_ char *schema = dot ? xstrndup(shape->set,
		(size_t)(dot - shape->set)) : NULL;
	const char *table = dot ? dot + 1 : shape->set;
	unsigned char *ret = xcalloc(MAX(shape->ncol, 1u), 1);

	for (uint32_t i = 0; i < shape->ncol; i++)
		if (sqlite3_table_column_metadata(db, schema, table,
			shape->col[i], &type, NULL, NULL, NULL, NULL) ==
		    SQLITE_OK)
			ret[i] = of_type(db, table, type);
	return ret;
}

static size_t digits(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && isdigit((unsigned char)p[i]))
		i++;
	return i;
}

/* would SQLite take the text for a number? */
static bool looks_like_number(const char *p, size_t n)
{
	size_t whole, part = 0;

	while (n && isspace((unsigned char)*p))
		p++, n--;
	while (n && isspace((unsigned char)p[n - 1]))
		n--;
	if (n && (*p == '-' || *p == '+'))
		p++, n--;
	whole = digits(p, n);
	p += whole, n -= whole;
	if (n && *p == '.') {
		part = digits(p + 1, n - 1);
		p += part + 1, n -= part + 1;
	}
	if (!whole && !part)
		return false;
	if (n && (*p == 'e' || *p == 'E')) {
		p++, n--;
		if (n && (*p == '-' || *p == '+'))
			p++, n--;
		whole = digits(p, n);
		if (!whole)
			return false;
		n -= whole;
	}
	return !n;
}

/* the number that the text is; SQLITE_MISMATCH: there is none that is it */
static int bind_exactly(sqlite3_stmt *stmt, int i, const char *p, size_t n,
			enum affinity a)
{
	_cleanup_free_ char *text = NULL;
	char again[STORE_NUMBER_ROOM];
	int64_t whole;
	double real;

	if (!json_number_valid(p, n))
		return SQLITE_MISMATCH;
	if (a == MAKES_NUMBERS && store_int_read(p, n, &whole))
		return sqlite3_bind_int64(stmt, i, whole);
	text = xstrndup(p, n);
	real = strtod(text, NULL);
	if (!isfinite(real) ||
	    json_number_cmp(p, n, again, store_real_write(real, again)))
		return SQLITE_MISMATCH;
	return sqlite3_bind_double(stmt, i, real);
}

bool sqlite_keeps_int(unsigned char affinity, int64_t v)
{
	const int64_t most = INT64_C(1) << 53; /* in the bits of a real one */

	return affinity == KEEPS_ALL || affinity == MAKES_NUMBERS ||
		(affinity == MAKES_REALS && v <= most && v >= -most);
}

bool sqlite_keeps_real(unsigned char affinity)
{
	return affinity != MAKES_TEXT;
}

bool sqlite_keeps_value(unsigned char affinity, sqlite3_value *v)
{
	const char *p;
	size_t n;

	switch (sqlite3_value_type(v)) {
	case SQLITE_INTEGER:
		return sqlite_keeps_int(affinity, sqlite3_value_int64(v));
	case SQLITE_FLOAT:
		return sqlite_keeps_real(affinity);
	case SQLITE_TEXT:
		if (affinity == KEEPS_ALL || affinity == MAKES_TEXT)
			return true;
		p = sqlite_text(v, &n);
		return !looks_like_number(p, n);
	default:
		return true;
	}
}

/* bound as the number that it is, would it stay that? */
static bool stays_number(enum store_type type, const char *p, size_t n,
			 enum affinity a)
{
	int64_t whole;
	double real;

	if (type == STORE_INT)
		return store_int_read(p, n, &whole) &&
			sqlite_keeps_int(a, whole);
	return type == STORE_NUM && store_real_read(p, n, &real);
}

int sqlite_bind_kept(sqlite3_stmt *stmt, int i, unsigned char affinity,
		     const struct store_batch *b, const struct store_cell *c)
{
	const char *p = store_batch_text(b, c);
	size_t n = p ? (size_t)c->len : 0;
	enum affinity a = (enum affinity)affinity;

	if (!p || a == KEEPS_ALL || c->type == STORE_BYTES ||
	    c->type == STORE_BOOL)
		return sqlite_bind_cell(stmt, i, b, c);
	if (a == MAKES_TEXT)
		return sqlite3_bind_text(stmt, i, p, (int)n, SQLITE_STATIC);
	return !stays_number((enum store_type)c->type, p, n, a) &&
		looks_like_number(p, n) ? bind_exactly(stmt, i, p, n, a) :
		sqlite_bind_cell(stmt, i, b, c);
}

int sqlite_keeps(struct store *s, const struct store_shape *shape,
		 const struct store_batch *b, uint32_t from, uint32_t n,
		 uint32_t *row, uint32_t *col, struct error *err)
{
	struct sqlite_store *q = (struct sqlite_store *)s;
	_cleanup_free_ unsigned char *affinity = sqlite_affinities(q->db,
								   shape);
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int ret = sqlite_prepare(q, "SELECT ?1", &stmt, err);

	for (uint32_t i = from; ret >= 0 && i < from + n; i++)
		for (uint32_t k = 0; k < shape->ncol; k++)
			if (sqlite_bind_kept(stmt, 1, affinity[k], b,
					     store_batch_cell(b, i, k))) {
				*row = i;
				*col = k;
				return 0;
			}
	return ret < 0 ? ret : 1;
}

int sqlite_bind_number(sqlite3_stmt *stmt, int i, unsigned char affinity,
		       const struct store_batch *b, const struct store_cell *c)
{
	if (affinity == MAKES_TEXT)
		return sqlite3_bind_text(stmt, i, store_batch_text(b, c),
					 c->len, SQLITE_TRANSIENT);
	return sqlite_bind_kept(stmt, i, affinity, b, c);
}
