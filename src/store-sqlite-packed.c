/* SPDX-License-Identifier: MIT */
/*
 * Rows from SQLite to SQLite with the values that they have. A packed row is the
 * cells of its key and then its values, each a letter of its type and eight
 * bytes: an integer, a real number, or the length of a text or bytes that
 * follow. As cells they would come out the same, by way of their text: what
 * type a value gets in the end is up to the column that takes it either way.
 */
#include <errno.h>
#include <sqlite3.h>
#include <string.h>

#include "base/error.h"
#include "base/xalloc.h"
#include "store-sqlite-internal.h"

#define HEAD 9

struct value {
	char head[HEAD];
	const void *p;
	size_t n;
};

bool sqlite_pack(_unused_ struct store_pack *k, _unused_ struct store *from,
		 _unused_ const struct store_shape *of,
		 _unused_ struct store *dest,
		 _unused_ const struct store_shape *to)
{
	return true;
}

/* what it is, and how many bytes packed */
static size_t look(sqlite3_value *from, struct value *v)
{
	uint64_t size;
	int64_t whole;
	double real;

	v->p = NULL;
	v->n = 0;
	switch (sqlite3_value_type(from)) {
	case SQLITE_NULL:
		v->head[0] = 'n';
		return HEAD;
	case SQLITE_INTEGER:
		v->head[0] = 'i';
		whole = sqlite3_value_int64(from);
		memcpy(v->head + 1, &whole, sizeof(whole));
		return HEAD;
	case SQLITE_FLOAT:
		v->head[0] = 'r';
		real = sqlite3_value_double(from);
		memcpy(v->head + 1, &real, sizeof(real));
		return HEAD;
	case SQLITE_BLOB:
		v->head[0] = 'b';
		v->p = sqlite_blob(from, &v->n);
		break;
	default:
		v->head[0] = 't';
		v->p = sqlite_text(from, &v->n);
	}
	size = v->n;
	memcpy(v->head + 1, &size, sizeof(size));
	return HEAD + v->n;
}

/* -EBADMSG: longer than a cell can be */
static int add_row(sqlite3_stmt *stmt, const struct store_pack *k,
		   const struct store_shape *shape, struct value *v,
		   struct store_batch *b)
{
	uint32_t n = k->n - k->hidden;
	size_t size = 0;
	char *to;

	for (uint32_t i = 0; i < shape->nkey; i++)
		sqlite_add_column(b, stmt, (int)i);
	for (uint32_t i = 0; i < n; i++)
		size += look(sqlite3_column_value(stmt, (int)(i + k->hidden)),
			     &v[i]);
	if (size > INT32_MAX)
		return -EBADMSG;
	to = store_batch_room(b, STORE_BYTES, size);
	for (uint32_t i = 0; i < n; i++) {
		memcpy(to, v[i].head, HEAD);
		to += HEAD;
		if (v[i].n)
			memcpy(to, v[i].p, v[i].n);
		to += v[i].n;
	}
	return 0;
}

int sqlite_scan_packed(struct store *s, const struct store_pack *k,
		       const struct store_shape *shape, const char *after,
		       const char *until, uint32_t limit,
		       struct store_batch *b, struct error *err)
{
	struct sqlite_store *q = (struct sqlite_store *)s;
	_cleanup_free_ struct value *v = xcalloc(k->n, sizeof(*v));
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int ret, rc;

	ret = sqlite_prepare_scan(q, shape, after, until, limit, &args, &stmt,
				  err);
	if (ret < 0)
		return ret;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		ret = add_row(stmt, k, shape, v, b);
		if (ret < 0)
			return error_set(err, ERR_STORE, ret, "%s: %s",
					 s->name, shape->set);
		ret = store_check_key(s, shape, b, err);
		if (ret < 0)
			return ret;
		if (store_scan_full(s, b))
			return (int)b->nrow;
	}
	return rc == SQLITE_DONE ? (int)b->nrow : sqlite_failed(q, err);
}

/* as the cell would be bound that it is; p: what follows its head in b */
static int bind_one(sqlite3_stmt *stmt, int i, unsigned char affinity,
		    const struct store_batch *b, const char *p, char tag,
		    size_t n)
{
	char text[STORE_NUMBER_ROOM];
	struct store_batch one = { .buf = text };
	struct store_cell c = { 0 };
	int64_t whole;
	double real;

	memcpy(&whole, p - HEAD + 1, sizeof(whole));
	memcpy(&real, p - HEAD + 1, sizeof(real));
	if (tag == 'b')
		return sqlite3_bind_blob64(stmt, i, p, n, SQLITE_STATIC);
	if (tag == 'n')
		return sqlite3_bind_null(stmt, i);
	if (tag == 't') {
		c.off = (size_t)(p - b->buf);
		c.len = (int32_t)n;
		c.type = STORE_TEXT;
		return sqlite_bind_kept(stmt, i, affinity, b, &c);
	}
	if (tag == 'i' && sqlite_keeps_int(affinity, whole))
		return sqlite3_bind_int64(stmt, i, whole);
	if (tag == 'r' && sqlite_keeps_real(affinity))
		return sqlite3_bind_double(stmt, i, real);
	c.len = (int32_t)(tag == 'i' ? store_int_write(whole, text) :
			  store_real_write(real, text));
	c.type = tag == 'i' ? STORE_INT : STORE_NUM;
	return sqlite_bind_number(stmt, i, affinity, &one, &c);
}

int sqlite_bind_packed(sqlite3_stmt *stmt, const unsigned char *affinity,
		       const struct store_batch *b, uint32_t row, uint32_t n,
		       uint32_t *at)
{
	const char *p = store_batch_text(b, store_batch_cell(b, row,
							     b->ncol - 1));
	int rc = SQLITE_OK;

	for (*at = 0; *at < n; (*at)++) {
		char tag = *p;
		uint64_t size = 0;

		if (tag == 't' || tag == 'b')
			memcpy(&size, p + 1, sizeof(size));
		p += HEAD;
		rc = bind_one(stmt, (int)*at + 1, affinity[*at], b, p, tag,
			      size);
		if (rc != SQLITE_OK)
			return rc;
		p += size;
	}
	return rc;
}
