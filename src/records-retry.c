/* SPDX-License-Identifier: MIT */
#include "records-retry.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "records-copy-internal.h"
#include "store-sql.h"

#define PAGE "1000"
#define TRIES 20u
#define NAMED 10

struct retry {
	const struct records_job *job;
	struct records_run run;
	struct records_worker w;
	struct records_range part;
	struct records_retried *out;
	const char *key;             /* of the row under way */
	bool gone;                   /* it is not in the source */
	bool listed;                 /* it was in the list */
	struct strbuf line;          /* no row, but this; as for the list */
};

void records_mended_release(struct records_mended *m)
{
	strvec_release(&m->keys);
	store_batch_release(&m->rows);
	store_batch_release(&m->lines);
}

char *records_retry_mark(const char *marks)
{
	return xasprintf("%s/retry", marks);
}

void records_retried_release(struct records_retried *r)
{
	strvec_release(&r->gone_keys);
	strvec_release(&r->unknown_keys);
}

/* --- the list --- */

static int list_page(const char *marks, struct store *to, const char *after,
		     struct store_batch *b, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;

	store_batch_clear(&args, 2);
	records_add_text(&args, marks);
	records_add_text(&args, after);
	return store_exec(to, "SELECT key, sqlstate, message, record, at FROM "
		"_upshift_reject WHERE step = $1 AND key > $2 ORDER BY key "
		"LIMIT " PAGE, &args, b, err);
}

int records_rejects(const char *marks, struct store *to,
		    records_reject_fn *fn, void *ctx, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_free_ char *after = xstrdup("");
	int n = store_columns(to, "_upshift_reject", &b, err), ret = 0;

	if (n <= 0)
		return n;
	while (ret >= 0 && (n = list_page(marks, to, after, &b, err)) > 0) {
		for (uint32_t row = 0; ret >= 0 && row < b.nrow; row++) {
			char *t[5];

			for (uint32_t i = 0; i < ARRAY_SIZE(t); i++)
				t[i] = records_cell_text(&b, row, i);
			ret = fn(ctx, &(struct records_reject_line) {
				.key = t[0], .sqlstate = t[1],
				.message = t[2], .record = t[3], .at = t[4],
			}, err);
			free(after);
			after = TAKE_PTR(t[0]);
			for (uint32_t i = 0; i < ARRAY_SIZE(t); i++)
				free(t[i]);
		}
	}
	return MIN(MIN(ret, n), 0);
}

static int add_key(void *ctx, const struct records_reject_line *l,
		   _unused_ struct error *err)
{
	strvec_push(ctx, l->key);
	return 0;
}

/* --- one row --- */

/* the greatest key below: a backfill goes through what is behind it */
static int find_before(struct retry *r, struct store *s, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	struct strbuf key = STRBUF_INIT;
	const struct store_shape *shape = &r->job->from;
	int ret;

	strbuf_addstr(&sql, "SELECT ");
	store_sql_names(&sql, shape, 0, shape->nkey);
	strbuf_addstr(&sql, " FROM ");
	store_sql_set(&sql, shape->set);
	strbuf_addstr(&sql, " WHERE (");
	store_sql_names(&sql, shape, 0, shape->nkey);
	for (uint32_t i = 0; i < shape->nkey; i++)
		strbuf_addf(&sql, "%s$%u", i ? ", " : ") < (", i + 1);
	strbuf_addstr(&sql, ") ORDER BY ");
	for (uint32_t i = 0; i < shape->nkey; i++) {
		strbuf_addstr(&sql, i ? ", " : "");
		store_sql_name(&sql, shape->col[i]);
		strbuf_addstr(&sql, " DESC");
	}
	strbuf_addstr(&sql, " LIMIT 1");
	store_batch_clear(&args, shape->nkey);
	if (store_key_cells(r->key, &args) < 0)
		return error_set(err, ERR_STORE, -EINVAL,
				 _("%s: '%s' is no key of '%s'"),
				 store_name(s), r->key, shape->set);
	ret = store_exec(s, sql.buf, &args, &b, err);
	if (ret < 0)
		return ret;
	if (ret > 0)
		store_key(&b, 0, shape->nkey, &key);
	free(r->part.pos);
	r->part.pos = key.len ? strbuf_detach(&key) : xstrdup("");
	return 0;
}

static int run_statements(struct retry *r, struct store *s, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	int ret = records_range_args(&r->w, 0, 1, &args, err);

	for (size_t i = 0; ret >= 0 && i < r->job->sql_n; i++)
		ret = store_exec(s, r->job->sql[i], &args, NULL, err);
	return MIN(ret, 0);
}

static int leave_list(struct retry *r, struct store *s, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	int ret;

	store_batch_clear(&args, 2);
	records_add_text(&args, r->job->marks);
	records_add_text(&args, r->key);
	ret = store_exec(s, "DELETE FROM _upshift_reject WHERE step = $1 AND "
			 "key = $2", &args, NULL, err);
	r->listed = ret > 0;
	return MIN(ret, 0);
}

