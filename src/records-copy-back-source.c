/* SPDX-License-Identifier: MIT */
/*
 * Going back without an undo table: what equals the rows of the source is
 * deleted, batch by batch, compared in a table beside the set.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "records-copy-internal.h"
#include "store-sql.h"

/* " AND the key is not outside of theirs": they stand side by side mostly, and
   whoever plans the statement should know */
static void add_ends(const struct store_shape *to, struct strbuf *sql)
{
	for (uint32_t n = 1; n <= to->nkey + 1; n += to->nkey) {
		strbuf_addstr(sql, " AND (");
		records_undo_names(to, "t", to->nkey, sql);
		strbuf_addstr(sql, n == 1 ? ") >= (" : ") <= (");
		for (uint32_t i = 0; i < to->nkey; i++)
			strbuf_addf(sql, "%s$%u", i ? ", " : "", n + i);
		strbuf_addch(sql, ')');
	}
}

static int delete_equal(void *ctx, struct store *s, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	_cleanup_free_ char *table = NULL;
	struct records_back *k = ctx;
	const struct store_shape *to = &k->job->to;
	struct store_shape back = *to;
	int ret;

	back.set = table = xasprintf("_upshift_back_%s", k->job->id);
	/* what was deleted from it would be read again and again */
	strbuf_addstr(&sql, "TRUNCATE TABLE ");
	store_sql_name(&sql, table);
	ret = store_exec(s, sql.buf, NULL, NULL, err);
	if (ret >= 0)
		ret = store_put(s, &back, &k->w.out, k->from, k->n,
				STORE_ERROR, err);
	store_batch_clear(&args, 2 * to->nkey);
	if (ret >= 0)
		ret = records_back_add_end(k, s, table, false, &args, err);
	if (ret >= 0)
		ret = records_back_add_end(k, s, table, true, &args, err);
	if (ret < 0)
		return ret;
	strbuf_clear(&sql);
	strbuf_addstr(&sql, "DELETE FROM ");
	store_sql_set(&sql, to->set);
	strbuf_addstr(&sql, " t USING ");
	store_sql_name(&sql, table);
	strbuf_addstr(&sql, " u WHERE ");
	records_undo_join(to, "t", "u", &sql);
	add_ends(to, &sql);
	strbuf_addstr(&sql, " AND (");
	records_undo_names(to, "t", to->ncol, &sql);
	strbuf_addstr(&sql, ")::text = (");
	records_undo_names(to, "u", to->ncol, &sql);
	strbuf_addstr(&sql, ")::text");
	ret = store_exec(s, sql.buf, &args, NULL, err);
	if (ret > 0)
		k->deleted = (uint64_t)ret;
	return MIN(ret, 0);
}

/* rows of the batch that are there; bad ones never came */
static int delete_batch(struct records_back *k, struct error *err)
{
	uint32_t n = k->w.out.nrow;

	for (k->from = 0; k->from < k->w.out.nrow; k->from += k->n) {
		_cleanup_error_ struct error why = ERROR_INIT;
		int ret;

		k->n = MIN(n, k->w.out.nrow - k->from);
		k->deleted = 0;
		store_key(&k->w.out, k->from, k->job->to.nkey, &k->first);
		ret = records_back_transact(k, delete_equal, "back", true, &why);
		if (store_class(ret) == STORE_CLASS_BADROW && k->n > 1) {
			n = k->n / 2;
			k->n = 0;
			continue;
		}
		if (ret < 0 && store_class(ret) != STORE_CLASS_BADROW) {
			error_move(err, &why);
			return ret;
		}
		records_back_add_up(k);
		n = k->w.out.nrow;
	}
	return 0;
}

/* It is empty at first: what an attempt cut short left must not look like our
   own to records_back_transact(). */
static int make_back(struct records_back *k, struct error *err)
{
	_cleanup_free_ char *name = xasprintf("_upshift_back_%s", k->job->id);
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret;

	strbuf_addstr(&sql, "CREATE TABLE ");
	store_sql_name(&sql, name);
	strbuf_addstr(&sql, " AS SELECT ");
	store_sql_names(&sql, &k->job->to, 0, k->job->to.ncol);
	strbuf_addstr(&sql, " FROM ");
	store_sql_set(&sql, k->job->to.set);
	strbuf_addstr(&sql, " WHERE false");
	ret = records_make_table(k->w.to, name, sql.buf, err);
	if (ret < 0)
		return ret;
	strbuf_clear(&sql);
	strbuf_addstr(&sql, "TRUNCATE TABLE ");
	store_sql_name(&sql, name);
	ret = store_exec(k->w.to, sql.buf, NULL, NULL, err);
	return MIN(ret, 0);
}

/* the rows that are left, and the first keys of them */
static int count_left(struct records_back *k, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	int ret = store_count(k->w.to, &k->job->to, &k->out->kept, err);

	if (ret == 0 && k->out->kept)
		ret = store_scan(k->w.to, &k->job->to, NULL, NULL, RECORDS_BACK_NAMED, &b,
				 err);
	strvec_clear(&k->out->keys);
	for (uint32_t row = 0; ret > 0 && row < b.nrow; row++) {
		store_key(&b, row, k->job->to.nkey, &key);
		strvec_push(&k->out->keys, key.buf);
	}
	return MIN(ret, 0);
}

/* the next rows of the source, and away with theirs; where it is then: *pos */
static int back_one_batch(struct records_back *k, char **pos, struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	struct records_worker *w = &k->w;
	uint64_t start = clock_mono_ns();
	struct strbuf key = STRBUF_INIT;
	int ret = records_read(w, &why);

	if (ret < 0 && !w->bad_key)
		return records_back_reopened(k, true, ret, &why, err);
	if (ret == 0)
		return 0;
	if (ret > 0) {
		records_project(w);
		ret = delete_batch(k, err);
		records_pace_add(&w->pace, w->rows.nrow, w->rows.n,
				 clock_since(start));
		store_key(&w->rows, w->rows.nrow - 1, k->job->from.nkey, &key);
	} else {
		/* it never came */
		ret = 0;
		strbuf_addstr(&key, w->bad_key);
	}
	free(*pos);
	*pos = strbuf_detach(&key);
	return ret;
}

int records_back_by_source(struct records_back *k, struct error *err)
{
	struct records_range all = { .pos = xstrdup("") };
	int ret = make_back(k, err);

	if (ret == 0)
		ret = records_back_index(k, err);
	if (ret == 0 && !k->w.from)
		ret = records_reconnect(&k->w, true, NULL, err);
	k->w.part = &all;
	k->w.more = true;
	while (ret >= 0 && k->w.more)
		ret = back_one_batch(k, &all.pos, err);
	k->w.part = NULL;
	free(all.pos);
	return ret < 0 ? ret : count_left(k, err);
}
