/* SPDX-License-Identifier: MIT */
#include "step-cutover.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "plan.h"
#include "step-cutover-internal.h"
#include "step-fence.h"
#include "step-live.h"
#include "step-records.h"
#include "store.h"

#define BACK_S 600.0

/* --- can writers wait? --- */

static char *elsewhere(const struct cutover *c, const struct plan *p)
{
	const char *url = c->target.store->url;

	for (size_t i = 0; i < c->copies.n; i++) {
		int at = plan_step_index(p, c->copies.v[i]);
		const struct records_step *m;

		if (at < 0 || !p->steps[at]->ops ||
		    !(p->steps[at]->ops->flags & STEP_COPIES))
			continue;
		m = p->steps[at]->priv;
		if (!m->from.store || !m->to.store ||
		    strcmp(m->from.store->url, url) ||
		    strcmp(m->to.store->url, url))
			return xasprintf(_("'%s' copies between two databases"),
					 c->copies.v[i]);
	}
	return NULL;
}

char *step_cutover_no_wait(const struct step *s, const struct plan *p)
{
	const struct cutover *c = s->priv;

	if (!c->views.n)
		return xasprintf(_("there are no 'views'"));
	if (c->drain.n || c->verify.n || c->go.n)
		return xasprintf(_("a command would wait as well"));
	return elsewhere(c, p);
}

bool step_cutover_waits(const struct step *s, const struct plan *p)
{
	const struct cutover *c = s->priv;
	_cleanup_free_ char *why = NULL;

	if (c->writers == CUTOVER_REFUSE)
		return false;
	why = step_cutover_no_wait(s, p);
	return !why;
}

/* --- looking --- */

void step_cutover_work(struct sql_work *w, const struct step *s,
		       struct step_ctx *ctx)
{
	const struct cutover *c = s->priv;

	step_sql_init(w, s, ctx, &c->target, &c->up, &c->down);
	w->names_only = true;
}

static const char *phase(struct step_ctx *ctx)
{
	struct json_object *o = step_get_fact(ctx, "phase");

	return o ? json_object_get_string(o) : "";
}

static int set_phase(struct step_ctx *ctx, const char *name,
		     struct error *err)
{
	return step_set_fact(ctx, "phase", json_object_new_string(name), err);
}

static bool has_switched(struct step_ctx *ctx)
{
	return !strcmp(phase(ctx), "switched") || !strcmp(phase(ctx), "done");
}

/* for those who ask why nobody can write */
static int set_fenced(const struct step *s, struct step_ctx *ctx, bool on,
		      struct error *err)
{
	const struct cutover *c = s->priv;
	struct json_object *list;

	if (!on && !step_get_fact(ctx, STEP_FENCED))
		return 0;
	list = json_object_new_array();
	for (size_t i = 0; on && i < c->fence.n; i++)
		json_object_array_add(list,
				      json_object_new_string(c->fence.v[i]));
	return step_set_fact(ctx, STEP_FENCED, list, err);
}

/*
 * What is drained leaves the queue of the source. A destination that is a file
 * comes back as it was before this step if that is put back or undone, and the
 * queue does not: from the first row on a resume goes on where it stands, and
 * an undo ends the capture, as it is no good any more; behind the next fence
 * all rows are compared then.
 */
static const char drained[] = "drained";

static bool has_drained(struct step_ctx *ctx)
{
	struct json_object *o = step_get_fact(ctx, drained);

	return o && json_object_get_boolean(o);
}

static int set_drained(const struct cutover *c, struct step_ctx *ctx,
		       struct error *err)
{
	if (has_drained(ctx) || !step_live_into_file(step_plan(ctx),
						     &c->copies))
		return 0;
	return step_set_fact(ctx, drained, json_object_new_boolean(1), err);
}

static int undo_drained(const struct cutover *c, struct step_ctx *ctx,
			struct error *err)
{
	int ret;

	if (!has_drained(ctx))
		return 0;
	ret = step_live_end_all(ctx, &c->copies, err);
	return ret < 0 ? ret : step_set_fact(ctx, drained,
					     json_object_new_boolean(0), err);
}

/* killed between the end of the fence and the word of it */
static bool is_untold(const struct cutover *c, struct step_ctx *ctx)
{
	struct json_object *o = step_get_fact(ctx, STEP_FENCED);

	return cutover_stall_is_open(ctx) ||
		(o && json_object_array_length(o) && !c->keep);
}