static int one_row(void *ctx, struct store *s, struct error *err)
{
	struct retry *r = ctx;
	int ret = leave_list(r, s, err);

	if (ret < 0 || !r->listed || r->gone)
		return ret;
	if (r->job->sql_n)
		ret = find_before(r, s, err);
	if (ret == 0 && r->run.undo)
		ret = records_undo_before(&r->w, 0, 1, err);
	if (ret >= 0 && r->job->sql_n)
		ret = run_statements(r, s, err);
	else if (ret >= 0)
		ret = store_put(s, &r->job->to, &r->w.out, 0, 1,
				r->job->conflict, err);
	if (ret >= 0 && r->run.undo)
		ret = records_undo_after(&r->w, 0, 1, err);
	return MIN(ret, 0);
}

struct refusal {
	struct retry *r;
	const char *sqlstate, *message;
	struct strbuf record;
};

static int note_refusal(void *ctx, struct store *s, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	const struct refusal *f = ctx;
	int ret;

	store_batch_clear(&args, 5);
	records_add_text(&args, f->r->job->marks);
	records_add_text(&args, f->r->key);
	records_add_text(&args, f->sqlstate);
	records_add_text(&args, f->message);
	records_add_text(&args, f->record.len ? f->record.buf : NULL);
	ret = store_exec(s, "UPDATE _upshift_reject SET sqlstate = $3, "
		"message = $4, record = coalesce($5, record), "
		"at = CURRENT_TIMESTAMP WHERE step = $1 AND key = $2", &args,
		NULL, err);
	return MIN(ret, 0);
}

/* it stays: with what is said now, and the record as it is now */
static int refused(struct retry *r, const char *sqlstate,
		   const struct error *why, bool whole, struct error *err)
{
	struct refusal f = { .r = r, .sqlstate = sqlstate,
			     .message = why->msg ? why->msg : "" };
	int ret;

	strbuf_init(&f.record);
	if (whole && !r->job->sql_n)
		records_reject_text(&r->w, 0, &f.record);
	else
		strbuf_add(&f.record, r->line.buf, r->line.len);
	ret = store_transact(r->w.to, note_refusal, &f, TRIES, err);
	strbuf_release(&f.record);
	return ret;
}

static void told(struct retry *r)
{
	struct strvec *keys = r->gone ? &r->out->gone_keys :
					&r->out->unknown_keys;

	if (r->listed && !r->gone) {
		r->out->passed++;
		return;
	}
	if (!r->listed)
		keys = &r->out->unknown_keys;
	if (keys->n < NAMED)
		strvec_push(keys, r->key);
	if (r->listed)
		r->out->gone++;
	else
		r->out->unknown++;
}

/* w->out has the row, or r->gone */
static int try_row(struct retry *r, struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	char sqlstate[6];
	int ret = store_transact(r->w.to, one_row, r, TRIES, &why);

	if (ret == 0) {
		told(r);
		return 0;
	}
	(void)snprintf(sqlstate, sizeof(sqlstate), "%s",
		       store_sqlstate(r->w.to));
	if (store_class(ret) == STORE_CLASS_BADROW)
		return refused(r, sqlstate, &why, true, err);
	error_move(err, &why);
	return ret;
}

/* of a line by its number: the row is there, so it is another line's by now */
static int is_another(struct retry *r, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	int ret;

	if (r->gone || !store_key_line(r->key))
		return 0;
	store_key(&r->w.out, 0, r->job->to.nkey, &key);
	ret = store_get(r->w.to, &r->job->to, key.buf, &b, err);
	return ret <= 0 ? ret : error_set(err, ERR_STORE, -EBADMSG,
		_("row %s of '%s' is there already"), key.buf,
		r->job->to.set);
}

/* what the source gave, or said */
static int try_source(struct retry *r, int ret, struct error *why,
		      struct error *err)
{
	struct records_worker *w = &r->w;
	char sqlstate[6];

	(void)snprintf(sqlstate, sizeof(sqlstate), "%s",
		       store_sqlstate(w->from));
	if (ret >= 0) {
		r->gone = ret == 0;
		records_project(w);
	}
	if (ret > 0 && !r->line.len) {
		ret = is_another(r, why);
		memcpy(sqlstate, "23505", sizeof(sqlstate));
	}
	if (store_class(ret) == STORE_CLASS_BADROW)
		return refused(r, sqlstate, why, false, err);
	if (ret < 0) {
		error_move(err, why);
		return ret;
	}
	return try_row(r, err);
}

static int from_source(struct retry *r, struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct records_worker *w = &r->w;
	int ret = store_get(w->from, &r->job->from, r->key, &w->rows, &why);

	if (store_class(ret) == STORE_CLASS_BADROW &&
	    store_line_text(w->from, r->key, &text, NULL) > 0)
		records_line_text(text.buf, text.len, &r->line);
	return try_source(r, ret, &why, err);
}

