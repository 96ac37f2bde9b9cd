/* SPDX-License-Identifier: MIT */
/*
 * What a step has left in its set, for whoever wants to know what an undo
 * would do. Reads alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/xalloc.h"
#include "records-map.h"
#include "records-verify.h"
#include "plan.h"
#include "step-records.h"
#include "step-sql.h"
#include "store-sql.h"

static int on_found(_unused_ void *ctx, _unused_ const struct records_found *f,
		    _unused_ struct error *err)
{
	return 0;
}

static bool on_cancelled(void *ctx)
{
	return step_cancelled(ctx);
}

/* without one: what equals the rows of the source */
static int by_source(const struct records_job *job, struct step_ctx *ctx,
		     struct store *from, struct store *to,
		     struct step_rows *ret, struct error *err)
{
	_cleanup_close_ int dir = fs_open(AT_FDCWD, "/tmp",
					  O_RDONLY | O_DIRECTORY, 0);
	struct records_shapes shapes;
	struct records_verdict v = { 0 };
	int r = records_map_cast(&job->from, job->hidden, &job->to, from, to,
				 &shapes, err);
	struct records_spec spec = {
		.old = { from, &shapes.from, shapes.hidden },
		.now = { to, &shapes.to, 0 }, .nkey = shapes.to.nkey,
		.level = RECORDS_STANDARD, .pause_s = -1, .scratch_fd = dir,
		.found = on_found, .cancelled = on_cancelled, .ctx = ctx,
	};

	if (r < 0)
		return r;
	r = records_copy_same(job, from, to, &ret->brought, err);
	ret->known = r > 0;
	if (r == 0)
		r = records_verify(&spec, &v, err);
	records_shapes_release(&shapes);
	if (ret->known)
		return 0;
	if (r < 0)
		return r;
	ret->known = true;
	ret->brought = v.rows[1] - v.n[RECORDS_EXTRA] - v.n[RECORDS_DIFFERENT];
	return 0;
}

/* the table that the query has for a name, if it has one */
static int take_aside(struct step_records_job *j, struct store *from,
		      const char *sql, const char *name, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_free_ char *aside = NULL;
	int r;

	store_batch_clear(&args, 1);
	store_batch_add(&args, STORE_TEXT, name, strlen(name));
	r = step_sql_cell(from, sql, &args, &aside, err);
	if (r < 0 || !aside)
		return r;
	free(j->set);
	j->set = TAKE_PTR(aside);
	return 0;
}

/*
 * The name of the source is that of a view by now, which a later step has put
 * over what was copied: the table itself stands aside (step-views.c).
 */
int step_records_find_source(struct step_records_job *j, struct store *from,
			     struct error *err)
{
	_cleanup_strbuf_ struct strbuf quoted = STRBUF_INIT;

	if (store_is_sqlite(from))
		return take_aside(j, from, "SELECT t.name FROM sqlite_schema "
			"v, sqlite_schema t WHERE v.name = $1 AND v.type = "
			"'view' AND t.name = 'upshift_old_' || v.name AND "
			"t.type = 'table'", j->set, err);
	if (!store_is_pg(from))
		return 0;
	store_sql_set(&quoted, j->set);
	return take_aside(j, from, "SELECT n.nspname || '.' || t.relname FROM "
		"pg_class v, pg_class t, pg_namespace n WHERE v.oid = "
		"to_regclass($1::text) AND v.relkind = 'v' AND t.relname = "
		"v.relname AND t.relkind IN ('r', 'p') AND n.oid = "
		"t.relnamespace AND n.nspname LIKE 'upshift\\_old\\_%'",
		quoted.buf, err);
}

static bool same_key(const struct strvec *a, const struct strvec *b)
{
	bool ret = a->n == b->n;

	for (size_t i = 0; ret && i < a->n; i++)
		ret = !strcmp(a->v[i], b->v[i]);
	return ret;
}

/* Later steps that are undone before this one, each with an undo table of its
   own for the same rows: what became of a row is for them to tell. */
static int find_newer(const struct step *s, struct step_ctx *ctx,
		      struct store *to, struct strvec *ret, struct error *err)
{
	const struct plan *p = step_plan(ctx);
	const struct records_step *m = s->priv;
	int r = 0;

