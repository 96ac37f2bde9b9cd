/* SPDX-License-Identifier: MIT */
#include "records-cast.h"

#include <ctype.h>
#include <string.h>

#include "base/error.h"
#include "base/xalloc.h"
#include "records-copy-internal.h"
#include "store-sql.h"

enum family { OTHER, WHOLE, NUMBER, TIME, TEXT };

enum { COL_NAME, COL_TYPE };

static enum family family_of(const char *type)
{
	static const struct {
		const char *name;
		enum family f;
	} names[] = {
		{ "smallint", WHOLE }, { "integer", WHOLE },
		{ "bigint", WHOLE }, { "numeric", NUMBER },
		{ "real", NUMBER }, { "double precision", NUMBER },
		{ "date", TIME }, { "timestamp", TIME }, { "time", TIME },
		{ "text", TEXT }, { "character", TEXT },
	};
	size_t len = strlen(type);

	if (len > 2 && !strcmp(type + len - 2, "[]"))
		return OTHER;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t n = strlen(names[i].name);

		/* with a length, or further words, behind it */
		if (!strncmp(type, names[i].name, n) &&
		    (!type[n] || type[n] == '(' || type[n] == ' '))
			return names[i].f;
	}
	return OTHER;
}

bool records_cast_loses(const char *has, const char *wants)
{
	enum family a = family_of(has), b = family_of(wants);

	if (!strcmp(has, wants) || (a == WHOLE && b == WHOLE))
		return false;
	/* what is too large for it a whole number of the server refuses */
	if (a == TEXT)
		return b == WHOLE;
	return (a == TIME && b == TIME) ||
		((a == WHOLE || a == NUMBER) && (b == WHOLE || b == NUMBER));
}

/* as its text is read: a cast of its own may go another way */
static void add_read(struct strbuf *sql, const char *column, const char *wants)
{
	strbuf_addstr(sql, "(");
	store_sql_name(sql, column);
	strbuf_addf(sql, "::text)::%s", wants);
}

/* is the value of the column back from the other type what it was? */
static void add_stays(struct strbuf *sql, const char *column, const char *has,
		      const char *wants)
{
	strbuf_addstr(sql, "(");
	add_read(sql, column, wants);
	strbuf_addf(sql, ")::%s IS NOT DISTINCT FROM ", has);
	store_sql_name(sql, column);
}

void records_cast_add(struct strbuf *sql, const char *column, const char *has,
		      const char *wants)
{
	if (!records_cast_loses(has, wants)) {
		store_sql_name(sql, column);
		strbuf_addf(sql, "::%s", wants);
		return;
	}
	strbuf_addstr(sql, "CASE WHEN ");
	add_stays(sql, column, has, wants);
	strbuf_addstr(sql, " THEN (");
	add_read(sql, column, wants);
	strbuf_addstr(sql, ")::text ELSE ");
	store_sql_name(sql, column);
	strbuf_addstr(sql, "::text END");
}

/* 1: there is such a value; 0 as well, where the server cannot tell: what it
   does not take at all it refuses when it is copied */
static int look_for(struct store *s, const struct store_shape *shape,
		    const char *column, const char *has, const char *wants)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;

	strbuf_addstr(&sql, "SELECT 1 FROM ");
	store_sql_set(&sql, shape->set);
	strbuf_addstr(&sql, " WHERE NOT (");
	add_stays(&sql, column, has, wants);
	/* a real one that is 0.1 in both is another, and has the same text */
	strbuf_addstr(&sql, ") AND (");
	add_read(&sql, column, wants);
	strbuf_addstr(&sql, ")::text <> ");
	store_sql_name(&sql, column);
	strbuf_addstr(&sql, "::text");
	if (shape->where)
		strbuf_addf(&sql, " AND (%s\n)", shape->where);
	strbuf_addstr(&sql, " LIMIT 1");
	return store_exec(s, sql.buf, NULL, &b, NULL) > 0;
}

static char *type_of(const struct store_batch *cols, const char *name)
{
	for (uint32_t i = 0; i < cols->nrow; i++) {
		_cleanup_free_ char *is = records_cell_text(cols, i, COL_NAME);

		if (!strcmp(is, name))
			return records_cell_text(cols, i, COL_TYPE);
	}
	return NULL;
}

int records_cast_find(struct store *from_store, const struct store_shape *from,
		      uint32_t hidden, struct store *to_store,
		      const struct store_shape *to, char **column, char **type,
		      struct error *err)
{
	_cleanup_store_batch_ struct store_batch src = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch dst = STORE_BATCH_INIT;
	int n;

	if (!store_is_pg(from_store) || !store_is_pg(to_store))
		return 0;
	n = store_columns(from_store, from->set, &src, err);
	if (n >= 0)
		n = store_columns(to_store, to->set, &dst, err);
	for (uint32_t i = 0; n >= 0 && i < to->ncol; i++) {
		const char *e = from->expr ? from->expr[hidden + i] : NULL;
		const char *name = e ? e : from->col[hidden + i];
		_cleanup_free_ char *has = type_of(&src, name);
		_cleanup_free_ char *wants = type_of(&dst, to->col[i]);

		if (has && wants && records_cast_loses(has, wants) &&
		    look_for(from_store, from, name, has, wants)) {
			*column = xstrdup(to->col[i]);
			*type = TAKE_PTR(wants);
			return 1;
		}
	}
	return MIN(n, 0);
}