static int from_line(struct retry *r, const char *p, size_t n,
		     struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	int ret;

	records_line_text(p, n, &r->line);
	ret = store_line_parse(r->w.from, &r->job->from, p, n, &r->w.rows,
			       &why);
	return try_source(r, ret, &why, err);
}

/* the row of the batch as the one that goes, with nothing in the columns that
   rows are read by alone */
static void take_row(struct retry *r, const struct store_batch *rows,
		     uint32_t row)
{
	struct store_batch *o = &r->w.rows;
	uint32_t hidden = r->job->hidden;

	store_batch_clear(o, hidden + rows->ncol);
	for (uint32_t i = 0; i < hidden; i++)
		store_batch_add(o, STORE_TEXT, NULL, 0);
	for (uint32_t i = 0; i < rows->ncol; i++) {
		const struct store_cell *c = store_batch_cell(rows, row, i);

		store_batch_add(o, c->type, store_batch_text(rows, c),
				c->len < 0 ? 0 : (size_t)c->len);
	}
	records_project(&r->w);
}

static int stopped(struct retry *r, struct error *err)
{
	const struct records_status st = {
		.rows = r->out->passed, .total = r->out->passed,
	};

	if (!r->job->tick || r->job->tick(r->job->ctx, &st) >= 0)
		return 0;
	return error_set(err, ERR_CANCELLED, -ECANCELED, _("cancelled"));
}

static int from_mended(struct retry *r, const struct records_mended *m,
		       uint32_t i, struct error *err)
{
	const struct store_cell *line = store_batch_cell(&m->lines, i, 0);

	if (line->len >= 0)
		return from_line(r, store_batch_text(&m->lines, line),
				 (size_t)line->len, err);
	take_row(r, &m->rows, i);
	return try_row(r, err);
}

static int all_rows(struct retry *r, const struct strvec *keys,
		    const struct records_mended *m, struct error *err)
{
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < keys->n; i++) {
		r->key = keys->v[i];
		r->gone = r->listed = false;
		strbuf_clear(&r->line);
		ret = stopped(r, err);
		if (ret == 0)
			ret = m ? from_mended(r, m, (uint32_t)i, err) :
			      from_source(r, err);
	}
	return ret;
}

/* Where there is no undo table the undo compares with the source, and what was
   mended here need not be there: it is noted from now on. */
static int setup_undo(struct retry *r, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_free_ char *name = xasprintf("_upshift_undo_%s", r->job->id);
	_cleanup_free_ char *mark = records_retry_mark(r->job->marks);
	struct store_mark m = { .step = mark, .pos = "" };
	int ret;

	if (!store_is_pg(r->w.to) ||
	    (r->job->sql_n && !r->job->undo))
		return 0;
	ret = store_columns(r->w.to, name, &b, err);
	if (ret == 0)
		ret = store_mark(r->w.to, &m, NULL, err);
	return ret < 0 ? ret : records_undo_setup(&r->run, r->w.to, err);
}

static int open_both(struct retry *r, struct error *err)
{
	int ret = records_open(&r->run, true, &r->w.from, err);

	if (ret == 0)
		ret = records_open(&r->run, false, &r->w.to, err);
	return ret;
}

static int work(struct retry *r, const struct records_mended *mended,
		struct error *err)
{
	_cleanup_strvec_ struct strvec all = STRVEC_INIT;
	const struct strvec *keys = mended ? &mended->keys : &all;
	struct records_worker *w = &r->w;
	int ret = open_both(r, err);

	if (ret == 0 && !mended)
		ret = records_rejects(r->job->marks, w->to, add_key, &all,
				      err);
	if (ret == 0 && keys->n)
		ret = setup_undo(r, err);
	if (ret == 0)
		ret = all_rows(r, keys, mended, err);
	if (ret == 0 && r->out->passed)
		ret = records_finish_set(w->to, r->job->to.set, err);
	return ret < 0 ? ret : records_reject_count(w->to, r->job->marks,
						    &r->out->left, err);
}

int records_retry(const struct records_job *job,
		  const struct records_mended *mended,
		  struct records_retried *ret, struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	struct retry r = { .job = job, .run.job = job, .out = ret };
	int got;

	memset(ret, 0, sizeof(*ret));
	r.w.run = &r.run;
	r.w.part = &r.part;
	r.part.pos = xstrdup("");
	strbuf_init(&r.line);
	got = work(&r, mended, &why);
	strbuf_release(&r.line);
	records_undo_release(&r.run);
	store_close(r.w.from);
	store_close(r.w.to);
	store_batch_release(&r.w.rows);
	free(r.w.out.cell);
	free(r.part.pos);
	if (got < 0 && err)
		error_move(err, &why);
	return got;
}
