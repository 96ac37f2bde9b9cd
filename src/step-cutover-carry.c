/* SPDX-License-Identifier: MIT */
/*
 * What was written since comes into the old tables, before a rollback hands
 * them back. In this order:
 *	the old tables are fenced, unless views stand in for them
 *	the fact "carry" is "begun"
 *	where a command switches back: the new tables are fenced, with a row of
 *	their own (STEP/back)
 *	one transaction of the old store: the new tables are locked (in another
 *	database by a session of its own, as long as this takes), views and fence
 *	go with their rows, and the rows come
 *	the fact is "done"
 * then all the rest of the undo, and the fence of the new tables goes. So
 * whoever goes on knows by the row of the fence, or of the views, whether the
 * transaction was; it is made once.
 *
 * A file that is put back as a whole has them when it is there: the fact is
 * "later" until then, and what is undone on the way does not take them, see
 * step_carry_keep().
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "plan.h"
#include "step-carry.h"
#include "step-cutover-internal.h"
#include "step-fence.h"
#include "step-records.h"
#include "store.h"

#define LOCK_TRIES 30u
#define LOCK_NAP_MS 500u

/* --- the fact --- */

static const char *carry_state(struct step_ctx *ctx)
{
	struct json_object *o = step_get_fact(ctx, "carry");

	return o ? json_object_get_string(o) : "";
}

static int set_state(struct step_ctx *ctx, const char *state,
		     struct error *err)
{
	return step_set_fact(ctx, "carry", json_object_new_string(state), err);
}

/* the switch was made again, on the way back to an R point: what is in the old
   tables alone may have come in between */
static bool was_again(struct step_ctx *ctx)
{
	struct json_object *o = step_get_fact(ctx, STEP_AGAIN);

	return o && json_object_get_boolean(o);
}

static bool had_refused(struct step_ctx *ctx)
{
	struct json_object *o = step_get_fact(ctx, "refused");

	return o && json_object_get_boolean(o);
}

static int set_refused(struct step_ctx *ctx, bool any, struct error *err)
{
	return any == had_refused(ctx) ? 0 :
	       step_set_fact(ctx, "refused", json_object_new_boolean(any),
			     err);
}

/* A file comes back as a whole, and a way back that goes on after a kill wants
   it as the point has it. */
static bool is_in_file(const struct cutover *c, struct step_ctx *ctx)
{
	const struct plan *p = step_plan(ctx);

	for (size_t i = 0; i < c->copies.n; i++) {
		const struct records_step *m =
			p->steps[plan_step_index(p, c->copies.v[i])]->priv;

		if (m->to.store->path)
			return true;
	}
	return false;
}

bool cutover_carry_is_forward(const struct step *s, struct step_ctx *ctx)
{
	const struct cutover *c = s->priv;

	if (is_in_file(c, ctx))
		return false;
	/* of those that did not come nobody knows which is the newer */
	return !c->views.n && !strcmp(carry_state(ctx), "done") &&
	       !had_refused(ctx) && step_carries_forward(ctx);
}

int cutover_carry_forward(const struct step *s, struct step_ctx *ctx,
			  struct error *err)
{
	const struct cutover *c = s->priv;
	struct json_object *along = step_get_fact(ctx, STEP_ALONG);
	bool keeps;
	int ret;

	if (!cutover_carry_is_forward(s, ctx))
		return 0;
	keeps = !strcmp(along ? json_object_get_string(along) : "",
			step_rollback_point(ctx));
	ret = step_carry_forward(ctx, &c->copies, keeps, err);
	return ret < 0 ? ret : step_set_fact(ctx, STEP_ALONG,
		json_object_new_string(step_rollback_point(ctx)), err);
}

int cutover_carry_forget(const struct step *s, struct step_ctx *ctx,
			 bool again, struct error *err)
{
	const struct cutover *c = s->priv;
	int ret = 0;

	if (again && c->target.dialect == SQL_PG &&
	    !strcmp(carry_state(ctx), "done"))
		ret = step_carry_undo(ctx, &c->copies, err);
	if (ret == 0 && again != was_again(ctx))
		ret = step_set_fact(ctx, STEP_AGAIN,
				    json_object_new_boolean(again), err);
	if (ret == 0 && *carry_state(ctx))
		ret = set_state(ctx, "", err);
	return ret;
}

/* --- the new tables --- */

/* those of the copies that are in a store of their own */
static const struct plan_store *other_store(const struct cutover *c,
					    struct step_ctx *ctx)
{
	const struct plan *p = step_plan(ctx);

	for (size_t i = 0; i < c->copies.n; i++) {
		const struct records_step *m =
			p->steps[plan_step_index(p, c->copies.v[i])]->priv;

		if (strcmp(m->to.store->url, c->target.store->url) != 0)
			return m->to.store;
	}
	return NULL;
}

