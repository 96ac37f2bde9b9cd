/* SPDX-License-Identifier: MIT */
#include "records-cast.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
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
	/* what is too large for it a whole number of the server refuses; blanks
	   at the end of a text that is too long it cuts off */
	if (a == TEXT)
		return b == WHOLE || (str_starts(wants, "character varying(") &&
				      !str_starts(has, "character("));
	return (a == TIME && b == TIME) ||
		((a == WHOLE || a == NUMBER) && (b == WHOLE || b == NUMBER));
}

bool records_cast_watched(const char *has, const char *wants)
{
	return records_cast_loses(has, wants) ||
		(family_of(has) == TEXT && strcmp(has, wants) != 0 &&
		 !str_starts(has, "character("));
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
		    const char *column, const char *has, const char *wants,
		    struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int n;

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
	n = store_exec(s, sql.buf, NULL, &b, &why);
	switch (store_class(n)) {
	case STORE_CLASS_BADROW:
	case STORE_CLASS_STALE:
	case STORE_CLASS_FATAL:
		return 0;
	case STORE_CLASS_NONE:
		return n > 0;
	case STORE_CLASS_RECONNECT:
	case STORE_CLASS_RETRY:
	case STORE_CLASS_SHRINK:
	case STORE_CLASS_CANCELLED:
		break;
	}
	error_move(err, &why);
	return n;
}

bool records_cast_is_json(const char *type)
{
	return !strcmp(type, "json") || !strcmp(type, "jsonb");
}

int records_cast_column(const struct store_batch *cols, const char *expr)
{
	for (uint32_t i = 0; i < cols->nrow; i++) {
		const struct store_cell *c = store_batch_cell(cols, i, COL_NAME);

		if (c->len >= 0 &&
		    store_sql_is_column(expr, store_batch_text(cols, c),
					(size_t)c->len))
			return (int)i;
	}
	return -1;
}

char *records_cast_type(const struct store_batch *cols, const char *expr)
{
	int row = records_cast_column(cols, expr);

	return row < 0 ? NULL : records_cell_text(cols, (uint32_t)row,
						  COL_TYPE);
}

struct looking {
	struct store *to;
	uint32_t nkey;           /* columns that are read for their order */
	struct store_shape shape;
	struct store_batch shown; /* without these; its texts are others' */
	uint32_t found;          /* its number + 1 */
	const struct records_look *look;
	uint64_t rows;
};

/* What is refused when it is copied is none of those that go and are changed:
   half of the rows again and again, without it. */
static int look_at(struct looking *k, uint32_t at, uint32_t n,
		   struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	uint32_t row, col;
	int ret = store_keeps(k->to, &k->shape, &k->shown, at, n, &row, &col,
			      &why);

	if (ret == 0) {
		k->found = col + 1;
		return -ECANCELED;
	}
	if (ret > 0)
		return 0;
	if (store_class(ret) != STORE_CLASS_BADROW) {
		error_move(err, &why);
		return ret;
	}
	ret = n > 1 ? look_at(k, at, n / 2, err) : 0;
	return ret < 0 || n == 1 ? ret : look_at(k, at + n / 2, n - n / 2,
						 err);
}

static int on_rows(void *ctx, const struct store_batch *b, struct error *err)
{
	struct looking *k = ctx;

	store_batch_show(b, k->nkey, &k->shown);
	k->rows += b->nrow;
	if (k->look->progress)
		k->look->progress(k->look->ctx, k->rows);
	return look_at(k, 0, b->nrow, err);
}

