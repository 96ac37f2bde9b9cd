/* SPDX-License-Identifier: MIT */
#include "records-fit.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "records-copy-internal.h"
#include "store-sql.h"

#define TABLE "_upshift_fit"
#define ROWS_AT_ONCE 5000

struct fitting {
	struct records_fit *f;
	struct store *to;
	struct store_shape shape;    /* of the temporary table */
	struct records_worker *w;
};

static int run(struct store *s, const char *sql, struct error *err)
{
	return MIN(store_exec(s, sql, NULL, NULL, err), 0);
}

static bool is_written(const struct store_shape *shape, const char *name,
		       size_t len)
{
	for (uint32_t i = 0; i < shape->ncol; i++)
		if (strlen(shape->col[i]) == len &&
		    !memcmp(shape->col[i], name, len))
			return true;
	return false;
}

/* A default might take numbers of a sequence that is there, so that there are
   none; what the step leaves to them may be NULL here. */
static int make_table(struct store *to, const struct store_shape *shape,
		      struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret = store_columns(to, shape->set, &b, err);

	if (ret < 0)
		return ret;
	strbuf_addstr(&sql, "CREATE TEMP TABLE " TABLE " (LIKE ");
	store_sql_set(&sql, shape->set);
	strbuf_addstr(&sql, " INCLUDING CONSTRAINTS)");
	ret = run(to, sql.buf, err);
	for (uint32_t i = 0; ret == 0 && i < b.nrow; i++) {
		const struct store_cell *c = store_batch_cell(&b, i, 0);
		const char *name = store_batch_text(&b, c);
		_cleanup_free_ char *text = xstrndup(name, (size_t)c->len);

		if (is_written(shape, name, (size_t)c->len))
			continue;
		strbuf_clear(&sql);
		strbuf_addstr(&sql, "ALTER TABLE pg_temp." TABLE " ALTER ");
		store_sql_name(&sql, text);
		strbuf_addstr(&sql, " DROP NOT NULL");
		ret = run(to, sql.buf, err);
	}
	return ret;
}

static void take(struct records_fit *f, const char *key,
		 const struct error *why)
{
	f->bad++;
	if (f->shown.n < RECORDS_FIT_SHOWN)
		strvec_pushf(&f->shown, "%s: %s", key,
			     why->msg ? why->msg : "");
	f->more = f->bad >= RECORDS_FIT_MOST;
}

static int put(struct fitting *g, uint32_t at, uint32_t n, struct error *err)
{
	int ret = store_begin(g->to, true, err);

	/* its file is another one up to the rollback, and goes with it */
	if (ret == 0)
		ret = run(g->to, "TRUNCATE pg_temp." TABLE, err);
	if (ret == 0)
		ret = store_put(g->to, &g->shape, &g->w->out, at, n,
				STORE_ERROR, err);
	store_abort(g->to);
	return MIN(ret, 0);
}

/* half of them again and again, down to the row */
static int try(struct fitting *g, uint32_t at, uint32_t n, struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	int ret = g->f->more ? 0 : put(g, at, n, &why);
	enum store_class class = store_class(ret);

	if (ret == 0)
		return 0;
	if (class != STORE_CLASS_BADROW && class != STORE_CLASS_SHRINK) {
		if (err)
			error_move(err, &why);
		return ret;
	}
	if (n > 1) {
		ret = try(g, at, n / 2, err);
		return ret < 0 ? ret : try(g, at + n / 2, n - n / 2, err);
	}
	store_key(&g->w->rows, at, g->w->run->job->from.nkey, &key);
	take(g->f, key.buf, &why);
	return 0;
}

/* behind the rows that were read, or the one that could not be */
static void step_on(struct records_worker *w, uint32_t n)
{
	struct strbuf key = STRBUF_INIT;

	free(w->part->pos);
	if (w->bad_key) {
		w->part->pos = TAKE_PTR(w->bad_key);
		return;
	}
	store_key(&w->rows, n - 1, w->run->job->from.nkey, &key);
	w->part->pos = strbuf_detach(&key);
}

static int all_rows(struct fitting *g, struct error *err)
{
	struct records_worker *w = g->w;

	do {
		_cleanup_error_ struct error why = ERROR_INIT;
		int n = records_read(w, &why), ret = 0;

		if (n < 0 && !w->bad_key) {
			if (err)
				error_move(err, &why);
			return n;
		}
		if (n == 0)
			return 0;
		if (n < 0) {
			take(g->f, w->bad_key, &why);
			g->f->rows++;
		} else {
			records_project(w);
			ret = try(g, 0, (uint32_t)n, err);
			g->f->rows += (uint64_t)n;
		}
		if (ret < 0)
			return ret;
		step_on(w, (uint32_t)MAX(n, 1));
		if (g->f->progress)
			g->f->progress(g->f->ctx, g->f->rows);
	} while (w->more && !g->f->more);
	return 0;
}

int records_fit(const struct records_job *job, struct store *from,
		struct store *to, struct records_fit *f, struct error *err)
{
	struct records_run run_of = { .job = job };
	struct records_range part = { .pos = xstrdup("") };
	struct records_worker w = { .run = &run_of, .from = from, .to = to,
				    .part = &part };
	struct fitting g = { f, to, job->to, &w };
	int ret;

	if (!store_is_pg(to) || !store_can(to, STORE_CAP_TEMP_TABLE))
		return error_set(err, ERR_UNSUPPORTED, -EOPNOTSUPP,
			_("%s: no temporary tables can be made there"),
			store_name(to));
	records_pace_init(&w.pace, ROWS_AT_ONCE);
	g.shape.set = "pg_temp." TABLE;
	ret = make_table(to, &job->to, err);
	if (ret == 0)
		ret = all_rows(&g, err);
	store_batch_release(&w.rows);
	free(w.out.cell);
	free(w.bad_key);
	records_part_release(&part);
	return ret;
}

void records_fit_release(struct records_fit *f)
{
	strvec_release(&f->shown);
}
