/* SPDX-License-Identifier: MIT */
/* All rows of SQLite, as they lie. */
#include <sqlite3.h>

#include "base/strbuf.h"
#include "store-sqlite-internal.h"

/* at a time: what stays in the cache of a processor */
#define EACH_ROWS 1000
#define EACH_BYTES (256u << 10)

static int prepare_all(struct sqlite_store *q,
		       const struct store_shape *shape, sqlite3_stmt **stmt,
		       struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;

	strbuf_addstr(&sql, "SELECT ");
	store_sql_reads(&sql, shape, 0, shape->ncol);
	strbuf_addstr(&sql, " FROM ");
	store_sql_set(&sql, shape->set);
	store_sql_where(&sql, shape, NULL, NULL);
	return sqlite_prepare(q, sql.buf, stmt, err);
}

int sqlite_each(struct store *s, const struct store_shape *shape,
		store_rows_fn *fn, void *ctx, struct error *err)
{
	struct sqlite_store *q = (struct sqlite_store *)s;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int rc = SQLITE_ROW, ret = prepare_all(q, shape, &stmt, err);

	while (ret >= 0 && rc == SQLITE_ROW) {
		store_batch_clear(&b, shape->ncol);
		while (ret >= 0 && b.nrow < EACH_ROWS && b.n < EACH_BYTES &&
		       (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
			for (uint32_t i = 0; i < shape->ncol; i++)
				sqlite_add_column(&b, stmt, (int)i);
			ret = store_check_key(s, shape, &b, err);
		}
		if (ret >= 0 && b.nrow)
			ret = fn(ctx, &b, err);
		/* it may take as long as it likes, if only it goes on */
		store_clock_start(&q->clock, q->statement_ms);
	}
	return ret < 0 ? ret : rc == SQLITE_DONE ? 0 : sqlite_failed(q, err);
}

static void hash_value(struct store_hasher *h, sqlite3_value *v)
{
	const void *p;
	size_t n;

	switch (sqlite3_value_type(v)) {
	case SQLITE_NULL:
		store_hash_null(h);
		return;
	case SQLITE_INTEGER:
		store_hash_int(h, sqlite3_value_int64(v));
		return;
	case SQLITE_FLOAT:
		store_hash_real(h, sqlite3_value_double(v));
		return;
	case SQLITE_BLOB:
		p = sqlite_blob(v, &n);
		store_hash_blob(h, p, n);
		return;
	default:
		p = sqlite_text(v, &n);
		store_hash_text(h, p, n);
	}
}

/* some rows, up to the end of them */
static int hash_some(struct sqlite_store *q, const struct store_shape *shape,
		     sqlite3_stmt *stmt, struct store_hasher *h,
		     struct store_batch *keys, struct store_hashed *row,
		     int *rc, struct error *err)
{
	int ret = 0;

	while (ret >= 0 && keys->nrow < EACH_ROWS &&
	       (*rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		for (uint32_t i = 0; i < shape->ncol; i++)
			hash_value(h, sqlite3_column_value(stmt, (int)i));
		row[keys->nrow] = store_hash_row(h);
		for (uint32_t i = 0; i < shape->nkey; i++)
			sqlite_add_column(keys, stmt, (int)i);
		ret = store_check_key(&q->s, shape, keys, err);
	}
	return ret;
}

int sqlite_each_hash(struct store *s, const struct store_shape *shape,
		     store_hashes_fn *fn, void *ctx, struct error *err)
{
	struct sqlite_store *q = (struct sqlite_store *)s;
	_cleanup_store_batch_ struct store_batch keys = STORE_BATCH_INIT;
	struct store_hasher h = STORE_HASHER_INIT;
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	struct store_hashed row[EACH_ROWS];
	int rc = SQLITE_ROW, ret = prepare_all(q, shape, &stmt, err);

	while (ret >= 0 && rc == SQLITE_ROW) {
		store_batch_clear(&keys, shape->nkey);
		ret = hash_some(q, shape, stmt, &h, &keys, row, &rc, err);
		if (ret >= 0 && keys.nrow)
			ret = fn(ctx, &keys, row, err);
		store_clock_start(&q->clock, q->statement_ms);
	}
	store_hasher_release(&h);
	return ret < 0 ? ret : rc == SQLITE_DONE ? 0 : sqlite_failed(q, err);
}