	for (size_t i = (size_t)plan_step_index(p, s->id) + 1;
	     r >= 0 && i < p->step_n; i++) {
		const struct records_step *o = p->steps[i]->priv;
		_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
		_cleanup_free_ char *table = NULL;
		struct step_records_job j;

		if (p->steps[i]->ops->rows != step_records_rows ||
		    !step_goes_too(ctx, i) ||
		    strcmp(o->to.store->url, m->to.store->url) != 0 ||
		    strcmp(o->to.set, m->to.set) != 0 ||
		    !same_key(&o->key, &m->key))
			continue;
		step_records_job_init(p->steps[i], ctx, &j);
		table = xasprintf("_upshift_undo_%s", j.id);
		r = store_columns(to, table, &b, err);
		if (r > 0)
			strvec_push(ret, j.id);
		step_records_job_release(&j);
	}
	return MIN(r, 0);
}

/* whoever asks may have another search path */
static int with_schema(struct store *to, const char *id, char **ret,
		       struct error *err)
{
	_cleanup_free_ char *name = xasprintf("_upshift_undo_%s", id);
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;

	store_batch_clear(&args, 1);
	store_batch_add(&args, STORE_TEXT, name, strlen(name));
	return step_sql_cell(to, "SELECT quote_ident(n.nspname) || '.' || "
		"quote_ident(c.relname) FROM pg_class c, pg_namespace n WHERE "
		"n.oid = c.relnamespace AND c.oid = to_regclass(quote_ident("
		"$1::text))", &args, ret, err);
}

static int by_undo(const struct step *s, struct step_ctx *ctx,
		   const struct records_job *job, struct store *to,
		   struct step_rows *ret, struct error *err)
{
	_cleanup_strvec_ struct strvec newer = STRVEC_INIT;
	_cleanup_free_ char *table = NULL;
	struct records_left left = { 0 };
	int r = find_newer(s, ctx, to, &newer, err);

	if (r == 0)
		r = records_copy_left(job, to, &newer, &left, err);
	if (r < 0)
		return r;
	ret->known = true;
	ret->brought = left.brought;
	ret->changed = left.changed;
	/* none as it was left: it is the table that has changed */
	if (!(left.brought + left.changed) && !newer.n)
		return 0;
	ret->others = left.others;
	r = with_schema(to, job->id, &table, err);
	if (r == 0 && table) {
		ret->is_one = records_copy_is_one(job, table, false);
		ret->is_left = records_copy_is_one(job, table, true);
	}
	return r;
}

static int count(const struct step *s, struct step_ctx *ctx,
		 struct step_records_job *j, struct store *to,
		 struct step_rows *ret, struct error *err)
{
	const struct records_step *m = s->priv;
	_cleanup_free_ char *table = xasprintf("_upshift_undo_%s", j->id);
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_store_ struct store *from = NULL;
	struct records_state st;
	int r = records_copy_state(&j->job, to, &st, err);

	ret->known = r == 0 && !st.begun;
	if (r < 0 || !st.begun)
		return r;
	r = step_store(ctx, m->from.store->name, true, &from, err);
	if (r == 0 && m->quarantine)
		store_set_lines(from, STORE_LINES_SKIP);
	if (r == 0)
		r = step_records_find_source(j, from, err);
	if (r == 0)
		r = step_records_job_shape(s, from, to, j, err);
	if (r == 0)
		r = store_columns(to, table, &b, err);
	if (r > 0)
		return by_undo(s, ctx, &j->job, to, ret, err);
	return r < 0 || m->backfill ? r :
		by_source(&j->job, ctx, from, to, ret, err);
}

int step_records_rows(const struct step *s, struct step_ctx *ctx,
		      struct step_rows *ret, struct error *err)
{
	const struct records_step *m = s->priv;
	_cleanup_store_ struct store *to = NULL;
	_cleanup_error_ struct error why = ERROR_INIT;
	struct step_records_job j;
	int r;

	*ret = (struct step_rows){ .store = m->to.store->name,
				   .set = m->to.set };
	if (m->to.store->path)
		return 0;
	step_records_job_init(s, ctx, &j);
	r = step_store(ctx, m->to.store->name, true, &to, &why);
	if (r == 0)
		r = count(s, ctx, &j, to, ret, &why);
	step_records_job_release(&j);
	/* one of its sets went away since, or is another one by now: what the
	   undo will find is not to be seen before */
	if (r == -ENOENT || (r < 0 && why.code == ERR_PLAN_VALUE))
		r = 0;
	if (r < 0)
		error_move(err, &why);
	return r;
}