/* the columns of to, by their places there, in all rows that can be read */
static int look_at_all(struct store *from_store,
		       const struct store_shape *from, uint32_t hidden,
		       struct store *to_store, const struct store_shape *to,
		       const uint32_t *place, uint32_t n,
		       const struct records_look *look, struct error *err)
{
	_cleanup_free_ const char **col = xcalloc(from->nkey + n, sizeof(*col));
	_cleanup_free_ const char **expr = xcalloc(from->nkey + n,
						   sizeof(*expr));
	_cleanup_free_ const char **name = xcalloc(n, sizeof(*name));
	_cleanup_free_ bool *json = xcalloc(from->nkey + n, sizeof(*json));
	struct store_shape of = *from;
	struct looking k = { .to = to_store, .nkey = from->nkey,
			     .look = look };
	int ret;

	for (uint32_t i = 0; i < from->nkey + n; i++) {
		uint32_t at = i < from->nkey ? i :
			hidden + place[i - from->nkey];

		col[i] = from->col[at];
		expr[i] = from->expr ? from->expr[at] : NULL;
		json[i] = from->json && from->json[at];
		if (i >= from->nkey)
			name[i - from->nkey] = to->col[at - hidden];
	}
	of.ncol = from->nkey + n;
	of.col = col;
	of.expr = expr;
	of.json = json;
	k.shape = (struct store_shape){ .set = to->set, .ncol = n, .nkey = 1,
					.col = name };
	ret = store_each(from_store, &of, on_rows, &k, err);
	free(k.shown.cell);
	if (k.found)
		return (int)place[k.found - 1] + 1;
	/* rows that cannot be read are told by who copies them */
	if (store_class(ret) == STORE_CLASS_BADROW) {
		error_release(err);
		return 0;
	}
	return MIN(ret, 0);
}

/* has: NULL: the source is of another kind, or it is an expression */
static bool is_doubtful(const struct store_shape *to,
			const struct store_kinds *kinds, uint32_t i,
			const char *has, const char *wants)
{
	if (to->loose && to->loose[i])
		return false;
	/* the server looked */
	if (has && wants && records_cast_loses(has, wants))
		return false;
	return !kinds->n || !kinds->col[i].any;
}

/* the place of one in to, from 1; 0; or an error. dst: NULL: not looked at */
static int find(struct store *from_store, const struct store_shape *from,
		uint32_t hidden, struct store *to_store,
		const struct store_shape *to, const struct records_look *look,
		struct store_batch *src, struct store_batch *dst,
		struct error *err)
{
	_cleanup_free_ uint32_t *place = xcalloc(to->ncol, sizeof(*place));
	bool pg = store_is_pg(from_store) && store_is_pg(to_store);
	struct store_kinds kinds;
	uint32_t doubtful = 0;
	int ret = store_kinds(to_store, to, &kinds, err);

	for (uint32_t i = 0; ret >= 0 && i < to->ncol; i++) {
		const char *e = from->expr ? from->expr[hidden + i] : NULL;
		int row = pg ? records_cast_column(src, e ? e :
			from->col[hidden + i]) : -1;
		_cleanup_free_ char *name = row < 0 ? NULL :
			records_cell_text(src, (uint32_t)row, COL_NAME);
		_cleanup_free_ char *has = row < 0 ? NULL :
			records_cell_text(src, (uint32_t)row, COL_TYPE);
		_cleanup_free_ char *wants = records_cast_type(dst, to->col[i]);

		if (has && wants && records_cast_loses(has, wants))
			ret = look_for(from_store, from, name, has, wants,
				       err);
		if (ret > 0) {
			store_kinds_release(&kinds);
			return (int)i + 1;
		}
		if (look->read && is_doubtful(to, &kinds, i, has, wants))
			place[doubtful++] = i;
	}
	store_kinds_release(&kinds);
	return ret < 0 || !doubtful ? MIN(ret, 0) :
		look_at_all(from_store, from, hidden, to_store, to, place,
			    doubtful, look, err);
}

int records_cast_find(struct store *from_store, const struct store_shape *from,
		      uint32_t hidden, struct store *to_store,
		      const struct store_shape *to,
		      const struct records_look *look, char **column,
		      char **type, struct error *err)
{
	_cleanup_store_batch_ struct store_batch src = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch dst = STORE_BATCH_INIT;
	int n;

	if (!store_is_pg(to_store) &&
	    (!store_is_sqlite(to_store) || store_is_sqlite(from_store)))
		return 0;
	n = store_columns(from_store, from->set, &src, err);
	if (n >= 0)
		n = store_columns(to_store, to->set, &dst, err);
	if (n >= 0)
		n = find(from_store, from, hidden, to_store, to, look, &src,
			 &dst, err);
	if (n > 0) {
		*column = xstrdup(to->col[n - 1]);
		*type = records_cast_type(&dst, to->col[n - 1]);
	}
	return MIN(n, 1);
}