static enum step_probe state(const struct cutover *c, struct step_ctx *ctx,
			     bool fenced, bool views)
{
	if (views)
		return fenced || is_untold(c, ctx) ? PROBE_PARTLY :
						     PROBE_FULLY;
	if (has_switched(ctx) && !c->views.n)
		return fenced == c->keep && !is_untold(c, ctx) &&
			(!c->copies.n || !strcmp(phase(ctx), "done")) ?
			PROBE_FULLY : PROBE_PARTLY;
	return fenced || !strcmp(phase(ctx), "switching") ||
		has_drained(ctx) || is_untold(c, ctx) ? PROBE_PARTLY :
							PROBE_NOT;
}

int step_cutover_probe(const struct step *s, struct step_ctx *ctx,
		       enum step_probe *ret, struct error *err)
{
	const struct cutover *c = s->priv;
	_cleanup_work_ struct sql_work w;
	int r, views = 0;

	step_cutover_work(&w, s, ctx);
	r = step_sql_open(&w, true, err);
	if (r > 0 && c->views.n)
		views = r = cutover_views_there(s, ctx, err);
	if (r < 0)
		return r;
	*ret = state(c, ctx, w.m.there, views > 0);
	return 0;
}

/* --- doing --- */

/* Behind the switch: writers come back, and nothing is captured any more. One
   who goes on sees the end of the stall if the fence is still there. */
static int finish(const struct step *s, struct step_ctx *ctx,
		  struct sql_work *w, struct error *err)
{
	const struct cutover *c = s->priv;
	bool seen = w->m.there && !c->keep;
	int ret = c->keep ? step_sql_apply(w, err) : step_sql_undo(w, err);

	if (ret == 0)
		ret = cutover_stall_end(ctx, seen, err);
	/* of a switch that was made again, with what came along */
	if (ret == 0 && cutover_carry_is_forward(s, ctx))
		ret = cutover_carry_forget(s, ctx, false, err);
	if (ret == 0 && !c->keep)
		ret = set_fenced(s, ctx, false, err);
	if (ret < 0 || !c->copies.n)
		return ret;
	/* with views it was done before these were there */
	if (!c->views.n)
		ret = step_live_end_all(ctx, &c->copies, err);
	return ret < 0 ? ret : set_phase(ctx, "done", err);
}

/* as before the cutover, from wherever it stands; seen: writers are held up
   until then */
static int restore(const struct step *s, struct step_ctx *ctx,
		   struct sql_work *w, bool seen, struct error *err)
{
	const struct cutover *c = s->priv;
	int ret = 0;

	if (!strcmp(phase(ctx), "switching") || has_switched(ctx)) {
		if (c->go.n && !c->back.n)
			return error_set(err, ERR_NO_WAY_BACK, -EPERM,
				_("nothing can bring back what it does"));
		ret = cutover_command(ctx, &c->back, BACK_S, err);
	}
	/* views and fence are in the file, or not, as it was then */
	if (!step_comes_back(ctx, c->target.store)) {
		if (ret == 0 && c->views.n)
			ret = cutover_swap_back(s, ctx, err);
		if (ret == 0)
			ret = step_sql_undo(w, err);
	}
	if (ret == 0)
		ret = cutover_stall_end(ctx, seen, err);
	if (ret == 0)
		ret = set_fenced(s, ctx, false, err);
	return ret < 0 ? ret : set_phase(ctx, "back", err);
}

/* the fence, and all behind it */
static int hold(const struct step *s, struct step_ctx *ctx, struct sql_work *w,
		bool again, uint64_t since, struct error *err)
{
	const struct cutover *c = s->priv;
	uint64_t until = cutover_until(c, since);
	int ret;

	step_deadline(ctx, until);
	ret = step_sql_apply(w, err);
	if (ret == 0)
		ret = again ? cutover_carry_forward(s, ctx, err) :
		      cutover_check_all(s, ctx, until, err);
	if (ret == 0)
		ret = set_phase(ctx, "switching", err);
	if (ret == 0)
		ret = cutover_in_time(c, ctx, &c->go, until, err);
	if (ret == 0 && c->views.n)
		ret = cutover_swap(s, ctx, w, again, err);
	if (ret == 0)
		ret = set_phase(ctx, "switched", err);
	if (ret == 0)
		ret = cutover_stall_look(ctx, err);
	ret = cutover_too_long(c, ctx, ret, err);
	step_deadline(ctx, 0);
	return ret;
}

static int refuse(const struct step *s, struct step_ctx *ctx,
		  struct sql_work *w, bool again, struct error *err)
{
	const struct cutover *c = s->priv;
	_cleanup_error_ struct error back = ERROR_INIT;
	int ret = set_fenced(s, ctx, true, err);
	uint64_t since = clock_mono_ns();