static bool is_database(const struct plan_store *st)
{
	return st->kind == PLAN_STORE_PG || st->kind == PLAN_STORE_SQLITE;
}

/* can anybody write to the file of the store, and we, too? */
static bool is_there(const struct plan_store *st, struct step_ctx *ctx)
{
	int fd = step_aside(ctx, st);

	if (fd >= 0)
		closep(&fd);
	return fd < 0;
}

/* Holds them until the store is closed. A lock that is not to be had soon is
   let go of, as writers wait behind it. */
static int lock_other(const struct cutover *c, struct step_ctx *ctx,
		      struct store **ret, struct error *err)
{
	const struct plan_store *st = other_store(c, ctx);
	bool rejects;

	if (!st || !is_database(st) || !is_there(st, ctx) ||
	    step_carry_is_kept(ctx, &rejects))
		return 0;
	for (unsigned int n = 0;; n++) {
		_cleanup_error_ struct error why = ERROR_INIT;
		_cleanup_store_ struct store *s = NULL;
		struct store_options o;
		int r;

		step_store_options(ctx, st, &o);
		o.lock_ms = (unsigned int)(c->target.lock_s * 1000);
		r = store_open(st->url, &o, &s, &why);
		if (r == 0)
			r = store_begin(s, true, &why);
		if (r == 0)
			r = step_carry_lock(ctx, &c->copies, st->url, s, &why);
		if (r == 0) {
			*ret = TAKE_PTR(s);
			return 0;
		}
		if ((store_class(r) != STORE_CLASS_RETRY &&
		     store_class(r) != STORE_CLASS_RECONNECT) ||
		    n + 1 >= LOCK_TRIES || !step_nap(ctx, LOCK_NAP_MS)) {
			error_move(err, &why);
			error_prefix(err, _("store '%s'"), st->name);
			return r;
		}
		step_log(ctx, "note", why.msg, strlen(why.msg));
	}
}

struct new_fence {
	struct sql_target target;
	struct strvec tables;
	struct sql_list up, down;
	struct step as_back;
	char *id, *row;
	struct sql_work w;
};

static void new_fence_release(struct new_fence *f)
{
	step_sql_close(&f->w);
	strvec_release(&f->tables);
	sql_list_release(&f->up);
	sql_list_release(&f->down);
	free(f->id);
	free(f->row);
}

/* 1: it is open, 0: there is none */
static int new_fence_open(struct new_fence *f, const struct step *s,
			  struct step_ctx *ctx, struct error *err)
{
	const struct cutover *c = s->priv;
	const struct plan *p = step_plan(ctx);
	const struct plan_store *st = other_store(c, ctx);

	memset(f, 0, sizeof(*f));
	if (!st)
		st = c->target.store;
	if (!c->back.n || !c->copies.n || !is_database(st) ||
	    !is_there(st, ctx) || step_comes_back(ctx, st))
		return 0;
	f->target = c->target;
	f->target.store = st;
	f->target.dialect = st->kind == PLAN_STORE_PG ? SQL_PG : SQL_SQLITE;
	for (size_t i = 0; i < c->copies.n; i++) {
		const struct records_step *m =
			p->steps[plan_step_index(p, c->copies.v[i])]->priv;

		if (!strcmp(m->to.store->url, st->url) &&
		    !strvec_has(&f->tables, m->to.set))
			strvec_push(&f->tables, m->to.set);
	}
	f->id = xasprintf("%s_back", s->id);
	f->row = xasprintf("%s/back", s->id);
	step_fence_add(f->id, f->target.dialect, &f->tables, &f->up, &f->down);
	f->as_back.id = f->row;
	f->as_back.ops = s->ops;
	step_sql_init(&f->w, &f->as_back, ctx, &f->target, &f->up, &f->down);
	f->w.names_only = true;
	return step_sql_open(&f->w, false, err) < 0 ? -EIO : 1;
}

static int fence_new(const struct step *s, struct step_ctx *ctx, bool up,
		     struct error *err)
{
	struct new_fence f;
	int ret = new_fence_open(&f, s, ctx, err);

	if (ret > 0)
		ret = up ? step_sql_apply(&f.w, err) :
		      step_sql_undo(&f.w, err);
	new_fence_release(&f);
	return MIN(ret, 0);
}

int cutover_carry_end(const struct step *s, struct step_ctx *ctx,
		      struct error *err)
{
	return *carry_state(ctx) ? fence_new(s, ctx, false, err) : 0;
}

/* --- the transaction --- */

struct carrying {
	const struct step *s;
	struct step_ctx *ctx;
	bool later;
	int some;                /* 1: not all of the copies can be carried */
	uint64_t rows, refused;
};

static int carry_inside(struct sql_work *w, struct carrying *p,
			struct error *err)
{
	const struct cutover *c = p->s->priv;
	bool rejects = false;
	int ret = step_carry_lock(p->ctx, &c->copies, c->target.store->url,
				  w->store, err);

