/* SPDX-License-Identifier: MIT */
#include "records-keys.h"

#include <errno.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "store.h"
#include "store-sql.h"

/* SELECT the columns of the key, or `what`, of all rows */
static void add_select(struct strbuf *sql, const struct store_shape *shape,
		       const char *what)
{
	strbuf_addstr(sql, "SELECT ");
	strbuf_addstr(sql, what);
	strbuf_addstr(sql, " FROM ");
	store_sql_set(sql, shape->set);
	if (shape->where)
		strbuf_addf(sql, " WHERE (%s\n)", shape->where);
}

/* each column of the key, with `sep` between them and `end` behind each */
static void add_key(struct strbuf *sql, const struct store_shape *shape,
		    const char *sep, const char *end)
{
	for (uint32_t i = 0; i < shape->nkey; i++) {
		strbuf_addstr(sql, i ? sep : "");
		if (shape->expr && shape->expr[i])
			strbuf_addf(sql, "(%s)", shape->expr[i]);
		else
			store_sql_name(sql, shape->col[i]);
		strbuf_addstr(sql, end);
	}
}

static int look_for_null(struct store *s, const struct store_shape *shape,
			 struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;

	add_select(&sql, shape, "1");
	strbuf_addstr(&sql, shape->where ? " AND (" : " WHERE (");
	add_key(&sql, shape, " OR ", " IS NULL");
	strbuf_addstr(&sql, ") LIMIT 1");
	return store_exec(s, sql.buf, NULL, &b, err);
}

static int look_for_twins(struct store *s, const struct store_shape *shape,
			  struct strbuf *key, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT, cols = STRBUF_INIT;
	int n;

	if (store_key_is_primary(s, shape))
		return 0;
	add_key(&cols, shape, ", ", "");
	add_select(&sql, shape, cols.buf);
	strbuf_addstr(&sql, " GROUP BY ");
	for (uint32_t i = 0; i < shape->nkey; i++)
		strbuf_addf(&sql, "%s%u", i ? ", " : "", i + 1);
	strbuf_addstr(&sql, " HAVING count(*) > 1 LIMIT 1");
	n = store_exec(s, sql.buf, NULL, &b, err);
	if (n > 0)
		store_key(&b, 0, shape->nkey, key);
	return n;
}

int records_keys_look(struct store *s, const struct store_shape *shape,
		      char **why, struct error *err)
{
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	int n = look_for_null(s, shape, err);

	if (n == -EOPNOTSUPP) {
		error_release(err);
		return 0;
	}
	if (n > 0)
		*why = xasprintf(_("'%s' has rows without a key"), shape->set);
	else if (n == 0 && (n = look_for_twins(s, shape, &key, err)) > 0)
		*why = xasprintf(_("'%s' has more than one row with the key "
				   "%s"), shape->set, key.buf);
	return n;
}