	if (ret == 0)
		ret = cutover_stall_begin(ctx, since, err);
	if (ret == 0)
		ret = hold(s, ctx, w, again, since, err);
	if (ret == 0)
		ret = c->keep ? 0 : step_sql_undo(w, err);
	if (ret == 0)
		ret = cutover_stall_end(ctx, true, err);
	if (ret == 0)
		return finish(s, ctx, w, err);
	/* switched, and the fence will not go: a resume goes on there */
	if (has_switched(ctx))
		return ret;
	if (restore(s, ctx, w, true, &back) < 0)
		error_prefix(err, "%s", back.msg);
	return ret;
}

static int wait_for_it(const struct step *s, struct step_ctx *ctx, bool again,
		       struct error *err)
{
	int ret = cutover_swap(s, ctx, NULL, again, err);

	if (ret >= 0)
		return cutover_stall_end(ctx, true, err);
	(void)cutover_stall_end(ctx, true, NULL); /* the failure is told */
	return ret;
}

/* what the server can do is not in the plan */
static int may_wait(const struct step *s, struct step_ctx *ctx,
		    struct sql_work *w, struct error *err)
{
	const struct cutover *c = s->priv;

	if (!step_cutover_waits(s, step_plan(ctx)))
		return 0;
	if (store_can(w->store, STORE_CAP_TX_DDL))
		return 1;
	return c->writers == CUTOVER_DEFAULT ? 0 :
		error_set(err, ERR_STEP, -EOPNOTSUPP,
			  _("%s: views cannot be made inside of a transaction, "
			    "so writers cannot wait"), store_name(w->store));
}

static int go(const struct step *s, struct step_ctx *ctx, bool again,
	      struct error *err)
{
	const struct cutover *c = s->priv;
	_cleanup_work_ struct sql_work w;
	int ret = 0, there = 0, waits;

	step_cutover_work(&w, s, ctx);
	if (!again || !cutover_carry_is_forward(s, ctx))
		ret = cutover_carry_forget(s, ctx, again, err);
	if (ret >= 0)
		ret = step_sql_open(&w, false, err);
	if (ret >= 0 && c->views.n)
		ret = there = cutover_views_there(s, ctx, err);
	if (ret < 0)
		return ret;
	if (there || (has_switched(ctx) && !c->views.n))
		return finish(s, ctx, &w, err);
	ret = w.m.there || !strcmp(phase(ctx), "switching") ?
	      restore(s, ctx, &w, w.m.there, err) :
	      cutover_stall_end(ctx, false, err);
	waits = ret < 0 ? ret : may_wait(s, ctx, &w, err);
	if (waits < 0)
		return waits;
	ret = ret < 0 ? ret : set_drained(c, ctx, err);
	/* most of it while writers write */
	if (ret == 0 && c->copies.n && !again)
		ret = step_live_drain(s, ctx, &c->copies, false, err);
	if (ret < 0)
		return ret;
	return waits ? wait_for_it(s, ctx, again, err) :
	       refuse(s, ctx, &w, again, err);
}

int step_cutover_apply(const struct step *s, struct step_ctx *ctx,
		       struct error *err)
{
	return go(s, ctx, false, err);
}

int step_cutover_redo(const struct step *s, struct step_ctx *ctx,
		      struct error *err)
{
	return go(s, ctx, true, err);
}

int step_cutover_undo(const struct step *s, struct step_ctx *ctx,
		      struct error *err)
{
	const struct cutover *c = s->priv;
	_cleanup_work_ struct sql_work w;
	bool switched, carries = c->copies.n && step_carries(ctx);
	int ret, there = 0, left = 0;

	step_cutover_work(&w, s, ctx);
	ret = step_sql_open(&w, false, err);
	if (ret < 0)
		return ret;
	if (c->views.n)
		there = cutover_views_there(s, ctx, err);
	if (there < 0)
		return there;
	switched = there || has_switched(ctx);
	if (switched && carries)
		left = cutover_carry(s, ctx, &w, err);
	if (left < 0)
		return left;
	ret = restore(s, ctx, &w, w.m.there, err);
	if (ret == 0)
		ret = cutover_carry_end(s, ctx, err);
	if (ret == 0)
		ret = undo_drained(c, ctx, err);
	/* it may take its time: nobody waits for it any more */
	if (ret == 0 && switched && (left || !carries))
		cutover_tell_since(s, ctx);
	return ret;
}