	if (ret == 0 && c->views.n && !p->later)
		ret = cutover_within(cutover_views_work, step_sql_undo, p->s,
				     p->ctx, err);
	if (ret == 0 && !p->later)
		ret = cutover_within(step_cutover_work, step_sql_undo, p->s,
				     p->ctx, err);
	(void)step_carry_is_kept(p->ctx, &rejects);
	if (ret == 0)
		ret = p->some = step_carry(p->ctx, &c->copies, rejects ||
					   was_again(p->ctx), &p->rows,
					 &p->refused, err);
	return MIN(ret, 0);
}

static int carry_once(struct sql_work *w, void *arg, struct error *err)
{
	struct carrying *p = arg;
	const struct cutover *c = p->s->priv;
	int ret;

	/* the row goes with the transaction */
	if (!w->m.there && !p->later)
		return 1;
	step_store_join(p->ctx, c->target.store->name, w->store);
	ret = carry_inside(w, p, err);
	step_store_join(p->ctx, NULL, NULL);
	return ret;
}

static int transact(struct carrying *p, struct error *err)
{
	const struct cutover *c = p->s->priv;
	_cleanup_store_ struct store *other = NULL;
	_cleanup_work_ struct sql_work w;
	int ret;

	if (c->views.n && !p->later)
		cutover_views_work(&w, p->s, p->ctx);
	else
		step_cutover_work(&w, p->s, p->ctx);
	w.tries_all = true;
	ret = step_sql_open(&w, false, err);
	if (ret >= 0)
		ret = lock_other(c, p->ctx, &other, err);
	return ret < 0 ? ret : step_sql_transact(&w, carry_once, p, err);
}

static int begin(const struct step *s, struct step_ctx *ctx,
		 struct sql_work *fence, struct error *err)
{
	const struct cutover *c = s->priv;
	int ret = 0;

	if (!c->views.n && !fence->m.there)
		ret = step_sql_apply(fence, err);
	if (ret == 0)
		ret = set_state(ctx, "begun", err);
	return ret < 0 ? ret : fence_new(s, ctx, true, err);
}

static int put_off(const struct step *s, struct step_ctx *ctx,
		   struct error *err)
{
	const struct cutover *c = s->priv;
	int ret = fence_new(s, ctx, true, err);

	if (ret == 0)
		ret = step_carry_keep(ctx, &c->copies, err);
	if (ret < 0) {
		(void)fence_new(s, ctx, false, NULL);
		return ret;
	}
	return set_state(ctx, "later", err);
}

int cutover_carry(const struct step *s, struct step_ctx *ctx,
		  struct sql_work *fence, struct error *err)
{
	const struct cutover *c = s->priv;
	struct carrying p = { .s = s, .ctx = ctx };
	const char *state = carry_state(ctx);
	uint64_t since = clock_mono_ns();
	int ret;

	if (!strcmp(state, "done") || !strcmp(state, "later"))
		return 0;
	if (step_comes_back(ctx, c->target.store))
		return put_off(s, ctx, err);
	/* an engine that was killed behind the commit */
	if (!c->views.n && !strcmp(state, "begun") && !fence->m.there)
		return set_state(ctx, "done", err);
	ret = begin(s, ctx, fence, err);
	if (ret == 0)
		ret = transact(&p, err);
	if (ret < 0) {
		/* the application goes on where it is */
		(void)fence_new(s, ctx, false, NULL);
		if (!c->views.n && !c->keep)
			(void)step_sql_undo(fence, NULL);
		(void)set_state(ctx, "", NULL);
		return ret;
	}
	memset(&fence->m, 0, sizeof(fence->m));
	ret = set_refused(ctx, p.refused > 0, err);
	if (ret == 0 && p.rows)
		ret = step_set_fact(ctx, STEP_CARRIED, json_object_new_string(
				    step_rollback_point(ctx)), err);
	if (ret >= 0)
		ret = set_state(ctx, "done", err);
	if (ret == 0)
		cutover_say_stall(ctx, since);
	return ret < 0 ? ret : p.some;
}

int step_cutover_carry(const struct step *s, struct step_ctx *ctx,
		       struct error *err)
{
	const struct cutover *c = s->priv;
	struct carrying p = { .s = s, .ctx = ctx, .later = true };
	int ret;

	if (strcmp(carry_state(ctx), "later") != 0)
		return 0;
	if (!step_carries(ctx))
		return step_carry_let_go(ctx, &c->copies, err);
	/* who opens a file to write changes it */
	ret = step_carry_any(ctx, &c->copies, err);
	if (ret > 0)
		ret = transact(&p, err);
	if (ret >= 0)
		ret = step_carry_let_go(ctx, &c->copies, err);
	return ret < 0 ? ret : set_state(ctx, "done", err);
}
