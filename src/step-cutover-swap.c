/* SPDX-License-Identifier: MIT */
/*
 * The transaction in which views come into the place of the old tables, with
 * their row. A failure takes back all of it; a lock that is not to be had, or
 * a lost connection, has it done again from its beginning.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "plan.h"
#include "step-cutover-internal.h"
#include "step-live.h"
#include "step-sql-internal.h"
#include "store-sql.h"
#include "store.h"

void cutover_views_work(struct sql_work *w, const struct step *s,
			struct step_ctx *ctx)
{
	const struct cutover *c = s->priv;

	step_sql_init(w, &c->as_views, ctx, &c->target, &c->views_up,
		      &c->views_down);
	w->names_only = true;
}

int cutover_views_there(const struct step *s, struct step_ctx *ctx,
			struct error *err)
{
	_cleanup_work_ struct sql_work w;
	int ret;

	cutover_views_work(&w, s, ctx);
	ret = step_sql_open(&w, true, err);
	return ret > 0 ? step_sql_state(&w) != PROBE_NOT : ret;
}

int cutover_within(void (*init)(struct sql_work *w, const struct step *s,
				struct step_ctx *ctx),
		   int (*go)(struct sql_work *w, struct error *err),
		   const struct step *s, struct step_ctx *ctx,
		   struct error *err)
{
	_cleanup_work_ struct sql_work w;
	int ret;

	init(&w, s, ctx);
	w.tries = 1; /* again is all of it */
	ret = step_sql_open(&w, false, err);
	return ret < 0 ? ret : go(&w, err);
}

/* one statement, so that they are all waited for at once. In SQLite whoever
   may write has them locked */
static int lock_tables(struct sql_work *w, const struct cutover *c,
		       struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;

	if (c->target.dialect != SQL_PG)
		return 0;
	for (size_t i = 0; i < c->fence.n; i++) {
		strbuf_addstr(&sql, i ? ", " : "LOCK TABLE ");
		store_sql_set(&sql, c->fence.v[i]);
	}
	return step_sql_exec(w, sql.buf, err);
}

struct swap {
	const struct step *s;
	struct step_ctx *ctx;
	bool fenced, again;
};

/* the old tables are as nobody will change them any more */
static int swap_inside(const struct swap *p, uint64_t until,
		       struct error *err)
{
	const struct cutover *c = p->s->priv;
	int ret = 0;

	if (!p->fenced && !p->again)
		ret = cutover_check_all(p->s, p->ctx, until, err);
	else if (p->fenced)
		ret = cutover_within(step_cutover_work, step_sql_undo, p->s, p->ctx,
			     err);
	if (ret == 0)
		ret = cutover_stall_look(p->ctx, err);
	/* by their names, which are those of views soon */
	if (ret == 0)
		ret = step_live_end_all(p->ctx, &c->copies, err);
	if (ret == 0)
		ret = cutover_within(cutover_views_work, step_sql_apply, p->s,
				     p->ctx, err);
	/* who comes behind a kill sees no more of it than this */
	return ret < 0 ? ret : cutover_stall_look(p->ctx, err);
}

/* from here on they wait for us, as soon as those are through whom we wait
   for */
static int begin_stall(struct sql_work *w, const struct swap *p, uint64_t now,
		       struct error *err)
{
	int ret = cutover_stall_begin(p->ctx, now, err);

	if (ret == 0)
		ret = lock_tables(w, p->s->priv, err);
	/* whoever held it may have been ourselves */
	if (ret == 0)
		ret = sql_marker_read(w, err);
	if (ret == 0 && w->m.there)
		return 1;
	return ret < 0 ? ret : cutover_stall_look(p->ctx, err);
}

static int swap_once(struct sql_work *w, void *arg, struct error *err)
{
	const struct swap *p = arg;
	const struct cutover *c = p->s->priv;
	uint64_t now = clock_mono_ns(), until = cutover_until(c, now);
	int ret = 0;

	if (w->m.there)
		return 1;
	if (!p->fenced) {
		step_deadline(p->ctx, until);
		ret = begin_stall(w, p, now, err);
	}
	if (ret == 0) {
		step_store_join(p->ctx, c->target.store->name, w->store);
		ret = swap_inside(p, until, err);
		step_store_join(p->ctx, NULL, NULL);
	}
	if (!p->fenced) {
		ret = cutover_too_long(c, p->ctx, ret, err);
		step_deadline(p->ctx, 0);
	}
	return ret;
}

int cutover_swap(const struct step *s, struct step_ctx *ctx,
		 struct sql_work *fence, bool again, struct error *err)
{
	struct swap p = { .s = s, .ctx = ctx, .fenced = fence, .again = again };
	_cleanup_work_ struct sql_work w;
	int ret;

	cutover_views_work(&w, s, ctx);
	w.tries_all = true;
	ret = step_sql_open(&w, false, err);
	if (ret >= 0)
		ret = step_sql_transact(&w, swap_once, &p, err);
	if (ret == 0 && fence)
		memset(&fence->m, 0, sizeof(fence->m));
	return ret;
}

static int back_once(struct sql_work *w, void *arg, struct error *err)
{
	const struct swap *p = arg;
	const struct cutover *c = p->s->priv;
	int ret;

	if (!w->m.there)
		return 1;
	step_store_join(p->ctx, c->target.store->name, w->store);
	ret = cutover_within(cutover_views_work, step_sql_undo, p->s, p->ctx, err);
	step_store_join(p->ctx, NULL, NULL);
	return ret;
}

int cutover_swap_back(const struct step *s, struct step_ctx *ctx,
		      struct error *err)
{
	struct swap p = { .s = s, .ctx = ctx };
	_cleanup_work_ struct sql_work w;
	int ret;

	cutover_views_work(&w, s, ctx);
	w.tries_all = true;
	ret = step_sql_open(&w, false, err);
	return ret < 0 ? ret : step_sql_transact(&w, back_once, &p, err);
}
