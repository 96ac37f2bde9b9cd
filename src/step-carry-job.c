/* SPDX-License-Identifier: MIT */
/* The job there, and the one back, of one copy of a cutover. */
#include <errno.h>
#include <string.h>

#include "base/xalloc.h"
#include "records-copy-internal.h"
#include "step-carry-internal.h"
#include "step-live.h"
#include "store-ours.h"
#include "store-sql.h"

/* --- stores --- */

/* the new store is a file that was put back: where it is now */
void carry_look_aside(struct carry_job *k, struct step_ctx *ctx)
{
	const struct records_step *m = k->copy->priv;

	k->aside_fd = k->here ? -ENOENT : step_aside(ctx, m->to.store);
	if (k->aside_fd < 0)
		return;
	k->aside = true;
	k->now.root_fd = k->aside_fd;
	k->now.read_only = true;
	k->now.recover = false;
	k->now.within = NULL;
	k->now.within_url = NULL;
}

void carry_use_kept(struct carry_job *k, struct step_ctx *ctx)
{
	k->kept = carry_kept(k->copy, ctx);
	if (k->kept)
		k->went.to_set = k->kept;
}

int carry_open_now(const struct carry_job *k, struct step_ctx *ctx,
		    struct store **ret, struct error *err)
{
	const struct records_step *m = k->copy->priv;

	return k->aside ? store_open(m->to.store->url, &k->now, ret, err) :
	       step_store(ctx, m->to.store->name, true, ret, err);
}

/* --- a table of what a view shows --- */

struct showing {
	const struct carry_job *k;
	const char *select;
};

static int make_table(void *ctx, struct store *s, struct error *err)
{
	const struct showing *w = ctx;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret;

	strbuf_addstr(&sql, "DROP TABLE IF EXISTS ");
	store_sql_name(&sql, w->k->table);
	ret = store_exec(s, sql.buf, NULL, NULL, err);
	if (ret < 0 || !w->select)
		return MIN(ret, 0);
	strbuf_clear(&sql);
	strbuf_addstr(&sql, "CREATE TABLE ");
	store_sql_name(&sql, w->k->table);
	strbuf_addf(&sql, " AS %s", w->select);
	ret = store_exec(s, sql.buf, NULL, NULL, err);
	return MIN(ret, 0);
}

#define TRIES 10u

int carry_drop_table(struct carry_job *k, struct step_ctx *ctx,
		      struct error *err)
{
	const struct records_step *m = k->copy->priv;
	_cleanup_store_ struct store *s = NULL;
	struct showing w = { .k = k };
	int ret;

	if (!k->table)
		return 0;
	ret = step_store(ctx, m->to.store->name, false, &s, err);
	return ret < 0 ? ret : store_transact(s, make_table, &w, TRIES, err);
}

static int index_table(void *ctx, struct store *s, struct error *err)
{
	const struct carry_job *k = ctx;
	_cleanup_free_ char *name = xasprintf("%s_key", k->table);
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret;

	strbuf_addstr(&sql, "CREATE INDEX IF NOT EXISTS ");
	store_sql_name(&sql, name);
	strbuf_addstr(&sql, " ON ");
	store_sql_name(&sql, k->table);
	strbuf_addstr(&sql, " (");
	store_sql_names(&sql, &k->back.to, 0, k->back.to.nkey);
	strbuf_addch(&sql, ')');
	ret = store_exec(s, sql.buf, NULL, NULL, err);
	return MIN(ret, 0);
}

char *carry_shown(const struct step *copy, struct step_ctx *ctx)
{
	struct step_run_info info;
	_cleanup_free_ char *id = NULL;

	step_run_info(ctx, &info);
	id = store_ours_id(copy->id, info.run_key);
	return xasprintf("_upshift_q_%s_back", id);
}

/* *ret: its columns */
static int show_view(struct carry_job *k, struct step_ctx *ctx,
		     const char *select, struct store_batch *ret,
		     struct error *err)
{
	const struct records_step *m = k->copy->priv;
	struct showing w = { .k = k, .select = select };
	_cleanup_store_ struct store *s = NULL;
	int r;

	if (k->aside) {
		k->set = xstrdup(m->from.set);
		r = carry_open_now(k, ctx, &s, err);
		return r < 0 ? r : store_columns(s, k->set, ret, err);
	}
	k->table = carry_shown(k->copy, ctx);
	k->set = xstrdup(k->table);
	r = step_store(ctx, m->to.store->name, false, &s, err);
	if (r == 0 && !k->kept)
		r = store_transact(s, make_table, &w, TRIES, err);
	return r < 0 ? r : store_columns(s, k->set, ret, err);
}

/* --- how the old table was --- */

