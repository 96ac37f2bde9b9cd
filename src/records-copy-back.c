/* SPDX-License-Identifier: MIT */
/*
 * Going back: by the undo table, where there is one. Without, where the set was
 * empty before: what equals the rows of the source is deleted, all at once or
 * compared by the types of the set in a table beside it. Both may be cut short
 * and begun again.
 */
#include <errno.h>
#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "records-copy-internal.h"
#include "records-retry.h"
#include "store-sql.h"

#define TRIES 20u

/* is the key in one of our tables? */
static int has_key(struct records_back *k, const char *prefix, const char *key,
		   struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_free_ char *set = xasprintf("_upshift_%s_%s", prefix,
					     k->job->id);
	struct store_shape shape = k->job->to;
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret;

	shape.set = set;
	store_batch_clear(&args, shape.nkey);
	if (store_key_cells(key, &args) < 0)
		BUG("a key that was made here");
	strbuf_addstr(&sql, "SELECT 1 FROM ");
	store_sql_name(&sql, set);
	strbuf_addstr(&sql, " WHERE (");
	store_sql_names(&sql, &shape, 0, shape.nkey);
	strbuf_addstr(&sql, ") = (");
	for (uint32_t i = 0; i < shape.nkey; i++)
		strbuf_addf(&sql, "%s$%u", i ? ", " : "", i + 1);
	strbuf_addch(&sql, ')');
	ret = store_exec(k->w.to, sql.buf, &args, &b, err);
	return MIN(ret, 1);
}

int records_back_reopened(struct records_back *k, bool source, int ret,
			  struct error *why, struct error *err)
{
	if (store_class(ret) != STORE_CLASS_RECONNECT || ++k->lost > TRIES) {
		error_move(err, why);
		return ret;
	}
	ret = records_reconnect(&k->w, source, why, err);
	for (size_t i = 0; k->job->note && i < k->w.run->notes.n; i++)
		k->job->note(k->job->ctx, k->w.run->notes.v[i]);
	strvec_clear(&k->w.run->notes);
	return ret;
}

int records_back_transact(struct records_back *k,
			  int (*fn)(void *ctx, struct store *s,
				    struct error *err),
			  const char *prefix, bool there, struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	int ret = store_transact(k->w.to, fn, k, TRIES, &why);

	while (store_class(ret) == STORE_CLASS_RECONNECT) {
		ret = records_back_reopened(k, false, ret, &why, err);
		if (ret < 0)
			return ret;
		ret = k->first.len ? has_key(k, prefix, k->first.buf, &why) :
		      !there;
		if (ret >= 0 && ret == there)
			ret = 0;
		else if (ret >= 0)
			ret = store_transact(k->w.to, fn, k, TRIES, &why);
	}
	if (ret == 0)
		k->lost = 0;
	else
		error_move(err, &why);
	return ret;
}

int records_back_add_end(struct records_back *k, struct store *s,
			 const char *table, bool last,
			 struct store_batch *args, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	const struct store_shape *to = &k->job->to;
	int ret;

	strbuf_addstr(&sql, "SELECT ");
	store_sql_names(&sql, to, 0, to->nkey);
	strbuf_addstr(&sql, " FROM ");
	store_sql_name(&sql, table);
	strbuf_addstr(&sql, " ORDER BY ");
	for (uint32_t i = 0; i < to->nkey; i++) {
		strbuf_addstr(&sql, i ? ", " : "");
		store_sql_name(&sql, to->col[i]);
		strbuf_addstr(&sql, last ? " DESC" : "");
	}
	strbuf_addstr(&sql, " LIMIT 1");
	ret = store_exec(s, sql.buf, NULL, &b, err);
	for (uint32_t i = 0; ret > 0 && i < to->nkey; i++) {
		const struct store_cell *c = store_batch_cell(&b, 0, i);

		store_batch_add(args, c->type, store_batch_text(&b, c),
				c->len < 0 ? 0 : (size_t)c->len);
	}
	return MIN(ret, 0);
}

void records_back_add_up(struct records_back *k)
{
	k->out->deleted += k->deleted;
	k->out->restored += k->restored;
	k->out->kept += k->kept;
	for (size_t i = 0; i < k->keys.n && k->out->keys.n < RECORDS_BACK_NAMED; i++)
		strvec_push(&k->out->keys, k->keys.v[i]);
	if (k->job->undone)
		k->job->undone(k->job->ctx, k->out->deleted +
			       k->out->restored + k->out->kept);
}

static int drop(const struct records_job *job, struct store *s,
		const char *prefix, struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret;

	strbuf_addstr(&sql, "DROP TABLE IF EXISTS ");
	records_undo_table(job, prefix, &sql);
	ret = store_exec(s, sql.buf, NULL, NULL, err);
	return MIN(ret, 0);
}

