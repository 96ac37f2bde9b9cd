/* SPDX-License-Identifier: MIT */
#include "records-rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "records-verify.h"
#include "store-sql.h"

#define REJECTS "_upshift_reject"
#define RUNS 3

static char *cell(const struct store_batch *b, uint32_t row, uint32_t col)
{
	const struct store_cell *c = store_batch_cell(b, row, col);

	return c->len < 0 ? NULL : xstrndup(b->buf + c->off, (size_t)c->len);
}

int records_number(struct store *s, const char *sql, double *ret,
		   struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_free_ char *text = NULL;
	char *end = NULL;
	int n = store_exec(s, sql, NULL, &b, err);

	if (n < 0)
		return n;
	if (b.nrow == 1 && b.ncol == 1)
		text = cell(&b, 0, 0);
	if (text && *text)
		*ret = strtod(text, &end);
	if (!end || *end)
		return error_set(err, ERR_STORE, -EINVAL,
			_("%s: the query does not give one number"),
			store_name(s));
	return 0;
}

int records_equal(struct store *a, const char *asked_a, struct store *b,
		  const char *asked_b, uint32_t *ret_row, struct error *err)
{
	_cleanup_store_batch_ struct store_batch x = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch y = STORE_BATCH_INIT;
	int n = store_exec(a, asked_a, NULL, &x, err);

	if (n >= 0)
		n = store_exec(b, asked_b, NULL, &y, err);
	if (n < 0)
		return n;
	*ret_row = records_same(&x, &y);
	return 0;
}

static int add_names(struct store *s, const char *sql, const char *arg,
		     struct strvec *ret, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int n;

	store_batch_clear(&args, 1);
	store_batch_add(&args, STORE_TEXT, arg, strlen(arg));
	n = store_exec(s, sql, &args, &b, err);
	for (uint32_t i = 0; n > 0 && i < b.nrow; i++) {
		char *name = cell(&b, i, 0);

		if (name)
			strvec_take(ret, name);
	}
	return MIN(n, 0);
}

int records_invalid(struct store *s, const char *set, struct strvec *ret,
		    struct error *err)
{
	_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;

	if (store_is_sqlite(s))
		return add_names(s, "SELECT DISTINCT 'FOREIGN KEY to ' || "
			"\"parent\" FROM pragma_foreign_key_check($1)", set,
			ret, err);
	if (!store_is_pg(s))
		return 0;
	store_sql_set(&name, set);
	return add_names(s, "SELECT conname FROM pg_constraint WHERE "
		"conrelid = to_regclass($1) AND NOT convalidated UNION ALL "
		"SELECT c.relname FROM pg_index i JOIN pg_class c ON "
		"c.oid = i.indexrelid WHERE i.indrelid = to_regclass($1) AND "
		"NOT (i.indisvalid AND i.indisready)", name.buf, ret, err);
}

int records_rejected(struct store *s, const char *marks, struct strvec *ret,
		     struct error *err)
{
	_cleanup_store_batch_ struct store_batch cols = STORE_BATCH_INIT;
	int n = store_columns(s, REJECTS, &cols, err);
	size_t kept = 0;

	if (n > 0)
		n = add_names(s, "SELECT key FROM " REJECTS
			" WHERE step = $1 ORDER BY key", marks, ret, err);
	for (size_t i = 0; i < ret->n; i++)
		if (store_key_line(ret->v[i]))
			free(ret->v[i]);
		else
			ret->v[kept++] = ret->v[i];
	if (ret->n)
		ret->v[kept] = NULL;
	ret->n = kept;
	return n;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int records_time(struct store *s, const char *sql, double *ret,
		 struct error *err)
{
	double took[RUNS];

	for (int i = 0; i < RUNS; i++) {
		uint64_t begun = clock_mono_ns();
		int n = store_exec(s, sql, NULL, NULL, err);

		if (n < 0)
			return n;
		took[i] = clock_since(begun);
	}
	qsort(took, RUNS, sizeof(*took), by_value);
	*ret = took[RUNS / 2];
	return 0;
}