/* of a rollback before, which was gone back from in another way */
int carry_drop_undo(const struct carry_job *k, struct step_ctx *ctx,
		     struct error *err)
{
	const struct records_step *m = k->copy->priv;
	_cleanup_store_ struct store *s = NULL;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret;

	if (!k->back.undo)
		return 0;
	ret = step_store(ctx, m->from.store->name, false, &s, err);
	strbuf_addstr(&sql, "DROP TABLE IF EXISTS ");
	records_undo_table(&k->back, "undo", &sql);
	if (ret == 0)
		ret = store_exec(s, sql.buf, NULL, NULL, err);
	return MIN(ret, 0);
}

/* there is something to take back; or there is not */
int carry_keep_undo(const struct carry_job *k, struct step_ctx *ctx,
		     const struct records_carried *n, struct error *err)
{
	const struct records_step *m = k->copy->priv;
	const struct store_mark mark = { .step = k->back.marks, .pos = "",
					 .rows = n->put + n->deleted,
					 .done = true };
	_cleanup_store_ struct store *s = NULL;
	int ret;

	if (!k->back.undo)
		return 0;
	if (!(n->put + n->deleted))
		return carry_drop_undo(k, ctx, err);
	ret = step_store(ctx, m->from.store->name, false, &s, err);
	return ret < 0 ? ret : store_mark(s, &mark, NULL, err);
}

/* --- one copy --- */

static int shapes(struct carry_job *k, struct step_ctx *ctx,
		  const struct store_batch *old, struct error *err)
{
	const struct records_step *m = k->copy->priv;
	_cleanup_store_batch_ struct store_batch shown = STORE_BATCH_INIT;
	const char *select = carry_select(k->copy, step_plan(ctx));
	int ret;

	if (carry_by_columns(k, old, select != NULL))
		return 1;
	if (!select)
		return 0;
	ret = show_view(k, ctx, select, &shown, err);
	if (ret < 0 || !carry_by_view(k, old, &shown))
		return MIN(ret, 0);
	if (k->table) {
		_cleanup_store_ struct store *s = NULL;

		ret = step_store(ctx, m->to.store->name, false, &s, err);
		if (ret == 0)
			ret = store_transact(s, index_table, k, TRIES, err);
	}
	return ret < 0 ? ret : 1;
}

int carry_build(struct carry_job *k, const struct step *copy,
		struct step_ctx *ctx, struct error *err)
{
	const struct records_step *m = copy->priv;
	_cleanup_store_batch_ struct store_batch cols = STORE_BATCH_INIT;
	_cleanup_store_ struct store *old = NULL, *now = NULL;
	struct records_job *b = &k->back;
	struct step_run_info info;
	int ret;

	k->copy = copy;
	k->aside_fd = -1;
	if (!carry_stores(m) || carry_is_mirror(copy, step_plan(ctx)))
		return 0;
	step_records_job_init(copy, ctx, &k->went);
	step_store_options(ctx, m->to.store, &k->now);
	carry_look_aside(k, ctx);
	carry_use_kept(k, ctx);
	ret = step_store(ctx, m->from.store->name, false, &old, err);
	if (ret == 0)
		ret = carry_open_now(k, ctx, &now, err);
	if (ret == 0)
		ret = step_records_job_shape(copy, old, now, &k->went, err);
	if (ret == 0)
		ret = store_columns(old, m->from.set, &cols, err);
	store_close(TAKE_PTR(now));
	if (ret < 0)
		return ret;
	k->went.job.to.where = m->owns;
	k->owns = step_live_owns(copy, ctx);
	step_run_info(ctx, &info);
	k->id = carry_id(copy, ctx);
	k->marks = xasprintf("%s/back", k->went.marks);
	b->id = k->id;
	b->marks = k->marks;
	b->undo = m->from.store->kind == PLAN_STORE_PG;
	b->from_url = m->to.store->url;
	b->to_url = m->from.store->url;
	b->from_options = k->now;
	step_store_options(ctx, m->from.store, &b->to_options);
	b->batch = k->went.job.batch;
	b->workers = 1;
	if (b->undo) {
		b->lease_plan = step_plan(ctx)->name;
		b->lease_owner = info.run_key;
	}
	return shapes(k, ctx, &cols, err);
}

void carry_release(struct carry_job *k)
{
	step_records_job_release(&k->went);
	strvec_release(&k->names);
	strvec_release(&k->exprs);
	free(k->col);
	free(k->expr);
	free(k->set);
	free(k->table);
	free(k->kept);
	free(k->where);
	free(k->id);
	free(k->marks);
	if (k->aside)
		closep(&k->aside_fd);
}

bool carry_is_skipped(struct step_ctx *ctx, int i)
{
	struct step_run_info info;

	step_run_info(ctx, &info);
	return !strcmp(info.step_state(ctx, (size_t)i), "skipped");
}
