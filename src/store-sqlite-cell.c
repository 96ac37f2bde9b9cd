/* SPDX-License-Identifier: MIT */
/* Cells and the values of SQLite. */
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>

#include "base/strbuf.h"
#include "base/xalloc.h"
#include "store-sqlite-internal.h"

#define HANDED_OVER (1 << 20)

void sqlite_stmt_freep(sqlite3_stmt **stmt)
{
	(void)sqlite3_finalize(*stmt); /* the error of the step, told before */
}

static int bind_bytes(sqlite3_stmt *stmt, int i, const char *p, size_t n)
{
	_cleanup_strbuf_ struct strbuf bytes = STRBUF_INIT;
	int len;

	if (store_bytes_parse(p, n, &bytes) < 0)
		return SQLITE_MISMATCH;
	/* what is long is not for two to have */
	len = (int)bytes.len;
	if (len > HANDED_OVER)
		return sqlite3_bind_blob(stmt, i, strbuf_detach(&bytes), len,
					 free);
	return sqlite3_bind_blob(stmt, i, bytes.buf, (int)bytes.len,
				 SQLITE_TRANSIENT);
}

/* as a number only what comes back from it as it was; < 0: it does not */
static int bind_number(sqlite3_stmt *stmt, int i, const char *p, size_t n,
		       enum store_type type)
{
	int64_t whole;
	double real;

	if (type == STORE_INT)
		return store_int_read(p, n, &whole) ?
		       sqlite3_bind_int64(stmt, i, whole) : -1;
	/* NaN would become NULL */
	if (!store_real_read(p, n, &real) || isnan(real))
		return -1;
	return sqlite3_bind_double(stmt, i, real);
}

int sqlite_bind_cell(sqlite3_stmt *stmt, int i, const struct store_batch *b,
		     const struct store_cell *c)
{
	const char *p = store_batch_text(b, c);
	size_t n = p ? (size_t)c->len : 0;
	int rc;

	if (!p)
		return sqlite3_bind_null(stmt, i);
	if (c->type == STORE_INT || c->type == STORE_NUM) {
		rc = bind_number(stmt, i, p, n, (enum store_type)c->type);
		if (rc >= 0)
			return rc;
	}
	if (c->type == STORE_BOOL)
		return sqlite3_bind_int(stmt, i, n == 1 && *p == 't');
	if (c->type == STORE_BYTES)
		return bind_bytes(stmt, i, p, n);
	return sqlite3_bind_text(stmt, i, p, (int)n, SQLITE_STATIC);
}

const char *sqlite_text(sqlite3_value *v, size_t *n)
{
	const unsigned char *p = sqlite3_value_text(v);

	if (!p)
		die("out of memory");
	*n = (size_t)sqlite3_value_bytes(v);
	return (const char *)p;
}

const void *sqlite_blob(sqlite3_value *v, size_t *n)
{
	const void *p = sqlite3_value_blob(v);

	*n = (size_t)sqlite3_value_bytes(v);
	if (!p && *n)
		die("out of memory");
	return p;
}

/* One call for the column and cheap ones for its value, which only this thread
   has; the others look for the column each time. */
void sqlite_add_column(struct store_batch *b, sqlite3_stmt *stmt, int i)
{
	sqlite3_value *v = sqlite3_column_value(stmt, i);
	char text[STORE_NUMBER_ROOM];
	const void *p;
	size_t n;

	switch (sqlite3_value_type(v)) {
	case SQLITE_NULL:
		store_batch_add(b, STORE_TEXT, NULL, 0);
		return;
	case SQLITE_INTEGER:
		store_batch_add(b, STORE_INT, text, store_int_write(
			sqlite3_value_int64(v), text));
		return;
	case SQLITE_FLOAT:
		store_batch_add(b, STORE_NUM, text, store_real_write(
			sqlite3_value_double(v), text));
		return;
	case SQLITE_BLOB:
		p = sqlite_blob(v, &n);
		store_batch_add_bytes(b, p, n);
		return;
	default:
		p = sqlite_text(v, &n);
		store_batch_add(b, STORE_TEXT, p, n);
	}
}