/* the rejects of this job */
static int forget_rejects(const char *marks, struct store *s,
			  struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch cols = STORE_BATCH_INIT;
	int ret = store_columns(s, "_upshift_reject", &cols, err);

	if (ret <= 0)
		return ret;
	store_batch_clear(&args, 1);
	records_add_text(&args, marks);
	ret = store_exec(s, "DELETE FROM _upshift_reject WHERE step = $1",
			 &args, NULL, err);
	return MIN(ret, 0);
}

/* that it is undone, and only our own tables are left to go */
static char *undone_mark(const char *marks)
{
	return xasprintf("%s/undone", marks);
}

/* all at once: until then it can be begun again, and behind it there is
   nothing to begin */
static int forget_marks(const char *marks, struct store *s, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_free_ char *end = records_end_mark(marks);
	_cleanup_free_ char *retry = records_retry_mark(marks);
	_cleanup_free_ char *undone = undone_mark(marks);
	int ret;

	store_batch_clear(&args, 4);
	records_add_text(&args, marks);
	records_add_text(&args, end);
	records_add_text(&args, retry);
	records_add_text(&args, undone);
	ret = store_exec(s, "DELETE FROM _upshift_range WHERE step IN "
			 "($1, $2, $3, $4)", &args, NULL, err);
	return MIN(ret, 0);
}

static int forget(const struct records_job *job, struct store *s,
		  struct error *err)
{
	_cleanup_free_ char *undone = undone_mark(job->marks);
	const struct store_mark m = { .step = undone, .pos = "" };
	int ret = store_mark(s, &m, NULL, err);

	if (ret == 0)
		ret = drop(job, s, "undo", err);
	if (ret == 0)
		ret = drop(job, s, "back", err);
	if (ret == 0)
		ret = records_back_no_index(job, s, err);
	if (ret == 0)
		ret = forget_rejects(job->marks, s, err);
	return ret < 0 ? ret : forget_marks(job->marks, s, err);
}

/* > 0: there is a mark of this name */
static int marked(struct store *to, char *name, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int ret = store_marks(to, name, &b, err);

	free(name);
	return ret;
}

static int rows_back(struct records_back *k, struct error *err)
{
	_cleanup_store_batch_ struct store_batch cols = STORE_BATCH_INIT;
	_cleanup_free_ char *table = xasprintf("_upshift_undo_%s", k->job->id);
	int ret = store_columns(k->w.to, table, &cols, err);
	bool by_table = ret > 0 || k->job->undo;

	if (ret > 0)
		ret = records_back_by_table(k, err);
	/* it may be of rows that were tried again, and no others */
	if (ret == 0 && by_table) {
		ret = marked(k->w.to, records_retry_mark(k->job->marks), err);
		by_table = ret == 0;
	}
	if (ret < 0 || by_table || k->job->sql_n)
		return MIN(ret, 0);
	ret = records_back_whole(k, err);
	return ret ? MIN(ret, 0) : records_back_by_source(k, err);
}

static int go_back(struct records_back *k, struct error *err)
{
	struct records_state st;
	int ret = records_copy_state(k->job, k->w.to, &st, err);

	if (ret < 0 || !st.begun)
		return ret < 0 ? ret : drop(k->job, k->w.to, "undo", err);
	ret = marked(k->w.to, undone_mark(k->job->marks), err);
	if (ret == 0)
		ret = rows_back(k, err);
	return ret < 0 ? ret : forget(k->job, k->w.to, err);
}

static int undo(struct records_back *k, struct error *err)
{
	int ret = records_reconnect(&k->w, false, NULL, err);

	if (ret < 0)
		return ret;
	if (!store_is_pg(k->w.to))
		return error_set(err, ERR_STORE, -EOPNOTSUPP,
			_("%s: rows cannot be taken back one by one"),
			store_name(k->w.to));
	for (;;) {
		_cleanup_error_ struct error why = ERROR_INIT;

		ret = go_back(k, &why);
		if (ret >= 0)
			return ret;
		ret = records_back_reopened(k, false, ret, &why, err);
		if (ret < 0)
			return ret;
	}
}

int records_copy_undo(const struct records_job *job,
		      struct records_undone *ret, struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	struct records_run run = { .job = job };
	struct records_back k = { .job = job, .out = ret, .w.run = &run };
	int r;

	memset(ret, 0, sizeof(*ret));
	(void)pthread_mutex_init(&run.lock, NULL);
	strbuf_init(&k.first);
	records_pace_init(&k.w.pace, 0);
	r = undo(&k, &why);
	strvec_release(&k.keys);
	strvec_release(&run.notes);
	strbuf_release(&k.first);
	store_batch_release(&k.ends);
	store_batch_release(&k.passed);
	store_batch_release(&k.w.rows);
	free(k.w.out.cell);
	free(k.w.bad_key);
	store_close(k.w.from);
	store_close(k.w.to);
	(void)pthread_mutex_destroy(&run.lock);
	if (r < 0 && err)
		error_move(err, &why);
	return r;
}
